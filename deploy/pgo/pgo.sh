#!/usr/bin/env bash
# Makes gateway/default.pgo of bin/gateway, with which `go build ./gateway` then optimises for the
# paths that requests take: proxied, answered from the cache, limited in memory
# and in Redis, with and without TLS. Run it after larger changes of the data
# plane, on a machine that does nothing else, and compare with `make gate`.
# Everything runs on loopback and ends with the script.
set -euo pipefail
cd "$(git rev-parse --show-toplevel)"
seconds=${SECONDS_PER_PATH:-8}
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
command -v wrk >/dev/null || { echo "pgo.sh: wrk is missing: sh deploy/deps.sh installs it" >&2; exit 1; }

redis=127.0.0.1:16390
redis-server --bind 127.0.0.1 --port "${redis#*:}" --save '' --dir "$work" >"$work/redis.log" & pids+=($!)
bin/harness origin --listen 127.0.0.1:19390 --models 200 >"$work/origin.log" 2>&1 & pids+=($!)

# A thousand routes beside the measured ones, as large tables have them.
{
  cat deploy/pgo/gateway.yaml
  for i in $(seq 1000); do printf '  - {name: r%d, paths: [/other/%d/], strip_path: true}\n' "$i" "$i"; done
} >"$work/kong.yaml"
bin/gateway run --database off --declarative-config "$work/kong.yaml" --pprof --access-log off \
  --proxy-listen 127.0.0.1:18390 --proxy-ssl-listen 127.0.0.1:18391 --admin-listen 127.0.0.1:18392 --status-listen 127.0.0.1:18393 \
  >"$work/gateway.log" 2>&1 & pids+=($!)
for _ in $(seq 100); do
  curl -fs -o "$work/ready" http://127.0.0.1:18393/health/ready && break
  kill -0 "${pids[-1]}" 2>/dev/null || { cat "$work/gateway.log" >&2; exit 1; }
  sleep 0.1
done

# load samples one path for some seconds while it is under load.
load() {
  local name=$1
  shift
  wrk -t1 -c32 -d"$((seconds + 2))s" "$@" >"$work/$name.txt" & local attack=$!
  sleep 1
  curl -fs -o "$work/$name.pprof" "http://127.0.0.1:18393/debug/pprof/profile?seconds=$seconds"
  wait "$attack"
  ! grep -E 'Non-2xx|Socket errors' "$work/$name.txt" || { echo "pgo.sh: $name was not answered" >&2; exit 1; }
  printf '%-8s %s\n' "$name" "$(grep Requests/sec "$work/$name.txt")"
}
load plain http://127.0.0.1:18390/plain/v1/models/7
load cached http://127.0.0.1:18390/cached/v1/models/7
load keyed -H 'apikey: pgo' http://127.0.0.1:18390/keyed/v1/models/7
load counted -H 'apikey: pgo' http://127.0.0.1:18390/counted/v1/models/7
load tls https://127.0.0.1:18391/plain/v1/models/7

go tool pprof -proto -output "$work/merged.pprof" "$work"/{plain,cached,keyed,counted,tls}.pprof 2>/dev/null
mv "$work/merged.pprof" gateway/default.pgo
ls -l gateway/default.pgo
