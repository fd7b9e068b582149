// Silences on the page, as who comes from Alertmanager does it: a link out of a notification, a silence with its preview, its end.
// On `sentinel alertmanager` (with a prefix, with a password over TLS) and on `sentinel serve`.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { barriers, launch } from './lib/browser.mjs';
import { Sentinel, folderWith, freePorts, until, webhook } from './lib/sentinel.mjs';

const DEADLINE_MS = 20_000;

const CONFIG = (hook) => `# a comment
route:
  receiver: default
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 1s
  repeat_interval: 1h
  routes:
    - {receiver: 'team.x (night)', matchers: ['team="x"'], continue: false}
    - {receiver: nights, matchers: ['team="night"'], mute_time_intervals: [always], continue: true}
    - {receiver: nights, matchers: ['alertname="Nightly"'], mute_time_intervals: [always]}
receivers:
  - {name: default, webhook_configs: [{url: '${hook}/default?token=abc'}]}
  - {name: 'team.x (night)', webhook_configs: [{url: '${hook}/x'}]}
  - name: nights
time_intervals:
  - {name: always, time_intervals: [{}]}
inhibit_rules:
  - {source_matchers: [severity="critical"], target_matchers: [severity="warning"], equal: [service]}
`;

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** A page that keeps what it complained of, and what it asked of whom. */
async function openPage(origin, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 1000 }, colorScheme: 'dark', timezoneId: 'Europe/Berlin', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  page.troubles = [];
  page.asked = new Set();
  page.on('pageerror', (error) => page.troubles.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') page.troubles.push(`${message.text()} ${message.location().url}`);
  });
  page.on('request', (request) => {
    if (/^(data|blob):/.test(request.url())) return;
    const url = new URL(request.url());
    if (url.origin !== new URL(origin).origin) page.troubles.push(`asked ${request.url()}`);
    page.asked.add(url.pathname);
  });
  return page;
}

async function overflow(page) {
  return page.evaluate(() => {
    const main = document.querySelector('main');
    return main.scrollWidth > main.clientWidth + 1 ? `${main.scrollWidth} > ${main.clientWidth}` : '';
  });
}
/** The line that says what was done, not its copy for screen readers. */
const toast = (page, text) => page.locator('.toast', { hasText: text }).first().waitFor();
const settled = (page) => page.waitForFunction(() => !document.querySelector('.lines .skeleton, [aria-busy=true]'));

const alert = (labels, annotations = {}) => ({ labels, annotations, generatorURL: 'http://prometheus.test/graph?g0.expr=up' });
const firing = [
  alert({ alertname: 'Slow', service: 'shop', host: 'web-1' }, { summary: 'Answers of shop are slow', runbook_url: 'https://runbooks.test/slow' }),
  alert({ alertname: 'Slow', service: 'shop', host: 'web-2' }),
  alert({ alertname: 'Down', service: 'blog', severity: 'critical', team: 'x' }),
  alert({ alertname: 'Late', service: 'blog', severity: 'warning' }),
  alert({ alertname: 'Nightly', team: 'night' }),
];

