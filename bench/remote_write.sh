#!/usr/bin/env bash
# Remote write in, side by side in one run: Sentinel, and Debian's victoria-metrics and prometheus where installed.
# One sender, 5,000 series a request; samples per CPU-second of the receiver and its memory per series
# (remote_write_bench.cc).
# Usage: remote_write.sh FOLDER [SERIES...]    BUILD_DIR, BINARY; VICTORIA, PROMETHEUS: programs, empty: left out.
set -euo pipefail
folder=$1
shift
: "${BUILD_DIR:=$PWD/../build/bench}" "${BINARY:=$BUILD_DIR/sentinel}" "${PORT:=28470}"
: "${VICTORIA=$(command -v victoria-metrics || true)}" "${PROMETHEUS=$(command -v prometheus || true)}" "${ROUNDS:=6}"
child=
trap '[[ -z $child ]] || kill "$child" 2>/dev/null || true' EXIT

wait_ready() { for _ in $(seq 100); do curl -sf -o /dev/null "http://127.0.0.1:$PORT$1" && return; sleep 0.1; done; echo "no answer" >&2; exit 1; }

# measure NAME HEALTH_PATH SERIES PROGRAM ARGUMENT...
measure() {
  local name=$1 health=$2 series=$3
  shift 3
  "$@" >"$folder/$name.log" 2>&1 &
  child=$!
  wait_ready "$health"
  "$BUILD_DIR/src/ingest/remote_write_bench" "$name" "http://127.0.0.1:$PORT/api/v1/write" "$child" "$series" "$ROUNDS"
  kill "$child" && wait "$child" || true
  child=
}

for series in "${@:-200000}"; do
  measure sentinel /-/ready "$series" "$BINARY" serve --listen "127.0.0.1:$PORT" --data-dir "$folder/sentinel-$series"
  if [[ -n $VICTORIA ]]; then
    measure victoria-metrics /health "$series" "$VICTORIA" -storageDataPath "$folder/vm-$series" \
      -httpListenAddr "127.0.0.1:$PORT"
  fi
  if [[ -n $PROMETHEUS ]]; then
    printf 'global: {scrape_interval: 1h}\n' >"$folder/prometheus.yml"
    measure prometheus /-/ready "$series" "$PROMETHEUS" --config.file="$folder/prometheus.yml" \
      --web.enable-remote-write-receiver \
      --storage.tsdb.path="$folder/prometheus-$series" --web.listen-address="127.0.0.1:$PORT"
  fi
  rm -rf "$folder/sentinel-$series" "$folder/vm-$series" "$folder/prometheus-$series"
done
