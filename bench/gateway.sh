#!/usr/bin/env bash
# Requests a second through: the upstream itself, nginx as a plain reverse proxy, Sentinel with everything on (each call
# analysed and stored), and Portkey's gateway where it is given, all to the same upstream (nginx with a fixed chat
# completion), in turn, for some rounds. With each the CPU time a request, of Sentinel also by what its threads are for:
#   proxy      the cores: HTTP, routing, the call's counters and row made
#   telemetry  analysis, series of calls, rows to the log and the table; analysis_wall_us is the detectors' part by the
#              clock (sentinel_analysis_seconds), so only on a quiet machine to be compared with it
#   store      the engine's threads, sealing        other  collector, rules, control
# Usage: BINARY=build/bench/sentinel bench/gateway.sh FOLDER    needs nginx and wrk; loopback only, about a minute
#   CONNECTIONS="1 16 64 256"  ROUNDS=2  SECONDS_EACH=4
#   STREAM=1   answers are streams of 26 words, there at once
#   PORTKEY=FOLDER/node_modules/@portkey-ai/gateway   (1.15.2 answers with hono 4.9.7 and @hono/node-server 1.13.5; note
#   that it listens on all addresses)
set -euo pipefail
folder=$1
seconds=${SECONDS_EACH:-4}
rounds=${ROUNDS:-2}
connections_wanted=${CONNECTIONS:-16 64}
upstream=28080 proxy=28081 gateway=28082 portkey=28083
mkdir -p "$folder"/{u,p}

cat > "$folder/answer.json" <<'JSON'
{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"bench-1",
 "choices":[{"index":0,"message":{"role":"assistant","content":"An unused item can be returned within 30 days."},
 "finish_reason":"stop"}],"usage":{"prompt_tokens":60,"completion_tokens":24,"total_tokens":84}}
JSON
kind=application/json stream=''
if [[ -n ${STREAM:-} ]]; then
  kind=text/event-stream stream='"stream":true,'
  chunk() {
    printf 'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1790000000,"model":"bench-1",'
    printf '"choices":[%s]%s}\n\n' "$1" "${2:-}"
  }
  {
    words="An unused item can be returned within 30 days of its arrival at home"
    words+=" , in the box it came in , with the bill ."
    for word in $words; do
      chunk "{\"index\":0,\"delta\":{\"content\":\"$word \"},\"finish_reason\":null}"
    done
    chunk '{"index":0,"delta":{},"finish_reason":"stop"}'
    chunk '' ',"usage":{"prompt_tokens":60,"completion_tokens":24,"total_tokens":84}'
    printf 'data: [DONE]\n\n'
  } > "$folder/answer.json"
fi
cat > "$folder/post.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer none"
wrk.headers["x-portkey-provider"] = "openai"
wrk.headers["x-portkey-custom-host"] = "http://127.0.0.1:28080/v1"
wrk.body = '{"model":"bench-1",STREAM"messages":[{"role":"system","content":"Answer only from the document."},' ..
  '{"role":"user","content":"How many days do I have to return an unused item?"}]}'
