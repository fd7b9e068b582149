// Bad input of every kind gets a clear error, and nothing is lost.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Sentinel, folderWith, freePorts, run, sqlite, temporaryFolder, until, webhook } from './lib/sentinel.mjs';

const RULES = `groups:
  - name: own
    interval: 1s
    rules:
      - alert: AlwaysThere
        expr: vector(1)
        labels: {severity: SEV4}
`;
const QUIET = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";
const CONFIG = 'rules:\n  files: [rules.yml]\nalertmanager: alertmanager.yml\n';
const good = () => folderWith({ 'sentinel.yml': CONFIG, 'rules.yml': RULES, 'alertmanager.yml': QUIET });

/** Starts `serve` with what must not start; gives its code and its last line. */
async function refused(args) {
  const otherwise = (name, value) => (args.includes(name) ? [] : [name, value]);
  const listen = otherwise('--listen', `127.0.0.1:${await freePorts()}`);
  const ended = await run(['serve', ...listen, ...otherwise('--data-dir', temporaryFolder()), ...args]);
  const line = ended.stderr.trim().split('\n').at(-1);
  return { ...ended, line };
}

// What is wrong, the file, what the message must say after FILE:LINE:COLUMN.
const WRONG_FILES = [
  ['an unknown key', 'sentinel.yml', 'listen: 127.0.0.1:8080\ngatway: {}\n', '2:1', /gatway.*gateway/],
  ['broken YAML', 'sentinel.yml', 'log:\n  level: [info\n', '\\d+:\\d+', /./],
  ['a wrong duration', 'sentinel.yml', 'metrics:\n  retention: soon\n', '2:14', /duration|soon/],
  ['an unknown word', 'sentinel.yml', 'log:\n  level: loud\n', '2:10', /expected debug, info, warn or error/],
  ['a route to nowhere', 'sentinel.yml', 'gateway:\n  providers:\n    - {name: openai, base_url: "http://127.0.0.1:1"}\n  routes:\n    - targets: [{provider: opnai}]\n', '5:7', /did you mean "openai"/],
  ['a broken expression', 'rules.yml', 'groups:\n  - name: a\n    rules:\n      - alert: A\n        expr: sum(rate(x[5m])\n', '5:\\d+', /./],
  ['a rule without expr', 'rules.yml', 'groups:\n  - name: a\n    rules:\n      - alert: A\n', '4:\\d+', /expr/],
  ['a wrong `for`', 'rules.yml', 'groups:\n  - name: a\n    rules:\n      - alert: A\n        expr: up\n        for: 5 minutes\n', '6:14', /./],
  ['a template that does not parse', 'rules.yml', "groups:\n  - name: a\n    rules:\n      - alert: A\n        expr: up\n        annotations: {summary: '{{ $value'}\n", '6:\\d+', /./],
  ['an unknown receiver', 'alertmanager.yml', 'route:\n  receiver: pager\nreceivers:\n  - name: mail\n', '2:\\d+', /pager/],
  ['a receiver without a URL', 'alertmanager.yml', 'route: {receiver: a}\nreceivers:\n  - name: a\n    webhook_configs:\n      - send_resolved: true\n', '5:\\d+', /url/],
];
const CHECK = { 'sentinel.yml': 'config', 'rules.yml': 'rules', 'alertmanager.yml': 'alertmanager' };

for (const [what, name, text, position, says] of WRONG_FILES) {
  test(`${what} in ${name}: file, line, column and what was expected, by check and by serve`, async () => {
    const folder = good();
    const file = path.join(folder, name);
    writeFileSync(file, text);
    const checked = await run(['check', CHECK[name], file]);
    const served = await refused(['--config', path.join(folder, 'sentinel.yml')]);
    for (const { code, stderr } of [checked, served]) {
      assert.equal(code, 2, stderr);
      assert.match(stderr, new RegExp(`${name.replace('.', '\\.')}:${position}: `));
      assert.match(stderr, says);
    }
  });
}

