// What people do in an incident beside acknowledging it, over HTTP and the command line, with the whole binary.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { OpenApi } from './lib/openapi.mjs';
import { Sentinel, folderWith, freePorts, httpServer, run, temporaryFolder, until } from './lib/sentinel.mjs';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const ONCALL = (url) => `
channels: {push: {kind: ntfy, url: '${url}'}}
users:
- {id: ada, name: Ada Lovelace, contacts: {push: ada-phone}}
- {id: bob, name: Bob Fry, contacts: {push: bob-phone}}
policies:
- {id: default, levels: [{notify: [{user: ada}], timeout: 1h}, {notify: [{user: bob}], timeout: 1h}]}
`;
const CONFIG = `rules: {files: []}
oncall: oncall.yml
auth:
  tokens:
  - {sha256: ${sha256('see')}, user: eve, roles: [viewer]}
  - {sha256: ${sha256('act')}, user: ada}
incidents:
  resolve_children: true
  fields:
  - {name: customer, title: Customer}
  - {name: region, type: choice, values: [eu, us]}
  attachments: {max_size: 1MB, types: [text/plain, image/png]}
  deadlines: {SEV1: {acknowledge: 3s, update: none, review: none}, remind_before: 0s}
`;
const alert = (n, labels = {}) => ({ labels: { alertname: 'Broken', service: 'shop', severity: 'SEV2', n: String(n), ...labels }, annotations: { summary: 'it broke' } });

let push;
let folder;
let server;
let api;
const dataDir = temporaryFolder();
const as = (token) => ({ authorization: `Bearer ${token}` });
const ask = (method, where, body, headers = as('act')) => api.ask(method, `/sentinel/v1/incidents${where}`, body, headers);
const ok = async (method, where, body) => {
  const answer = await ask(method, where, body);
  assert.ok(answer.status < 300, `${method} ${where}: ${answer.status} ${answer.text}`);
  return answer.json;
};
const refused = async (status, method, where, body) => {
  const answer = await ask(method, where, body);
  assert.equal(answer.status, status, `${method} ${where}: ${answer.text}`);
  return answer.json.detail;
};
const cli = (...args) => run(['incident', ...args], { env: { SENTINEL_URL: server.url, SENTINEL_TOKEN: 'act' } });
const start = async (port) => {
  server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')], dataDir, port });
  api = new OpenApi(server, (await server.request('GET', '/sentinel/v1/openapi.json', undefined, as('act'))).json);
};
const pushed = () => push.received.map((r) => JSON.parse(r.body)).map((m) => `${m.topic}: ${m.title}`);

before(async () => {
  push = await httpServer((_request, _body, response) => response.end('{}'));
  folder = folderWith({ 'sentinel.yml': CONFIG, 'oncall.yml': ONCALL(push.url) });
  await start(await freePorts());
});
after(async () => {
  await server?.stop();
  await push?.close();
});

test('roles, fields, links and updates are shown where they belong, and a viewer changes nothing', async () => {
  await ok('POST', '', { title: 'Checkout fails', severity: 'SEV3' });
  await ok('POST', '', { title: 'Provider is down', severity: 'SEV3' });
  let incident = await ok('POST', '/1/roles', { role: 'commander', take: true });
  assert.deepEqual(incident.roles.map((r) => [r.role, r.person]), [['commander', 'Ada Lovelace']]);
  await ok('POST', '/1/roles', { role: 'scribe', person: 'bob' });
  incident = await ok('POST', '/1/fields', { fields: { customer: 'ACME', region: 'eu' } });
  assert.deepEqual(incident.fields, { customer: 'ACME', region: 'eu' });
  assert.match(await refused(400, 'POST', '/1/fields', { fields: { region: 'mars' } }), /expected one of eu, us/);
  await ok('POST', '/1/links', { relation: 'caused_by', incident: 'INC-2' });
  assert.deepEqual((await ok('GET', '/2')).links.map((l) => [l.relation, l.name]), [['causes', 'INC-1']]);
  await ok('POST', '/1/unlink', { relation: 'caused_by', incident: '2' });
  await ok('POST', '/1/parent', { parent: 'INC-2' });
  await refused(409, 'POST', '/2/parent', { parent: 'INC-1' });
  incident = await ok('POST', '/1/updates', { text: 'We look into it.', public: true, title: 'Errors at checkout', status: 'investigating' });
  assert.deepEqual(incident.updates.map((u) => [u.public, u.status, u.title]), [[true, 'investigating', 'Errors at checkout']]);
  await ok('GET', '/settings');
  for (const [where, body] of [['/1/roles', { role: 'scribe' }], ['/1/updates', { text: 'x' }], ['/1/subscribe', {}], ['/1/split', { fingerprints: [] }], ['/1/review', {}]])
    assert.equal((await ask('POST', where, body, as('see'))).status, 403, where);
  assert.equal((await ask('GET', '/1', undefined, as('see'))).status, 200);
});

