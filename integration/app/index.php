<?php

// A small app of the kind that gslb steers to. It runs on the servers of every region and
// reads a DynamoDB table in the same region.
//
//   /health  200 {"status":"ok"} if the app can do its work now, 503 {"status":"fail"} if not
//   /ping    200 whenever PHP runs
//   /        which region this is, and what the table says
//
// Its settings are environment variables: AWS_REGION, AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), DYNAMODB_TABLE, DYNAMODB_KEY
// ("attribute=value"), DYNAMODB_ENDPOINT (left out: the region's own), and APP_FAIL_FILE, a
// file that makes the health check fail while it exists.

declare(strict_types=1);

// A load balancer waits a second or so for a health check, and the check has to have
// answered by then even if DynamoDB does not.
const CONNECT_TIMEOUT_MS = 300;
const TIMEOUT_MS = 600;

/** Returns an environment variable, or $default where it is missing or empty. */
function setting(string $name, string $default = ''): string
{
    $value = getenv($name);
    return $value === false || $value === '' ? $default : $value;
}

/**
 * Reads the item by an eventually consistent GetItem, signed with Signature Version 4.
 *
 * @return ?array<string, string> its string attributes; null: there is no such item
 * @throws RuntimeException when DynamoDB does not answer, or with an error
 */
function getItem(): ?array
{
    $region = setting('AWS_REGION');
    [$attribute, $value] = explode('=', setting('DYNAMODB_KEY'), 2) + ['', ''];
    $headers = [
        'Content-Type: application/x-amz-json-1.0',
        'X-Amz-Target: DynamoDB_20120810.GetItem',
    ];
    if (setting('AWS_SESSION_TOKEN') !== '') {
        $headers[] = 'X-Amz-Security-Token: ' . setting('AWS_SESSION_TOKEN');
    }
    $curl = curl_init(setting('DYNAMODB_ENDPOINT', "https://dynamodb.$region.amazonaws.com"));
    curl_setopt_array($curl, [
        CURLOPT_POST => true,
        CURLOPT_POSTFIELDS => json_encode([
            'TableName' => setting('DYNAMODB_TABLE'),
            'Key' => [$attribute => ['S' => $value]],
        ], JSON_THROW_ON_ERROR),
        CURLOPT_HTTPHEADER => $headers,
        CURLOPT_AWS_SIGV4 => "aws:amz:$region:dynamodb",
        CURLOPT_USERPWD => setting('AWS_ACCESS_KEY_ID') . ':' . setting('AWS_SECRET_ACCESS_KEY'),
        CURLOPT_CONNECTTIMEOUT_MS => CONNECT_TIMEOUT_MS,
        CURLOPT_TIMEOUT_MS => TIMEOUT_MS,
        CURLOPT_NOSIGNAL => true, // timeouts below a second
        CURLOPT_PROXY => '',
        CURLOPT_RETURNTRANSFER => true,
    ]);
    $body = curl_exec($curl);
    if ($body === false) {
        throw new RuntimeException('DynamoDB: ' . curl_error($curl));
    }
    $reply = json_decode($body, true);
    $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    if ($status !== 200 || !is_array($reply)) {
        throw new RuntimeException("DynamoDB: status $status: " . ($reply['__type'] ?? $body));
    }
    if (!isset($reply['Item'])) {
        return null;
    }
    return array_map(fn (array $typed): string => (string) reset($typed), $reply['Item']);
}

/** @throws RuntimeException saying why the app cannot do its work */
function assertHealthy(): void
{
    $failFile = setting('APP_FAIL_FILE');
    if ($failFile !== '' && file_exists($failFile)) {
        throw new RuntimeException((string) file_get_contents($failFile));
    }
    getItem();
}

/** @param array<string, mixed> $body */
function reply(int $status, array $body): void
{
    http_response_code($status);
    header('Content-Type: application/json');
    header('Cache-Control: no-store');
    echo json_encode($body, JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE), "\n";
}

$region = setting('AWS_REGION');

switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/health':
        try {
            assertHealthy();
            reply(200, ['status' => 'ok', 'region' => $region]);
        } catch (RuntimeException $e) {
            reply(503, ['status' => 'fail', 'region' => $region, 'reason' => $e->getMessage()]);
        }
        break;
    case '/ping':
        reply(200, ['region' => $region]);
        break;
    case '/':
        try {
            reply(200, ['region' => $region, 'item' => getItem()]);
        } catch (RuntimeException $e) {
            reply(500, ['region' => $region, 'reason' => $e->getMessage()]);
        }
        break;
    default:
        reply(404, ['region' => $region, 'reason' => 'no such page']);
}
