// The desk at its size, the whole binary over HTTP, with what stands behind it (SQLite with full sync, escalations of a
// policy, routing of alerts): 1,000 open incidents, one of them with 10,000 alerts, 500 schedules.
//   incidents   what people and alerts do to them, one request after the other, and how long a small request waits
//               meanwhile: the desk lives on one thread, and what takes long there holds up pages
//   oncall      who is on call, of one schedule and of all; a shift that is handed over
//   BINARY=build/bench/sentinel node bench/desk.mjs incidents|oncall [--alerts 10000] [--incidents 1000] [--schedules 500]
// One JSON line a figure: p50, p99 and the worst in ms, as the client saw it. Loopback only, about a minute.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';

const flag = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const what = process.argv[2];
const ALERTS = flag('alerts', 10_000);
const INCIDENTS = flag('incidents', 1_000);
const SCHEDULES = flag('schedules', 500);
const BATCH = 1_000;
const PORT = 28190;
const BINARY = process.env.BINARY ?? 'build/bench/sentinel';
const PEOPLE = ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay'];

// ---- what is served ----

// Weekly rotas of three with a night layer, begun a year ago, ten overrides each.
function schedule(n) {
  const overrides = Array.from({ length: 10 }, (_, o) => `  - {id: o${o}, replace: ada, with: bob, from: '2026-01-0${(o % 9) + 1}', duration: 5h}\n`);
  return (
    `- id: s${n}\n  time_zone: Europe/Berlin\n  layers:\n` +
    `  - {start: '2025-01-06 09:00', every: week, participants: [ada, bob, cyd]}\n` +
    `  - {start: '2025-01-06 09:00', every: day, participants: [dan, eve, fay], restrictions: [{days: [mon-fri], from: '22:00', to: '06:00'}]}\n` +
    `  overrides:\n${overrides.join('')}`
  );
}
const ONCALL = `
channels: {push: {kind: ntfy, url: 'http://127.0.0.1:${PORT + 1}/'}}
users:
${PEOPLE.map((id) => `- {id: ${id}, contacts: {push: ${id}-phone}}\n`).join('')}policies:
- {id: default, levels: [{notify: [{schedule: s0}], timeout: 8h}, {notify: [{user: fay}], timeout: 8h}]}
schedules:
${Array.from({ length: SCHEDULES }, (_, n) => schedule(n)).join('')}`;
const CONFIG = `rules: {files: []}
oncall: oncall.yml
incidents: {auto_resolve_after: 5m, deadlines: none}
`;

const alert = (service, n, labels = {}, annotations = {}) => ({
  labels: { alertname: 'ErrorsHigh', service, env: 'prod', severity: 'SEV2', host: `host-${n}`, region: `region-${n % 5}`, ...labels },
  annotations: { summary: `Errors of ${service}`, description: 'The value is above its threshold for 5 minutes.', value: String(n), failing_calls: "status = 'error'", ...annotations },
});

// ---- the client ----

const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
function ask(method, where, body) {
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = text ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) } : {};
  return new Promise((done, failed) => {
    const begin = performance.now();
    const request = http.request({ host: '127.0.0.1', port: PORT, path: where, method, agent, headers }, (response) => {
      const pieces = [];
      response.on('data', (piece) => pieces.push(piece));
      response.on('error', failed);
      response.on('end', () => {
        const answer = Buffer.concat(pieces).toString();
        if (response.statusCode > 299) return failed(new Error(`${method} ${where}: ${response.statusCode} ${answer}`));
        return done({ ms: performance.now() - begin, answer, bytes: answer.length });
      });
    });
    request.on('error', failed);
    request.end(text);
  });
}
const get = (where) => ask('GET', where);
const post = (where, body = {}) => ask('POST', where, body);

const part = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
function print(figure, times, more = {}) {
  const sorted = [...times].sort((a, b) => a - b);
  const ms = (x) => Number(x.toFixed(2));
  process.stdout.write(`${JSON.stringify({ bench: what, figure, runs: sorted.length, p50_ms: ms(part(sorted, 0.5)), p99_ms: ms(part(sorted, 0.99)), worst_ms: ms(sorted.at(-1)), ...more })}\n`);
}
async function measure(figure, runs, act) {
  const times = [];
  let bytes = 0;
  for (let run = 0; run < runs; ++run) {
    const answer = await act(run);
    times.push(answer.ms);
    bytes = answer.bytes;
  }
  print(figure, times, { bytes });
}

