// A disk that is full, read-only or slow to be freed: calls are served, people are paged, nobody is told "stored" when it is
// not, and when there is room again everything is written. And what kill -9 leaves of calls that had no answer from the store yet.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith, httpServer, pause, run, temporaryFolder, until, webhook } from './lib/sentinel.mjs';

const ANSWER = { id: 'c', object: 'chat.completion', created: 1, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: 'Delivery takes three days.' }, finish_reason: 'stop' }], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } };
const provider = () =>
  httpServer((_request, _body, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(ANSWER));
  });

// Fires from `at` (seconds since 1970) on, whatever the stores do.
const rules = (at) => `groups:
  - name: own
    interval: 500ms
    rules:
      - alert: LateTrouble
        expr: vector(time()) > ${at}
        labels: {severity: SEV2}
        annotations: {summary: 'trouble came'}
`;
const config = (upstream, pager, at) =>
  folderWith({
    'sentinel.yml': `gateway:
  providers: [{name: p, kind: openai, base_url: '${upstream.url}'}]
  routes: [{models: ['*'], targets: [{provider: p}]}]
rules: {files: [rules.yml], evaluation_interval: 500ms}
alertmanager: alertmanager.yml
`,
    'rules.yml': rules(at),
    'alertmanager.yml': `route: {receiver: pager, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}
receivers:
  - name: pager
    webhook_configs: [{url: '${pager.url}', send_resolved: false}]
`,
  });