test('good files pass the check', async () => {
  const folder = good();
  for (const [name, verb] of Object.entries(CHECK)) {
    const { code, stdout, stderr } = await run(['check', verb, path.join(folder, name)]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /: ok(, 1 rule)?$/m);
  }
});

test('a file that is not there is named', async () => {
  const { code, line } = await refused(['--config', '/nowhere/sentinel.yml']);
  assert.notEqual(code, 0);
  assert.match(line, /\/nowhere\/sentinel\.yml.*(no such file|not found|does not exist)/i);
});

test('SIGHUP with a wrong file keeps the old rules and says why; a right one is taken', async (t) => {
  const folder = good();
  const server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')] });
  t.after(() => server.stop());
  const names = async () => (await server.get('/sentinel/v1/rules')).items.map((r) => r.name);
  assert.deepEqual(await names(), ['AlwaysThere']);

  writeFileSync(path.join(folder, 'rules.yml'), RULES.replace('vector(1)', 'vector(1'));
  server.signal('SIGHUP');
  await until('it says why', () => /reload refused, the old configuration stays: .*rules\.yml:6:\d+: /.test(server.output));
  assert.deepEqual(await names(), ['AlwaysThere']);
  await until('the old rule still fires', async () => (await server.get('/sentinel/v1/alerts')).items.some((a) => a.state === 'firing'));

  writeFileSync(path.join(folder, 'rules.yml'), RULES.replace('AlwaysThere', 'NewName'));
  server.signal('SIGHUP');
  await until('the new rule is there', async () => (await names()).includes('NewName'));
  assert.equal((await fetch(`${server.url}/-/healthy`)).status, 200);
});

test('a reload that fails half-way changes nothing: receivers, rules and gateway stay', async (t) => {
  const [one, other] = [await webhook(), await webhook()];
  t.after(() => Promise.all([one.close(), other.close()]));
  const routes = (to) =>
    `route: {receiver: a, group_wait: 0s, group_interval: 1s, repeat_interval: 1s}\nreceivers: [{name: a, webhook_configs: [{url: "${to.url}/"}]}]\n`;
  const folder = folderWith({ 'sentinel.yml': CONFIG, 'rules.yml': RULES, 'alertmanager.yml': routes(one) });
  const dataDir = temporaryFolder();
  const server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')], dataDir });
  t.after(() => server.stop());
  const names = async () => (await server.get('/sentinel/v1/rules')).items.map((r) => r.name);
  await until('the receiver is told', () => one.received.length > 0);

  // The table alerting writes its groups to is away; a provider's key cannot be read; both with new routes and rules.
  const move = (from, to) => sqlite(path.join(dataDir, 'state.db'), `ALTER TABLE ${from} RENAME TO ${to}`);
  const unreadable = 'gateway:\n  providers: [{name: p, base_url: "http://127.0.0.1:1", api_key_file: /nonexistent/key}]\n  routes: [{models: ["*"], targets: [{provider: p}]}]\n';
  writeFileSync(path.join(folder, 'alertmanager.yml'), routes(other));
  writeFileSync(path.join(folder, 'rules.yml'), RULES.replace('AlwaysThere', 'NewName'));
  for (const [why, config, before, after] of [
    ['alert_groups', CONFIG, () => move('alert_groups', 'away'), () => move('away', 'alert_groups')],
    ['/nonexistent/key', CONFIG + unreadable, () => {}, () => {}],
  ]) {
    writeFileSync(path.join(folder, 'sentinel.yml'), config);
    await before();
    const answer = await server.request('POST', '/-/reload');
    await after();
    assert.ok(answer.status >= 400 && answer.json.detail.includes(why), `${answer.status} ${answer.text}`);
    assert.deepEqual(await names(), ['AlwaysThere']);
    const told = one.received.length;
    await until('the old receiver goes on', () => one.received.length > told);
    assert.equal(other.received.length, 0);
  }

  writeFileSync(path.join(folder, 'sentinel.yml'), CONFIG);
  assert.equal((await server.request('POST', '/-/reload')).status, 200);
  assert.deepEqual(await names(), ['NewName']);
  await until('the new receiver is told', () => other.received.length > 0);
});

