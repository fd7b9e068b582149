// A script of tests/data/oncall against the whole binary: the same text that drives the escalations alone in oncall_test drives a
// server here, over HTTP, with doubles of the services and a clock that is moved. What is looked at is what arrives at the doubles.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { MovedClock } from './moved_clock.mjs';
import { outside } from './outside.mjs';
import { RebornServer } from './reborn.mjs';
import { ROOT, folderWith, pause, temporaryFolder, until } from './sentinel.mjs';

const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 };
function milliseconds(text) {
  assert.match(text, /^(\d+[dhms])+$/, `a duration: ${text}`);
  return [...text.matchAll(/(\d+)([dhms])/g)].reduce((sum, [, n, unit]) => sum + Number(n) * UNITS[unit], 0);
}

/** Lines with what is expected of them: {line, verb, words, options, block, expected}. */
function steps(text) {
  const out = [];
  const lines = text.split('\n');
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i];
    if (!line || line.startsWith('#')) continue;
    if (line.startsWith('  ')) {
      out.at(-1).expected.push(line.trim());
      continue;
    }
    const given = line.split(' ').filter(Boolean);
    const step = { line, verb: given[0], words: given.slice(1).filter((w) => !w.includes('=')), options: Object.fromEntries(given.filter((w) => w.includes('=')).map((w) => w.split('='))), block: '', expected: [] };
    if (step.verb === 'config' || step.verb === 'reload') {
      for (i++; lines[i] !== 'end'; i++) step.block += `${lines[i]}\n`;
    }
    out.push(step);
  }
  return out;
}

