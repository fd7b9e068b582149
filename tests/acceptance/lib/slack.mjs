// A double of Slack's Web API: channels, messages with metadata, threads, pins, topics, members; refusals in its words.
import { createHmac } from 'node:crypto';
import { httpServer } from './sentinel.mjs';

/**
 * `script`: method to a list of what its next calls get instead: {status, headers, error, after: 'crash'}.
 * With `after: 'do'` the call has its effect and the answer is never sent. `now`: the clock of its stamps.
 */
export async function slackWorkspace({ token = 'xoxb-1', userToken = 'xoxp-1', now = Date.now } = {}) {
  const channels = new Map(); // id to {id, name, created, topic, members, pins, messages}
  const calls = [];
  const script = new Map();
  let next = 1;
  const problems = [];
  const channelOf = (id) => channels.get(id);
  const stamp = () => `${Math.floor(now() / 1000)}.${String(next++).padStart(6, '0')}`;

  const methods = {
    'conversations.create'({ name, is_private }) {
      if (!/^[a-z0-9_-]{1,80}$/.test(name ?? '')) return { error: 'invalid_name_specials' };
      if ([...channels.values()].some((c) => c.name === name)) return { error: 'name_taken' };
      const channel = { id: `C${1000 + next++}`, name, is_private, created: Math.floor(now() / 1000), topic: '', members: [], pins: [], messages: [] };
      channels.set(channel.id, channel);
      return { channel: { id: channel.id, name, created: channel.created } };
    },
    'conversations.list'({ cursor }) {
      const all = [...channels.values()].map(({ id, name, created }) => ({ id, name, created }));
      const from = Number(cursor || 0);
      return { channels: all.slice(from, from + 2), response_metadata: { next_cursor: from + 2 < all.length ? String(from + 2) : '' } };
    },
    'conversations.archive'({ channel }) {
      if (!channelOf(channel)) return { error: 'channel_not_found' };
      if (channelOf(channel).archived) return { error: 'already_archived' };
      channelOf(channel).archived = true;
      return {};
    },
    // No bot may: Slack answers as if it were not in the channel, which archiving took it out of.
    'conversations.unarchive'({ channel }, by) {
      if (by !== userToken) return { error: 'not_in_channel' };
      if (!channelOf(channel).archived) return { error: 'not_archived' };
      channelOf(channel).archived = false;
      return {};
    },
    'conversations.setTopic'({ channel, topic }) {
      if (!channelOf(channel)) return { error: 'channel_not_found' };
      if (topic.length > 250) return { error: 'too_long' };
      channelOf(channel).topic = topic;
      return {};
    },
    'conversations.invite'({ channel, users }) {
      if (channelOf(channel).members.includes(users)) return { error: 'already_in_channel' };
      channelOf(channel).members.push(users);
      return {};
    },
    'pins.add'({ channel, timestamp }) {
      if (!channelOf(channel).messages.some((m) => m.ts === timestamp)) return { error: 'message_not_found' };
      if (channelOf(channel).pins.includes(timestamp)) return { error: 'already_pinned' };
      channelOf(channel).pins.push(timestamp);
      return {};
    },
    'chat.postMessage'({ channel, text, blocks, thread_ts, metadata, reply_broadcast }) {
      if (!channelOf(channel)) return { error: 'channel_not_found' };
      check(text, blocks);
      const message = { ts: stamp(), text, blocks, thread_ts, metadata, reply_broadcast };
      channelOf(channel).messages.push(message);
      return { channel, ts: message.ts };
    },
    'chat.update'({ channel, ts, text, blocks }) {
      const message = channelOf(channel)?.messages.find((m) => m.ts === ts);
      if (!message) return { error: 'message_not_found' };
      check(text, blocks);
      Object.assign(message, { text, blocks, edits: (message.edits ?? 0) + 1 });
      return { channel, ts };
    },
    'conversations.history'({ channel, oldest }) {
      return { messages: channelOf(channel).messages.filter((m) => !m.thread_ts && Number(m.ts) >= Number(oldest ?? 0)).reverse() };
    },
    'conversations.replies'({ channel, ts }) {
      return { messages: channelOf(channel).messages.filter((m) => m.ts === ts || m.thread_ts === ts) };
    },
  };
  /** Slack's limits, which it enforces with invalid_blocks and msg_too_long. */
  function check(text, blocks) {
    if (!text || text.length > 4000) problems.push(`text of ${text?.length}`);
    for (const b of blocks ?? []) {
      if (b.type === 'header' && b.text.text.length > 150) problems.push('header too long');
      if (b.type === 'section' && b.text && b.text.text.length > 3000) problems.push('section too long');
      if (b.type === 'actions' && new Set(b.elements.map((e) => e.action_id)).size !== b.elements.length) problems.push('action ids twice');
    }
    if ((blocks ?? []).length > 50) problems.push('too many blocks');
  }

  /** Slack takes forms too, in which what is no text is JSON; its own client sends them. */
  const formed = (body) => Object.fromEntries([...new URLSearchParams(body)].map(([name, value]) => [name, /^[[{]/.test(value) ? JSON.parse(value) : value]));

  const http = await httpServer((request, body, response) => {
    const url = new URL(request.url, 'http://x');
    if (url.pathname === '/hook') return response.end('ok'); // pages
    if (url.pathname.startsWith('/respond/')) {
      calls.push({ method: 'respond', args: JSON.parse(body), authorization: request.headers.authorization });
      return response.end('ok');
    }
    const method = url.pathname.replace('/api/', '');
    const args = request.method === 'GET' ? Object.fromEntries(url.searchParams) : (request.headers['content-type'] ?? '').includes('json') ? JSON.parse(body || '{}') : formed(body);
    calls.push({ method, args, key: request.headers['idempotency-key'], at: now() });
    const answer = (status, what, headers = {}) => response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', ...headers }).end(JSON.stringify(what));
    const by = (request.headers.authorization ?? '').replace('Bearer ', '');
    if (by !== token && !(by === userToken && method === 'conversations.unarchive')) return answer(200, { ok: false, error: 'invalid_auth' });
    const planned = script.get(method)?.shift();
    if (planned?.status) return answer(planned.status, { ok: false, error: 'ratelimited' }, planned.headers);
    if (planned?.error) return answer(200, { ok: false, error: planned.error });
    const shut = channels.get(args.channel)?.archived && !method.endsWith('archive') && request.method === 'POST';
    const result = !methods[method] ? { error: 'unknown_method' } : shut ? { error: 'is_archived' } : methods[method](args, by);
    if (planned?.after === 'do') return planned.done?.();
    answer(200, { ok: !result.error, ...result });
  });
  return {
    url: http.url,
    api: `${http.url}/api/`,
    channels,
    calls,
    script,
    problems,
    count: (method) => calls.filter((c) => c.method === method).length,
    only() {
      if (channels.size !== 1) throw new Error(`${channels.size} channels: ${[...channels.values()].map((c) => c.name)}`);
      return [...channels.values()][0];
    },
    add(id, name) {
      channels.set(id, { id, name, created: 1, topic: '', members: [], pins: [], messages: [] });
    },
    close: () => http.close(),
  };
}

/** The headers Slack signs a request with, as its documentation has it. */
export function signed(secret, body, { at = Math.floor(Date.now() / 1000), type = 'application/x-www-form-urlencoded' } = {}) {
  const signature = `v0=${createHmac('sha256', secret).update(`v0:${at}:${body}`).digest('hex')}`;
  return { 'content-type': type, 'x-slack-request-timestamp': String(at), 'x-slack-signature': signature };
}
