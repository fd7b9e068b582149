// What was done to the system, told and seen, and named in an incident's sentence; with the whole binary.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { OpenApi } from './lib/openapi.mjs';
import { Sentinel, folderWith, httpServer, run, until } from './lib/sentinel.mjs';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const RULES = (name) => `groups:
- name: errors
  interval: 1s
  rules:
  - alert: ${name}
    expr: sum(errors_total) > 5
    labels: {severity: SEV2, service: shop, env: prod, category: errors}
    annotations: {summary: calls fail, failing_calls: "status = 'error'"}
`;
const answer = JSON.stringify({
  id: 'c', object: 'chat.completion', created: 1, model: 'm-1',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Paris is in France.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 5, completion_tokens: 5, total_tokens: 10 },
});

const written = answer.replace('Paris is in France.', 'Calls of the shop fail.\\n\\nRoll back v1.4.2.');

let broken = false;
const asked = []; // of the model that writes summaries
let provider;
let folder;
let server;
let api;
const as = (token) => ({ authorization: `Bearer ${token}` });
const changes = async (query = '') => (await api.ask('GET', `/sentinel/v1/changes${query}`, undefined, as('act'))).json.items;
const call = () =>
  server.request('POST', '/v1/chat/completions', { model: 'm-1', messages: [{ role: 'user', content: 'Where is Paris?' }] }, {
    ...as('act'), 'x-sentinel-service': 'shop', 'x-sentinel-env': 'prod',
  });

before(async () => {
  provider = await httpServer((_request, body, response) => {
    response.setHeader('content-type', 'application/json');
    const call = JSON.parse(body);
    if (call.model === 'writer') {
      asked.push(call);
      return response.end(written);
    }
    response.statusCode = broken ? 500 : 200;
    response.end(broken ? '{"error":{"message":"no","type":"server_error"}}' : answer);
  });
  folder = folderWith({
    'rules.yml': RULES('CallsFail'),
    'sentinel.yml': `rules: {files: [rules.yml]}
incidents: {summary: {model: writer, api_key: act}}
auth:
  tokens:
  - {sha256: ${sha256('see')}, user: eve, roles: [viewer]}
  - {sha256: ${sha256('act')}, user: ada}
gateway:
  providers:
  - {name: up, kind: openai, base_url: '${provider.url}', api_key: k}
  routes: [{models: ['*'], targets: [{provider: up}], retries: {attempts: 1}}]
  breaker: {threshold: 12, open: 2s}
`,
  });
  server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')] });
  api = new OpenApi(server, (await server.request('GET', '/sentinel/v1/openapi.json', undefined, as('act'))).json);
});
after(async () => {
  await server?.stop();
  await provider?.close();
});

test('a deploy is told once, by the command line and over HTTP, and not by who may only look', async () => {
  const cli = (...args) => run(['change', ...args], { env: { SENTINEL_URL: server.url, SENTINEL_TOKEN: 'act' } });
  const told = await cli('add', 'search', '--text', 'v7', '--service', 'search', '--key', 'run-1');
  assert.equal(told.stdout, 'deploy of search (v7)\n');
  assert.equal((await cli('add', 'search', '--text', 'v7', '--service', 'search', '--key', 'run-1')).code, 0);
  assert.deepEqual((await changes()).map((c) => [c.kind, c.subject, c.labels.service, c.actor]), [['deploy', 'search', 'search', 'ada']]);
  assert.match((await cli('list')).stdout, /deploy +search +v7 +search +ada/);
  const wrong = await cli('add', 'x', '--kind', 'rocket');
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /unknown kind "rocket" of a change; expected deploy/);
  assert.equal((await api.ask('POST', '/sentinel/v1/changes', { kind: 'deploy', subject: 'x' }, as('see'))).status, 403);
  assert.deepEqual(await changes('?service=shop'), []);
});

test('files that are others after a reload are a change', async () => {
  writeFileSync(path.join(folder, 'rules.yml'), RULES('CallsOfShopFail'));
  assert.equal((await server.request('POST', '/-/reload', undefined, as('act'))).status, 200);
  assert.equal((await server.request('POST', '/-/reload', undefined, as('act'))).status, 200);
  assert.deepEqual((await changes('?kind=configuration')).map((c) => [c.subject, c.actor]), [['rules.yml', 'ada']]);
});

