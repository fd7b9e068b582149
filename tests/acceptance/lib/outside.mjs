// Everything a page goes out by: doubles of ntfy, Slack, PagerDuty, Twilio, a webhook and a mail server.
import { httpServer } from './sentinel.mjs';
import { smtpServer } from './smtp.mjs';

const json = (response, status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const form = (body) => Object.fromEntries(new URLSearchParams(body));

/** {by, key, to, text} of a request, as the service itself would read it. */
function pageOf({ path, headers, body }) {
  const key = headers['idempotency-key'];
  const own = path.split('/')[1];
  if (own === 'ntfy') return { by: 'push', key, to: JSON.parse(body).topic, text: JSON.parse(body).title };
  if (own === 'slack') return { by: 'slack', key, to: JSON.parse(body).channel, text: JSON.parse(body).attachments[0].title };
  if (own === 'pagerduty') {
    const event = JSON.parse(body);
    return { by: 'pagerduty', key, to: event.routing_key, text: event.payload?.summary ?? event.event_action, action: event.event_action, dedup: event.dedup_key };
  }
  if (path.endsWith('/Messages.json')) return { by: 'sms', key, to: form(body).To, text: form(body).Body };
  if (path.endsWith('/Calls.json')) return { by: 'voice', key, to: form(body).To, text: form(body).Twiml };
  return { by: 'webhook', key, to: path, text: JSON.parse(body).summary };
}

/** `now` gives the time a page is kept with. */
export async function outside({ now = Date.now } = {}) {
  /** Paths (their first part) that refuse, with the status they refuse with. */
  const broken = new Map();
  const pages = [];
  const world = { broken, beforeAnswer: null };
  const http = await httpServer(async (request, body, response) => {
    const page = { at: now(), ...pageOf({ path: request.url, headers: request.headers, body }) };
    pages.push(page);
    // Something may happen while the service has the page and we do not know it: `true` is no answer at all.
    if (await world.beforeAnswer?.(page)) return void request.socket.destroy();
    const status = broken.get(request.url.split('/')[1]);
    if (status) return json(response, status, { code: 1, message: 'refused' });
    if (page.by === 'slack') return json(response, 200, { ok: true, ts: '1.2', channel: 'C1' });
    if (page.by === 'pagerduty') return json(response, 202, { status: 'success', dedup_key: page.dedup });
    if (page.by === 'sms' || page.by === 'voice') return json(response, 201, { sid: 'SM1', status: 'queued' });
    return json(response, 200, { id: 'x' });
  });
  const smtp = await smtpServer({ now });
  return Object.assign(world, {
    url: http.url,
    smtp: smtp.port,
    mails: smtp.mails,
    /** Them all as channels of an oncall.yml. */
    channels: `channels:
  push: {kind: ntfy, url: '${http.url}/ntfy'}
  slack: {kind: slack, app_token: x, app_url: '${http.url}/slack/chat.postMessage'}
  pagerduty: {kind: pagerduty, url: '${http.url}/pagerduty'}
  sms: {kind: twilio_sms, api_url: '${http.url}/twilio', account_sid: AC1, auth_token: t, from: '+100'}
  voice: {kind: twilio_call, api_url: '${http.url}/twilio', account_sid: AC1, auth_token: t, from: '+100'}
  email: {kind: email, smarthost: '127.0.0.1:${smtp.port}', from: sentinel@example.org, require_tls: false}
`,
    raw: http.received,
    /** What reached people by HTTP, oldest first: {at, by, to, key, text}. */
    pages: () => pages,
    async close() {
      await http.close();
      smtp.close();
    },
  });
}
