// Datadog hears of an incident: a double of its events v1 and incidents v2.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith, freePorts, httpServer, temporaryFolder, until } from './lib/sentinel.mjs';

async function datadog() {
  const events = [];
  const incidents = new Map();
  const script = [];
  const problems = [];
  const http = await httpServer((request, body, response) => {
    const url = new URL(request.url, 'http://x');
    const answer = (status, what, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(what));
    if (request.headers['dd-api-key'] !== 'k1') return answer(403, { errors: ['Forbidden'] });
    const at = script.findIndex((s) => `${request.method} ${url.pathname}`.startsWith(s.match));
    const planned = at < 0 ? null : script.splice(at, 1)[0];
    if (planned?.status) return answer(planned.status, { errors: ['x'] }, planned.headers);
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
  });
  return { url: http.url, events, incidents, script, problems, close: () => http.close() };
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
