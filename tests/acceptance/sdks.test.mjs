// The official clients of each family, with nothing changed but their base URL, against providers of every family: what
// the client makes of the answer, what the provider was asked, and the row of the call.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import Anthropic from '@anthropic-ai/sdk';
import { ApiError, GoogleGenAI } from '@google/genai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai';
import OpenAI from 'openai';
import { anthropicDouble, geminiDouble, openaiDouble } from './lib/providers.mjs';
import { Sentinel, folderWith, httpServer, until } from './lib/sentinel.mjs';

const FAMILIES = ['oa', 'an', 'ge'];
const SCHEMA = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const doubles = {};
let sentinel;
let openai;
let anthropic;
let google;
let ai;

before(async () => {
  Object.assign(doubles, { oa: await openaiDouble(), an: await anthropicDouble(), ge: await geminiDouble() });
  const folder = folderWith({
    'sentinel.yml': `gateway:
  service: sdks
  breaker: {threshold: 0}
  providers:
    - {name: oa, kind: openai, base_url: '${doubles.oa.url}', api_key: key-oa}
    - {name: an, kind: anthropic, base_url: '${doubles.an.url}', api_key: key-an}
    - {name: ge, kind: gemini, base_url: '${doubles.ge.url}', api_key: key-ge}
  routes:
${FAMILIES.map((f) => `    - {models: ['${f}-busy*'], targets: [{provider: ${f}, model: busy}], retries: {attempts: 1}}`).join('\n')}
    - {models: ['an-*'], targets: [{provider: an}], retries: {attempts: 1}}
    - {models: ['ge-*'], targets: [{provider: ge}], retries: {attempts: 1}}
    - {models: ['*'], targets: [{provider: oa}], retries: {attempts: 1}}
`,
  });
  sentinel = await Sentinel.serve({ args: ['--config', `${folder}/sentinel.yml`] });
  openai = new OpenAI({ baseURL: `${sentinel.url}/v1`, apiKey: 'callers-key', maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: sentinel.url, apiKey: 'callers-key', maxRetries: 0 });
  google = new GoogleGenAI({ apiKey: 'callers-key', httpOptions: { baseUrl: sentinel.url } });
  ai = createOpenAICompatible({ name: 'sentinel', baseURL: `${sentinel.url}/v1`, apiKey: 'callers-key', includeUsage: true });
});
after(async () => {
  await sentinel?.stop();
  for (const double of Object.values(doubles)) await double.close();
});

/** The one row of the calls of this model. */
async function row(model, expected) {
  const found = await until(`the call of ${model} is stored`, async () => (await sentinel.sql(`SELECT * FROM llm_events WHERE model = '${model}' ORDER BY timestamp`))[0]);
  for (const [name, value] of Object.entries(expected)) assert.equal(found[name], value, `${model}: ${name}`);
  return found;
}
const GOOD = { status: 'ok', response: 'Hello there', finish_reason: 'stop', tokens_input: 7, tokens_output: 3, tokens_cached_input: 2, prompt: 'Say hello' };
async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('the call was expected to fail');
}
/** The provider got its own key, and nothing of the caller's. */
function keysStayed(family) {
  const { headers, path } = doubles[family].received.at(-1);
  const expected = { oa: ['authorization', 'Bearer key-oa'], an: ['x-api-key', 'key-an'], ge: ['x-goog-api-key', 'key-ge'] }[family];
  assert.equal(headers[expected[0]], expected[1]);
  assert.ok(!JSON.stringify([headers, path]).includes('callers-key'));
}

