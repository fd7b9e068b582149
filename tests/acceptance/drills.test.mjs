// The sixteen failures of the public catalogue of gateway faults (S01 to S16): what the client sees, what each upstream
// receives and when, and what the row of the call says. Ends with a table.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ANSWER, ScriptedUpstream, USAGE, answer, ask, noPrefill, refuse, reset, silence } from './lib/scripted_upstream.mjs';
import { Sentinel, folderWith, pause, until } from './lib/sentinel.mjs';

const LIMIT = 1000; // ms to the first content, between contents, and to a whole answer
const SLACK = 2000; // what a slow machine may add
const CUT = answer({ words: 40, then: 'cut', gap: 2 });
const STALL = answer({ words: 20, then: 'stall' });
const GARBLE = answer({ words: 9, then: 'garble' });
const EARLY_CUT = answer({ words: 0, then: 'cut' });
const TOO_LONG = refuse(400, { code: 'context_length_exceeded', message: 'maximum context length is 8192 tokens' });
const FILTERED = refuse(400, { code: 'content_policy_violation', message: 'your request was rejected by our safety system' });

let flapsUntil = 0;
const FLAP = (asked, response, request) => (performance.now() < flapsUntil ? refuse(503)(asked, response) : answer()(asked, response, request));

const PRIMARY = {
  s01: [refuse(429, { code: 'rate_limit_exceeded', headers: { 'retry-after': '1' } }), answer()],
  s02: refuse(429, { code: 'rate_limit_exceeded' }),
  s03: [refuse(500), answer()],
  s04: refuse(503), 's04-alone': refuse(503, { message: 'overloaded, says the provider' }),
  s05: [reset(), reset(), answer()], // a pooled connection that breaks is tried once more by itself
  s06: silence(), 's06-whole': silence(),
  s07: answer({ late: 6000 }),
  s08: CUT, 's08-end': answer({ words: 40, then: 'end' }), 's08-hold': CUT, 's08-early': EARLY_CUT,
  s09: STALL, 's09-hold': STALL,
  s10: GARBLE, 's10-hold': GARBLE,
  s11: answer({ done: false }),
  s12: TOO_LONG, 's12-alone': TOO_LONG,
  s13: FILTERED,
  's14-hold': CUT, s14: refuse(503),
  s15: FLAP,
  s16: refuse(503),
};
const FALLBACK = { 'fb-s14': noPrefill(answer()) };

/** A route: the primary, then (unless alone) the fallback, which is asked for fb-<model>. */
const route = (model, { alone = false, more = '' } = {}) => `
    - models: [${model}]
      targets: [{provider: primary}]
      ${alone ? '' : `fallback: [{provider: fallback, model: fb-${model.split('-')[0]}}]`}
      retries: {attempts: 3, backoff_base: 200ms, jitter: 0.2}
      timeouts: {first_token: 1s, inter_token: 1s, response: 1s, total: 20s}
      ${more}`;

let primary;
let fallback;
let sentinel;
before(async () => {
  primary = await new ScriptedUpstream(PRIMARY).start();
  fallback = await new ScriptedUpstream(FALLBACK).start();
  const routes = Object.keys(PRIMARY).map((model) =>
    route(model, {
      alone: model.endsWith('-alone'),
      more: model.endsWith('-hold') ? 'hold_streams: true' : model === 's12' ? 'context_fallback: [{provider: fallback, model: large}]' : '',
    }));
  const config = folderWith({
    'sentinel.yml': `gateway:
  service: drills
  breaker: {threshold: 3, open: 1s}
  retry_budget: {minimum: 100}
  providers:
    - {name: primary, kind: openai, base_url: '${primary.url}', api_key: primary-key}
    - {name: fallback, kind: openai, base_url: '${fallback.url}', api_key: fallback-key}
  routes:${routes.join('')}
    - models: [healthy]
      targets: [{provider: primary}]
`,
  });
  sentinel = await Sentinel.serve({ args: ['--config', `${config}/sentinel.yml`] });
});

const results = [];
after(async () => {
  await sentinel?.stop();
  await primary?.close();
  await fallback?.close();
  const passed = results.filter((r) => r.passed).length;
  console.log(`\n  Fault drills\n${results.map((r) => `  ${r.passed ? 'pass' : 'FAIL'}  ${r.id}  ${r.title.padEnd(42)} ${r.note}`).join('\n')}\n  ${passed} of 16\n`);
});

