// Every alert there is, whoever raises it: /sentinel/v1/alerts, which the page's list is made of.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { OpenApi } from './lib/openapi.mjs';
import { Sentinel, folderWith, until } from './lib/sentinel.mjs';

const CONFIG = `rules: {files: [rules.yml], evaluation_interval: 200ms}
heartbeats:
- {name: nightly, every: 1s, grace: 1s}
`;
const RULES = `groups:
- name: own
  rules:
  - {alert: Now, expr: vector(7), labels: {severity: SEV1}, annotations: {summary: now}}
  - {alert: Later, expr: vector(1), for: 1h, labels: {severity: SEV1}}
`;
const posted = (n, severity, more = {}) => ({ labels: { alertname: 'Posted', service: 'shop', severity, n: String(n) }, annotations: { summary: 'from outside' }, ...more });

test('alerts of rules, of heartbeats and posted ones, the worst first, by pages', async (t) => {
  const folder = folderWith({ 'sentinel.yml': CONFIG, 'rules.yml': RULES });
  const server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')] });
  t.after(() => server.kill());
  const api = new OpenApi(server, await server.get('/sentinel/v1/openapi.json'));
  const list = async (query = '') => {
    const answer = await api.ask('GET', `/sentinel/v1/alerts${query}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  const all = Array.from({ length: 30 }, (_, n) => posted(n, n === 29 ? 'SEV4' : 'SEV2', n === 0 ? { generatorURL: 'http://prometheus.example.org/graph' } : {}));
  assert.equal((await server.request('POST', '/api/v2/alerts', all)).status, 200);
  const { items } = await until('all of them are there', async () => {
    const now = await list();
    return ['Now', 'Later', 'HeartbeatMissed'].every((name) => now.items.some((a) => a.name === name)) && now;
  });
  assert.equal(items.length, 33);
  const named = (name, n) => items.find((a) => a.name === name && (n === undefined || a.labels.n === String(n)));
  const shown = ({ source, state, severity, value, rule, generator_url }) => [source, state, severity, value, rule?.group ?? null, generator_url];
  assert.deepEqual(shown(named('Now')), ['rule', 'firing', 'SEV1', 7, 'own', null]);
  assert.deepEqual(shown(named('Later')), ['rule', 'pending', 'SEV1', 1, 'own', null]);
  assert.deepEqual(shown(named('HeartbeatMissed')).slice(0, 2), ['heartbeat', 'firing']);
  assert.deepEqual(shown(named('Posted', 0)), ['api', 'firing', 'SEV2', null, null, 'http://prometheus.example.org/graph']);
  assert.equal(named('Posted', 1).generator_url, null);
  assert.match(named('Posted', 1).incident, /^INC-\d+$/);
  assert.equal(named('Posted', 1).incident, named('Posted', 2).incident);
  assert.equal(named('Posted', 29).incident, null, 'SEV4 opens none');
  assert.equal(items[0].name, 'Now', 'the most severe first');
  assert.equal(items.at(-1).name, 'Later', 'what is pending last');
  assert.equal(items.at(-2).labels.n, '29');

  const pages = [];
  let cursor = '';
  do {
    const page = await list(`?limit=10${cursor && `&cursor=${cursor}`}`);
    pages.push(page.items.map((a) => a.fingerprint));
    cursor = page.next_cursor ?? '';
  } while (cursor);
  assert.deepEqual(pages.map((p) => p.length), [10, 10, 10, 3]);
  assert.deepEqual(pages.flat(), items.map((a) => a.fingerprint));
  assert.equal((await api.ask('GET', '/sentinel/v1/alerts?cursor=x')).status, 400);

  // Silenced and acknowledged as the rest of alerting has it; what has ended is not listed.
  const { fingerprint } = named('Posted', 3);
  await server.post('/sentinel/v1/alerts/acknowledge', { fingerprints: [fingerprint], actor: 'ada' });
  const ended = new Date(Date.now() - 1000).toISOString();
  await server.request('POST', '/api/v2/alerts', [posted(4, 'SEV2', { startsAt: new Date(Date.now() - 60_000).toISOString(), endsAt: ended })]);
  const after = (await list()).items;
  assert.equal(after.find((a) => a.fingerprint === fingerprint).acknowledged.by, 'ada');
  assert.ok(!after.some((a) => a.labels.n === '4'));
});