for (const family of FAMILIES) {
  test(`openai: chat at ${family}`, async () => {
    const model = `${family}-chat`;
    const messages = [{ role: 'system', content: 'Be brief' }, { role: 'user', content: 'Say hello' }];
    const whole = await openai.chat.completions.create({ model, messages });
    assert.equal(whole.choices[0].message.content, 'Hello there');
    assert.equal(whole.choices[0].finish_reason, 'stop');
    assert.deepEqual([whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.prompt_tokens_details.cached_tokens], [7, 3, 2]);
    assert.match(whole.model, new RegExp(`${model}-2026`));
    keysStayed(family);
    await row(model, { ...GOOD, provider: family, stream: false, endpoint: '/v1/chat/completions', model_version: `${model}-2026`, request_type: 'chat' });

    const streamed = openai.chat.completions.stream({ model: `${model}-s`, messages, stream_options: { include_usage: true } });
    const pieces = [];
    streamed.on('content', (delta) => pieces.push(delta));
    const final = await streamed.finalChatCompletion();
    assert.deepEqual(pieces.filter(Boolean), ['Hel', 'lo ', 'there']);
    assert.equal(final.choices[0].finish_reason, 'stop');
    assert.equal(final.usage.completion_tokens, 3);
    const stored = await row(`${model}-s`, { ...GOOD, stream: true });
    assert.ok(stored.ttft_ms > 0 && stored.ttft_ms <= stored.latency_ms);
  });

  test(`openai: tools at ${family}`, async () => {
    const tools = [{ type: 'function', function: { name: 'weather', description: 'The weather', parameters: SCHEMA } }];
    const messages = [{ role: 'user', content: 'Weather?' }];
    for (const stream of [false, true]) {
      const model = `${family}-tools-${stream}`;
      const answer = stream ? await openai.chat.completions.stream({ model, messages, tools }).finalChatCompletion() : await openai.chat.completions.create({ model, messages, tools });
      const { message, finish_reason } = answer.choices[0];
      assert.equal(finish_reason, 'tool_calls');
      assert.equal(message.tool_calls.length, 1);
      assert.equal(message.tool_calls[0].function.name, 'weather');
      assert.deepEqual(JSON.parse(message.tool_calls[0].function.arguments), { city: 'Paris' });
      const turn = [...messages, message, { role: 'tool', tool_call_id: message.tool_calls[0].id, content: 'Sunny' }];
      const next = await openai.chat.completions.create({ model: `${model}-2`, messages: turn, tools });
      assert.equal(next.choices[0].message.content, 'Hello there');
      assert.match(doubles[family].received.at(-1).body, /Sunny/);
      const stored = await row(model, { finish_reason: 'tool_calls', status: 'ok' });
      assert.match(JSON.stringify(stored.tags), /weather/);
    }
  });

  test(`openai: responses at ${family}`, async () => {
    const model = `${family}-resp`;
    const whole = await openai.responses.create({ model, input: 'Say hello', instructions: 'Be brief' });
    assert.equal(whole.output_text, 'Hello there');
    assert.equal(whole.status, 'completed');
    assert.deepEqual([whole.usage.input_tokens, whole.usage.output_tokens, whole.usage.input_tokens_details.cached_tokens], [7, 3, 2]);
    await row(model, { ...GOOD, endpoint: '/v1/responses', provider: family });
    const stream = openai.responses.stream({ model: `${model}-s`, input: 'Say hello' });
    const pieces = [];
    stream.on('response.output_text.delta', (event) => pieces.push(event.delta));
    const final = await stream.finalResponse();
    assert.deepEqual(pieces, ['Hel', 'lo ', 'there']);
    assert.equal(final.output[0].content[0].text, 'Hello there');
    assert.equal(final.usage.output_tokens, 3);
    await row(`${model}-s`, { ...GOOD, stream: true });
  });

  test(`openai: errors of ${family}`, async () => {
    const error = await failure(openai.chat.completions.create({ model: `${family}-busy-oa`, messages: [{ role: 'user', content: 'q' }] }));
    assert.ok(error instanceof OpenAI.RateLimitError, String(error));
    assert.match(error.message, /slow down/);
    await row(`${family}-busy-oa`, { status: 'error', error_type: 'provider_rate_limited', http_status: 429 });
  });

  for (const auth of [{ apiKey: 'callers-key' }, { apiKey: null, authToken: 'callers-key' }]) {
    test(`anthropic: messages at ${family} with ${auth.authToken ? 'a bearer token' : 'an API key'}`, async () => {
      const client = new Anthropic({ baseURL: sentinel.url, maxRetries: 0, ...auth });
      const model = `${family}-msg-${auth.authToken ? 'b' : 'k'}`;
      const ask = { max_tokens: 64, system: 'Be brief', messages: [{ role: 'user', content: 'Say hello' }] };
      const whole = await client.messages.create({ model, ...ask });
      assert.deepEqual(whole.content.map((b) => [b.type, b.text]), [['text', 'Hello there']]);
      assert.equal(whole.stop_reason, 'end_turn');
      assert.deepEqual([whole.usage.input_tokens, whole.usage.cache_read_input_tokens, whole.usage.output_tokens], [5, 2, 3]);
      keysStayed(family);
      await row(model, { ...GOOD, endpoint: '/v1/messages', provider: family });
      const pieces = [];
      const final = await client.messages.stream({ model: `${model}-s`, ...ask }).on('text', (delta) => pieces.push(delta)).finalMessage();
      assert.deepEqual(pieces, ['Hel', 'lo ', 'there']);
      assert.equal(final.stop_reason, 'end_turn');
      assert.equal(final.usage.output_tokens, 3);
      await row(`${model}-s`, { ...GOOD, stream: true });
    });
  }

  test(`anthropic: tools at ${family}`, async () => {
    const tools = [{ name: 'weather', description: 'The weather', input_schema: SCHEMA }];
    const messages = [{ role: 'user', content: 'Weather?' }];
    for (const stream of [false, true]) {
      const ask = { model: `${family}-mtools-${stream}`, max_tokens: 64, tools, messages };
      const answer = stream ? await anthropic.messages.stream(ask).finalMessage() : await anthropic.messages.create(ask);
      assert.equal(answer.stop_reason, 'tool_use');
      const call = answer.content.find((b) => b.type === 'tool_use');
      assert.deepEqual([call.name, call.input], ['weather', { city: 'Paris' }]);
      const turn = [...messages, { role: 'assistant', content: answer.content }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: call.id, content: 'Sunny' }] }];
      const next = await anthropic.messages.create({ ...ask, model: `${ask.model}-2`, messages: turn });
      assert.equal(next.content[0].text, 'Hello there');
      assert.match(doubles[family].received.at(-1).body, /Sunny/);
      await row(ask.model, { finish_reason: 'tool_calls', status: 'ok', prompt: 'Weather?' });
    }
  });

  test(`anthropic: errors of ${family}`, async () => {
    const error = await failure(anthropic.messages.create({ model: `${family}-busy-an`, max_tokens: 9, messages: [{ role: 'user', content: 'q' }] }));
    assert.ok(error instanceof Anthropic.RateLimitError, String(error));
    assert.equal(error.error.error.type, 'rate_limit_error');
    assert.match(error.message, /slow down/);
    await row(`${family}-busy-an`, { status: 'error', error_type: 'provider_rate_limited' });
  });

  test(`google: generateContent at ${family}`, async () => {
    const model = `${family}-gen`;
    const ask = { contents: 'Say hello', config: { systemInstruction: 'Be brief', maxOutputTokens: 64 } };
    const whole = await google.models.generateContent({ model, ...ask });
    assert.equal(whole.text, 'Hello there');
    assert.equal(whole.candidates[0].finishReason, 'STOP');
    assert.deepEqual([whole.usageMetadata.promptTokenCount, whole.usageMetadata.cachedContentTokenCount], [7, 2]);
    keysStayed(family);
    await row(model, { ...GOOD, endpoint: '/v1beta/models/{model}:generateContent', provider: family });
    const pieces = [];
    let last;
    for await (const chunk of await google.models.generateContentStream({ model: `${model}-s`, ...ask })) {
      if (chunk.text) pieces.push(chunk.text);
      last = chunk;
    }
    assert.deepEqual(pieces, ['Hel', 'lo ', 'there']);
    assert.equal(last.candidates[0].finishReason, 'STOP');
    await row(`${model}-s`, { ...GOOD, stream: true });
  });

  test(`google: tools at ${family}`, async () => {
    const model = `${family}-gtools`;
    const config = { tools: [{ functionDeclarations: [{ name: 'weather', description: 'The weather', parametersJsonSchema: SCHEMA }] }] };
    const contents = [{ role: 'user', parts: [{ text: 'Weather?' }] }];
    const answer = await google.models.generateContent({ model, contents, config });
    assert.equal(answer.functionCalls.length, 1);
    assert.deepEqual([answer.functionCalls[0].name, answer.functionCalls[0].args], ['weather', { city: 'Paris' }]);
    const back = { role: 'user', parts: [{ functionResponse: { id: answer.functionCalls[0].id, name: 'weather', response: { result: 'Sunny' } } }] };
    const next = await google.models.generateContent({ model: `${model}-2`, contents: [...contents, answer.candidates[0].content, back], config });
    assert.equal(next.text, 'Hello there');
    assert.match(doubles[family].received.at(-1).body, /Sunny/);
    await row(model, { finish_reason: 'tool_calls', status: 'ok', prompt: 'Weather?' });
  });

  test(`google: errors of ${family}`, async () => {
    const error = await failure(google.models.generateContent({ model: `${family}-busy-ge`, contents: 'q' }));
    assert.ok(error instanceof ApiError, String(error));
    assert.equal(error.status, 429);
    assert.match(error.message, /slow down/);
    assert.match(error.message, /RESOURCE_EXHAUSTED/);
    await row(`${family}-busy-ge`, { status: 'error', error_type: 'provider_rate_limited' });
  });

  test(`ai: text, streams and tools at ${family}`, async () => {
    const whole = await generateText({ model: ai(`${family}-ai`), prompt: 'Say hello', maxRetries: 0 });
    assert.equal(whole.text, 'Hello there');
    assert.equal(whole.usage.inputTokens, 7);
    await row(`${family}-ai`, GOOD);
    const stream = streamText({ model: ai(`${family}-ai-s`), prompt: 'Say hello', maxRetries: 0 });
    const pieces = [];
    for await (const piece of stream.textStream) pieces.push(piece);
    assert.equal(pieces.join(''), 'Hello there');
    assert.equal((await stream.usage).outputTokens, 3);
    await row(`${family}-ai-s`, { ...GOOD, stream: true });
    const weather = tool({ description: 'The weather', inputSchema: jsonSchema(SCHEMA), execute: async ({ city }) => `Sunny in ${city}` });
    const steps = await generateText({ model: ai(`${family}-ai-t`), prompt: 'Weather?', tools: { weather }, stopWhen: stepCountIs(3), maxRetries: 0 });
    assert.equal(steps.text, 'Hello there');
    assert.match(doubles[family].received.at(-1).body, /Sunny in Paris/);
  });
}