/** Who opens it, makes a silence out of it, sees the alert silenced, and ends it again. The same on both servers. */
async function silenceAndExpire({ page, server, base }) {
  const form = page.getByRole('region', { name: 'New silence' });
  await page.goto('about:blank');
  await page.goto(`${base}#/alerts?receiver=default&filter=${encodeURIComponent('{alertname="Slow"}')}`);
  const group = page.getByRole('region', { name: 'Group of default: alertname="Slow"' });
  await group.getByText('2 alerts').waitFor();
  await group.getByRole('button', { name: /Answers of shop are slow/ }).click();
  await group.getByRole('link', { name: 'Source' }).waitFor();
  await group.getByRole('link', { name: 'https://runbooks.test/slow' }).waitFor();
  await group.getByRole('link', { name: 'Silence', exact: true }).click();

  await page.waitForURL(/#\/silences\/new\?/);
  const create = form.getByRole('button', { name: 'Create silence' });
  assert.deepEqual(await form.getByLabel(/^value \d/).evaluateAll((all) => all.map((one) => one.value).sort()), ['Slow', 'shop', 'web-1']);
  const preview = page.getByRole('region', { name: 'Preview' });
  await preview.getByRole('heading', { name: 'Would mute 1 alert now' }).waitFor();
  await preview.getByRole('heading', { name: 'No group falls silent' }).waitFor();
  assert.ok(await create.isDisabled(), 'a comment is needed');
  await form.getByText('The comment is missing: why?').waitFor();

  const host = await form.getByLabel(/^label \d/).evaluateAll((all) => all.findIndex((one) => one.value === 'host') + 1);
  await form.getByLabel(`operator ${host}`).selectOption('=~');
  await form.getByLabel(`value ${host}`).fill('web-(');
  await preview.getByText(/invalid regular expression/).waitFor();
  await form.getByLabel('Comment').fill('new database');
  assert.ok(await create.isDisabled(), 'what was not previewed is not made');
  await form.getByLabel(`value ${host}`).fill('web-.*');
  await preview.getByRole('heading', { name: 'Would mute 2 alerts now' }).waitFor();
  await preview.getByRole('heading', { name: '1 group falls silent' }).waitFor();
  await preview.getByRole('heading', { name: 'Fired 2 times in the last week' }).waitFor();
  await form.getByRole('button', { name: '4h', exact: true }).click();
  await form.getByRole('checkbox', { name: 'End early once it is resolved' }).check();
  await form.getByLabel('Author').fill('ada ü');
  assert.deepEqual(await barriers(page), [], 'the form');
  await create.click();

  await page.waitForURL(/#\/silences\/[0-9a-f-]{36}$/);
  const id = /[0-9a-f-]{36}$/.exec(page.url())[0];
  await page.getByRole('heading', { name: 'Mutes 2 alerts' }).waitFor();
  const made = await server.get(`/api/v2/silence/${id}`);
  assert.deepEqual([made.createdBy, made.comment, made.annotations.until_resolved, made.status.state], ['ada ü', 'new database', '5m', 'active']);
  assert.ok(Math.abs(Date.parse(made.endsAt) - Date.now() - 4 * 3600_000) < 60_000);
  assert.deepEqual(made.matchers.map((m) => [m.name, m.value, m.isRegex, m.isEqual]).sort(), [['alertname', 'Slow', false, true], ['host', 'web-.*', true, true], ['service', 'shop', false, true]]);

  await page.goto(`${base}#/alerts?receiver=default&filter=${encodeURIComponent('{alertname="Slow"}')}`);
  await page.getByText('Not shown: 2 silenced.').waitFor();
  await page.getByRole('button', { name: /^Silenced/ }).click();
  await group.getByText('silenced', { exact: true }).first().waitFor();
  await group.getByRole('button', { name: /Answers of shop are slow/ }).click();
  await group.getByRole('link', { name: id }).click();
  await page.waitForURL(new RegExp(`#/silences/${id}`));

  await page.getByRole('button', { name: 'Extend', exact: true }).click();
  await page.getByRole('menuitem', { name: '1 day' }).click();
  await page.getByRole('dialog', { name: 'Extend this silence by 1 day?' }).getByRole('button', { name: 'Extend silence' }).click();
  await toast(page, 'Silence extended by 1 day');
  const longer = await server.get(`/api/v2/silence/${id}`);
  assert.equal(Date.parse(longer.endsAt) - Date.parse(made.endsAt), 86_400_000, 'the same silence, a day longer');

  await page.getByRole('link', { name: 'Edit' }).click();
  await page.getByLabel('Comment').fill('newer database');
  await page.getByRole('region', { name: 'Edit silence' }).getByRole('button', { name: 'Save silence' }).click();
  await toast(page, 'Silence changed');
  const edited = await server.get(`/api/v2/silence/${id}`);
  assert.deepEqual([edited.comment, edited.createdBy, edited.annotations.until_resolved, edited.status.state], ['newer database', 'ada ü', '5m', 'active'], 'another comment is no other silence');

  await page.getByRole('link', { name: 'All silences' }).click();
  const list = page.getByRole('region', { name: 'Silences', exact: true });
  await page.getByLabel('Search silences by matcher, author or comment').fill('service="shop"');
  await list.getByText('mutes 2', { exact: true }).waitFor();
  await page.getByLabel('Search silences by matcher, author or comment').fill('service="blog"');
  await page.getByText('No active silence matches').waitFor();
  await page.getByLabel('Search silences by matcher, author or comment').fill('ada newer');
  await list.getByRole('button', { name: 'Expire' }).click();
  await page.getByRole('dialog', { name: 'Expire this silence?' }).getByText(/mutes 2 alerts now/).waitFor();
  await page.getByRole('dialog', { name: 'Expire this silence?' }).getByRole('button', { name: 'Expire silence' }).click();
  await toast(page, 'Silence expired');
  await page.getByRole('button', { name: /^Expired/ }).click();
  await list.getByRole('link', { name: 'Recreate' }).first().waitFor();
  assert.equal((await server.get(`/api/v2/silence/${id}`)).status.state, 'expired');
  const { items } = await server.get(`/sentinel/v1/audit?target=${id}`);
  assert.ok(items.every((one) => one.source === 'page'), JSON.stringify(items.map((one) => one.source)));

  await page.goto(`${base}#/alerts?receiver=default&filter=${encodeURIComponent('{alertname="Slow"}')}`);
  await group.getByText('2 alerts').waitFor();
}

async function recurring({ page, server, base }) {
  await page.goto(`${base}#/silences/new?repeat=1&filter=${encodeURIComponent('{service="blog",}')}`);
  const form = page.getByRole('region', { name: 'New silence' });
  await form.getByRole('button', { name: 'Sunday' }).click();
  await form.getByLabel('From', { exact: true }).fill('22:00');
  await form.getByLabel('To', { exact: true }).fill('01:30');
  await form.getByLabel('Comment').fill('backups');
  await form.getByRole('button', { name: 'Create recurring silence' }).click();
  const list = page.getByRole('region', { name: 'Recurring silences' });
  await list.getByText('sunday 22:00–24:00 Europe/Berlin; monday 00:00–01:30 Europe/Berlin').waitFor();
  const { items } = await server.get('/sentinel/v1/silences/recurring');
  const [first] = items[0].instances;
  assert.equal(Date.parse(first.ends_at) - Date.parse(first.starts_at), 3.5 * 3600_000, 'one silence over midnight');
  await list.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove recurring silence' }).click();
  await list.getByText('No silence comes again').waitFor();
  assert.deepEqual((await server.get('/sentinel/v1/silences/recurring')).items, []);
}

async function accessibleEverywhere({ page, base, places }) {
  for (const colorScheme of ['dark', 'light']) {
    for (const viewport of [{ width: 1440, height: 1000 }, { width: 390, height: 844 }]) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      for (const place of places) {
        await page.goto(`${base}#/${place}`);
        await page.getByRole('heading', { level: 1 }).waitFor();
        await settled(page);
        assert.deepEqual(await barriers(page), [], `${place} ${colorScheme} ${viewport.width}`);
        assert.equal(await overflow(page), '', `${place} ${viewport.width}`);
      }
    }
  }
  await page.setViewportSize({ width: 1440, height: 1000 });
}

describe('sentinel alertmanager', () => {
  let hook, server, page;
  const base = () => `${server.url}/`;
  before(async () => {
    hook = await webhook();
    const port = await freePorts();
    const folder = folderWith({ 'alertmanager.yml': CONFIG(hook.url) });
    server = new Sentinel(['alertmanager', `--config.file=${folder}/alertmanager.yml`, `--storage.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`, `--web.external-url=http://127.0.0.1:${port}/am/x`], `http://127.0.0.1:${port}/am/x`);
    await server.ready();
    assert.equal((await server.request('POST', '/api/v2/alerts', firing)).status, 200);
    page = await openPage(server.url);
  });
  after(async () => {
    assert.equal(await server.stop(), 0);
    await hook.close();
  });

  test('the link of a notification opens its receiver\'s groups; the menu has what is here', async () => {
    const told = await until('the team was told', () => hook.received.find((r) => r.path === '/x'));
    const { externalURL, receiver } = JSON.parse(told.body);
    // What Alertmanager's templates make of it; a name travels as the expression that means it.
    assert.equal(receiver, 'team\\.x \\(night\\)');
    await page.goto(`${externalURL}/#/alerts?receiver=${encodeURIComponent(receiver).replaceAll('%20', '+')}`);
    await page.getByRole('region', { name: 'Group of team.x (night): alertname="Down"' }).getByText('Down', { exact: true }).waitFor();
    assert.equal(await page.getByRole('region', { name: /^Group of/ }).count(), 1);
    assert.equal(await page.getByLabel('Receiver').locator('option:checked').innerText(), 'team.x (night)');
    await page.getByLabel('Receiver').selectOption('nights');
    await page.waitForURL(/receiver=nights/);
    const menu = page.getByRole('navigation', { name: 'Main', exact: true });
    assert.deepEqual((await menu.getByRole('link').allInnerTexts()).map((text) => text.split('\n')[0].trim()), ['Sentinel', 'Alerts', 'Silences', 'Status']);
  });

  test('the bare root and the prefix lead to it', async () => {
    const { origin } = new URL(server.url);
    for (const where of [`${origin}/`, server.url, `${server.url}/`]) {
      await page.goto(where);
      await page.getByRole('heading', { level: 1, name: 'Alerts' }).waitFor();
      assert.equal(new URL(page.url()).pathname, '/am/x/');
    }
  });

  test('what is not told is hidden, counted, and shown on demand', async () => {
    await page.goto(`${base()}#/alerts`);
    await page.getByText('Not shown: 1 inhibited, 1 muted.').waitFor();
    await page.getByRole('button', { name: /^Inhibited/ }).click();
    const late = page.getByRole('region', { name: 'Group of default: alertname="Late"' });
    await late.getByText('inhibited', { exact: true }).waitFor();
    await page.getByRole('button', { name: /^Muted/ }).click();
    const nights = page.getByRole('region', { name: /^Group of nights: alertname="Nightly"/ });
    await nights.first().getByText('muted', { exact: true }).waitFor();
    assert.equal(await nights.count(), 2, 'two routes, two groups of one name');
    await page.reload();
    await late.waitFor();
    await late.getByRole('button', { name: /^Late/ }).click();
    await late.getByRole('button', { name: 'service=blog' }).click();
    await page.waitForURL(/filter=/);
    assert.equal(await page.getByLabel('Filter by matchers').inputValue(), '{service="blog"}');
    await page.getByRole('region', { name: /Slow/ }).waitFor({ state: 'detached' });
    await page.goto(`${base()}#/alerts?filter=${encodeURIComponent('{service="blog"')}`);
    await page.getByText('Not read: the brace is not closed.').waitFor();
  });

  test('a group is acknowledged, and one alert no longer', async () => {
    await page.goto(`${base()}#/alerts?filter=${encodeURIComponent('alertname=Slow')}`);
    const group = page.getByRole('region', { name: 'Group of default: alertname="Slow"' });
    await group.getByRole('button', { name: 'Acknowledge group alertname="Slow"' }).click();
    await toast(page, '2 alerts acknowledged');
    await group.getByRole('button', { name: /Answers of shop are slow/ }).click();
    await group.getByRole('button', { name: 'Unacknowledge' }).click();
    await toast(page, '1 alert no longer acknowledged');
    const { items } = await server.get('/sentinel/v1/alerts/acknowledgements');
    assert.deepEqual(items.map((one) => [one.by, one.source]), [['on-call', 'page']]);
  });

  test('from the link to a silence with preview, and to its end', () => silenceAndExpire({ page, server, base: base() }));
  test('one that comes again is added and removed', () => recurring({ page, server, base: base() }));

  test('by keys: to the silences, a new one, its rows', async () => {
    await page.goto(`${base()}#/alerts`);
    await page.getByRole('heading', { level: 1 }).click();
    await page.keyboard.press('g');
    await page.keyboard.press('m');
    await page.waitForURL(/#\/silences/);
    await page.keyboard.press('n');
    await page.waitForURL(/#\/silences\/new/);
    await page.getByLabel('matchers as text').fill('{service="shop", host!~"web-1"}');
    await page.keyboard.press('Enter');
    assert.equal(await page.getByLabel('value 2').inputValue(), 'web-1');
    await page.getByRole('heading', { name: 'Would mute 1 alert now' }).waitFor();
    await page.getByLabel('value 2').press('Enter');
    await page.waitForFunction(() => document.activeElement?.getAttribute('aria-label') === 'label 3');
    await page.getByRole('button', { name: 'Remove matcher 3' }).click();
    await page.getByLabel('Duration as text').fill('90m');
    await page.getByLabel('Comment').fill('by keys');
    await page.getByRole('button', { name: 'Create silence', disabled: false }).waitFor();
    await page.keyboard.press('Control+Enter');
    await page.waitForURL(/#\/silences\/[0-9a-f-]{36}$/);
    await page.getByRole('heading', { name: 'Mutes 1 alert' }).waitFor();
  });

  test('a planned silence has the times of the reader\'s zone', async () => {
    await page.goto(`${base()}#/silences/new?filter=${encodeURIComponent('alertname=Planned')}`);
    const form = page.getByRole('region', { name: 'New silence' });
    await form.getByText(/Times of Europe\/Berlin/).waitFor();
    await form.getByRole('button', { name: 'At', exact: true }).click();
    const year = new Date().getFullYear() + 1;
    await form.locator('#silence-start').fill(`${year}-07-01T10:00`);
    await form.locator('#silence-end').fill(`${year}-07-01T12:30`);
    await form.getByLabel('Comment').fill('planned');
    await form.getByRole('button', { name: 'Create silence' }).click();
    await page.waitForURL(/#\/silences\/[0-9a-f-]{36}$/);
    const made = await server.get(`/api/v2/silence/${/[0-9a-f-]{36}$/.exec(page.url())[0]}`);
    assert.deepEqual([made.startsAt, made.endsAt, made.status.state], [`${year}-07-01T08:00:00.000Z`, `${year}-07-01T10:30:00.000Z`, 'pending']);
    await page.getByRole('link', { name: 'Edit' }).click();
    await page.getByRole('region', { name: 'Edit silence' }).waitFor();
    assert.equal(await page.locator('#silence-start').inputValue(), `${year}-07-01T10:00`);

    const { id: _, status: _s, updatedAt: _u, ...fields } = made;
    const { silenceID } = (await server.request('POST', '/api/v2/silences', { ...fields, startsAt: `${year}-07-01T08:00:00.123Z` })).json;
    await page.goto(`${base()}#/silences/${silenceID}/edit`);
    await page.getByLabel('Comment').fill('not begun, and the same');
    await page.getByRole('button', { name: 'Save silence' }).click();
    await page.waitForURL(new RegExp(`#/silences/${silenceID}$`));
    const kept = await server.get(`/api/v2/silence/${silenceID}`);
    assert.deepEqual([kept.comment, kept.startsAt, kept.status.state], ['not begun, and the same', `${year}-07-01T08:00:00.123Z`, 'pending']);
    await page.getByRole('region', { name: 'Preview' }).getByText('Would mute no alert now').waitFor();
  });

  test('status says version, cluster and configuration, without secrets', async () => {
    await page.goto(`${base()}#/status`);
    const text = page.getByRole('region', { name: 'alertmanager.yml, without comments and secrets' });
    await text.getByText('team.x (night)').first().waitFor();
    assert.doesNotMatch(await text.innerText(), /token=abc|a comment/);
    await page.getByRole('region', { name: 'Cluster' }).getByText('This instance stands alone.').waitFor();
    await page.getByRole('region', { name: 'Server' }).getByText(/^Alertmanager \d/).waitFor();
    await page.goto(`${base()}#/rules`);
    await page.getByText('There is no such page').waitFor();
  });

  test('no screen is a barrier, and each fits a phone', () =>
    accessibleEverywhere({ page, base: base(), places: ['alerts?silenced=true&inhibited=true&muted=true', 'silences', 'silences?state=expired', 'silences/new?filter=service%3Dshop', 'silences/new?repeat=1', 'status'] }));

  test('nothing was asked for that is not here', () => {
    assert.deepEqual(page.troubles.filter((one) => !/status of 400/.test(one)), []);
    const allowed = /^\/am\/x\/(|assets\/[^/]+|favicon\.svg|api\/v2\/(alerts|alerts\/groups|silences|silence\/[0-9a-f-]+|status|receivers)|sentinel\/v1\/(silences\/(preview|recurring(\/.*)?)|alerts\/(un)?acknowledge|alerts\/acknowledgements|audit))$|^\/(am\/x)?$|^\/favicon.ico$/;
    assert.deepEqual([...page.asked].filter((where) => !allowed.test(where)), []);
  });
});

test('sentinel alertmanager: the page behind TLS and a password, at the browser\'s own prompt', async () => {
  const port = await freePorts();
  // bcrypt of "right"
  const folder = folderWith({
    'alertmanager.yml': 'route: {receiver: none}\nreceivers: [{name: none}]\n',
    'web.yml': "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\nbasic_auth_users: {ada: '$2y$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC'}\n",
  });
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=127.0.0.1',
    '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', path.join(folder, 'key.pem'), '-out', path.join(folder, 'cert.pem')], { stdio: 'ignore' });
  const url = `https://127.0.0.1:${port}`;
  const server = new Sentinel(['alertmanager', `--config.file=${folder}/alertmanager.yml`, `--storage.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${port}`, `--web.config.file=${folder}/web.yml`], url);
  const status = () => new Promise((done, failed) => {
    https.get({ host: '127.0.0.1', port, path: '/', rejectUnauthorized: false, agent: false }, (answer) => answer.resume().on('end', () => done(answer.statusCode))).on('error', failed);
  });
  await until('it answers', async () => (await status()) === 401, { unless: () => (server.exit === null ? '' : server.output) });

  const refused = await openPage(url, { ignoreHTTPSErrors: true });
  assert.equal((await refused.goto(`${url}/`).catch(() => null))?.status() ?? 401, 401);
  assert.equal(await refused.getByRole('dialog').count(), 0, 'no dialog of the page asks for a key');

  const page = await openPage(url, { ignoreHTTPSErrors: true, httpCredentials: { username: 'ada', password: 'right' } });
  await page.goto(`${url}/#/silences/new?filter=${encodeURIComponent('{alertname="X"}')}`);
  await page.getByRole('heading', { name: 'Would mute no alert now' }).waitFor();
  await page.getByLabel('Comment').fill('locked');
  await page.getByRole('button', { name: 'Create silence' }).click();
  await page.waitForURL(/#\/silences\/[0-9a-f-]{36}$/);
  assert.deepEqual(page.troubles, []);

  // The password in the address, as some bookmarks have it.
  const bookmark = await openPage(url, { ignoreHTTPSErrors: true });
  await bookmark.goto(`https://ada:right@127.0.0.1:${port}/#/silences`);
  await bookmark.getByText('locked').first().waitFor();
  assert.deepEqual(bookmark.troubles, []);
  assert.equal(await server.stop(), 0);
});

test('sentinel alertmanager: status names the peers of its cluster', async () => {
  const first = await freePorts(4);
  const folder = folderWith({ 'alertmanager.yml': 'route: {receiver: none}\nreceivers: [{name: none}]\n' });
  const servers = [0, 1].map((i) => new Sentinel(['alertmanager', `--config.file=${folder}/alertmanager.yml`, `--storage.path=${folder}/data-${i}`, `--web.listen-address=127.0.0.1:${first + i}`,
    `--cluster.listen-address=127.0.0.1:${first + 2 + i}`, `--cluster.peer=127.0.0.1:${first + 2}`, `--cluster.peer=127.0.0.1:${first + 3}`], `http://127.0.0.1:${first + i}`));
  await Promise.all(servers.map((server) => server.ready()));
  const page = await openPage(servers[0].url);
  await page.goto(`${servers[0].url}/#/status`);
  const cluster = page.getByRole('region', { name: 'Cluster' });
  await cluster.getByText('ready', { exact: true }).waitFor();
  await cluster.getByRole('listitem').nth(1).waitFor();
  const peers = await cluster.getByRole('listitem').allInnerTexts();
  assert.equal(peers.length, 2);
  for (const port of [first + 2, first + 3]) assert.ok(peers.some((text) => text.includes(`127.0.0.1:${port}`)), peers.join('; '));
  assert.equal(peers.filter((text) => text.includes('this one')).length, 1);
  assert.deepEqual(await barriers(page), []);
  for (const server of servers) assert.equal(await server.stop(), 0);
});

describe('sentinel serve', () => {
  let server, page, hook;
  before(async () => {
    hook = await webhook();
    const folder = folderWith({
      'alertmanager.yml': CONFIG(hook.url),
      'rules.yml': 'groups:\n- {name: g, interval: 1s, rules: [{alert: Always, expr: vector(1), labels: {severity: P3}}]}\n',
    });
    writeFileSync(path.join(folder, 'sentinel.yml'), 'rules: {files: [rules.yml]}\nalertmanager: alertmanager.yml\n');
    server = await Sentinel.serve({ args: ['--config', `${folder}/sentinel.yml`] });
    assert.equal((await server.request('POST', '/api/v2/alerts', firing)).status, 200);
    page = await openPage(server.url);
  });
  after(async () => {
    assert.equal(await server.stop(), 0);
    await hook.close();
  });

  test('links of Alertmanager\'s form are understood', async () => {
    await page.goto(`${server.url}/#/alerts?receiver=${encodeURIComponent('team\\.x \\(night\\)')}`);
    await page.getByRole('region', { name: /^Group of team.x/ }).waitFor();
    assert.equal(await page.getByRole('region', { name: /^Group of/ }).count(), 1);
    await page.getByLabel('Receiver').selectOption('');
    await page.getByRole('region', { name: /^Group of default: .*Slow/ }).waitFor();
    await page.getByRole('link', { name: 'By rule' }).click();
    await page.getByRole('region', { name: 'Alerts', exact: true }).waitFor();
    await page.goto(`${server.url}/#/status`);
    await page.getByRole('region', { name: 'Components' }).waitFor();
  });

  test('the button of a rule\'s alert fills the form in', async () => {
    await page.goto(`${server.url}/#/alerts`);
    await page.getByRole('button', { name: /Always/ }).click();
    await page.getByRole('link', { name: 'Silence Always' }).click();
    await page.waitForURL(/#\/silences\/new\?/);
    assert.deepEqual(await page.getByLabel(/^value \d/).evaluateAll((all) => all.map((one) => one.value).sort()), ['Always', 'P3']);
    await page.getByRole('heading', { name: 'Would mute 1 alert now' }).waitFor();
  });

  test('from the link to a silence with preview, and to its end', () => silenceAndExpire({ page, server, base: `${server.url}/` }));
  test('one that comes again is added and removed', () => recurring({ page, server, base: `${server.url}/` }));
  test('no screen is a barrier, and each fits a phone', () =>
    accessibleEverywhere({ page, base: `${server.url}/`, places: ['alerts?view=groups&silenced=true', 'alerts', 'silences', 'silences/new?filter=service%3Dshop'] }));
  test('the browser had nothing to complain of', () => assert.deepEqual(page.troubles.filter((one) => !/status of 400/.test(one)), []));
});
