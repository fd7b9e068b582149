// A ticket for each incident in Jira Cloud, both ways: a double of REST v3, webhooks signed as Jira signs them.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';
import { jiraSite } from './lib/jira.mjs';
import { Sentinel, folderWith, freePorts, pause, temporaryFolder, until } from './lib/sentinel.mjs';

const configured = (jira, more = '') =>
  folderWith({
    token: 't0ken\n',
    'sentinel.yml': `rules: {files: []}
integrations:
- kind: jira
  url: ${jira.url}
  user: ada@example.org
  token_file: token
  webhook_secret: hush
  project: OPS
  issue_type: Bug
  labels: [llm]
  priority: {SEV1: Highest, SEV2: High}
${more}`,
  });
const alert = (name) => [{ labels: { alertname: name, service: 'shop', severity: 'SEV2' }, annotations: { summary: `${name} broke`, description: `${name} is broken.\n\nSince noon.`, action: 'Look at it.' } }];
let sequence = 0;
const webhook = (server, body, { secret = 'hush', id = `w${++sequence}` } = {}) => {
  const text = JSON.stringify(body);
  return server.request('POST', '/integrations/jira', text, { 'x-hub-signature': `sha256=${createHmac('sha256', secret).update(text).digest('hex')}`, 'x-atlassian-webhook-identifier': id });
};
const updated = (jira, key, to) => ({ timestamp: Date.now(), webhookEvent: 'jira:issue_updated', issue_event_type_name: 'issue_generic', user: { accountId: 'a1', displayName: 'Grace Hopper' }, issue: { id: '10001', key, fields: { status: jira.statusOf(to) } }, changelog: { id: '1', items: [{ field: 'status', fieldtype: 'jira', fromString: 'x', toString: to }] } });

