// What the gateway adds to a call, with everything on (each call analysed and stored), beside the upstream itself and
// nginx as a plain proxy to it, in turn:
//   half load   whole answers at a fixed rate (wrk): p50 and p99, and what lies between them and direct
//   streams     the time to the first content of 64 streams at a time
//   open        1,000 streams open at the same time, all of which must end whole
//   BINARY=build/bench/sentinel node bench/gateway_latency.mjs [--rate 4000] [--seconds 5] [--rounds 3] [--open 1000]
// One JSON line a figure; ends with 1 when a stream was not whole. Needs nginx and wrk; loopback only, a minute.
import { fork, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const flag = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const RATE = flag('rate', 4000);
const SECONDS = flag('seconds', 5);
const ROUNDS = flag('rounds', 3);
const OPEN = flag('open', 1000);
const STREAMS = 64;
const PORT = { upstream: 28180, nginx: 28181, sentinel: 28182, talker: 28183 };
const BINARY = process.env.BINARY ?? 'build/bench/sentinel';

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const part = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
const print = (line) => process.stdout.write(`${JSON.stringify({ bench: 'gateway_latency', ...line })}\n`);

// ---- the provider that talks: first content after `lead`, then one every `gap` ms; a process of its own ----

function talk() {
  const chunk = (delta, finish = null) =>
    `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1790000000, model: 'm', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  let open = 0;
  let most = 0;
  http
    .createServer((request, response) => {
      if (request.url === '/most') return response.end(String(most));
      const pieces = [];
      request.on('data', (piece) => pieces.push(piece));
      request.on('end', async () => {
        const { lead, gap, words } = JSON.parse(JSON.parse(Buffer.concat(pieces)).messages[0].content);
        most = Math.max(most, ++open);
        response.on('close', () => --open);
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.flushHeaders();
        await pause(lead);
        for (let i = 0; i < words && !response.destroyed; ++i) {
          response.write(chunk({ content: `word${i} ` }));
          await pause(gap);
        }
        response.end(`${chunk({}, 'stop')}data: [DONE]\n\n`);
      });
      return undefined;
    })
    .listen(PORT.talker, '127.0.0.1', () => process.send('ready'));
}

// ---- the clients ----

const agents = new Map();
function stream(port, manner) {
  if (!agents.has(port)) agents.set(port, new http.Agent({ keepAlive: true, maxSockets: Infinity }));
  const body = JSON.stringify({ model: 'talk', stream: true, messages: [{ role: 'user', content: JSON.stringify(manner) }] });
  return new Promise((done, failed) => {
    const begin = performance.now();
    let first = NaN;
    let text = '';
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const options = { host: '127.0.0.1', port, path: '/v1/chat/completions', method: 'POST', agent: agents.get(port), headers };
    const request = http.request(options, (response) => {
      response.on('data', (piece) => {
        text += piece;
        if (Number.isNaN(first) && text.includes('word0')) first = performance.now() - begin;
      });
      response.on('end', () => done({ first, whole: text.includes('[DONE]') && text.includes(`word${manner.words - 1} `) }));
      response.on('error', failed);
    });
    request.on('error', failed);
    request.end(body);
  });
}

const milliseconds = (times) => {
  const sorted = [...times].sort((a, b) => a - b);
  return { p50_ms: Number(part(sorted, 0.5).toFixed(3)), p99_ms: Number(part(sorted, 0.99).toFixed(3)) };
};

/** Six streams one after the other on each of 64 connections, none begun at the same time. */
async function firstContents(port) {
  const all = [];
  await Promise.all(
    Array.from({ length: STREAMS }, async (_, i) => {
      await pause(i * 7);
      for (let n = 0; n < 6; ++n) all.push(await stream(port, { lead: 100, gap: 20, words: 16 }));
    }),
  );
  return all;
}

const inMs = (text) => Number.parseFloat(text) * (text.endsWith('us') ? 0.001 : text.endsWith('ms') ? 1 : 1000);
/** 64 connections, each resting between 0 and twice the mean after an answer: a client's own rhythm, not a volley. */
function halfLoad(folder, who) {
  const load = spawnSync('wrk', ['-t1', `-c${STREAMS}`, `-d${SECONDS}s`, '--latency', '-s', `${folder}/load.lua`, `http://127.0.0.1:${PORT[who]}/v1/chat/completions`], { encoding: 'utf8' });
  if (load.status !== 0) throw new Error(`wrk: ${load.error ?? load.stderr}`);
  const found = (pattern) => pattern.exec(load.stdout)?.[1] ?? 'NaN';
  return {
    requests_per_s: Math.round(Number(found(/Requests\/sec:\s+(\S+)/))),
    not_2xx: Number(/Non-2xx.*: (\d+)/.exec(load.stdout)?.[1] ?? 0),
    p50_ms: inMs(found(/ 50%\s+(\S+)/)),
    p99_ms: inMs(found(/ 99%\s+(\S+)/)),
  };
}

// ---- what is measured ----

const running = [];
function start(program, args) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  child.on('error', (error) => (process.stderr.write(`${program}: ${error.message}\n`), process.exit(1)));
  running.push(child);
  return child;
}
const nginxConf = (folder, name, http) =>
  `user root; worker_processes 1; daemon off; pid ${folder}/${name}.pid; error_log /dev/null; events { worker_connections 4096; }
http { access_log off; client_body_temp_path ${folder}/${name}.b; proxy_temp_path ${folder}/${name}.t; keepalive_requests 1000000; ${http} }\n`;

