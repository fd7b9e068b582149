// Starts the built binary as a user would, on ports and in folders of its own, and asks it over HTTP and the command line.
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
export const BIN = path.resolve(process.env.SENTINEL_BIN ?? path.join(ROOT, 'build/dev/sentinel'));

/** Every deadline is multiplied by this; raise it on a slow machine. */
const SLOWNESS = Number(process.env.SENTINEL_TEST_SLOWNESS ?? 1);

const ENV = { ...process.env };
for (const name of ['PORT', 'OPENAI_API_KEY', 'SENTINEL_URL', 'SENTINEL_TOKEN', 'SENTINEL_CONFIG', 'NODE_TEST_CONTEXT']) delete ENV[name];

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Asks `probe` until it answers with something true; fails with what was awaited and the last answer or error. */
export async function until(what, probe, { seconds = 30, every = 100, unless = () => '' } = {}) {
  const end = Date.now() + seconds * 1000 * SLOWNESS;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    const stopped = unless();
    if (stopped) throw new Error(`waiting until ${what}: ${stopped}`);
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
    await pause(every);
  }
}

const folders = [];
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
export function temporaryFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'sentinel-acceptance-'));
  folders.push(folder);
  return folder;
}
/** Writes files into a new folder and gives its path. */
export function folderWith(files) {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return folder;
}

const canListen = (port) =>
  new Promise((done) => {
    const server = net.createServer();
    server.once('error', () => done(false));
    server.listen(port, '127.0.0.1', () => server.close(() => done(true)));
  });
/** The first of `count` free ports in a row, below the range the kernel gives to outgoing connections. */
export async function freePorts(count = 1) {
  for (let attempt = 0; attempt < 200; attempt++) {
    const first = 12000 + Math.floor(Math.random() * 18000);
    const free = await Promise.all(Array.from({ length: count }, (_, i) => canListen(first + i)));
    if (free.every(Boolean)) return first;
  }
  throw new Error(`no ${count} free ports in a row`);
}

