// The public status page of a server that asks everybody else for a token: what it tells, what it never tells, how it is cached, and
// mail that nobody gets who has not said so twice.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Sentinel, folderWith, pause, until } from './lib/sentinel.mjs';
import { smtpServer } from './lib/smtp.mjs';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const act = { authorization: 'Bearer act' };
let smtp;
let server;

before(async () => {
  smtp = await smtpServer();
  const folder = folderWith({
    'sentinel.yml': `rules: {files: []}
oncall: oncall.yml
auth: {tokens: [{sha256: ${sha256('act')}, user: ada}]}
status_page:
  path: /public/status
  title: Example <status>
  mail: email
  components:
  - {id: checkout, name: Checkout, description: Paying, match: {service: shop}}
  - {id: search, name: Search, match: {service: search}}
`,
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
