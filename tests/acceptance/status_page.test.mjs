// The public status page of a server that asks everybody else for a token: what it tells, what it never tells, how it is cached, and
// mail that nobody gets who has not said so twice.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Sentinel, folderWith, pause, until } from './lib/sentinel.mjs';
import { smtpServer } from './lib/smtp.mjs';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const act = { authorization: 'Bearer act' };
let smtp;
let server;
let folder;
let sentinel;

before(async () => {
  smtp = await smtpServer();
  sentinel = `rules: {files: []}
oncall: oncall.yml
auth: {tokens: [{sha256: ${sha256('act')}, user: ada}]}
status_page:
  path: /public/status
  title: Example <status>
  mail: email
  components:
  - {id: checkout, name: Checkout, description: Paying, match: {service: shop}}
  - {id: search, name: Search, match: {service: search}}
`;
  folder = folderWith({
    'sentinel.yml': sentinel,
    'oncall.yml': `channels: {email: {kind: email, smarthost: '127.0.0.1:${smtp.port}', from: status@example.org, require_tls: false}}
users: [{id: ada, contacts: {email: ada@example.org}}]
`,
  });
  server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')] });
});
after(async () => {
  await server?.stop();
  smtp?.close();
});

const post = async (where, body) => {
  const answer = await server.request('POST', `/sentinel/v1/incidents${where}`, body, act);
  assert.ok(answer.status < 300, answer.text);
  return answer.json;
};
const page = (where = '', headers) => server.request('GET', `/public/status${where}`, undefined, headers);
const summary = async () => (await page('/summary')).json;
const form = (where, body = '') => server.request('POST', `/public/status${where}`, body, { 'content-type': 'application/x-www-form-urlencoded' });

test('it is open to everybody, and nothing else is', async () => {
  const answer = await page();
  assert.equal(answer.status, 200, answer.text);
  assert.match(answer.type, /^text\/html/);
  assert.match(answer.text, /All systems operational/);
  assert.match(answer.text, /Example &lt;status&gt;/);
  assert.ok(!/<script/i.test(answer.text));
  assert.equal(answer.headers.get('set-cookie'), null);
  assert.match(answer.headers.get('cache-control'), /^public, max-age=\d+/);
  assert.match(answer.headers.get('content-security-policy'), /default-src 'none'/);
  assert.equal((await server.request('GET', '/sentinel/v1/incidents')).status, 401);
  assert.equal((await server.request('POST', '/sentinel/v1/incidents/1/updates', { text: 'x', public: true })).status, 401);
});

test('what has not changed is not sent again', async () => {
  for (const where of ['', '/summary', '/feed']) {
    const etag = (await page(where)).headers.get('etag');
    await pause(2200); // it has been made anew meanwhile
    const again = await page(where, { 'if-none-match': etag });
    assert.equal(again.status, 304, where);
    assert.equal(again.text, '');
  }
  const head = await server.request('HEAD', '/public/status');
  assert.deepEqual([head.status, head.text], [200, '']);
});

test('components follow incidents; only public updates are told', async () => {
  const secrets = ['The token of ACME leaked', 'acme-prod-7', 'call Grace first', 'it is our own fault', 'INC-1'];
  await post('', { title: secrets[0], severity: 'SEV2', labels: { service: 'shop', customer: secrets[1] }, note: secrets[2] });
  await post('/1/updates', { text: secrets[3] });
  await until('Checkout is out', async () => (await summary()).components[0].state === 'partial_outage');
  assert.deepEqual((await summary()).open, []);
  await post('/1/updates', { text: 'We <b>look</b> into it.', public: true, title: 'Errors & delays' });
  await until('it is told', async () => (await summary()).open.length === 1);
  const [told] = (await summary()).open;
  assert.deepEqual([told.title, told.status, told.components, told.updates.map((u) => u.text)], ['Errors & delays', 'investigating', ['Checkout'], ['We <b>look</b> into it.']]);
  const html = (await page()).text;
  assert.match(html, /Partial outage/);
  assert.match(html, /Errors &amp; delays/);
  assert.match(html, /We &lt;b&gt;look&lt;\/b&gt; into it\./);
  const feed = await page('/feed');
  assert.match(feed.type, /^application\/atom\+xml/);
  assert.match(feed.text, /<title>Errors &amp; delays \(investigating\)<\/title>/);
  assert.match(feed.text, /<content type="text">We &lt;b&gt;look/);
  for (const text of [html, feed.text, JSON.stringify(await summary())])
    for (const secret of [...secrets, 'ada', 'alertname', 'customer']) assert.ok(!text.includes(secret), `${secret} in ${text}`);
});

