// A person adopts changed answers: the drift reference is forgotten and learnt anew, over a restart too.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sentinel, folderWith, httpServer, temporaryFolder, until } from './lib/sentinel.mjs';

const REFERENCE = 60; // calls until a reference is frozen

test('a reset forgets the reference of a route, and says who did it', async () => {
  const provider = await httpServer((_request, _body, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model: 'm-1', choices: [{ index: 0, message: { role: 'assistant', content: 'The sky is blue today.' }, finish_reason: 'stop' }] }));
  });
  const folder = folderWith({ 'sentinel.yml': `gateway:\n  providers: [{name: p, base_url: "${provider.url}/v1"}]\n  routes: [{targets: [{provider: p}]}]\n` });
  const args = ['--config', `${folder}/sentinel.yml`];
  const dataDir = temporaryFolder();
  let server = await Sentinel.serve({ args, dataDir });
  const call = async () => {
    const headers = { 'x-sentinel-endpoint': '/qa' };
    const answer = await server.request('POST', '/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content: 'What colour is the sky?' }] }, headers);
    assert.equal(answer.status, 200, answer.text);
    return answer.headers.get('x-request-id');
  };
  const row = (id) => until('the call is stored', async () => (await server.sql(`SELECT baseline_ready FROM llm_events WHERE request_id = '${id}'`))[0], { seconds: 60 });
  let last;
  for (let i = 0; i <= REFERENCE; i++) last = await call();
  assert.equal((await row(last)).baseline_ready, true);

  const missed = await server.post('/sentinel/v1/drift/reset', { endpoint: '/q' });
  assert.deepEqual(missed, { references: 0 });
  const reset = await server.cli('drift', 'reset', '--endpoint', '/qa', '--model', 'm');
  assert.equal(reset.code, 0, reset.stderr);
  assert.match(reset.stdout, /^1 references forgotten/);
  assert.equal((await row(await call())).baseline_ready, false);
  const audit = JSON.parse(server.output.split('\n').find((line) => line.includes('drift references reset') && line.includes('"references":1')));
  assert.equal(audit.logger, 'audit');
  assert.equal(audit.source, 'cli');
  assert.equal(audit.endpoint, '/qa');

  await server.kill();
  server = await Sentinel.serve({ args, dataDir });
  assert.equal((await row(await call())).baseline_ready, false, 'the old reference came back');
  await server.stop();
  await provider.close();

  const usage = await server.cli('drift', 'reset');
  assert.equal(usage.code, 6, 'the server is gone');
});
