// Remote write out: whatever is killed or down meanwhile, every sample that Sentinel took arrives at the receiver.
// The receiver is Debian's prometheus where there is one (PROMETHEUS=path, or in PATH), else another Sentinel.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { Sentinel, folderWith, freePorts, pause, temporaryFolder, until } from './lib/sentinel.mjs';
import { v1, write } from './lib/remote_write.mjs';

const PROMETHEUS = process.env.PROMETHEUS ?? ['/usr/bin/prometheus', '/usr/local/bin/prometheus'].find(existsSync);
const SERIES = 20;
const ROUNDS = 80;

const open = new Set();
after(async () => {
  for (const one of open) await one.kill();
});

// {url, kill, start}: comes back on the same port with the same data.
async function receiver() {
  const port = await freePorts();
  const dataDir = temporaryFolder();
  const folder = folderWith({ 'prometheus.yml': 'global: {scrape_interval: 1h}\n' });
  const url = `http://127.0.0.1:${port}`;
  const one = { url };
  one.start = async () => {
    if (!PROMETHEUS) {
      const server = await Sentinel.serve({ dataDir, port });
      one.kill = () => server.kill();
      return;
    }
    const args = [`--config.file=${folder}/prometheus.yml`, '--web.enable-remote-write-receiver', `--storage.tsdb.path=${dataDir}`, `--web.listen-address=127.0.0.1:${port}`];
    const child = spawn(PROMETHEUS, args, { stdio: 'ignore' });
    const ended = new Promise((done) => child.once('close', done));
    one.kill = async () => {
      child.kill('SIGKILL');
      await ended;
    };
    await until('prometheus is ready', async () => (await fetch(`${url}/-/ready`)).ok, { unless: () => (child.exitCode === null ? '' : 'it ended') });
  };
  await one.start();
  open.add(one);
  return one;
}

const config = (url, more = '') =>
  url ? `remote_write:\n- url: ${url}/api/v1/write\n  name: there\n  queue_config: {batch_send_deadline: 200ms, max_backoff: 1s, max_samples_per_send: 100}\n  write_relabel_configs: [{source_labels: [__name__], regex: "kept_.*", action: keep}]\n${more}` : 'log: {level: info}\n';

// Everything of one metric as text, one series a line.
async function samples(url, name) {
  const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(`${name}[1h]`)}`);
  const { data } = await response.json();
  return data.result.map(({ metric, values }) => `${metric.n} ${metric.site}: ${values.map(([t, v]) => `${v}@${t}`).join(' ')}`).sort();
}

const metric = async (url, name) => {
  const line = (await (await fetch(`${url}/metrics`)).text()).split('\n').find((l) => l.startsWith(`${name}{`) || l.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
};

test('every sample arrives, with the receiver down for a while and kill -9 in the middle', { timeout: 180_000 }, async () => {
  const there = await receiver();
  const folder = folderWith({ 'sentinel.yml': config(there.url, 'global: {external_labels: {site: here}}\n') });
  const args = ['--config', path.join(folder, 'sentinel.yml')];
  let here = await Sentinel.serve({ args });
  open.add({ kill: () => here.kill() });
  const start = Math.floor(Date.now() / 1000) - 2 * ROUNDS;
  const expected = Array.from({ length: SERIES }, (_, n) => ({ n, values: [] }));
  for (let round = 0; round < ROUNDS; round++) {
    if (round === 20) await there.kill();
    if (round === 40) {
      await here.kill();
      here = await Sentinel.serve({ args, dataDir: here.dataDir, port: here.port });
    }
    if (round === 50) await there.start();
    if (round === 60 || round === 65) {
      await here.kill();
      here = await Sentinel.serve({ args, dataDir: here.dataDir, port: here.port });
    }
    const t = start + round;
    const series = expected.map(({ n }) => ({ labels: { __name__: n % 2 ? 'kept_odd' : 'kept_even', n: String(n) }, samples: [[t, round * 100 + n]] }));
    series.push({ labels: { __name__: 'noise' }, samples: [[t, 1]] });
    assert.equal((await write(here.url, v1(series))).status, 204);
    for (const one of expected) one.values.push(`${round * 100 + one.n}@${t}`);
    await pause(30);
  }
  for (const [name, odd] of [['kept_odd', 1], ['kept_even', 0]]) {
    const wanted = expected.filter(({ n }) => n % 2 === odd).map(({ n, values }) => `${n} here: ${values.join(' ')}`).sort();
    await until(`${name} is there`, async () => (await samples(there.url, name)).join('\n') === wanted.join('\n'), { seconds: 60, every: 250 }).catch(async (error) => {
      assert.deepEqual(await samples(there.url, name), wanted, error.message);
    });
  }
  assert.deepEqual(await samples(there.url, 'noise'), []);
  await until('nothing waits', async () => (await metric(here.url, 'prometheus_remote_storage_samples_pending')) === 0);
  assert.ok((await metric(here.url, 'prometheus_remote_storage_samples_total')) > 0);
  assert.ok((await metric(here.url, 'prometheus_remote_storage_queue_highest_sent_timestamp_seconds')) >= start + ROUNDS - 1);

  // A reload that takes the section away ends it, one that names another receiver begins there with what comes then.
  const other = await receiver();
  writeFileSync(path.join(folder, 'sentinel.yml'), config(other.url).replace('name: there', 'name: other'));
  assert.equal((await fetch(`${here.url}/-/reload`, { method: 'POST' })).status, 200);
  assert.equal((await write(here.url, v1([{ labels: { __name__: 'kept_later', n: 'x' }, samples: [[start + ROUNDS, 7]] }]))).status, 204);
  await until('the other has it', async () => (await samples(other.url, 'kept_later')).length === 1);
  assert.deepEqual(await samples(other.url, 'kept_odd'), []);
  assert.deepEqual(await samples(there.url, 'kept_later'), []);
  assert.equal(await here.stop(), 0);
});