test('a ticket is made, linked, moved and commented, and what people do in Jira comes back', async (t) => {
  const jira = await jiraSite();
  t.after(() => jira.close());
  const folder = configured(jira);
  const server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')] });
  t.after(() => server.kill());
  await server.post('/api/v2/alerts', alert('Checkout'));
  await until('the ticket is linked', () => jira.issues.get('OPS-1')?.links.size === 1);
  const issue = jira.issues.get('OPS-1');
  assert.equal(issue.fields.summary, '[SEV2] INC-1: Checkout broke');
  assert.deepEqual([issue.fields.issuetype.name, issue.fields.priority.name], ['Bug', 'High']);
  assert.match(issue.fields.labels[0], /^sentinel-[0-9a-z]{26}$/);
  assert.equal(issue.fields.labels[1], 'llm');
  assert.match(issue.text, /What failed\nCheckout is broken\.\nSince noon\.\nNext step\nLook at it\./);
  const [[globalId, link]] = issue.links;
  assert.match(globalId, /^sentinel=/);
  assert.equal(link.url, `${server.url}/#/incidents/INC-1`);
  assert.deepEqual((await server.get('/sentinel/v1/incidents/1')).external, [{ integration: 'jira', kind: 'jira', title: 'OPS-1', url: `${jira.url}/browse/OPS-1`, pending: false, error: null }]);

  await server.post('/sentinel/v1/incidents/1/acknowledge', { actor: 'Eve' });
  await until('it is moved', () => issue.status === 'In Progress');
  await server.post('/sentinel/v1/incidents/1/notes', { text: 'for us alone', actor: 'Eve' });
  await server.post('/sentinel/v1/incidents/1/updates', { text: 'We are rolling back.', public: true, title: 'Checkout', actor: 'Eve' });
  await until('the update is a comment', () => issue.comments.length === 1);
  assert.equal(issue.comments[0].text, 'Sentinel: Eve: We are rolling back.');
  await server.post('/sentinel/v1/incidents/1/severity', { severity: 'SEV1', actor: 'Eve' });
  await until('the priority follows', () => issue.fields.priority.name === 'Highest' && issue.fields.summary.startsWith('[SEV1]'));

  // Back: a comment is a note, once, and ours is not; a transition is a status.
  const comment = { webhookEvent: 'comment_created', comment: { id: '9', author: { accountId: 'a1', displayName: 'Grace Hopper' }, body: 'the cache is cold' }, issue: { id: '10001', key: 'OPS-1' } };
  for (const id of ['same', 'same']) assert.equal((await webhook(server, comment, { id })).status, 200);
  assert.equal((await webhook(server, { ...comment, comment: { ...comment.comment, body: 'Sentinel: Eve: We are rolling back.' } })).status, 200);
  let now = await server.get('/sentinel/v1/incidents/1');
  assert.deepEqual(now.timeline.filter((e) => e.kind === 'note').map((e) => [e.actor, e.source, e.text]), [['Eve', 'api', 'for us alone'], ['Grace Hopper', 'jira', 'the cache is cold']]);
  const version = now.version;
  assert.equal((await webhook(server, updated(jira, 'OPS-1', 'In Progress'))).status, 200, 'what we did ourselves');
  assert.equal((await server.get('/sentinel/v1/incidents/1')).version, version, 'is not done again');
  assert.equal((await webhook(server, updated(jira, 'OPS-1', 'Done'), { secret: 'guess' })).status, 401);
  issue.status = 'Done';
  const moves = () => jira.calls.filter((c) => c === 'POST /issue/OPS-1/transitions').length;
  const before = moves();
  assert.equal((await webhook(server, updated(jira, 'OPS-1', 'Done'))).status, 200);
  now = await server.get('/sentinel/v1/incidents/1');
  assert.equal(now.status, 'resolved');
  assert.equal(now.timeline.findLast((e) => e.kind === 'status').actor, 'Grace Hopper');
  await pause(1000);
  assert.equal(moves(), before, 'no echo');
  await server.post('/sentinel/v1/incidents/1/reopen', { actor: 'Eve', note: 'again' });
  await until('it is open there again', () => issue.status === 'To Do');
  assert.equal(jira.issues.size, 1);
  // Somebody deletes the ticket: it is left alone.
  jira.issues.delete('OPS-1');
  await server.post('/sentinel/v1/incidents/1/resolve', { actor: 'Eve', resolution: 'done' });
  await until('it is seen', async () => (await server.get('/sentinel/v1/incidents/1')).external[0].title === 'OPS-1 (deleted)');
  assert.equal(jira.issues.size, 0);
});

test('after a doubtful answer no second ticket is made, nor a second comment; without webhooks it looks by itself', async (t) => {
  const jira = await jiraSite({ lag: 3000 });
  t.after(() => jira.close());
  const folder = configured(jira, '  poll: 1s\n  comments: all\n');
  const dataDir = temporaryFolder();
  const port = await freePorts();
  const start = () => Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')], dataDir, port });
  let server = await start();
  t.after(() => server.kill());
  const lost = new Promise((done) => jira.script.push({ match: 'POST /issue', lost: done }));
  await server.post('/api/v2/alerts', alert('Search'));
  await lost; // it is made, and nobody hears so
  await server.kill();
  server = await start();
  await until('the ticket is found', () => jira.issues.get('OPS-1')?.links.size === 1, { seconds: 40 });
  assert.equal(jira.issues.size, 1);
  assert.equal(jira.calls.filter((c) => c === 'POST /issue').length, 1);
  assert.ok(jira.calls.filter((c) => c === 'POST /search/jql').length >= 2, 'its index lags: it looked again');
  const issue = jira.issues.get('OPS-1');

  await until('all is said', async () => (await server.get('/sentinel/v1/integrations')).items[0].pending === 0, { seconds: 40 });
  const silent = new Promise((done) => jira.script.push({ match: 'POST /issue/OPS-1/comment', lost: done }));
  await server.post('/sentinel/v1/incidents/1/notes', { text: 'once only', actor: 'Eve' });
  await silent;
  await server.kill();
  server = await start();
  jira.script.push({ match: 'GET /issue/OPS-1/comment', status: 429, headers: { 'retry-after': '1' } });
  await server.post('/sentinel/v1/incidents/1/notes', { text: 'and another', actor: 'Eve' });
  await until('the other is there', () => issue.comments.some((c) => c.text.includes('and another')), { seconds: 40 });
  assert.equal(issue.comments.filter((c) => c.text.includes('once only')).length, 1);

  issue.status = 'In Progress'; // and no webhook comes
  await until('it is seen', async () => (await server.get('/sentinel/v1/incidents/1')).status === 'acknowledged', { seconds: 40 });
  issue.status = 'Done';
  await until('its end too', async () => (await server.get('/sentinel/v1/incidents/1')).status === 'resolved', { seconds: 40 });
  const entry = (await server.get('/sentinel/v1/incidents/1')).timeline.findLast((e) => e.kind === 'status');
  assert.equal(entry.source, 'jira');
});

