// A person adopts changed answers: the drift reference is forgotten and learnt anew, over a restart too.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OpenApi } from './lib/openapi.mjs';
import { Sentinel, folderWith, httpServer, run, temporaryFolder, until } from './lib/sentinel.mjs';

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

test('a window of changed answers is told of, explained, and adopted', async () => {
  const number = (i) => 10 + ((i * 37) % 90);
  const turn = (i, list) => list[(i * 7) % list.length];
  const answers = [
    ['m-1', (i) => `Your ${turn(i, ['order', 'parcel', 'delivery'])} number ${number(i)} is on its way${turn(i, ['', ' from our store', ' since this morning', ' by post'])} and will be with you within ${turn(i, ['two', 'three', 'four', 'five', 'six'])} working days.`],
    ['m-2', (i) => `## Great news!!!\n* ${turn(i, ['Order', 'Parcel', 'Box'])} **#${number(i)}** rocks!\n* Ready to ${turn(i, ['level up', 'explore', 'dive in', 'shine'])}? Try the ${turn(i, ['hub', 'app', 'club', 'new page', 'shop'])}!\n* Boom!`],
  ];
  let kind = 0;
  let count = 0;
  const provider = await httpServer((_request, _body, response) => {
    const [model, content] = answers[kind];
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model, choices: [{ index: 0, message: { role: 'assistant', content: content(count++) }, finish_reason: 'stop' }] }));
  });
  const folder = folderWith({
    'sentinel.yml': `gateway:\n  providers: [{name: p, base_url: "${provider.url}/v1"}]\n  routes: [{targets: [{provider: p}]}]\nanalysis:\n  drift: {reference: 40, window: 20, false_alarm_rate: 0.01}\n`,
  });
  const server = await Sentinel.serve({ args: ['--config', `${folder}/sentinel.yml`] });
  const api = await OpenApi.of(server);
  const calls = async (n) => {
    for (let i = 0; i < n; i++) {
      const headers = { 'x-sentinel-endpoint': '/orders', 'x-sentinel-prompt-template': 'status' };
      const answer = await server.request('POST', '/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content: `Where is my order ${number(i)}${turn(i, [", please", "", " now", " today"])}?` }] }, headers);
      assert.equal(answer.status, 200, answer.text);
    }
  };
  const drift = async () => (await api.ask('GET', '/sentinel/v1/drift')).json.items.find((item) => item.endpoint === '/orders');
  await calls(60);
  const calm = await until('the first window is full', async () => ((await drift())?.windows === 1 ? drift() : null));
  assert.equal(calm.reference_version, 'm-1');
  assert.equal(calm.prompt_template, 'status');
  assert.equal(calm.last_window.result, 'calm', calm.last_window.what);

  kind = 1;
  await calls(20);
  const changed = await until('the second window is full', async () => ((await drift()).windows === 2 ? drift() : null));
  assert.equal(changed.last_window.result, 'drifted');
  assert.match(changed.last_window.what, /answer_form/);
  assert.equal(changed.last_window.model_version, 'm-2');
  assert.equal(changed.last_window.new_version, true);
  const [example] = changed.last_window.examples;
  const [row] = await server.sql(`SELECT model_version, drift_score FROM llm_events WHERE request_id = '${example.request_id}'`);
  assert.equal(row.model_version, 'm-2');
  const series = async (query) => (await server.get(`/api/v1/query?query=${encodeURIComponent(query)}`)).data.result;
  const told = await until('the series says so', async () => (await series('llm_drift_windows_total{endpoint="/orders",result="drifted"}'))[0]);
  assert.equal(told.value[1], '1');
  const above = 'max by (endpoint) (llm_drift_value{endpoint="/orders"}) > on (endpoint) llm_drift_threshold';
  await until('a measure lies above the threshold', async () => (await series(above))[0]);
  await until('the new version shows', async () => (await series('llm_drift_new_version{endpoint="/orders"} == 1'))[0]);
  const line = JSON.parse(server.output.split('\n').find((text) => text.includes('calls differ from their reference')));
  assert.equal(line.reference_version, 'm-1');
  const list = await server.cli('drift', 'list');
  assert.match(list.stdout, /\/orders\s+m\s+status\s+drifted\s+answer_.*1\/2\s+80\s+m-1/, list.stderr);

  const adopted = await server.cli('drift', 'adopt', '--endpoint', '/orders');
  assert.match(adopted.stdout, /^1 references given up/, adopted.stderr);
  assert.equal((await drift()).reference_ready, false);
  await calls(40); // 20 complete the reference, 20 are its first window
  const now = await until('the new reference has a window', async () => ((await drift()).windows === 1 ? drift() : null));
  assert.equal(now.reference_version, 'm-2');
  assert.equal(now.last_window.result, 'calm', now.last_window.what);
  await server.stop();
  await provider.close();
});

test('settings of drift that cannot work are refused with their place', async () => {
  for (const [text, message] of [
    ['{window: 100, reference: 50}', /no more than the reference/],
    ['{false_alarm_rate: 0.5}', /0\.002 to 0\.2/],
    ['{reference: 5}', /16 to 1000/],
    ['{adopt_after_calm_windows: -1}', /0 \(never\)/],
    ['{windows: 5}', /windows/],
  ]) {
    const folder = folderWith({ 'sentinel.yml': `analysis:\n  drift: ${text}\n` });
    const checked = await run(['check', 'config', `${folder}/sentinel.yml`]);
    assert.notEqual(checked.code, 0, text);
    assert.match(checked.stderr, message);
    assert.match(checked.stderr, /sentinel\.yml:2/);
  }
});
