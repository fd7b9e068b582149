// Conduct under many faults at once: hedging, faults on purpose, several keys, balancing, breakers by hand. Every call is
// answered or told why, is one row, and nothing of it is left behind.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ANSWER, ScriptedUpstream, answer, ask, refuse, silence } from './lib/scripted_upstream.mjs';
import { Sentinel, folderWith, pause, until } from './lib/sentinel.mjs';

const byKey = (asked, response, request) => (request.headers.authorization === 'Bearer revoked' ? refuse(401, { message: 'the key revoked is not valid' }) : answer())(asked, response, request);

let first;
let second;
let sentinel;
before(async () => {
  first = await new ScriptedUpstream({ keys: byKey, slow: silence(), mixed: answer({ gap: 1 }), dead: refuse(503), flaky: [answer(), refuse(503)] }).start();
  second = await new ScriptedUpstream({ mixed: answer({ gap: 1 }) }).start();
  const config = folderWith({
    'sentinel.yml': `gateway:
  service: conduct
  breaker: {threshold: 0, failure_percent: 50, minimum_requests: 10, window: 10s, open: 60s}
  retry_budget: {ratio: 0.5, minimum: 20}
  providers:
    - {name: first, kind: openai, base_url: '${first.url}', api_keys: [{value: revoked}, {value: good-1}, {value: good-2}]}
    - {name: second, kind: openai, base_url: '${second.url}', api_key: k}
  routes:
    - models: [keys]
      targets: [{provider: first}]
      retries: {attempts: 1}
    - models: [slow]
      targets: [{provider: first}]
      fallback: [{provider: second}]
      hedge: {after: 100ms}
    - models: [mixed]
      targets: [{provider: first}, {provider: second}]
      balance: latency
      retries: {attempts: 2, backoff_base: 20ms}
      timeouts: {first_token: 400ms, inter_token: 400ms, response: 400ms}
      hedge: {after: 60ms, quantile: 0.9}
      faults:
        - {abort: 503, percent: 5}
        - {abort: 429, percent: 3, retry_after: 30ms}
        - {delay: 150ms, percent: 8}
        - {silence: true, percent: 3}
        - {cut_after: 0, percent: 3}
        - {cut_after: 20, percent: 3}
        - {stall_after: 20, percent: 3}
        - {garble_after: 5, percent: 3}
    - models: [dead]
      targets: [{provider: first}]
      fallback: [{provider: second}]
      retries: {attempts: 1}
    - models: [flaky]
      targets: [{provider: first}]
      retries: {attempts: 1}
      last_resort: {cached: true, answer: 'Please come back later.'}
`,
  });
  sentinel = await Sentinel.serve({ args: ['--config', `${config}/sentinel.yml`] });
});
after(async () => {
  await sentinel?.stop();
  await first?.close();
  await second?.close();
});
const rowOf = (seen) => until('the call is stored', async () => (await sentinel.sql(`SELECT * FROM llm_events WHERE request_id = '${seen.id}'`))[0]);
const breakers = async (model) => (await sentinel.get('/sentinel/v1/gateway/breakers')).items.filter((b) => b.model === model);

test('a refused key rests and the call goes on with the next; nobody sees what was said of it', async () => {
  for (let i = 0; i < 6; i++) {
    const seen = await ask(sentinel.url, { model: 'keys' });
    assert.equal(seen.content, ANSWER);
    assert.doesNotMatch(seen.raw, /revoked/);
  }
  const keys = first.of('keys').map((r) => r.key.replace('Bearer ', ''));
  assert.equal(keys.filter((k) => k === 'revoked').length, 1, keys.join());
  assert.ok(keys.includes('good-1') && keys.includes('good-2'));
});

test('a hedge serves, the slow one is let go, and only the hedge is in the row', async () => {
  const seen = await ask(sentinel.url, { model: 'slow' });
  assert.equal(seen.content, ANSWER);
  assert.equal(seen.headers.get('x-sentinel-provider'), 'second');
  assert.ok(seen.ms >= 95 && seen.ms < 2500, `${seen.ms} ms`);
  await until('the slow one is let go', () => first.closed.includes('slow'));
  const row = await rowOf(seen);
  assert.equal(row.status, 'ok');
  assert.equal(row.provider, 'second');
  assert.equal(Number(row.tokens_output), 60);
  assert.equal(Number(row.retry_count), 0);
  assert.equal((typeof row.tags === 'string' ? JSON.parse(row.tags) : row.tags).hedged, 'second');
});

