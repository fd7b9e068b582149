// An incident lives in Slack, over the wire, both ways: a double of the Web API, requests signed as Slack signs them.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith, freePorts, pause, run, temporaryFolder, until } from './lib/sentinel.mjs';
import { signed, slackWorkspace } from './lib/slack.mjs';

const SECRET = '8f742231b10e8888abcd99yyyzzz85a5';
const ONCALL = `
channels: {hook: {kind: webhook}}
users:
- {id: ada, name: Ada Lovelace, contacts: {hook: 'HOOK'}}
- {id: bob, name: Bob Fry, contacts: {hook: 'HOOK'}}
schedules: [{id: primary, time_zone: UTC, layers: [{start: '2026-01-01', every: week, participants: [ada]}]}]
policies: [{id: default, levels: [{notify: [{schedule: primary}], timeout: 1h}, {notify: [{user: bob}], timeout: 1h}]}]
`;
const configured = (slack, more = '') =>
  folderWith({
    'token': 'xoxb-1\n',
    'signing': SECRET,
    'oncall.yml': ONCALL.replaceAll('HOOK', `${slack.url}/hook`),
    'sentinel.yml': `rules: {files: []}
oncall: oncall.yml
incidents: {auto_resolve_after: 1h}
integrations:
- kind: slack
  api_url: ${slack.api}
  workspace_url: https://example.slack.com
  bot_token_file: token
  signing_secret_file: signing
  people: {U1: ada, U2: bob}
${more}`,
  });
const serve = (folder, rest = {}) => Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')], ...rest });
const alert = (name, labels = {}) => [{ labels: { alertname: name, service: 'shop', severity: 'SEV1', ...labels }, annotations: { summary: `${name} broke`, description: `${name} <is> broken & cold.`, action: 'Look at it.' } }];
const summary = (channel) => channel.messages.find((m) => !m.thread_ts);
const thread = (channel) => channel.messages.filter((m) => m.thread_ts).map((m) => m.text).join('\n');
const words = (message) => JSON.stringify(message.blocks);

/** A request from Slack; its answer. */
const form = (server, fields, options) => {
  const body = new URLSearchParams(fields).toString();
  return server.request('POST', '/integrations/slack', body, signed(SECRET, body, options));
};
const command = (server, text, { user = 'U1', channel = 'C9', at } = {}) =>
  form(server, { command: '/sentinel', text, user_id: user, user_name: 'x', channel_id: channel, trigger_id: String(Math.random()) }, { at });
const press = (server, slack, action, { user = 'U1', value, block_id, selected } = {}) =>
  form(server, { payload: JSON.stringify({ type: 'block_actions', user: { id: user, username: 'x' }, response_url: `${slack.url}/respond/1`, trigger_id: String(Math.random()), actions: [{ action_id: action, value, block_id, selected_option: selected && { value: selected } }] }) });