test('embeddings of OpenAI and Gemini for the clients of both', async () => {
  for (const family of ['oa', 'ge']) {
    const list = await openai.embeddings.create({ model: `${family}-emb`, input: ['a', 'b'] });
    assert.deepEqual(list.data.map((d) => [d.index, ...d.embedding]), [[0, 0.5, -0.25, 0], [1, 0.5, -0.25, 1]]);
    await row(`${family}-emb`, { request_type: 'embedding', status: 'ok', prompt: 'a\nb' });
    const one = await google.models.embedContent({ model: `${family}-gemb`, contents: 'a' });
    assert.deepEqual(one.embeddings[0].values.slice(0, 2), [0.5, -0.25]);
    await row(`${family}-gemb`, { request_type: 'embedding', status: 'ok' });
  }
  const error = await failure(openai.embeddings.create({ model: 'an-emb', input: 'a' }));
  assert.equal(error.status, 400);
  assert.equal(error.type, 'caller_unsupported');
});

test('tokens are counted where the provider can', async () => {
  for (const family of ['an', 'ge']) {
    const counted = await anthropic.messages.countTokens({ model: `${family}-count`, messages: [{ role: 'user', content: 'q' }] });
    assert.equal(counted.input_tokens, 11);
    assert.equal((await google.models.countTokens({ model: `${family}-gcount`, contents: 'q' })).totalTokens, 11);
    await row(`${family}-count`, { request_type: 'count_tokens', status: 'ok' });
  }
  const error = await failure(anthropic.messages.countTokens({ model: 'oa-count', messages: [{ role: 'user', content: 'q' }] }));
  assert.ok(error instanceof Anthropic.BadRequestError, String(error));
});

