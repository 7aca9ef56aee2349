<?php

// A client by PHP's curl. It asks once a second and prints a line for each request:
// "@ END_MS TOOK_MS STATUS BODY".
//
//   php client.php http://HOST:PORT/PATH TIMEOUT_MS fresh|kept
//
// fresh: a handle for each request, as a page under php-fpm has it.
// kept:  one handle for all, as a worker of a queue has it, with its cache of addresses (120 s in PHP).

declare(strict_types=1);

[, $url, $timeout, $mode] = $argv;

function handle(string $url, int $timeout): CurlHandle
{
    $handle = curl_init($url);
    curl_setopt_array($handle, [
        CURLOPT_TIMEOUT_MS => $timeout,
        CURLOPT_NOSIGNAL => true, // timeouts below a second
        CURLOPT_PROXY => '',
        CURLOPT_RETURNTRANSFER => true,
    ]);
    return $handle;
}

$kept = $mode === 'kept' ? handle($url, (int) $timeout) : null;
while (true) {
    $began = microtime(true);
    $handle = $kept ?? handle($url, (int) $timeout);
    $body = curl_exec($handle);
    $status = $body === false ? 0 : curl_getinfo($handle, CURLINFO_RESPONSE_CODE);
    $ended = microtime(true);
    $text = $body === false ? curl_error($handle) : $body;
    printf("@ %d %d %d %s\n", $ended * 1000, ($ended - $began) * 1000, $status, strtr(trim($text), "\r\n", '  '));
    usleep((int) max(0, ($began + 1 - $ended) * 1e6));
}
