// Numbers are written as people write them, wherever text comes out: no 3.625E3, no 9.6E-1.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Sentinel } from './lib/sentinel.mjs';

let server;
before(async () => {
  server = await Sentinel.serve();
});
after(() => server?.stop());

const SCIENTIFIC = /\d[eE][-+]?\d/;

test('of SQL, as text and as JSON', async () => {
  const query = 'SELECT CAST(3625 AS DOUBLE) AS a, CAST(0.96 AS DOUBLE) AS b, CAST(0.00014999 AS DOUBLE) AS c, CAST(1e-7 AS DOUBLE) AS d';
  const text = await server.cli('sql', query);
  assert.equal(text.code, 0, text.stderr);
  assert.deepEqual(text.stdout.split('\n')[1].split(/ +/), ['3625', '0.96', '0.00014999', '1e-7']);
  const json = await server.cli('sql', query, '-o', 'json');
  assert.match(json.stdout, /\[3625,0\.96,0\.00014999,1e-7\]/);
});

test('of diagnostics, analytics and the overview', async () => {
  for (const where of ['/debug/diagnostics', '/sentinel/v1/analytics', '/sentinel/v1/overview', '/sentinel/v1/status']) {
    const { text } = await server.request('GET', where);
    assert.doesNotMatch(text.replace(/"[^"]*"/g, ''), SCIENTIFIC, where);
  }
});
