// A double of Jira Cloud's REST API v3: tickets with a workflow, transitions whose ids differ by status, comments with
// properties, a search whose index lags, and its refusals.
import { httpServer } from './sentinel.mjs';

const WORKFLOW = {
  'To Do': { category: 'new', ways: { 11: 'In Progress', 31: 'Done' } },
  'In Progress': { category: 'indeterminate', ways: { 21: 'To Do', 41: 'Done' } },
  Done: { category: 'done', ways: { 51: 'To Do' } },
};
const adf = (doc) => doc && typeof doc === 'object' && doc.type === 'doc' && doc.version === 1 && Array.isArray(doc.content) && !JSON.stringify(doc).includes('"text":""');
const textOf = (node) => (node.text ?? '') + (node.content ?? []).map(textOf).join('\n');

export async function jiraSite({ lag = 0 } = {}) {
  const issues = new Map();
  const calls = [];
  const script = []; // {match: 'POST /issue', lost, status, headers}
  let number = 0;
  const statusOf = (name) => ({ name, statusCategory: { key: WORKFLOW[name].category } });
  const add = (issue, { author, body, properties = [] }) => {
    const id = String(20_000 + issue.comments.length);
    issue.comments.push({ id, author, body, properties, text: textOf(body) });
    return id;
  };
  /** Somebody writes a comment; its id. */
  const say = (key, author, text) => add(issues.get(key), { author, body: { type: 'doc', version: 1, content: [{ type: 'paragraph', content: [{ type: 'text', text }] }] } });
  const http = await httpServer((request, body, response) => {
    const url = new URL(request.url, 'http://x');
    const where = url.pathname.replace('/rest/api/3', '');
    const input = body ? JSON.parse(body) : {};
    calls.push(`${request.method} ${where}`);
    const answer = (status, what, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(what === undefined ? '' : JSON.stringify(what));
    if (request.headers.authorization !== `Basic ${Buffer.from('ada@example.org:t0ken').toString('base64')}`) return answer(401, { errorMessages: ['who?'] });
    const at = script.findIndex((s) => `${request.method} ${where}`.startsWith(s.match));
    const planned = at < 0 ? null : script.splice(at, 1)[0];
    if (planned?.status) return answer(planned.status, { errorMessages: ['x'] }, planned.headers);
    const send = (status, what) => (planned?.lost ? planned.lost() : answer(status, what));
    if (request.method === 'POST' && where === '/issue') {
      const f = input.fields;
      if (!adf(f.description)) return answer(400, { errors: { description: 'Operation value must be an Atlassian Document' } });
      if (!f.project?.key || !f.issuetype?.name || !f.summary || f.summary.length > 255) return answer(400, { errors: { fields: 'missing' } });
      const key = `${f.project.key}-${++number}`;
      issues.set(key, { key, id: String(10_000 + number), fields: f, status: 'To Do', made: Date.now(), links: new Map(), comments: [], text: textOf(f.description) });
      return send(201, { id: String(10_000 + number), key, self: `x/${key}` });
    }
    if (where === '/search') return answer(410, { errorMessages: ['gone'] });
    if (where === '/search/jql') {
      const [, label] = /labels = "([^"]+)"/.exec(input.jql);
      const found = [...issues.values()].filter((i) => i.fields.labels.includes(label) && Date.now() - i.made >= lag);
      return send(200, { issues: found.map((i) => ({ id: i.id, key: i.key, fields: { status: statusOf(i.status) } })), isLast: true });
    }
    const [, key, rest = ''] = /^\/issue\/([A-Z]+-\d+)(?:\/(.*))?$/.exec(where) ?? [];
    const issue = issues.get(key);
    if (!issue) return answer(404, { errorMessages: ['Issue does not exist or you do not have permission to see it.'] });
    if (request.method === 'GET' && rest === '') return send(200, { key, fields: { status: statusOf(issue.status) } });
    if (request.method === 'PUT' && rest === '') return Object.assign(issue.fields, input.fields), send(204);
    if (rest === 'remotelink') return issue.links.set(input.globalId, input.object), send(201, { id: 1 });
    if (rest === 'transitions' && request.method === 'GET')
      return send(200, { transitions: Object.entries(WORKFLOW[issue.status].ways).map(([id, to]) => ({ id, name: `To ${to}`, to: statusOf(to) })) });
    if (rest === 'transitions') {
      const to = WORKFLOW[issue.status].ways[input.transition.id];
      if (!to) return answer(400, { errorMessages: ['It is not on the appropriate workflow action'] });
      issue.status = to;
      return send(204);
    }
    if (rest === 'comment' && request.method === 'GET') {
      // Newest first, a page of so many, properties only where they are asked for.
      const most = Number(url.searchParams.get('maxResults') ?? 50);
      if (url.searchParams.get('orderBy') !== '-created' || !(most >= 1 && most <= 5000)) return answer(400, { errorMessages: ['orderBy, maxResults'] });
      const shown = ({ id, author, body, properties }) => ({ id, author, body, ...(url.searchParams.get('expand') === 'properties' && { properties }) });
      const page = [...issue.comments].reverse().slice(0, most);
      return send(200, { startAt: 0, maxResults: most, total: issue.comments.length, comments: page.map(shown) });
    }
    if (rest === 'comment') {
      if (!adf(input.body)) return answer(400, { errors: { comment: 'not a document' } });
      const id = add(issue, { author: { accountId: 'bot', displayName: 'Sentinel' }, body: input.body, properties: input.properties });
      return send(201, { id });
    }
    return answer(405, {});
  });
  return { url: http.url, issues, say, calls, script, statusOf, close: () => http.close() };
}
