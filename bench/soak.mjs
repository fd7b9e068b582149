// Mixed traffic with faults through the built binary for as long as asked, then whether everything is accounted for: the
// count of clients is that of rows and of counters, memory and open files are flat, nothing is left under way.
//   BINARY=build/bench/sentinel node bench/soak.mjs [--minutes 30] [--rate 100] [--workers 48] [--seed 1] [--keep]
// Ends with a table, and with 1 when a line of it is not met. Loopback only; Node alone, no packages.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createServer as createTcp } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const flag = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const MINUTES = flag('minutes', 30);
const RATE = flag('rate', 100);
const WORKERS = flag('workers', 48);
const SEED = flag('seed', 1);
const KEEP = process.argv.includes('--keep');
const BINARY = process.env.BINARY ?? path.resolve(import.meta.dirname ?? '.', '../build/bench/sentinel');

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
const random = generator(SEED);
const between = (low, high) => low + random() * (high - low);
/** One of [[weight, value], …]. */
function pick(choices) {
  let point = random() * choices.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, value] of choices) if ((point -= weight) < 0) return value;
  return choices[0][1];
}
const freePort = () =>
  new Promise((done, failed) => {
    const server = createTcp();
    server.once('error', failed);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

// ---- the provider: three APIs, and what can go wrong with them ----

const END = 'over.'; // the last word of every answer: without it an answer is not whole
const wordsOf = (count) => [...Array.from({ length: count }, (_, i) => (i % 12 === 11 ? 'then. ' : `word${i % 7} `)), END];
const USAGE = { prompt_tokens: 20, completion_tokens: 30, total_tokens: 50, prompt_tokens_details: { cached_tokens: 4 } };

const FAMILIES = {
  openai: {
    whole: (model, words) => ({ id: 'c', object: 'chat.completion', model, choices: [{ index: 0, message: { role: 'assistant', content: words.join('') }, finish_reason: 'stop' }], usage: USAGE }),
    events: (model, words) => [
      ...words.map((content) => `data: ${JSON.stringify({ id: 'c', model, choices: [{ index: 0, delta: { content } }] })}\n\n`),
      `data: ${JSON.stringify({ id: 'c', model, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })}\n\n`,
      `data: ${JSON.stringify({ id: 'c', model, choices: [], usage: USAGE })}\n\n`,
      'data: [DONE]\n\n',
    ],
    error: (status) => ({ error: { message: `refused with ${status}`, type: 'x', code: null } }),
  },
  anthropic: {
    whole: (model, words) => ({ id: 'msg', type: 'message', role: 'assistant', model, content: [{ type: 'text', text: words.join('') }], stop_reason: 'end_turn', usage: { input_tokens: 20, output_tokens: 30, cache_creation_input_tokens: 6 } }),
    events: (model, words) =>
      [
        { type: 'message_start', message: { id: 'msg', type: 'message', role: 'assistant', model, content: [], usage: { input_tokens: 20, output_tokens: 1 } } },
        { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
        ...words.map((text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })),
        { type: 'content_block_stop', index: 0 },
        { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 30 } },
        { type: 'message_stop' },
      ].map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`),
    error: (status) => ({ type: 'error', error: { type: 'api_error', message: `refused with ${status}` } }),
  },
  gemini: {
    whole: (model, words) => ({ modelVersion: model, candidates: [{ content: { role: 'model', parts: [{ text: words.join('') }] }, finishReason: 'STOP' }], usageMetadata: { promptTokenCount: 20, candidatesTokenCount: 30 } }),
    events: (model, words) =>
      words.map((text, i) => `data: ${JSON.stringify({ modelVersion: model, candidates: [{ content: { role: 'model', parts: [{ text }] }, ...(i === words.length - 1 ? { finishReason: 'STOP' } : {}) }], usageMetadata: { promptTokenCount: 20, candidatesTokenCount: i + 1 } })}\n\n`),
    error: (status) => ({ error: { code: status, message: `refused with ${status}`, status: 'UNAVAILABLE' } }),
  },
};
const TROUBLE = [
  [70, 'none'],
  [6, 'overloaded'],
  [4, 'limited'],
  [3, 'hangs_up'],
  [3, 'silent'],
  [4, 'cut'],
  [3, 'stalls'],
  [3, 'garbled'],
  [4, 'late'],
];

async function answerAs(family, trouble, body, model, streams, response) {
  const api = FAMILIES[family];
  const refuse = (status, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(api.error(status)));
  if (trouble === 'overloaded') return refuse(503);
  if (trouble === 'limited') return refuse(429, { 'retry-after-ms': '40' });
  if (trouble === 'hangs_up') return response.destroy();
  if (trouble === 'silent') return undefined; // until the gateway gives up
  if (trouble === 'late' || /slow/.test(model)) await pause(400);
  const words = wordsOf(/long/.test(model) ? 120 : 24);
  if (!streams) {
    const whole = JSON.stringify(api.whole(model, words));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(whole) });
    if (trouble === 'cut' || trouble === 'stalls') {
      response.write(whole.slice(0, whole.length / 2));
      if (trouble === 'cut') setTimeout(() => response.destroy(), 5);
      return undefined;
    }
    return response.end(trouble === 'garbled' ? `{${whole.slice(0, -2)}` .padEnd(Buffer.byteLength(whole), ' ').slice(0, Buffer.byteLength(whole)) : whole);
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const events = api.events(model, words);
  for (let i = 0; i < events.length && !response.destroyed; i += 3) {
    if (trouble === 'stalls' && i > 6) return undefined;
    if (trouble === 'cut' && i > 6) return response.destroy();
    response.write(trouble === 'garbled' && i > 6 ? 'data: {"choices":[{"delta":\n\n' : events.slice(i, i + 3).join(''));
    await pause(4);
  }
  return response.end();
}

const asked = { requests: 0, sockets: new Set() };
async function serveProvider(request, response) {
  ++asked.requests;
  response.on('error', () => {});
  const pieces = [];
  try {
    for await (const piece of request) pieces.push(piece);
    const body = JSON.parse(Buffer.concat(pieces));
    const [, wellness, family] = request.url.split(/[/?]/);
    const inPath = /models\/([^:]+):(\w+)/.exec(request.url);
    await answerAs(family, wellness === 'well' ? 'none' : pick(TROUBLE), body, inPath?.[1] ?? body.model, inPath ? inPath[2] === 'streamGenerateContent' : body.stream === true, response);
  } catch {
    response.destroy();
  }
}

// ---- the gateway's configuration ----

// Small tables and short blocks: what is sealed, cut and merged in hours elsewhere happens many times here.
const configOf = (folder, port, providerPort) => {
  const at = (wellness, family) => `http://127.0.0.1:${providerPort}/${wellness}/${family}`;
  const conduct = 'retries: {attempts: 2, backoff_base: 20ms, backoff_max: 100ms}, timeouts: {first_token: 900ms, inter_token: 900ms, response: 1500ms, total: 6s}';
  return `listen: 127.0.0.1:${port}
data_dir: ${folder}/data
log: {level: error}
events: {hot_rows: 2000}
metrics: {block_range: 4m}
gateway:
  service: soak
  breaker: {threshold: 0, failure_percent: 80, minimum_requests: 50, window: 5s, open: 1s}
  retry_budget: {ratio: 0.5, minimum: 50}
  cache: {max_size: 4MB}
  providers:
    - {name: well, kind: openai, base_url: '${at('well', 'openai')}', api_key: k}
    - {name: ill, kind: openai, base_url: '${at('ill', 'openai')}', api_keys: [{value: k1}, {value: k2}], key_rest_limited: 200ms}
    - {name: anthropic, kind: anthropic, base_url: '${at('ill', 'anthropic')}', api_key: k}
    - {name: gemini, kind: gemini, base_url: '${at('ill', 'gemini')}', api_key: k}
  routes:
    - {name: plain, models: ['plain*'], targets: [{provider: well}], ${conduct}}
    - {name: ill, models: ['ill*'], targets: [{provider: ill}], fallback: [{provider: well}], ${conduct}}
    - {name: alone, models: ['alone*'], targets: [{provider: ill}], ${conduct}}
    - {name: hedged, models: ['hedged*'], targets: [{provider: ill}], fallback: [{provider: well}], hedge: {after: 60ms}, ${conduct}}
    - name: injected
      models: ['injected*']
      targets: [{provider: well}]
      ${conduct.replace('}, ', '}\n      ')}
      faults: [{abort: 503, percent: 8}, {abort: 429, percent: 4, retry_after: 30ms}, {delay: 100ms, percent: 8}, {silence: true, percent: 2}, {cut_after: 3, percent: 4}, {stall_after: 3, percent: 2}, {garble_after: 3, percent: 4}]
    - {name: guarded, models: ['guarded*'], targets: [{provider: well}], guards: {after: [{check: pattern, pattern: 'word3', action: redact, name: WORD}, {check: pii, action: redact}]}, ${conduct}}
    - {name: withheld, models: ['withheld*'], targets: [{provider: well}], guards: {after: [{check: pattern, pattern: 'word6', action: block}]}, ${conduct}}
    - {name: cached, models: ['cached*'], targets: [{provider: well}], cache: {ttl: 5s}, ${conduct}}
    - {name: limited, models: ['limited*'], targets: [{provider: well}], limits: [{requests: 20, per: 1s}], ${conduct}}
    - {name: claude, models: ['claude*'], targets: [{provider: anthropic}], ${conduct}}
    - {name: gemini, models: ['gemini*'], targets: [{provider: gemini}], ${conduct}}
`;
};

// ---- the clients ----

const MODELS = [
  [24, 'plain'],
  [6, 'plain-slow'],
  [4, 'plain-long'],
  [16, 'ill'],
  [6, 'alone'],
  [6, 'hedged'],
  [8, 'injected'],
  [6, 'guarded'],
  [3, 'withheld'],
  [5, 'cached'],
  [5, 'limited'],
  [10, 'claude'],
  [10, 'gemini'],
  [2, 'nobody-serves-this'],
];
const FAMILY = [
  [6, 'openai'],
  [2, 'anthropic'],
  [2, 'gemini'],
];
function requestOf(family, model, streams, question) {
  if (family === 'openai') return ['/v1/chat/completions', { model, stream: streams, messages: [{ role: 'user', content: question }] }];
  if (family === 'anthropic') return ['/v1/messages', { model, stream: streams, max_tokens: 200, messages: [{ role: 'user', content: question }] }];
  return [`/v1beta/models/${model}:${streams ? 'streamGenerateContent?alt=sse' : 'generateContent'}`, { contents: [{ role: 'user', parts: [{ text: question }] }] }];
}
/** Whether a stream says that it is whole, as its API does. */
const saysWhole = (family, text) => (family === 'openai' ? text.includes('data: [DONE]') : family === 'anthropic' ? text.includes('"message_stop"') : text.includes('"finishReason":"STOP"'));

const seen = { sent: 0, whole: 0, refused: 0, broken: 0, left: 0, statuses: new Map(), truncated: [], unanswered: [] };
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });

/** One call to its end. `manner`: reads, slowly, leaves. */
function call(port, keys, number) {
  const family = pick(FAMILY);
  const model = pick(MODELS);
  const streams = random() < 0.5;
  const manner = /long|slow/.test(model) ? pick([[5, 'reads'], [3, 'slowly'], [3, 'leaves']]) : 'reads';
  const [where, body] = requestOf(family, model, streams, model === 'cached' ? `Question ${number % 20}?` : `Question ${number}? My mail is a${number}@example.com.`);
  const key = pick(keys);
  const headers = { 'content-type': 'application/json', 'x-sentinel-session': `soak-${number}`, ...(key ? { authorization: `Bearer ${key}` } : {}) };
  ++seen.sent;
  return new Promise((done) => {
    let ended = false;
    const end = (outcome) => {
      if (ended) return;
      ended = true;
      clearTimeout(late);
      ++seen[outcome];
      done();
    };
    const late = setTimeout(() => {
      seen.unanswered.push(number);
      request.destroy();
      end('broken');
    }, 15_000);
    const request = http.request({ host: '127.0.0.1', port, path: where, method: 'POST', agent, headers }, (response) => {
      seen.statuses.set(response.statusCode, (seen.statuses.get(response.statusCode) ?? 0) + 1);
      let text = '';
      if (manner === 'leaves') {
        response.once('data', () => {
          response.destroy();
          end('left');
        });
      }
      response.setEncoding('utf8');
      response.on('data', (piece) => {
        text += piece;
        if (manner !== 'slowly') return;
        response.pause();
        setTimeout(() => response.resume(), 40);
      });
      response.on('error', () => end('broken'));
      response.on('aborted', () => end('broken'));
      response.on('end', () => {
        if (response.statusCode !== 200) return end('refused');
        const whole = text.includes(END);
        if (!whole && (!streams || saysWhole(family, text))) seen.truncated.push(number);
        return end(whole ? 'whole' : 'broken');
      });
    });
    request.on('error', () => end(manner === 'leaves' ? 'left' : 'broken'));
    request.end(JSON.stringify(body));
    // Before the answer: the gateway has read the request by then, and the provider has yet to speak.
    if (manner === 'leaves' && model === 'plain-slow' && random() < 0.5) setTimeout(() => (request.destroy(), end('left')), 200);
  });
}

// ---- what is measured ----

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? NaN;
/** Resident memory in MB: all of it, and the parts that are the process's own and that are pages of files. */
function memoryOf(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mb = (name) => Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? NaN) / 1024;
  return { rss: mb('VmRSS'), own: mb('RssAnon'), mapped: mb('RssFile') };
}
const filesOf = (pid) => readdirSync(`/proc/${pid}/fd`).length;

