// The pictures of README.md, taken of a running server so that they stay true:
//   node dev/pictures.mjs --url=http://127.0.0.1:8080 --out=../docs/images
// Without --url the mock server stands in, for trying the script.
import { mkdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { CHROMIUM } from './chromium.mjs';
import { createMock, distFolder } from './mock.mjs';

const option = (name, otherwise) =>
  process.argv.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3) ?? otherwise;
const out = option('out', '../docs/images');
mkdirSync(out, { recursive: true });

let url = option('url', '');
let server = null;
if (!url) {
  server = createMock({ dist: distFolder });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  url = `http://127.0.0.1:${server.address().port}`;
}

const browser = await chromium.launch(CHROMIUM);
async function take(name, hash, { scheme = 'dark', size = { width: 1440, height: 900 }, scale = 1 } = {}) {
  const page = await browser.newPage({ viewport: size, deviceScaleFactor: scale, colorScheme: scheme });
  await page.goto(`${url}/${hash}`);
  await page.locator('main h2').first().waitFor();
  // Charts are drawn when their answers are in; a few seconds also fill the stream of calls.
  await page.waitForLoadState('domcontentloaded');
  await page.waitForTimeout(4000);
  await page.screenshot({ path: `${out}/${name}.png` });
  await page.close();
  console.log(`${out}/${name}.png`);
}
/** The newest incident, active or not; the list is asked as the page asks it. */
async function newest() {
  const answer = await fetch(`${url}/sentinel/v1/incidents?limit=1`);
  return answer.ok ? (await answer.json()).items[0]?.name : undefined;
}

await take('overview-dark', '#/overview?range=15m', { size: { width: 1440, height: 1180 } });
await take('overview-light', '#/overview?range=15m', { scheme: 'light', size: { width: 1440, height: 1180 } });
const incident = await newest();
if (incident) {
  await take('incident', `#/incidents/${incident}?range=15m`, { size: { width: 1440, height: 1180 } });
  await take('incident-phone', `#/incidents/${incident}?range=15m`, { size: { width: 390, height: 844 }, scale: 2 });
}
await browser.close();
server?.close();
server?.closeAllConnections();
