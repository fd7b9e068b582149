// One incident of `sentinel demo`, from the first bad answer to the postmortem. The tests follow each other.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { OpenApi } from './lib/openapi.mjs';
import { Sentinel, freePorts, listen, run, until } from './lib/sentinel.mjs';

const INVESTIGATIONS = {
  unsafe:
    'SELECT request_id, timestamp, prompt, response, safety_label, safety_score FROM `sentinel_telemetry.llm_events`\n' +
    'WHERE safety_score < 0.5 AND timestamp >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 10 MINUTE) ORDER BY timestamp DESC LIMIT 50',
  drifted:
    'SELECT request_id, timestamp, prompt, response, drift_score, similarity_score FROM `sentinel_telemetry.llm_events`\n' +
    'WHERE drift_score > 0.2 AND baseline_ready = true AND timestamp >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 HOUR) ORDER BY drift_score DESC LIMIT 20',
};
const NEW_MODEL = /sim-large-2026-11/;

let demo;
let live;
let incident;
const path = (action = '') => `/sentinel/v1/incidents/${incident.name}${action}`;
const messages = async () => (await (await fetch(demo.inbox)).json()).items;

before(async () => {
  demo = await Sentinel.demo({ args: ['--normal', '20s', '--fault', '40s'] });
  live = listen(`${demo.url}/sentinel/v1/live`);
});
after(async () => {
  await live?.close();
  await demo?.stop();
});

test('the new model version opens an incident that says what failed, why, and what next', async () => {
  incident = await until(
    'an incident names the new model version',
    async () => (await demo.incidents('status=active')).find((one) => NEW_MODEL.test(one.why)),
    { seconds: 75 },
  );
  assert.match(incident.name, /^INC-\d+$/);
  assert.match(incident.severity, /^SEV[1-3]$/);
  assert.equal(incident.status, 'open');
  assert.ok(incident.what_failed && incident.next_step, JSON.stringify(incident));
});

test('it has its alerts, examples of bad calls, a diagnosis and a timeline', async () => {
  const whole = await until('the diagnosis names the version', async () => {
    const got = await demo.get(path());
    return got.diagnosis?.findings.length && got;
  });
  const finding = whole.diagnosis.findings.find((f) => NEW_MODEL.test(f.sentence));
  assert.equal(finding.dimension, 'model_version');
  assert.ok(finding.failing_share > finding.baseline_share);
  // Not "slow", though the new version is slow too: what went wrong with the answers is told first.
  assert.match(whole.title, /drifted|not supported|no longer fit/);
  assert.match(whole.what_failed, /drift/);
  // That of the most severe alert so far: drift is noticed first, and others may join.
  assert.match(whole.runbook.id, /^llm-(drift|hallucination|quality)$/);
  assert.ok(whole.alerts.length > 0 && whole.alerts.every((a) => a.name && a.fingerprint && a.expr), JSON.stringify(whole.alerts));
  assert.ok(whole.timeline.length > 0);
  const example = whole.diagnosis.examples[0];
  const call = await demo.get(`/sentinel/v1/calls/${example.request_id}`);
  assert.equal(call.request_id, example.request_id);
  assert.equal(call.service, 'shop-assistant');
});

test('Slack, the webhook and the phone of whoever is on call are told, each with its key', async () => {
  const got = await until('both receivers are told', async () => {
    const all = await messages();
    return ['/slack', '/webhook', '/ntfy'].every((p) => all.some((m) => m.path === p)) && all.some((m) => m.body.channel === '#llm-on-call') && all;
  });
  for (const message of got) assert.ok(message.key, `no Idempotency-Key: ${JSON.stringify(message)}`);
  const slack = got.find((m) => m.body.channel === '#llm-on-call').body;
  assert.match(slack.attachments[0].title, /FIRING/);
  const hook = got.find((m) => m.path === '/webhook').body;
  assert.equal(hook.version, '4');
  assert.equal(hook.status, 'firing');
  assert.equal(hook.receiver, 'on-call');
  const push = got.find((m) => m.path === '/ntfy').body;
  assert.match(push.topic, /^(ada|grace)-phone$/);
  assert.match(push.title, /^\[SEV\d\] INC-\d+: /);
  assert.ok(hook.groupKey && hook.alerts[0].labels.alertname && hook.alerts[0].startsAt, JSON.stringify(hook));
});

