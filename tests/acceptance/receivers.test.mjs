// One alert to every kind of receiver, over real connections; a restart; then its end. Slack's message is edited.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith, httpServer, temporaryFolder, until } from './lib/sentinel.mjs';
import { smtpServer } from './lib/smtp.mjs';

const json = (response, body) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));

const alertmanager = (url, smtp) => `global:
  smtp_smarthost: 127.0.0.1:${smtp}
  smtp_from: sentinel@example.org
  smtp_require_tls: false
  opsgenie_api_key: K
route:
  receiver: all
  group_by: [alertname]
  group_wait: 0s
  group_interval: 2s
  labels: {team: '{{ .GroupLabels.alertname }}-team'}
receivers:
  - name: all
    webhook_configs:
      - {url: '${url}/webhook', http_config: {oauth2: {client_id: i, client_secret: s, token_url: '${url}/token'}}}
      - {url: '${url}/own', payload: {title: '{{ .CommonLabels.alertname }}', count: '{{ len .Alerts }}', team: '{{ routeLabels "team" }}'}}
    email_configs: [{to: ops@example.org, send_resolved: true, threading: {enabled: true, thread_by_date: none}}]
    slack_configs: [{app_token: x, app_url: '${url}/slack/chat.postMessage', channel: '#ops', update_message: true, send_resolved: true}]
    pagerduty_configs: [{routing_key: R, url: '${url}/pagerduty'}]
    opsgenie_configs: [{api_url: '${url}/opsgenie'}]
    victorops_configs: [{api_url: '${url}/victorops', api_key: K, routing_key: team}]
    telegram_configs: [{api_url: '${url}/telegram', bot_token: T, chat_id: 1}]
    discord_configs: [{webhook_url: '${url}/discord'}]
    msteams_configs: [{webhook_url: '${url}/msteams'}]
    msteamsv2_configs: [{webhook_url: '${url}/msteamsv2'}]
    webex_configs: [{api_url: '${url}/webex', room_id: R, http_config: {authorization: {credentials: T}}}]
    wechat_configs: [{api_url: '${url}/wechat/', api_secret: S, corp_id: C, send_resolved: true}]
    sns_configs: [{api_url: '${url}/sns', topic_arn: 'arn:x', sigv4: {region: us-east-1, access_key: A, secret_key: S}}]
    jira_configs: [{api_url: '${url}/jira', project: OPS, issue_type: Bug, resolve_transition: Done}]
    rocketchat_configs: [{api_url: '${url}/rocketchat', token: T, token_id: I, send_resolved: true}]
    mattermost_configs: [{webhook_url: '${url}/mattermost'}]
    incidentio_configs: [{url: '${url}/incidentio', alert_source_token: T}]
`;

const rules = (expr) => `groups:
  - name: own
    interval: 1s
    rules:
      - alert: Everywhere
        expr: ${expr}
        labels: {severity: critical}
`;

test('every kind of receiver is told, and told of the end after a restart', async (t) => {
  let issue = null;
  const world = await httpServer((request, body, response) => {
    const at = request.url.split('?')[0];
    if (at === '/token') return json(response, { access_token: 'TOKEN', token_type: 'Bearer', expires_in: 3600 });
    if (at.startsWith('/slack/')) return json(response, { ok: true, channel: 'C1', ts: '17.5' });
    if (at === '/wechat/gettoken') return json(response, { errcode: 0, access_token: 'W' });
    if (at === '/jira/search') return json(response, { issues: issue ? [issue] : [] });
    if (at === '/jira/issue') issue = { key: 'OPS-1', fields: { status: { statusCategory: { key: 'new' } } } };
    if (at === '/jira/issue/OPS-1/transitions' && request.method === 'GET') return json(response, { transitions: [{ id: '7', name: 'Done' }] });
    return json(response, { ok: true, success: true, errcode: 0, issues: [] });
  });
  const smtp = await smtpServer();
  t.after(() => {
    world.close();
    smtp.close();
  });
  const folder = folderWith({
    'sentinel.yml': 'rules:\n  files: [rules.yml]\nalertmanager: alertmanager.yml\nincidents:\n  create_for: [SEV1]\n',
    'rules.yml': rules('vector(1)'),
    'alertmanager.yml': alertmanager(world.url, smtp.port),
  });
  const options = { dataDir: temporaryFolder(), args: ['--config', path.join(folder, 'sentinel.yml')] };
  let server = await Sentinel.serve(options);
  t.after(() => server.kill());

  const asked = (start) => world.received.filter((r) => r.path.startsWith(start));
  const firsts = ['/webhook', '/own', '/slack/chat.postMessage', '/pagerduty', '/opsgenie/v2/alerts', '/victorops/K/team', '/telegram/botT/sendMessage',
    '/discord', '/msteams', '/msteamsv2', '/webex', '/wechat/message/send', '/sns', '/jira/issue', '/rocketchat/api/v1/chat.postMessage', '/mattermost', '/incidentio'];
  await until('all have been told', () => firsts.every((at) => asked(at).length > 0) && smtp.mails.length > 0, { seconds: 60 });
  const body = (at) => JSON.parse(asked(at)[0].body);
  assert.equal(asked('/webhook')[0].headers.authorization, 'Bearer TOKEN');
  assert.equal(body('/webhook').notification_reason, 'first notification');
  assert.deepEqual(body('/webhook').routeLabels, { team: 'Everywhere-team' });
  assert.deepEqual(body('/own'), { title: 'Everywhere', count: 1, team: 'Everywhere-team' });
  assert.equal(body('/pagerduty').event_action, 'trigger');
  assert.equal(asked('/webex')[0].headers.authorization, 'Bearer T');
  assert.match(asked('/sns')[0].headers.authorization, /^AWS4-HMAC-SHA256 Credential=A\//);
  assert.match(smtp.mails[0].text, /^Subject: \[FIRING:1\] Everywhere/m);

  // Killed sooner, what was sent may be sent again: at least once.
  await until('all is known as delivered', async () => {
    const all = (await server.get('/sentinel/v1/notifications?limit=200')).items;
    return all.length >= firsts.length + 1 && all.every((n) => n.status === 'delivered');
  });
  await server.kill();
  writeFileSync(path.join(folder, 'rules.yml'), rules('vector(0) > 1'));
  server = await Sentinel.serve({ ...options, port: server.port });
  await until('all have been told of the end', () =>
    asked('/slack/chat.update').length > 0 && asked('/opsgenie/v2/alerts/').some((r) => r.path.includes('/close')) &&
    asked('/jira/issue/OPS-1/transitions').some((r) => r.method === 'POST') && smtp.mails.length > 1 &&
    asked('/pagerduty').some((r) => JSON.parse(r.body).event_action === 'resolve'), { seconds: 60 });
  const update = JSON.parse(asked('/slack/chat.update')[0].body);
  assert.deepEqual([update.ts, update.channel, update.attachments[0].color], ['17.5', 'C1', 'good']);
  assert.equal(asked('/slack/chat.postMessage').length, 1);
  const [trigger, resolve] = ['trigger', 'resolve'].map((action) => asked('/pagerduty').map((r) => JSON.parse(r.body)).find((e) => e.event_action === action));
  assert.equal(trigger.dedup_key, resolve.dedup_key);
  const reference = (mail) => /^References: (.*)$/m.exec(mail.text)[1];
  assert.equal(reference(smtp.mails[0]), reference(smtp.mails.at(-1)));
});
