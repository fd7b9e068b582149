// Three in the morning, on a phone: the page arrives, its link opens, one thumb acknowledges, the screen says what failed, why and
// what next, the first step is ticked, it is resolved. And the On-call screen: who serves, and a change of it.
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launch } from './lib/browser.mjs';
import { Sentinel, folderWith, httpServer, until } from './lib/sentinel.mjs';

const DEADLINE_MS = 20_000;
let push;
let server;
let browser;
let page;
const troubles = [];

const ONCALL = (url) => `
channels: {push: {kind: ntfy, url: '${url}'}}
users:
- {id: ada, name: Ada Lovelace, contacts: {push: ada-phone}}
- {id: grace, name: Grace Hopper, contacts: {push: grace-phone}}
schedules:
- {id: primary, name: Primary, time_zone: Europe/Berlin, layers: [{start: '2026-01-05 09:00', every: week, participants: [ada]}]}
- {id: nights, name: Nights, time_zone: Europe/Berlin, layers: [{start: '2026-01-05 22:00', every: day, participants: [ada, grace], restrictions: [{from: '22:00', to: '06:00'}]}]}
policies:
- {id: default, levels: [{notify: [{schedule: primary}], timeout: 10m}, {notify: [{user: grace}], timeout: 10m}]}
`;
const RUNBOOK = `id: checkout
title: Checkout is broken
alert_rule_id: CheckoutBroken
steps:
  - {step_id: look, description: Look at the error page, action: Open it, expected_result: You see which provider fails}
  - {step_id: switch, description: Switch to the other provider, action: Change the route, expected_result: Errors end}
`;

before(async () => {
  push = await httpServer((_request, _body, response) => response.end('{}'));
  const folder = folderWith({ 'oncall.yml': ONCALL(push.url) });
  const books = folderWith({ 'checkout.yml': RUNBOOK });
  const config = folderWith({ 'sentinel.yml': `rules: {files: []}\noncall: ${path.join(folder, 'oncall.yml')}\nrunbooks: ${books}\n` });
  server = await Sentinel.serve({ args: ['--config', path.join(config, 'sentinel.yml')] });
  browser = await launch();
  const phone = await browser.newContext({ viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: 'dark', timezoneId: 'Europe/Berlin' });
  page = await phone.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') troubles.push(`${message.text()} ${message.location().url}`);
  });
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await push?.close();
});

/** Nothing sticks out to the right: a thumb scrolls one way only. */
const fits = async () => assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'the screen is wider than the phone');

test('the page arrives on the phone, and its link acknowledges with one thumb', async () => {
  await server.post('/api/v2/alerts', [{ labels: { alertname: 'CheckoutBroken', service: 'shop', severity: 'SEV1' }, annotations: { summary: 'Checkout answers with errors', description: 'Every second checkout fails.', action: 'Look at the error page.', runbook: 'checkout' } }]);
  await until('the phone rings', () => push.received.length === 1);
  const message = JSON.parse(push.received[0].body);
  assert.deepEqual([message.topic, message.title, message.priority], ['ada-phone', '[SEV1] INC-1: Checkout answers with errors', 5]);
  const [button] = message.actions;
  assert.equal(button.label, 'Acknowledge');
  await page.goto(button.url);
  await page.getByRole('heading', { name: /INC-1: Checkout answers with errors/ }).waitFor();
  await fits();
  const box = await page.getByRole('button', { name: 'Acknowledge' }).boundingBox();
  assert.ok(box.height >= 44 && box.width >= 300, `a thumb needs more than ${box.width} x ${box.height}`);
  await page.getByRole('button', { name: 'Acknowledge' }).tap();
  await page.getByText('It is acknowledged.').waitFor();
  const incident = await server.get('/sentinel/v1/incidents/1');
  assert.deepEqual([incident.status, incident.assignee, incident.timeline.at(-1).source], ['acknowledged', 'Ada Lovelace', 'push']);
  await page.getByRole('link', { name: 'Open INC-1' }).tap();
});

test('the incident says what failed, why and what next, and who was told', async () => {
  const band = page.getByRole('region', { name: 'What failed, why, and what next' });
  await band.getByText('Every second checkout fails.').waitFor();
  await fits();
  const told = page.getByRole('region', { name: 'Who is told' });
  await told.getByText('Ada Lovelace has acknowledged: nobody else is told.').waitFor();
  await told.getByText('by push: delivered').waitFor();
});

test('the first step is ticked and the incident resolved', async () => {
  await page.getByRole('button', { name: 'Open runbook' }).tap();
  const runbook = page.locator('#runbook');
  await runbook.getByText('Look at the error page').first().waitFor();
  await runbook.getByRole('button', { name: /done/i }).first().tap();
  await until('the step is on the timeline', async () => (await server.get('/sentinel/v1/incidents/1')).timeline.some((e) => e.kind === 'runbook'));
  await page.getByRole('region', { name: 'What failed, why, and what next' }).getByRole('button', { name: 'Resolve' }).tap();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel(/cause/i).fill('the provider was down');
  await dialog.getByLabel(/resolution|ended/i).fill('switched');
  await dialog.getByRole('button', { name: 'Resolve' }).tap();
  await until('it is resolved', async () => (await server.get('/sentinel/v1/incidents/1')).status === 'resolved');
  await page.getByText('It is resolved: nobody is told.').waitFor();
  await fits();
});

test('the On-call screen says who serves and where nobody does, and takes a change', async () => {
  await page.goto(`${server.url}/#/oncall`);
  const primary = page.getByRole('region', { name: 'Primary' });
  await primary.getByText('Ada Lovelace').waitFor();
  await page.getByRole('region', { name: 'Nights' }).getByRole('alert').first().waitFor();
  await fits();
  await page.getByLabel('Schedule', { exact: true }).selectOption('Primary');
  const form = page.getByRole('form', { name: 'Change the schedule' });
  await form.getByText('Times are on the clocks of Europe/Berlin.').waitFor();
  await form.getByLabel('Whom').selectOption('Ada Lovelace');
  await form.getByLabel('By', { exact: true }).selectOption('Grace Hopper');
  const local = (ms) => new Date(ms).toLocaleString('sv-SE', { timeZone: 'Europe/Berlin' }).slice(0, 16).replace(' ', 'T');
  await form.getByLabel('From').fill(local(Date.now() - 3_600_000));
  await form.getByLabel('To').fill(local(Date.now() + 3_600_000));
  await form.getByRole('button', { name: 'Change' }).tap();
  await primary.getByText('Grace Hopper').waitFor();
  const { schedules } = await server.get('/sentinel/v1/oncall');
  assert.deepEqual(schedules.find((s) => s.id === 'primary').users.map((u) => u.id), ['grace']);
  const shifts = page.getByRole('region', { name: 'Shifts' });
  await shifts.getByText('Grace Hopper instead of Ada Lovelace').waitFor();
  await shifts.getByRole('button', { name: 'Take back' }).tap();
  await primary.getByText('Ada Lovelace', { exact: true }).waitFor();
  await fits();
});

test('the browser had nothing to complain of', () => assert.deepEqual(troubles, []));