const link = (mail, purpose) => mail.text.replace(/=\r?\n/g, '').replace(/=3D/g, '=').match(new RegExp(`/public/status(/${purpose}\\?t=[\\w.-]+)`))?.[1];

test('mail goes only to whoever has said so twice, until he says otherwise', async () => {
  for (const wrong of ['email=ada', 'email=', 'email=a%40b.org%0d%0aBcc%3A%20x%40y.z', '']) assert.equal((await form('/subscribe', wrong)).status, 400, wrong);
  assert.equal((await form('/subscribe', 'email=Zoe%40example.org')).status, 200);
  await until('the question arrives', () => smtp.mails.length === 1);
  assert.deepEqual(smtp.mails[0].to, ['RCPT TO:<zoe@example.org>']);
  // Asking again within ten minutes is not a way to fill somebody's mailbox.
  const again = await form('/subscribe', 'email=zoe%40example.org');
  assert.equal(again.status, 200);
  assert.equal(again.headers.get('cache-control'), 'no-store');
  await post('/1/updates', { text: 'Not yet for Zoe.', public: true });
  const confirm = link(smtp.mails[0], 'confirm');
  assert.ok(confirm, smtp.mails[0].text);
  assert.equal((await page(confirm)).status, 200); // a preview of the link confirms nothing
  assert.equal((await form(`${confirm}x`)).status, 404);
  assert.equal((await form(confirm.replace('confirm', 'leave'))).status, 404);
  await pause(500);
  assert.equal(smtp.mails.length, 1);
  assert.equal((await form(confirm)).status, 200);
  await post('/1/updates', { text: 'Half is back.', public: true, status: 'monitoring' });
  await until('the update arrives', () => smtp.mails.length === 2);
  assert.match(smtp.mails[1].text, /Subject: .*Errors & delays \(monitoring\)/);
  assert.match(smtp.mails[1].text, /Half is back\./);
  await post('/1/updates', { text: 'not for the public' });
  const leave = link(smtp.mails[1], 'leave');
  assert.equal((await form(leave)).status, 200);
  await post('/1/updates', { text: 'All is back.', public: true, status: 'resolved' });
  await pause(800);
  assert.equal(smtp.mails.length, 2);
  await until('it is over', async () => (await summary()).past.length === 1);
  const { components, past } = await summary();
  assert.equal(components[0].state, 'operational');
  assert.equal(components[0].days.at(-1), 'partial_outage');
  assert.equal(past[0].status, 'resolved');
});

const maintenance = '/sentinel/v1/oncall/maintenance';
const later = (ms) => new Date(Date.now() + ms).toISOString();

test('maintenance is announced: where, from, until, and of why what is for the public', async () => {
  const add = (body) => server.request('POST', maintenance, body, act);
  assert.equal((await add({ from: later(0), to: later(9e6), components: ['basket'] })).status, 404);
  assert.equal((await add({ from: later(0), to: later(9e6), public_reason: 'x' })).status, 400);
  const quiet = await add({ from: later(-1000), to: later(9e6), reason: 'rack 7 burns' });
  const ahead = await add({ from: later(864e5), to: later(9e7), reason: 'rack 8 is old', components: ['search'] });
  const now = await add({ from: later(-1000), to: later(9e6), reason: 'the database of ACME', components: ['checkout', 'search'], public_reason: 'New <machines>.' });
  assert.deepEqual([quiet.status, ahead.status, now.status], [201, 201, 201], now.text);
  await until('it is told', async () => (await summary()).maintenance.length === 2);
  const told = await summary();
  assert.deepEqual(
    told.maintenance.map((m) => [m.status, m.components, m.text, Date.parse(m.from), Date.parse(m.to)]),
    [
      ['in_progress', ['Checkout', 'Search'], 'New <machines>.', Date.parse(now.json.from), Date.parse(now.json.to)],
      ['scheduled', ['Search'], '', Date.parse(ahead.json.from), Date.parse(ahead.json.to)],
    ],
  );
  assert.deepEqual([told.state, ...told.components.map((c) => c.state)], ['under_maintenance', 'under_maintenance', 'under_maintenance']);
  const html = (await page()).text;
  assert.match(html, /Maintenance under way: Checkout, Search.*New &lt;machines&gt;\./);
  assert.match(html, /Scheduled maintenance: Search/);
  const feed = (await page('/feed')).text;
  assert.match(feed, /<title>Maintenance under way: Checkout, Search<\/title>.*to \d{4}-\d\d-\d\d \d\d:\d\d UTC: New &lt;machines&gt;\./);
  assert.match(feed, /<title>Scheduled maintenance: Search<\/title><updated>20/);
  for (const text of [html, feed, JSON.stringify(told)])
    for (const secret of ['rack', 'ACME', 'ada', now.json.id, ahead.json.id]) assert.ok(!text.includes(secret), `${secret} in ${text}`);
  for (const one of [quiet, ahead, now]) assert.equal((await server.request('DELETE', `${maintenance}/${one.json.id}`, undefined, act)).status, 200);
  await until('it is over', async () => (await summary()).maintenance.length === 0);
  assert.equal((await summary()).components[1].state, 'operational');
});