function drill(id, title, run) {
  test(`${id} ${title}`, async () => {
    const result = { id, title, passed: false, note: '' };
    results.push(result);
    result.note = (await run()) ?? '';
    result.passed = true;
  });
}

const rowOf = (seen) => until('the call is stored', async () => (await sentinel.sql(`SELECT * FROM llm_events WHERE request_id = '${seen.id}'`))[0]);
const times = (list) => list.map((ms) => `${Math.round(ms)} ms`).join(', ');

/** The whole answer, and a row that says who gave it. */
async function whole(seen, provider, more = {}) {
  assert.equal(seen.status, 200, seen.raw);
  assert.ok(seen.ended, 'the connection was cut');
  assert.equal(seen.content, ANSWER);
  assert.equal(seen.error, null);
  assert.ok(seen.done, 'no [DONE]');
  assert.equal(seen.headers.get('x-sentinel-provider'), provider);
  const row = await rowOf(seen);
  const expected = { status: 'ok', error_type: null, http_status: 200, provider, fallback_used: provider !== 'primary', tokens_input: USAGE.prompt_tokens, tokens_output: USAGE.completion_tokens, ...more };
  for (const [field, value] of Object.entries(expected)) assert.equal(field === 'fallback_used' ? Boolean(row[field]) : row[field], value, `${field} of the row`);
  assert.equal(row.response, ANSWER);
  return row;
}

/** A part, then an error event, a cut connection, and a row that calls it a failure. */
async function brokenOff(seen, error, words) {
  assert.equal(seen.status, 200);
  assert.ok(!seen.ended, 'a part must not look like the whole');
  assert.ok(!seen.done, '[DONE] after a broken stream');
  assert.equal(seen.content, ANSWER.split(' ').slice(0, words).join(' '));
  assert.equal(seen.error?.code, error, seen.raw.slice(-300));
  const row = await rowOf(seen);
  assert.equal(row.status, 'error');
  assert.equal(row.error_type, error);
  assert.equal(row.provider, 'primary');
  assert.equal(row.response, seen.content);
}

/** After a fault the same process answers as if nothing had been. */
async function alive() {
  const seen = await ask(sentinel.url, { model: 'healthy' });
  assert.equal(seen.content, ANSWER);
  assert.ok(seen.ms < SLACK);
}

drill('S01', '429 with Retry-After', async () => {
  const seen = await ask(sentinel.url, { model: 's01' });
  await whole(seen, 'primary', { retry_count: 1 });
  const [gap] = primary.gaps('s01');
  assert.ok(gap >= 990, `asked again after ${gap} ms`);
  assert.equal(primary.of('s01').length, 2);
  assert.equal(fallback.of('fb-s01').length, 0);
  return `asked again after ${Math.round(gap)} ms`;
});

drill('S02', '429 without Retry-After, persistent', async () => {
  const seen = await ask(sentinel.url, { model: 's02' });
  await whole(seen, 'fallback', { retry_count: 3 });
  const gaps = primary.gaps('s02');
  assert.equal(gaps.length, 2);
  assert.ok(gaps[0] >= 155 && gaps[1] >= 315, `no back-off: ${gaps}`);
  assert.equal(fallback.of('fb-s02').length, 1);
  return `3 attempts, ${times(gaps)} apart`;
});

drill('S03', '500 once, then healthy', async () => {
  await whole(await ask(sentinel.url, { model: 's03' }), 'primary', { retry_count: 1 });
  assert.equal(primary.of('s03').length, 2);
  assert.equal(fallback.of('fb-s03').length, 0);
});

drill('S04', '503 persistent', async () => {
  await whole(await ask(sentinel.url, { model: 's04' }), 'fallback', { retry_count: 3 });
  assert.equal(primary.of('s04').length, 3);
  const alone = await ask(sentinel.url, { model: 's04-alone' });
  assert.equal(alone.status, 503);
  assert.equal(alone.error.message, 'overloaded, says the provider');
  assert.equal(primary.of('s04-alone').length, 3);
  const row = await rowOf(alone);
  assert.equal(row.error_type, 'provider_error');
  assert.equal(row.http_status, 503);
  return '3 attempts, then the fallback; alone: the provider\'s own words';
});

