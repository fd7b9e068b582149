// Jobs that say that they live, and the outside watcher of Sentinel itself, over the wire.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith, httpServer, pause, run, until, webhook } from './lib/sentinel.mjs';
import { OpenApi } from './lib/openapi.mjs';

const configured = (receiver, more = '') =>
  folderWith({
    'alertmanager.yml': `route: {receiver: hook, group_by: [alertname, heartbeat], group_wait: 0s, group_interval: 1s}\nreceivers: [{name: hook, webhook_configs: [{url: '${receiver.url}'}]}]\n`,
    'sentinel.yml': `alertmanager: alertmanager.yml
heartbeats:
- {name: quick, every: 2s, grace: 1s, labels: {service: jobs}}
- {name: daily, every: 24h, grace: 1h}
- {name: minutely, schedule: '* * * * *', time_zone: Europe/Berlin, grace: 1s}
- {name: nightly, schedule: '30 2 * * *', time_zone: Europe/Berlin, grace: 1h}
${more}`,
  });
const told = (receiver, status, heartbeat) =>
  receiver.received
    .map((r) => JSON.parse(r.body))
    .flatMap((n) => n.alerts)
    .filter((a) => a.labels.alertname === 'HeartbeatMissed' && a.labels.heartbeat === heartbeat && a.status === status);

test('late is told and opens an incident; the next beat ends it, also after kill -9', async (t) => {
  const receiver = await webhook();
  t.after(() => receiver.close());
  const folder = configured(receiver);
  const args = ['--config', path.join(folder, 'sentinel.yml')];
  let server = await Sentinel.serve({ args });
  t.after(() => server.stop());

  const list = await server.get('/sentinel/v1/heartbeats');
  const quick = list.items.find((h) => h.name === 'quick');
  const daily = list.items.find((h) => h.name === 'daily');
  assert.match(quick.path, /^\/heartbeat\/[^/]+\/quick$/);
  for (const method of ['GET', 'POST']) assert.equal((await server.request(method, quick.path)).text, 'OK\n');
  assert.equal((await server.request('HEAD', quick.path)).status, 200);
  assert.equal((await server.get('/sentinel/v1/heartbeats/quick')).state, 'ok');

  // A slow start may have been told of before the first beat.
  const before = told(receiver, 'firing', 'quick').length;
  const ended = told(receiver, 'resolved', 'quick').length;
  await until('silence is told', () => told(receiver, 'firing', 'quick').length > before);
  const alert = told(receiver, 'firing', 'quick').at(-1);
  assert.equal(alert.labels.service, 'jobs');
  assert.match(alert.annotations.description, /expected every 2s/);
  const incident = await until('an incident', async () => (await server.incidents()).find((i) => i.title.includes('quick') && i.status !== 'resolved'));
  assert.equal(incident.severity, 'SEV2');
  assert.equal((await server.get('/sentinel/v1/heartbeats/quick')).state, 'late');

  await server.kill();
  server = await Sentinel.serve({ args, dataDir: server.dataDir, port: server.port });
  assert.equal((await server.get('/sentinel/v1/heartbeats/quick')).state, 'late', 'kill -9 forgets nothing');
  assert.equal((await server.request('GET', quick.path)).text, 'OK\n', 'the address is the same');
  await until('the end is told', () => told(receiver, 'resolved', 'quick').length > ended);
  await until('the incident ends', async () => (await server.get(`/sentinel/v1/incidents/${incident.id}`)).status === 'resolved');

  // A failure at once, by exit code, with what the job says.
  assert.equal((await server.request('POST', `${daily.path}/3`, 'no space left')).status, 200);
  await until('a failure is told', () => told(receiver, 'firing', 'daily').length > 0);
  assert.match(told(receiver, 'firing', 'daily')[0].annotations.description, /exit code 3: no space left/);
  assert.equal((await server.cli('heartbeat', 'beat', 'daily', '0')).code, 0);
  await until('its end is told', () => told(receiver, 'resolved', 'daily').length > 0);
  const printed = await server.cli('heartbeat', 'list');
  assert.match(printed.stdout, /daily +ok /);
  assert.match(await (await fetch(`${server.url}/metrics`)).text(), /sentinel_heartbeat_up\{heartbeat="daily"\} 1\n/);

  // What is wrong is said; a secret is good for its own heartbeat only.
  const nightly = list.items.find((h) => h.name === 'nightly');
  assert.deepEqual([nightly.every_s, nightly.schedule, nightly.time_zone], [null, '30 2 * * *', 'Europe/Berlin']);
  const berlin = new Date(nightly.expected_at).toLocaleTimeString('sv-SE', { timeZone: 'Europe/Berlin' });
  assert.match(berlin, /^0[23]:[03]0:00$/, 'half past two, or three where that is never shown');
  assert.equal(Date.parse(nightly.due_at) - Date.parse(nightly.expected_at), 3_600_000);
  assert.match(printed.stdout, /nightly +waiting +never/);
  await until('a run that nobody heard of is told', () => told(receiver, 'firing', 'minutely').length > 0, { seconds: 150 });
  assert.match(told(receiver, 'firing', 'minutely')[0].annotations.description, /was never heard of, and was expected at \d{4}-\d\d-\d\d \d\d:\d\d in Europe\/Berlin \(\* \* \* \* \*\)/);
  assert.equal((await server.cli('heartbeat', 'beat', 'minutely')).code, 0);
  await until('its end is told', () => told(receiver, 'resolved', 'minutely').length > 0);
  const secret = quick.path.split('/')[2];
  assert.equal((await server.request('GET', `/heartbeat/${secret}/daily`)).status, 404);
  assert.equal((await server.request('GET', `/heartbeat/${secret}x/quick`)).status, 404);
  assert.equal((await server.request('GET', `${quick.path}/soon`)).status, 400);
  assert.equal((await server.cli('heartbeat', 'beat', 'none')).code, 3);
  const api = await OpenApi.of(server);
  assert.equal((await api.ask('GET', '/sentinel/v1/heartbeats')).status, 200);
  assert.equal((await api.ask('GET', '/sentinel/v1/heartbeats/none')).status, 404);
  assert.equal((await api.ask('POST', '/sentinel/v1/heartbeats/daily')).status, 200);
  assert.equal((await api.ask('POST', '/sentinel/v1/heartbeats/daily/start')).status, 200);
});

