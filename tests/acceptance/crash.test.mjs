// kill -9 at moments nobody chose, and a start on what is left: nothing acknowledged is lost, and nothing happens twice.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith, freePorts, httpServer, pause, temporaryFolder, until } from './lib/sentinel.mjs';

const SEED = Number(process.env.SENTINEL_TEST_SEED ?? 1);
// Mulberry32: the same moments for the same seed.
function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const rowsUpTo = async (server, at) => (await server.sql(`SELECT count(*) AS n FROM llm_events WHERE timestamp <= TIMESTAMP '${at}'`))[0].n;
const sqlTime = (ms) => new Date(ms).toISOString().replace('T', ' ').replace('Z', '');
const alerts = async (server) => (await server.get('/sentinel/v1/alerts')).items;
const notifications = async (server) => (await server.get('/sentinel/v1/notifications?limit=200')).items;
// What the rule's expression returns now for the labels of an alert.
async function matching(server, alert) {
  const rule = (await server.get('/sentinel/v1/rules')).items.find((r) => r.name === alert.name);
  const answer = await server.get(`/api/v1/query?query=${encodeURIComponent(rule.query)}`);
  return answer.data.result.filter(({ metric }) => Object.entries(metric).every(([k, v]) => k === '__name__' || alert.labels[k] === v));
}

test(`the demo killed three times in the middle, seed ${SEED}`, async (t) => {
  const next = random(SEED);
  const dataDir = temporaryFolder();
  const port = await freePorts(4);
  let demo = await Sentinel.demo({ dataDir, port, args: ['--normal', '18s', '--fault', '600s'] });
  t.after(() => demo.kill());
  const first = await until('an incident opens', async () => (await demo.incidents('status=active'))[0], { seconds: 90 });
  const at = `/sentinel/v1/incidents/${first.name}`;
  await demo.post(`${at}/acknowledge`, { actor: 'amira', note: 'on it' });

  for (let round = 1; round <= 3; round++) {
    await demo.post(`${at}/notes`, { text: `note of round ${round}`, actor: 'amira' });
    await pause(Math.floor(next() * 2500));  // the moment of the kill, from the seed
    const firing = (await alerts(demo)).filter((a) => a.state === 'firing');
    const sent = await notifications(demo);
    const stored = Date.now() - 1500;
    const rows = await rowsUpTo(demo, sqlTime(stored));
    const active = await demo.incidents('status=active');
    const before = await demo.get(at);
    // Answered with 201, so it must be there however soon the end comes.
    const declared = await demo.post('/sentinel/v1/incidents', { title: `declared in round ${round}`, severity: 'SEV4' });
    await demo.kill();

    // No calm phase worth the name, so that what failed goes on failing.
    demo = await Sentinel.demo({ dataDir, port, args: ['--normal', '1s', '--fault', '600s'] });
    const now = await demo.get(at);
    assert.deepEqual(
      [now.id, now.status, now.acknowledged_at, now.assignee, now.created_at],
      [before.id, before.status, before.acknowledged_at, before.assignee, before.created_at],
    );
    // One more alert may have joined it between the two looks; it never falls.
    assert.ok(now.severity <= before.severity, `${before.severity} has become ${now.severity}`);
    const told = now.timeline.map((e) => e.id ?? `${e.sequence} ${e.text}`);
    for (const entry of before.timeline) assert.ok(told.includes(entry.id ?? `${entry.sequence} ${entry.text}`), `lost: ${entry.text}`);
    assert.equal((await demo.get(`/sentinel/v1/incidents/${declared.id}`)).title, declared.title);
    assert.ok((await rowsUpTo(demo, sqlTime(stored))) >= rows, `of ${rows} rows stored before the kill some are gone`);

    const kept = new Map((await notifications(demo)).map((n) => [n.id, n.key]));
    for (const one of sent) assert.equal(kept.get(one.id), one.key, `notification ${one.id}`);

    // The same alerts, since the same time, and no second incident for them. Only an evaluation may have ended one since.
    for (const old of firing.filter((a) => a.name !== 'Watchdog')) {
      const again = (await alerts(demo)).find((a) => a.fingerprint === old.fingerprint && a.state === 'firing');
      if (!again) {
        assert.deepEqual(await matching(demo, old), [], `${old.name} fired before the kill and does not after it`);
        continue;
      }
      assert.equal(again.active_at, old.active_at, old.name);
      assert.equal(again.incident, old.incident, old.name);
    }
    await until('rules are evaluated again', async () => (await demo.get('/sentinel/v1/rules')).items.every((r) => r.last_evaluation));
    const group = (i) => [i.labels.service, i.labels.env, i.labels.category].join('/');
    const known = new Set(active.map(group));
    const fresh = (await demo.incidents('status=active')).filter((i) => !active.some((a) => a.id === i.id) && i.id !== declared.id);
    assert.deepEqual(fresh.filter((i) => known.has(group(i))).map((i) => `${i.name} ${i.title}`), []);
  }
});

