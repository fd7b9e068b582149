// A provider that offers HTTP/2: calls share its connections, and each of its ways to fail stays the business of its own call.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Sentinel, pause, temporaryFolder, until } from './lib/sentinel.mjs';

const folder = temporaryFolder();
const tls = () => ({ key: readFileSync(path.join(folder, 'key.pem')), cert: readFileSync(path.join(folder, 'cert.pem')) });
const chunk = (model, content, finish_reason = null) => `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model, choices: [{ index: 0, delta: { content }, finish_reason }] })}\n\n`;
const whole = (model, content) => JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model, choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }], usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 } });

const seen = []; // of each stream: {model, session, headers, size, rst}
const sessions = new Set();
let refuse = 0;
let open = 0;
let openMost = 0;

async function serve(stream, headers) {
  let body = '';
  stream.setEncoding('utf8');
  stream.on('error', () => {});
  for await (const text of stream) body += text;
  const asked = JSON.parse(body);
  const { model } = asked;
  const mine = { model, session: stream.session, headers, size: body.length, rst: null };
  seen.push(mine);
  open++;
  openMost = Math.max(openMost, open);
  stream.on('close', () => {
    open--;
    mine.rst = stream.rstCode;
  });
  if (model === 'refused' && refuse-- > 0) return stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
  if (model === 'reset') return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  if (model === 'silent') return undefined;
  if (model === 'goaway') stream.session.goaway(http2.constants.NGHTTP2_NO_ERROR);
  if (model === 'destroy') return stream.session.destroy();
  if (!asked.stream) {
    if (model === 'slow') await pause(200);
    stream.respond({ ':status': 200, 'content-type': 'application/json' });
    return stream.end(whole(model, model === 'huge' ? 'x'.repeat(5 << 20) : `to ${asked.messages[0].content}`));
  }
  stream.respond({ ':status': 200, 'content-type': 'text/event-stream' });
  for (const word of ['one', ' two', ' three']) {
    stream.write(chunk(model, word));
    await pause(20);
    if (model === 'cut-stream' && word === ' two') return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    if (model === 'stalled-stream' && word === ' two') return undefined;
  }
  stream.write(chunk(model, '', 'stop'));
  return stream.end('data: [DONE]\n\n');
}

let provider;
let old;
let sentinel;
before(async () => {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-keyout', path.join(folder, 'key.pem'), '-out', path.join(folder, 'cert.pem'), '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'], { stdio: 'ignore' });
  provider = http2.createSecureServer({ ...tls(), settings: { maxConcurrentStreams: 60 } });
  provider.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
  });
  provider.on('stream', serve);
  provider.on('sessionError', () => {});
  await new Promise((done) => provider.listen(0, '127.0.0.1', done));
  old = https.createServer(tls(), (request, response) => {
    request.resume();
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end(whole('old', `over HTTP/${request.httpVersion}`)));
  });
  await new Promise((done) => old.listen(0, '127.0.0.1', done));
  const { writeFileSync } = await import('node:fs');
  writeFileSync(path.join(folder, 'sentinel.yml'), `gateway:
  service: h2
  breaker: {threshold: 0}
  providers:
    - {name: new, kind: openai, base_url: 'https://localhost:${provider.address().port}', api_key: k}
    - {name: kept-old, kind: openai, base_url: 'https://localhost:${old.address().port}', api_key: k}
    - {name: forced-old, kind: openai, base_url: 'https://localhost:${provider.address().port}', api_key: k, http2: false}
  routes:
    - models: [old]
      targets: [{provider: kept-old}]
    - models: ['forced']
      targets: [{provider: forced-old}]
      retries: {attempts: 1}
    - models: ['*']
      targets: [{provider: new}]
      retries: {attempts: 1}
      timeouts: {first_token: 800ms, inter_token: 800ms, response: 800ms}
`);
  sentinel = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')], env: { SSL_CERT_FILE: path.join(folder, 'cert.pem') } });
});
after(async () => {
  await sentinel?.stop();
  for (const session of sessions) session.destroy();
  provider?.close();
  old?.close();
});

