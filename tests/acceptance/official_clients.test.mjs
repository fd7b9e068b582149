// The official clients of Slack, PagerDuty, Twilio and Datadog against the doubles that our tests use, beside Sentinel: the doubles take
// and answer what these clients send and understand, and Sentinel's requests are of the same form.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import tls from 'node:tls';
import { client as datadogClient, v1, v2 } from '@datadog/datadog-api-client';
import servers from '@datadog/datadog-api-client/dist/packages/datadog-api-client-common/servers.js';
import datadogEvents from '@datadog/datadog-api-client/dist/packages/datadog-api-client-v1/models/ObjectSerializer.js';
import { event as pagerdutyEvent } from '@pagerduty/pdjs';
import { WebClient } from '@slack/web-api';
import twilio from 'twilio';
import { datadog } from './lib/datadog.mjs';
import { outside } from './lib/outside.mjs';
import { pagerduty } from './lib/pagerduty.mjs';
import { Sentinel, folderWith, temporaryFolder, until } from './lib/sentinel.mjs';
import { slackWorkspace } from './lib/slack.mjs';

const alert = (name) => [{ labels: { alertname: name, service: 'shop', env: 'prod', severity: 'SEV1' }, annotations: { summary: `${name} broke`, description: `${name} is broken.` } }];
async function serving(t, files) {
  const server = await Sentinel.serve({ args: ['--config', path.join(folderWith(files), 'sentinel.yml')] });
  t.after(() => server.kill());
  return server;
}

test('Slack: the Web API of the double is the one its client speaks, and Sentinel calls no other', async (t) => {
  const slack = await slackWorkspace();
  t.after(() => slack.close());
  const web = new WebClient('xoxb-1', { slackApiUrl: slack.api, retryConfig: { retries: 0 } });
  const { channel } = await web.conversations.create({ name: 'incident-x' });
  const refused = (code) => (error) => error.code === 'slack_webapi_platform_error' && error.data.error === code;
  await assert.rejects(web.conversations.create({ name: 'incident-x' }), refused('name_taken'));
  const { ts } = await web.chat.postMessage({ channel: channel.id, text: 'it broke', blocks: [{ type: 'section', text: { type: 'mrkdwn', text: 'it broke' } }], metadata: { event_type: 'incident', event_payload: { id: '1' } } });
  await web.chat.postMessage({ channel: channel.id, text: 'a note', thread_ts: ts });
  await web.chat.update({ channel: channel.id, ts, text: 'it is over' });
  await web.pins.add({ channel: channel.id, timestamp: ts });
  await assert.rejects(web.pins.add({ channel: channel.id, timestamp: ts }), refused('already_pinned'));
  await web.conversations.setTopic({ channel: channel.id, topic: 'over' });
  await web.conversations.invite({ channel: channel.id, users: 'U1' });
  const { messages } = await web.conversations.history({ channel: channel.id, include_all_metadata: true });
  assert.deepEqual(messages.map((m) => [m.text, m.metadata.event_payload.id]), [['it is over', '1']]);
  assert.equal((await web.conversations.replies({ channel: channel.id, ts })).messages.length, 2);
  assert.deepEqual((await web.conversations.list()).channels.map((c) => c.name), ['incident-x']);
  await web.conversations.archive({ channel: channel.id });
  await assert.rejects(web.chat.postMessage({ channel: channel.id, text: 'late' }), refused('is_archived'));
  await assert.rejects(new WebClient('xoxb-2', { slackApiUrl: slack.api }).conversations.list(), refused('invalid_auth'));

  const before = slack.calls.length;
  const server = await serving(t, { 'sentinel.yml': `rules: {files: []}\nintegrations:\n- {kind: slack, api_url: '${slack.api}', workspace_url: 'https://x.slack.com', bot_token: xoxb-1, signing_secret: s}\n` });
  await server.post('/api/v2/alerts', alert('Checkout'));
  await until('the channel is dressed', () => slack.channels.size === 2 && [...slack.channels.values()].at(-1).topic !== '');
  const own = slack.calls.slice(before).map((c) => c.method);
  assert.ok(own.length >= 4);
  for (const method of own) assert.equal(typeof method.split('.').reduce((at, name) => at?.[name], web), 'function', method);
});