test('a channel of its own: opened, kept true, answered from, and no request is believed that is not signed', async (t) => {
  const slack = await slackWorkspace();
  t.after(() => slack.close());
  const folder = configured(slack);
  assert.equal((await run(['check', 'config', path.join(folder, 'sentinel.yml')])).code, 0);
  const server = await serve(folder);
  t.after(() => server.kill());
  await server.post('/api/v2/alerts', alert('Checkout'));
  await until('the channel is dressed', () => slack.channels.size === 1 && slack.only().members.length === 1);
  const channel = slack.only();
  assert.match(channel.name, /^incident-\d{4}-\d\d-\d\d$/);
  assert.deepEqual(channel.members, ['U1']);
  assert.deepEqual(channel.pins, [summary(channel).ts]);
  assert.match(channel.topic, /^INC-1 SEV1 · open · Ada Lovelace · Checkout broke$/);
  assert.match(summary(channel).text, /^\[SEV1\] INC-1: Checkout broke$/);
  assert.match(words(summary(channel)), /Checkout &lt;is&gt; broken &amp; cold\./);
  assert.match(words(summary(channel)), /Look at it\./);
  const { id } = await server.get('/sentinel/v1/incidents/1');
  const [link] = (await server.get('/sentinel/v1/incidents/1')).external;
  assert.deepEqual(link, { integration: 'slack', kind: 'slack', title: `#${channel.name}`, url: `https://example.slack.com/archives/${channel.id}/p${summary(channel).ts.replace('.', '')}`, pending: false, error: null });

  // A button acknowledges; the message is edited in place, the thread says it.
  assert.deepEqual(summary(channel).blocks.at(-1).elements.map((e) => e.action_id), ['sentinel_acknowledge', 'sentinel_escalate', 'sentinel_resolve', 'sentinel_severity', 'sentinel_open']);
  const started = Date.now();
  const pressed = await press(server, slack, 'sentinel_acknowledge', { value: id });
  assert.equal(pressed.status, 200);
  assert.ok(Date.now() - started < 3000, 'answered within 3 s');
  t.diagnostic(`a button is answered after ${Date.now() - started} ms`);
  const after = await server.get('/sentinel/v1/incidents/1');
  assert.equal(after.status, 'acknowledged');
  const entry = after.timeline.findLast((e) => e.kind === 'status');
  assert.deepEqual([entry.actor, entry.source], ['Ada Lovelace', 'slack']);
  await until('the message is edited', () => summary(channel).edits > 0 && /acknowledged/.test(words(summary(channel))));
  assert.ok(!words(summary(channel)).includes('sentinel_acknowledge'), 'the button is gone');
  await press(server, slack, 'sentinel_severity', { block_id: `sentinel:${id}`, selected: 'SEV2', user: 'U2' });
  await until('the severity is shown', () => /SEV2/.test(summary(channel).text));

  // The slash command.
  const list = await command(server, 'list');
  assert.match(list.json.text, /\[SEV2\] INC-1: Checkout broke - acknowledged, Ada Lovelace/);
  assert.equal(list.json.response_type, 'ephemeral');
  assert.match((await command(server, 'oncall')).json.text, /primary: Ada Lovelace/);
  assert.match((await command(server, 'note 1 the cache is <cold>')).json.text, /Noted on INC-1/);
  assert.match((await command(server, 'note in its own channel', { channel: channel.id })).json.text, /Noted on INC-1/);
  assert.match((await command(server, 'ack 99')).json.text, /INC-99|99/);
  assert.match((await command(server, 'dance')).json.text, /open incidents/);
  const notes = (await server.get('/sentinel/v1/incidents/1')).timeline.filter((e) => e.kind === 'note').map((e) => e.text);
  assert.deepEqual(notes, ['the cache is <cold>', 'in its own channel']);
  // What somebody writes in the thread is a note, and is not said back.
  const event = JSON.stringify({ type: 'event_callback', event_id: 'Ev1', event: { type: 'message', channel: channel.id, thread_ts: summary(channel).ts, user: 'U2', text: 'rolling back &amp; waiting' } });
  for (const _ of [1, 2]) assert.equal((await server.request('POST', '/integrations/slack', event, signed(SECRET, event, { type: 'application/json' }))).status, 200);
  const said = (await server.get('/sentinel/v1/incidents/1')).timeline.filter((e) => e.text === 'rolling back & waiting');
  assert.deepEqual(said.map((e) => e.actor), ['Bob Fry'], 'once, by whoever wrote it');
  await server.post('/sentinel/v1/incidents/1/notes', { text: 'from the page', actor: 'Eve' });
  await until('the thread has the note', () => /Eve: from the page/.test(thread(channel)));
  assert.ok(!thread(channel).includes('rolling back'), 'not said back to Slack');
  assert.match(thread(channel), /severity set to SEV2/, 'what was done by a button is for everybody');

  // Strangers, forgers, repeaters.
  const challenge = JSON.stringify({ type: 'url_verification', challenge: 'abc' });
  assert.equal((await server.request('POST', '/integrations/slack', challenge, signed(SECRET, challenge, { type: 'application/json' }))).json.challenge, 'abc');
  assert.match((await command(server, 'resolve 1', { user: 'U9' })).json.text, /not mapped to a user/);
  await press(server, slack, 'sentinel_resolve', { value: id, user: 'U9' });
  await until('the stranger is told', () => slack.calls.some((c) => c.method === 'respond'));
  const told = slack.calls.find((c) => c.method === 'respond');
  assert.equal(told.authorization, undefined, 'the token goes to the Web API alone');
  assert.match(told.args.text, /not mapped/);
  const body = new URLSearchParams({ command: '/sentinel', text: 'resolve 1', user_id: 'U1' }).toString();
  const post = (headers) => server.request('POST', '/integrations/slack', body, headers).then((r) => r.status);
  const now = Math.floor(Date.now() / 1000);
  assert.equal(await post(signed('another secret', body)), 401);
  assert.equal(await post({ 'content-type': 'application/x-www-form-urlencoded' }), 401);
  assert.equal(await post(signed(SECRET, body, { at: now - 301 })), 401, 'too old');
  assert.equal(await post(signed(SECRET, body, { at: now + 320 })), 401, 'from the future');
  assert.equal(await post({ ...signed(SECRET, body), 'x-slack-request-timestamp': String(now - 1) }), 401, 'another time');
  assert.equal((await server.get('/sentinel/v1/incidents/1')).status, 'acknowledged');
  const good = signed(SECRET, body);
  assert.equal(await post(good), 200);
  assert.equal((await server.get('/sentinel/v1/incidents/1')).status, 'resolved');
  await server.post('/sentinel/v1/incidents/1/reopen', { note: 'not yet' });
  assert.equal(await post(good), 401, 'a request that was made before');
  assert.equal((await server.get('/sentinel/v1/incidents/1')).status, 'open');
  await until('all is said', async () => (await server.get('/sentinel/v1/integrations')).items[0].pending === 0);
  assert.deepEqual(slack.problems, []);
  assert.equal(slack.count('conversations.create'), 1);
  assert.equal(slack.calls.filter((c) => c.method === 'chat.postMessage' && !c.args.thread_ts).length, 1, 'one message, edited');
  assert.equal(await server.stop(), 0);
});