test('a runbook is attached and a step of it is ticked', async () => {
  const { runbook } = await demo.get(path());
  assert.ok(runbook.steps.length > 1 && runbook.title);
  const [step] = runbook.steps;
  const changed = await demo.post(path(`/runbook/steps/${step.step_id}`), { state: 'done', note: 'looked at the chart', actor: 'amira' });
  const ticked = changed.runbook.steps[0];
  assert.deepEqual([ticked.state, ticked.note, ticked.actor], ['done', 'looked at the chart', 'amira']);
  assert.ok(changed.timeline.some((e) => e.kind === 'runbook' && e.actor === 'amira'), JSON.stringify(changed.timeline));
});

test('it is acknowledged over the API, and the version guards a change', async () => {
  const changed = await demo.post(path('/acknowledge'), { actor: 'amira', note: 'on it' });
  assert.equal(changed.status, 'acknowledged');
  assert.ok(changed.acknowledged_at && changed.time_to_acknowledge_s >= 0);
  assert.ok(changed.timeline.some((e) => e.actor === 'amira'));
  const late = await demo.request('POST', path('/severity'), { severity: 'SEV4' }, { 'if-match': '1' });
  assert.equal(late.status, 409);
  assert.match(late.type, /problem\+json/);
});

test('the command line lists and shows it', async () => {
  const list = await demo.cli('incident', 'list', '--status', 'all');
  assert.equal(list.code, 0);
  assert.match(list.stdout, new RegExp(`${incident.name} `));
  const shown = await demo.cli('incident', 'show', incident.name);
  assert.equal(shown.code, 0);
  assert.match(shown.stdout, NEW_MODEL);
  assert.match(shown.stdout, /Timeline/);
  const json = await demo.cli('incident', 'show', incident.name, '--output', 'json');
  assert.equal(JSON.parse(json.stdout).id, incident.id);
  const items = JSON.parse((await demo.cli('incident', 'list', '--status', 'all', '-o', 'json')).stdout).items;
  assert.ok(items.some((i) => i.id === incident.id));
});

test('the command line acknowledges another one', async () => {
  const made = await demo.post('/sentinel/v1/incidents', { title: 'declared by hand', severity: 'SEV3' });
  const acknowledged = await demo.cli('incident', 'ack', made.name, '--note', 'mine');
  assert.equal(acknowledged.code, 0, acknowledged.stderr);
  assert.match(acknowledged.stdout, /is acknowledged/);
  assert.equal((await demo.get(`/sentinel/v1/incidents/${made.name}`)).status, 'acknowledged');
  assert.equal((await demo.cli('incident', 'resolve', made.name, '--root-cause', 'a test')).code, 0);
  assert.equal((await demo.get(`/sentinel/v1/incidents/${made.name}`)).root_cause, 'a test');
});

test('the command line acknowledges alerts, and takes it back', async () => {
  const listed = await demo.cli('alert', 'list', 'alertname=Watchdog');
  assert.equal(listed.code, 0, listed.stderr);
  const [, fingerprint] = /^([0-9a-f]{16}) +active /m.exec(listed.stdout) ?? assert.fail(listed.stdout);
  const by = async () => (await demo.get('/sentinel/v1/audit?limit=1')).items[0];
  const taken = await demo.cli('alert', 'ack', fingerprint, '--for', '2h', '--note', 'being looked at');
  assert.equal(taken.code, 0, taken.stderr);
  assert.match((await demo.cli('alert', 'list', 'alertname=Watchdog')).stdout, /^[0-9a-f]{16} +active +cli /m);
  assert.match(JSON.stringify(await by()), /being looked at/);
  assert.equal((await demo.cli('alert', 'unack', fingerprint)).code, 0);
  assert.doesNotMatch((await demo.cli('alert', 'list', 'alertname=Watchdog')).stdout, / cli /);
  const none = await demo.cli('alert', 'ack', 'alertname=Absent');
  assert.equal(none.code, 3);
  assert.match(none.stderr, /no alert fires that the matchers match/);
});

test('both investigations run as written', async () => {
  for (const [name, query] of Object.entries(INVESTIGATIONS)) {
    const answer = await demo.post('/sentinel/v1/sql', { query });
    const wanted = query.match(/SELECT (.*) FROM/)[1].split(', ');
    assert.deepEqual(answer.columns.map((c) => c.name), wanted, name);
    const printed = await demo.cli('sql', query);
    assert.equal(printed.code, 0, printed.stderr);
    assert.match(printed.stdout, /request_id +timestamp/);
    const piped = await run(['sql', '-', '-o', 'json'], { input: query, env: { SENTINEL_URL: demo.url } });
    assert.deepEqual(JSON.parse(piped.stdout).columns, answer.columns);
  }
  const drifted = await demo.sql(INVESTIGATIONS.drifted);
  assert.ok(drifted.length > 0 && drifted.every((row) => row.drift_score > 0.2), JSON.stringify(drifted[0]));
});

