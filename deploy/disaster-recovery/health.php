<?php

// The health end point of the app. Put it beside the app's own pages.
//
//   /health.php        200 {"status":"ok"} if this server can do the app's work now: PHP runs, and the
//                      region's replica of the table answers; otherwise 503 {"status":"fail"}. gslb asks this.
//   /health.php?alone  200 whenever PHP runs. HAProxy asks this: a database that fails is no reason to take
//                      out every server of the region, and whether to leave the region is for gslb to say.
//
// Settings, from the environment of PHP: AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, HEALTH_TABLE, and
// HEALTH_KEY ("attribute=value", of one small item that exists for this). AWS_ENDPOINT_URL_DYNAMODB is for tests.

declare(strict_types=1);

// Together less than the timeout of gslb's check, so that the reply says what fails.
const CONNECT_MS = 500;
const WHOLE_MS = 1200;

/** Returns why the region's replica can't be read; null: it can. */
function tableFails(): ?string
{
    $region = (string) getenv('AWS_REGION');
    [$attribute, $value] = explode('=', (string) getenv('HEALTH_KEY'), 2) + ['', ''];
    $curl = curl_init(getenv('AWS_ENDPOINT_URL_DYNAMODB') ?: "https://dynamodb.$region.amazonaws.com");
    curl_setopt_array($curl, [
        CURLOPT_POSTFIELDS => json_encode([
            'TableName' => (string) getenv('HEALTH_TABLE'),
            'Key' => [$attribute => ['S' => $value]],
        ]),
        CURLOPT_HTTPHEADER => [
            'Content-Type: application/x-amz-json-1.0',
            'X-Amz-Target: DynamoDB_20120810.GetItem',
        ],
        CURLOPT_AWS_SIGV4 => "aws:amz:$region:dynamodb",
        CURLOPT_USERPWD => getenv('AWS_ACCESS_KEY_ID') . ':' . getenv('AWS_SECRET_ACCESS_KEY'),
        CURLOPT_CONNECTTIMEOUT_MS => CONNECT_MS,
        CURLOPT_TIMEOUT_MS => WHOLE_MS,
        CURLOPT_NOSIGNAL => true, // timeouts below a second
        CURLOPT_RETURNTRANSFER => true,
    ]);
    $reply = curl_exec($curl);
    if ($reply === false) {
        return curl_error($curl);
    }
    $status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
    if ($status === 200) {
        return null;
    }
    $type = json_decode((string) $reply, true)['__type'] ?? 'no reason given';
    // Throttled is not down: gslb leaves a region for another that would be throttled as well.
    return str_contains($type, 'Throttling') || str_contains($type, 'ThroughputExceeded') ? null : "status $status: $type";
}

$why = isset($_GET['alone']) ? null : tableFails();
http_response_code($why === null ? 200 : 503);
header('Content-Type: application/json');
header('Cache-Control: no-store');
echo json_encode(
    ['status' => $why === null ? 'ok' : 'fail', 'region' => getenv('AWS_REGION')] + ($why === null ? [] : ['reason' => "table: $why"]),
    JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE,
), "\n";
