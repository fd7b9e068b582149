// Bytes of every kind on the listener: each gets the right status and a sentence, or the connection ends; nobody else notices.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { Sentinel, pause } from './lib/sentinel.mjs';

let server;
before(async () => {
  server = await Sentinel.serve();
});
after(() => server?.stop());

/** Sends bytes and gives what came back until the end of the connection, at most `ms`. */
const raw = (bytes, ms = 3000) =>
  new Promise((done) => {
    let got = '';
    const socket = net.connect(server.port, '127.0.0.1', () => socket.write(Buffer.from(bytes, 'latin1')));
    const late = setTimeout(() => socket.destroy(), ms);
    socket.on('data', (text) => (got += text));
    socket.on('error', () => {});
    socket.on('close', () => (clearTimeout(late), done(got)));
  });
const request = (line, headers = 'Host: x\r\n', body = '') => `${line} HTTP/1.1\r\n${headers}\r\n${body}`;
const many = Array.from({ length: 200 }, (_, i) => `h${i}: v\r\n`).join('');

const WRONG = [
  ['both lengths', request('POST /sentinel/v1/sql', 'Host: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'), 400, /both/],
  ['two different lengths', request('POST /sentinel/v1/sql', 'Host: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n', 'hello'), 400, /Content-Length/],
  ['no Host', request('GET /-/healthy', ''), 400, /Host/],
  ['two Hosts', request('GET /-/healthy', 'Host: a\r\nHost: b\r\n'), 400, /Host/],
  ['a folded header', request('GET /-/healthy', 'Host: x\r\nA: b\r\n c\r\n'), 400, /./],
  ['a space before the colon', request('GET /-/healthy', 'Host : x\r\n'), 400, /header/],
  ['a NUL in a header', request('GET /-/healthy', 'Host: x\r\nA: b\0c\r\n'), 400, /control character/],
  ['a chunk without a size', request('POST /sentinel/v1/sql', 'Host: x\r\nTransfer-Encoding: chunked\r\n', 'zz\r\n'), 400, /chunk/],
  ['an unknown coding', request('POST /sentinel/v1/sql', 'Host: x\r\nTransfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), 400, /chunked/],
  ['too many headers', request('GET /', `Host: x\r\n${many}`), 431, /header/],
  ['a head without end', request('GET /', `Host: x\r\nh: ${'x'.repeat(300_000)}\r\n`), 431, /large/],
  ['a broken escape', request('GET /sentinel/v1/incidents/%zz'), 400, /escape/],
  ['a NUL in the path', request('GET /sentinel/v1/incidents/%00'), 400, /escape/],
  ['a way out of the page', request('GET /assets/%2e%2e/%2e%2e/etc/passwd', 'Host: x\r\nConnection: close\r\n'), 404, /no such path/],
  ['a giant body for SQL', request('POST /sentinel/v1/sql', 'Host: x\r\nContent-Length: 99999999999\r\n'), 413, /too large/],
  ['a giant body for the gateway', request('POST /v1/chat/completions', 'Host: x\r\nContent-Length: 99999999999\r\n'), 413, /too large/],
];
for (const [what, bytes, status, says] of WRONG) {
  test(`HTTP: ${what}`, async () => {
    const got = await raw(bytes);
    assert.match(got, new RegExp(`^HTTP/1\\.1 ${status} `), got.slice(0, 200));
    assert.match(got.slice(got.indexOf('\r\n\r\n')), says);
  });
}

test('bodies that are too large, too deep or no JSON', async () => {
  const sql = await server.request('POST', '/sentinel/v1/sql', JSON.stringify({ query: `SELECT 1${' '.repeat(1 << 20)}` }));
  assert.equal(sql.status, 413);
  assert.match(sql.json.detail, /longer than \d+ bytes/);
  assert.equal((await server.request('POST', '/sentinel/v1/incidents', '['.repeat(200_000))).status, 413);
  assert.equal((await server.request('POST', '/v1/chat/completions', `{"model":"m","messages":${'['.repeat(200_000)}`)).status, 400);
  const title = await server.request('POST', '/sentinel/v1/incidents', { title: 'x'.repeat(1_000_000), severity: 'SEV3' });
  assert.equal(title.status, 413);
  assert.match(title.json.detail, /title.*at most/);
  for (const body of ['', 'nonsense', '{}', '[]', '{"model":5}', '{"model":"m"']) {
    const answer = await server.request('POST', '/v1/chat/completions', body);
    assert.equal(answer.status, 400, body);
    assert.ok(answer.json.error.message.length > 10, answer.text);
  }
});

test('clients that send a byte a second are shown out, and nobody waits for them', async () => {
  const seen = [];
  const begun = Date.now();
  const sockets = Array.from({ length: 300 }, (_, i) => {
    const start = i % 3 ? 'GET / HTTP/1.1\r\nHost: x\r\n' : 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{';
    const socket = net.connect(server.port, '127.0.0.1', () => socket.write(start));
    socket.on('data', (text) => seen.push(String(text).slice(0, 12)));
    socket.on('error', () => {});
    return socket;
  });
  const drip = setInterval(() => sockets.forEach((s, i) => s.writable && s.write(i % 3 ? 'a: b\r\n' : ' ')), 1000);
  let worst = 0;
  while (sockets.some((s) => !s.destroyed) && Date.now() - begun < 60_000) {
    const start = Date.now();
    assert.equal((await fetch(`${server.url}/-/ready`)).status, 200);
    worst = Math.max(worst, Date.now() - start);
    await pause(500);
  }
  clearInterval(drip);
  assert.ok(sockets.every((s) => s.destroyed), 'all of them were closed within a minute');
  assert.deepEqual([...new Set(seen)], ['HTTP/1.1 408']);
  assert.equal(seen.length, 300);
  assert.ok(worst < 2000, `another client waited ${worst} ms`);
});

test('after all that it is well, and as small as before', async () => {
  assert.equal((await fetch(`${server.url}/-/ready`)).status, 200);
  const rss = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))[1]) / 1024;
  assert.ok(rss < 400, `${rss} MB`);
  assert.equal(server.exit, null);
});