drill('S05', 'connection reset before the head', async () => {
  await ask(sentinel.url, { model: 'healthy' });
  await whole(await ask(sentinel.url, { model: 's05' }), 'primary');
  assert.ok(primary.of('s05').length <= 4);
  assert.equal(fallback.of('fb-s05').length, 0);
});

drill('S06', 'no response at all', async () => {
  const stream = await ask(sentinel.url, { model: 's06' });
  await whole(stream, 'fallback', { retry_count: 1 });
  const full = await ask(sentinel.url, { model: 's06-whole', stream: false });
  assert.equal(full.content, ANSWER);
  for (const [model, seen] of [['s06', stream], ['s06-whole', full]]) {
    assert.equal(primary.of(model).length, 1, 'a silent route must not be asked again');
    assert.ok(seen.ms >= LIMIT - 20 && seen.ms < LIMIT + SLACK, `${seen.ms} ms`);
  }
  await until('the silent upstream is let go', () => primary.closed.includes('s06') && primary.closed.includes('s06-whole'));
  return `answered after ${times([stream.ms, full.ms])}; limit ${LIMIT} ms`;
});

drill('S07', 'slow first token', async () => {
  const seen = await ask(sentinel.url, { model: 's07' });
  await whole(seen, 'fallback');
  assert.equal(primary.of('s07').length, 1);
  assert.ok(seen.ms >= LIMIT - 20 && seen.ms < LIMIT + SLACK, `${seen.ms} ms`);
  return `answered after ${Math.round(seen.ms)} ms; the primary would have taken 6 s`;
});

drill('S08', 'stream cut', async () => {
  await brokenOff(await ask(sentinel.url, { model: 's08' }), 'provider_stream_cut', 40);
  assert.equal(primary.of('s08').length, 1, 'what has begun is not asked for again');
  assert.equal(fallback.of('fb-s08').length, 0);
  await brokenOff(await ask(sentinel.url, { model: 's08-end' }), 'provider_stream_cut', 40);
  await whole(await ask(sentinel.url, { model: 's08-hold' }), 'fallback', { retry_count: 3 });
  await whole(await ask(sentinel.url, { model: 's08-early' }), 'fallback', { retry_count: 3 });
  return 'error event; held, or nothing sent yet: whole from the fallback';
});

drill('S09', 'stream stalls', async () => {
  const seen = await ask(sentinel.url, { model: 's09' });
  await brokenOff(seen, 'provider_stream_stalled', 20);
  assert.ok(seen.ms >= LIMIT - 20 && seen.ms < LIMIT + SLACK, `${seen.ms} ms`);
  const held = await ask(sentinel.url, { model: 's09-hold' });
  await whole(held, 'fallback', { retry_count: 1 });
  assert.ok(held.ms < LIMIT + SLACK);
  await alive();
  return `noticed after ${Math.round(seen.ms)} ms; held: whole from the fallback`;
});

drill('S10', 'malformed chunk in the stream', async () => {
  await brokenOff(await ask(sentinel.url, { model: 's10' }), 'provider_bad_response', 9);
  await whole(await ask(sentinel.url, { model: 's10-hold' }), 'fallback', { retry_count: 3 });
  await alive();
  return 'error event; held: whole from the fallback';
});

drill('S11', 'stream ends without [DONE]', async () => {
  const seen = await ask(sentinel.url, { model: 's11', stream_options: { include_usage: true } });
  await whole(seen, 'primary', { retry_count: 0 });
  assert.deepEqual(seen.usage, USAGE);
  assert.ok(seen.ms < SLACK, `waited ${seen.ms} ms for what does not come`);
  return `finished after ${Math.round(seen.ms)} ms, with usage`;
});

drill('S12', 'context length exceeded', async () => {
  await whole(await ask(sentinel.url, { model: 's12' }), 'fallback', { retry_count: 1 });
  assert.equal(primary.of('s12').length, 1);
  assert.equal(fallback.of('large').length, 1);
  assert.equal(fallback.of('fb-s12').length, 0, 'the ordinary fallback is not the larger one');
  const alone = await ask(sentinel.url, { model: 's12-alone' });
  assert.equal(alone.status, 400);
  assert.equal(alone.error.code, 'context_length_exceeded');
  assert.equal(primary.of('s12-alone').length, 1);
  assert.equal((await rowOf(alone)).error_type, 'caller_context_too_long');
  return 'the larger model; alone: the provider\'s refusal';
});