test('Twilio: what Sentinel sends is what its client sends', async (t) => {
  const world = await outside();
  t.after(() => world.close());
  const phone = twilio('AC1', 't');
  phone.api.baseUrl = `${world.url}/twilio`;
  await phone.messages.create({ to: '+201', from: '+100', body: 'it broke' });
  await phone.calls.create({ to: '+201', from: '+100', twiml: '<Response><Say>it broke</Say></Response>' });
  const server = await serving(t, {
    'sentinel.yml': 'rules: {files: []}\noncall: oncall.yml\n',
    'oncall.yml': `
channels:
  sms: {kind: twilio_sms, api_url: '${world.url}/twilio', account_sid: AC1, auth_token: t, from: '+100'}
  voice: {kind: twilio_call, api_url: '${world.url}/twilio', account_sid: AC1, auth_token: t, from: '+100'}
users: [{id: ada, contacts: {sms: '+201', voice: '+201'}}]
policies: [{id: default, levels: [{notify: [{user: ada}]}]}]
`,
  });
  await server.post('/api/v2/alerts', alert('Checkout'));
  await until('both went out', () => world.raw.length === 4);
  const form = (r) => ({ method: r.method, path: r.path, type: r.headers['content-type'], authorization: r.headers.authorization, fields: [...new URLSearchParams(r.body).keys()].sort() });
  const [message, call, ...own] = world.raw.map(form);
  const ofPath = (wanted) => own.find((r) => r.path === wanted);
  assert.deepEqual(ofPath(message.path), message);
  assert.deepEqual(ofPath(call.path), call);
  // Twilio's own parser of what is said on the telephone reads ours.
  const said = new URLSearchParams(world.raw.findLast((r) => r.path === call.path).body).get('Twiml');
  assert.match(said, /^<\?xml version="1\.0" encoding="UTF-8"\?><Response>|^<Response>/);
  for (const verb of said.matchAll(/<([A-Z]\w+)/g)) assert.ok(verb[1] === 'Response' || typeof new twilio.twiml.VoiceResponse()[verb[1].toLowerCase()] === 'function', verb[1]);
});

test('Datadog: its client reads the double, and knows every field that Sentinel sends', async (t) => {
  const dd = await datadog();
  t.after(() => dd.close());
  const baseServer = new servers.BaseServerConfiguration(dd.url, {});
  const configuration = datadogClient.createConfiguration({ baseServer, authMethods: { apiKeyAuth: 'k1', appKeyAuth: 'a1' } });
  await new v1.EventsApi(configuration).createEvent({ body: { title: 'it broke', text: 'x', aggregationKey: 'one', alertType: 'error', dateHappened: Math.floor(Date.now() / 1000) } });
  await new v2.MetricsApi(configuration).submitMetrics({ contentEncoding: 'gzip', body: { series: [{ metric: 'llm.calls', type: 3, points: [{ timestamp: Math.floor(Date.now() / 1000), value: 1 }], tags: ['a:b'] }] } });
  assert.deepEqual([dd.events.length, dd.points.length, dd.problems], [1, 1, []]);

  const server = await serving(t, { 'sentinel.yml': `rules: {files: []}\nintegrations:\n- {kind: datadog, url: '${dd.url}', api_key: k1, app_key: a1, tags: [team:llm]}\n` });
  await server.post('/api/v2/alerts', alert('Cost'));
  await until('the event is there', () => dd.events.length === 2);
  const read = datadogEvents.ObjectSerializer.deserialize(dd.events[1], 'EventCreateRequest', '');
  assert.deepEqual([read.additionalProperties ?? {}, read.unparsedObject ?? null, read.alertType], [{}, null, 'error']);
});

test('PagerDuty: its client and Sentinel post alike, and read the same answer', async (t) => {
  const pd = await pagerduty();
  const folder = temporaryFolder();
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-keyout', path.join(folder, 'key'), '-out', path.join(folder, 'cert'), '-subj', '/CN=localhost'], { stdio: 'ignore' });
  // The client speaks TLS only.
  const front = tls.createServer({ key: readFileSync(path.join(folder, 'key')), cert: readFileSync(path.join(folder, 'cert')) }, (socket) => {
    const behind = net.connect(Number(new URL(pd.url).port), '127.0.0.1');
    socket.on('error', () => behind.destroy()).pipe(behind);
    behind.on('error', () => socket.destroy()).pipe(socket);
  });
  await new Promise((done) => front.listen(0, '127.0.0.1', done));
  front.unref();
  t.after(() => {
    front.close();
    return pd.close();
  });
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
  const key = 'R0123456789012345678901234567890';
  const send = (data) => pagerdutyEvent({ server: `127.0.0.1:${front.address().port}`, data });
  const answer = await send({ routing_key: key, event_action: 'trigger', dedup_key: 'theirs', payload: { summary: 'it broke', source: 'shop', severity: 'critical', component: 'shop', group: 'prod', class: 'Checkout', custom_details: {} }, client: 'x', client_url: 'http://x', links: [{ href: 'http://x', text: 'x' }] });
  assert.deepEqual([answer.response.status, answer.data.status, answer.data.dedup_key], [202, 'success', 'theirs']);
  assert.equal((await send({ routing_key: 'short', event_action: 'trigger', dedup_key: 'x', payload: {} })).data.status, 'invalid event');

  const server = await serving(t, { 'sentinel.yml': `rules: {files: []}\nintegrations:\n- {kind: pagerduty, url: '${pd.url}', routing_key: ${key}, webhook_secret: s}\n` });
  await server.post('/api/v2/alerts', alert('Checkout'));
  await until('it is triggered', () => pd.alerts.size === 2);
  const fields = (e) => [Object.keys(e).sort(), Object.keys(e.payload).filter((k) => k !== 'timestamp').sort()];
  assert.deepEqual(fields(pd.events.at(-1)), fields(pd.events[0]));
});
