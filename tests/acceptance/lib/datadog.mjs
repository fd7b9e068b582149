// A double of Datadog: events v1, incidents v2, series v2.
import { gunzipSync } from 'node:zlib';
import { httpServer } from './sentinel.mjs';

/** Reads a request of POST /api/v2/series as Datadog documents it; what is wrong with it, or ''. */
function takeSeries(request, packed, points) {
  if (request.method !== 'POST' || request.headers['content-type'] !== 'application/json') return 'not JSON by POST';
  if (request.headers['content-encoding'] !== 'gzip' || packed.length > 512_000) return `packed: ${packed.length} bytes`;
  const text = gunzipSync(Buffer.from(packed, 'latin1'));
  if (text.length > 5_242_880) return `${text.length} bytes`;
  const body = JSON.parse(text);
  if (Object.keys(body).join() !== 'series' || !body.series.length) return 'no series';
  for (const one of body.series) {
    const { metric, type, interval, points: given, tags, ...rest } = one;
    if (Object.keys(rest).length) return `unknown fields ${Object.keys(rest)}`;
    if (!/^[A-Za-z][A-Za-z0-9_.]{0,199}$/.test(metric)) return `metric ${metric}`;
    if (![1, 3].includes(type) || (type === 1) !== Number.isInteger(interval)) return `${metric}: type ${type}, interval ${interval}`;
    if (given.length !== 1 || !Number.isInteger(given[0].timestamp) || !Number.isFinite(given[0].value)) return `${metric}: ${JSON.stringify(given)}`;
    const age = Date.now() / 1000 - given[0].timestamp;
    if (age > 3600 || age < -600) return `${metric}: ${age} s old`;
    if (!tags.every((t) => typeof t === 'string' && t.length <= 200 && t.includes(':'))) return `${metric}: ${tags}`;
    points.push({ metric, type, interval, tags, ...given[0] });
  }
  return '';
}

export async function datadog() {
  const events = [];
  const incidents = new Map();
  const script = [];
  const problems = [];
  const points = []; // {metric, type, interval, timestamp, value, tags}
  const http = await httpServer((request, body, response) => {
    const url = new URL(request.url, 'http://x');
    const answer = (status, what, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(what));
    if (request.headers['dd-api-key'] !== 'k1') return answer(403, { errors: ['Forbidden'] });
    const at = script.findIndex((s) => `${request.method} ${url.pathname}`.startsWith(s.match));
    const planned = at < 0 ? null : script.splice(at, 1)[0];
    if (planned?.status) return answer(planned.status, { errors: ['x'] }, planned.headers);
    if (url.pathname === '/api/v2/series') {
      const wrong = takeSeries(request, body, points);
      if (wrong) problems.push(wrong);
      return wrong ? answer(400, { errors: [wrong] }) : answer(202, { errors: [] });
    }
    const input = body ? JSON.parse(body) : {};
    if (url.pathname === '/api/v1/events') {
      if (!input.title || !input.text || input.text.length > 4000 || input.aggregation_key.length > 100) problems.push(input);
      if (!['error', 'warning', 'info', 'success'].includes(input.alert_type) || Date.now() / 1000 - input.date_happened > 18 * 3600) problems.push(input);
      events.push(input);
      return answer(202, { status: 'ok', event: { id: events.length } });
    }
    if (request.headers['dd-application-key'] !== 'a1') return answer(403, { errors: ['Forbidden'] });
    if (url.pathname === '/api/v2/incidents/search')
      return answer(200, { data: { attributes: { incidents: [...incidents.values()].map((data) => ({ data })) } } });
    if (url.pathname === '/api/v2/incidents' && request.method === 'POST') {
      const id = `id-${incidents.size + 1}`;
      incidents.set(id, { id, type: 'incidents', attributes: { ...input.data.attributes, public_id: incidents.size + 1 } });
      if (planned?.lost) return planned.lost();
      return answer(201, { data: incidents.get(id) });
    }
    const known = incidents.get(url.pathname.split('/').at(-1));
    if (!known || request.method !== 'PATCH') return answer(404, { errors: ['Not found'] });
    Object.assign(known.attributes, input.data.attributes);
    return answer(200, { data: known });
  }, { encoding: 'latin1' }); // bodies of series are packed
  return { url: http.url, points, events, incidents, script, problems, close: () => http.close() };
}
