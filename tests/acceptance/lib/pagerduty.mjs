// A double of PagerDuty's Events v2.
import { httpServer } from './sentinel.mjs';

/** Events v2 as documented: alerts by dedup_key, acknowledgements and ends of what is not there are dropped. */
export async function pagerduty() {
  const alerts = new Map();
  const events = [];
  const script = [];
  const http = await httpServer((_request, body, response) => {
    const event = JSON.parse(body);
    events.push(event);
    const planned = script.shift();
    if (planned?.lost) return planned.lost();
    const answer = (status, what, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(what));
    if (planned?.status) return answer(planned.status, { status: 'throttled' }, planned.headers);
    const bad = !/^.{32}$/.test(event.routing_key) || event.dedup_key.length > 255 || (event.event_action === 'trigger' && !(event.payload?.summary && event.payload.summary.length <= 1024 && event.payload.source && ['critical', 'error', 'warning', 'info'].includes(event.payload.severity)));
    if (bad) return answer(400, { status: 'invalid event', message: 'Event object is invalid', errors: ['x'] });
    const alert = alerts.get(event.dedup_key);
    if (event.event_action === 'trigger') alerts.set(event.dedup_key, { ...(alert ?? {}), state: alert?.state ?? 'triggered', payload: event.payload, triggers: (alert?.triggers ?? 0) + 1 });
    else if (alert) alert.state = event.event_action === 'resolve' ? 'resolved' : 'acknowledged';
    return answer(202, { status: 'success', message: 'Event processed', dedup_key: event.dedup_key });
  });
  return { url: `${http.url}/v2/enqueue`, alerts, events, script, actions: () => events.map((e) => e.event_action), close: () => http.close() };
}