test('a reload changes what is shown, and where; a wrong one changes nothing', async () => {
  const reload = async (text) => {
    writeFileSync(path.join(folder, 'sentinel.yml'), text);
    return (await server.request('POST', '/-/reload', {}, act)).status;
  };
  assert.equal((await server.cli('oncall', 'maintenance', 'add', '--from', later(-1000), '--to', later(9e6), '--component', 'search', '--public-reason', 'Soon back', '--token', 'act')).code, 0);
  assert.equal(await reload(sentinel.replace('Example <status>', 'Another').replace('id: search, name: Search', 'id: search, name: Finding')), 200);
  const renamed = await summary();
  assert.deepEqual([renamed.title, renamed.components.map((c) => c.name), renamed.maintenance[0].components], ['Another', ['Checkout', 'Finding'], ['Finding']]);
  assert.notEqual(await reload(sentinel.replace('/public/status', '/api/status')), 200);
  assert.equal((await summary()).title, 'Another');
  // Without the component nothing of the window is told.
  assert.equal(await reload(sentinel.replace(/  - \{id: search.*\n/, '').replace('/public/status', '/public/news').replace('  mail: email\n', '')), 200);
  const at = (where) => server.request('GET', where);
  const moved = await at('/public/news');
  assert.match(moved.text, /Checkout/);
  assert.ok(!/<form/.test(moved.text), 'nobody can subscribe by mail any more');
  assert.deepEqual((await at('/public/news/summary')).json.maintenance, []);
  assert.notEqual((await at('/public/status/summary')).type, 'application/json');
  assert.equal((await at('/public/news/nothing')).status, 404);
  assert.equal((await server.request('POST', '/public/news/feed', 'x')).status, 405);
  assert.equal(await reload(sentinel.slice(0, sentinel.indexOf('status_page:'))), 200);
  assert.notEqual((await at('/public/news/summary')).type, 'application/json', 'there is none');
  assert.equal(await reload(sentinel), 200);
  assert.equal((await summary()).maintenance.length, 1);
});

test('a window of the file that names a component that is none is refused', async () => {
  const { run } = await import('./lib/sentinel.mjs');
  const window = (id) => `policies: [{id: p}]\nmaintenance: [{id: w, from: '2026-03-02T01:00:00Z', duration: 2h, components: [${id}], public_reason: New machines}]\n`;
  for (const [id, code] of [['shop', 0], ['basket', 2]]) {
    const made = folderWith({ 'sentinel.yml': 'oncall: oncall.yml\nstatus_page: {components: [{id: shop, match: {service: shop}}]}\n', 'oncall.yml': window(id) });
    const result = await run(['check', 'config', path.join(made, 'sentinel.yml')]);
    assert.equal(result.code, code, result.stderr);
    if (code) assert.match(result.stderr, /oncall\.yml.*maintenance "w".*has no component "basket"/);
  }
});

test('a wrong section is refused with its place', async () => {
  const { run } = await import('./lib/sentinel.mjs');
  for (const [text, why] of [
    ['status_page: {path: /api/status}', /sentinel\.yml:1:\d+: expected a path that nothing else has/],
    ['status_page: {components: [{id: a}]}', /component needs a field "match"/],
    ['status_page: {componets: []}', /did you mean "components"/],
  ]) {
    const folder = folderWith({ 'sentinel.yml': text });
    const result = await run(['check', 'config', path.join(folder, 'sentinel.yml')]);
    assert.notEqual(result.code, 0, text);
    assert.match(result.stderr + result.stdout, why);
  }
});