test('a process that stood still, or was away, pages for no job', async (t) => {
  const receiver = await webhook();
  t.after(() => receiver.close());
  const folder = configured(receiver, '- {name: steady, every: 4s, grace: 2s}\n');
  const args = ['--config', path.join(folder, 'sentinel.yml')];
  let server = await Sentinel.serve({ args });
  t.after(() => server.stop());
  const { path: address } = await server.get('/sentinel/v1/heartbeats/steady');
  let beating = true;
  const job = (async () => {
    for (; beating; await pause(2000)) await fetch(server.url + address, { signal: AbortSignal.timeout(1000) }).catch(() => {});
  })();
  await pause(3000);
  server.signal('SIGSTOP');
  await pause(13_000);
  server.signal('SIGCONT');
  await pause(6000);
  await server.kill();
  await pause(9000);
  server = await Sentinel.serve({ args, dataDir: server.dataDir, port: server.port });
  await pause(7000);
  assert.equal(told(receiver, 'firing', 'steady').length, 0);
  beating = false;
  await job;
  await until('the dead one is told', () => told(receiver, 'firing', 'steady').length > 0, { seconds: 20 });
});

test('the outside watcher is pinged while rules are evaluated, and not after', async (t) => {
  const receiver = await webhook();
  let refuse = false;
  const watcher = await httpServer((_request, _body, response) => response.writeHead(refuse ? 503 : 200).end());
  t.after(() => Promise.all([receiver.close(), watcher.close()]));
  const folder = configured(receiver, `dead_man: {urls: ['${watcher.url}/ping/secret-1'], every: 1s}\n`);
  const config = path.join(folder, 'sentinel.yml');
  const server = await Sentinel.serve({ args: ['--config', config] });
  t.after(() => server.stop());
  await until('pings', () => watcher.received.length >= 3);
  assert.equal(watcher.received[0].path, '/ping/secret-1');
  refuse = true;
  await until('failures are counted', async () => /sentinel_dead_man_failures_total [1-9]/.test(await (await fetch(`${server.url}/metrics`)).text()));
  refuse = false;
  assert.ok(!server.output.includes('secret-1'), 'the address is in no log');

  // Without the rule that always fires there is no sign of life, though the process and its timers go on.
  writeFileSync(config, `alertmanager: alertmanager.yml\nrules: {files: []}\ndead_man: {urls: ['${watcher.url}/ping/secret-1'], every: 1s}\n`);
  await server.post('/-/reload');
  await until('the alert is gone', async () => /sentinel_dead_man_alive 0/.test(await (await fetch(`${server.url}/metrics`)).text()), { seconds: 60 });
  const before = watcher.received.length;
  await pause(4000);
  assert.ok(watcher.received.length <= before + 1, 'no ping without a sign of life');
});

test('a wrong section is refused with its place', async () => {
  for (const [text, message] of [
    ['heartbeats: [{name: a b, every: 1h}]', 'sentinel.yml:1:21: a name is letters'],
    ['heartbeats: [{name: a, schedule: 0 25 * * *, grace: 1h}]', '"25" is no hour'],
    ['heartbeats: [{name: a, schedule: 0 3 * * *}]', 'needs a field "grace"'],
    ['heartbeats: [{name: a, schedule: 0 3 * * *, every: 1h, grace: 1h}]', 'every or a schedule, not both'],
    ['heartbeats: [{name: a, schedule: 0 3 * * *, time_zone: Mars, grace: 1h}]', 'is not a time zone'],
    ['heartbeats: [{name: a, every: 1h, time_zone: UTC}]', 'only a schedule has a time_zone'],
    ['heartbeats: [{name: a}]', 'heartbeat needs a field "every"'],
    ['heartbeats: [{name: a, every: 1h}, {name: a, every: 1h}]', 'is there twice'],
    ['dead_man: {urls: [ftp://x]}', 'an address begins with http'],
  ]) {
    const folder = folderWith({ 'sentinel.yml': `${text}\n` });
    const checked = await run(['check', 'config', path.join(folder, 'sentinel.yml')]);
    assert.equal(checked.code, 2, text);
    assert.ok(checked.stderr.includes(message), checked.stderr);
  }
});
