// sentinel traffic against nothing, and against an application that answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freePorts, httpServer, run } from './lib/sentinel.mjs';

test('nothing answers: the summary, a message and exit code 6', async () => {
  const target = `http://127.0.0.1:${await freePorts()}`;
  const { code, stdout, stderr } = await run(['traffic', '--target', target, '--duration', '1s', '--rate', '20/s']);
  assert.equal(code, 6, stderr);
  assert.match(stdout, /^sent \d+/);
  assert.match(stderr, /^sentinel: .*nothing answers at http:\/\/127\.0\.0\.1:\d+/m);
});

test('the summary counts hostile prompts', async () => {
  const application = await httpServer((_request, _body, response) => response.end('{}'));
  const args = ['traffic', '--target', application.url, '--duration', '2s', '--rate', '50/s', '--toxic', '30%'];
  const text = await run(args);
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /^hostile prompts [1-9]\d* \(\d+\.\d %; asked for 30 %\)$/m);
  const json = await run([...args, '-o', 'json']);
  const summary = JSON.parse(json.stdout);
  assert.equal(summary.toxic_share, 0.3);
  assert.ok(summary.toxic > summary.sent * 0.1 && summary.toxic < summary.sent * 0.6, json.stdout);
  assert.doesNotMatch(json.stdout, /\d[eE][-+]?\d/);
  await application.close();
});
