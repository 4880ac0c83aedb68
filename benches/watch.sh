#!/bin/bash
# What forwarding costs with all that is watched, beside a build without it: processor time of the
# proxy for a call, in turn, and the ratio. Processor time, because other work on the machine changes
# how long a call takes, but hardly what it costs.
# Usage: benches/watch.sh path/to/teal path/to/other/teal [ROUNDS] [FLAG…]    (flags for the first one)
# Needs h2load (Debian: nghttp2-client).
set -euo pipefail
teal=$1 other=$2 rounds=${3:-5}
shift $(($# < 3 ? $# : 3))
requests=40000
dir=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$dir"' EXIT

# GetSchemaNamesV2Request { catalog: "default" } behind its length.
printf '\0\0\0\0\x09\x12\x07default' >"$dir/request"

start() { # NAME BINARY ARGS…
    local name=$1 && shift
    "$@" --listen 127.0.0.1:0 --admin off 2>"$dir/$name.log" &
    echo $! >"$dir/$name.pid"
    until grep -qs 'Server started on ' "$dir/$name.log"; do
        kill -0 $! 2>/dev/null || { cat "$dir/$name.log" >&2; exit 1; }
        sleep 0.1
    done
    sed -n 's/.*Server started on .*:/127.0.0.1:/p' "$dir/$name.log" >"$dir/$name.address"
}

ticks() { # NAME: user and system time so far
    awk '{ print $14 + $15 }' "/proc/$(cat "$dir/$1.pid")/stat"
}

load() { # NAME: microseconds of processor time for a call
    local before after
    before=$(ticks "$1")
    h2load -n $requests -c 8 -m 16 -t 1 -d "$dir/request" -H 'te: trailers' -H 'content-type: application/grpc' \
        -H 'strategy: blue' -H 'authorization: Bearer bench' \
        "http://$(cat "$dir/$1.address")/QueryEngineService/getSchemaNamesV2" >"$dir/h2load"
    grep -q "^status codes: $requests 2xx" "$dir/h2load" || { cat "$dir/h2load" >&2; exit 1; }
    after=$(ticks "$1")
    awk -v ticks=$((after - before)) -v hertz="$(getconf CLK_TCK)" -v requests=$requests \
        'BEGIN { print ticks / hertz / requests * 1e6 }'
}

start engine "$teal" --gate off
engine="http://$(cat "$dir/engine.address")"
start watched "$teal" --upstream "$engine" --switch-every 0 "$@"
start other "$other" --upstream "$engine" --switch-every 0
load watched >/dev/null
load other >/dev/null
for _ in $(seq "$rounds"); do
    echo "$(load watched) $(load other)"
done | awk '{ print "us a call: " $1 ", other " $2 ", ratio " $1 / $2; a += $1; b += $2 } END { print "all: ratio " a / b }'
