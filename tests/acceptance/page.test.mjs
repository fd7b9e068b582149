// The page in a browser, on a running demo: what a person on call sees and clicks. Takes the pictures of docs/images.
import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { barriers, launch } from './lib/browser.mjs';
import { ROOT, Sentinel, temporaryFolder, until } from './lib/sentinel.mjs';

const DEADLINE_MS = 20_000;
let demo;
let browser;
let page;
let incident;
const troubles = [];

before(async () => {
  demo = await Sentinel.demo({ args: ['--normal', '18s', '--fault', '900s'] });
  const { text } = await demo.request('GET', '/');
  assert.match(text, /<script/, 'the page is not built into the binary: npm --prefix web run build, then build again');
  browser = await launch();
  page = await browser.newPage({ viewport: { width: 1440, height: 1000 }, colorScheme: 'dark' });
  page.setDefaultTimeout(DEADLINE_MS);
  page.on('pageerror', (error) => troubles.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') troubles.push(`${message.text()} ${message.location().url}`);
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(demo.url) && !/^(data|blob):/.test(request.url())) troubles.push(`asked ${request.url()}`);
  });
});
after(async () => {
  await browser?.close();
  await demo?.stop();
});

test('in calm the overview says that all is well', async () => {
  await page.goto(demo.url);
  await page.getByText('All is well').waitFor();
  await page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  await page.getByRole('heading', { name: 'Golden signals' }).waitFor();
});

test('a young demo fills its charts, and is compared with nothing', async () => {
  await page.getByRole('button', { name: 'Last minute', pressed: true }).waitFor();
  const tiles = page.getByRole('region', { name: 'Totals of the range', exact: true });
  await tiles.waitFor();
  assert.doesNotMatch(await tiles.innerText(), /steady|%\s*steady|[+−]\d/);
  const { requests, throughput_rps, first_call_at, to } = await demo.get('/sentinel/v1/overview');
  const seconds = (Date.parse(to) - Date.parse(first_call_at)) / 1000;
  assert.ok(Math.abs(throughput_rps * seconds - requests) <= 0.05 * requests + 1, `${throughput_rps}/s over ${seconds} s is not ${requests} calls`);
});

test('without reloading the overview says what failed, why, and what next', async () => {
  const band = page.getByRole('region', { name: 'What failed, why, and what next' });
  await band.waitFor({ timeout: 90_000 });
  incident = (await until('an incident has a reason', async () => {
    const all = await demo.incidents('status=active');
    return all[0]?.why && all;
  }, { seconds: 60 })).at(-1);
  await band.getByRole('link', { name: new RegExp(incident.name) }).waitFor();
  for (const heading of ['What failed', 'Why']) {
    await band.getByText(heading, { exact: true }).first().waitFor();
  }
  const { what_failed, why, next_step } = await demo.get(`/sentinel/v1/incidents/${incident.name}`);
  await until('the band shows the three sentences', async () => {
    const shown = (await band.innerText()).replace(/\s+/g, ' ');
    const places = [what_failed, why, next_step].map((sentence) => shown.indexOf(sentence.replace(/\s+/g, ' ').slice(0, 25)));
    return places.every((place, i) => place >= 0 && (i === 0 || place > places[i - 1]));
  });
});

test('charts are drawn of real series', async () => {
  await page.getByRole('img', { name: /^Latency from .*p95: now/ }).waitFor();
  await page.getByRole('img', { name: /^Drift.* from / }).waitFor();
});

test('the incident opens with its diagnosis, runbook and timeline', async () => {
  await page.getByRole('region', { name: 'What failed, why, and what next' }).getByRole('link', { name: new RegExp(incident.name) }).click();
  await page.waitForURL(new RegExp(`#/incidents/${incident.name}`));
  await page.getByText('Diagnosis: what the failing calls have in common').waitFor();
  await page.getByRole('region', { name: 'Timeline' }).waitFor();
  await page.getByRole('checkbox', { name: /^Step 1 done/ }).click();
  await page.getByText(/^1 of \d+ done$/).waitFor();
  await until('the server knows it', async () => (await demo.get(`/sentinel/v1/incidents/${incident.name}`)).runbook.steps[0].state === 'done');
});

