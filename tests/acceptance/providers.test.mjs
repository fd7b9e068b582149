// Providers that are down, slow, cut off or talk nonsense: what the client sees, and what the row of the call says.
// A broken answer is never delivered nor recorded as a good one, and a call leaves exactly one row.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { Sentinel, folderWith, freePorts, until } from './lib/sentinel.mjs';

const ANSWER = JSON.stringify({
  id: 'c', object: 'chat.completion', created: 1, model: 'm-1',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
});
const chunk = (delta, finish = null) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm-1', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
const head = (type, more) => `HTTP/1.1 200 OK\r\ncontent-type: ${type}\r\n${more}\r\n\r\n`;
const SSE = head('text/event-stream', 'transfer-encoding: chunked');
const framed = (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
const END = '0\r\n\r\n';
const sized = (body, length = Buffer.byteLength(body), type = 'application/json') => head(type, `content-length: ${length}`) + body;
const html = '<html><body>502 Bad Gateway</body></html>';

// What a provider does with a request: the bytes it writes, then 'close' (FIN), 'reset' (RST) or 'wait' (nothing more).
// Then whether the call streams, and what becomes of it: HTTP status, error type of the row, what the client's text says.
const CASES = {
  'good': [[sized(ANSWER)], 'wait', false, 200, null],
  'good-stream': [[SSE, framed(chunk({ content: 'Hello' })), framed(chunk({}, 'stop')), framed('data: [DONE]\n\n'), END], 'wait', true, 200, null],
  'closed-at-once': [[], 'close', false, 502, 'provider_unreachable'],
  'reset-at-once': [[], 'reset', false, 502, 'provider_unreachable'],
  'silent': [[], 'wait', false, 504, 'provider_timeout'],
  'silent-stream': [[], 'wait', true, 504, 'provider_first_token_timeout'],
  'half-a-head': [['HTTP/1.1 200 OK\r\ncontent-ty'], 'close', false, 502, /provider_(stream_cut|unreachable|bad_response)/],
  'no-http': [['SSH-2.0-OpenSSH_9.2\r\n\r\n'], 'wait', false, 502, 'provider_bad_response'],
  'html-as-200': [[sized(html, undefined, 'text/html')], 'wait', false, 502, 'provider_bad_response'],
  'html-as-502': [[`HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: ${html.length}\r\n\r\n${html}`], 'wait', false, 502, 'provider_error'],
  'broken-json': [[sized('{"choices": [')], 'wait', false, 502, 'provider_bad_response'],
  'json-array': [[sized('[1,2,3]')], 'wait', false, 502, 'provider_bad_response'],
  'json-string': [[sized('"hello"')], 'wait', false, 502, 'provider_bad_response'],
  'json-null': [[sized('null')], 'wait', false, 502, 'provider_bad_response'],
  'empty-object': [[sized('{}')], 'wait', false, 502, 'provider_bad_response'],
  'empty-body': [[sized('')], 'wait', false, 502, 'provider_bad_response'],
  'error-as-200': [[sized('{"error": {"message": "overloaded", "type": "server_error"}}')], 'wait', false, 502, /provider_(error|bad_response)/],
  'choices-of-nonsense': [[sized('{"choices": "none", "usage": []}')], 'wait', false, 502, 'provider_bad_response'],
  'cut-body': [[sized(ANSWER.slice(0, 60), ANSWER.length)], 'close', false, 502, 'provider_stream_cut'],
  'reset-body': [[sized(ANSWER.slice(0, 60), ANSWER.length)], 'reset', false, 502, 'provider_stream_cut'],
  'stalled-body': [[sized(ANSWER.slice(0, 60), ANSWER.length)], 'wait', false, 504, 'provider_timeout'],
  'length-too-short': [[sized(ANSWER, 20)], 'wait', false, 502, 'provider_bad_response'],
  'length-of-letters': [[head('application/json', 'content-length: many') + ANSWER], 'wait', false, 502, 'provider_bad_response'],
  'two-lengths': [[head('application/json', `content-length: 5\r\ncontent-length: ${ANSWER.length}`) + ANSWER], 'wait', false, 502, 'provider_bad_response'],
  'length-huge': [[sized(ANSWER, '99999999999999999999')], 'wait', false, 502, 'provider_bad_response'],
  'bad-chunk': [[head('application/json', 'transfer-encoding: chunked'), 'zz\r\nnot a chunk\r\n'], 'wait', false, 502, 'provider_bad_response'],
  'stream-cut': [[SSE, framed(chunk({ content: 'Hel' }))], 'close', true, 200, 'provider_stream_cut'],
  'stream-reset': [[SSE, framed(chunk({ content: 'Hel' }))], 'reset', true, 200, 'provider_stream_cut'],
  'stream-stalled': [[SSE, framed(chunk({ content: 'Hel' }))], 'wait', true, 200, 'provider_stream_stalled'],
  'stream-cut-in-an-event': [[SSE, framed(chunk({ content: 'Hel' }) + 'data: {"choi')], 'close', true, 200, 'provider_stream_cut'],
  'stream-ended-early': [[SSE, framed(chunk({ content: 'Hel' })), END], 'close', true, 200, 'provider_stream_cut'],
  'stream-bad-chunk': [[SSE, framed(chunk({ content: 'Hel' })), 'xyz\r\nwhat\r\n'], 'wait', true, 200, /provider_(bad_response|stream_cut)/],
  'stream-bad-json': [[SSE, framed(chunk({ content: 'Hel' })), framed('data: {"choices": nonsense}\n\n')], 'wait', true, 200, 'provider_bad_response'],
  'stream-error-event': [[SSE, framed(chunk({ content: 'Hel' })), framed('data: {"error": {"message": "overloaded", "type": "server_error"}}\n\n')], 'wait', true, 200, 'provider_error'],
  'stream-html': [[SSE, framed(html), END], 'close', true, 502, /provider_(stream_cut|bad_response)/],
  'stream-nothing': [[SSE, END], 'close', true, 502, 'provider_stream_cut'],
  'stream-only-done': [[SSE, framed('data: [DONE]\n\n'), END], 'close', true, 502, /provider_(stream_cut|bad_response)/],
  'stream-done-in-the-middle': [[SSE, framed(chunk({ content: 'Hel' })), framed('data: [DONE]\n\n'), END], 'close', true, 200, null],
  'stream-without-done': [[SSE, framed(chunk({ content: 'Hello' })), framed(chunk({}, 'stop')), END], 'close', true, 200, null],
  'stream-comments-only': [[SSE, framed(': keep-alive\n\n')], 'wait', true, 504, 'provider_first_token_timeout'],
  'stream-endless-event': [[SSE, framed(`data: ${'x'.repeat(5 << 20)}`)], 'wait', true, 502, 'provider_bad_response'],
  'endless-head': [[`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(400_000)}`], 'wait', false, 502, 'provider_bad_response'],
};

let provider;
let heard; // the client has the first words of its call
let asked = 0;
let sentinel;
before(async () => {
  provider = net.createServer((socket) => {
    let got = '';
    let served = 0;
    socket.on('error', () => {});
    socket.on('data', async (bytes) => {
      got += bytes;
      const model = /"model":"([^"]+)"/.exec(got.slice(served))?.[1];
      if (!model || !got.endsWith('}')) return;
      const mine = (served = got.length);
      asked++;
      const [pieces, then, streams] = CASES[model];
      for (const piece of pieces) {
        if (!socket.destroyed) await new Promise((done) => socket.write(piece, done));
        // What follows the first words comes after the client has them: read at once, they would never have been sent on.
        await Promise.race([new Promise((done) => setTimeout(done, streams && piece.includes('Hel') ? 5000 : 20)), heard]);
      }
      if (served !== mine) return; // the connection was used again meanwhile: what happens to it is the next call's business
      if (then === 'close') socket.end();
      if (then === 'reset') socket.resetAndDestroy();
    });
  });
  await new Promise((done) => provider.listen(0, '127.0.0.1', done));
  const config = folderWith({
    'sentinel.yml': `gateway:
  service: harsh
  breaker: {threshold: 0}
  providers:
    - {name: odd, kind: openai, base_url: 'http://127.0.0.1:${provider.address().port}'}
    - {name: absent, kind: openai, base_url: 'http://127.0.0.1:${await freePorts()}'}
  routes:
    - models: [refused]
      targets: [{provider: absent}]
      retries: {attempts: 1}
    - models: ['*']
      targets: [{provider: odd}]
      retries: {attempts: 1}
      timeouts: {first_token: 700ms, inter_token: 700ms, response: 700ms, total: 20s}
`,
  });
  sentinel = await Sentinel.serve({ args: ['--config', `${config}/sentinel.yml`] });
});
after(async () => {
  await sentinel?.stop();
  provider?.close();
});

