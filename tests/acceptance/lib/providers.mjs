// Model providers of three families that answer from a script: what they say depends on the request alone.
//   a model that begins with "busy"   429
//   tools, and no result of one yet   a call of the first tool with {"city":"Paris"}
//   otherwise                         "Hello there"
import { httpServer, pause } from './sentinel.mjs';

const send = (response, status, body) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
};
async function sendEvents(response, events) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const [name, data] of events) {
    response.write(`${name ? `event: ${name}\n` : ''}data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
    await pause(2);
  }
  response.end();
}
const PIECES = ['Hel', 'lo ', 'there'];
const CITY = { city: 'Paris' };

/** OpenAI: chat completions, responses, embeddings, moderations, models. */
export const openaiDouble = () =>
  httpServer((request, body, response) => {
    if (request.url.startsWith('/v1/models')) return send(response, 200, { object: 'list', data: [{ id: 'oa-1', object: 'model', created: 1, owned_by: 'double' }] });
    const asked = { model: '', ...JSON.parse(body) };
    if (asked.model.startsWith('busy')) return send(response, 429, { error: { message: 'slow down', type: 'requests', param: null, code: 'rate_limit_exceeded' } });
    const model = `${asked.model}-2026`;
    if (request.url.startsWith('/v1/embeddings')) {
      const list = [].concat(asked.input).map((_, index) => {
        const floats = new Float32Array([0.5, -0.25, index]);
        const embedding = asked.encoding_format === 'base64' ? Buffer.from(floats.buffer).toString('base64') : [...floats];
        return { object: 'embedding', index, embedding };
      });
      return send(response, 200, { object: 'list', model, data: list, usage: { prompt_tokens: 2, total_tokens: 2 } });
    }
    if (request.url.startsWith('/v1/moderations')) return send(response, 200, { id: 'modr-1', model, results: [{ flagged: true, categories: {}, category_scores: {} }] });
    if (request.url.startsWith('/v1/responses')) return openaiResponse(asked, model, response);
    const usage = { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10, prompt_tokens_details: { cached_tokens: 2 }, completion_tokens_details: { reasoning_tokens: 1 } };
    const calls = asked.tools && !asked.messages.some((m) => m.role === 'tool');
    const call = calls && { id: 'call_1', type: 'function', function: { name: asked.tools[0].function.name, arguments: JSON.stringify(CITY) } };
    const reason = calls ? 'tool_calls' : 'stop';
    const head = { id: 'chatcmpl-1', object: 'chat.completion', created: 1, model };
    if (!asked.stream) {
      const message = calls ? { role: 'assistant', content: null, tool_calls: [call] } : { role: 'assistant', content: PIECES.join('') };
      return send(response, 200, { ...head, choices: [{ index: 0, message, finish_reason: reason }], usage });
    }
    const chunk = (delta, finish_reason = null) => ['', { ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] }];
    const deltas = calls
      ? [{ tool_calls: [{ index: 0, ...call, function: { name: call.function.name, arguments: '' } }] }, { tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }, { tool_calls: [{ index: 0, function: { arguments: '"Paris"}' } }] }]
      : PIECES.map((content) => ({ content }));
    const events = [chunk({ role: 'assistant', content: calls ? null : '' }), ...deltas.map((d) => chunk(d)), chunk({}, reason)];
    if (asked.stream_options?.include_usage) events.push(['', { ...head, object: 'chat.completion.chunk', choices: [], usage }]);
    return sendEvents(response, [...events, ['', '[DONE]']]);
  });

function openaiResponse(asked, model, response) {
  const usage = { input_tokens: 7, input_tokens_details: { cached_tokens: 2 }, output_tokens: 3, output_tokens_details: { reasoning_tokens: 1 }, total_tokens: 10 };
  const item = { id: 'msg_1', type: 'message', status: 'completed', role: 'assistant', content: [{ type: 'output_text', text: PIECES.join(''), annotations: [] }] };
  const whole = { id: 'resp_1', object: 'response', created_at: 1, status: 'completed', model, output: [item], usage };
  if (!asked.stream) return send(response, 200, whole);
  const at = { item_id: 'msg_1', output_index: 0, content_index: 0 };
  const list = [
    { type: 'response.created', response: { ...whole, status: 'in_progress', output: [], usage: null } },
    { type: 'response.output_item.added', output_index: 0, item: { ...item, status: 'in_progress', content: [] } },
    { type: 'response.content_part.added', ...at, part: { type: 'output_text', text: '', annotations: [] } },
    ...PIECES.map((delta) => ({ type: 'response.output_text.delta', ...at, delta })),
    { type: 'response.output_text.done', ...at, text: PIECES.join('') },
    { type: 'response.content_part.done', ...at, part: item.content[0] },
    { type: 'response.output_item.done', output_index: 0, item },
    { type: 'response.completed', response: whole },
  ];
  return sendEvents(response, list.map((data, sequence_number) => [data.type, { ...data, sequence_number }]));
}

/** Anthropic: messages, count_tokens, models. */
export const anthropicDouble = () =>
  httpServer((request, body, response) => {
    if (request.url.startsWith('/v1/models'))
      return send(response, 200, { data: [{ type: 'model', id: 'an-1', display_name: 'One', created_at: '2026-01-01T00:00:00Z' }], has_more: false, first_id: 'an-1', last_id: 'an-1' });
    const asked = JSON.parse(body);
    if (request.url.startsWith('/v1/messages/count_tokens')) return send(response, 200, { input_tokens: 11 });
    if (!request.headers['anthropic-version']) return send(response, 400, { type: 'error', error: { type: 'invalid_request_error', message: 'anthropic-version: header is required' } });
    if (!asked.max_tokens) return send(response, 400, { type: 'error', error: { type: 'invalid_request_error', message: 'max_tokens: Field required' } });
    if (asked.model.startsWith('busy')) return send(response, 429, { type: 'error', error: { type: 'rate_limit_error', message: 'slow down' } });
    const model = `${asked.model}-2026`;
    const results = asked.messages.some((m) => Array.isArray(m.content) && m.content.some((b) => b.type === 'tool_result'));
    const calls = asked.tools && !results;
    const start = { input_tokens: 5, cache_read_input_tokens: 2, cache_creation_input_tokens: 0, output_tokens: 1 };
    const reason = calls ? 'tool_use' : 'end_turn';
    const head = { id: 'msg_1', type: 'message', role: 'assistant', model, content: [], stop_reason: null, stop_sequence: null, usage: start };
    const block = calls ? { type: 'tool_use', id: 'toolu_1', name: asked.tools[0].name, input: CITY } : { type: 'text', text: PIECES.join('') };
    if (!asked.stream) return send(response, 200, { ...head, content: [block], stop_reason: reason, usage: { ...start, output_tokens: 3 } });
    const deltas = calls ? ['{"city":', '"Paris"}'].map((partial_json) => ({ type: 'input_json_delta', partial_json })) : PIECES.map((text) => ({ type: 'text_delta', text }));
    const list = [
      { type: 'message_start', message: head },
      { type: 'ping' },
      { type: 'content_block_start', index: 0, content_block: calls ? { ...block, input: {} } : { type: 'text', text: '' } },
      ...deltas.map((delta) => ({ type: 'content_block_delta', index: 0, delta })),
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: 3 } },
      { type: 'message_stop' },
    ];
    return sendEvents(response, list.map((data) => [data.type, data]));
  });

/** Gemini: generateContent, streamGenerateContent, countTokens, embeddings, models. */
export const geminiDouble = () =>
  httpServer((request, body, response) => {
    const url = new URL(request.url, 'http://double');
    if (request.method === 'GET') return send(response, 200, { models: [{ name: 'models/ge-1', displayName: 'One' }] });
    const [, model, action] = /^\/v1beta\/models\/(.+):(\w+)$/.exec(url.pathname);
    const asked = JSON.parse(body);
    if (model.startsWith('busy')) return send(response, 429, { error: { code: 429, message: 'slow down', status: 'RESOURCE_EXHAUSTED' } });
    if (action === 'countTokens') return send(response, 200, { totalTokens: 11 });
    if (action === 'embedContent') return send(response, 200, { embedding: { values: [0.5, -0.25] } });
    if (action === 'batchEmbedContents') return send(response, 200, { embeddings: asked.requests.map((_, i) => ({ values: [0.5, -0.25, i] })) });
    const results = asked.contents.some((c) => c.parts.some((p) => p.functionResponse));
    const declared = asked.tools?.[0]?.functionDeclarations?.[0]?.name;
    const parts = declared && !results ? [{ functionCall: { name: declared, args: CITY } }] : PIECES.map((text) => ({ text }));
    const usageMetadata = { promptTokenCount: 7, cachedContentTokenCount: 2, candidatesTokenCount: 2, thoughtsTokenCount: 1, totalTokenCount: 10 };
    const head = { modelVersion: `${model}-2026`, responseId: 'r1' };
    if (action === 'generateContent') return send(response, 200, { ...head, candidates: [{ index: 0, content: { role: 'model', parts }, finishReason: 'STOP' }], usageMetadata });
    if (url.searchParams.get('alt') !== 'sse') return send(response, 400, { error: { code: 400, message: 'the double streams events only', status: 'INVALID_ARGUMENT' } });
    const list = parts.map((part, i) => ({
      ...head,
      candidates: [{ index: 0, content: { role: 'model', parts: [part] }, ...(i + 1 === parts.length ? { finishReason: 'STOP' } : {}) }],
      usageMetadata,
    }));
    return sendEvents(response, list.map((data) => ['', data]));
  });