test('subscribers and whoever is mentioned are told by their contacts', async () => {
  push.received.length = 0;
  await ok('POST', '/1/subscribe', { user: 'Bob Fry' });
  assert.match(await refused(400, 'POST', '/1/subscribe', { user: 'zoe' }), /nobody called "zoe"/);
  await ok('POST', '/1/updates', { text: 'It is the provider.' });
  await until('bob is told', () => pushed().includes('bob-phone: INC-1 investigating: Checkout fails'));
  await ok('POST', '/1/notes', { text: '@bob can you roll back?' });
  await until('bob is called', () => pushed().includes('bob-phone: ada mentions you in INC-1: Checkout fails'));
  await ok('POST', '/1/unsubscribe', { user: 'bob' });
  await ok('POST', '/1/subscribe', {});
  await ok('POST', '/1/unsubscribe', {});
});

test('a parent that is resolved resolves its child', async () => {
  await ok('POST', '/2/resolve', { resolution: 'another provider' });
  assert.equal((await ok('GET', '/1')).status, 'resolved');
  await ok('POST', '/1/review', { note: 'in the wiki' });
});

test('files are checked, kept, and given back as downloads only', async () => {
  const upload = (name, type, body, token = 'act') =>
    api.ask('POST', `/sentinel/v1/incidents/1/attachments?name=${encodeURIComponent(name)}`, body, { ...as(token), 'content-type': type });
  assert.equal((await upload('x.html', 'text/html', '<p>')).status, 400);
  assert.equal((await upload('x.png', 'image/png', '<script>')).status, 400);
  assert.equal((await upload('big.txt', 'text/plain', 'x'.repeat(1 << 21))).status, 413);
  assert.equal((await upload('x.txt', 'text/plain', 'x', 'see')).status, 403);
  const kept = await upload('../größe.txt', 'text/plain; charset=utf-8', 'what the log says\n');
  assert.equal(kept.status, 201, kept.text);
  assert.equal(kept.json.sha256, sha256('what the log says\n'));
  await server.kill();
  await start(server.port);
  const got = await ask('GET', `/1/attachments/${kept.json.id}`);
  assert.equal(got.text, 'what the log says\n');
  assert.match(got.headers.get('content-disposition'), /^attachment; filename="_gr__+e\.txt"; filename\*=UTF-8''_gr%C3%B6%C3%9Fe\.txt$/);
  assert.equal(got.headers.get('x-content-type-options'), 'nosniff');
  assert.match(got.headers.get('content-security-policy'), /sandbox/);
  await refused(404, 'GET', `/2/attachments/${kept.json.id}`);
  await ok('DELETE', `/1/attachments/${kept.json.id}`);
  await refused(404, 'GET', `/1/attachments/${kept.json.id}`);
});