test('asked too often, deleted, taken, down: it waits as asked, says the newest once, and says what is wrong', async (t) => {
  const slack = await slackWorkspace();
  t.after(() => slack.close());
  const folder = configured(slack);
  const server = await serve(folder);
  t.after(() => server.kill());
  const today = new Date().toISOString().slice(0, 10);
  slack.add('C7', `incident-${today}`); // of somebody else
  slack.script.set('chat.postMessage', [{ status: 429, headers: { 'retry-after': '2' } }]);
  await server.post('/api/v2/alerts', alert('Search'));
  await until('it was refused', () => slack.count('chat.postMessage') === 1);
  const refused = slack.calls.at(-1).at;
  for (let i = 0; i < 20; i++) await server.post('/sentinel/v1/incidents/1/notes', { text: `note ${i}`, actor: 'Eve' });
  await server.post('/sentinel/v1/incidents/1/acknowledge', { actor: 'Eve' });
  const mine = () => [...slack.channels.values()].find((c) => c.id !== 'C7');
  await until('all is said', () => thread(mine()).includes('note 19'), { seconds: 40 });
  assert.equal(mine().name, `incident-${today}-x1`, 'a name that is taken gets a further one');
  const second = slack.calls.filter((c) => c.method === 'chat.postMessage')[1];
  assert.ok(second.at - refused >= 1950, `it waited ${second.at - refused} ms of the 2000 it was asked for`);
  assert.equal(slack.count('conversations.history'), 0, 'what was refused is not doubtful');
  assert.ok(slack.calls.filter((c) => c.args.thread_ts).length <= 3, 'many entries are few messages');
  assert.equal(summary(mine()).edits ?? 0, 0, 'it was posted as it had become');

  // Somebody deletes the message: another one takes its place.
  mine().messages = mine().messages.filter((m) => m.thread_ts);
  await server.post('/sentinel/v1/incidents/1/severity', { severity: 'SEV2', actor: 'Eve' });
  await until('it is posted anew', () => summary(mine()) && /SEV2/.test(summary(mine()).text), { seconds: 40 });

  // A mistake over there is seen, and corrected with the next change.
  slack.script.set('chat.update', [{ error: 'invalid_blocks' }]);
  await server.post('/sentinel/v1/incidents/1/severity', { severity: 'SEV3', actor: 'Eve' });
  await until('the error is seen', async () => /chat.update: invalid_blocks/.test((await server.get('/sentinel/v1/incidents/1')).external[0].error ?? ''), { seconds: 40 });
  assert.match((await server.request('GET', '/metrics')).text, /^sentinel_integration_calls_failed_total\{integration="slack"\} 1$/m);
  await server.post('/sentinel/v1/incidents/1/severity', { severity: 'SEV4', actor: 'Eve' });
  await until('it is corrected', async () => /SEV4/.test(summary(mine()).text) && (await server.get('/sentinel/v1/incidents/1')).external[0].error === null, { seconds: 40 });
});

