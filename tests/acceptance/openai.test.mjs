// The official `openai` client against the gateway, with nothing changed but its base URL, and what each call leaves behind.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { Sentinel, folderWith, freePorts, httpServer, pause, until } from './lib/sentinel.mjs';

const USAGE = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 };
const json = (response, status, body, headers = {}) => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};
const refusal = (message, type, code) => ({ error: { message, type, param: null, code } });

async function stream(response, wantsUsage, model) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const event = (rest) =>
    response.write(`data: ${JSON.stringify({ id: 'chatcmpl-2', object: 'chat.completion.chunk', created: 1, model, ...rest })}\n\n`);
  for (const content of ['Hel', 'lo ', 'there']) {
    event({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
    await pause(5);
  }
  event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
  if (wantsUsage) event({ choices: [], usage: USAGE });
  response.end('data: [DONE]\n\n');
}

// What the scripted provider does is told by the name of the model.
function provider(_request, body, response) {
  const asked = JSON.parse(body);
  const model = `${asked.model}-2026-01-01`;
  if (asked.model.startsWith('busy')) return json(response, 429, refusal('slow down', 'rate_limit_error', 'rate_limit_exceeded'), { 'retry-after': '0' });
  if (asked.model.startsWith('filtered')) return json(response, 400, refusal('content management policy', 'invalid_request_error', 'content_filter'));
  if (asked.model.startsWith('slow')) return undefined;
  if (asked.model.startsWith('nonsense')) return response.writeHead(200, { 'content-type': 'application/json' }).end('<html>It works!</html>');
  if (asked.stream) return stream(response, asked.stream_options?.include_usage, model);
  return json(response, 200, {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model,
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there' }, finish_reason: 'stop' }],
    usage: USAGE,
  });
}

let upstream;
let sentinel;
let client;
const ask = (model, more = {}, options = {}) =>
  client.chat.completions.create({ model, messages: [{ role: 'user', content: 'Say hello' }], ...more }, options);
async function failure(promise) {
  const start = Date.now();
  try {
    await promise;
  } catch (error) {
    return { error, ms: Date.now() - start };
  }
  throw new Error('the call was expected to fail');
}
/** The row of the one call made with this model. */
const row = (model) =>
  until(`the call of ${model} is stored`, async () => {
    const rows = await sentinel.sql(`SELECT * FROM llm_events WHERE model = '${model}' OR tags LIKE '%${model}%' ORDER BY timestamp`);
    assert.ok(rows.length < 2, `${rows.length} rows for one call`);
    return rows[0];
  });

before(async () => {
  upstream = await httpServer(provider);
  const nobody = await freePorts();
  const folder = folderWith({
    'sentinel.yml': `gateway:
  service: acceptance
  env: test
  providers:
    - {name: scripted, kind: openai, base_url: '${upstream.url}'}
    - {name: silent, kind: openai, base_url: '${upstream.url}'}
    - {name: absent, kind: openai, base_url: 'http://127.0.0.1:${nobody}'}
  routes:
    - models: ['down*']
      targets: [{provider: absent}]
      retries: {attempts: 1}
    - models: ['slow*']
      targets: [{provider: silent}]
      retries: {attempts: 1}
      timeouts: {first_token: 500ms, response: 500ms, total: 1s}
    - models: ['*']
      targets: [{provider: scripted}]
      retries: {attempts: 1}
`,
  });
  sentinel = await Sentinel.serve({ args: ['--config', `${folder}/sentinel.yml`] });
  client = new OpenAI({ baseURL: `${sentinel.url}/v1`, apiKey: 'sk-of-the-caller', maxRetries: 0, timeout: 30_000 });
});
after(async () => {
  await sentinel?.stop();
  await upstream?.close();
});

test('a chat completion', async () => {
  const { data, response } = await ask('plain', {}, { headers: { 'x-sentinel-endpoint': '/hello' } }).withResponse();
  assert.equal(data.choices[0].message.content, 'Hello there');
  assert.deepEqual(data.usage, USAGE);
  assert.ok(response.headers.get('x-request-id'));
  const seen = upstream.received.at(-1);
  assert.equal(seen.path, '/v1/chat/completions');
  assert.equal(seen.headers.authorization, 'Bearer sk-of-the-caller');
  assert.ok(!Object.keys(seen.headers).some((name) => name.startsWith('x-sentinel-')), 'our own headers stay here');

  const stored = await row('plain');
  assert.equal(stored.request_id, response.headers.get('x-request-id'));
  assert.equal(stored.status, 'ok');
  assert.equal(stored.error_type || '', '');
  assert.deepEqual([stored.http_status, stored.tokens_input, stored.tokens_output], [200, 7, 3].map(Number));
  assert.deepEqual([stored.provider, stored.model_version, stored.finish_reason], ['scripted', 'plain-2026-01-01', 'stop']);
  assert.deepEqual([stored.service, stored.env, stored.endpoint, stored.stream], ['acceptance', 'test', '/hello', false]);
  assert.match(stored.prompt, /Say hello/);
  assert.equal(stored.response, 'Hello there');
  assert.ok(stored.latency_ms > 0);
});

test('a streamed completion', async () => {
  let text = '';
  let chunks = 0;
  for await (const chunk of await ask('streamed', { stream: true })) {
    chunks++;
    text += chunk.choices[0]?.delta?.content ?? '';
  }
  assert.equal(text, 'Hello there');
  assert.ok(chunks >= 3, `${chunks} chunks`);
  const stored = await row('streamed');
  assert.deepEqual([stored.status, stored.stream, stored.response], ['ok', true, 'Hello there']);
  assert.deepEqual([stored.tokens_input, stored.tokens_output], [7, 3]);
  assert.ok(stored.ttft_ms > 0 && stored.ttft_ms <= stored.latency_ms, `${stored.ttft_ms} of ${stored.latency_ms}`);
});

test('the usage a client asks for in a stream arrives', async () => {
  let usage;
  for await (const chunk of await ask('counted', { stream: true, stream_options: { include_usage: true } })) usage = chunk.usage ?? usage;
  assert.deepEqual(usage, USAGE);
});

test('a 429 of the provider is passed on', async () => {
  const { error } = await failure(ask('busy'));
  assert.ok(error instanceof OpenAI.RateLimitError, String(error));
  assert.match(error.message, /slow down/);
  const stored = await row('busy');
  assert.deepEqual([stored.status, stored.error_type, stored.http_status], ['error', 'provider_rate_limited', 429]);
});

test('a content filter is passed on and counted as such', async () => {
  const { error } = await failure(ask('filtered'));
  assert.ok(error instanceof OpenAI.BadRequestError, String(error));
  assert.equal(error.code, 'content_filter');
  const stored = await row('filtered');
  assert.deepEqual([stored.status, stored.error_type, stored.http_status], ['error', 'policy_content_filter', 400]);
});

test('a provider that is down gives a clear error at once', async () => {
  const { error, ms } = await failure(ask('down'));
  assert.equal(error.status, 502);
  assert.equal(error.type, 'provider_unreachable');
  assert.match(error.message, /absent/);
  assert.ok(ms < 5000, `${ms} ms`);
  const stored = await row('down');
  assert.deepEqual([stored.status, stored.error_type, stored.provider], ['error', 'provider_unreachable', 'absent']);
});

test('a provider that stays silent is given up at the deadline', async () => {
  for (const [model, more] of [
    ['slow-whole', {}],
    ['slow-stream', { stream: true }],
  ]) {
    const { error, ms } = await failure(ask(model, more));
    assert.equal(error.status, 504, String(error));
    assert.match(error.type, /^provider_(first_token_)?timeout$/);
    assert.ok(ms >= 400 && ms < 8000, `${ms} ms`);
    const stored = await row(model);
    assert.equal(stored.status, 'error');
    assert.match(stored.error_type, /^provider_(first_token_)?timeout$/);
  }
});

test('a provider that talks nonsense gives a clear error', async () => {
  const { error } = await failure(ask('nonsense'));
  assert.equal(error.status, 502, String(error));
  assert.equal(error.type, 'provider_bad_response');
  const stored = await row('nonsense');
  assert.deepEqual([stored.status, stored.error_type], ['error', 'provider_bad_response']);
});

test('a client that goes away is counted as such', async () => {
  const leave = new AbortController();
  const seen = upstream.received.length;
  const gone = failure(ask('slow-and-left', {}, { signal: leave.signal }));
  await until('the provider is asked', () => upstream.received.length > seen, { every: 5 });
  leave.abort();
  await gone;
  const stored = await row('slow-and-left');
  assert.deepEqual([stored.status, stored.error_type], ['error', 'caller_disconnected']);
});

test('a request that is no chat request is refused with the protocol of OpenAI', async () => {
  const answer = await sentinel.request('POST', '/v1/chat/completions', '{"model": ');
  assert.equal(answer.status, 400);
  assert.equal(answer.json.error.type, 'caller_invalid_request');
});

test('the gateway goes on after all this', async () => {
  assert.equal((await ask('again')).choices[0].message.content, 'Hello there');
});
