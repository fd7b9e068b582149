#!/usr/bin/env bash
# Requests a second through: the upstream itself, nginx as a plain reverse proxy, and Sentinel with everything on (every
# call analysed and stored), all to the same upstream (nginx with a fixed chat completion), in turn, for some rounds.
# Usage: BINARY=build/bench/sentinel bench/gateway.sh FOLDER    needs nginx and wrk; loopback only, about a minute
set -euo pipefail
folder=$1
seconds=${SECONDS_EACH:-4}
rounds=${ROUNDS:-2}
upstream=28080 proxy=28081 gateway=28082
mkdir -p "$folder"/{u,p}

cat > "$folder/answer.json" <<'JSON'
{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"bench-1",
 "choices":[{"index":0,"message":{"role":"assistant","content":"An unused item can be returned within 30 days."},
 "finish_reason":"stop"}],"usage":{"prompt_tokens":60,"completion_tokens":24,"total_tokens":84}}
JSON
cat > "$folder/post.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"model":"bench-1","messages":[{"role":"system","content":"Answer only from the document."},' ..
  '{"role":"user","content":"How many days do I have to return an unused item?"}]}'
LUA
# As root nginx's workers would be another user, who may not read our folder.
common() {
  if [[ $(id -u) == 0 ]]; then printf 'user root; '; fi
  printf 'worker_processes 1; daemon off; pid %s/nginx.pid; error_log /dev/null; ' "$1"
  printf 'events { worker_connections 4096; }\n'
}
{ common "$folder/u"; cat <<NGINX
http { access_log off; client_body_temp_path $folder/u/b; keepalive_requests 1000000;
  server { listen 127.0.0.1:$upstream reuseport;
    location / { error_page 405 =200 /answer.json; root $folder; default_type application/json;
      try_files /answer.json =404; } } }
NGINX
} > "$folder/u/nginx.conf"
{ common "$folder/p"; cat <<NGINX
http { access_log off; client_body_temp_path $folder/p/b; proxy_temp_path $folder/p/t; keepalive_requests 1000000;
  upstream u { server 127.0.0.1:$upstream; keepalive 256; keepalive_requests 1000000; }
  server { listen 127.0.0.1:$proxy;
    location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; } } }
NGINX
} > "$folder/p/nginx.conf"
cat > "$folder/sentinel.yml" <<YAML
listen: 127.0.0.1:$gateway
data_dir: $folder/data
log: {level: error}
gateway:
  providers: [{name: upstream, kind: openai, base_url: 'http://127.0.0.1:$upstream', api_key: none}]
  routes: [{models: ['*'], targets: [{provider: upstream}]}]
YAML

pids=()
stop() { for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; wait 2>/dev/null || true; }
trap stop EXIT
nginx -c "$folder/u/nginx.conf" & pids+=($!)
nginx -c "$folder/p/nginx.conf" & pids+=($!)
"$BINARY" serve --config "$folder/sentinel.yml" 2>"$folder/sentinel.err" & pids+=($!)
sentinel_pid=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$gateway/-/ready" >/dev/null && break; sleep 0.1; done

for port in $upstream $proxy $gateway; do
  code=$(curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
    -d '{"model":"bench-1","messages":[{"role":"user","content":"hi"}]}' "http://127.0.0.1:$port/v1/chat/completions")
  [[ $code == 200 ]] || { echo "bench/gateway.sh: port $port answers $code, expected 200" >&2; exit 1; }
done

for connections in 16 64; do
  for round in $(seq "$rounds"); do
    for who in direct nginx sentinel; do
      case $who in direct) port=$upstream ;; nginx) port=$proxy ;; sentinel) port=$gateway ;; esac
      url=http://127.0.0.1:$port/v1/chat/completions
      out=$(wrk -t1 -c"$connections" -d"${seconds}s" --latency -s "$folder/post.lua" "$url")
      rate=$(awk '/Requests\/sec/ {print $2}' <<<"$out")
      p50=$(awk '$1 == "50%" {print $2}' <<<"$out")
      p99=$(awk '$1 == "99%" {print $2}' <<<"$out")
      bad=$(awk '/Non-2xx/ {print $NF}' <<<"$out")
      printf '{"bench":"gateway","who":"%s","connections":%s,"round":%s,' "$who" "$connections" "$round"
      printf '"requests_per_s":%s,"p50":"%s","p99":"%s","not_2xx":%s}\n' "$rate" "$p50" "$p99" "${bad:-0}"
    done
  done
done
rss=$(awk '/VmRSS/ {print $2}' "/proc/$sentinel_pid/status")
printf '{"bench":"gateway","who":"sentinel","rss_kib":%s}\n' "$rss"
# What became of the calls behind the answers: analysed, or lost because the queue was full.
total() { awk -v name="$1" 'index($1, name) == 1 {n += $NF} END {print n + 0}' "$folder/metrics"; }
curl -s "http://127.0.0.1:$gateway/metrics" >"$folder/metrics"
printf '{"bench":"gateway","who":"sentinel","calls_scored":%s,"calls_dropped":%s}\n' \
  "$(total sentinel_telemetry_scored_total)" "$(total sentinel_telemetry_dropped_total)"
