// Answers of a server without traffic against /sentinel/v1/openapi.json; demo.test.mjs does the same with traffic.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { OpenApi } from './lib/openapi.mjs';
import { Sentinel } from './lib/sentinel.mjs';

let server;
let api;
let incident;

before(async () => {
  server = await Sentinel.serve();
  api = await OpenApi.of(server);
});
after(() => server?.stop());

const base = '/sentinel/v1';
const ok = async (method, where, body, headers) => {
  const answer = await api.ask(method, base + where, body, headers);
  assert.ok(answer.status < 300, `${method} ${where}: ${answer.status} ${answer.text}`);
  return answer.json;
};
const refused = async (status, method, where, body, headers) => assert.equal((await api.ask(method, base + where, body, headers)).status, status, where);

test('the checker sees what does not fit', () => {
  assert.throws(() => api.matches('Problem', { type: 'about:blank', title: 'x', status: '400', detail: '', code: 'io' }), /status must be integer/);
  assert.throws(() => api.matches('Postmortem', { markdown: '' }), /html/);
  assert.throws(() => api.matches('Postmortem', { markdown: '', html: '', more: 1 }), /additional/);
  assert.throws(() => api.matches('Time', 'yesterday'), /date-time/);
});

test('lists and figures of an empty server', async () => {
  for (const where of ['/incidents', '/calls?filter=errors&limit=5', '/alerts', '/alerts/acknowledgements', '/alerts/history', '/silences/recurring', '/rules', '/events?q=source:sentinel', '/notifications', '/analytics', '/overview', '/status', '/gateway/breakers', '/drift', '/openapi.json'])
    await ok('GET', where);
  const { items } = await ok('GET', '/rules');
  await ok('GET', `/rules/${items[0].key}/history?limit=3`);
  assert.equal((await ok('GET', '/overview')).latency_p50_ms, null);
});

test('a recurring silence is kept, shown with its instances, and removed', async () => {
  const body = {
    matchers: [{ name: 'alertname', value: 'Backup', isRegex: false }], comment: 'backups', actor: 'ada',
    time_intervals: [{ weekdays: ['monday:friday'], times: [{ start_time: '22:00', end_time: '24:00' }], location: 'Europe/Berlin' }],
  };
  const added = await ok('POST', '/silences/recurring', body);
  assert.equal(added.instances.length, 5);
  assert.match(added.instances[0].silence, /^[0-9a-f-]{36}$/);
  assert.deepEqual((await ok('GET', '/silences/recurring')).items, [added]);
  const shown = await server.get(`/api/v2/silence/${added.instances[0].silence}`);
  assert.equal(shown.annotations.recurring_silence, added.id);
  await refused(400, 'POST', '/silences/recurring', { ...body, time_intervals: [{ weekdays: ['someday'] }] });
  await refused(400, 'POST', '/silences/recurring', { ...body, time_intervals: [] });
  await refused(400, 'POST', '/silences/recurring', { ...body, matchers: [] });
  await ok('DELETE', `/silences/recurring/${added.id}`);
  await refused(404, 'DELETE', `/silences/recurring/${added.id}`);
  assert.deepEqual((await ok('GET', '/silences/recurring')).items, []);
  await server.request('POST', '/-/reload', undefined, { 'X-Sentinel-User': 'bo' });
  const { items } = await ok('GET', '/audit?limit=10');
  assert.deepEqual(items.map((e) => e.action).reverse().slice(0, 3), ['recurring_silence.added', 'recurring_silence.removed', 'silence.expired']);
  assert.deepEqual(items.map((e) => e.actor), ['bo', 'someone', 'someone', 'ada']);
  assert.match(items[0].address, /^127\.0\.0\.1:/);
  const page = await ok('GET', '/audit?limit=1&actor=someone&from=2020-01-01T00:00:00Z');
  assert.equal(page.items.length, 1);
  assert.notEqual((await ok('GET', `/audit?limit=1&actor=someone&cursor=${page.next_cursor}`)).items[0].id, page.items[0].id);
  assert.deepEqual((await ok('GET', `/audit?target=${added.id}&action=recurring_silence.added`)).items[0].after.matchers, ['alertname="Backup"']);
  await refused(400, 'GET', '/audit?cursor=x');
});