test('a taken port is named', async (t) => {
  const taken = net.createServer();
  const port = await freePorts();
  await new Promise((done) => taken.listen(port, '127.0.0.1', done));
  t.after(() => taken.close());
  const { code, line } = await refused(['--listen', `127.0.0.1:${port}`]);
  assert.notEqual(code, 0);
  assert.match(line, new RegExp(`^sentinel: .*${port}.*in use`, 'i'));
});

test('a data directory of another process is refused, and that one goes on', async (t) => {
  const server = await Sentinel.serve();
  t.after(() => server.stop());
  const { code, line } = await refused(['--data-dir', server.dataDir]);
  assert.equal(code, 1, line);
  assert.match(line, new RegExp(`^sentinel: data directory ${server.dataDir} is in use: .*another process; stop the sentinel that runs on it, or .*--data-dir`));
  assert.equal((await fetch(`${server.url}/-/ready`)).status, 200);
});

test('a data directory that cannot be made or written is refused with path, error and advice', async () => {
  const folder = folderWith({ file: 'not a directory' });
  for (const [dir, error] of [
    [path.join(folder, 'file'), /Not a directory/],
    [path.join(folder, 'file', 'below'), /Not a directory/],
    ['/proc/sentinel', /No such file|Permission denied/],
  ]) {
    const demo = await run(['demo', '--listen', `127.0.0.1:${await freePorts(4)}`, '--data-dir', dir]);
    for (const { code, stderr } of [await refused(['--data-dir', dir]), demo]) {
      assert.equal(code, 1, stderr);
      const line = stderr.trim().split('\n').at(-1);
      assert.ok(line.startsWith(`sentinel: data directory ${dir} cannot be`), line);
      assert.match(line, error);
      assert.match(line, /make it writable .*, or name another folder with --data-dir$/);
    }
  }
});

test('listening for everybody needs authentication', async () => {
  const { code, line } = await refused(['--listen', `0.0.0.0:${await freePorts()}`]);
  assert.equal(code, 2);
  assert.match(line, /0\.0\.0\.0 without authentication is refused/);
  assert.match(line, /auth\.tokens_sha256/);
});

test('tokens that cannot be told apart or read are refused with their place', async () => {
  const hash = 'ab'.repeat(32);
  for (const [text, error] of [
    [`auth:\n  tokens:\n  - {user: ada, sha256: ${hash}}\n  - {user: bob, sha256: ${hash}}\n`, /sentinel\.yml:4:25: this token is there twice/],
    ['auth:\n  tokens:\n  - {user: ada, sha256: secret}\n', /sentinel\.yml:3:25: expected 64 hexadecimal digits/],
    [`auth: {tokens_sha256: ${hash}}\n`, /auth\.tokens_sha256 must be a list/],
    [`auth:\n  tokens:\n  - {sha256: ${hash}}\n`, /needs a field "user"/],
  ]) {
    const folder = folderWith({ 'sentinel.yml': text });
    const { code, line } = await refused(['--config', `${folder}/sentinel.yml`]);
    assert.equal(code, 2);
    assert.match(line, error);
  }
});