test('it is acknowledged by clicking', async () => {
  await page.getByRole('button', { name: 'Acknowledge', exact: true }).click();
  await page.getByText(`${incident.name} acknowledged`).first().waitFor();
  await page.getByRole('button', { name: 'Acknowledge', exact: true }).waitFor({ state: 'detached' });
  const now = await demo.get(`/sentinel/v1/incidents/${incident.name}`);
  assert.equal(now.status, 'acknowledged');
  assert.ok(now.acknowledged_at);
});

// Taken at every run, so that the script stays true; kept where they belong only on demand.
test('the pictures of the documentation', async () => {
  const folder = process.env.UPDATE_IMAGES === '1' ? path.join(ROOT, 'docs/images') : temporaryFolder();
  mkdirSync(folder, { recursive: true });
  const wide = { viewport: { width: 1440, height: 1180 } };
  const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true };
  const at = `#/incidents/${incident.name}?range=1m`;
  for (const [name, hash, colorScheme, size] of [
    ['overview-dark', '#/overview?range=1m', 'dark', wide],
    ['overview-light', '#/overview?range=1m', 'light', wide],
    ['incident', at, 'dark', wide],
    ['incident-phone', at, 'dark', phone],
  ]) {
    const shown = await browser.newPage({ ...size, colorScheme });
    shown.setDefaultTimeout(DEADLINE_MS);
    await shown.goto(`${demo.url}/${hash}`);
    await shown.getByText('What failed', { exact: true }).first().waitFor();
    // On a phone the charts are further down.
    if (size === wide) await shown.getByRole('img', { name: / from / }).first().waitFor();
    const file = path.join(folder, `${name}.png`);
    await shown.screenshot({ path: file, animations: 'disabled' });
    await shown.close();
    // A picture of an empty page compresses to next to nothing.
    assert.ok(statSync(file).size > 60_000, `${name}.png shows next to nothing`);
  }
});

test('it is resolved by clicking, with its cause', async () => {
  await page.getByRole('button', { name: 'Resolve', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: `Resolve ${incident.name}` });
  assert.notEqual(await dialog.getByLabel('Root cause').inputValue(), '', 'the cause is filled in from the diagnosis');
  await dialog.getByLabel('Resolution').fill('Pinned the old model version');
  await dialog.getByRole('button', { name: 'Resolve incident' }).click();
  await page.getByText(`${incident.name} resolved`).first().waitFor();
  await page.getByRole('button', { name: 'Reopen' }).waitFor();
  const now = await demo.get(`/sentinel/v1/incidents/${incident.name}`);
  assert.deepEqual([now.status, now.resolution], ['resolved', 'Pinned the old model version']);
  assert.ok(now.root_cause && now.time_to_resolve_s > 0);
});

test('the postmortem is a tab of the incident', async () => {
  await page.getByRole('tab', { name: 'Postmortem' }).click();
  const text = page.getByRole('region', { name: 'Postmortem' });
  await text.getByRole('heading', { name: /^Postmortem: / }).waitFor();
  await text.getByText(incident.name).first().waitFor();
  await text.getByText('Pinned the old model version').first().waitFor();

  // What is to be done is written down beside it, and ticked off.
  const items = page.getByRole('region', { name: 'Action items' });
  await items.getByLabel('What is to be done').fill('Pin model versions');
  await items.getByLabel('Owner').fill('amira');
  await items.getByLabel('Due date').fill('2020-01-31');
  await items.getByRole('button', { name: 'Add' }).click();
  await items.getByText('overdue since 2020-01-31').waitFor();
  await items.getByLabel('State of Pin model versions').selectOption('done');
  await items.getByText('due 2020-01-31').waitFor();
  assert.equal(await items.getByText('overdue').count(), 0);

  await text.getByRole('button', { name: 'Edit' }).click();
  await text.getByLabel('Text of the postmortem').fill('# What we learnt\n\nPin versions.');
  await text.getByRole('button', { name: 'Save' }).click();
  await text.getByRole('heading', { name: 'What we learnt' }).waitFor();
  await text.getByText(/^Written by /).waitFor();
  await text.getByRole('button', { name: 'Edit' }).click();
  await text.getByRole('button', { name: 'Back to the generated one' }).click();
  await text.getByRole('heading', { name: /^Postmortem: / }).waitFor();
});

