// An incident finds its people, over the wire: doubles of a mail server, Slack, PagerDuty, Twilio and ntfy.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith, freePorts, httpServer, pause, run, temporaryFolder, until } from './lib/sentinel.mjs';
import { OpenApi } from './lib/openapi.mjs';
import { outside } from './lib/outside.mjs';

const oncall = (world, { timeout = '3s', second = timeout } = {}) => `
${world.channels}  hook: {kind: webhook, signing_secret: s3cret}
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
  await pause(3500);  // it is due while nobody is there

  server = await serve(folder, { dataDir, port });
  await until('the second level is told', () => ['sms', 'voice'].every((by) => world.pages().some((p) => p.by === by)) && world.pages().some((p) => p.to === 'U2'));
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
  await until('the first level is told anew', () => new Set(world.pages().filter((p) => p.to === 'ada-phone').map((p) => p.key)).size === 2);
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
  const events = () => world.raw.filter((r) => r.path === '/pagerduty').map((r) => JSON.parse(r.body));
  assert.match(events()[0].dedup_key, /^[0-9a-f]{64}$/);
  // PagerDuty would page on by itself: it hears that somebody is on it, by the same key.
  await server.post('/sentinel/v1/incidents/1/acknowledge', { actor: 'Eve Ng' });
  await until('the page is taken back', () => events().length === 2);
  assert.deepEqual(events().map((e) => [e.event_action, e.dedup_key, e.routing_key]), [['trigger', events()[0].dedup_key, 'R3'], ['resolve', events()[0].dedup_key, 'R3']]);
  await server.post('/sentinel/v1/incidents/1/resolve', { actor: 'Eve Ng' });
  await pause(500);
  assert.equal(events().length, 2, 'once is enough');
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

test('schedules are asked for and changed over the API and the command line, also after a restart', async (t) => {
  const world = await outside();
  t.after(() => world.close());
  const folder = configured(world, { timeout: '1h' });
  const dataDir = temporaryFolder();
  const port = await freePorts();
  let server = await serve(folder, { dataDir, port });
  t.after(() => server.kill());
  const api = await OpenApi.of(server);
  const base = '/sentinel/v1/oncall';
  const ok = async (method, where, body) => {
    const answer = await api.ask(method, base + where, body);
    assert.ok(answer.status < 300, `${method} ${where}: ${answer.status} ${answer.text}`);
    return answer.json;
  };
  const refused = async (status, method, where, body) => assert.equal((await api.ask(method, base + where, body)).status, status, where);
  const who = async (at) => (await ok('GET', at ? `?at=${at}` : '')).schedules.find((s) => s.id === 'primary').users.map((u) => u.id);

  assert.deepEqual(await who(), ['ada']);
  assert.deepEqual((await ok('GET', '/schedules')).items.map((s) => s.id), ['later', 'primary']);
  assert.equal((await ok('GET', '')).schedules.find((s) => s.id === 'later').gaps.length, 1);
  assert.deepEqual((await ok('GET', '/users')).items.find((u) => u.id === 'ada'), { id: 'ada', name: 'Ada Lovelace', channels: ['email', 'push', 'sms'], on_call: ['primary'], own: false, may_change: true });
  const year = new Date().getUTCFullYear() + 1;
  const over = await ok('POST', '/schedules/primary/overrides', { replace: 'ada', with: 'bob', from: `${year}-03-02 09:00`, to: `${year}-03-02 18:00`, actor: 'eve' });
  assert.deepEqual([over.kind, over.user.id, over.with.name, over.start, over.by], ['replace', 'ada', 'Bob Fry', `${year}-03-02T09:00:00.000Z`, 'eve']);
  assert.deepEqual(await who(`${year}-03-02T10:00:00Z`), ['bob']);
  assert.deepEqual(await who(`${year}-03-02T18:00:00Z`), ['ada']);
  await refused(404, 'POST', '/schedules/primary/overrides', { add: 'nobody', from: `${year}-03-02`, to: `${year}-03-03` });
  await refused(404, 'POST', '/schedules/none/overrides', { add: 'bob', from: `${year}-03-02`, to: `${year}-03-03` });
  await refused(400, 'POST', '/schedules/primary/overrides', { add: 'bob', remove: 'ada', from: `${year}-03-02`, to: `${year}-03-03` });
  await refused(400, 'POST', '/schedules/primary/overrides', { add: 'bob', from: '2020-03-02', to: '2020-03-03' });
  await refused(400, 'POST', '/schedules/primary/overrides', { add: 'bob', from: 'tomorrow', to: '2020-03-03' });

  const cli = async (...args) => {
    const done = await server.cli('oncall', ...args);
    assert.equal(done.code, 0, `${args.join(' ')}: ${done.stderr}`);
    return done.stdout;
  };
  const swap = (await cli('swap', 'primary', '--user', 'ada', '--from', `${year}-04-01`, '--to', `${year}-04-02`)).trim();
  await cli('take', swap, '--user', 'bob');
  await refused(409, 'POST', `/swaps/${swap}/take`, { user: 'eve' });
  assert.deepEqual(await who(`${year}-04-01T10:00:00Z`), ['bob']);
  await server.kill();
  server = await serve(folder, { dataDir, port });
  assert.deepEqual([await who(`${year}-04-01T10:00:00Z`), await who(`${year}-03-02T10:00:00Z`)], [['bob'], ['bob']]);
  const shown = await ok('GET', `/schedules/primary?from=${year}-03-01T00:00:00Z&to=${year}-04-10T00:00:00Z`);
  assert.deepEqual([shown.overrides[0].by, shown.swaps[0].taken_by.id], ['eve', 'bob']);
  assert.ok(shown.shifts.some((s) => s.user.id === 'bob' && s.source === `override ${over.id}`));
  assert.match(await cli('schedule', 'primary', '--from', `${year}-03-01T00:00:00Z`, '--to', `${year}-03-05T00:00:00Z`), /Bob Fry +override/);
  assert.match(await cli('who'), /primary +Ada Lovelace/);
  await cli('remove', over.id);
  assert.equal((await server.cli('oncall', 'remove', over.id)).code, 3);
  assert.deepEqual(await who(`${year}-03-02T10:00:00Z`), ['ada']);
  for (const command of ['who', 'schedule', 'override', 'swap', 'escalations', 'page', 'check', 'calendar']) {
    assert.match((await run(['oncall', command, '--help'])).stdout, /Usage: \S*sentinel oncall/);
  }
  assert.match(await cli('check', path.join(folder, 'oncall.yml')), /3 people, 2 schedules, 1 policies/);

  // The calendar is behind its secret, and goes round: what we write we read.
  const { items } = await ok('GET', '/calendars');
  const feed = items.find((c) => c.kind === 'schedule' && c.id === 'primary').path;
  const calendar = await server.request('GET', feed);
  assert.match(calendar.type, /^text\/calendar/);
  assert.match(calendar.text, /^BEGIN:VCALENDAR\r\n[^]*SUMMARY:Ada Lovelace\r\n[^]*END:VCALENDAR\r\n$/);
  assert.equal((await server.request('GET', feed.replace(/calendar\/..../, 'calendar/AAAA'))).status, 404);
  const person = items.find((c) => c.kind === 'user' && c.id === 'ada').path;
  assert.match((await server.request('GET', person)).text, /SUMMARY:primary\r\n/);

  // A test page goes to one contact, about nothing.
  const test = (await cli('page', 'bob', 'slack')).trim();
  await until('it has arrived', async () => (await ok('GET', `/pages/${test}`)).outcome === 'delivered');
  assert.deepEqual(world.pages().map((p) => [p.by, p.to, p.text]), [['slack', 'U2', '[TEST] A test page from Sentinel']]);
  assert.match(await cli('outcome', test), /slack to Bob Fry: delivered/);
  await refused(404, 'POST', '/pages', { user: 'bob', channel: 'fax' });

  // Escalations: who was told, who is next, the next one now, another policy.
  await server.post('/api/v2/alerts', alert('Pay'));
  await until('the first is told', async () => (await ok('GET', '/escalations/INC-1')).pages[0]?.outcome === 'delivered');
  const [listed] = (await ok('GET', '/escalations')).items;
  assert.deepEqual([listed.incident, listed.state, listed.level, listed.next.level, listed.next.who], ['INC-1', 'escalating', 'L1', 'L2', 'Bob Fry']);
  assert.match(await cli('escalations'), /INC-1 +escalating +default +L1 .*Bob Fry/);
  await cli('escalate', 'INC-1');
  await until('the second is told', () => world.pages().some((p) => p.by === 'voice'));
  assert.match(await cli('escalations', 'INC-1'), /Bob Fry +voice +L2/);
  await refused(404, 'POST', '/escalations/INC-1/reassign', { policy: 'none' });
  await ok('POST', '/escalations/INC-1/reassign', { policy: 'default' });
  await server.post('/sentinel/v1/incidents/1/acknowledge', { actor: 'Bob Fry' });
  assert.deepEqual((await ok('GET', '/escalations/INC-1')).next, null);
  await refused(409, 'POST', '/escalations/INC-1/escalate', {});
  await server.post('/sentinel/v1/incidents/1/resolve', { actor: 'Bob Fry' });
  await refused(409, 'POST', '/escalations/INC-1/reassign', { policy: 'default' });
  assert.equal((await ok('GET', '/escalations')).items.length, 0);
  assert.equal((await ok('GET', '/escalations?state=all')).items.length, 1);
});

test('a schedule follows a calendar that others keep, and keeps the last good one', async (t) => {
  const world = await outside();
  t.after(() => world.close());
  const stamp = (ms) => new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');
  const events = (name) => ['BEGIN:VCALENDAR', 'VERSION:2.0', 'BEGIN:VEVENT', 'UID:1', `DTSTART:${stamp(Date.now() - 3_600_000)}`, `DTEND:${stamp(Date.now() + 86_400_000)}`, `SUMMARY:${name}`, 'END:VEVENT', 'END:VCALENDAR', ''].join('\r\n');
  let rota = events('Bob Fry');
  const source = await httpServer((_request, _body, response) => (rota ? response.end(rota) : response.writeHead(500).end()));
  t.after(() => source.close());
  const folder = configured(world, { timeout: '1h' });
  const file = path.join(folder, 'oncall.yml');
  writeFileSync(file, oncall(world, { timeout: '1h' }).replace('{id: primary, time_zone: UTC,', `{id: primary, time_zone: UTC, calendars: [{id: rota, url: '${source.url}/rota.ics', every: 1s}],`));
  const dataDir = temporaryFolder();
  const port = await freePorts();
  let server = await serve(folder, { dataDir, port });
  t.after(() => server.kill());
  const who = async () => (await server.get('/sentinel/v1/oncall')).schedules.find((s) => s.id === 'primary').users.map((u) => u.id).join();
  await until('the calendar is in force', async () => (await who()) === 'bob');
  const failures = async () => Number(/^sentinel_oncall_calendar_failures_total\{.*\} (\d+)$/m.exec((await server.request('GET', '/metrics')).text)?.[1] ?? 0);
  rota = events('Somebody Unknown');
  await until('it is refused', async () => (await failures()) > 0);
  assert.equal(await who(), 'bob');
  rota = '';
  await server.kill();
  server = await serve(folder, { dataDir, port });
  assert.equal(await who(), 'bob', 'kept over a restart while the calendar is away');
  rota = events('eve');
  await until('the new one is in force', async () => (await who()) === 'eve');
});