test('ten thousand alerts are a small answer, a page at a time, and can be split', async () => {
  for (let from = 0; from < 10_000; from += 2_500)
    assert.equal((await server.request('POST', '/api/v2/alerts', Array.from({ length: 2_500 }, (_, i) => alert(from + i)), as('act'))).status, 200);
  const [{ name }] = (await ok('GET', '?status=active')).items;
  const timed = async (act) => {
    const begun = performance.now();
    const answer = await act();
    return [answer, performance.now() - begun];
  };
  const [answer, readMs] = await timed(() => ask('GET', `/${name}`));
  assert.equal(answer.json.alert_count, 10_000);
  assert.equal(answer.json.alerts.length, 50);
  assert.ok(answer.text.length < 200_000, `${answer.text.length} bytes`);
  const [, changeMs] = await timed(() => ok('POST', `/${name}/acknowledge`, {}));
  assert.ok(changeMs < 1000, `${changeMs} ms`);
  const seen = new Set();
  let cursor = '';
  do {
    const page = await ok('GET', `/${name}/alerts?limit=500&state=firing${cursor && `&cursor=${cursor}`}`);
    for (const one of page.items) seen.add(one.fingerprint);
    cursor = page.next_cursor;
  } while (cursor);
  assert.equal(seen.size, 10_000);
  const made = await ok('POST', `/${name}/split`, { fingerprints: [...seen].slice(0, 100), title: 'a hundred of them' });
  assert.equal(made.alert_count, 100);
  assert.equal(made.status, 'acknowledged');
  const [, resolveMs] = await timed(() => ok('POST', `/${name}/resolve`, {}));
  assert.ok(resolveMs < 1000, `${resolveMs} ms`);
  test.diagnostic?.(`10,000 alerts: read ${readMs} ms, acknowledged ${changeMs} ms, resolved ${resolveMs} ms`);
});

test('a missed acknowledgement tells the next level, also when the process was down then', async () => {
  push.received.length = 0;
  await ok('POST', '', { title: 'All is down', severity: 'SEV1' });
  await until('the first level is told', () => pushed().includes('ada-phone: [SEV1] INC-5: All is down'));
  await server.kill();
  await new Promise((done) => setTimeout(done, 3500));
  assert.ok(!pushed().some((p) => p.startsWith('bob')));
  await start(server.port);
  await until('the next level is told', () => pushed().includes('bob-phone: [SEV1] INC-5: All is down'));
  const { timeline, deadlines } = await ok('GET', '/5');
  assert.ok(timeline.some((e) => e.kind === 'deadline' && e.text === 'nobody has acknowledged within 3 s; the next level is told'), JSON.stringify(timeline));
  assert.ok(deadlines[0].missed_at);
  await ok('POST', '/5/acknowledge', {});
});

test('the command line does the same', async () => {
  const done = async (...args) => {
    const result = await cli(...args);
    assert.equal(result.code, 0, `${args}: ${result.stderr}`);
    return result.stdout;
  };
  await done('role', '5', 'liaison', 'Bob Fry');
  await done('take', '5', 'commander');
  await done('field', '5', 'customer=ACME', 'region=us');
  await done('link', '5', 'related', '2');
  await done('parent', '5', '4');
  await done('parent', '5');
  await done('subscribe', '5', 'bob', '--by', 'push');
  await done('update', '5', 'Half is back.', '--public', '--status', 'monitoring');
  const file = path.join(temporaryFolder(), 'log.txt');
  writeFileSync(file, 'lines');
  const [id] = (await done('attach', '5', file)).split(' ');
  const copy = path.join(temporaryFolder(), 'copy.txt');
  await done('attachment', '5', id, '--to', copy);
  assert.equal(readFileSync(copy, 'utf8'), 'lines');
  const shown = await done('show', '5');
  for (const line of [/^commander +Ada Lovelace$/m, /^liaison +Bob Fry$/m, /^customer +ACME$/m, /^related +INC-2 resolved/m, /^told of news +Bob Fry$/m, /^attachment .*log\.txt \(5 bytes\)$/m])
    assert.match(shown, line);
  await done('unlink', '5', 'related', '2');
  await done('unsubscribe', '5', 'bob');
  assert.match(await done('alerts', '4'), /^FINGERPRINT +STATE/);
  const wrong = await cli('field', '5', 'region=mars');
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /expected one of eu, us/);
  await done('resolve', '5');
  await done('review', '5', '--note', 'done');
});