test('what was done before calls began to fail is in the sentence; the breaker that they opened is among the changes', async () => {
  for (let n = 0; n < 40; ++n) assert.equal((await call()).status, 200);
  await api.ask('POST', '/sentinel/v1/changes', { kind: 'deploy', subject: 'shop', text: 'v1.4.2', service: 'shop' }, as('act'));
  broken = true;
  for (let n = 0; n < 20; ++n) await call();
  const incident = await until('an incident', async () => (await server.request('GET', '/sentinel/v1/incidents', undefined, as('act'))).json.items[0]);
  const why = await until('a diagnosis', async () => {
    const now = (await api.ask('GET', `/sentinel/v1/incidents/${incident.id}`, undefined, as('act'))).json;
    return now.why.includes('Before it') && now.why;
  });
  assert.match(why, /Before it: deploy of shop \(v1\.4\.2\) at \d\d:\d\d:\d\d, (with|[\d.]+ m?s before) the first failing call\.$/);
  const breaker = await until('the breaker', async () => (await changes('?kind=breaker'))[0]);
  assert.equal(breaker.sentence, 'circuit breaker of up/m-1 opened');
});

test('a model sums it up through the gateway, from the diagnosis alone, and is named as the writer', async () => {
  const incident = await until('a summary', async () => {
    const now = (await api.ask('GET', '/sentinel/v1/incidents/1', undefined, as('act'))).json;
    return now.summary && now;
  });
  assert.deepEqual([incident.summary.text, incident.summary.model], ['Calls of the shop fail. Roll back v1.4.2.', 'writer']);
  const entry = incident.timeline.find((e) => e.kind === 'summary');
  assert.deepEqual([entry.actor, entry.source], ['writer', 'model']);
  const facts = JSON.parse(asked[0].messages[1].content);
  assert.equal(facts.title, 'calls fail');
  assert.ok(asked.length <= 5 && asked.some((one) => one.messages[1].content.includes('deploy of shop (v1.4.2)')));
  for (const one of asked) assert.doesNotMatch(JSON.stringify(one), /Paris/, 'no text of any call leaves');
  const [row] = await until('its row', async () => {
    const rows = (await server.request('POST', '/sentinel/v1/sql', { query: "SELECT endpoint, status FROM llm_events WHERE service = 'sentinel'" }, as('act'))).json.rows;
    return rows.length > 0 && rows;
  });
  assert.deepEqual(row, ['/incident-summary', 'ok']);
});

test('people have it look again, and read what was found', async () => {
  const seen = await run(['incident', 'diagnose', 'INC-1'], { env: { SENTINEL_URL: server.url, SENTINEL_TOKEN: 'act' } });
  assert.equal(seen.code, 0, seen.stderr);
  assert.match(seen.stdout, /^INC-1 calls fail\n/);
  assert.match(seen.stdout, /failing calls \(status = 'error'\) against \d+ others, onset \d{4}-/);
  assert.match(seen.stdout, /  \* deploy of shop \(v1\.4\.2\) at /);
  assert.match(seen.stdout, /for example \S+  /);
  assert.equal((await api.ask('POST', '/sentinel/v1/incidents/1/diagnose', undefined, as('act'))).status, 200);
  assert.equal((await api.ask('POST', '/sentinel/v1/incidents/1/diagnose', undefined, as('see'))).status, 403);
  assert.equal((await run(['incident', 'diagnose', 'INC-9'], { env: { SENTINEL_URL: server.url, SENTINEL_TOKEN: 'act' } })).code, 3);
});

test('runbooks are checked with their places', async () => {
  const file = path.join(folder, 'book.yml');
  writeFileSync(file, 'id: shop\ntitle: The shop\nsteps:\n  - {step_id: look, description: Look, colour: red}\n');
  const wrong = await run(['runbook', 'check', file]);
  assert.notEqual(wrong.code, 0);
  assert.match(wrong.stdout + wrong.stderr, /book\.yml:4:/);
});

test('after kill -9 the first incident is summed up too, and what was written before is there', async () => {
  const { dataDir, port } = server;
  await server.kill();
  server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')], dataDir, port });
  api = new OpenApi(server, (await server.request('GET', '/sentinel/v1/openapi.json', undefined, as('act'))).json);
  const now = async (id) => (await api.ask('GET', `/sentinel/v1/incidents/${id}`, undefined, as('act'))).json;
  assert.equal((await now('1')).summary.model, 'writer');
  const alert = { labels: { alertname: 'Elsewhere', service: 'shop', env: 'prod', severity: 'SEV2', category: 'other' }, annotations: { summary: 'noticed elsewhere', failing_calls: "status = 'error'" } };
  assert.equal((await server.request('POST', '/api/v2/alerts', [alert], as('act'))).status, 200);
  const other = await until('another incident', async () => (await server.request('GET', '/sentinel/v1/incidents?q=elsewhere', undefined, as('act'))).json.items[0]);
  const text = await until('its summary', async () => (await now(other.id)).summary?.text);
  assert.equal(text, 'Calls of the shop fail. Roll back v1.4.2.');
});