LUA
sed -i "s/STREAM/$stream/" "$folder/post.lua"
# As root nginx's workers would be another user, who may not read our folder.
common() {
  if [[ $(id -u) == 0 ]]; then printf 'user root; '; fi
  printf 'worker_processes 1; daemon off; pid %s/nginx.pid; error_log /dev/null; ' "$1"
  printf 'events { worker_connections 4096; }\n'
}
{ common "$folder/u"; cat <<NGINX
http { access_log off; client_body_temp_path $folder/u/b; keepalive_requests 1000000;
  server { listen 127.0.0.1:$upstream reuseport;
    location / { error_page 405 =200 /answer.json; root $folder; types {} default_type $kind;
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
upstream_pid=$!
nginx -c "$folder/p/nginx.conf" & pids+=($!)
proxy_pid=$!
"$BINARY" serve --config "$folder/sentinel.yml" 2>"$folder/sentinel.err" & pids+=($!)
sentinel_pid=$!
for _ in $(seq 100); do curl -sf "http://127.0.0.1:$gateway/-/ready" >/dev/null && break; sleep 0.1; done

contestants=(direct nginx sentinel)
ports=("$upstream" "$proxy" "$gateway")
if [[ -n ${PORTKEY:-} ]]; then
  export TRUSTED_CUSTOM_HOSTS=127.0.0.1
  node "$PORTKEY/build/start-server.js" --headless "--port=$portkey" >"$folder/portkey.out" 2>&1 & pids+=($!)
  portkey_pid=$!
  for _ in $(seq 100); do curl -sf "http://127.0.0.1:$portkey/" >/dev/null && break; sleep 0.1; done
  contestants+=(portkey) ports+=("$portkey")
fi
for port in "${ports[@]}"; do
  code=$(curl -s -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' \
    -H 'Authorization: Bearer none' -H 'x-portkey-provider: openai' \
    -H "x-portkey-custom-host: http://127.0.0.1:$upstream/v1" \
    -d "{\"model\":\"bench-1\",$stream\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}" \
    "http://127.0.0.1:$port/v1/chat/completions")
  [[ $code == 200 ]] || { echo "bench/gateway.sh: port $port answers $code, expected 200" >&2; exit 1; }
done

# CPU time of a process and its children's, in ms: "GROUP MS" a line, by the names of threads.
cpu_of() {
  local of=("/proc/$1"/task/*/stat) child
  for child in $(pgrep -P "$1" || true); do of+=("/proc/$child"/task/*/stat); done
  cat "${of[@]}" 2>/dev/null | awk -v tick="$(getconf CLK_TCK)" '
    { name = $0; sub(/^[0-9]+ \(/, "", name); sub(/\).*/, "", name)
      rest = $0; sub(/.*\) /, "", rest); split(rest, f, " ")
      group = name ~ /^core-/ ? "proxy" : name == "telemetry" || name == "spill" ? "telemetry" \
            : name ~ /^(collector|detection|control|query|remote_write|upkeep)/ ? "other" : "store"
      ms[group] += (f[12] + f[13]) * 1000 / tick }
    END { for (group in ms) print group, ms[group] }'
}
analysis_ms() {
  curl -s "http://127.0.0.1:$gateway/metrics" | awk '$1 == "sentinel_analysis_seconds_sum" {print "analysis", $2 * 1000}'
}
snapshot() {
  case $1 in
    direct) cpu_of "$upstream_pid" ;;
    nginx) cpu_of "$proxy_pid" ;;
    sentinel) cpu_of "$sentinel_pid"; analysis_ms ;;
    portkey) cpu_of "$portkey_pid" ;;
  esac
}
# Of two snapshots and a count of requests: JSON fields of µs a request.
split() {
  awk -v requests="$2" -v who="$1" '
    FNR == NR { before[$1] = $2; next }
    { used[$1] = $2 - before[$1] }
    END {
      if (requests < 1) requests = 1
      for (group in used) if (group != "analysis") total += used[group]
      printf "\"cpu_us\":%.1f", total * 1000 / requests
      if (who != "sentinel") exit
      for (group in used)
        printf ",\"%s\":%.1f", group == "analysis" ? "analysis_wall_us" : "cpu_us_" group, used[group] * 1000 / requests
    }' "$folder/before" "$folder/after"
}

for connections in $connections_wanted; do
  for round in $(seq "$rounds"); do
    for i in "${!contestants[@]}"; do
      who=${contestants[i]}
      url=http://127.0.0.1:${ports[i]}/v1/chat/completions
      snapshot "$who" >"$folder/before"
      out=$(wrk -t1 -c"$connections" -d"${seconds}s" --latency -s "$folder/post.lua" "$url")
      rate=$(awk '/Requests\/sec/ {print $2}' <<<"$out")
      count=$(awk '/requests in/ {print $1}' <<<"$out")
      p50=$(awk '$1 == "50%" {print $2}' <<<"$out")
      p99=$(awk '$1 == "99%" {print $2}' <<<"$out")
      bad=$(awk '/Non-2xx/ {print $NF}' <<<"$out")
      # What is behind the answers is a part of their cost.
      if [[ $who == sentinel ]]; then
        for _ in $(seq 100); do
          left=$(curl -s "http://127.0.0.1:$gateway/metrics" |
            awk '$1 ~ /^sentinel_telemetry_(queue_depth|spill_calls)$/ {n += $2} END {print n + 0}')
          [[ $left == 0 ]] && break
          sleep 0.5
        done
      fi
      snapshot "$who" >"$folder/after"
      printf '{"bench":"gateway","who":"%s","stream":%s,' "$who" "$([[ -n $stream ]] && echo true || echo false)"
      printf '"connections":%s,"round":%s,' "$connections" "$round"
      printf '"requests_per_s":%s,"p50":"%s","p99":"%s","not_2xx":%s,%s}\n' "$rate" "$p50" "$p99" "${bad:-0}" \
        "$(split "$who" "$count")"
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