test('with authentication only the token opens the API', async (t) => {
  const token = 'correct-horse-battery';
  const hash = createHash('sha256').update(token).digest('hex');
  const folder = folderWith({ 'sentinel.yml': `auth:\n  tokens_sha256: [${hash}]\n` });
  const server = new Sentinel(['serve', '--config', `${folder}/sentinel.yml`, '--data-dir', temporaryFolder(), '--listen', `0.0.0.0:${await freePorts()}`], '');
  t.after(() => server.stop());
  await until('it serves', () => /serving at http:\/\/[\d.]+:(\d+)/.exec(server.output), { unless: () => (server.exit === null ? '' : server.output) });
  server.url = `http://127.0.0.1:${/serving at http:\/\/[\d.]+:(\d+)/.exec(server.output)[1]}`;
  for (const headers of [{}, { authorization: 'Bearer wrong' }, { authorization: `Basic ${token}` }]) {
    const answer = await server.request('GET', '/sentinel/v1/incidents', undefined, headers);
    assert.equal(answer.status, 401);
    assert.match(answer.type, /problem\+json/);
    assert.equal(answer.headers.get('www-authenticate'), 'Bearer');
  }
  for (const where of ['/metrics', '/api/v1/query?query=up', '/debug/diagnostics', '/sentinel/v1/live']) assert.equal((await server.request('GET', where)).status, 401, where);
  assert.equal((await server.request('GET', '/-/healthy')).status, 200);
  assert.equal((await server.request('GET', '/sentinel/v1/incidents', undefined, { authorization: `Bearer ${token}` })).status, 200);
  const refusedCli = await server.cli('incident', 'list');
  assert.equal(refusedCli.code, 4, refusedCli.stderr);
  assert.equal((await server.cli('incident', 'list', '--token', token)).code, 0);
});

test('the page itself opens without a token, so that it can ask for one', async (t) => {
  const hash = createHash('sha256').update('t').digest('hex');
  const folder = folderWith({ 'sentinel.yml': `auth:\n  tokens_sha256: [${hash}]\n` });
  const port = await freePorts();
  const server = new Sentinel(['serve', '--config', `${folder}/sentinel.yml`, '--data-dir', temporaryFolder(), '--listen', `127.0.0.1:${port}`], `http://127.0.0.1:${port}`);
  t.after(() => server.stop());
  await until('it is healthy', async () => (await fetch(`${server.url}/-/healthy`)).ok);
  assert.equal((await server.request('GET', '/')).status, 200);
});

// ---- requests ----

let server;
before(async () => {
  server = await Sentinel.serve({ args: ['--config', path.join(good(), 'sentinel.yml')] });
});
after(() => server?.stop());

/** A problem document as RFC 9457 wants it. */
function problem(answer, status, detail) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.type, /^application\/problem\+json/);
  assert.equal(answer.json.status, status);
  for (const member of ['type', 'title', 'detail', 'code']) assert.equal(typeof answer.json[member], 'string', `${member}: ${answer.text}`);
  if (detail) assert.match(answer.json.detail, detail);
}

test('bad SQL gets a problem document', async () => {
  const ask = (query) => server.request('POST', '/sentinel/v1/sql', { query });
  problem(await ask('SELEC 1'), 400, /SELEC/);
  problem(await ask('SELECT no_such_column FROM llm_events'), 400, /no_such_column/);
  problem(await ask('SELECT 1; SELECT 2'), 400);
  problem(await ask(''), 400);
});

test('SQL only reads, and only llm_events', async () => {
  const before = readdirSync(server.dataDir).sort();
  for (const query of [
    'DELETE FROM llm_events',
    'DROP TABLE llm_events',
    "COPY (SELECT 1) TO '/tmp/sentinel-acceptance.csv'",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "ATTACH 'x.db'",
    'PRAGMA database_list',
    "SET threads = 1",
    'INSTALL httpfs',
    'CREATE TABLE x AS SELECT 1',
  ]) {
    const answer = await server.request('POST', '/sentinel/v1/sql', { query });
    assert.ok([400, 403].includes(answer.status), `${query}: ${answer.status} ${answer.text}`);
    problem(answer, answer.status);
  }
  assert.deepEqual(readdirSync(server.dataDir).sort(), before);
});