const SENTINEL = `rules: {files: []}
oncall: oncall.yml
incidents:
  create_for: [SEV1, SEV2, SEV3, SEV4]
  group_by_diagnosis: off
  deadlines: {${['SEV1', 'SEV2', 'SEV3', 'SEV4'].map((s) => `${s}: {acknowledge: none, update: none, review: none}`).join(', ')}}
`;
/** What an incident becomes is its severity: this is how a script has it told by another policy, or urgently. */
const severityOf = ({ policy = 'p', urgent = 'yes' }) => ({ p: { yes: 'SEV1', no: 'SEV3' }, q: { yes: 'SEV2', no: 'SEV4' } })[policy][urgent];
/** The accounts behind the channels of a script, and the ways to its policies: by a label, or by severity. */
function installed(text, world) {
  const kinds = {
    push: `{kind: ntfy, url: '${world.url}/ntfy'}`,
    sms: `{kind: twilio_sms, api_url: '${world.url}/twilio', account_sid: AC1, auth_token: t, from: '+100'}`,
    voice: `{kind: twilio_call, api_url: '${world.url}/twilio', account_sid: AC1, auth_token: t, from: '+100'}`,
    pd: `{kind: pagerduty, url: '${world.url}/pagerduty'}`,
    email: `{kind: email, smarthost: '127.0.0.1:${world.smtp}', from: sentinel@example.org, require_tls: false}`,
  };
  const [, inline, listed] = /^policies:(.*)\n((?:[- ].*\n)*)/m.exec(text);
  const policies = [...inline.matchAll(/^ \[\{id: (\w+)/g), ...listed.matchAll(/^- \{?id: (\w+)/gm)].map((m) => m[1]);
  const own = text.replace(/^channels: .*\n/m, '');
  return `channels:\n${Object.entries(kinds).map(([name, kind]) => `  ${name}: ${kind}\n`).join('')}${own}
page_for: [SEV1, SEV2, SEV3, SEV4]
urgent_for: [SEV1, SEV2]
routes: [{match: {policy: moves}, severities: [SEV1, SEV3], policy: p}, {match: {policy: moves}, severities: [SEV2, SEV4], policy: ${policies.includes('q') ? 'q' : 'p'}}, ${policies.map((id) => `{match: {policy: ${id}}, policy: ${id}}`).join(', ')}]
`;
}
const contacts = (text) => {
  const found = new Map();
  for (const [, user, list] of text.matchAll(/\{id: (\w+), contacts: \{([^}]*)\}/g)) {
    for (const [, channel, address] of list.matchAll(/(\w+): (\w+)/g)) found.set(`${channel}/${address}`, { user, channel });
  }
  return found;
};

let library = '';
/** For a server that is to be killed as it writes to its state for the nth time. */
function dyingAtWrite(n, dataDir, env) {
  if (!library) {
    library = path.join(temporaryFolder(), 'die_at_write.so');
    execFileSync('clang-19', ['-shared', '-fPIC', '-O1', '-Wall', '-Werror', '-o', library, path.join(ROOT, 'tests/acceptance/lib/die_at_write.c')]);
  }
  return { ...env, LD_PRELOAD: `${env.LD_PRELOAD}:${library}`, DIE_AT_FILE: path.join(dataDir, 'state.db'), DIE_AT_WRITE: String(n) };
}

/**
 * `kill` -9, each time with a start after it: `never`; `line`: after each line; `page`: while a service has a page whose answer we never
 * hear; a number: as the process is about to write to its state for the nth time.
 */
export class ScriptRun {
  #clock;
  #world;
  #server = null;
  #incidents = new Map(); // key: number of its newest incident
  #names = new Map(); // of an incident's id: key
  #seen = 0;
  #keys = new Set();
  kills = 0; // of all its servers

  constructor(text, { kill = 'never' } = {}) {
    this.steps = steps(text);
    this.kill = kill;
    this.moves = this.steps.some((s) => s.verb === 'change' || s.verb === 'reopen');
    const start = this.steps.find((s) => s.verb === 'start');
    this.start = start ? Date.parse(start.words[0]) : Date.parse('2026-01-01T00:00:00Z');
  }

  async run() {
    try {
      for (let i = 0; i < this.steps.length; i++) {
        const step = this.steps[i];
        await this.#step(step, this.steps.slice(i + 1)).catch((error) => {
          throw new Error(`"${step.line}": ${error.message}`, { cause: error });
        });
        if (this.kill === 'line' && this.#server) await this.#server.restart();
      }
    } finally {
      await this.#end();
    }
  }

  async #step(step, rest) {
    const known = { config: 'install', reload: 'reload', at: 'moveOn', restart: 'away', trigger: 'trigger', ack: 'act', resolve: 'act', escalate: 'act', reassign: 'act', reopen: 'reopen', change: 'change', expect: 'expect', status: 'status', events: 'events', pages: 'pages' };
    if (step.verb === 'start' || step.verb === 'wanted') return undefined; // what is in the outbox is not seen from outside
    assert.ok(known[step.verb], `unknown line: ${step.line}`);
    return this[`_${known[step.verb]}`](step, rest);
  }

  // The server, its clock and its end.
  async #end() {
    await this.#server?.end();
    await this.#world?.close();
    this.kills += this.#server?.kills ?? 0;
  }
  async _install({ block }) {
    await this.#end();
    this.#clock = new MovedClock(this.start);
    this.#world = await outside({ now: this.#clock.now });
    this.#world.beforeAnswer = (page) => this.#arrived(page);
    this.contacts = contacts(block);
    this.folder = folderWith({ 'sentinel.yml': SENTINEL, 'oncall.yml': installed(block, this.#world) });
    this.#server = new RebornServer(path.join(this.folder, 'sentinel.yml'), this.#clock);
    this.#seen = 0;
    this.#incidents.clear();
    this.#keys.clear();
    await this.#server.start();
    if (typeof this.kill !== 'number') return;
    await this.#server.end(); // it has made its tables; what is written from here on is what the script is about
    await this.#server.start(dyingAtWrite(this.kill, this.#server.dataDir, this.#clock.env));
  }
  #arrived(page) {
    if (this.kill !== 'page' || this.#keys.has(page.key)) return false;
    this.#keys.add(page.key);
    this.#server.kill();
    return true;
  }
  async _reload({ block }) {
    this.contacts = new Map([...this.contacts, ...contacts(block)]);
    writeFileSync(path.join(this.folder, 'oncall.yml'), installed(block, this.#world));
    await this.#server.good('POST', '/-/reload');
  }
  /** Stops at each page that is expected on the way, so that one follows the other as it would. */
  async _moveOn({ words }, rest) {
    const end = milliseconds(words[0]);
    const next = rest.findIndex((s) => ['at', 'restart', 'config', 'expect'].includes(s.verb));
    const times = rest[next]?.verb === 'expect' ? rest[next].expected.map((line) => milliseconds(line.split(' ')[0])) : [];
    for (const time of [...new Set(times)].sort((a, b) => a - b)) {
      if (time >= end) break;
      this.#moveTo(time);
      const due = times.filter((t) => t <= time).length;
      await until(`${due} pages until ${this.#since(this.start + time)}`, () => this.#news().length >= due, { every: 20 });
      await this.#heardAll();
    }
    this.#moveTo(end);
  }
  /** What has passed for real since the last whole minute is kept: what was begun then is due now. */
  #moveTo(time) {
    const passed = (this.#clock.now() - this.start) % 60_000;
    if (this.start + time > this.#clock.now()) this.#clock.moveTo(this.start + time + passed);
  }
  async _away({ options }) {
    await this.#server.restart(milliseconds(options.down ?? '0s'));
  }

  // What people and alerts do.
  async _trigger({ words: [key], options }) {
    const labels = { alertname: key, service: key, severity: this.moves ? severityOf(options) : severityOf({ urgent: options.urgent }), policy: this.moves ? 'moves' : (options.policy ?? 'p') };
    const endsAt = new Date(this.start + 3650 * UNITS.d).toISOString(); // an alert lasts until the script ends it
    await this.#server.good('POST', '/api/v2/alerts', [{ labels, annotations: { summary: key }, startsAt: new Date(this.#clock.now()).toISOString(), endsAt }]);
    const incident = await until('the incident is open', async () => {
      const { items } = await this.#server.good('GET', '/sentinel/v1/incidents?limit=100');
      return items.filter((i) => i.title === key && i.status !== 'resolved')[0];
    }, { every: 20 });
    this.#incidents.set(key, incident.number);
    this.#names.set(incident.id, key);
  }
  async _act({ verb, words, options }) {
    const number = this.#incidents.get(words[0]);
    const actor = options.by ?? 'nobody';
    const requests = {
      ack: [`/incidents/${number}/acknowledge`, { actor }],
      resolve: [`/incidents/${number}/resolve`, { actor, resolution: 'done' }],
      escalate: [`/oncall/escalations/${number}/escalate`, { actor }],
      reassign: [`/oncall/escalations/${number}/reassign`, { actor, policy: options.policy }],
    };
    const [where, body] = requests[verb];
    const answer = await this.#server.ask('POST', `/sentinel/v1${where}`, body, { twice: !['escalate', 'reassign'].includes(verb) });
    if (words.includes('bad') && verb === 'ack') return assert.equal(answer.json.status, 'resolved', 'an acknowledgement that comes late changes nothing');
    if (words.includes('bad')) return assert.ok(answer.status >= 400 && answer.status < 500, `it is refused: ${answer.status} ${answer.text}`);
    return assert.ok(answer.status < 300, `${where}: ${answer.status} ${answer.text}`);
  }

  async _change({ words: [key], options }) {
    await this.#server.good('POST', `/sentinel/v1/incidents/${this.#incidents.get(key)}/severity`, { actor: options.by ?? 'nobody', severity: severityOf(options) });
  }
  async _reopen({ words: [key], options }) {
    if (!this.#incidents.has(key)) return this._trigger({ words: [key], options });
    await this._change({ words: [key], options });
    return this.#server.good('POST', `/sentinel/v1/incidents/${this.#incidents.get(key)}/status`, { actor: options.by ?? 'nobody', status: 'open' });
  }

  // What came of it.
  #since(at) {
    const minutes = Math.floor((at - this.start) / 60_000);
    return [[Math.floor(minutes / 1440), 'd'], [Math.floor(minutes / 60) % 24, 'h'], [minutes % 60, 'm']].filter(([n]) => n).map((p) => p.join('')).join('') || '0s';
  }
  /** Pages that were not seen yet, each once however often it was sent. */
  #news() {
    const first = new Map();
    for (const page of this.#world.pages()) {
      assert.ok(page.key, `a page without a key: ${JSON.stringify(page)}`);
      const same = first.get(page.key);
      if (same) assert.deepEqual([page.by, page.to], [same.by, same.to], 'one key, one address');
      else first.set(page.key, page);
    }
    return [...first.values()].slice(this.#seen);
  }
  /** As a script has it: when, user/channel, level, key. */
  async #shown(page) {
    const { user, channel } = this.contacts.get(`${page.by === 'pagerduty' ? 'pd' : page.by}/${page.to}`);
    const id = page.key.split('/')[1];
    const { pages } = await this.#server.good('GET', `/sentinel/v1/oncall/escalations/${id}`);
    // What takes a page back is of the level of that page.
    const kept = pages.find((p) => p.key === page.key) ?? pages.findLast((p) => p.user.id === user && p.channel === channel);
    return `${this.#since(page.at)} ${user}/${channel} ${kept?.level} ${this.#names.get(id)}`;
  }
  async _expect({ expected }) {
    await until('all that are expected have arrived', () => this.#news().length >= expected.length, { seconds: 20, every: 20 }).catch(() => {});
    await this.#quiet();
    const news = this.#news();
    this.#seen += news.length;
    const came = await Promise.all(news.map((page) => this.#shown(page)));
    assert.deepEqual(came.sort(), [...expected].sort(), 'what arrived is what is expected');
  }
  #detail(key) {
    return this.#server.good('GET', `/sentinel/v1/oncall/escalations/${this.#incidents.get(key)}`);
  }
  /** Whatever is due has run, and what it sends has gone. */
  async #quiet() {
    for (let i = 0; i < 3; i++) {
      await this.#server.good('GET', '/sentinel/v1/oncall/escalations');
      await pause(100);
    }
    await this.#heardAll();
    await until('nothing is on its way', async () => {
      const { text } = await this.#server.ask('GET', '/metrics');
      return /^sentinel_oncall_pages_pending 0$/m.test(text);
    }, { seconds: 20, every: 50 });
  }
  /** Where the process died at each page, each was sent again by the next one. */
  async #heardAll() {
    await this.#server.revived;
    if (this.kill !== 'page') return;
    const unheard = () => [...this.#keys].filter((key) => this.#world.pages().filter((p) => p.key === key).length < 2);
    await until('each page is sent again', () => unheard().length === 0).catch((error) => {
      throw new Error(`${error.message}; ${unheard()}`);
    });
  }
  async _status({ expected }) {
    await this.#quiet();
    const { items } = await this.#server.good('GET', '/sentinel/v1/oncall/escalations?state=all&limit=100');
    const names = new Map([...this.#incidents].map(([key, number]) => [`INC-${number}`, key]));
    const line = (e) => [names.get(e.incident), e.state, e.level, 'cycle', e.cycle, e.due_at && `due ${this.#since(Date.parse(e.due_at))}`, e.waiting_for && `waiting for ${e.waiting_for}`].filter((w) => w || w === 0).join(' ');
    assert.deepEqual(items.filter((e) => names.has(e.incident)).map(line).sort(), [...expected].sort());
  }
  async _events({ words: [key], expected }) {
    const { events } = await this.#detail(key);
    // Scripts do not say who did what nobody in particular did, that a page has arrived, nor whether it was urgent before.
    const plain = (text) => text.replace(/\[SEV\d\] INC-\d+: | nobody(?= |$)|, urgent now$/g, '');
    const line = (e) => [this.#since(Date.parse(e.at)), e.kind, e.level, e.user, e.detail].filter(Boolean).join(' ');
    assert.deepEqual(events.filter((e) => e.kind !== 'delivered').map(line).map(plain).sort(), expected.map(plain).sort());
  }
  async _pages({ words: [key], expected }) {
    const { pages } = await this.#detail(key);
    assert.deepEqual(pages.map((p) => `${this.#since(Date.parse(p.at))} ${p.user.id}/${p.channel} ${p.level} ${p.outcome}${p.error ? `: ${p.error}` : ''}`).sort(), [...expected].sort());
  }
}
