// The incident on a phone: what was added must not stand before what failed and what next, and must be usable with a thumb.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { barriers, launch } from './lib/browser.mjs';
import { Sentinel, folderWith, httpServer, until } from './lib/sentinel.mjs';

let push;
let server;
let browser;
let page;
const troubles = [];

before(async () => {
  push = await httpServer((_request, _body, response) => response.end('{}'));
  const folder = folderWith({
    'sentinel.yml': `rules: {files: []}
oncall: oncall.yml
incidents: {fields: [{name: region, title: Region, type: choice, values: [eu, us]}]}
status_page: {title: Example, components: [{id: shop, name: Shop, match: {service: shop}}]}
`,
    'oncall.yml': `channels: {push: {kind: ntfy, url: '${push.url}'}}
users: [{id: on-call, name: On Call, contacts: {push: phone}}]
`,
  });
  server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')] });
  browser = await launch();
  const phone = await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: 'dark' });
  page = await phone.newPage();
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') troubles.push(`${message.text()} ${message.location().url}`);
  });
  const alerts = Array.from({ length: 120 }, (_, n) => ({ labels: { alertname: 'Broken', service: 'shop', severity: 'SEV2', n: String(n) }, annotations: { summary: 'Checkout answers with errors', description: 'Every second checkout fails.' } }));
  await server.post('/api/v2/alerts', alerts);
  await page.goto(`${server.url}/#/incidents/INC-1`);
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await push?.close();
});
const fits = async () => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'the screen is wider than the phone');
const incident = () => server.get('/sentinel/v1/incidents/1');

test('what failed comes first, the rest is closed', async () => {
  const band = page.getByRole('region', { name: 'What failed, why, and what next' });
  await band.getByText('Every second checkout fails.').waitFor();
  const card = page.locator('details.card', { hasText: 'People, fields, links, files' });
  await card.locator('summary').waitFor();
  await fits();
  assert.ok(!(await card.getByRole('button', { name: 'Follow' }).isVisible()));
  assert.ok((await card.locator('summary').boundingBox()).height >= 44);
  assert.ok((await band.boundingBox()).y < (await card.boundingBox()).y);
});

test('a role, a subscription, a field, a link and a file', async () => {
  await server.post('/sentinel/v1/incidents', { title: 'The other one' });
  const card = page.locator('details.card', { hasText: 'People, fields, links, files' });
  await card.locator('summary').tap();
  await fits();
  await card.getByRole('button', { name: 'Take the role of commander' }).tap();
  await until('the role is taken', async () => (await incident()).roles[0]?.person === 'On Call');
  await card.getByRole('button', { name: 'Follow' }).tap();
  await card.getByRole('button', { name: 'Unfollow' }).waitFor();
  await card.getByLabel('Region').selectOption('eu');
  await until('the field is set', async () => (await incident()).fields.region === 'eu');
  await card.getByLabel('Other incident').fill('INC-2');
  await card.getByRole('button', { name: 'Link', exact: true }).tap();
  await card.getByRole('link', { name: /INC-2 The other one/ }).waitFor();
  await card.getByRole('button', { name: 'Take back: related INC-2' }).tap();
  await until('the link is gone', async () => (await incident()).links.length === 0);
  await card.getByLabel('Relation').selectOption('is a child of');
  await card.getByLabel('Other incident').fill('INC-2');
  await card.getByRole('button', { name: 'Link', exact: true }).tap();
  await until('it has a parent', async () => (await incident()).links[0]?.relation === 'parent');
  await card.locator('input[type=file]').setInputFiles({ name: 'log.txt', mimeType: 'text/plain', buffer: Buffer.from('lines') });
  const [download] = await Promise.all([page.waitForEvent('download'), card.getByRole('button', { name: 'log.txt', exact: true }).tap()]);
  assert.equal(download.suggestedFilename(), 'log.txt');
  await fits();
  await card.getByRole('button', { name: 'Remove log.txt' }).tap();
  const dialog = page.getByRole('dialog', { name: 'Remove log.txt?' });
  assert.deepEqual(await barriers(page), []);
  await dialog.getByRole('button', { name: 'Cancel' }).tap();
  assert.equal((await incident()).attachments.length, 1, 'it is asked first');
  await card.getByRole('button', { name: 'Remove log.txt' }).tap();
  await dialog.getByRole('button', { name: 'Remove file' }).tap();
  await until('the file is gone', async () => (await incident()).attachments.length === 0);
  await card.getByRole('button', { name: 'log.txt' }).first().waitFor({ state: 'detached' });
});

test('the alerts come by pages', async () => {
  const alerts = page.getByRole('region', { name: 'Alerts' });
  await alerts.getByRole('button', { name: '70 more alerts' }).tap();
  await until('all are shown', async () => !(await alerts.getByRole('button', { name: /more alerts/ }).isVisible()));
  await fits();
});

test('some alerts become an incident of their own', async () => {
  const alerts = page.getByRole('region', { name: 'Alerts' });
  await alerts.getByRole('button', { name: 'Split' }).tap();
  const dialog = page.getByRole('dialog', { name: 'Split INC-1' });
  await dialog.getByText('0 of 120 chosen').waitFor();
  await dialog.getByLabel('All that are shown').check();
  await dialog.getByText('At least one alert stays.').waitFor();
  assert.ok(await dialog.getByRole('button', { name: /^Split off/ }).isDisabled());
  await dialog.getByLabel('All that are shown').uncheck();
  await dialog.getByLabel('Find alerts').fill('n=11');
  await dialog.getByText('Broken n=119').waitFor();
  await dialog.getByLabel('All that are shown').check(); // 11, 110 to 119
  await dialog.getByText('11 of 120 chosen').waitFor();
  assert.deepEqual(await barriers(page), []);
  assert.ok(await dialog.evaluate((one) => one.scrollWidth <= one.clientWidth), 'the dialog is wider than the phone');
  await dialog.getByLabel('Title of the new incident').fill('The eleven');
  await dialog.getByLabel('Severity').selectOption('SEV4');
  await dialog.getByRole('button', { name: 'Split off 11' }).tap();
  await page.getByRole('heading', { level: 1, name: /INC-3/ }).waitFor();
  const made = await server.get('/sentinel/v1/incidents/3');
  assert.deepEqual([made.title, made.severity, made.alert_count, (await incident()).alert_count], ['The eleven', 'SEV4', 11, 109]);
  await fits();
  await page.goto(`${server.url}/#/incidents/INC-1`);
});

test('a public update is on the status page, which fits a phone too', async () => {
  const timeline = page.getByRole('region', { name: 'Timeline' });
  await timeline.getByLabel('Who reads it').selectOption('Public update');
  await timeline.getByLabel('Note').fill('We look into it.');
  await timeline.getByRole('button', { name: 'Publish' }).tap();
  await until('it is told', async () => (await server.get('/status-page/summary')).open.length === 1);
  await page.goto(`${server.url}/status-page`);
  await page.getByText('We look into it.').waitFor();
  await page.getByText('Partial outage').first().waitFor();
  await fits();
});

test('the browser had nothing to complain of', () => assert.deepEqual(troubles, []));