test('the last resort is marked in the answer and in the row', async () => {
  const body = { model: 'flaky', stream: false };
  assert.equal((await ask(sentinel.url, body)).headers.get('x-sentinel-last-resort'), null);
  const kept = await ask(sentinel.url, body);
  assert.equal(kept.status, 200);
  assert.equal(kept.content, ANSWER);
  assert.equal(kept.headers.get('x-sentinel-last-resort'), 'cached');
  const said = await ask(sentinel.url, { ...body, messages: [{ role: 'user', content: 'something else' }] });
  assert.equal(said.content, 'Please come back later.');
  assert.equal(said.headers.get('x-sentinel-last-resort'), 'configured');
  for (const seen of [kept, said]) {
    const row = await rowOf(seen);
    assert.equal(row.status, 'error');
    assert.equal(row.error_type, 'provider_error');
    assert.equal(row.http_status, 200);
    assert.equal(row.tokens_output, null);
    assert.equal(row.cost_usd ?? null, null);
  }
});

test('a breaker opens by rate, and is held and closed by hand', async () => {
  for (let i = 0; i < 15; i++) assert.equal((await ask(sentinel.url, { model: 'dead' })).content, ANSWER);
  assert.equal(first.of('dead').length, 10, 'ten failures of ten open it');
  const [opened] = await breakers('dead');
  assert.equal(opened.state, 'open');
  assert.ok(Date.parse(opened.open_until) > Date.now());
  const set = (state) => sentinel.post('/sentinel/v1/gateway/breakers', { provider: 'first', model: 'dead', state, actor: 'amira' });
  await set('half_open');
  await ask(sentinel.url, { model: 'dead' });
  assert.equal(first.of('dead').length, 11, 'one probe');
  assert.equal((await breakers('dead'))[0].state, 'open');
  await set('closed');
  await ask(sentinel.url, { model: 'dead' });
  assert.equal(first.of('dead').length, 12);
  await set('open');
  assert.deepEqual((await breakers('dead')).map((b) => [b.provider, b.state, b.held]).sort(), [['first', 'open', true], ['second', 'closed', false]]);
  await ask(sentinel.url, { model: 'dead' });
  assert.equal(first.of('dead').length, 12);
  assert.match(sentinel.output, /circuit breaker set.*amira/);
  // The same from the command line; all of it is in the audit.
  const listed = await sentinel.cli('breaker', 'list', 'first', 'dead');
  assert.match(listed.stdout, /first +dead +open +by hand/);
  assert.match((await sentinel.cli('breaker', 'reset', 'first', 'dead', '--actor', 'bo')).stdout, /first +dead +closed/);
  assert.match((await sentinel.cli('breaker', 'open', 'second', 'dead')).stdout, /second +dead +open +by hand/);
  assert.match((await sentinel.cli('breaker', 'close', 'second', 'dead')).stdout, /second +dead +closed/);
  assert.equal((await sentinel.cli('breaker', 'open', 'nobody')).code, 3);
  const audited = (await sentinel.get('/sentinel/v1/audit?action=breaker.set&target=first/dead')).items;
  assert.deepEqual([audited[0].actor, audited[0].before, audited[0].after], ['bo', { dead: 'open, held' }, { state: 'auto' }]);
  assert.ok(audited.some((e) => e.actor === 'amira' && e.after.state === 'open'));
});

test('six hundred calls among all faults: each is answered or told why, and is one row; nothing is left', async () => {
  const seen = [];
  let next = 0;
  await Promise.all(Array.from({ length: 24 }, async () => {
    while (next < 600) {
      const stream = next++ % 3 !== 0;
      seen.push(await ask(sentinel.url, { model: 'mixed', stream }));
    }
  }));
  const good = seen.filter((s) => s.status === 200 && s.ended && s.content === ANSWER && (s.done || !s.raw.startsWith('data:')));
  for (const bad of seen.filter((s) => !good.includes(s))) {
    // Never a part that looks whole: an error status, or an error event and a cut connection.
    assert.ok(bad.error?.code, bad.raw.slice(-300));
    assert.ok(bad.status >= 400 ? bad.ended : !bad.ended && !bad.done, `${bad.status} ${bad.raw.slice(-300)}`);
  }
  assert.ok(good.length > 420, `${good.length} of 600 good`);
  assert.ok(good.length < 600, 'the faults did nothing');
  const rows = await until('every call is stored', async () => {
    const [{ n, ids, ok }] = await sentinel.sql("SELECT COUNT(*) AS n, COUNT(DISTINCT request_id) AS ids, SUM(CASE WHEN status = 'ok' THEN 1 ELSE 0 END) AS ok FROM llm_events WHERE model = 'mixed'");
    return Number(n) >= 600 && { n: Number(n), ids: Number(ids), ok: Number(ok) };
  });
  assert.deepEqual(rows, { n: 600, ids: 600, ok: good.length });
  await until('nothing is under way', async () => {
    const metrics = (await sentinel.request('GET', '/metrics')).text;
    return /^active_requests 0$/m.test(metrics) && /^request_queue_depth 0$/m.test(metrics) && (await breakers('mixed')).every((b) => b.under_way === 0);
  });
  const [{ hedged }] = await sentinel.sql("SELECT COUNT(*) AS hedged FROM llm_events WHERE model = 'mixed' AND CAST(tags AS VARCHAR) LIKE '%hedged%'");
  assert.ok(Number(hedged) > 0, 'nothing was hedged');
  await pause(0);
});