test('bad JSON bodies get a problem document with the position', async () => {
  for (const where of ['/sentinel/v1/sql', '/sentinel/v1/incidents']) {
    const broken = await server.request('POST', where, '{\n  "query": nonsense}');
    problem(broken, 400);
    assert.equal(broken.json.line, 2, broken.text);
    assert.ok(broken.json.column > 1, broken.text);
    problem(await server.request('POST', where, '[1]'), 400);
    problem(await server.request('POST', where, ''), 400);
  }
  problem(await server.request('POST', '/sentinel/v1/incidents', { title: 5, severity: 'SEV1' }), 400, /title/);
  problem(await server.request('POST', '/sentinel/v1/incidents', { title: 'x', severity: 'SEV9' }), 400, /SEV9|severity/);
});

test('changes that make no sense are refused and change nothing', async () => {
  const made = await server.post('/sentinel/v1/incidents', { title: 'x', severity: 'P2' });
  assert.equal(made.severity, 'SEV2');
  const at = `/sentinel/v1/incidents/${made.name}`;
  problem(await server.request('POST', `${at}/status`, { status: 'sleeping' }), 400, /sleeping/);
  problem(await server.request('POST', `${at}/severity`, { severity: 'huge' }), 400, /huge/);
  problem(await server.request('POST', `${at}/notes`, {}), 400, /text/);
  problem(await server.request('POST', `${at}/runbook/steps/none`, { state: 'done' }), 404);
  problem(await server.request('POST', `${at}/merge`, { into: 'INC-999' }), 404);
  const now = await server.get(at);
  assert.deepEqual([now.status, now.severity, now.version], [made.status, made.severity, made.version]);
});

test('If-Match guards every change of an incident', async () => {
  const into = await server.post('/sentinel/v1/incidents', { title: 'the other', severity: 'P3' });
  const made = await server.post('/sentinel/v1/incidents', { title: 'guarded', severity: 'P3' });
  const at = `/sentinel/v1/incidents/${made.name}`;
  const seen = (await server.post(`${at}/notes`, { text: 'somebody was faster' })).version;
  assert.ok(seen > made.version);
  const old = { 'if-match': String(made.version) };
  const ignored = [];
  for (const [action, body] of Object.entries({ acknowledge: {}, severity: { severity: 'SEV1' }, assign: { assignee: 'a' }, notes: { text: 'late' }, merge: { into: into.name } })) {
    if ((await server.request('POST', `${at}/${action}`, body, old)).status !== 409) ignored.push(action);
  }
  assert.deepEqual(ignored, []);
});

test('unknown paths, things and methods get a problem document', async () => {
  problem(await server.request('GET', '/sentinel/v1/nothing'), 404);
  problem(await server.request('GET', '/api/v9/query'), 404);
  problem(await server.request('GET', '/sentinel/v1/incidents/INC-4711'), 404, /4711/);
  problem(await server.request('GET', '/sentinel/v1/calls/none'), 404);
  problem(await server.request('GET', '/sentinel/v1/demo'), 404);
  const wrong = await server.request('DELETE', '/sentinel/v1/incidents');
  problem(wrong, 405);
  assert.match(wrong.headers.get('allow'), /GET/);
  problem(await server.request('GET', '/sentinel/v1/incidents?limit=many'), 400, /limit/);
  problem(await server.request('GET', '/sentinel/v1/calls?filter=odd'), 400, /odd|filter/);
});

test('bytes that are no HTTP do no harm', async () => {
  for (const bytes of ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'GET / HTTP/9.9\r\n\r\n', `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n\r\n`, 'POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n']) {
    await new Promise((done) => {
      const socket = net.connect(server.port, '127.0.0.1', () => socket.write(Buffer.from(bytes, 'latin1')));
      socket.on('data', () => {});
      socket.on('error', done);
      socket.on('close', done);
      socket.setTimeout(2000, () => socket.destroy());
    });
  }
  assert.equal((await fetch(`${server.url}/-/ready`)).status, 200);
});
