// Clicks through the built page against the mock server, the way a person on call would: by role and label, and by key.
// Run after `npm run build`: npm run smoke
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';
import { CHROMIUM } from './chromium.mjs';
import { createMock, distFolder } from './mock.mjs';

const server = createMock({ dist: distFolder });
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const base = `http://127.0.0.1:${server.address().port}`;
const mock = (path, body = {}) =>
  fetch(`${base}/mock/${path}`, { method: 'POST', body: JSON.stringify(body) }).then((r) => r.json());
const browser = await chromium.launch(CHROMIUM);
const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
const page = await context.newPage();
page.setDefaultTimeout(8000);
const troubles = [];
const outside = [];
page.on('pageerror', (error) => troubles.push(String(error)));
page.on('console', (message) => {
  if (message.type() === 'error' && !/40\d|50\d|ERR_/.test(message.text())) troubles.push(message.text());
});
page.on('request', (request) => {
  if (!request.url().startsWith(base) && !/^(data|blob):/.test(request.url())) outside.push(request.url());
});

/** Accessibility rules of WCAG 2.1 A and AA, by axe. */
async function accessible(where, onlyContrast) {
  // Past the entrance of drawers and toasts: a half-faded text has too little contrast.
  await page.waitForTimeout(400);
  // Evaluated, not added as a script element: the page's content policy refuses inline scripts, as it should.
  await page.evaluate(await axeSource);
  const found = await page.evaluate(
    (only) =>
      globalThis.axe.run(
        document,
        only
          ? { runOnly: { type: 'rule', values: ['color-contrast'] } }
          : { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] },
      ),
    onlyContrast ?? false,
  );
  const said = found.violations.map(
    (v) =>
      `${where}: ${v.id}: ${v.nodes
        .slice(0, 4)
        .map((n) => `${n.target} ${n.any.map((a) => a.message).join('; ')}`)
        .join(' | ')}`,
  );
  barriers.push(...said);
}
const barriers = [];
const axeSource = readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const text = (value) => page.getByText(value).first().waitFor();
const steps = {
  async 'the overview says what failed, why, and what next'() {
    await page.goto(`${base}/#/overview?range=15m`);
    const band = page.getByRole('region', { name: 'What failed, why, and what next' });
    await band.getByRole('heading', { name: 'What failed' }).waitFor();
    for (const words of ['twice the limit', 'model_version sim-large-2', 'Route /api/chat back'])
      await band.getByText(words).waitFor();
    await page.getByRole('img', { name: /^Latency from .*p95: now/ }).waitFor();
  },
  async 'acknowledge by button'() {
    await page.getByRole('button', { name: 'Acknowledge' }).click();
    await text('INC-17 acknowledged');
    await page.getByRole('button', { name: 'Acknowledge' }).waitFor({ state: 'detached' });
  },
  async 'a drag zooms every chart, and the address keeps it'() {
    const box = await page.locator('.u-over').first().boundingBox();
    await page.mouse.move(box.x + 40, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + 120, box.y + 42, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+&to=\d+/);
    await page.getByRole('button', { name: 'Last 15 minutes' }).first().click();
    await page.waitForURL(/range=15m/);
  },
  async 'a click on a point shows calls, and a call in full'() {
    await page.waitForTimeout(400);
    const box = await page.locator('.u-over').first().boundingBox();
    await page.mouse.click(box.x + box.width * 0.7, box.y + 40);
    const drawer = page.getByRole('complementary', { name: /Example calls: Latency around/ });
    await drawer
      .getByRole('button', { name: /^Call req_/ })
      .first()
      .click();
    await page.getByRole('heading', { name: 'Prompt', exact: true }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('heading', { name: 'Prompt', exact: true }).waitFor({ state: 'detached' });
  },
  async 'a chart opens its query'() {
    await page.getByRole('button', { name: 'Latency: chart menu' }).click();
    await page.getByRole('menuitem', { name: 'Open query' }).click();
    await page.getByRole('textbox', { name: 'PromQL query' }).waitFor();
    await page.getByRole('img', { name: /^Query result from/ }).waitFor();
  },
  async 'a saved SQL investigation runs'() {
    await page.getByRole('tab', { name: 'Calls (SQL)' }).click();
    await page.getByRole('button', { name: 'Drifted answers' }).click();
    await page.getByRole('columnheader', { name: 'drift_score' }).waitFor();
  },
  async 'keys lead to the incident'() {
    await page.getByRole('heading', { level: 1 }).click();
    await page.keyboard.press('g');
    await page.keyboard.press('i');
    await page.waitForURL(/#\/incidents/);
    await page.getByRole('link', { name: /INC-17/ }).waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForURL(/#\/incidents\/INC-17/);
    await text('Diagnosis: what the failing calls have in common');
  },
  async 'runbook step, note, severity, assignee'() {
    await page.getByRole('checkbox', { name: /Step 1 done/ }).click();
    await text('1 of 5 done');
    await page.getByRole('textbox', { name: 'Note', exact: true }).fill('Rolled back by hand');
    await page.getByRole('button', { name: 'Add note' }).click();
    await page.getByRole('region', { name: 'Timeline' }).getByText('Rolled back by hand').waitFor();
    await page.getByRole('region', { name: 'Properties' }).getByRole('button', { name: /SEV2/ }).click();
    await page.getByRole('menuitemradio', { name: 'SEV1 Critical' }).click();
    await text('INC-17 is now SEV1');
    await page.getByRole('button', { name: /Change assignee/ }).click();
    await page.getByRole('textbox', { name: 'Assignee' }).fill('amira');
    await page.getByRole('button', { name: 'Assign', exact: true }).click();
    await text('INC-17 assigned to amira');
  },
  async 'a new incident is announced without reloading'() {
    const { name } = await mock('incident');
    await page.locator('.toast', { hasText: name }).waitFor();
    assert.match(await page.title(), /^\(2\)/);
  },
  async 'resolve with cause, by key'() {
    await page.getByRole('heading', { level: 1 }).click();
    await page.keyboard.press('r');
    const dialog = page.getByRole('dialog', { name: 'Resolve INC-17' });
    assert.match(await dialog.getByLabel('Root cause').inputValue(), /sim-large-2/);
    await dialog.getByLabel('Resolution').fill('Routed back to sim-large-1');
    await dialog.getByRole('button', { name: 'Resolve incident' }).click();
    await text('INC-17 resolved');
    await page.getByRole('button', { name: 'Reopen' }).waitFor();
    await page.getByRole('tab', { name: 'Postmortem' }).click();
    await page.getByRole('heading', { name: /Postmortem: INC-17/ }).waitFor();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download' }).click();
    assert.equal((await download).suggestedFilename(), 'postmortem-inc-17.md');
  },
  async 'the palette finds pages and actions'() {
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox').fill('analytics');
    await page.keyboard.press('Enter');
    await page.waitForURL(/#\/analytics/);
    await page.getByRole('region', { name: 'Time to resolve' }).waitFor();
  },
  async 'every other page opens'() {
    for (const [hash, region] of [
      ['alerts', 'Alerts'],
      ['oncall', 'Shifts'],
      ['oncall', 'Maintenance windows'],
      ['oncall', 'Heartbeats'],
      ['silences', 'Recurring silences'],
      ['rules', 'Rule group llm'],
      ['calls', 'Calls'],
      ['status', 'Notifications'],
      ['demo', 'Failure toggles'],
    ]) {
      await page.goto(`${base}/#/${hash}`);
      await page.getByRole('region', { name: region }).waitFor();
    }
    await page.getByRole('switch', { name: 'Latency' }).click();
    await page.getByRole('switch', { name: 'Latency', checked: true }).waitFor();
  },
  async 'every page meets the accessibility rules, dark and light'() {
    for (const scheme of ['dark', 'light']) {
      await page.emulateMedia({ colorScheme: scheme });
      for (const hash of [
        'overview',
        'incidents?all=1',
        'incidents/INC-17',
        'incidents/INC-16?tab=postmortem',
        'alerts',
        'alerts?view=groups&silenced=true',
        'oncall',
        'silences',
        'silences/new?filter=category%3Dllm',
        'rules',
        'calls',
        'explore',
        'explore?tab=sql',
        'analytics',
        'status',
        'demo',
      ]) {
        await page.goto(`${base}/#/${hash}`);
        await page.waitForTimeout(600);
        await accessible(`${hash} ${scheme}`, scheme === 'light');
      }
      await page.goto(`${base}/#/calls`);
      await page
        .getByRole('button', { name: /^Call req_/ })
        .first()
        .click();
      await page.getByRole('heading', { name: 'Prompt', exact: true }).waitFor();
      await accessible(`call ${scheme}`, scheme === 'light');
      await page.keyboard.press('Escape');
      await page.keyboard.press('?');
      await accessible(`help ${scheme}`, scheme === 'light');
      await page.keyboard.press('Escape');
    }
    assert.deepEqual(barriers, []);
  },
  async 'all is well, nothing measured, and a broken server are told apart'() {
    await mock('mode', { mode: 'calm' });
    await page.goto(`${base}/#/overview?range=1h`);
    await page.reload();
    await text('All is well');
    await mock('mode', { mode: 'empty' });
    await page.reload();
    await text('No calls in this range');
    await mock('mode', { mode: 'broken' });
    await page.reload();
    await text('The store is being recovered');
    await mock('mode', { mode: 'incident' });
    // It comes back by itself.
    await page.getByRole('region', { name: 'What failed, why, and what next' }).waitFor({ timeout: 20000 });
  },
  async 'a locked server is opened with a key'() {
    await mock('mode', { mode: 'locked' });
    await page.reload();
    await page.getByLabel('API key').fill('open sesame');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('region', { name: 'What failed, why, and what next' }).waitFor();
    await page.getByText('Live · 0.1.0-mock').waitFor();
    await mock('mode', { mode: 'incident' });
  },
  async 'theme is kept, and works on a phone'() {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.getByRole('button', { name: 'Theme' }).click();
    await page.getByRole('menuitemradio', { name: 'Light' }).click();
    await page.reload();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
    await page
      .getByRole('navigation', { name: 'Main, small screen' })
      .getByRole('link', { name: /Incidents/ })
      .click();
    await page.waitForURL(/#\/incidents/);
    for (const hash of [
      'overview',
      'incidents/INC-17',
      'incidents',
      'alerts',
      'alerts?view=groups&silenced=true',
      'silences',
      'silences/new?filter=category%3Dllm',
      'rules',
      'calls',
      'explore',
      'explore?tab=sql',
      'analytics',
      'status',
      'demo',
    ]) {
      await page.goto(`${base}/#/${hash}`);
      await page.waitForTimeout(700);
      const [wide, seen] = await page.evaluate(() => {
        const main = document.querySelector('main');
        return [main.scrollWidth, main.clientWidth];
      });
      assert.ok(wide <= seen + 1, `${hash} is wider than a phone: ${wide} > ${seen}`);
    }
  },
};

let failed = 0;
for (const [name, run] of Object.entries(steps)) {
  const began = performance.now();
  try {
    await run();
    console.log(`ok    ${name} (${Math.round(performance.now() - began)} ms)`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL  ${name}\n${error.stack}`);
    await page.screenshot({ path: `/tmp/smoke-${failed}.png` }).catch(() => undefined);
  }
}
if (outside.length) {
  failed += 1;
  console.log('FAIL  requests to elsewhere:', outside);
}
if (troubles.length) {
  failed += 1;
  console.log('FAIL  errors in the page:', troubles);
}
await browser.close();
server.close();
server.closeAllConnections();
process.exit(failed ? 1 : 0);
