// The On-call screen's people, teams, maintenance windows and heartbeats, by hand in a browser: one's own contacts with a token of
// one's own, a way that is tried, a window that holds a page back, the address of a job; on a desk, on a phone, and for axe.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { barriers, fits, launch, troublesOf } from './lib/browser.mjs';
import { Sentinel, folderWith, httpServer, until } from './lib/sentinel.mjs';

const DEADLINE_MS = 20_000;
const sha = (token) => createHash('sha256').update(token).digest('hex');
const as = (name) => ({ authorization: `Bearer t-${name}` });
let world;
let server;
let browser;
const troubles = [];

const ONCALL = (url) => `
channels:
  push: {kind: ntfy, url: '${url}/ntfy'}
  hook: {kind: webhook}
users:
- {id: ada, name: Ada Lovelace, contacts: {push: ada-old}}
- {id: bob, name: Bob Fry, contacts: {push: bob-phone}}
teams: [{id: sre, name: Reliability, members: [ada]}]
schedules:
- {id: primary, name: Primary, layers: [{start: '2026-01-01', every: week, participants: [ada]}]}
policies:
- {id: default, levels: [{notify: [{team: sre}], timeout: 1h}]}
- {id: batch, levels: [{notify: [{user: bob}], timeout: 1h}]}
`;

before(async () => {
  world = await httpServer((request, _body, response) => response.writeHead(request.url.startsWith('/down') ? 503 : 200, { 'content-type': 'application/json' }).end('{}'));
  const folder = folderWith({
    'oncall.yml': ONCALL(world.url),
    'sentinel.yml': `rules: {files: []}
oncall: oncall.yml
status_page: {components: [{id: checkout, name: Checkout, match: {service: shop}}]}
heartbeats:
- {name: nightly-backup, every: 24h, grace: 1h}
- {name: export, schedule: 30 2 * * *, time_zone: Europe/Berlin, grace: 1h}
auth:
  tokens:
  - {user: ada, sha256: ${sha('t-ada')}, roles: [responder]}
  - {user: root, sha256: ${sha('t-root')}, roles: [admin]}
  - {user: eye, sha256: ${sha('t-eye')}, roles: [viewer]}
`,
  });
  server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')] });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await world?.close();
});

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
async function open(who, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1000 }, timezoneId: 'Europe/Berlin', reducedMotion: 'reduce', ...options });
  await context.addInitScript((key) => sessionStorage.setItem('sentinel.key', key), `t-${who}`);
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  troubles.push(troublesOf(page));
  await page.goto(`${server.url}/#/oncall`);
  await page.getByRole('region', { name: 'Heartbeats' }).getByText('nightly-backup').waitFor();
  return page;
}
const ask = async (where, who = 'root') => (await server.request('GET', `/sentinel/v1${where}`, undefined, as(who))).json;
const pages = () => world.received.filter((r) => r.path.startsWith('/ntfy')).map((r) => JSON.parse(r.body).topic);

test('one\'s own contacts and rules: changed, tried, taken back; nobody else\'s', async () => {
  const page = await open('ada');
  const people = page.getByRole('region', { name: 'People' });
  await people.getByText('you', { exact: true }).waitFor();
  await people.getByText('told by push').first().waitFor();
  assert.equal(await people.getByRole('button', { name: 'Contacts of Bob Fry' }).count(), 0);
  assert.equal(await people.getByRole('button', { name: 'Add a person' }).count(), 0);
  await people.getByRole('button', { name: 'Contacts of Ada Lovelace' }).click();
  const dialog = page.getByRole('dialog', { name: 'Contacts of Ada Lovelace' });
  await dialog.getByText('As the on-call file says.').waitFor();
  assert.equal(await dialog.getByLabel('Name').count(), 0, 'a name is for the role admin');

  await dialog.getByLabel('push', { exact: true }).fill('ada-new');
  await dialog.getByRole('button', { name: 'Try push' }).isDisabled();
  await dialog.getByLabel('Channel of a new contact').selectOption('hook');
  await dialog.getByLabel('Address of a new contact').fill(`${world.url}/down`);
  await dialog.getByRole('button', { name: 'Add contact' }).click();
  await dialog.getByRole('button', { name: 'Told by: add a rule' }).click();
  await dialog.getByLabel('Told by: channel of rule 1').selectOption('push');
  await dialog.getByRole('button', { name: 'Told by: add a rule' }).click();
  await dialog.getByLabel('Told by: channel of rule 2').selectOption('hook');
  await dialog.getByLabel('Told by: wait of rule 2').fill('soon');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByRole('alert').getByText(/soon/).waitFor();
  await dialog.getByLabel('Told by: wait of rule 2').fill('5m');
  assert.deepEqual(await barriers(page), [], 'the contacts');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByText(/Changed here by ada/).waitFor();
  const saved = await ask('/oncall/users/ada', 'ada');
  assert.deepEqual(saved.contacts, { hook: `${world.url}/down`, push: 'ada-new' });
  assert.deepEqual(saved.rules.default, [{ after: '0s', by: 'push' }, { after: '5m', by: 'hook' }]);

  await dialog.getByRole('button', { name: 'Try push' }).click();
  await dialog.getByText('Test by push: delivered').waitFor();
  assert.deepEqual(pages(), ['ada-new']);
  await dialog.getByRole('button', { name: 'Try hook' }).click();
  await dialog.getByText(/Test by hook: .*503/).waitFor();

  await dialog.getByRole('button', { name: 'Remove hook' }).click();
  await dialog.getByRole('button', { name: 'Save' }).click();
  await until('the rule has gone with it', async () => (await ask('/oncall/users/ada')).rules.default.length === 1);
  await dialog.getByRole('button', { name: 'Back to the file' }).click();
  await dialog.getByText('As the on-call file says.').waitFor();
  assert.equal(await dialog.getByLabel('push', { exact: true }).inputValue(), 'ada-old');
  await dialog.getByRole('button', { name: 'Close', exact: true }).last().click();
  await page.context().close();
});