test('a point of a chart shows the calls behind it, and a call in full', async () => {
  await page.goto(`${demo.url}/#/overview`);
  // By its name: the incident that was looked at before has a chart as well, and goes away in this moment.
  const plot = page.getByRole('region', { name: 'Latency chart' }).locator('.u-over');
  await plot.waitFor();
  let box = null;
  while (box === null) box = await plot.boundingBox(); // null for one that gives way to the next in this moment
  await plot.click({ position: { x: box.width * 0.9, y: box.height / 2 } });
  const drawer = page.getByRole('complementary', { name: /^Example calls: / });
  await drawer.getByRole('button', { name: /^Call / }).first().click();
  await page.getByRole('heading', { name: 'Prompt', exact: true }).waitFor();
  await page.keyboard.press('Escape');
});

test('a chart opens its query, which runs', async () => {
  await page.goto(`${demo.url}/#/overview`);
  await page.getByRole('button', { name: 'Latency: chart menu' }).click();
  await page.getByRole('menuitem', { name: 'Open query' }).click();
  const query = page.getByRole('textbox', { name: 'PromQL query' }).first();
  await query.waitFor();
  assert.match((await query.inputValue().catch(() => '')) || (await query.innerText()), /llm_request_latency_ms/);
  await page.getByRole('img', { name: / from / }).first().waitFor();
});

for (const colorScheme of ['dark', 'light']) {
  test(`no page is a barrier to a screen reader or weak eyes, ${colorScheme}`, async () => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    const places = ['overview', `incidents/${incident.name}`, 'incidents', 'alerts', 'oncall', 'rules', 'calls', 'explore', 'analytics', 'status', 'demo'];
    for (const place of places) {
      await page.goto(`${demo.url}/#/${place}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
      await page.waitForFunction(() => !document.querySelector('.lines .skeleton'));
      assert.deepEqual(await barriers(page), [], place);
    }
  });
}

test('a circuit breaker is opened and released by hand', async () => {
  await page.goto(`${demo.url}/#/status`);
  const card = page.getByRole('region', { name: 'Circuit breakers' });
  const open = card.getByRole('button', { name: /^Open the breaker of / }).first();
  const name = (await open.getAttribute('aria-label')).replace('Open ', '');
  await open.click();
  await card.getByRole('button', { name: `Release ${name}` }).click();
  await card.getByRole('button', { name: `Open ${name}` }).waitFor();
});

test('every other page opens', async () => {
  for (const name of ['Incidents', 'Alerts', 'On-call', 'Rules', 'Calls', 'Explore', 'Analytics', 'Status', 'Demo']) {
    await page.goto(`${demo.url}/#/${name.toLowerCase().replace('-', '')}`);
    await page.getByRole('heading', { level: 1, name }).waitFor();
    assert.equal(await page.getByText('This screen failed').count(), 0, name);
  }
});

test('the address of an incident that the demo prints opens that incident', async () => {
  const address = /http:\/\/\S+\/incidents\/\S+/.exec(demo.output)?.[0];
  assert.ok(address, 'the demo prints the address of an incident');
  const other = await browser.newPage();
  await other.goto(address);
  await other.getByRole('heading', { level: 1, name: /INC-\d+/ }).waitFor({ timeout: 8000 });
  await other.close();
});

test('the browser had nothing to complain of', () => assert.deepEqual(troubles, []));
