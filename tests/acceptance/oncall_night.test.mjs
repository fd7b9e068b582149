// One night on a moved clock, with everybody there: the night the clocks of Berlin go back and the week changes hands. Pages by push, SMS,
// phone, Slack, PagerDuty and mail, an incident's channel in Slack, its alert in PagerDuty; and the process is killed (-9) each time
// anything of it is out there and not yet answered. Written by hand: who is to be told when, by what.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { MovedClock } from './lib/moved_clock.mjs';
import { outside } from './lib/outside.mjs';
import { RebornServer } from './lib/reborn.mjs';
import { folderWith, pause, until } from './lib/sentinel.mjs';
import { signed, slackWorkspace } from './lib/slack.mjs';

const SECRET = '8f742231b10e8888abcd99yyyzzz85a5';
const INTEGRATION = 'R0123456789012345678901234567890';
const ONCALL = (world) => `
${world.channels}users:
- id: ada
  name: Ada Lovelace
  contacts: {push: ada-phone, sms: '+201', voice: '+201'}
  rules: {default: [{by: push}], urgent: [{by: push}, {after: 5m, by: sms}, {after: 10m, by: voice}]}
- id: bob
  name: Bob Fry
  contacts: {slack: U2, email: bob@example.org}
  rules: {default: [{by: slack}], urgent: [{by: slack}, {after: 10m, by: email}]}
- {id: eve, name: Eve Ng, contacts: {pagerduty: R3}}
schedules:
- {id: primary, time_zone: Europe/Berlin, layers: [{start: '2026-10-18 08:00', every: week, participants: [ada, bob]}]}
policies:
- {id: default, acknowledge_timeout: 4h, repeat: 1, levels: [{notify: [{schedule: primary}], timeout: 30m}, {notify: [{user: eve}], timeout: 1h}]}
`;
const CONFIG = (world, slack) => `rules: {files: []}
oncall: oncall.yml
incidents: {deadlines: {SEV1: {acknowledge: none, update: none, review: none}}}
integrations:
- {kind: slack, api_url: '${slack.api}', workspace_url: 'https://example.slack.com', bot_token: xoxb-1, signing_secret: ${SECRET}, people: {U1: ada, U2: bob}}
- {kind: pagerduty, url: '${world.url}/pagerduty', routing_key: ${INTEGRATION}, webhook_secret: s}
- {kind: mail, address: reply@in.example.org}
`;

