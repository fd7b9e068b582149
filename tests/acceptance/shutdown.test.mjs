// SIGTERM with calls under way: they may end by themselves; what has not when the drain is over is told so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sentinel, folderWith, httpServer, pause, temporaryFolder, until } from './lib/sentinel.mjs';

const chunk = (content, finish = null) =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm-1', choices: [{ index: 0, delta: { content }, finish_reason: finish }] })}\n\n`;
const BODY = { model: 'm', stream: true, messages: [{ role: 'user', content: 'tell me a story' }] };

async function world(drain) {
  let finish;
  const finished = new Promise((done) => (finish = done));
  const provider = await httpServer(async (_request, _body, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(chunk('Once upon a time'));
    await finished;
    response.end(chunk(' they lived.', 'stop') + 'data: [DONE]\n\n');
  });
  const folder = folderWith({
    'sentinel.yml': `shutdown: {drain: ${drain}}\ngateway:\n  providers: [{name: p, base_url: "${provider.url}/v1"}]\n  routes: [{targets: [{provider: p}]}]\n`,
  });
  const dataDir = temporaryFolder();
  const args = ['--config', `${folder}/sentinel.yml`];
  const server = await Sentinel.serve({ args, dataDir });
  const response = await fetch(`${server.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(BODY) });
  assert.equal(response.status, 200);
  const stream = { text: '', cut: null };
  stream.done = (async () => {
    try {
      for await (const part of response.body.pipeThrough(new TextDecoderStream())) stream.text += part;
      stream.cut = false;
    } catch {
      stream.cut = true;
    }
  })();
  await until('the stream has begun', () => stream.text.includes('Once upon'));
  return { provider, server, stream, finish, args, dataDir };
}

test('during the drain an open stream goes on to its end, and new calls are sent elsewhere', async () => {
  const { provider, server, stream, finish } = await world('40s');
  server.signal('SIGTERM');
  await until('it is not ready', async () => (await server.request('GET', '/-/ready')).status === 503);
  const refused = await server.request('POST', '/v1/chat/completions', { ...BODY, stream: false });
  assert.equal(refused.status, 503);
  assert.equal(refused.json.error.type, 'gateway_shutdown');
  assert.ok(Number(refused.headers.get('retry-after')) > 0);
  await pause(6000); // longer than any grace that is not the drain
  assert.equal(server.exit, null);
  assert.equal(stream.cut, null, 'the stream was ended before its time');
  finish();
  await stream.done;
  assert.equal(stream.cut, false);
  assert.match(stream.text, /they lived[^]*\[DONE\]/);
  assert.equal(await server.stop(), 0);
  await provider.close();
});

test('a stream that outlives the drain ends with an error event, and its row says why', async () => {
  const { provider, server, stream, args, dataDir } = await world('300ms');
  const begun = Date.now();
  assert.equal(await server.stop(), 0);
  assert.ok(Date.now() - begun < 15_000, `it took ${Date.now() - begun} ms`);
  await stream.done;
  assert.equal(stream.cut, true, 'a broken stream must not look like a whole one');
  const events = stream.text.split('\n\n').filter((e) => e.startsWith('data: '));
  assert.equal(JSON.parse(events.at(-1).slice(6)).error.code, 'gateway_shutdown');
  assert.doesNotMatch(stream.text, /\[DONE\]/);
  await provider.close();

  const again = await Sentinel.serve({ args, dataDir });
  const rows = await until('the row is there', async () => {
    const found = await again.sql('SELECT status, error_type, response FROM llm_events');
    return found.length > 0 && found;
  });
  assert.equal(rows.length, 1);
  assert.equal(rows[0].error_type, 'gateway_shutdown');
  assert.match(rows[0].response, /Once upon a time/);
  await again.stop();
});