test('moderations', async () => {
  const verdict = await openai.moderations.create({ input: 'bad words' });
  assert.equal(verdict.results[0].flagged, true);
  await row('omni-moderation-latest', { request_type: 'moderation', status: 'ok', prompt: 'bad words' });
});

test('the models, in the form each client reads', async () => {
  const ids = async (pages) => {
    const all = [];
    for await (const model of await pages) all.push(model.id ?? model.name);
    return all;
  };
  assert.deepEqual(await ids(openai.models.list()), ['oa-1']);
  assert.deepEqual(await ids(anthropic.models.list()), ['oa-1']);
  assert.deepEqual(await ids(google.models.list()), ['models/oa-1']);
});

test('a client of any family that leaves ends the work of the provider, and is counted as such', async () => {
  const closed = [];
  const slow = await httpServer((request, _body, response) => response.on('close', () => closed.push(request.url)));
  const folder = folderWith({
    'sentinel.yml': `gateway:
  providers:
    - {name: an, kind: anthropic, base_url: '${slow.url}', api_key: k}
    - {name: ge, kind: gemini, base_url: '${slow.url}', api_key: k}
  routes: [{models: ['an*'], targets: [{provider: an}]}, {models: ['ge*'], targets: [{provider: ge}]}]
`,
  });
  const own = await Sentinel.serve({ args: ['--config', `${folder}/sentinel.yml`] });
  const calls = [
    ['/v1/messages', { model: 'an', max_tokens: 9, messages: [] }],
    ['/v1/responses', { model: 'an', stream: true, input: 'q' }],
    ['/v1beta/models/ge:streamGenerateContent', { contents: [] }],
  ];
  for (const [i, [path, body]] of calls.entries()) {
    const leave = new AbortController();
    const gone = fetch(own.url + path, { method: 'POST', body: JSON.stringify(body), signal: leave.signal }).catch(() => {});
    await until('the provider is asked', () => slow.received.length > i, { every: 5 });
    leave.abort();
    await gone;
    await until('the provider sees it', () => closed.length > i, { every: 5 });
  }
  const rows = await until('all are stored', async () => {
    const found = await own.sql('SELECT error_type FROM llm_events');
    return found.length === calls.length && found;
  });
  assert.deepEqual(rows.map((r) => r.error_type), ['caller_disconnected', 'caller_disconnected', 'caller_disconnected']);
  await own.stop();
  await slow.close();
});

test('a request that is too large is refused, whatever its family', async () => {
  const body = JSON.stringify({ model: 'an-1', max_tokens: 1, messages: [{ role: 'user', content: 'x'.repeat(33 << 20) }] });
  for (const path of ['/v1/messages', '/v1beta/models/ge-1:generateContent', '/v1/responses']) {
    const answer = await fetch(sentinel.url + path, { method: 'POST', body }).catch((error) => error);
    assert.ok(answer.status === 413 || answer instanceof Error, `${path}: ${answer.status}`);
  }
  assert.equal((await openai.chat.completions.create({ model: 'oa-after', messages: [{ role: 'user', content: 'q' }] })).choices[0].message.content, 'Hello there');
});