test('people and teams by the role admin', async () => {
  const page = await open('root');
  const people = page.getByRole('region', { name: 'People' });
  await people.getByRole('button', { name: 'Add a person' }).click();
  await page.getByRole('dialog').getByLabel('Id').fill('zoe');
  await page.getByRole('dialog').getByLabel('Name').fill('Zoe Quinn');
  await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Contacts of Zoe Quinn' });
  await dialog.getByLabel('Channel of a new contact').selectOption('push');
  await dialog.getByLabel('Address of a new contact').fill('zoe-phone');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.getByRole('button', { name: 'Try push' }).waitFor();
  await dialog.getByRole('button', { name: 'Close', exact: true }).last().click();

  const teams = page.getByRole('region', { name: 'Teams' });
  await teams.getByRole('button', { name: 'Members of Reliability' }).click();
  const members = page.getByRole('dialog', { name: 'Members of Reliability' });
  await members.getByLabel('Ada Lovelace').uncheck();
  assert.ok(await members.getByRole('button', { name: 'Save' }).isDisabled(), 'a team of nobody');
  await members.getByLabel('Zoe Quinn').check();
  assert.deepEqual(await barriers(page), [], 'the members');
  await members.getByRole('button', { name: 'Save' }).click();
  await teams.getByText('changed here by root').waitFor();
  const before = pages().length;
  await server.request('POST', '/sentinel/v1/incidents', { title: 'down', severity: 'SEV1' }, as('root'));
  await until('who was put into the team is paged', () => pages().length > before);
  assert.equal(pages().at(-1), 'zoe-phone');

  await teams.getByRole('button', { name: 'Back to the file: Reliability' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Back to the file' }).click();
  await teams.getByText('changed here').waitFor({ state: 'detached' });
  assert.deepEqual((await ask('/oncall/teams')).items.map((one) => one.members.map((m) => m.id)), [['ada']]);
  await teams.getByRole('button', { name: 'Add a team' }).click();
  const added = page.getByRole('dialog', { name: 'Add a team' });
  await added.getByLabel('Id').fill('night');
  await added.getByLabel('Bob Fry').check();
  await added.getByRole('button', { name: 'Save' }).click();
  await teams.getByRole('button', { name: 'Remove: night' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove team' }).click();
  await until('it is gone', async () => (await ask('/oncall/teams')).items.length === 1);
  await page.context().close();
});

test('a maintenance window holds pages back until it is ended; one comes again', async () => {
  const page = await open('ada');
  const card = page.getByRole('region', { name: 'Maintenance windows' });
  await card.getByText('No maintenance ahead').waitFor();
  await card.getByRole('button', { name: 'Add a window' }).click();
  let dialog = page.getByRole('dialog', { name: 'Add a maintenance window' });
  await dialog.getByLabel('Reason').fill('Upgrade of the database');
  await dialog.getByLabel('To', { exact: true }).fill('2020-01-01T00:00');
  await dialog.getByRole('button', { name: 'Add window' }).click();
  await dialog.getByRole('alert').getByText(/after the start/).waitFor();
  await dialog.getByLabel('To', { exact: true }).fill('2090-01-01T00:00');
  await dialog.getByRole('button', { name: 'Add window' }).click();
  await dialog.getByRole('alert').getByText(/three years/).waitFor();
  const berlin = (ms) => new Date(ms).toLocaleString('sv-SE', { timeZone: 'Europe/Berlin' }).slice(0, 16).replace(' ', 'T');
  assert.equal(await dialog.getByLabel('Time zone').inputValue(), 'Europe/Berlin');
  await dialog.getByLabel('To', { exact: true }).fill(berlin(Date.now() + 7_200_000));
  await dialog.getByLabel('default').check();
  await dialog.getByLabel('Checkout').check();
  await dialog.getByLabel('What the public is told of the reason').fill('We move to new machines.');
  assert.deepEqual(await barriers(page), [], 'the form');
  await dialog.getByRole('button', { name: 'Add window' }).click();
  await card.getByText(/^lasts until /).waitFor();
  await card.getByText('Policies: default, made by ada').waitFor();
  const [made] = (await ask('/oncall/maintenance')).items;
  assert.deepEqual([made.policies, made.reason, made.time_zone], [['default'], 'Upgrade of the database', 'Europe/Berlin']);
  const summary = async () => (await server.request('GET', '/status-page/summary')).json;
  await until('it is announced', async () => (await summary()).maintenance.length === 1);
  const [told] = (await summary()).maintenance;
  assert.deepEqual([told.status, told.components, told.text], ['in_progress', ['Checkout'], 'We move to new machines.']);

  const before = pages().length;
  await server.request('POST', '/sentinel/v1/incidents', { title: 'held', severity: 'SEV1' }, as('root'));
  await until('it waits', async () => (await ask('/oncall/escalations')).items.some((e) => e.waiting_for === 'maintenance'));
  assert.equal(pages().length, before);
  await card.getByRole('button', { name: 'End: Upgrade of the database' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End maintenance' }).click();
  await until('it is paged at once', () => pages().length > before);
  await card.getByText('No maintenance ahead').waitFor();

  await card.getByRole('button', { name: 'Add a window' }).click();
  dialog = page.getByRole('dialog', { name: 'Add a maintenance window' });
  await dialog.getByLabel('From').fill('2026-03-01T03:00');
  await dialog.getByLabel('To', { exact: true }).fill('2026-03-01T04:00');
  await dialog.getByLabel('Repeats').selectOption('week');
  await dialog.getByLabel('No more after').fill('2099-01-01T00:00');
  await dialog.getByRole('button', { name: 'Add window' }).click();
  await card.getByText(/03:00:00 to .* each week for 1h.* on the clocks of Europe\/Berlin until/).waitFor();
  await card.getByRole('button', { name: 'Remove: Maintenance' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove window' }).click();
  await card.getByText('No maintenance ahead').waitFor();
  await page.context().close();
});

test('heartbeats: what is silent first, and the address of a job, which works', async () => {
  const page = await open('ada', { permissions: ['clipboard-read', 'clipboard-write'] });
  const card = page.getByRole('region', { name: 'Heartbeats' });
  await card.getByText(/never heard of; every (24h|1d)/).waitFor();
  await card.getByText(/never heard of; runs at 30 2 \* \* \* in Europe\/Berlin, (1h|60m)[^,]* later at most/).waitFor();
  await card.getByRole('button', { name: 'Copy the ping address of nightly-backup' }).click();
  await page.getByText('Ping address of nightly-backup copied').first().waitFor();
  const address = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal((await fetch(`${address}/fail`, { method: 'POST', body: 'no space left' })).status, 200);
  await page.reload();
  await card.getByText('no space left').waitFor();
  assert.match(await card.getByRole('listitem').first().innerText(), /failed[\s\S]*nightly-backup/);
  assert.equal((await fetch(address)).status, 200);
  await page.reload();
  await card.getByText(/last ping (just now|\d+s ago)/).waitFor();
  await page.context().close();

  const eye = await open('eye');
  assert.equal(await eye.getByRole('button', { name: /^Copy the ping address/ }).count(), 0, 'who may only look gets no secret');
  assert.equal(await eye.getByRole('button', { name: /^Contacts of/ }).count(), 0);
  await eye.context().close();
});

for (const colorScheme of ['dark', 'light']) {
  test(`no barrier, and no wider than a phone, ${colorScheme}`, async () => {
    for (const size of [{}, PHONE]) {
      const page = await open('root', { colorScheme, ...size });
      await page.getByRole('region', { name: 'Teams' }).getByText('Reliability').waitFor();
      await page.waitForFunction(() => !document.querySelector('.lines .skeleton'));
      assert.deepEqual(await barriers(page), []);
      assert.ok(await fits(page), 'the screen is wider than the phone');
      if (size === PHONE) {
        await page.getByRole('button', { name: 'Contacts of Ada Lovelace' }).tap();
        const save = page.getByRole('dialog').getByRole('button', { name: 'Save' });
        const box = await save.boundingBox();
        assert.ok(box.height >= 40, `a thumb needs more than ${box.height}`);
        assert.ok(await page.getByRole('dialog').evaluate((one) => one.scrollWidth <= one.clientWidth), 'the dialog is wider than the phone');
        await page.keyboard.press('Escape');
        await page.getByRole('button', { name: 'Add a window' }).tap();
        assert.ok(await page.getByRole('dialog').evaluate((one) => one.scrollWidth <= one.clientWidth), 'the form is wider than the phone');
        assert.deepEqual(await barriers(page), []);
      }
      await page.context().close();
    }
  });
}

test('the browser had nothing to complain of', () => {
  // Of refusals that were meant, each of which it logs.
  assert.deepEqual(troubles.flat().filter((one) => !/status of 400/.test(one)), []);
});