/** What a client sees: the status, the bytes, and whether the connection ended as it should. */
async function ask(model, stream) {
  let hears;
  heard = new Promise((done) => (hears = done));
  const response = await fetch(`${sentinel.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content: 'hello' }] }),
    signal: AbortSignal.timeout(15_000),
  });
  let text = '';
  let whole = true;
  const decoder = new TextDecoder();
  try {
    for await (const part of response.body) {
      text += decoder.decode(part, { stream: true });
      if (text.includes('"Hel')) hears();
    }
  } catch {
    whole = false;
  }
  return { status: response.status, text, whole, id: response.headers.get('x-request-id') };
}
const row = (id) => until('the call is stored', async () => (await sentinel.sql(`SELECT * FROM llm_events WHERE request_id = '${id}'`))[0]);

async function check(name, [, , stream, status, error]) {
  const seen = await ask(name, stream);
  assert.equal(seen.status, status, seen.text.slice(0, 500));
  const stored = await row(seen.id);
  if (error === null) {
    assert.ok(seen.whole);
    assert.equal(stored.error_type, null);
    assert.equal(stored.status, 'ok', JSON.stringify(stored));
    if (stream) assert.match(seen.text, /data: \[DONE\]\n\n$/);
    return;
  }
  assert.equal(stored.status, 'error', `${name} was recorded as a success`);
  assert.match(stored.error_type, typeof error === 'string' ? new RegExp(`^${error}$`) : error);
  assert.equal(stored.http_status, status);
  assert.doesNotMatch(seen.text, /\[DONE\]/, 'a broken stream must not look finished');
  if (status === 200) {
    assert.ok(!seen.whole, 'the connection must be cut, so that no client takes the part for the whole');
    assert.match(seen.text, /"Hel"/);
    assert.match(seen.text, /data: \{"error":/);
    assert.equal(stored.response, 'Hel');
  } else {
    if (seen.text === html) return; // what a provider says of its failure is passed on
    const { error: said } = JSON.parse(seen.text);
    assert.ok(said.message.length > 5, seen.text);
    assert.match(said.message, /provider|overloaded/);
    assert.doesNotMatch(said.message, /127\.0\.0\.1|0x[0-9a-f]{6}/, 'no inner addresses for the client');
  }
}

for (const [name, it] of Object.entries(CASES)) test(`provider: ${name}`, () => check(name, it));

test('provider: refused connections', () => check('refused', [[], '', false, 502, 'provider_unreachable']));

test('after all of them a good provider is still served, nothing is open, each call was counted once', async () => {
  for (let i = 0; i < 5; i++) {
    await check('good', CASES.good);
    await check('length-too-short', CASES['length-too-short']); // what follows its body must not answer the next call
    await check('good-stream', CASES['good-stream']);
  }
  const [{ calls }] = await sentinel.sql("SELECT COUNT(*) AS calls FROM llm_events WHERE service = 'harsh'");
  assert.equal(calls, Object.keys(CASES).length + 1 + 15);
  const sent = (await sentinel.request('GET', '/metrics')).text.match(/^sentinel_net_client_stale_retries_total (\d+)$/m);
  assert.equal(asked, calls - 1 + Number(sent[1]), 'only what met a dead pooled connection was sent again');
  const active = await sentinel.get('/debug/active-requests');
  assert.ok(JSON.stringify(active).match(/chat\/completions/) === null, JSON.stringify(active));
  const metrics = (await sentinel.request('GET', '/metrics')).text;
  assert.match(metrics, /^active_requests 0$/m);
  const sum = (name) => [...metrics.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce((a, m) => a + Number(m[1]), 0);
  assert.equal(sum('llm_requests_total'), calls);
  assert.equal(sum('sentinel_telemetry_dropped_total'), 0);
});