test('a postmortem is generated, written over, reviewed, exported; what is to be done is followed', async () => {
  const incident = await ok('POST', '', { title: 'The shop was slow', severity: 'SEV2' });
  const where = `/${incident.number}`;
  const first = await ok('GET', `${where}/postmortem?format=json`);
  assert.deepEqual([first.generated, first.state, first.version, first.action_items], [true, 'draft', 0, []]);
  assert.match(first.markdown, /^# Postmortem: The shop was slow/);

  const item = await ok('POST', `${where}/action-items`, { text: 'Alert on queue depth', type: 'detect', owner: 'ada', due_date: '2020-02-29', link: 'https://tickets.example.org/7' });
  assert.deepEqual([item.state, item.overdue, item.owner, item.due_date], ['open', true, 'Ada Lovelace', '2020-02-29']);
  await until('its owner is told that it is overdue', () => pushed().some((line) => line.includes('Overdue: Alert on queue depth')));
  assert.match(await refused(400, 'POST', `${where}/action-items`, { text: 'x', due_date: 'soon' }), /no date/);
  assert.match(await refused(400, 'POST', `${where}/action-items`, { text: 'x', link: 'javascript:alert(1)' }), /https/);
  assert.match((await ok('GET', `${where}/postmortem?format=json`)).markdown, /\[Alert on queue depth\]\(https:\/\/tickets\.example\.org\/7\) \| detect \| Ada Lovelace \| 2020-02-29 \| open, overdue/);

  const edited = await ok('PUT', `${where}/postmortem`, { markdown: '# What we learnt\n\n<script>alert(1)</script> *Much.*' });
  assert.deepEqual([edited.generated, edited.version, edited.authors], [false, 1, ['ada']]);
  assert.match(edited.html, /<em>Much\.<\/em>/);
  assert.doesNotMatch(edited.html, /<script/);
  const stale = await api.ask('PUT', `/sentinel/v1/incidents${where}/postmortem`, { markdown: 'mine' }, { ...as('act'), 'if-match': '9' });
  assert.equal(stale.status, 409, stale.text);
  assert.match(await refused(409, 'PUT', `${where}/postmortem`, { state: 'reviewed' }), /not resolved/);
  assert.equal((await api.ask('PUT', `/sentinel/v1/incidents${where}/postmortem`, { state: 'draft' }, as('see'))).status, 403, 'viewers change nothing');
  await ok('POST', `${where}/resolve`, { root_cause: 'a full queue', resolution: 'emptied it' });
  assert.equal((await ok('PUT', `${where}/postmortem`, { state: 'reviewed' })).state, 'reviewed');

  await server.kill();
  await start(server.port);
  const kept = await ok('GET', `${where}/postmortem?format=json`);
  assert.match(kept.markdown, /^# What we learnt/);
  assert.match((await ok('GET', `${where}/postmortem?format=json&generated=true`)).markdown, /^# Postmortem: The shop was slow/);
  const page = await server.request('GET', `/sentinel/v1/incidents${where}/postmortem?format=html`, undefined, as('act'));
  assert.match(page.type, /^text\/html/);
  assert.match(page.text, /<h1[^>]*>What we learnt/);
  assert.doesNotMatch(page.text, /<script/);

  const listed = await cli('actions', '--state', 'overdue');
  assert.match(listed.stdout, /Alert on queue depth/);
  assert.match((await cli('action-set', String(item.id), '--state', 'done')).stdout, new RegExp(`Action item ${item.id} of ${incident.name} is done`));
  assert.match((await cli('actions')).stdout, /No action items|Alert/);
  assert.equal((await ok('GET', `${where}/action-items`)).items[0].state, 'done');
  const added = await cli('action', incident.name, 'Write a runbook', '--owner', 'bob');
  assert.equal(added.code, 0, added.stderr);
  assert.match((await cli('postmortem', incident.name)).stdout, /^# What we learnt/);
  const kinds = (await ok('GET', where)).timeline.map((entry) => entry.kind);
  for (const kind of ['action', 'postmortem', 'review']) assert.ok(kinds.includes(kind), kind);
});

test('whether pages were worth it is measured, and people have the last word', async () => {
  const quality = async () => (await api.ask('GET', '/sentinel/v1/analytics/alerts?time_zone=Europe/Berlin', undefined, as('act'))).json;
  await server.request('POST', '/api/v2/alerts', [alert('worth-it', { alertname: 'Noisy' })], as('act'));
  const incident = await until('an incident of it', async () => (await ok('GET', '?q=it%20broke')).items.find((one) => one.labels.alertname === 'Noisy'));
  const rule = async () => (await quality()).rules.find((one) => one.rule === 'Noisy');
  const before = await until('its page was delivered', rule);
  assert.equal(before.pages, 1);
  assert.equal(before.business + before.off_hours + before.sleep, 1);
  assert.deepEqual([before.actionable, before.rated, before.unattended, before.cost], [1, 0, 1, 0]);
  const rated = await ok('POST', `/${incident.number}/rate`, { useful: false, note: 'nothing to do' });
  assert.equal(rated.useful, false);
  assert.match(await refused(400, 'POST', `/${incident.number}/rate`, {}), /useful/);
  const after = await rule();
  assert.deepEqual([after.actionable, after.rated], [0, 1]);
  assert.ok(after.cost >= 1);
  const { people } = await quality();
  assert.equal(people.find((one) => one.user === 'ada').name, 'Ada Lovelace');
  assert.match((await run(['alert', 'quality'], { env: { SENTINEL_URL: server.url, SENTINEL_TOKEN: 'act' } })).stdout, /Noisy +1 /);
  assert.equal((await cli('rate', incident.name, 'useful')).code, 0);
  assert.equal((await rule()).actionable, 1);
});

test('two incidents of one cause are linked, and merged where that is asked for', async (t) => {
  // One of two models is slow and then fails; alerts about either come from outside.
  const provider = await httpServer((_request, body, response) => {
    const { model } = JSON.parse(body);
    response.setHeader('content-type', 'application/json');
    if (model === 'bad') return setTimeout(() => response.writeHead(500).end('{"error":{"message":"down"}}'), 400);
    return response.end(JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model, choices: [{ index: 0, message: { role: 'assistant', content: 'Yes.' }, finish_reason: 'stop' }] }));
  });
  t.after(() => provider.close());
  const about = (name, category, failing_calls) => [{ labels: { alertname: name, category, severity: 'SEV2' }, annotations: { summary: `${name} broke`, failing_calls } }];
  for (const [mode, status, relation] of [['suggest', 'open', 'related'], ['merge', 'resolved', 'merged_into']]) {
    const config = `rules: {files: []}\nincidents: {group_by_diagnosis: ${mode}}\ngateway:\n  providers: [{name: p, base_url: '${provider.url}/v1'}]\n  routes: [{targets: [{provider: p}], retries: {attempts: 1}}]\n`;
    const own = await Sentinel.serve({ args: ['--config', path.join(folderWith({ 'sentinel.yml': config }), 'sentinel.yml')] });
    t.after(() => own.kill());
    const call = (model) => own.request('POST', '/v1/chat/completions', { model, messages: [{ role: 'user', content: 'Is it?' }] });
    for (let n = 0; n < 60; ++n) await call('good');
    for (let n = 0; n < 5; ++n) await Promise.all([call('bad'), call('good')]);
    await until('the calls are stored', async () => (await own.sql("SELECT count(*) AS n FROM llm_events WHERE model = 'bad' AND latency_ms > 200 AND status = 'error'"))[0].n === 5);
    await own.request('POST', '/api/v2/alerts', about('Slow', 'latency', 'latency_ms > 200'));
    await own.request('POST', '/api/v2/alerts', about('Errors', 'errors', "status = 'error'"));
    const second = await until('the pair is told', async () => {
      const now = await own.get('/sentinel/v1/incidents/2');
      return now.timeline.some((e) => e.kind === 'same_cause') && now;
    });
    const [entry] = second.timeline.filter((e) => e.kind === 'same_cause');
    assert.match(entry.text, /same as INC-1: both are about [a-z_]+=\S+, ([45]) of \1 failing calls are of both/); // the first one may have been told apart from the rise
    assert.deepEqual([entry.actor, entry.source], ['sentinel', 'diagnosis']);
    assert.ok(entry.data.both >= 4);
    assert.equal(second.status, status);
    assert.deepEqual(second.links.map((l) => [l.relation, l.name]), [[relation, 'INC-1']]);
    assert.equal((await own.get('/sentinel/v1/incidents/1')).alert_count, mode === 'merge' ? 2 : 1);
    await own.kill();
  }
});