drill('S13', 'content-filter rejection', async () => {
  const seen = await ask(sentinel.url, { model: 's13' });
  assert.equal(seen.status, 400);
  assert.equal(seen.error.message, 'your request was rejected by our safety system');
  assert.equal(seen.error.code, 'content_policy_violation');
  assert.equal(primary.of('s13').length, 1);
  assert.equal(fallback.of('fb-s13').length, 0, 'a refusal must not be routed around');
  const row = await rowOf(seen);
  assert.equal(row.error_type, 'policy_content_filter');
  assert.equal(row.http_status, 400);
});

drill('S14', 'fallback rejects prefill', async () => {
  const seen = await ask(sentinel.url, { model: 's14-hold' });
  await whole(seen, 'fallback');
  // The restart is clean: what the fallback is asked is what the client asked.
  const [first] = primary.of('s14-hold');
  const [again] = fallback.of('fb-s14');
  assert.deepEqual(again.asked.messages, first.asked.messages);
  // And where the client itself wants a prefill, the fallback's 400 does not hide what really failed.
  const messages = [{ role: 'user', content: 'Sixty words, please.' }, { role: 'assistant', content: 'word1' }];
  const masked = await ask(sentinel.url, { model: 's14', messages });
  assert.equal(fallback.of('fb-s14').length, 2);
  assert.equal(masked.status, 503);
  assert.doesNotMatch(masked.raw, /prefill/);
  const row = await rowOf(masked);
  assert.equal(row.error_type, 'provider_error');
  assert.equal(row.provider, 'primary');
  return 'asked afresh; its 400 does not hide the failure';
});

drill('S15', 'primary flaps: down, then healthy', async () => {
  const OUTAGE = 4000;
  const down = performance.now();
  flapsUntil = down + OUTAGE;
  let recovered = 0;
  let served = 0;
  for (let i = 0; i < 60 && (performance.now() < flapsUntil || !recovered); i++) {
    const seen = await ask(sentinel.url, { model: 's15' });
    assert.equal(seen.content, ANSWER, 'a call of the outage was not answered');
    served++;
    if (seen.headers.get('x-sentinel-provider') === 'primary') recovered ||= performance.now();
    if (i === 3) {
      const metrics = (await sentinel.request('GET', '/metrics')).text;
      const { items } = await sentinel.get('/sentinel/v1/gateway/breakers');
      const breaker = items.find((b) => b.provider === 'primary' && b.model === 's15');
      assert.equal(breaker.state === 'closed', false, JSON.stringify(breaker));
      assert.match(metrics, /sentinel_gateway_breaker_state\{[^}]*model="s15"[^}]*provider="primary"[^}]*\} [12]/);
    }
    await pause(150);
  }
  assert.ok(recovered > 0, 'never came back to the primary');
  assert.ok(recovered - flapsUntil < 1000 + SLACK, `back ${recovered - flapsUntil} ms after it was well`);
  const during = primary.of('s15').filter((r) => r.at < flapsUntil).length;
  // Three failures open it, then at most one probe a second.
  assert.ok(during <= 3 + OUTAGE / 1000 + 1, `${during} attempts at a primary that was down`);
  assert.ok(during >= 4, 'it was not probed');
  return `${served} calls answered, ${during} attempts during ${OUTAGE / 1000} s, back after ${Math.round(recovered - flapsUntil)} ms`;
});

drill('S16', 'fail-over accounting', async () => {
  const seen = await ask(sentinel.url, { model: 's16', stream_options: { include_usage: true } });
  const row = await whole(seen, 'fallback', { retry_count: 3, model: 's16', model_version: 'fb-s16' });
  assert.equal(seen.model, 'fb-s16');
  assert.equal(seen.headers.get('x-sentinel-model'), 'fb-s16');
  assert.deepEqual(seen.usage, USAGE);
  assert.equal(primary.of('s16').length, 3);
  const [{ rows, tokens }] = await sentinel.sql(`SELECT COUNT(*) AS rows, SUM(tokens_output) AS tokens FROM llm_events WHERE request_id = '${row.request_id}'`);
  assert.equal(Number(rows), 1, 'one call, one row');
  assert.equal(Number(tokens), USAGE.completion_tokens, 'billed for what was served, once');
  return 'names and bills the fallback only';
});