// A small request over and over while something else happens: what the desk's thread is kept busy with adds to it.
function probe() {
  const times = [];
  let going = true;
  const ended = (async () => {
    while (going) {
      times.push((await get('/sentinel/v1/incidents?limit=1')).ms);
      await new Promise((done) => setTimeout(done, 2));
    }
  })();
  return async (figure) => {
    going = false;
    await ended;
    print(figure, times);
  };
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// ---- what is asked ----

async function postAlerts(all) {
  const times = [];
  for (let from = 0; from < all.length; from += BATCH) times.push((await post('/api/v2/alerts', all.slice(from, from + BATCH))).ms);
  return times;
}

async function incidents() {
  print(`alerts in, ${BATCH} a request, each an incident of its own`, await postAlerts(Array.from({ length: INCIDENTS - 1 }, (_, n) => alert(`shop-${n}`, n))));
  const storm = Array.from({ length: ALERTS }, (_, n) => alert('storm', n));
  const probed = probe();
  print(`alerts in, ${BATCH} a request, all of one incident`, await postAlerts(storm));
  await probed('a small request meanwhile');
  const found = JSON.parse((await get('/sentinel/v1/incidents?q=storm')).answer).items[0];
  const at = `/sentinel/v1/incidents/${found.name}`;
  const detail = JSON.parse((await get(at)).answer);
  if (detail.alert_count !== ALERTS) throw new Error(`the incident has ${detail.alert_count} alerts`);
  await pause(3_000);

  await measure('list of 50', 200, () => get('/sentinel/v1/incidents?status=active'));
  await measure('list of 500', 50, () => get('/sentinel/v1/incidents?status=active&limit=500'));
  await measure('one incident of one alert', 200, (n) => get(`/sentinel/v1/incidents/${n + 1}`));
  await measure('one incident of 10,000 alerts', 200, () => get(at));
  await measure('500 of its alerts', 50, () => get(`${at}/alerts?limit=500`));
  const changing = probe();
  for (const status of ['acknowledged', 'investigating', 'identified', 'monitoring']) {
    const times = [];
    for (let round = 0; round < 25; ++round) {
      times.push((await post(`${at}/status`, { status })).ms);
      await post(`${at}/resolve`);
      await post(`${at}/reopen`);
    }
    print(`10,000 alerts: ${status}`, times);
  }
  const ends = [];
  for (let round = 0; round < 25; ++round) {
    ends.push((await post(`${at}/resolve`)).ms);
    await post(`${at}/reopen`);
  }
  print('10,000 alerts: resolved', ends);
  await measure('one alert: acknowledged', 200, (n) => post(`/sentinel/v1/incidents/${n + 1}/acknowledge`));
  await changing('a small request meanwhile');

  const joining = probe();
  await measure('an alert joins 10,000 of its rule', 200, (n) => post('/api/v2/alerts', [alert('storm', ALERTS + n)]));
  await measure('an alert of another rule joins 10,000', 50, (n) => post('/api/v2/alerts', [alert('storm', n, { alertname: `Other${n}` }, { summary: `Also ${n}` })]));
  await measure('the same alert again', 200, (n) => post('/api/v2/alerts', [alert('storm', n)]));
  await joining('a small request meanwhile');
  await measure('page of 50 alerts, all of alerting', 20, () => get('/sentinel/v1/alerts?limit=50'));

  const worse = probe();
  const raised = await post('/api/v2/alerts', [alert('storm', 0, { alertname: 'Down', severity: 'SEV1' }, { summary: 'Down' })]);
  await pause(15_000); // two rounds of the diagnosis
  print('a more severe alert joins, and names it anew', [raised.ms]);
  await worse('a small request in the 15 s after: its runbook and diagnosis');

  const endsAt = new Date(Date.now() - 1000).toISOString();
  const ending = probe();
  print(`alerts end, ${BATCH} a request`, await postAlerts(storm.map((a) => ({ ...a, endsAt }))));
  await ending('a small request meanwhile');
}

async function oncall() {
  await measure('who is on call, one schedule', 300, (n) => get(`/sentinel/v1/oncall?schedule=s${n % SCHEDULES}`));
  await measure(`who is on call, ${SCHEDULES} schedules`, 200, () => get('/sentinel/v1/oncall'));
  await measure(`who is on call, ${SCHEDULES} schedules, some other time`, 200, (n) => get(`/sentinel/v1/oncall?at=${new Date(Date.now() + n * 3_600_000 * 7).toISOString()}`));
  await measure('two weeks of one schedule', 200, (n) => get(`/sentinel/v1/oncall/schedules/s${n % SCHEDULES}`));
  await measure('people, and where each is on call', 100, () => get('/sentinel/v1/oncall/users'));
  const changing = probe();
  await measure('a shift is handed over', 100, (n) => {
    const from = new Date(Date.now() + n * 86_400_000).toISOString();
    const to = new Date(Date.now() + n * 86_400_000 + 3_600_000).toISOString();
    return post(`/sentinel/v1/oncall/schedules/s${n}/overrides`, { replace: 'ada', with: 'eve', from, to });
  });
  await changing('a small request meanwhile');
  await measure('an incident opens and pages', 100, (n) => post('/sentinel/v1/incidents', { title: `Incident ${n}`, severity: 'SEV1' }));
}

// ---- run ----

const folder = mkdtempSync(path.join(tmpdir(), 'sentinel-desk-'));
const pages = http.createServer((request, response) => request.resume().on('end', () => response.end('{}'))).listen(PORT + 1, '127.0.0.1');
writeFileSync(path.join(folder, 'oncall.yml'), ONCALL);
writeFileSync(path.join(folder, 'sentinel.yml'), CONFIG);
const server = spawn(BINARY, ['serve', '--listen', `127.0.0.1:${PORT}`, '--data-dir', path.join(folder, 'data'), '--config', path.join(folder, 'sentinel.yml')], { stdio: ['ignore', 'ignore', 'pipe'] });
let log = '';
server.stderr.on('data', (text) => (log = (log + text).slice(-4000)));
let status = 0;
try {
  for (let tries = 0; ; ++tries) {
    if (server.exitCode !== null || tries > 600) throw new Error(`the server does not start: ${log}`);
    if (await get('/-/ready').then(() => true, () => false)) break;
    await pause(50);
  }
  if (process.env.DESK_PROFILE) process.stderr.write(`server ${server.pid}\n`);
  await (what === 'oncall' ? oncall() : incidents());
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  status = 1;
} finally {
  server.kill('SIGTERM');
  await new Promise((done) => (server.exitCode !== null ? done() : server.on('exit', done)));
  pages.closeAllConnections();
  pages.close();
  agent.destroy();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = status;
