// What the log says of incidents, notifications, breakers, reloads and calls, and what it must not say.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Sentinel, folderWith, freePorts, until, webhook } from './lib/sentinel.mjs';

const PROMPT = 'the word nobody may log: xylophone';
let server;
let hook;
before(async () => {
  hook = await webhook();
  const folder = folderWith({
    'sentinel.yml': `log: {level: debug, format: json}
gateway:
  providers: [{name: dead, base_url: "http://127.0.0.1:${await freePorts()}/v1", api_key: sk-very-secret}]
  routes: [{targets: [{provider: dead}]}]
rules: {files: [rules.yml], evaluation_interval: 1s}
alertmanager: alertmanager.yml
`,
    'rules.yml': `groups:
  - name: g
    rules:
      - {alert: AlwaysOn, expr: vector(1), labels: {severity: critical, service: shop}, annotations: {summary: It is on}}
`,
    'alertmanager.yml': `route: {receiver: hook, group_wait: 0s}
receivers: [{name: hook, webhook_configs: [{url: "${hook.url}/secret-path-token"}]}]
`,
  });
  server = await Sentinel.serve({ args: ['--config', `${folder}/sentinel.yml`] });
});
after(async () => {
  await server?.stop();
  await hook?.close();
});

const lines = () =>
  server.output.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line)];
    } catch {
      return [];
    }
  });
const said = (message, more = () => true) => until(`the log says "${message}"`, () => lines().find((l) => l.message === message && more(l)), { seconds: 60 });

test('an incident, from the alert to its end, with the ids that find it', async () => {
  const opened = await said('incident opened');
  assert.equal(opened.level, 'info');
  assert.match(opened.incident, /^INC-\d+$/);
  assert.equal(opened.rule, 'AlwaysOn');
  const delivered = await said('notification delivered');
  assert.match(delivered.receiver, /^hook\/webhook\/0$/);
  assert.ok(delivered.key.length > 0);
  await server.post(`/sentinel/v1/incidents/${opened.incident}/acknowledge`, { note: 'on it', actor: 'ada' });
  const acknowledged = await said('incident acknowledged', (l) => l.id === opened.id);
  assert.equal(acknowledged.actor, 'ada');
  assert.equal(acknowledged.from, 'open');
  await server.post(`/sentinel/v1/incidents/${opened.incident}/resolve`, { root_cause: 'a', resolution: 'b', actor: 'ada' });
  await said('incident resolved', (l) => l.id === opened.id && l.level === 'info');
});

test('a call at debug, and the breaker it trips', async () => {
  const trace = '0af7651916cd43dd8448eb211c80319c';
  const headers = { traceparent: `00-${trace}-b7ad6b7169203331-01` };
  const body = { model: 'm', messages: [{ role: 'user', content: PROMPT }] };
  const answer = await server.request('POST', '/v1/chat/completions', body, headers);
  const call = await said('call', (l) => l.request_id === answer.headers.get('x-request-id'));
  assert.equal(call.level, 'debug');
  assert.equal(call.trace_id, trace);
  assert.equal(call.error_type, 'provider_unreachable');
  for (let i = 0; i < 20; i++) await server.request('POST', '/v1/chat/completions', body, headers);
  const breaker = await said('circuit breaker changed');
  assert.equal(breaker.provider, 'dead');
  assert.equal(breaker.to, 'open');
  assert.ok(lines().some((l) => l.message === 'call' && l.request_id === breaker.request_id), 'its request_id is no call of the log');
});

test('a reload', async () => {
  assert.equal((await server.request('POST', '/-/reload')).status, 200);
  await said('configuration reloaded', (l) => l.level === 'info');
});

test('neither prompts nor secrets', () => {
  for (const secret of ['xylophone', 'sk-very-secret', 'secret-path-token']) assert.ok(!server.output.includes(secret), secret);
});
