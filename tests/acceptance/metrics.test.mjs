// Everything at /metrics, held against promtool's lint. Debian's `prometheus` brings promtool.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Sentinel, folderWith, httpServer, until } from './lib/sentinel.mjs';

// Names that are prescribed to count in milliseconds.
const PRESCRIBED = /^\S+_ms (metric names should not contain abbreviated units|use base unit "seconds" instead of "milliseconds")$/;

test('promtool check metrics finds nothing but the prescribed names', async () => {
  const answer = { id: 'c', object: 'chat.completion', created: 1, model: 'm', choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } };
  const provider = await httpServer((_request, _body, response) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer));
  });
  const folder = folderWith({ 'sentinel.yml': `gateway:\n  providers: [{name: p, base_url: "${provider.url}/v1"}]\n  routes: [{targets: [{provider: p}]}]\n` });
  const server = await Sentinel.serve({ args: ['--config', `${folder}/sentinel.yml`] });
  const call = await server.request('POST', '/v1/chat/completions', { model: 'm', messages: [{ role: 'user', content: 'Hello' }] });
  assert.equal(call.status, 200);
  const text = await until('the call is counted', async () => {
    const body = (await server.request('GET', '/metrics')).text;
    return body.includes('llm_request_latency_ms_count') && body.includes('process_cpu_seconds_total') && body;
  });
  assert.match(text, /^# TYPE process_cpu_seconds_total counter$/m);
  const cpu = (body) => Number(body.match(/^process_cpu_seconds_total (\S+)$/m)[1]);
  assert.ok(cpu(text) > 0 && cpu(text) < 600, `${cpu(text)} s`);
  const lint = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' });
  assert.ok(lint.status === 0 || lint.status === 3, `${lint.error ?? ''} ${lint.status} ${lint.stderr}`);
  const found = `${lint.stdout}${lint.stderr}`.split('\n').filter((line) => line && !PRESCRIBED.test(line));
  assert.deepEqual(found, []);
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const names = [...text.matchAll(/^# TYPE (\S+) /gm)].map((m) => m[1]).filter((name) => !/^(sentinel|prometheus)_/.test(name));
  assert.ok(names.length > 30, `${names.length} names`);
  assert.deepEqual(names.filter((name) => !new RegExp('`' + name + '[`{]').test(page)), [], 'not in docs/metrics.md');
  await server.stop();
  await provider.close();
});
