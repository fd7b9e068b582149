// Every operation of the API's description: nobody without a token, and who may only look changes nothing.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith } from './lib/sentinel.mjs';

const sha256 = (text) => createHash('sha256').update(text).digest('hex');
/** They ask by POST since what they ask is long. */
const READS = ['post /sentinel/v1/sql', 'post /sentinel/v1/silences/preview'];

test('no operation without a token, none that changes anything for a viewer', async (t) => {
  const folder = folderWith({ 'sentinel.yml': `rules: {files: []}\nauth:\n  tokens:\n  - {sha256: ${sha256('see')}, user: eve, roles: [viewer]}\n  - {sha256: ${sha256('act')}, user: ada}\n` });
  const server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')] });
  t.after(() => server.kill());
  const status = async (method, where, token) => {
    const enough = new AbortController(); // some answers are streams that do not end
    const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const answer = await fetch(server.url + where, { method: method.toUpperCase(), body: method === 'get' ? undefined : '{}', signal: enough.signal, headers });
    enough.abort();
    return answer.status;
  };
  const described = (await server.request('GET', '/sentinel/v1/openapi.json', undefined, { authorization: 'Bearer see' })).json;
  const operations = Object.entries(described.paths).flatMap(([where, item]) => ['get', 'post', 'put', 'patch', 'delete'].filter((method) => item[method]).map((method) => [method, where]));
  assert.ok(operations.length > 100);
  for (const [method, template] of operations) {
    const where = template.replace(/\{[^}]+\}/g, '1');
    const name = `${method} ${template}`;
    assert.equal(await status(method, where), 401, `${name} without a token`);
    const seen = await status(method, where, 'see');
    if (method === 'get' || READS.includes(name)) assert.ok(![401, 403].includes(seen), `${name} is for looking: ${seen}`);
    else assert.equal(seen, 403, `${name} by a viewer`);
  }
  t.diagnostic(`${operations.length} operations`);
});
