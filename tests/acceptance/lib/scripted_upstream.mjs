// An upstream that does what a drill tells it to: each model has a script, one act for each request (the last is repeated).
// What came in, and when, is kept. The good answer is always the same sixty words, one a chunk.
import http from 'node:http';
import { pause } from './sentinel.mjs';

export const WORDS = Array.from({ length: 60 }, (_, i) => `word${i + 1}`);
export const ANSWER = WORDS.join(' ');
export const USAGE = { prompt_tokens: 11, completion_tokens: 60, total_tokens: 71 };

const head = (model) => ({ id: 'chatcmpl-1', created: 1, model });
const event = (data) => `data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`;
const chunk = (model, delta, finish_reason = null) => event({ ...head(model), object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason }] });
const piece = (model, i) => chunk(model, { content: i ? ` ${WORDS[i]}` : WORDS[i] });

function json(response, status, body, headers = {}) {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
}

/** Refuses with a status and, as OpenAI does, an error with a code. */
export const refuse = (status, { code = 'server_error', message = `scripted ${status}`, headers = {} } = {}) => (asked, response) =>
  json(response, status, { error: { message, type: code, param: null, code } }, headers);

/** Breaks the connection before a byte of the answer. */
export const reset = () => (_asked, _response, request) => request.socket.resetAndDestroy();

/** Says nothing at all. */
export const silence = () => () => {};

/** Refuses a conversation that ends with words of the assistant, as models without prefill do. */
export const noPrefill = (then) => (asked, response, request) =>
  asked.messages.at(-1).role === 'assistant' ? refuse(400, { code: 'invalid_request_error', message: 'this model does not support assistant message prefill' })(asked, response) : then(asked, response, request);

/**
 * The good answer, streamed or not. Of a stream: `late` ms before the first word; after `words` of them `then`:
 * 'cut' (reset), 'end' (an orderly end, but too early), 'stall' (nothing more), 'garble' (an event that is no JSON, then the rest); `done: false` leaves out [DONE];
 * `gap` ms between words.
 */
export const answer = ({ late = 0, words = WORDS.length, then = '', done = true, gap = 0, wait = 0 } = {}) => async (asked, response, request) => {
  const { model } = asked;
  if (wait) await pause(wait);
  if (!asked.stream) {
    const message = { role: 'assistant', content: ANSWER };
    return json(response, 200, { ...head(model), object: 'chat.completion', choices: [{ index: 0, message, finish_reason: 'stop' }], usage: USAGE });
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(chunk(model, { role: 'assistant', content: '' }));
  if (late) await pause(late);
  for (let i = 0; i < WORDS.length; i++) {
    if (i === words && then === 'cut') {
      await pause(30); // so that what was written is read before the reset
      return request.socket.resetAndDestroy();
    }
    if (i === words && then === 'end') return response.end();
    if (i === words && then === 'stall') return undefined;
    if (i === words && then === 'garble') response.write('data: {"choices": [{"index": 0, "delta"\n\n');
    response.write(piece(model, i));
    if (gap) await pause(gap);
  }
  response.write(chunk(model, {}, 'stop'));
  if (asked.stream_options?.include_usage) response.write(event({ ...head(model), object: 'chat.completion.chunk', choices: [], usage: USAGE }));
  if (done) response.write(event('[DONE]'));
  return response.end();
};

export class ScriptedUpstream {
  /** `scripts`: {model: act or [act, …]}; a model without one gets the good answer. */
  constructor(scripts = {}) {
    this.scripts = scripts;
    this.received = [];
    this.closed = []; // models of the requests whose connection went away before the answer ended
  }
  async start() {
    this.server = http.createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8');
      request.on('error', () => {});
      request.on('data', (text) => (body += text));
      request.on('end', () => this.#serve(request, body, response));
    });
    await new Promise((ready) => this.server.listen(0, '127.0.0.1', ready));
    this.server.unref();
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    return this;
  }
  #serve(request, body, response) {
    const asked = JSON.parse(body);
    const before = this.of(asked.model).length;
    this.received.push({ at: performance.now(), model: asked.model, key: request.headers.authorization ?? '', body, asked });
    response.on('close', () => {
      if (!response.writableFinished) this.closed.push(asked.model);
    });
    const script = [].concat(this.scripts[asked.model] ?? answer());
    script[Math.min(before, script.length - 1)](asked, response, request);
  }
  of(model) {
    return this.received.filter((r) => r.model === model);
  }
  /** Milliseconds between the requests for a model. */
  gaps(model) {
    const times = this.of(model).map((r) => r.at);
    return times.slice(1).map((at, i) => at - times[i]);
  }
  async close() {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

/** What a client saw of an answer or a stream: whether it ended as it should, its words, its error. */
export async function ask(url, body, headers = {}) {
  const begun = performance.now();
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer caller', ...headers },
    body: JSON.stringify({ stream: true, messages: [{ role: 'user', content: 'Sixty words, please.' }], ...body }),
    signal: AbortSignal.timeout(30_000),
  });
  const seen = { status: response.status, headers: response.headers, id: response.headers.get('x-request-id'), raw: '', ended: true, content: '', done: false, error: null, model: '', usage: null };
  const decoder = new TextDecoder();
  try {
    for await (const part of response.body) {
      seen.firstMs ??= performance.now() - begun;
      seen.raw += decoder.decode(part, { stream: true });
    }
  } catch {
    seen.ended = false;
  }
  seen.ms = performance.now() - begun;
  const events = seen.raw.startsWith('data:') ? seen.raw.split('\n\n').filter((e) => e.startsWith('data: ')).map((e) => e.slice(6)) : [seen.raw];
  for (const data of events) {
    if (data === '[DONE]') seen.done = true;
    else {
      const said = JSON.parse(data);
      if (said.error) seen.error = said.error;
      seen.model = said.model ?? seen.model;
      seen.usage = said.usage ?? seen.usage;
      seen.content += said.choices?.[0]?.delta?.content ?? said.choices?.[0]?.message?.content ?? '';
    }
  }
  return seen;
}