test("Prometheus's API answers in Prometheus's envelope", async () => {
  const now = Date.now() / 1000;
  const instant = await demo.get(`/api/v1/query?query=${encodeURIComponent('sum by (model_version) (llm_requests_total)')}`);
  assert.equal(instant.status, 'success');
  assert.equal(instant.data.resultType, 'vector');
  assert.ok(instant.data.result.some((r) => NEW_MODEL.test(r.metric.model_version) && Number(r.value[1]) > 0));
  const range = await demo.get(`/api/v1/query_range?query=up&start=${now - 30}&end=${now}&step=5`);
  assert.equal(range.data.resultType, 'matrix');
  const rules = await demo.get('/api/v1/rules');
  assert.ok(rules.data.groups.find((g) => g.name === 'llm').rules.some((r) => r.name === 'LLMDriftDetected' && r.type === 'alerting'));
  const alerts = await demo.get('/api/v1/alerts');
  assert.ok(alerts.data.alerts.some((a) => a.state === 'firing' && a.labels.alertname && a.activeAt));
  const wrong = await demo.request('GET', '/api/v1/query?query=sum(');
  assert.equal(wrong.status, 400);
  assert.deepEqual([wrong.json.status, wrong.json.errorType], ['error', 'bad_data']);
});

test('sentinel query prints tables and JSON', async () => {
  const table = await demo.cli('query', 'sum by (endpoint) (llm_requests_total)');
  assert.equal(table.code, 0, table.stderr);
  assert.match(table.stdout, /\/api\/chat/);
  const json = JSON.parse((await demo.cli('query', 'vector(42)', '--output', 'json')).stdout);
  assert.match(JSON.stringify(json), /"42"/);
  assert.equal((await demo.cli('query', 'sum(')).code, 2);
});

test('/metrics exposes the llm_* series', async () => {
  const { text, type } = await demo.request('GET', '/metrics');
  assert.match(type, /text\/plain|openmetrics/);
  for (const name of ['llm_request_latency_ms_bucket', 'llm_requests_total', 'llm_tokens_input_total', 'llm_cost_usd_total', 'llm_safety_score_count', 'http_requests_total'])
    assert.match(text, new RegExp(`^${name}\\{`, 'm'), name);
  assert.match(text, /^llm_drift_score\{[^}]*model="sim-large"/m);
});

test('the live stream told of the incident', async () => {
  const told = await until('an incident event arrived', () => live.events.find((e) => e.event === 'incident' && JSON.parse(e.data).id === incident.id));
  assert.equal(JSON.parse(told.data).name, incident.name);
  assert.equal(live.events[0].event, 'hello');
  await until('the count of firing alerts arrived', () => live.events.some((e) => e.event === 'alerts' && JSON.parse(e.data).firing > 0));
  await until('calls arrived', () => live.events.some((e) => e.event === 'call'));
  assert.deepEqual(live.events.filter((e) => e.event === 'error'), []);
});

test('every answer is what openapi.json says', async () => {
  const api = await OpenApi.of(demo);
  const one = await demo.get(path());
  for (const where of [
    '/incidents?status=all', `/incidents/${incident.name}`, '/analytics', '/overview', '/alerts', '/rules', '/status', '/demo',
    '/events?q=source:sentinel&limit=5', '/notifications?limit=5', `/calls/${one.diagnosis.examples[0].request_id}`,
    ...['all', 'errors', 'unsafe', 'drift', 'slow', 'expensive', 'injection', 'ungrounded', 'empty', 'retries'].map((f) => `/calls?filter=${f}&limit=20`),
  ]) {
    const { status, json } = await api.ask('GET', `/sentinel/v1${where}`);
    assert.equal(status, 200, where);
    if (/^.(alerts|events|notifications)/.test(where)) assert.ok(json.items.length > 0, where);
  }
  const [step] = one.runbook.steps;
  await api.ask('POST', `/sentinel/v1${path(`/runbook/steps/${step.step_id}`).slice(12)}`, { state: 'done' });
  await api.ask('POST', '/sentinel/v1/demo/toggles', { simulate_retry: false });
  await api.ask('POST', '/sentinel/v1/sql', { query: INVESTIGATIONS.drifted });
  for (const { event, data } of live.events) {
    if (event === 'call') api.matches('Call', JSON.parse(data));
    if (event === 'incident') api.matches('Incident', JSON.parse(data));
  }
});