test('kill -9 between a call and its record: nothing is posted twice', async (t) => {
  const slack = await slackWorkspace();
  t.after(() => slack.close());
  const folder = configured(slack);
  const dataDir = temporaryFolder();
  const port = await freePorts();
  let server = await serve(folder, { dataDir, port });
  t.after(() => server.kill());
  // Each has its effect, its answer never comes, and the process dies.
  const died = [];
  let turn = Promise.resolve(); // one death after the other
  const lose = (method) =>
    new Promise((done) => {
      slack.script.set(method, [{ after: 'do', done }]);
    }).then(() => {
      turn = turn.then(async () => {
        died.push(method);
        await server.kill();
        server = await serve(folder, { dataDir, port });
      });
      return turn;
    });
  const created = lose('conversations.create');
  const posted = lose('chat.postMessage');
  await server.post('/api/v2/alerts', alert('Pay'));
  await created;
  await posted;
  await until('it is posted and dressed', () => slack.only().members.length === 1, { seconds: 40 });
  await until('all is said', async () => (await server.get('/sentinel/v1/integrations')).items[0].pending === 0);
  let lost = lose('chat.postMessage');
  await server.post('/sentinel/v1/incidents/1/notes', { text: 'once only', actor: 'Eve' });
  await lost;
  lost = lose('chat.update');
  await server.post('/sentinel/v1/incidents/1/acknowledge', { actor: 'Eve' });
  await lost;
  await until('all is said', async () => (await server.get('/sentinel/v1/integrations')).items[0].pending === 0, { seconds: 40 });
  const channel = slack.only();
  assert.equal(channel.messages.filter((m) => !m.thread_ts).length, 1, 'one summary');
  assert.equal(thread(channel).split('once only').length - 1, 1, 'the note once');
  assert.equal(thread(channel).split('acknowledged by Eve').length - 1, 1);
  assert.match(words(summary(channel)), /acknowledged/);
  assert.deepEqual(died, ['conversations.create', 'chat.postMessage', 'chat.postMessage', 'chat.update']);

  for (const file of readdirSync(dataDir).filter((name) => name.startsWith('state.db')))
    assert.ok(!readFileSync(path.join(dataDir, file)).includes('xoxb-1'), `the token is not in ${file}`);

  // Down for a while, and stopped in the middle of it: what is true then is said.
  slack.script.set('chat.update', Array.from({ length: 3 }, () => ({ status: 503 })));
  await server.post('/sentinel/v1/incidents/1/severity', { severity: 'SEV2', actor: 'Eve' });
  await until('it was refused', () => slack.script.get('chat.update').length < 3);
  assert.equal(await server.stop(), 0);
  server = await serve(folder, { dataDir, port });
  await server.post('/sentinel/v1/incidents/1/resolve', { actor: 'Eve', resolution: 'rolled back' });
  await until('the end is shown', () => /resolved/.test(words(summary(channel))) && /rolled back/.test(words(summary(channel))), { seconds: 60 });
});

