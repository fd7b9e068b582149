// An incident and PagerDuty, both ways: a double of Events v2, webhooks v3 signed as PagerDuty signs them.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';
import { pagerduty } from './lib/pagerduty.mjs';
import { Sentinel, folderWith, freePorts, pause, temporaryFolder, until } from './lib/sentinel.mjs';

const SECRETS = ['new-secret', 'old-secret'];
const configured = (pd) =>
  folderWith({
    key: 'R0123456789012345678901234567890\n'.slice(0, 32),
    'sentinel.yml': `rules: {files: []}
integrations:
- {kind: pagerduty, url: '${pd.url}', routing_key_file: key, webhook_secret: ${SECRETS[0]}, old_webhook_secret: ${SECRETS[1]}, people: {PADA: ada}}
`,
  });
const alert = (name) => [{ labels: { alertname: name, service: 'shop', env: 'prod', severity: 'SEV2' }, annotations: { summary: `${name} broke`, description: `${name} is broken.` } }];
const sign = (secret, body) => `v1=${createHmac('sha256', secret).update(body).digest('hex')}`;
let sequence = 0;
/** An event as the documentation of webhooks v3 shows it. */
const webhook = (server, type, data, { secret = SECRETS[0], id = `01E${++sequence}`, signature } = {}) => {
  const body = JSON.stringify({ event: { id, event_type: `incident.${type}`, resource_type: 'incident', occurred_at: new Date().toISOString(), agent: { html_url: 'https://acme.pagerduty.com/users/PADA', id: 'PADA', self: 'x', summary: 'A. Lovelace', type: 'user_reference' }, client: null, data } });
  return server.request('POST', '/integrations/pagerduty', body, { 'x-pagerduty-signature': signature ?? sign(secret, body) });
};
const incident = (key, more = {}) => ({ id: 'PGR0VU2', type: 'incident', self: 'https://api.pagerduty.com/incidents/PGR0VU2', html_url: 'https://acme.pagerduty.com/incidents/PGR0VU2', number: 2, status: 'triggered', incident_key: key, title: 'x', service: { id: 'PF9KMXH' }, assignees: [{ id: 'PADA', summary: 'A. Lovelace' }], priority: null, urgency: 'high', ...more });

test('trigger, acknowledge and resolve go out under one key, what PagerDuty does comes back, and neither echoes', async (t) => {
  const pd = await pagerduty();
  t.after(() => pd.close());
  const folder = configured(pd);
  const dataDir = temporaryFolder();
  const port = await freePorts();
  const start = () => Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')], dataDir, port });
  let server = await start();
  t.after(() => server.kill());
  await server.post('/api/v2/alerts', alert('Checkout'));
  await until('it is triggered', () => pd.alerts.size === 1);
  const [[key, there]] = pd.alerts;
  assert.match(key, /^sentinel\/[0-9A-Z]{26}$/);
  assert.equal(there.payload.summary, '[SEV2] INC-1: Checkout broke');
  assert.deepEqual([there.payload.severity, there.payload.component, there.payload.group, there.payload.class], ['error', 'shop', 'prod', 'Checkout']);
  assert.equal(there.payload.custom_details.what_failed, 'Checkout is broken.');
  assert.deepEqual(pd.events[0].links, [{ href: `${server.url}/#/incidents/INC-1`, text: 'INC-1' }]);

  // Acknowledged there: here too, and nothing is said back.
  assert.equal((await webhook(server, 'triggered', incident(key))).status, 200);
  assert.equal((await webhook(server, 'acknowledged', incident(key, { status: 'acknowledged' }), { secret: SECRETS[1] })).status, 200, 'the old secret is good while it is changed');
  let now = await server.get('/sentinel/v1/incidents/1');
  assert.equal(now.status, 'acknowledged');
  assert.deepEqual(now.timeline.filter((e) => e.kind === 'status').map((e) => [e.actor, e.source]), [['ada', 'pagerduty']]);
  assert.deepEqual(now.external.map((e) => [e.title, e.url]), [['PagerDuty PGR0VU2', 'https://acme.pagerduty.com/incidents/PGR0VU2']]);
  await webhook(server, 'annotated', { id: 'N1', type: 'incident_note', content: 'the cache is cold', incident: { id: 'PGR0VU2' } }, { id: '01NOTE' });
  await webhook(server, 'annotated', { id: 'N1', type: 'incident_note', content: 'the cache is cold', incident: { id: 'PGR0VU2' } }, { id: '01NOTE' });
  await webhook(server, 'reassigned', incident(key, { assignees: [{ summary: 'Bob Fry' }] }));
  now = await server.get('/sentinel/v1/incidents/1');
  assert.equal(now.timeline.filter((e) => e.text === 'the cache is cold').length, 1, 'a webhook that comes twice counts once');
  assert.equal(now.assignee, 'Bob Fry');
  await pause(1500);
  assert.deepEqual(pd.actions(), ['trigger'], 'no echo');

  // Resolved here: there too; the webhook of it changes nothing, and after a new opening the late one does not end it.
  await server.post('/sentinel/v1/incidents/1/resolve', { actor: 'Eve', resolution: 'rolled back' });
  await until('it is resolved there', () => there && pd.alerts.get(key).state === 'resolved');
  await server.post('/sentinel/v1/incidents/1/reopen', { actor: 'Eve', note: 'again' });
  await until('it is triggered anew', () => pd.alerts.get(`${key}/1`)?.state === 'triggered');
  assert.equal((await webhook(server, 'resolved', incident(key, { status: 'resolved' }))).status, 200);
  assert.equal((await server.get('/sentinel/v1/incidents/1')).status, 'open', 'the end of the first round is not that of the second');
  await server.post('/sentinel/v1/incidents/1/acknowledge', { actor: 'Eve' });
  await until('it is acknowledged there', () => pd.alerts.get(`${key}/1`).state === 'acknowledged');
  await webhook(server, 'priority_updated', incident(`${key}/1`, { priority: { id: 'P', summary: 'P1' } }));
  await until('the severity is P1 here and critical there', async () => (await server.get('/sentinel/v1/incidents/1')).severity === 'SEV1' && pd.alerts.get(`${key}/1`).payload.severity === 'critical');

  // Not believed: unsigned, signed by another, changed.
  const forged = await webhook(server, 'resolved', incident(`${key}/1`), { secret: 'guess' });
  assert.equal(forged.status, 401);
  assert.equal((await webhook(server, 'resolved', incident(`${key}/1`), { signature: '' })).status, 401);
  assert.equal((await webhook(server, 'resolved', incident(`${key}/1`), { signature: sign(SECRETS[0], 'other') })).status, 401);
  assert.equal((await server.request('POST', '/integrations/nobody', '{}')).status, 404);
  assert.equal((await server.get('/sentinel/v1/incidents/1')).status, 'acknowledged');

  // Asked too often; then the answer is lost and the process dies: the same key again, which folds.
  pd.script.push({ status: 429, headers: { 'retry-after': '1' } });
  const died = new Promise((lost) => pd.script.push({ lost }));
  await server.post('/sentinel/v1/incidents/1/resolve', { actor: 'Eve', resolution: 'fixed' });
  await died;
  await server.kill();
  server = await start();
  await until('it is resolved there', () => pd.alerts.get(`${key}/1`).state === 'resolved');
  assert.equal(pd.alerts.size, 2);
  assert.equal((await webhook(server, 'resolved', incident(`${key}/1`, { status: 'resolved' }))).status, 200);
  assert.equal(await server.stop(), 0);
});