async function ask(model, { stream = false, content = 'you', signal } = {}) {
  const response = await fetch(`${sentinel.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream, messages: [{ role: 'user', content }] }),
    signal,
  });
  let text = '';
  let ended = true;
  try {
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) text += part;
  } catch {
    ended = false;
  }
  return { status: response.status, text, ended, id: response.headers.get('x-request-id') };
}
const of = (model) => seen.filter((s) => s.model === model);
const errorOf = (got) => JSON.parse(got.text).error.code;

test('an answer, with what HTTP/2 wants to be told and without what only HTTP/1 knows', async () => {
  const got = await ask('plain');
  assert.equal(got.status, 200, got.text);
  assert.equal(JSON.parse(got.text).choices[0].message.content, 'to you');
  const [{ headers }] = of('plain');
  assert.equal(headers[':method'], 'POST');
  assert.equal(headers[':path'], '/v1/chat/completions');
  assert.equal(headers[':authority'], `localhost:${provider.address().port}`);
  assert.equal(headers.authorization, 'Bearer k');
  for (const name of ['host', 'connection', 'transfer-encoding']) assert.equal(headers[name], undefined, name);
});

test('a stream, event by event', async () => {
  const got = await ask('plain', { stream: true });
  assert.equal([...got.text.matchAll(/"content":"([^"]*)"/g)].map((m) => m[1]).join(''), 'one two three');
  assert.match(got.text, /data: \[DONE\]\n\n$/);
});

test('two hundred calls at once share few connections, each with its own answer', async () => {
  const before = sessions.size;
  const got = await Promise.all(Array.from({ length: 200 }, (_, i) => ask('slow', { content: `number ${i}` })));
  got.forEach((one, i) => assert.equal(JSON.parse(one.text).choices?.[0].message.content, `to number ${i}`, one.text));
  const used = new Set(of('slow').map((s) => s.session)).size;
  assert.ok(openMost >= 20, `only ${openMost} at once`);
  assert.ok(used < 200 && sessions.size - before < 200, `${used} connections`);
  // And once they are there, they are used again.
  const after = sessions.size;
  for (let i = 0; i < 20; i++) await ask('plain');
  assert.equal(sessions.size, after);
});

test('bodies larger than every window, both ways', async () => {
  const content = 'y'.repeat(3 << 20);
  const got = await ask('huge', { content });
  assert.equal(JSON.parse(got.text).choices[0].message.content.length, 5 << 20);
  assert.ok(of('huge')[0].size > content.length);
});

test('a reset, silence and a cut are each the failure of one call only', async () => {
  const [reset, silent, cut, stalled, good] = await Promise.all([ask('reset'), ask('silent'), ask('cut-stream', { stream: true }), ask('stalled-stream', { stream: true }), ask('slow')]);
  assert.equal(good.status, 200);
  assert.equal(reset.status, 502);
  assert.match(errorOf(reset), /provider_(unreachable|stream_cut)/);
  assert.equal(silent.status, 504);
  assert.equal(errorOf(silent), 'provider_timeout');
  for (const [got, error] of [[cut, 'provider_stream_cut'], [stalled, 'provider_stream_stalled']]) {
    assert.equal(got.status, 200);
    assert.ok(!got.ended);
    assert.ok(got.text.includes(error), got.text);
  }
  await until('the silent stream is reset by us', () => of('silent')[0].rst === http2.constants.NGHTTP2_CANCEL);
});

test('a stream the server refused is sent once more; a connection that says good-bye is left', async () => {
  refuse = 1;
  assert.equal((await ask('refused')).status, 200);
  assert.equal(of('refused').length, 2);
  assert.equal((await ask('goaway')).status, 200);
  const [{ session }] = of('goaway');
  assert.equal((await ask('plain')).status, 200);
  assert.notEqual(of('plain').at(-1).session, session);
  await ask('destroy');
  assert.equal((await ask('plain')).status, 200);
});

test('a client that leaves ends the work of the provider', async () => {
  const leave = new AbortController();
  const before = of('silent').length;
  const call = ask('silent', { signal: leave.signal }).catch(() => {});
  await until('the provider has it', () => of('silent').length > before);
  leave.abort();
  await call;
  await until('the stream is reset', () => of('silent').at(-1).rst === http2.constants.NGHTTP2_CANCEL);
});

test('HTTP/1.1 where nothing else is offered, or wanted', async () => {
  assert.match((await ask('old')).text, /over HTTP\/1\.1/);
  // This server speaks nothing but HTTP/2: whoever does not offer it is refused in the handshake or gets no HTTP/1 answer.
  assert.notEqual((await ask('forced')).status, 200);
});