test('a night with a change of the clocks and of the week, killed whenever something is under way', async (t) => {
  const clock = new MovedClock(Date.parse('2026-10-25T00:30:00Z')); // 02:30 in Berlin, the first of two
  const world = await outside({ now: clock.now });
  const slack = await slackWorkspace({ now: clock.now });
  const folder = folderWith({ 'oncall.yml': ONCALL(world), 'sentinel.yml': CONFIG(world, slack) });
  const server = new RebornServer(path.join(folder, 'sentinel.yml'), clock);
  t.after(async () => {
    await server.end();
    await world.close();
    await slack.close();
  });

  const unheard = new Set();
  const once = (what) => {
    if (unheard.has(what)) return false;
    unheard.add(what);
    server.kill();
    return true;
  };
  world.beforeAnswer = (page) => once(page.key);
  for (const method of ['conversations.create', 'chat.postMessage', 'chat.update', 'pins.add', 'conversations.setTopic']) {
    slack.script.set(method, [{ after: 'do', done: () => once(method) }]);
  }
  await server.start();

  /** What is new out there since the last look, each once however often it was sent: "00:30 push ada-phone". */
  let seen = 0;
  const news = () => {
    const told = new Map();
    const pages = world.pages().map((p) => ({ ...p, to: p.to === INTEGRATION ? `its alert ${p.action}` : p.action === 'resolve' ? `${p.to} resolve` : p.to }));
    for (const page of [...pages, ...world.mails.map((m) => ({ at: m.at, by: 'email', key: /^Message-I[dD]: (.*)$/m.exec(m.text)[1], to: m.to[0].replace(/.*<|>/g, '') }))]) {
      assert.ok(page.key, JSON.stringify(page));
      if (told.has(page.key)) assert.equal(told.get(page.key).to, page.to, 'one key, one address');
      else told.set(page.key, page);
    }
    return [...told.values()];
  };
  const line = (p) => `${new Date(p.at).toISOString().slice(11, 16)} ${p.by} ${p.to}`;
  const expect = async (...lines) => {
    const fresh = () => news().sort((a, b) => a.at - b.at).slice(seen).map(line).sort();
    await until(`told: ${lines}`, () => fresh().length >= lines.length, { every: 20 }).catch(() => {});
    for (let i = 0; i < 3; i++) {
      await server.good('GET', '/sentinel/v1/oncall/escalations'); // what is due has run
      await pause(150);
    }
    await server.revived;
    assert.deepEqual(fresh(), lines.sort());
    seen += lines.length;
  };
  /** To a time of the day (UTC); what has passed for real since the last whole minute is kept. */
  const at = (time) => clock.moveTo(Date.parse(`2026-10-25T${time}:00Z`) + (clock.now() % 60_000));
  const alert = (name) => server.good('POST', '/api/v2/alerts', [{ labels: { alertname: name, service: name.toLowerCase(), severity: 'SEV1' }, annotations: { summary: `${name} broke` }, startsAt: new Date(clock.now()).toISOString(), endsAt: '2026-12-01T00:00:00Z' }]);
  const incident = (n) => server.good('GET', `/sentinel/v1/incidents/${n}`);
  const who = async () => (await server.good('GET', '/sentinel/v1/oncall')).schedules[0].users.map((u) => u.id).join();

  // Ada has the week. By push, then by SMS, then the phone rings.
  assert.equal(await who(), 'ada');
  await alert('Checkout');
  await expect('00:30 push ada-phone', '00:30 pagerduty its alert trigger');
  at('00:35');
  await expect('00:35 sms +201');
  at('00:40');
  await expect('00:40 voice +201');
  // It is 02:40 in Berlin, for the first time. She presses a key; twenty minutes later Eve would have been told.
  const twiml = world.pages().findLast((p) => p.by === 'voice').text;
  const action = new URL(twiml.match(/action="([^"]+)"/)[1].replaceAll('&amp;', '&'));
  const pressed = await server.ask('POST', action.pathname + action.search, new URLSearchParams({ Digits: '4', CallSid: 'CA1' }).toString(), { headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  assert.match(pressed.text, /Incident 1 is acknowledged/);
  await expect('00:40 pagerduty its alert acknowledge');
  at('01:40'); // 02:40 in Berlin again
  await expect();
  // She fell asleep over it: after four hours the acknowledgement is worth nothing, also in PagerDuty, where it is another alert.
  at('04:40');
  await expect('04:40 push ada-phone', '04:40 pagerduty its alert resolve', '04:40 pagerduty its alert trigger');
  assert.equal((await incident(1)).status, 'open');
  // A button in the incident's own channel, pressed in time.
  const channel = () => slack.only();
  await until('the channel is dressed', () => channel().pins.length === 1 && channel().topic);
  const button = await until('the message has its button again', () => channel().messages[0].blocks.flatMap((b) => b.elements ?? []).find((e) => e.text?.text === 'Acknowledge'));
  const press = { payload: JSON.stringify({ type: 'block_actions', user: { id: 'U1', username: 'x' }, response_url: `${slack.url}/respond/1`, trigger_id: 'T1', actions: [{ action_id: button.action_id, value: button.value }] }) };
  const body = new URLSearchParams(press).toString();
  const stale = await server.ask('POST', '/integrations/slack', body, { headers: signed(SECRET, body, { at: Math.floor(clock.now() / 1000) - 600 }) });
  assert.equal(stale.status, 401, 'a request of ten minutes ago is not believed');
  assert.equal((await server.ask('POST', '/integrations/slack', body, { headers: signed(SECRET, body, { at: Math.floor(clock.now() / 1000) }) })).status, 200);
  await expect('04:40 pagerduty its alert acknowledge');
  at('05:00');
  await expect();
  await server.good('POST', '/sentinel/v1/incidents/1/resolve', { actor: 'Ada Lovelace', resolution: 'rolled back' });
  await expect('05:00 pagerduty its alert resolve');

  // Ten past six in UTC is ten past seven in Berlin now: the week changes hands at eight, and it is still Ada's.
  at('06:10');
  assert.equal(await who(), 'ada');
  await alert('Search');
  await expect('06:10 push ada-phone', '06:10 pagerduty its alert trigger');
  at('06:15');
  await expect('06:15 sms +201');
  at('06:20');
  await expect('06:20 voice +201');
  at('06:40'); // nobody has answered: the second level, once; the rules of the first have run
  await expect('06:40 pagerduty R3');
  at('06:59');
  assert.equal(await who(), 'ada');
  at('07:00');
  assert.equal(await who(), 'bob');
  await expect();
  // The second round begins with whoever is on call by now.
  at('07:40');
  await expect('07:40 slack U2');
  // The machine is off when Bob's mail is due, and on again twenty minutes later.
  await server.restart(20 * 60_000);
  await expect('08:00 email bob@example.org');
  const reply = /^Reply-To: (\S+)$/m.exec(world.mails[0].text)[1];
  const mail = `Message-ID: <1@x>\r\nFrom: bob@example.org\r\nTo: <${reply}>\r\nSubject: Re: x\r\n\r\nack the index was cold\r\n`;
  assert.equal((await server.ask('POST', '/integrations/mail', mail, { headers: { 'content-type': 'message/rfc822' } })).status, 200);
  await expect('08:00 pagerduty its alert acknowledge', '08:00 pagerduty R3 resolve'); // and Eve's phone is silent again
  at('09:30');
  await expect();
  // Somebody sets the machine's clock back by an hour: nobody is told anew, and what is due comes in its time.
  clock.forward(-3_600_000);
  await pause(1500);
  await expect();
  await server.good('POST', '/sentinel/v1/incidents/2/resolve', { actor: 'Bob Fry', resolution: 'warmed up' });
  await expect('08:30 pagerduty its alert resolve');

  // Looked back on.
  const [first, second] = [await incident(1), await incident(2)];
  assert.deepEqual([first.status, first.assignee, second.status, second.assignee], ['resolved', 'Ada Lovelace', 'resolved', 'Ada Lovelace']);
  const did = (one) => one.timeline.filter((e) => e.kind === 'status').map((e) => `${e.at.slice(11, 16)} ${e.actor} by ${e.source}: ${e.text}`);
  assert.deepEqual(did(first), ['00:40 Ada Lovelace by voice: acknowledged by Ada Lovelace', '04:40 sentinel by oncall: open again: the acknowledgement has expired', '04:40 Ada Lovelace by slack: acknowledged by Ada Lovelace', '05:00 Ada Lovelace by api: resolved by Ada Lovelace: rolled back']);
  assert.deepEqual(did(second), ['08:00 Bob Fry by mail: acknowledged by Bob Fry: the index was cold', '08:30 Bob Fry by api: resolved by Bob Fry: warmed up']);
  for (const one of [first, second]) {
    const times = one.timeline.map((e) => e.sequence);
    assert.deepEqual(times, [...times].sort((a, b) => a - b));
  }
  // In Slack each incident has one channel with one message, and its thread says what the timeline says, each thing once.
  assert.deepEqual(slack.problems, []);
  assert.equal(slack.channels.size, 2);
  for (const [n, { messages, pins }] of [...slack.channels.values()].entries()) {
    assert.equal(messages.filter((m) => !m.thread_ts).length, 1);
    assert.equal(pins.length, 1);
    const said = messages.filter((m) => m.thread_ts).flatMap((m) => m.text.split('\n'));
    const kept = [first, second][n].timeline.filter((e) => ['status', 'assignee', 'escalation', 'note'].includes(e.kind)).map((e) => e.text);
    assert.deepEqual(said, kept);
  }
  // Whatever was out there unheard when the process died was sent again, under its key.
  for (const key of [...unheard].filter((what) => what.startsWith('page/'))) assert.ok(world.pages().filter((p) => p.key === key).length > 1, key);
  assert.ok(server.kills > 12, `${server.kills} deaths`);
  t.diagnostic(`${server.kills} deaths`);
});