test('one channel for all incidents, and mistakes in the configuration say where', async (t) => {
  const slack = await slackWorkspace();
  t.after(() => slack.close());
  slack.add('C0ALERTS', 'alerts');
  const folder = configured(slack, '  channel: C0ALERTS\n  severities: [SEV1]\n  match: {service: shop}\n  broadcast: true\n');
  const server = await serve(folder);
  t.after(() => server.kill());
  await server.post('/api/v2/alerts', alert('Other', { service: 'blog' }));
  await server.post('/api/v2/alerts', alert('Mild', { env: 'a', severity: 'SEV2' }));
  await server.post('/api/v2/alerts', alert('One', { env: 'b' }));
  await server.post('/api/v2/alerts', alert('Two', { env: 'c' }));
  const channel = slack.only();
  await until('both are there', () => channel.messages.filter((m) => !m.thread_ts).length === 2);
  assert.equal(slack.count('pins.add') + slack.count('conversations.setTopic') + slack.count('conversations.invite'), 0);
  await server.post('/sentinel/v1/incidents/3/notes', { text: 'of three', actor: 'Eve' });
  await until('in its own thread', () => channel.messages.some((m) => m.text.includes('of three')));
  const reply = channel.messages.find((m) => m.text.includes('of three'));
  assert.equal(reply.thread_ts, channel.messages.find((m) => m.text.includes('One broke')).ts);
  assert.equal(reply.reply_broadcast, true);
  assert.match((await command(server, 'ack', { channel: 'C0ALERTS' })).json.text, /no incident/, 'the channel does not say which');
  const bad = async (text) => {
    const file = path.join(folderWith({ 'sentinel.yml': `integrations:\n${text}` }), 'sentinel.yml');
    const { code, stderr, stdout } = await run(['check', 'config', file]);
    assert.notEqual(code, 0);
    return (stderr + stdout).replaceAll(file, 'F');
  };
  assert.match(await bad('- kind: slak\n'), /F:2:9: unknown kind "slak"; expected one of datadog, jira, mail, pagerduty, slack/);
  assert.match(await bad('- {kind: slack, bot_token: x, chanel: C1}\n'), /F:2:.*unknown field "chanel".*did you mean "channel"/);
  assert.match(await bad('- {kind: slack, bot_token: x, channel: general}\n'), /F:2:40: expected a channel's id/);
  assert.match(await bad('- {kind: slack}\n'), /F:2:3: slack needs bot_token or bot_token_file/);
  assert.match(await bad('- {kind: slack, bot_token: x}\n- {kind: slack, bot_token: x}\n'), /F:3:3: integration "slack" is there twice/);
});

test('the channel is archived after the end, over a restart, and opened again with the incident', async (t) => {
  const slack = await slackWorkspace();
  t.after(() => slack.close());
  const folder = configured(slack, '  archive_after: 3s\n  user_token: xoxp-1\n');
  const dataDir = temporaryFolder();
  const port = await freePorts();
  let server = await serve(folder, { dataDir, port });
  t.after(() => server.kill());
  const settled = () => until('all is said', async () => (await server.get('/sentinel/v1/integrations')).items[0].pending === 0);
  await server.post('/sentinel/v1/incidents', { title: 'Checkout broke', severity: 'SEV1' });
  await until('there is a channel', () => slack.channels.size === 1 && slack.only().pins.length === 1);
  const channel = slack.only();
  await server.post('/sentinel/v1/incidents/1/resolve', { resolution: 'warmed' });
  await until('its end is told', () => /resolved/.test(words(summary(channel))));
  await settled();
  assert.ok(!channel.archived, 'not before its time');
  await server.kill();
  server = await serve(folder, { dataDir, port });
  await until('it is archived', () => channel.archived);
  assert.equal(slack.count('conversations.archive'), 1);
  // A note about what is over waits; reopened, the channel is there again and all is said.
  await server.post('/sentinel/v1/incidents/1/notes', { text: 'looked at the graphs', actor: 'Eve' });
  await settled();
  assert.ok(channel.archived);
  await server.post('/sentinel/v1/incidents/1/reopen', { note: 'again' });
  await until('it is open', () => !channel.archived && /open/.test(channel.topic));
  await until('what waited is said', () => /looked at the graphs/.test(thread(channel)));
  await settled();
  assert.equal(slack.channels.size, 1);
  // Reopened before its time, it is not archived; its new end counts.
  await server.post('/sentinel/v1/incidents/1/resolve', {});
  await settled();
  await server.post('/sentinel/v1/incidents/1/reopen', {});
  await settled();
  await pause(4500);
  assert.ok(!channel.archived, 'it is open');
  await server.post('/sentinel/v1/incidents/1/resolve', {});
  await until('it is archived again', () => channel.archived);
});

test('where nobody may open an archived channel another is made', async (t) => {
  const slack = await slackWorkspace();
  t.after(() => slack.close());
  const folder = configured(slack, '  archive_after: 1s\n');
  const server = await serve(folder);
  t.after(() => server.kill());
  await server.post('/sentinel/v1/incidents', { title: 'Checkout broke', severity: 'SEV1' });
  await until('there is a channel', () => slack.channels.size === 1 && slack.only().pins.length === 1);
  await server.post('/sentinel/v1/incidents/1/resolve', {});
  await until('it is archived', () => slack.only().archived);
  await server.post('/sentinel/v1/incidents/1/reopen', {});
  await until('there is another', () => [...slack.channels.values()].some((c) => c.name.endsWith('-x1') && c.pins.length === 1));
  assert.deepEqual(slack.problems, []);
});