/** Runs to its end: {code, stdout, stderr}. */
export function run(args, { input = '', env = {}, seconds = 30 } = {}) {
  return new Promise((done) => {
    const child = execFile(BIN, args, { env: { ...ENV, ...env }, timeout: seconds * 1000 * SLOWNESS, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
      done({ code: error ? (typeof error.code === 'number' ? error.code : `signal ${error.signal}`) : 0, stdout, stderr }),
    );
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

/** Does something to a database file behind the server's back. */
export const sqlite = (file, statement) =>
  new Promise((done, failed) => {
    const script = 'import sqlite3, sys\nwith sqlite3.connect(sys.argv[1], timeout=10) as db: db.execute(sys.argv[2])';
    execFile('python3', ['-c', script, file, statement], (error, _stdout, stderr) => (error ? failed(new Error(stderr)) : done()));
  });

const living = new Set();
const killTheLiving = () => {
  for (const child of living) child.kill('SIGKILL');
};
process.on('exit', killTheLiving);
after(killTheLiving); // what a failing test left running keeps the file from ending

/** A running `sentinel`. */
export class Sentinel {
  constructor(args, url, { env = {} } = {}) {
    this.url = url;
    this.output = '';
    this.exit = null;
    this.child = spawn(BIN, args, { env: { ...ENV, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    living.add(this.child);
    for (const stream of [this.child.stdout, this.child.stderr]) stream.on('data', (text) => (this.output += text));
    this.ended = new Promise((done) => {
      this.child.once('error', (error) => (this.output += String(error)));
      this.child.once('close', (code, signal) => {
        this.exit = signal ?? code;
        living.delete(this.child);
        done(this.exit);
      });
    });
  }

  /** `--data-dir` and `--listen` are given here; the other arguments by the caller. */
  static async serve({ args = [], dataDir = temporaryFolder(), port, env } = {}) {
    const own = port ?? (await freePorts());
    const url = `http://127.0.0.1:${own}`;
    const server = new Sentinel(['serve', '--listen', `127.0.0.1:${own}`, '--data-dir', dataDir, ...args], url, { env });
    server.dataDir = dataDir;
    server.port = own;
    return server.ready();
  }

  static async demo({ args = [], dataDir = temporaryFolder(), port } = {}) {
    const own = port ?? (await freePorts(4));
    const server = new Sentinel(['demo', '--listen', `127.0.0.1:${own}`, '--data-dir', dataDir, ...args], `http://127.0.0.1:${own}`);
    server.dataDir = dataDir;
    server.port = own;
    server.inbox = `http://127.0.0.1:${own + 3}/messages`;
    return server.ready();
  }

  async ready() {
    const unless = () => (this.exit === null ? '' : `it ended with ${this.exit}: ${this.output.slice(-2000)}`);
    await until('the server is ready', async () => (await fetch(`${this.url}/-/ready`)).ok, { seconds: 40, every: 50, unless });
    return this;
  }

  signal(name) {
    this.child.kill(name);
  }
  async kill() {
    this.child.kill('SIGKILL');
    await this.ended;
  }
  async stop() {
    if (this.exit !== null) return this.exit;
    this.child.kill('SIGTERM');
    const late = setTimeout(() => this.child.kill('SIGKILL'), 50_000 * SLOWNESS);
    const exit = await this.ended;
    clearTimeout(late);
    return exit;
  }

  async request(method, where, body, headers = {}) {
    const given = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    const response = await fetch(this.url + where, {
      method,
      body: given,
      headers: { ...(given === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    });
    const text = await response.text();
    let json = null;
    try {
      json = JSON.parse(text);
    } catch {
      // Some answers are no JSON: Markdown, metrics.
    }
    return { status: response.status, headers: response.headers, type: response.headers.get('content-type') ?? '', text, json };
  }
  /** The JSON of an answer that must be good. */
  async get(where) {
    const answer = await this.request('GET', where);
    if (answer.status !== 200) throw new Error(`GET ${where}: ${answer.status} ${answer.text}`);
    return answer.json;
  }
  async post(where, body = {}) {
    const answer = await this.request('POST', where, body);
    if (answer.status < 200 || answer.status > 299) throw new Error(`POST ${where}: ${answer.status} ${answer.text}`);
    return answer.json;
  }
  /** Rows as objects. */
  async sql(query) {
    const { columns, rows } = await this.post('/sentinel/v1/sql', { query });
    return rows.map((row) => Object.fromEntries(row.map((value, i) => [columns[i].name, value])));
  }
  async incidents(query = '') {
    return (await this.get(`/sentinel/v1/incidents?${query}`)).items;
  }
  cli(...args) {
    return run(args, { env: { SENTINEL_URL: this.url } });
  }
}

/** A server of the test's own: `handle(request, body, response)`. Every request is kept in `received`. */
export async function httpServer(handle, { encoding = 'utf8' } = {}) {
  const received = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding(encoding);
    request.on('error', () => {});
    request.on('data', (text) => (body += text));
    request.on('end', () => {
      received.push({ method: request.method, path: request.url, headers: request.headers, body });
      handle(request, body, response);
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  server.unref(); // a test that fails before it closes this must not keep the whole run waiting
  return {
    received,
    url: `http://127.0.0.1:${server.address().port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

/** A receiver of notifications: says 200 and keeps what it got. */
export const webhook = () => httpServer((_request, _body, response) => response.end('ok'));

/** Server-sent events of `url`, kept in `events` as {event, data}. */
export function listen(url) {
  const stop = new AbortController();
  const events = [];
  const done = (async () => {
    const response = await fetch(url, { signal: stop.signal });
    let text = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const lines = text.slice(0, end).split('\n');
        text = text.slice(end + 2);
        const of = (name) => lines.filter((l) => l.startsWith(`${name}:`)).map((l) => l.slice(name.length + 1).trimStart()).join('\n');
        if (of('data')) events.push({ event: of('event') || 'message', data: of('data') });
      }
    }
  })().catch((error) => {
    if (error.name !== 'AbortError') events.push({ event: 'error', data: String(error) });
  });
  return {
    events,
    async close() {
      stop.abort();
      await done;
    },
  };
}
