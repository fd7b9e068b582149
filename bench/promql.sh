#!/usr/bin/env bash
# The same queries over HTTP, side by side in one run: Sentinel, and Debian's victoria-metrics and prometheus where
# installed. Data: SERIES counters of remote_write_bench, an hour and five minutes at 15 s, sent over remote write.
# One request at a time; p50 of the wall time, and the server's CPU time a request from /proc (all its threads).
# Usage: promql.sh FOLDER    BUILD_DIR, BINARY, PORT, SERIES, REQUESTS; VICTORIA, PROMETHEUS: programs, empty: left out.
set -euo pipefail
folder=$1
: "${BUILD_DIR:=$PWD/../build/bench}" "${BINARY:=$BUILD_DIR/sentinel}" "${PORT:=28480}" "${SERIES:=10000}"
: "${REQUESTS:=15}"
: "${VICTORIA=$(command -v victoria-metrics || true)}" "${PROMETHEUS=$(command -v prometheus || true)}"
rounds=260
step=15
url=http://127.0.0.1:$PORT
query='sum by (path) (rate(http_requests_total[5m]))'
child=
trap '[[ -z $child ]] || kill "$child" 2>/dev/null || true' EXIT

wait_ready() {
  for _ in $(seq 300); do curl -sf -o /dev/null "$url$1" && return; sleep 0.1; done
  echo "no answer" >&2
  exit 1
}

# Ticks of CPU that the server has used.
cpu_ticks() { awk '{ sub(/^.*\) /, ""); print $12 + $13 }' "/proc/$child/stat"; }

# ask NAME KIND PATH ARGUMENT...: one warm-up, then REQUESTS measured ones.
ask() {
  local name=$1 kind=$2 path=$3
  shift 3
  local before after times groups
  groups=$(curl -sf -G "$url$path" "$@" --data-urlencode "query=$query" | grep -o '"metric"' | wc -l)
  before=$(cpu_ticks)
  times=$(for _ in $(seq "$REQUESTS"); do
    curl -sf -o /dev/null -w '%{time_total}\n' -G "$url$path" "$@" --data-urlencode "query=$query"
  done | sort -n)
  after=$(cpu_ticks)
  awk -v name="$name" -v kind="$kind" -v series="$SERIES" -v groups="$groups" -v n="$REQUESTS" \
    -v cpu="$((after - before))" -v hz="$(getconf CLK_TCK)" '
    { t[NR] = $1 }
    END {
      printf "{\"bench\":\"promql_http\",\"receiver\":\"%s\",\"kind\":\"%s\",\"series\":%d,\"groups\":%d,",
        name, kind, series, groups
      printf "\"p50_ms\":%.1f,\"max_ms\":%.1f,", t[int((NR + 1) / 2)] * 1000, t[NR] * 1000
      printf "\"cpu_ms\":%.1f}\n", cpu / hz / n * 1000
    }' <<<"$times"
}

# measure NAME HEALTH_PATH EXTRA PROGRAM ARGUMENT...   EXTRA: more arguments of each query, or empty.
measure() {
  local name=$1 health=$2 extra=$3 end
  shift 3
  "$@" >"$folder/$name.log" 2>&1 &
  child=$!
  wait_ready "$health"
  "$BUILD_DIR/src/ingest/remote_write_bench" "$name" "$url/api/v1/write" "$child" "$SERIES" "$rounds"
  end=$(($(date +%s) - step))
  sleep 2 # victoria-metrics shows samples a moment after they came
  # shellcheck disable=SC2086 # EXTRA is words
  ask "$name" instant /api/v1/query -d "time=$end" $extra
  # shellcheck disable=SC2086
  ask "$name" "1h at 15s" /api/v1/query_range -d "start=$((end - 3600))" -d "end=$end" -d "step=$step" $extra
  kill "$child" && wait "$child" || true
  child=
}

measure sentinel /-/ready "" "$BINARY" serve --listen "127.0.0.1:$PORT" --data-dir "$folder/promql-sentinel"
if [[ -n $VICTORIA ]]; then
  # Without its cache of range results, as the others have none.
  measure victoria-metrics /health "-d nocache=1" "$VICTORIA" -storageDataPath "$folder/promql-vm" \
    -httpListenAddr "127.0.0.1:$PORT" -retentionPeriod 1 -search.latencyOffset 0s
fi
if [[ -n $PROMETHEUS ]]; then
  printf 'global: {scrape_interval: 1h}\n' >"$folder/prometheus.yml"
  measure prometheus /-/ready "" "$PROMETHEUS" --config.file="$folder/prometheus.yml" \
    --web.enable-remote-write-receiver --storage.tsdb.path="$folder/promql-prometheus" \
    --web.listen-address="127.0.0.1:$PORT"
fi
rm -rf "$folder"/promql-{sentinel,vm,prometheus}
