// Pictures of every screen against the mock server, for looking at: node dev/shots.mjs [folder] [name…]
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { CHROMIUM } from './chromium.mjs';
import { createMock, distFolder } from './mock.mjs';

const folder = process.argv[2] ?? 'shots';
const only = process.argv.slice(3);
mkdirSync(folder, { recursive: true });

const WIDE = { width: 1440, height: 900 };
const SHOTS = [
  { name: 'overview-dark', hash: '#/overview?range=15m' },
  { name: 'overview-light', hash: '#/overview?range=15m', light: true },
  { name: 'overview-phone', hash: '#/overview?range=15m', phone: true, full: true },
  { name: 'overview-full', hash: '#/overview?range=15m', full: true },
  { name: 'overview-full-light', hash: '#/overview?range=1h', full: true, light: true },
  { name: 'overview-calm', hash: '#/overview?range=1h', mode: 'calm' },
  { name: 'overview-empty', hash: '#/overview', mode: 'empty', full: true },
  { name: 'overview-broken', hash: '#/overview', mode: 'broken' },
  { name: 'overview-tablet', hash: '#/overview', size: { width: 900, height: 1100 } },
  { name: 'incident-dark', hash: '#/incidents/INC-17?range=15m', full: true },
  { name: 'incident-light', hash: '#/incidents/INC-17?range=15m', light: true, full: true },
  { name: 'incident-phone', hash: '#/incidents/INC-17?range=15m', phone: true, full: true },
  { name: 'postmortem', hash: '#/incidents/INC-16?tab=postmortem', full: true },
  { name: 'incidents', hash: '#/incidents?all=1' },
  { name: 'incidents-phone', hash: '#/incidents?all=1', phone: true },
  { name: 'alerts', hash: '#/alerts' },
  { name: 'alerts-open', hash: '#/alerts', click: 'main .line' },
  { name: 'groups', hash: '#/alerts?view=groups&silenced=true', click: 'main .line' },
  { name: 'groups-phone', hash: '#/alerts?view=groups&silenced=true', phone: true },
  { name: 'silences', hash: '#/silences' },
  { name: 'silences-light', hash: '#/silences', light: true },
  { name: 'silences-phone', hash: '#/silences', phone: true },
  { name: 'silence', hash: '#/silences', click: 'main a.main' },
  { name: 'silence-new', hash: '#/silences/new?filter=%7Bendpoint%3D%22%2Fapi%2Fchat%22%7D', full: true },
  { name: 'silence-new-light', hash: '#/silences/new?repeat=1&filter=category%3Dllm', light: true, full: true },
  { name: 'silence-new-phone', hash: '#/silences/new?filter=category%3Dllm', phone: true, full: true },
  { name: 'silence-expire', hash: '#/silences', click: 'main .danger' },
  { name: 'rules', hash: '#/rules' },
  { name: 'rules-light', hash: '#/rules', light: true },
  { name: 'calls', hash: '#/calls?range=15m' },
  { name: 'call', hash: '#/calls?range=15m', click: 'main tbody tr:nth-child(2) button' },
  { name: 'calls-light', hash: '#/calls', light: true },
  { name: 'explore', hash: '#/explore?range=1h' },
  { name: 'explore-light', hash: '#/explore?range=1h', light: true },
  { name: 'explore-table', hash: '#/explore?view=table' },
  { name: 'sql', hash: '#/explore?tab=sql', click: 'text=Drifted answers' },
  { name: 'explore-error', hash: '#/explore?q=sum(rate(' },
  { name: 'analytics', hash: '#/analytics' },
  { name: 'status', hash: '#/status?range=24h' },
  { name: 'demo', hash: '#/demo' },
  { name: 'palette', hash: '#/overview', key: 'Control+k' },
  { name: 'help', hash: '#/overview', key: '?' },
  { name: 'resolve', hash: '#/overview', key: 'r' },
  { name: 'drawer', hash: '#/overview', point: true },
  { name: 'hover', hash: '#/overview', hover: true },
  { name: 'range', hash: '#/overview', click: 'button.custom' },
  { name: 'phone-explore', hash: '#/explore', phone: true },
  { name: 'phone-call', hash: '#/calls', phone: true, click: 'main tbody tr:nth-child(2) button' },
];

const server = createMock({ dist: distFolder });
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const base = `http://127.0.0.1:${server.address().port}`;
const browser = await chromium.launch(CHROMIUM);
for (const shot of SHOTS) {
  if (only.length && !only.some((name) => shot.name.startsWith(name))) continue;
  await fetch(`${base}/mock/mode`, { method: 'POST', body: JSON.stringify({ mode: shot.mode ?? 'incident' }) });
  const page = await browser.newPage({
    viewport: shot.phone ? { width: 390, height: 844 } : (shot.size ?? WIDE),
    deviceScaleFactor: shot.phone ? 2 : 1,
    colorScheme: shot.light ? 'light' : 'dark',
    hasTouch: !!shot.phone,
  });
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && shot.mode !== 'broken') console.log(shot.name, message.text());
  });
  page.on('pageerror', (error) => console.log(shot.name, 'PAGE ERROR', error.stack));
  await page.goto(`${base}/${shot.hash}`);
  await page.waitForTimeout(2200);
  if (shot.click) await page.locator(shot.click).first().click();
  if (shot.key) await page.keyboard.press(shot.key);
  if (shot.point || shot.hover) {
    const over = page.locator('.u-over').nth(0);
    const box = await over.boundingBox();
    await page.mouse.move(box.x + box.width * 0.4, box.y + 40);
    if (shot.point) await page.mouse.click(box.x + box.width * 0.6, box.y + 40);
  }
  if (shot.click || shot.key || shot.point || shot.hover) await page.waitForTimeout(900);
  if (shot.full) {
    const tall = await page.evaluate(() => document.querySelector('main').scrollHeight + 110);
    await page.setViewportSize({ width: page.viewportSize().width, height: Math.min(tall, 6000) });
    await page.waitForTimeout(1500);
  }
  const overflow = await page.evaluate(() => {
    const main = document.querySelector('main');
    return main.scrollWidth > main.clientWidth + 1 ? `overflow ${main.scrollWidth} > ${main.clientWidth}` : '';
  });
  if (overflow) console.log(shot.name, overflow);
  await page.screenshot({ path: `${folder}/${shot.name}.png` });
  await page.close();
}
await browser.close();
server.close();
server.closeAllConnections();