async function get(port, where, body) {
  const response = await fetch(`http://127.0.0.1:${port}${where}`, body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${where}: ${response.status} ${text}`);
  return text;
}
const sql = async (port, query) => JSON.parse(await get(port, '/sentinel/v1/sql', { query })).rows;
const sumOf = (metrics, name, labels = /./) =>
  metrics.split('\n').reduce((sum, line) => {
    const found = /^([a-z_]+)(\{.*\})? (\S+)$/.exec(line);
    return found && found[1] === name && labels.test(found[2] ?? '{}') ? sum + Number(found[3]) : sum;
  }, 0);

async function settled(port, expected) {
  const until = Date.now() + 30_000;
  for (;;) {
    const [[rows]] = await sql(port, 'SELECT count(*) FROM llm_events');
    const metrics = await get(port, '/metrics'); // a call is counted before its row is stored
    if ((sumOf(metrics, 'active_requests') === 0 && rows >= expected) || Date.now() > until) return { metrics, rows };
    await pause(250);
  }
}

async function judge(port, samples) {
  const { metrics, rows } = await settled(port, seen.sent);
  const [[distinct]] = await sql(port, "SELECT count(DISTINCT session_id) FROM llm_events WHERE session_id LIKE 'soak-%'");
  const breakers = JSON.parse(await get(port, '/sentinel/v1/gateway/breakers')).items;
  const third = Math.floor(samples.length / 3);
  const [second, last] = [samples.slice(third, 2 * third), samples.slice(2 * third)];
  const rss = [median(second.map((s) => s.rss)), median(last.map((s) => s.rss))];
  const files = [median(second.map((s) => s.files)), median(last.map((s) => s.files))];
  const lines = [];
  const line = (what, value, bar, good) => lines.push([good ? 'ok' : 'FAILED', what, String(value), bar]);
  const served = sumOf(metrics, 'http_requests_total');
  const llm = sumOf(metrics, 'llm_requests_total');
  line('calls that clients made', seen.sent, '', seen.sent > 0);
  line('rows of llm_events', rows, `= ${seen.sent}`, rows === seen.sent);
  line('calls with a row of their own', distinct, `= ${seen.sent}`, distinct === seen.sent);
  line('http_requests_total', served, `= ${seen.sent}`, served === seen.sent);
  line('llm_requests_total', llm, `= ${seen.sent}`, llm === seen.sent);
  line('telemetry dropped', sumOf(metrics, 'sentinel_telemetry_dropped_total'), '= 0', sumOf(metrics, 'sentinel_telemetry_dropped_total') === 0);
  line('answers cut, told as whole', seen.truncated.length, '= 0', seen.truncated.length === 0);
  line('clients left without an end', seen.unanswered.length, '= 0', seen.unanswered.length === 0);
  line('whole answers', seen.whole, `> half of ${seen.sent}`, seen.whole > seen.sent / 2);
  line('active_requests', sumOf(metrics, 'active_requests'), '= 0', sumOf(metrics, 'active_requests') === 0);
  line('request_queue_depth', sumOf(metrics, 'request_queue_depth'), '= 0', sumOf(metrics, 'request_queue_depth') === 0);
  const under = breakers.reduce((sum, one) => sum + one.under_way, 0);
  line('attempts under way', under, '= 0', under === 0);
  const rssMax = rss[0] * 1.05 + 8;
  line('RSS, median of second and last third, MB', `${rss[0].toFixed(1)} → ${rss[1].toFixed(1)}`, `≤ ${rssMax.toFixed(1)}`, rss[1] <= rssMax);
  const thirds = (of) => [samples.slice(0, third), second, last].map((part) => median(part.map(of)).toFixed(1)).join(' → ');
  line('  of it the heap, by thirds, MB', thirds((s) => s.own), '', true);
  line('  of it pages of files, by thirds, MB', thirds((s) => s.mapped), '', true);
  const filesMax = files[0] * 1.05 + 8;
  line('open files, the same', `${files[0]} → ${files[1]}`, `≤ ${filesMax.toFixed(0)}`, files[1] <= filesMax);
  const internal = sumOf(metrics, 'errors_total', /gateway_(internal|misconfigured)/);
  line('errors of the gateway itself', internal, '= 0', internal === 0);
  return { lines, metrics };
}

function print(lines, minutes) {
  const wide = [0, 1, 2].map((column) => Math.max(...lines.map((line) => line[column].length)));
  process.stdout.write(`\nsoak: ${minutes.toFixed(1)} minutes, ${RATE} calls/s wanted, ${WORKERS} workers, seed ${SEED}\n`);
  for (const [state, what, value, bar] of lines) process.stdout.write(`${state.padEnd(wide[0])}  ${what.padEnd(wide[1])}  ${value.padStart(wide[2])}  ${bar}\n`);
  const statuses = [...seen.statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`);
  process.stdout.write(`answers by status ${statuses.join(', ')}; whole ${seen.whole}, refused ${seen.refused}, broken off ${seen.broken}, left by their client ${seen.left}; provider asked ${asked.requests} times\n`);
}