function configure(folder) {
  const answer = { id: 'c', object: 'chat.completion', created: 1790000000, model: 'bench-1', choices: [{ index: 0, message: { role: 'assistant', content: 'An unused item can be returned within 30 days.' }, finish_reason: 'stop' }], usage: { prompt_tokens: 60, completion_tokens: 24, total_tokens: 84 } };
  writeFileSync(`${folder}/answer.json`, JSON.stringify(answer));
  const body = { model: 'bench-1', messages: [{ role: 'system', content: 'Answer only from the document.' }, { role: 'user', content: 'How many days do I have to return an unused item?' }] };
  writeFileSync(`${folder}/load.lua`, `wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nwrk.body = [[${JSON.stringify(body)}]]
function delay() return math.random(0, ${Math.round((2 * STREAMS * 1000) / RATE)}) end\n`);
  writeFileSync(`${folder}/upstream.conf`, nginxConf(folder, 'upstream', `server { listen 127.0.0.1:${PORT.upstream};
    location / { error_page 405 =200 /answer.json; root ${folder}; types {} default_type application/json; try_files /answer.json =404; } }`));
  writeFileSync(`${folder}/proxy.conf`, nginxConf(folder, 'proxy', `upstream u { server 127.0.0.1:${PORT.upstream}; keepalive 256; keepalive_requests 1000000; }
    server { listen 127.0.0.1:${PORT.nginx}; location / { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Connection ""; } }`));
  writeFileSync(`${folder}/sentinel.yml`, `listen: 127.0.0.1:${PORT.sentinel}
data_dir: ${folder}/data
log: {level: error}
gateway:
  providers:
    - {name: upstream, kind: openai, base_url: 'http://127.0.0.1:${PORT.upstream}', api_key: none}
    - {name: talker, kind: openai, base_url: 'http://127.0.0.1:${PORT.talker}', api_key: none}
  routes:
    - {models: ['talk'], targets: [{provider: talker}]}
    - {models: ['*'], targets: [{provider: upstream}]}
`);
}

async function measure(folder, sentinel) {
  for (let round = 1; round <= ROUNDS; ++round) {
    const direct = halfLoad(folder, 'upstream');
    print({ what: 'half load', who: 'direct', round, ...direct });
    for (const who of ['nginx', 'sentinel']) {
      const figures = halfLoad(folder, who);
      const added = { added_p50_ms: figures.p50_ms - direct.p50_ms, added_p99_ms: figures.p99_ms - direct.p99_ms };
      print({ what: 'half load', who, round, ...figures, added_p50_ms: Number(added.added_p50_ms.toFixed(3)), added_p99_ms: Number(added.added_p99_ms.toFixed(3)) });
    }
  }
  let whole = true;
  for (let round = 1; round <= ROUNDS; ++round) {
    for (const [who, port] of [['direct', PORT.talker], ['sentinel', PORT.sentinel]]) {
      const streams = await firstContents(port);
      whole &&= streams.every((one) => one.whole);
      print({ what: `first content, ${STREAMS} streams`, who, round, streams: streams.length, ...milliseconds(streams.map((one) => one.first)) });
    }
  }
  const manner = { lead: 3000, gap: 250, words: 12 };
  const open = await Promise.all(Array.from({ length: OPEN }, async (_, i) => (await pause(i), stream(PORT.sentinel, manner))));
  const most = Number(await (await fetch(`http://127.0.0.1:${PORT.talker}/most`)).text());
  const ended = open.filter((one) => one.whole).length;
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${sentinel.pid}/status`, 'utf8'))[1]);
  print({ what: 'open streams', wanted: OPEN, most_at_once: most, whole: ended, rss_mib: Math.round(rss / 1024), ...milliseconds(open.map((one) => one.first)) });
  return whole && ended === OPEN && most >= OPEN;
}

async function main() {
  const folder = mkdtempSync(path.join(tmpdir(), 'sentinel-latency-'));
  process.on('exit', () => {
    for (const child of running) child.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  });
  configure(folder);
  start('nginx', ['-c', `${folder}/upstream.conf`]);
  start('nginx', ['-c', `${folder}/proxy.conf`]);
  const sentinel = start(BINARY, ['serve', '--config', `${folder}/sentinel.yml`]);
  const talker = fork(fileURLToPath(import.meta.url), ['--talk']);
  running.push(talker);
  await new Promise((done) => talker.once('message', done));
  for (let i = 0; ; ++i) {
    if (sentinel.exitCode !== null || i > 200) throw new Error(`${BINARY} did not start`);
    if (await fetch(`http://127.0.0.1:${PORT.sentinel}/-/ready`).then((r) => r.ok, () => false)) break;
    await pause(100);
  }
  if (!(await measure(folder, sentinel))) process.exitCode = 1;
}

if (process.argv.includes('--talk')) talk();
else
  main().then(
    () => process.exit(),
    (error) => {
      process.stderr.write(`bench/gateway_latency.mjs: ${error.message}\n`);
      process.exit(1);
    },
  );