test('every change of an incident answers with the whole of it', async () => {
  incident = await ok('POST', '/incidents', { title: 'declared by hand', severity: 'P2', labels: { service: 'shop' }, note: 'heard from a user', actor: 'amira' });
  const other = await ok('POST', '/incidents', { title: 'the same again' });
  for (const [action, body] of [
    ['acknowledge', { note: 'on it' }],
    ['status', { status: 'investigating', note: 'reading' }],
    ['assign', { assignee: 'bo' }],
    ['severity', { severity: 'critical' }],
    ['notes', { text: 'it is the provider' }],
    ['resolve', { root_cause: 'the provider', resolution: 'another one' }],
    ['reopen', { note: 'not over' }],
    ['merge', { into: other.name }],
  ])
    incident = await ok('POST', `/incidents/${incident.name}/${action}`, body, { 'X-Sentinel-User': 'bo' });
  assert.equal(incident.status, 'resolved');
  await ok('GET', `/incidents/${incident.id}`);
  await ok('GET', '/incidents?status=active&severity=SEV1,SEV3&q=again&limit=1');
  await ok('GET', `/incidents/${other.number}/postmortem`);
  await ok('GET', `/incidents/${other.number}/postmortem`, undefined, { accept: 'application/json' });
});

test('SQL', async () => {
  const result = await ok('POST', '/sql', { query: 'SELECT model, COUNT(*) AS calls, [1, 2] AS list FROM llm_events GROUP BY model' });
  assert.equal(result.columns.length, 3);
});

test('refusals are problem documents, described by status', async () => {
  await refused(404, 'GET', '/incidents/INC-999');
  await refused(404, 'GET', '/calls/no-such-call');
  await refused(404, 'GET', '/rules/no-such-rule/history');
  await refused(404, 'POST', '/incidents/INC-999/acknowledge', {});
  await refused(409, 'POST', `/incidents/${incident.name}/notes`, { text: 'late' }, { 'if-match': '1' });
  await refused(400, 'POST', '/incidents', { severity: 'SEV1' });
  await refused(400, 'POST', '/incidents', { title: 'x', labels: { a: 1 } });
  await refused(400, 'POST', '/sql', { query: 'SELEC 1' });
  await refused(404, 'POST', '/feedback', { request_id: 'no-such-call', rating: 'up' });
  for (const body of [{ rating: 5 }, { request_id: 'x' }, { request_id: 'x', rating: 6 }, { request_id: 'x', rating: 2.5 }, { request_id: 'x', label: 'nice' }, { request_id: 'x', conversion: false }])
    await refused(400, 'POST', '/feedback', body);
  await refused(400, 'POST', '/drift/reset', {});
  await refused(400, 'POST', '/drift/reset', { model: 5 });
  await refused(400, 'POST', '/drift/adopt', {});
  assert.equal((await ok('POST', '/drift/adopt', { endpoint: '/qa', actor: 'amira' })).references, 0);
  assert.equal((await ok('POST', '/drift/reset', { endpoint: '/qa', model: 'm', actor: 'amira' })).references, 0);
  for (const body of [{}, { provider: 'openai' }, { provider: 'openai', state: 'ajar' }, { provider: 5, state: 'open' }]) await refused(400, 'POST', '/gateway/breakers', body);
  await refused(404, 'POST', '/gateway/breakers', { provider: 'nobody', state: 'open' });
  await refused(400, 'GET', '/calls?filter=odd');
  await refused(400, 'GET', '/events?from=yesterday');
  await refused(404, 'GET', '/demo');
  const unknown = await server.request('POST', `${base}/incidents/${incident.name}/frobnicate`, {});
  assert.equal(unknown.status, 404);
  api.matches('Problem', unknown.json);
});
