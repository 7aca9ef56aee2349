#!/bin/sh
# A client that runs curl once a second, as a script or a cron job does: each is a process of its own.
# It prints a line for each request: "@ END_MS TOOK_MS STATUS BODY".
#
#   curl.sh http://HOST:PORT/PATH TIMEOUT_MS
timeout=$(printf '%d.%03d' $(($2 / 1000)) $(($2 % 1000)))
while :; do
	began=$(date +%s%3N)
	out=$(curl --silent --show-error --max-time "$timeout" --write-out ' %{http_code}' "$1" 2>&1)
	ended=$(date +%s%3N)
	status=${out##* }
	echo "@ $ended $((ended - began)) $((1$status - 1000)) $(printf '%s' "${out% *}" | tr '\n' ' ')"
	left=$((began + 1000 - ended))
	[ $left -le 0 ] || sleep "$(printf '0.%03d' $((left % 1000)))"
done