test('without webhooks comments become notes by looking, in their order, once, and ours never', async (t) => {
  const jira = await jiraSite();
  t.after(() => jira.close());
  const folder = configured(jira, '  poll: 1s\n  comments: all\n  people: {a1: ada}\n');
  const dataDir = temporaryFolder();
  const port = await freePorts();
  const start = () => Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')], dataDir, port });
  let server = await start();
  t.after(() => server.kill());
  await server.post('/api/v2/alerts', alert('Search'));
  await until('there is a ticket', () => jira.issues.get('OPS-1')?.links.size === 1);
  await server.post('/sentinel/v1/incidents/1/notes', { text: 'we look', actor: 'Eve' });
  await until('our note is a comment', () => jira.issues.get('OPS-1').comments.length === 1);
  const grace = { accountId: 'g1', displayName: 'Grace Hopper' };
  const first = jira.say('OPS-1', grace, 'the cache is cold');
  jira.say('OPS-1', { accountId: 'a1', displayName: 'A. L.' }, 'warming it');
  const notes = async () => (await server.get('/sentinel/v1/incidents/1')).timeline.filter((e) => e.kind === 'note' && e.source === 'jira');
  const said = async () => (await notes()).map((e) => [e.actor, e.text]);
  await until('both are notes', async () => (await notes()).length === 2);
  assert.deepEqual(await said(), [['Grace Hopper', 'the cache is cold'], ['ada', 'warming it']]);
  assert.deepEqual((await notes())[0].data, { mark: `jira/${first}` });
  // The same by a webhook that comes late, and after a death: they are known by their ids.
  const comment = { webhookEvent: 'comment_created', comment: { id: first, author: grace, body: 'the cache is cold' }, issue: { id: '10001', key: 'OPS-1' } };
  assert.equal((await webhook(server, comment)).status, 200);
  await server.kill();
  server = await start();
  const looks = () => jira.calls.filter((c) => c === 'GET /issue/OPS-1/comment').length;
  const before = looks();
  await until('it has looked twice more', () => looks() >= before + 2);
  assert.equal((await notes()).length, 2);
  jira.script.push({ match: 'GET /issue/OPS-1/comment', status: 500 }, { match: 'GET /issue/OPS-1/comment', status: 403 });
  jira.say('OPS-1', grace, 'Sentinels are on it');
  await until('the third is there', async () => (await notes()).length === 3);
  assert.equal(jira.issues.get('OPS-1').comments.length, 4, 'nothing is said back');
  // Not looked at any more once it is over.
  await server.post('/sentinel/v1/incidents/1/resolve', { actor: 'Eve' });
  await until('it is over there', () => jira.issues.get('OPS-1').status === 'Done');
  await until('all is said', async () => (await server.get('/sentinel/v1/integrations')).items[0].pending === 0);
  const last = looks();
  await pause(2500);
  assert.ok(looks() <= last + 1, `${looks() - last} looks after its end`);
});
