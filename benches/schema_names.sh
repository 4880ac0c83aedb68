#!/bin/bash
# Requests/s of getSchemaNamesV2, teal beside a Python server of a constant answer, in turn.
# Usage: benches/schema_names.sh path/to/teal path/to/python-with-grpcio [ROUNDS]
# Needs h2load (Debian: nghttp2-client).
set -euo pipefail
teal=$1 python=$2 rounds=${3:-3}
here=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$dir"' EXIT

# GetSchemaNamesV2Request { catalog: "default" } behind its length.
printf '\0\0\0\0\x09\x12\x07default' >"$dir/request"

"$teal" --listen 127.0.0.1:0 --admin off 2>"$dir/teal.log" &
mkfifo "$dir/stdin"
"$python" "$here/reference.py" <"$dir/stdin" >"$dir/reference.port" &
exec 3>"$dir/stdin"
until ours=$(grep -om1 'Server started on .*' "$dir/teal.log") && [ -s "$dir/reference.port" ]; do sleep 0.1; done

load() { # PORT REQUESTS
    h2load -n "$2" -c 8 -m 16 -t 1 -d "$dir/request" -H 'te: trailers' -H 'content-type: application/grpc' \
        -H 'strategy: blue' -H 'authorization: Bearer bench' \
        "http://127.0.0.1:$1/QueryEngineService/getSchemaNamesV2" | grep -E '^finished|^requests:|^status'
}

for _ in $(seq "$rounds"); do
    echo "teal"; load "${ours##*:}" 300000
    echo "reference"; load "$(cat "$dir/reference.port")" 10000
done