async function main() {
  const folder = mkdtempSync(path.join(tmpdir(), 'sentinel-soak-'));
  const provider = http.createServer((request, response) => void serveProvider(request, response));
  provider.keepAliveTimeout = 60_000;
  await new Promise((done) => provider.listen(0, '127.0.0.1', done));
  const port = await freePort();
  writeFileSync(`${folder}/sentinel.yml`, configOf(folder, port, provider.address().port));
  const child = spawn(BINARY, ['serve', '--config', `${folder}/sentinel.yml`], { stdio: ['ignore', 'inherit', 'inherit'] });
  let gone = null;
  child.on('exit', (code, signal) => (gone = signal ?? code));
  process.on('exit', () => child.kill('SIGKILL'));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));
  for (let i = 0; ; i++) {
    if (gone !== null || i > 200) throw new Error(`the server did not start (${gone})`);
    if (await fetch(`http://127.0.0.1:${port}/-/ready`).then((r) => r.ok, () => false)) break;
    await pause(100);
  }
  const made = async (spec) => JSON.parse(await get(port, '/sentinel/v1/gateway/keys', spec)).secret;
  const keys = [[6, ''], [3, await made({ name: 'any' })], [2, await made({ name: 'some', limits: [{ requests: 10, per: '1s' }] })], [1, await made({ name: 'few', models: ['plain*'] })], [1, 'sk-sentinel-unknown']];

  const samples = [];
  const begin = Date.now();
  const end = begin + MINUTES * 60_000;
  const sampler = setInterval(() => {
    if (gone === null) samples.push({ ...memoryOf(child.pid), files: filesOf(child.pid) });
  }, 1000);
  let number = 0;
  const work = async () => {
    while (Date.now() < end && gone === null) {
      const due = begin + (number / RATE) * 1000;
      const mine = number++;
      if (due > Date.now()) await pause(Math.min(due - Date.now(), end - Date.now()));
      if (Date.now() < end) await call(port, keys, mine);
    }
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  clearInterval(sampler);
  agent.destroy();
  if (gone !== null) throw new Error(`the server ended by itself (${gone})`);
  const { lines } = await judge(port, samples);
  const minutes = (Date.now() - begin) / 60_000;
  print(lines, minutes);
  child.kill('SIGTERM');
  for (let i = 0; gone === null && i < 400; i++) await pause(100);
  provider.closeAllConnections();
  provider.close();
  if (KEEP) writeFileSync(`${folder}/samples.json`, JSON.stringify(samples)); // one a second
  if (!KEEP) rmSync(folder, { recursive: true, force: true });
  const good = gone === 0 && lines.every(([state]) => state === 'ok');
  process.stdout.write(good ? 'soak: passed\n' : `soak: FAILED${gone === 0 ? '' : ` (the server ended with ${gone})`}\n`);
  process.exitCode = good ? 0 : 1;
}

main().then(
  () => process.exit(),
  (error) => {
    process.stdout.write(`soak: FAILED: ${error.stack ?? error}\n`);
    process.exit(1);
  },
);