const ask = (server) => server.request('POST', '/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content: 'How long does delivery take?' }] });
const metric = async (server, name) => {
  const text = (await server.request('GET', '/metrics')).text;
  return [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm'))].reduce((sum, m) => sum + Number(m[1]), 0);
};
const stored = async (server) => Number((await server.sql('SELECT COUNT(*) AS n FROM llm_events'))[0].n);

/** A data directory whose disk can be filled: a small file system where we may mount one; else the file size limit of the process. */
async function smallDisk(t) {
  const dir = temporaryFolder();
  const disk = path.join(dir, 'disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'sentinel-test', disk], { stdio: 'pipe' });
  } catch {
    t.diagnostic('NO RIGHT TO MOUNT: the full disk is stood in for by RLIMIT_FSIZE (prlimit), which fails writes with EFBIG, not ENOSPC');
    const limit = (server, soft) => execFileSync('prlimit', ['--pid', String(server.child.pid), `--fsize=${soft}:unlimited`]);
    return { dir: disk, mounted: false, fill: (server) => limit(server, 0), free: (server) => limit(server, 'unlimited'), gone: () => {} };
  }
  const filler = path.join(disk, 'filler');
  return {
    dir: disk,
    mounted: true,
    fill() {
      const file = openSync(filler, 'w');
      try {
        for (let bytes = 1 << 20; bytes >= 1; bytes = bytes >> 1) {
          try {
            for (;;) writeSync(file, Buffer.alloc(bytes));
          } catch (error) {
            assert.equal(error.code, 'ENOSPC');
          }
        }
      } finally {
        closeSync(file);
      }
    },
    free: () => rmSync(filler),
    gone: () => execFileSync('umount', ['-l', disk]),
  };
}

test('a full disk: served, paged, honest; and all is written when there is room again', async (t) => {
  const disk = await smallDisk(t);
  const upstream = await provider();
  const pager = await webhook();
  const firesAt = Math.floor(Date.now() / 1000) + 9;
  const folder = config(upstream, pager, firesAt);
  const args = ['--config', path.join(folder, 'sentinel.yml')];
  let server = await Sentinel.serve({ args, dataDir: path.join(disk.dir, 'data') });
  t.after(async () => {
    await server.stop();
    await upstream.close();
    await pager.close();
    disk.gone();
  });
  const before = await server.post('/sentinel/v1/incidents', { title: 'before', severity: 'SEV3' });
  for (let i = 0; i < 5; i++) assert.equal((await ask(server)).status, 200);
  await until('the first calls are stored', async () => (await stored(server)) === 5);
  assert.ok(Date.now() / 1000 < firesAt, 'the machine is too slow for this test: the alert fired before the disk was full');

  disk.fill(server);
  for (let i = 0; i < 20; i++) assert.equal((await ask(server)).status, 200, 'the gateway must not notice');
  const page = await until('people are paged with a full disk', () => pager.received[0], { seconds: 30 });
  assert.match(page.body, /LateTrouble/);
  const refused = await server.request('POST', '/sentinel/v1/incidents', { title: 'during', severity: 'SEV3' });
  assert.ok([500, 503].includes(refused.status), refused.text);
  assert.match(refused.json.detail, /disk|full|state/i);
  assert.equal((await server.request('POST', `/sentinel/v1/incidents/${before.name}/acknowledge`, {})).status, refused.status);
  assert.ok((await metric(server, 'sentinel_state_memory_only')) === 1, 'it says that the state is in memory only');
  await until('it says that calls are in memory only', async () => (await metric(server, 'sentinel_telemetry_held')) > 0);
  assert.equal(await metric(server, 'llm_requests_total'), 25, 'calls are measured all the same');
  const components = Object.fromEntries((await server.get('/sentinel/v1/status')).components.map((c) => [c.name, c]));
  assert.equal(components.state.state, 'degraded');
  assert.match(components.state.detail, /in memory only.*disk/);
  assert.equal(components.analysis.state, 'degraded');
  assert.match((await server.request('GET', '/debug/diagnostics')).text, /"sentinel_state_memory_only":1/);
  assert.equal((await server.request('GET', '/-/healthy')).status, 200);
  const some = await stored(server); // what fits into the last page of a file still goes there
  assert.ok(some >= 5 && some < 25, `reading goes on: ${some} rows`);
  const incidents = await server.incidents();
  assert.ok(incidents.some((i) => /trouble came/.test(i.title)), 'the incident of the page is there, if only in memory');

  disk.free(server);
  await until('the state is on disk again', async () => (await metric(server, 'sentinel_state_memory_only')) === 0);
  await until('every call is stored', async () => (await stored(server)) === 25);
  assert.equal(await metric(server, 'sentinel_telemetry_dropped_total'), 0);
  assert.equal(await metric(server, 'sentinel_telemetry_held'), 0);
  await server.post('/sentinel/v1/incidents', { title: 'after', severity: 'SEV3' });
  await server.kill();

  server = await Sentinel.serve({ args, dataDir: path.join(disk.dir, 'data') });
  assert.equal(await stored(server), 25);
  const titles = (await server.incidents()).map((i) => i.title).sort();
  assert.deepEqual(titles, ['after', 'before', 'trouble came']);
  await pause(3000);
  assert.equal(new Set(pager.received.map((r) => r.headers['idempotency-key'] ?? r.body)).size, 1, 'told once, under one key');
});

test('a data directory that becomes full stops a start with one clear line, and loses nothing', async (t) => {
  const disk = await smallDisk(t);
  if (!disk.mounted) return t.diagnostic('NOT TRIED: needs the right to mount');
  t.after(() => disk.gone());
  const dataDir = path.join(disk.dir, 'data');
  const first = await Sentinel.serve({ dataDir });
  await first.post('/sentinel/v1/incidents', { title: 'kept', severity: 'SEV3' });
  await first.stop();
  disk.fill();
  const ended = await run(['serve', '--listen', '127.0.0.1:0', '--data-dir', dataDir]);
  assert.notEqual(ended.code, 0);
  assert.match(ended.stderr.trim().split('\n').at(-1), /^sentinel: .*(No space left|full|not writable)/);
  disk.free();
  const again = await Sentinel.serve({ dataDir });
  t.after(() => again.stop());
  assert.deepEqual((await again.incidents()).map((i) => i.title), ['kept']);
});

test('a read-only data directory stops a start with one clear line', async (t) => {
  const disk = await smallDisk(t);
  if (!disk.mounted) return t.diagnostic('NOT TRIED: needs the right to mount');
  t.after(() => disk.gone());
  const dataDir = path.join(disk.dir, 'data');
  const first = await Sentinel.serve({ dataDir });
  await first.post('/sentinel/v1/incidents', { title: 'kept', severity: 'SEV3' });
  await first.stop();
  execFileSync('mount', ['-o', 'remount,ro', disk.dir]);
  const before = readdirSync(dataDir).sort();
  const ended = await run(['serve', '--listen', '127.0.0.1:0', '--data-dir', dataDir]);
  assert.notEqual(ended.code, 0);
  assert.match(ended.stderr.trim().split('\n').at(-1), /^sentinel: .*(read-only|not writable)/i);
  assert.ok(ended.stderr.includes(dataDir));
  assert.deepEqual(readdirSync(dataDir).sort(), before);
  execFileSync('mount', ['-o', 'remount,rw', disk.dir]);
  const again = await Sentinel.serve({ dataDir });
  t.after(() => again.stop());
  assert.deepEqual((await again.incidents()).map((i) => i.title), ['kept']);
});

test('kill -9 in the middle of traffic loses only calls of the last second, and doubles none', async (t) => {
  const upstream = await provider();
  const pager = await webhook();
  t.after(() => Promise.all([upstream.close(), pager.close()]));
  const folder = config(upstream, pager, 9e9);
  const args = ['--config', path.join(folder, 'sentinel.yml')];
  const dataDir = temporaryFolder();
  const answered = new Map(); // request id → when
  for (let round = 0; round < 3; round++) {
    const server = await Sentinel.serve({ args, dataDir });
    let going = true;
    const clients = Array.from({ length: 8 }, async () => {
      while (going) {
        try {
          const { status, headers } = await ask(server);
          if (status === 200) answered.set(headers.get('x-request-id'), Date.now());
        } catch {
          return; // it was killed
        }
      }
    });
    await pause(2000 + round * 700);
    const killed = Date.now();
    await server.kill();
    going = false;
    await Promise.all(clients);
    for (const [id, at] of answered) if (at > killed - 1000 && at <= killed + 1000) answered.delete(id);
  }
  const server = await Sentinel.serve({ args, dataDir });
  t.after(() => server.stop());
  await until('what was spilled is read back', async () => (await metric(server, 'sentinel_telemetry_spill_calls')) === 0);
  const rows = [];
  for (let after = ''; ; after = rows.at(-1)) {
    const page = await server.sql(`SELECT request_id FROM llm_events WHERE request_id > '${after}' ORDER BY request_id LIMIT 5000`);
    rows.push(...page.map((r) => r.request_id));
    if (page.length < 5000) break;
  }
  const ids = new Set(rows);
  assert.equal(ids.size, rows.length, 'no row twice');
  const lost = [...answered.keys()].filter((id) => !ids.has(id));
  assert.ok(answered.size > 100, `${answered.size} calls`);
  assert.deepEqual(lost, [], `${lost.length} of ${answered.size} calls older than a second are lost`);
});
