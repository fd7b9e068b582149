// Datadog hears of an incident: a double of its events v1 and incidents v2.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Sentinel, folderWith, freePorts, httpServer, run, temporaryFolder, until } from './lib/sentinel.mjs';

/** Reads a request of POST /api/v2/series as Datadog documents it; what is wrong with it, or ''. */
function takeSeries(request, packed, points) {
  if (request.method !== 'POST' || request.headers['content-type'] !== 'application/json') return 'not JSON by POST';
  if (request.headers['content-encoding'] !== 'gzip' || packed.length > 512_000) return `packed: ${packed.length} bytes`;
  const text = gunzipSync(Buffer.from(packed, 'latin1'));
  if (text.length > 5_242_880) return `${text.length} bytes`;
  const body = JSON.parse(text);
  if (Object.keys(body).join() !== 'series' || !body.series.length) return 'no series';
  for (const one of body.series) {
    const { metric, type, interval, points: given, tags, ...rest } = one;
    if (Object.keys(rest).length) return `unknown fields ${Object.keys(rest)}`;
    if (!/^[A-Za-z][A-Za-z0-9_.]{0,199}$/.test(metric)) return `metric ${metric}`;
    if (![1, 3].includes(type) || (type === 1) !== Number.isInteger(interval)) return `${metric}: type ${type}, interval ${interval}`;
    if (given.length !== 1 || !Number.isInteger(given[0].timestamp) || !Number.isFinite(given[0].value)) return `${metric}: ${JSON.stringify(given)}`;
    const age = Date.now() / 1000 - given[0].timestamp;
    if (age > 3600 || age < -600) return `${metric}: ${age} s old`;
    if (!tags.every((t) => typeof t === 'string' && t.length <= 200 && t.includes(':'))) return `${metric}: ${tags}`;
    points.push({ metric, type, interval, tags, ...given[0] });
  }
  return '';
}

async function datadog() {
  const events = [];
  const incidents = new Map();
  const script = [];
  const problems = [];
  const points = []; // {metric, type, interval, timestamp, value, tags}
  const http = await httpServer((request, body, response) => {
    const url = new URL(request.url, 'http://x');
    const answer = (status, what, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(what));
    if (request.headers['dd-api-key'] !== 'k1') return answer(403, { errors: ['Forbidden'] });
    const at = script.findIndex((s) => `${request.method} ${url.pathname}`.startsWith(s.match));
    const planned = at < 0 ? null : script.splice(at, 1)[0];
    if (planned?.status) return answer(planned.status, { errors: ['x'] }, planned.headers);
    if (url.pathname === '/api/v2/series') {
      const wrong = takeSeries(request, body, points);
      if (wrong) problems.push(wrong);
      return wrong ? answer(400, { errors: [wrong] }) : answer(202, { errors: [] });
    }
    const input = body ? JSON.parse(body) : {};
    if (url.pathname === '/api/v1/events') {
      if (!input.title || !input.text || input.text.length > 4000 || input.aggregation_key.length > 100) problems.push(input);
      if (!['error', 'warning', 'info', 'success'].includes(input.alert_type) || Date.now() / 1000 - input.date_happened > 18 * 3600) problems.push(input);
      events.push(input);
      return answer(202, { status: 'ok', event: { id: events.length } });
    }
    if (request.headers['dd-application-key'] !== 'a1') return answer(403, { errors: ['Forbidden'] });
    if (url.pathname === '/api/v2/incidents/search')
      return answer(200, { data: { attributes: { incidents: [...incidents.values()].map((data) => ({ data })) } } });
    if (url.pathname === '/api/v2/incidents' && request.method === 'POST') {
      const id = `id-${incidents.size + 1}`;
      incidents.set(id, { id, type: 'incidents', attributes: { ...input.data.attributes, public_id: incidents.size + 1 } });
      if (planned?.lost) return planned.lost();
      return answer(201, { data: incidents.get(id) });
    }
    const known = incidents.get(url.pathname.split('/').at(-1));
    if (!known || request.method !== 'PATCH') return answer(404, { errors: ['Not found'] });
    Object.assign(known.attributes, input.data.attributes);
    return answer(200, { data: known });
  }, { encoding: 'latin1' }); // bodies of series are packed
  return { url: http.url, points, events, incidents, script, problems, close: () => http.close() };
}

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