test('users say what they think of an answer, by the id the gateway gave it', async () => {
  const api = await OpenApi.of(demo);
  const answer = await demo.request('POST', '/v1/chat/completions', { model: 'sim-large', messages: [{ role: 'user', content: 'What is the return policy?' }] });
  assert.equal(answer.status, 200, answer.text);
  const request_id = answer.headers.get('x-request-id');
  const say = (body) => api.ask('POST', '/sentinel/v1/feedback', { request_id, ...body }, { 'x-sentinel-user': 'amira' });
  const rated = await until('the call is known', async () => {
    const got = await say({ rating: 4 });
    return got.status === 200 && got.json;
  });
  assert.equal(rated.rating, 0.75);
  await say({ rating: 4 });
  const { json } = await say({ label: 'correct', conversion: true });
  assert.deepEqual([json.rating, json.label], [0.75, 'correct']);
  assert.ok(json.converted_at);
  const count = async (query) => Number((await demo.get(`/api/v1/query?query=${encodeURIComponent(query)}`)).data.result[0]?.value[1]);
  await until('the series are there', async () => (await count('sum(llm_feedback_total)')) === 3 && (await count('sum(conversions_total{model="sim-large"})')) === 1);
  assert.equal(await count('sum(llm_feedback_total{kind="rating",value="positive"})'), 1);
});

test('exit codes tell what went wrong', async () => {
  for (const verb of ['show', 'ack', 'postmortem']) {
    const unknown = await demo.cli('incident', verb, 'INC-999');
    assert.equal(unknown.code, 3, `${verb}: ${unknown.stderr}`);
    assert.match(unknown.stderr, /^sentinel: .*999/);
  }
  const nobody = `http://127.0.0.1:${await freePorts()}`;
  const absent = await run(['incident', 'list', '--url', nobody]);
  assert.equal(absent.code, 6);
  assert.match(absent.stderr, /is `sentinel serve` running\?/);
  assert.equal((await demo.cli('sql', 'SELEC 1')).code, 2);
  assert.equal((await run(['incident', 'show'])).code, 2);
  assert.equal((await run(['no-such-command'])).code, 2);
});

test('after the version is pinned back it resolves by itself', async () => {
  const resolved = await until(
    'the incident is resolved',
    async () => {
      const one = await demo.get(path());
      return one.status === 'resolved' && one;
    },
    { seconds: 150, every: 500 },
  );
  assert.ok(resolved.resolved_at > resolved.acknowledged_at);
  assert.ok(resolved.time_to_resolve_s >= resolved.time_to_acknowledge_s);
  assert.ok(resolved.alerts.every((a) => a.state === 'resolved'), JSON.stringify(resolved.alerts));
  await until('the receivers are told of the end', async () => {
    const ends = (await messages()).filter((m) => /RESOLVED|"status":"resolved"/.test(JSON.stringify(m.body)));
    return ['/slack', '/webhook'].every((p) => ends.some((m) => m.path === p));
  });
});

test('the postmortem tells the story', async () => {
  const answer = await demo.request('GET', path('/postmortem'));
  assert.match(answer.type, /^text\/markdown/);
  assert.match(answer.text, /^# Postmortem: /);
  assert.ok(answer.text.includes(incident.name));
  for (const part of [/^#+ .*timeline/im, /^#+ .*impact/im, /time to acknowledge/i, /on it/, /amira/, NEW_MODEL]) assert.match(answer.text, part);
  const printed = await demo.cli('incident', 'postmortem', incident.name);
  assert.equal(printed.code, 0);
  assert.match(printed.stdout, /^# /);
  const json = await demo.request('GET', path('/postmortem'), undefined, { accept: 'application/json' });
  assert.match(json.json.markdown, /^# /m);
  assert.match(json.json.html, /<h1/);
});

test('it is left in the analytics, and stops in good order', async () => {
  const analytics = await demo.get('/sentinel/v1/analytics');
  assert.ok(analytics.incidents >= 1 && analytics.mtta_s.count >= 1 && analytics.mttr_s.count >= 1, JSON.stringify(analytics));
  assert.equal(await demo.stop(), 0, demo.output.slice(-1000));
});