const config = (url, expr, held) => ({
  'sentinel.yml': 'rules:\n  files: [rules.yml]\nalertmanager: alertmanager.yml\nincidents:\n  create_for: [SEV1]\n',
  'rules.yml': `groups:
  - name: own
    interval: 1s
    rules:
      - alert: Held
        expr: ${expr}
        for: ${held}
        labels: {severity: SEV1, service: shop}
`,
  'alertmanager.yml': `route:
  receiver: hook
  group_wait: 0s
  group_interval: 5s
receivers:
  - name: hook
    webhook_configs:
      - url: ${url}/hook
`,
});

test('a notification that was not delivered is sent after the restart, with the same key', async (t) => {
  let accept = false;
  const hook = await httpServer((_request, _body, response) => response.writeHead(accept ? 200 : 503).end());
  t.after(() => hook.close());
  const options = { dataDir: temporaryFolder(), args: ['--config', path.join(folderWith(config(hook.url, 'vector(1)', '0s')), 'sentinel.yml')] };
  let server = await Sentinel.serve(options);
  t.after(() => server.kill());
  await until('the first attempt', () => hook.received.length > 0);
  const [incident] = await until('an incident', async () => {
    const all = await server.incidents('status=all');
    return all.length && all;
  });
  await server.kill();
  const tried = hook.received.length;
  accept = true;

  server = await Sentinel.serve({ ...options, port: server.port });
  await until('another attempt', () => hook.received.length > tried, { seconds: 60 });
  const keys = hook.received.map((r) => r.headers['idempotency-key']);
  assert.ok(keys[0]);
  assert.equal(keys[tried], keys[0]);
  assert.equal(hook.received[tried].body, hook.received[0].body);
  await until('it is known as delivered', async () => (await notifications(server)).some((n) => n.key === keys[0] && n.status === 'delivered'));
  // The alert goes on firing: no second incident, and nothing more to say.
  await until('the rule is evaluated again', async () => (await server.get('/sentinel/v1/rules')).items.every((r) => r.last_evaluation));
  assert.deepEqual((await server.incidents('status=all')).map((i) => i.id), [incident.id]);
  assert.equal(new Set(hook.received.map((r) => r.headers['idempotency-key'])).size, 1);
});

test('a pending `for` goes on where it was', async (t) => {
  const hook = await httpServer((_request, _body, response) => response.end());
  t.after(() => hook.close());
  const options = { dataDir: temporaryFolder(), args: ['--config', path.join(folderWith(config(hook.url, 'vector(1)', '15s')), 'sentinel.yml')] };
  let server = await Sentinel.serve(options);
  t.after(() => server.kill());
  const held = async (state) => (await alerts(server)).find((a) => a.name === 'Held' && a.state === state);
  const pending = await until('the alert is pending', () => held('pending'), { seconds: 20 });
  const since = Date.parse(pending.active_at);
  // Late in the wait, so that starting it again would be seen.
  await until('a good part of the wait is over', () => Date.now() > since + 7000, { seconds: 20 });
  await server.kill();
  server = await Sentinel.serve({ ...options, port: server.port });
  const again = (await held('pending')) ?? (await held('firing'));
  assert.equal(again?.active_at, pending.active_at);
  const firing = await until('the alert fires', () => held('firing'), { seconds: 30 });
  assert.equal(firing.active_at, pending.active_at);
  const [message] = await until('the receiver is told', () => hook.received.length && hook.received);
  const startsAt = Date.parse(JSON.parse(message.body).alerts[0].startsAt);
  assert.ok(startsAt - since >= 14_000 && startsAt - since < 21_000, `fired ${(startsAt - since) / 1000} s after it became pending, 15 s were asked for`);
});
