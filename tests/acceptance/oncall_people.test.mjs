// Contacts, maintenance windows and overrides changed over the API and the command line: who may, what a reload and
// kill -9 keep, what the audit says; and a synthetic page that goes the whole way.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith, httpServer, pause, until } from './lib/sentinel.mjs';
import { OpenApi } from './lib/openapi.mjs';

const json = (response, status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const sha = (token) => createHash('sha256').update(token).digest('hex');

async function outside() {
  const state = { probe: 200 };
  const http = await httpServer((request, _body, response) =>
    request.url.startsWith('/probe') ? json(response, state.probe, {}) : json(response, 200, { id: 'x' }));
  return {
    url: http.url,
    state,
    close: () => http.close(),
    pages: () => http.received.filter((r) => r.path.startsWith('/ntfy')).map((r) => JSON.parse(r.body).topic),
    probes: () => http.received.filter((r) => r.path.startsWith('/probe')).length,
  };
}

const oncall = (world, more = '') => `
channels:
  push: {kind: ntfy, url: '${world.url}/ntfy'}
  probe: {kind: webhook, test: true}
users:
- {id: ada, name: Ada Lovelace, contacts: {push: ada-old}}
- {id: bob, name: Bob Fry, contacts: {push: bob-phone}}
- {id: probe, contacts: {probe: '${world.url}/probe'}}
schedules:
- {id: primary, layers: [{start: '2026-01-01', every: week, participants: [ada]}]}
policies:
- {id: default, levels: [{notify: [{schedule: primary}], timeout: 1h}]}
- {id: probe, levels: [{notify: [{user: probe}], timeout: 1h}]}
last_resort: [{user: bob}]
${more}`;

const SENTINEL = `oncall: oncall.yml
auth:
  tokens:
  - {user: ada, sha256: ${sha('t-ada')}, roles: [responder]}
  - {user: Bob Fry, sha256: ${sha('t-bob')}, roles: [responder]}
  - {user: root, sha256: ${sha('t-root')}, roles: [admin]}
  - {user: eye, sha256: ${sha('t-eye')}, roles: [viewer]}
`;
const as = (name) => ({ authorization: `Bearer t-${name}` });

test('contacts: one\'s own or admin; a reload and kill -9 keep them; pages follow; reset goes back', async (t) => {
  const world = await outside();
  t.after(() => world.close());
  const folder = folderWith({ 'oncall.yml': oncall(world), 'sentinel.yml': SENTINEL });
  const args = ['--config', path.join(folder, 'sentinel.yml')];
  let server = await Sentinel.serve({ args });
  t.after(() => server.stop());
  const users = '/sentinel/v1/oncall/users';
  const change = { contacts: { push: 'ada-new' }, rules: { default: [{ by: 'push' }], urgent: [{ after: '0s', by: 'push' }] } };

  assert.equal((await server.request('PUT', `${users}/ada`, change, as('bob'))).status, 403);
  assert.equal((await server.request('PUT', `${users}/ada`, change, as('eye'))).status, 403);
  assert.equal((await server.request('GET', `${users}/ada`, undefined, as('eye'))).status, 403, 'addresses are not for everybody');
  assert.equal((await server.request('PUT', `${users}/zoe`, change, as('ada'))).status, 403, 'only admin makes people');
  assert.equal((await server.request('PUT', `${users}/ada`, { name: 'Root' }, as('ada'))).status, 403);
  assert.equal((await server.request('PUT', `${users}/ada`, { contacts: { fax: '1' } }, as('ada'))).status, 400);
  const made = await server.request('PUT', `${users}/ada`, change, as('ada'));
  assert.equal(made.status, 200, made.text);
  assert.equal(made.json.source, 'changed here');
  assert.equal(made.json.changed_by, 'ada');
  const may = async (name) => (await server.request('GET', users, undefined, as(name))).json.items.filter((one) => one.may_change).map((one) => one.id);
  assert.deepEqual([await may('ada'), await may('bob'), await may('eye'), await may('root')], [['ada'], ['bob'], [], ['ada', 'bob', 'probe']]);
  assert.equal((await server.request('PUT', `${users}/zoe`, { name: 'Zoe', contacts: { push: 'zoe' } }, as('root'))).status, 201);

  // The file changes something else about her: what was corrected stays.
  writeFileSync(path.join(folder, 'oncall.yml'), oncall(world).replace('ada-old', 'ada-older'));
  assert.equal((await server.request('POST', '/-/reload', {}, as('root'))).status, 200);
  assert.equal((await server.request('GET', `${users}/ada`, undefined, as('root'))).json.contacts.push, 'ada-new');
  await server.kill();
  const headers = as('root');
  server = await Sentinel.serve({ args, dataDir: server.dataDir, port: server.port });
  assert.equal((await server.request('GET', `${users}/ada`, undefined, as('ada'))).json.contacts.push, 'ada-new');
  assert.equal((await server.request('GET', `${users}/zoe`, undefined, headers)).json.source, 'here');

  await server.request('POST', '/sentinel/v1/incidents', { title: 'x', severity: 'SEV1' }, headers);
  await until('a page', () => world.pages().length > 0);
  assert.deepEqual(world.pages(), ['ada-new']);

  assert.equal((await server.request('DELETE', `${users}/ada`, undefined, as('ada'))).status, 200);
  assert.equal((await server.request('GET', `${users}/ada`, undefined, headers)).json.contacts.push, 'ada-older');
  assert.equal((await server.request('DELETE', `${users}/ada`, undefined, headers)).status, 404);

  // Overrides are in the audit, too; addresses are not.
  const over = await server.request('POST', '/sentinel/v1/oncall/schedules/primary/overrides', { replace: 'ada', with: 'bob', from: '2030-01-01', to: '2030-01-02' }, as('bob'));
  assert.equal(over.status, 201, over.text);
  assert.equal((await server.request('DELETE', `/sentinel/v1/oncall/changes/${over.json.id}`, undefined, as('bob'))).status, 200);
  const audit = (await server.request('GET', '/sentinel/v1/audit', undefined, headers)).json.items;
  const actions = audit.map((e) => `${e.action} ${e.actor}`);
  for (const one of ['oncall.user.changed ada', 'oncall.user.added root', 'oncall.user.reset ada', 'oncall.override.added Bob Fry', 'oncall.override.removed Bob Fry'])
    assert.ok(actions.includes(one), `${one} in ${actions}`);
  assert.ok(!JSON.stringify(audit).includes('ada-new'));
});

test('teams: for the role admin; a level pages who is in it; a reload and kill -9 keep them; reset goes back', async (t) => {
  const world = await outside();
  t.after(() => world.close());
  const file = (more = '') =>
    oncall(world, `teams: [{id: sre, name: Reliability, members: [ada]}${more}]\n`).replace('{schedule: primary}], timeout', '{team: sre}], timeout');
  const folder = folderWith({ 'oncall.yml': file(), 'sentinel.yml': SENTINEL });
  const args = ['--config', path.join(folder, 'sentinel.yml')];
  let server = await Sentinel.serve({ args });
  t.after(() => server.stop());
  const teams = '/sentinel/v1/oncall/teams';
  const root = as('root');
  const all = async () => Object.fromEntries((await server.request('GET', teams, undefined, root)).json.items.map((one) => [one.id, `${one.members.map((m) => m.id)} ${one.source}`]));
  assert.deepEqual(await all(), { sre: 'ada configuration' });
  const eye = await server.request('GET', teams, undefined, as('eye'));
  assert.deepEqual([eye.status, eye.json.may_change], [200, false]);
  for (const name of ['bob', 'eye']) {
    assert.equal((await server.request('PUT', `${teams}/sre`, { members: ['bob'] }, as(name))).status, 403, name);
    assert.equal((await server.request('DELETE', `${teams}/sre`, undefined, as(name))).status, 403, name);
  }
  assert.equal((await server.request('PUT', `${teams}/sre`, { members: [] }, root)).status, 400);
  assert.equal((await server.request('PUT', `${teams}/sre`, { member: ['bob'] }, root)).status, 400);
  assert.equal((await server.request('PUT', `${teams}/sre`, { members: ['zoe'] }, root)).status, 404);
  const made = await server.request('PUT', `${teams}/sre`, { members: ['bob'] }, root);
  assert.deepEqual([made.status, made.json.name, made.json.source, made.json.changed_by], [200, 'Reliability', 'changed here', 'root'], made.text);
  const cli = (...words) => server.cli('oncall', 'team', ...words, '--token', 't-root');
  const set = await cli('set', 'night', '--name', 'Night', '--member', 'ada', '--member', 'bob');
  assert.equal(set.code, 0, set.stderr);
  assert.equal(set.stdout, 'Night (night), from here by root: ada, bob\n');

  writeFileSync(path.join(folder, 'oncall.yml'), file(', {id: day, members: [ada, bob]}'));
  assert.equal((await server.request('POST', '/-/reload', {}, root)).status, 200);
  await server.kill();
  server = await Sentinel.serve({ args, dataDir: server.dataDir, port: server.port });
  assert.deepEqual(await all(), { day: 'ada,bob configuration', night: 'ada,bob here', sre: 'bob changed here' });
  await server.request('POST', '/sentinel/v1/incidents', { title: 'x', severity: 'SEV1' }, root);
  await until('a page', () => world.pages().length > 0);
  assert.deepEqual(world.pages(), ['bob-phone']);

  assert.equal((await cli('reset', 'sre')).code, 0);
  assert.equal((await cli('reset', 'night')).code, 0);
  assert.notEqual((await cli('reset', 'day')).code, 0, 'the file is changed there');
  assert.deepEqual(await all(), { day: 'ada,bob configuration', sre: 'ada configuration' });
  assert.match((await cli('list')).stdout, /sre +Reliability +ada +configuration/);
  const audit = (await server.request('GET', '/sentinel/v1/audit', undefined, root)).json.items.map((e) => `${e.action} ${e.target} ${e.actor}`);
  for (const one of ['oncall.team.changed sre root', 'oncall.team.added night root', 'oncall.team.reset sre root', 'oncall.team.removed night root'])
    assert.ok(audit.includes(one), `${one} in ${audit}`);
});

test('maintenance: no page while it lasts, one at the end; also after kill -9; command line and documents', async (t) => {
  const world = await outside();
  t.after(() => world.close());
  const folder = folderWith({ 'oncall.yml': oncall(world), 'sentinel.yml': 'oncall: oncall.yml\n' });
  const args = ['--config', path.join(folder, 'sentinel.yml')];
  let server = await Sentinel.serve({ args });
  t.after(() => server.stop());
  const api = await OpenApi.of(server);
  const end = Date.now() + 9000;
  const added = await server.cli('oncall', 'maintenance', 'add', '--from', new Date(Date.now() - 1000).toISOString(), '--to', new Date(end).toISOString(), '--policy', 'default', '--reason', 'upgrade');
  assert.equal(added.code, 0, added.stderr);
  assert.match((await server.cli('oncall', 'maintenance', 'list')).stdout, /default +now .*upgrade/);
  await server.post('/sentinel/v1/incidents', { title: 'held', severity: 'SEV1' });
  await pause(1500);
  await server.kill();
  server = await Sentinel.serve({ args, dataDir: server.dataDir, port: server.port });
  assert.equal((await server.incidents()).length, 1, 'it is seen all the same');
  assert.deepEqual(world.pages(), []);
  await until('the page at the end', () => world.pages().length > 0);
  assert.ok(Date.now() >= end, 'not before the end');
  await pause(1500);
  assert.deepEqual(world.pages(), ['ada-old'], 'once');

  const weekly = await api.ask('POST', '/sentinel/v1/oncall/maintenance', { from: '2026-03-01 03:00', to: '2026-03-01 04:00', repeat: 'week', time_zone: 'Europe/Berlin' });
  assert.equal(weekly.status, 201, weekly.text);
  assert.equal((await api.ask('GET', '/sentinel/v1/oncall/maintenance')).json.items.length, 1, 'what is over is not listed');
  assert.equal((await api.ask('POST', '/sentinel/v1/oncall/maintenance', { from: '2030-01-02', to: '2030-01-01' })).status, 400);
  assert.equal((await api.ask('DELETE', `/sentinel/v1/oncall/maintenance/${weekly.json.id}`)).status, 200);
  assert.equal((await api.ask('DELETE', `/sentinel/v1/oncall/maintenance/${weekly.json.id}`)).status, 404);
  assert.deepEqual((await api.ask('GET', '/sentinel/v1/oncall/users/ada')).json.available, [{ name: 'push', kind: 'ntfy' }], 'no test channel');
  const all = await api.ask('GET', '/sentinel/v1/oncall/users');
  assert.deepEqual([all.status, all.json.may_add, all.json.items[0].may_change], [200, true, true]);
  assert.equal((await api.ask('PUT', '/sentinel/v1/oncall/teams/sre', { name: 'SRE', members: ['ada', 'bob'] })).status, 201);
  assert.equal((await api.ask('GET', '/sentinel/v1/oncall/teams')).json.items.length, 1);
  assert.equal((await api.ask('DELETE', '/sentinel/v1/oncall/teams/sre')).status, 200);
  assert.equal((await api.ask('DELETE', '/sentinel/v1/oncall/teams/sre')).status, 404);
  assert.equal((await api.ask('PUT', '/sentinel/v1/oncall/users/ada', { contacts: { push: 'p' } })).status, 200);
  const set = await server.cli('oncall', 'user', 'set', 'ada', '--contact', 'push=cli', '--rule', '2m:push');
  assert.equal(set.code, 0, set.stderr);
  assert.match((await server.cli('oncall', 'user', 'show', 'ada')).stdout, /push: cli\nrules: push after 2m/);
  assert.match((await server.cli('oncall', 'user', 'list')).stdout, /ada +Ada Lovelace +push +primary/);
  assert.equal((await server.cli('oncall', 'user', 'reset', 'ada')).code, 0);
});

test('a synthetic page goes the whole way; one that does not arrive pages the last resort', async (t) => {
  const world = await outside();
  t.after(() => world.close());
  const folder = folderWith({
    'oncall.yml': oncall(world, 'synthetic_page: {every: 8s, within: 3s, policy: probe}\n'),
    'sentinel.yml': 'oncall: oncall.yml\n',
  });
  const server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')] });
  t.after(() => server.stop());
  const metric = async (name) => Number((await (await fetch(`${server.url}/metrics`)).text()).split('\n').find((l) => l.startsWith(name))?.split(' ').at(-1) ?? NaN);
  await until('it arrives', async () => (await metric('sentinel_synthetic_pages_total{outcome="delivered"}')) >= 1);
  assert.ok((await metric('sentinel_synthetic_page_seconds')) < 3);
  assert.equal(world.probes() >= 1, true);
  assert.deepEqual(world.pages(), [], 'nobody is disturbed');
  assert.deepEqual(await server.incidents(), [], 'no list has it');
  const all = await server.incidents('tests=true');
  assert.ok(all.length >= 1 && all.every((i) => i.test_mode));
  assert.equal((await server.get('/sentinel/v1/analytics')).incidents, 0);

  world.state.probe = 503;
  await until('the last resort is paged', () => world.pages().includes('bob-phone'), { seconds: 40 });
  const [incident] = await server.incidents();
  assert.match(incident.title, /Pages may not arrive/);
  assert.equal(incident.severity, 'SEV1');
  world.state.probe = 200;
  await until('it ends when one arrives', async () => (await server.get(`/sentinel/v1/incidents/${incident.id}`)).status === 'resolved', { seconds: 60 });
  assert.ok(readFileSync(path.join(folder, 'oncall.yml'), 'utf8').includes('synthetic_page'));
});
