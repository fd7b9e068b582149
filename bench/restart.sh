#!/usr/bin/env bash
# Start after kill -9 with a million series and 100,000 alerts: the time to /-/ready, and whether all of it is there.
# Beside it Debian's prometheus with the same series, where installed.
# Usage: restart.sh FOLDER [SERIES [ROUNDS [ALERTS]]]    BUILD_DIR, BINARY; PROMETHEUS: its program, empty: left out.
set -euo pipefail
folder=$1 series=${2:-1000000} rounds=${3:-20} alerts=${4:-100000}
: "${BUILD_DIR:=$PWD/../build/bench}" "${BINARY:=$BUILD_DIR/sentinel}" "${PORT:=28490}"
: "${PROMETHEUS=$(command -v prometheus || true)}"
url=http://127.0.0.1:$PORT
child=
trap '[[ -z $child ]] || kill -9 "$child" 2>/dev/null || true' EXIT

now_ms() { date +%s%3N; }
start() { "$@" >>"$folder/restart.log" 2>&1 & child=$!; }
wait_ready() {
  for _ in $(seq 6000); do
    curl -sf -o /dev/null "$url/-/ready" && return
    sleep 0.01
  done
  echo "restart.sh: no answer within a minute, see $folder/restart.log" >&2
  exit 1
}
crash() { kill -9 "$child"; wait "$child" 2>/dev/null || true; }

# One body of 1,000 alerts for each thousand.
post_alerts() {
  for ((from = 0; from < alerts; from += 1000)); do
    seq "$from" $((from + 999)) |
      awk '{ printf "%s", NR == 1 ? "[" : ","; printf "{\"labels\":{\"alertname\":\"Restart\",\"n\":\"%d\"}}", $1 }
           END { print "]" }' |
      curl -sf -o /dev/null -H 'Content-Type: application/json' --data-binary @- "$url/api/v2/alerts"
  done
}

# measure NAME PROGRAM ARGUMENT...
measure() {
  local name=$1
  shift
  start "$@"
  wait_ready
  "$BUILD_DIR/src/ingest/remote_write_bench" "$name" "$url/api/v1/write" "$child" "$series" "$rounds" >/dev/null
  local kept=null
  if [[ $name == sentinel ]]; then post_alerts; fi
  sleep 2
  crash
  local from ready cpu found
  from=$(now_ms)
  start "$@"
  wait_ready
  ready=$(($(now_ms) - from))
  cpu=$(awk -v hz="$(getconf CLK_TCK)" '{ print ($14 + $15) / hz }' "/proc/$child/stat")
  found=$(curl -sf "$url/api/v1/status/tsdb" | sed 's/.*"numSeries":\([0-9]*\).*/\1/')
  if [[ $name == sentinel ]]; then
    kept=$(curl -sf "$url/api/v2/alerts?filter=alertname=Restart" | grep -o '"fingerprint"' | wc -l)
  fi
  printf '{"bench":"restart","server":"%s","series":%s,"samples_each":%s,' "$name" "$series" "$rounds"
  printf '"ready_ms":%s,"cpu_s":%s,"series_found":%s,"alerts_found":%s}\n' "$ready" "$cpu" "$found" "$kept"
  crash
  child=
}

measure sentinel "$BINARY" serve --listen "127.0.0.1:$PORT" --data-dir "$folder/restart-sentinel"
if [[ -n $PROMETHEUS ]]; then
  printf 'global: {scrape_interval: 1h}\n' >"$folder/prometheus.yml"
  measure prometheus "$PROMETHEUS" --config.file="$folder/prometheus.yml" --web.enable-remote-write-receiver \
    --storage.tsdb.path="$folder/restart-prometheus" --web.listen-address="127.0.0.1:$PORT"
fi
rm -rf "$folder/restart-sentinel" "$folder/restart-prometheus"
