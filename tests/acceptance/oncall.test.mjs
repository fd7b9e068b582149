// An incident finds its people, over the wire: doubles of a mail server, Slack, PagerDuty, Twilio and ntfy.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith, freePorts, httpServer, pause, run, temporaryFolder, until } from './lib/sentinel.mjs';
import { smtpServer } from './lib/smtp.mjs';

const json = (response, status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

/** Everything outside. `broken` holds the paths that refuse. */
async function outside() {
  const broken = new Map();
  const http = await httpServer((request, body, response) => {
    const status = broken.get(request.url.split('/')[1]);
    if (status) return json(response, status, { code: 1, message: 'refused' });
    if (request.url.startsWith('/slack')) return json(response, 200, { ok: true, ts: '1.2', channel: 'C1' });
    if (request.url.startsWith('/pagerduty')) return json(response, 202, { status: 'success', dedup_key: JSON.parse(body).dedup_key });
    if (request.url.startsWith('/twilio')) return json(response, 201, { sid: 'SM1', status: 'queued' });
    return json(response, 200, { id: 'x' });
  });
  const smtp = await smtpServer();
  const form = (r) => Object.fromEntries(new URLSearchParams(r.body));
  return {
    url: http.url,
    smtp: smtp.port,
    broken,
    mails: smtp.mails,
    raw: http.received,
    /** What reached people, oldest first: {by, to, key, text}. */
    pages() {
      return http.received.map((r) => {
        const key = r.headers['idempotency-key'];
        if (r.path.startsWith('/ntfy')) return { by: 'push', key, to: JSON.parse(r.body).topic, text: JSON.parse(r.body).title };
        if (r.path.startsWith('/slack')) return { by: 'slack', key, to: JSON.parse(r.body).channel, text: JSON.parse(r.body).attachments[0].title };
        if (r.path.startsWith('/pagerduty')) return { by: 'pagerduty', key, to: JSON.parse(r.body).routing_key, text: JSON.parse(r.body).payload.summary };
        if (r.path.endsWith('/Messages.json')) return { by: 'sms', key, to: form(r).To, text: form(r).Body };
        if (r.path.endsWith('/Calls.json')) return { by: 'voice', key, to: form(r).To, text: form(r).Twiml };
        return { by: 'webhook', key, to: r.path, text: JSON.parse(r.body).summary };
      });
    },
    async close() {
      await http.close();
      smtp.close();
    },
  };
}

const oncall = (world, { timeout = '3s', second = timeout } = {}) => `
channels:
  push: {kind: ntfy, url: '${world.url}/ntfy'}
  slack: {kind: slack, app_token: x, app_url: '${world.url}/slack/chat.postMessage'}
  pagerduty: {kind: pagerduty, url: '${world.url}/pagerduty'}
  sms: {kind: twilio_sms, api_url: '${world.url}/twilio', account_sid: AC1, auth_token: t, from: '+100'}
  voice: {kind: twilio_call, api_url: '${world.url}/twilio', account_sid: AC1, auth_token: t, from: '+100'}
  email: {kind: email, smarthost: '127.0.0.1:${world.smtp}', from: sentinel@example.org, require_tls: false}
  hook: {kind: webhook, signing_secret: s3cret}
users:
- id: ada
  name: Ada Lovelace
  contacts: {push: ada-phone, sms: '+201', email: ada@example.org}
  rules: {default: [{by: email}], urgent: [{by: push}, {after: 1h, by: sms}]}
- {id: bob, name: Bob Fry, contacts: {sms: '+202', voice: '+202', slack: U2}}
- {id: eve, name: Eve Ng, contacts: {pagerduty: R3, hook: '${world.url}/hook'}}
schedules:
- {id: primary, time_zone: UTC, layers: [{start: '2026-01-01', every: week, participants: [ada]}]}
- {id: later, time_zone: UTC, layers: [{start: '2100-01-01', every: week, participants: [ada]}]}
policies:
- id: default
  levels:
  - {notify: [{schedule: primary}], timeout: ${timeout}}
  - {notify: [{user: bob}], timeout: ${second}}
  - {notify: [{user: eve}], timeout: 1h}
routes: [{match: {service: quiet}, policy: none}]
`;

/** sentinel.yml and oncall.yml in one folder. */
const configured = (world, options) =>
  folderWith({ 'sentinel.yml': 'rules: {files: []}\noncall: oncall.yml\nincidents: {create_for: [SEV1, SEV2, SEV3]}\n', 'oncall.yml': oncall(world, options) });
const serve = (folder, rest = {}) => Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')], ...rest });
const alert = (name, labels = {}) => [{ labels: { alertname: name, service: 'shop', severity: 'SEV1', ...labels }, annotations: { summary: `${name} broke`, description: `${name} is broken.`, action: 'Look at it.' } }];
const texts = (incident) => incident.timeline.filter((e) => ['page', 'escalation'].includes(e.kind)).map((e) => e.text);

test('nobody answers, the next is told, the process dies in between, an acknowledgement ends it', async (t) => {
  const world = await outside();
  t.after(() => world.close());
  const folder = configured(world, { timeout: '3s', second: '12s' });
  const dataDir = temporaryFolder();
  const port = await freePorts();
  let server = await serve(folder, { dataDir, port });
  t.after(() => server.kill());
  const started = Date.now();
  await server.post('/api/v2/alerts', alert('Checkout'));
  await until('the first level is told', () => world.pages().length === 1, { every: 20 });
  const latency = Date.now() - started;
  assert.ok(latency < 2000, `from the alert to the page: ${latency} ms`);
  t.diagnostic(`from the alert to the page on the wire: ${latency} ms`);
  assert.deepEqual(world.pages().map((p) => [p.by, p.to, p.text]), [['push', 'ada-phone', '[SEV1] INC-1: Checkout broke']]);
  await server.kill();  // before the second level is due
  assert.equal(world.pages().length, 1);
  await pause(3500);  // it is due while nobody is there

  server = await serve(folder, { dataDir, port });
  await until('the second level is told', () => world.pages().filter((p) => p.to === '+202').length === 2 && world.pages().some((p) => p.to === 'U2'));
  await server.kill();
  server = await serve(folder, { dataDir, port });
  const [incident] = await server.incidents();
  assert.equal(incident.assignee, 'Ada Lovelace');
  await server.post('/sentinel/v1/incidents/1/acknowledge', { actor: 'Bob Fry' });
  const told = world.pages().length;
  await pause(13_000);  // the third level would have been due
  const pages = world.pages();
  assert.equal(pages.length, told, 'nobody is told after the acknowledgement');
  assert.ok(!pages.some((p) => p.to === 'R3'));
  // What was told twice, if a death came between the answer and its record, has the same key.
  for (const to of ['ada-phone', '+202', 'U2']) {
    for (const by of ['push', 'sms', 'voice', 'slack']) {
      assert.ok(new Set(pages.filter((p) => p.to === to && p.by === by).map((p) => p.key)).size <= 1, `${by} to ${to}`);
    }
  }
  const shown = texts(await server.get('/sentinel/v1/incidents/1'));
  for (const text of ['Ada Lovelace is paged by push (level L1)', 'page delivered: push to Ada Lovelace', 'Bob Fry is paged by voice (level L2)', 'page delivered: sms to Bob Fry']) {
    assert.ok(shown.includes(text), `${text} in ${JSON.stringify(shown)}`);
  }
  // Opened again: it begins anew, with other keys.
  await server.post('/sentinel/v1/incidents/1/status', { status: 'open' });
  await until('the first level is told anew', () => world.pages().filter((p) => p.to === 'ada-phone').length === 2);
  assert.equal(new Set(world.pages().filter((p) => p.to === 'ada-phone').map((p) => p.key)).size, 2);
  await server.post('/sentinel/v1/incidents/1/resolve', { actor: 'bob', resolution: 'rolled back' });
  assert.equal(await server.stop(), 0);
});

test('a service that refuses or is down holds up nobody, and is seen', async (t) => {
  const world = await outside();
  t.after(() => world.close());
  const folder = configured(world, { timeout: '1h' });
  const server = await serve(folder);
  t.after(() => server.kill());
  world.broken.set('ntfy', 404).set('twilio', 400);
  await server.post('/api/v2/alerts', alert('Search'));
  await until('the mail arrives instead', () => world.mails.length === 1);
  assert.match(world.mails[0].text, /Subject: \[SEV1\] INC-1: Search broke/);
  assert.deepEqual(world.mails[0].to, ['RCPT TO:<ada@example.org>']);
  const shown = texts(await server.get('/sentinel/v1/incidents/1'));
  assert.ok(shown.some((text) => text.startsWith('page undelivered: push to Ada Lovelace: unexpected status code 404')), JSON.stringify(shown));
  const metrics = (await server.request('GET', '/metrics')).text;
  assert.match(metrics, /^sentinel_oncall_pages_undelivered_total 2$/m);
  assert.match(metrics, /^sentinel_oncall_pages_delivered_total 1$/m);
  assert.match(metrics, /^sentinel_oncall_gap_seconds\{schedule="primary"\} 0$/m);
  assert.match(metrics, /^sentinel_oncall_gap_seconds\{schedule="later"\} 1\.2096e\+06$/m);
});

test('less than urgent goes by mail, a route tells nobody, a webhook is signed, PagerDuty folds by the incident', async (t) => {
  const world = await outside();
  t.after(() => world.close());
  const folder = configured(world, { timeout: '1s' });
  const server = await serve(folder);
  t.after(() => server.kill());
  await server.post('/api/v2/alerts', [...alert('Slow', { severity: 'SEV3' }), ...alert('Quiet', { service: 'quiet' })]);
  await until('the third level is told', () => world.pages().filter((p) => ['pagerduty', 'webhook'].includes(p.by)).length === 2);
  assert.equal(world.mails.length, 1);
  assert.ok(!world.pages().some((p) => p.text.includes('Quiet')));
  const hook = world.raw.find((r) => r.path === '/hook');
  assert.equal(hook.headers['x-sentinel-signature'], `sha256=${createHmac('sha256', 's3cret').update(hook.body).digest('hex')}`);
  const body = JSON.parse(hook.body);
  assert.equal(body.key, hook.headers['idempotency-key']);
  assert.equal(body.severity, 'SEV3');
  assert.match(body.description, /^Slow is broken\.\n(Why: .*\n)?Next: Look at it\.\nYou are told by policy default, level L3\.$/);
  assert.match(JSON.parse(world.raw.find((r) => r.path === '/pagerduty').body).dedup_key, /^[0-9a-f]{64}$/);
});

test('a wrong file is refused with its place, at the start, by check, and by a reload', async (t) => {
  const world = await outside();
  t.after(() => world.close());
  const folder = configured(world, { timeout: '1h' });
  const file = path.join(folder, 'oncall.yml');
  const server = await serve(folder);
  t.after(() => server.kill());
  writeFileSync(file, oncall(world).replace('{schedule: primary}', '{schedule: primray}'));
  const checked = await run(['check', 'oncall', file]);
  assert.notEqual(checked.code, 0);
  assert.match(checked.stderr + checked.stdout, /oncall\.yml:\d+:\d+: schedule "primray" is not defined/);
  const reload = await server.request('POST', '/-/reload');
  assert.ok(reload.status >= 400, reload.text);
  assert.match(reload.text, /schedule \\?"primray\\?" is not defined/);
  const audit = await server.get('/sentinel/v1/audit');
  assert.ok(JSON.stringify(audit).includes('primray'), 'the refused reload is in the audit');
  // A contact without a channel would swallow a page.
  writeFileSync(file, oncall(world).replace('contacts: {sms', 'contacts: {fax: 1, sms'));
  assert.match((await run(['check', 'config', path.join(folder, 'sentinel.yml')])).stderr, /user "bob" has a contact "fax" that is not under channels/);
  // What was in force still is; then a right file is taken over.
  await server.post('/api/v2/alerts', alert('One'));
  await until('the first level is told', () => world.pages().some((p) => p.to === 'ada-phone'));
  writeFileSync(file, oncall(world).replace('push: ada-phone', 'push: new-phone'));
  assert.equal((await server.request('POST', '/-/reload')).status, 200);
  await server.post('/api/v2/alerts', alert('Two', { service: 'two' }));
  await until('the new address is told', () => world.pages().some((p) => p.to === 'new-phone'));
});

test('a page is answered by its link, by the key pressed on the phone, and by nothing else', async (t) => {
  const world = await outside();
  t.after(() => world.close());
  const folder = configured(world, { timeout: '1s' });
  const server = await serve(folder);
  t.after(() => server.kill());
  await server.post('/api/v2/alerts', alert('One'));
  await until('the phone rings', () => world.pages().some((p) => p.by === 'voice'));
  const sms = world.pages().find((p) => p.by === 'sms');
  const link = sms.text.match(/http\S+$/)[0];
  assert.ok(link.startsWith(`${server.url}/oncall/answer/`), sms.text);
  assert.ok(sms.text.length < 160, `one SMS, not two: ${sms.text.length} characters`);
  // Looking at it changes nothing: links are previewed by machines.
  const shown = await fetch(link);
  assert.equal(shown.status, 200);
  assert.match(await shown.text(), /<button>Acknowledge<\/button>/);
  assert.equal((await server.incidents())[0].status, 'open');
  assert.equal((await fetch(`${link.slice(0, -1)}${link.endsWith('A') ? 'B' : 'A'}`, { method: 'POST' })).status, 404);
  const twiml = world.pages().find((p) => p.by === 'voice').text;
  const action = twiml.match(/action="([^"]+)"/)[1].replaceAll('&amp;', '&');
  const press = (digits) => fetch(action, { method: 'POST', body: new URLSearchParams({ Digits: digits, CallSid: 'CA1' }) });
  assert.match(await (await press('9')).text(), /That key means nothing/);
  assert.equal((await server.incidents())[0].status, 'open');
  assert.match(await (await press('4')).text(), /<Say>Incident 1 is acknowledged\.<\/Say>/);
  const incident = await server.get('/sentinel/v1/incidents/1');
  const last = incident.timeline.findLast((e) => e.kind === 'status');
  assert.deepEqual([incident.status, last.actor, last.source], ['acknowledged', 'Bob Fry', 'voice']);
  const answered = await fetch(link, { method: 'POST' });
  assert.match(await answered.text(), /It is acknowledged/);
});
