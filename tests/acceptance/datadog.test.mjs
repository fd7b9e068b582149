// Datadog hears of an incident: a double of its events v1 and incidents v2.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { datadog } from './lib/datadog.mjs';
import { Sentinel, folderWith, freePorts, run, temporaryFolder, until } from './lib/sentinel.mjs';

test('events as it changes, and an incident of its own that is kept true and not made twice', async (t) => {
  const dd = await datadog();
  t.after(() => dd.close());
  const folder = folderWith({
    'sentinel.yml': `rules: {files: []}\nintegrations:\n- {kind: datadog, url: '${dd.url}', app_url: 'https://app.datadoghq.com', api_key: k1, app_key: a1, incidents: true, tags: [team:llm]}\n`,
  });
  const dataDir = temporaryFolder();
  const port = await freePorts();
  const start = () => Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')], dataDir, port });
  let server = await start();
  t.after(() => server.kill());
  const lost = new Promise((done) => dd.script.push({ match: 'POST /api/v2/incidents', lost: done }));
  dd.script.push({ match: 'POST /api/v1/events', status: 429, headers: { 'x-ratelimit-reset': '1' } });
  await server.post('/api/v2/alerts', [{ labels: { alertname: 'Cost', service: 'shop', env: 'prod', severity: 'SEV2' }, annotations: { summary: 'Cost runs away', description: 'Four times as much.', action: 'Look.' } }]);
  await lost;
  await server.kill();
  server = await start();
  await until('the event is there', () => dd.events.length === 1);
  assert.equal(dd.incidents.size, 1, 'it was found, not made again');
  const [event] = dd.events;
  assert.equal(event.title, '[SEV2] INC-1: Cost runs away (open)');
  assert.match(event.text, /^%%% \n\*\*What failed\*\*: Four times as much\.[^]*\n %%%$/);
  for (const tag of ['source:sentinel', 'incident:INC-1', 'service:shop', 'env:prod', 'team:llm', 'severity:sev2']) assert.ok(event.tags.includes(tag), tag);
  assert.equal(event.alert_type, 'error');
  await server.post('/sentinel/v1/incidents/1/acknowledge', { actor: 'Eve' });
  await until('it is told', () => dd.events.length === 2);
  await server.post('/sentinel/v1/incidents/1/severity', { severity: 'SEV3', actor: 'Eve' });
  await server.post('/sentinel/v1/incidents/1/resolve', { actor: 'Eve', resolution: 'Capped.' });
  await until('its end is told', () => dd.events.at(-1).alert_type === 'success');
  assert.match(dd.events.at(-1).text, /\*\*Resolution\*\*: Capped\./);
  assert.equal(new Set(dd.events.map((e) => e.aggregation_key)).size, 1);
  const [there] = dd.incidents.values();
  await until('the incident is resolved there', () => there.attributes.fields.state.value === 'resolved');
  assert.deepEqual([there.attributes.title, there.attributes.fields.severity], ['INC-1: Cost runs away', { type: 'dropdown', value: 'SEV-3' }]);
  assert.deepEqual(dd.problems, []);
  const [place] = (await server.get('/sentinel/v1/incidents/1')).external;
  assert.equal(place.error, null);
});

test('series by selectors: counters as what was added, gauges as they are, nothing lost while it is away or we are', async (t) => {
  const dd = await datadog();
  t.after(() => dd.close());
  const folder = folderWith({
    'sentinel.yml': `rules: {files: []}
metrics: {collect_interval: 1s}
integrations:
- kind: datadog
  url: ${dd.url}
  api_key: k1
  events: false
  tags: [team:llm]
  metrics:
    match: ['{__name__=~"sentinel_incidents_opened_total|sentinel_incident_action_items"}', 'sentinel_incidents_opened_total', '{__name__=~"sentinel_notification_latency_seconds_.+"}']
    interval: 5s
    prefix: own.
`,
  });
  assert.equal((await run(['check', 'config', path.join(folder, 'sentinel.yml')])).code, 0);
  const dataDir = temporaryFolder();
  const port = await freePorts();
  const start = () => Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')], dataDir, port });
  let server = await start();
  t.after(() => server.kill());
  const opened = () => dd.points.filter((p) => p.metric === 'own.sentinel_incidents_opened_total');
  const added = () => opened().reduce((sum, p) => sum + p.value, 0);
  await until('there are points', () => opened().length > 0);
  const [one] = opened();
  assert.deepEqual([one.type, one.interval, one.value, one.timestamp % 5], [1, 5, 0, 0]);
  assert.ok(one.tags.includes('job:sentinel') && one.tags.at(-1) === 'team:llm', `${one.tags}`);
  for (let n = 0; n < 3; ++n) await server.post('/sentinel/v1/incidents', { title: `Incident ${n}` });
  await until('all three are told', () => added() === 3, { seconds: 60 });
  const gauge = await until('the gauge too', () => dd.points.find((p) => p.metric === 'own.sentinel_incident_action_items'));
  assert.equal(gauge.type, 3);
  const name = (p) => `${p.metric} ${p.timestamp} ${p.tags}`;
  assert.equal(new Set(dd.points.map(name)).size, dd.points.length, 'matched by two selectors, sent once');
  // It refuses for a while; what was counted meanwhile comes after.
  dd.script.push(...[500, 429, 403, 503].map((status) => ({ match: 'POST /api/v2/series', status })));
  await server.post('/sentinel/v1/incidents', { title: 'meanwhile' });
  await until('it was asked again and again', () => dd.script.length === 0, { seconds: 60 });
  await until('the fourth is told', () => added() === 4, { seconds: 60 });
  const told = await server.request('GET', '/metrics');
  assert.match(told.text, /sentinel_integration_points_total\{integration="datadog",result="sent"\} [1-9]/);
  assert.match(told.text, /sentinel_integration_points_total\{integration="datadog",result="refused"\} 0/);
  assert.match(told.text, /sentinel_integration_series_windows_lost_total\{integration="datadog"\} 0/);
  // A death: the windows go on where they ended.
  const last = opened().at(-1).timestamp;
  await server.kill();
  server = await start();
  await until('two windows more', () => opened().at(-1).timestamp >= last + 10, { seconds: 60 });
  assert.ok(opened().some((p) => p.timestamp === last + 5), 'none is left out');
  assert.deepEqual(dd.problems, []);
});

test('what is wrong with a selector is said where it stands', async () => {
  const config = (metrics) => folderWith({ 'sentinel.yml': `rules: {files: []}\nintegrations:\n- {kind: datadog, api_key: k, metrics: ${metrics}}\n` });
  for (const [metrics, says] of [
    ["{match: ['{x=']}", /sentinel\.yml:3:\d+: /],
    ['{}', /expected match, 1 to 50 selectors/],
    ["{match: [up], interval: 1s}", /expected whole seconds, 5s to 10m/],
  ]) {
    const checked = await run(['check', 'config', path.join(config(metrics), 'sentinel.yml')]);
    assert.notEqual(checked.code, 0, metrics);
    assert.match(checked.stdout + checked.stderr, says);
  }
});
