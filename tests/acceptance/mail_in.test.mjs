// A page by mail is answered by mail: the mail server hands the answer over.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith, until } from './lib/sentinel.mjs';
import { smtpServer } from './lib/smtp.mjs';

test('an answer acknowledges, is a note, resolves; by its address alone, and never by a program', async (t) => {
  const smtp = await smtpServer();
  t.after(() => smtp.close());
  const folder = folderWith({
    'sentinel.yml': 'rules: {files: []}\noncall: oncall.yml\nintegrations:\n- {kind: mail, address: reply@in.example.org}\n',
    'oncall.yml': `
channels: {email: {kind: email, smarthost: '127.0.0.1:${smtp.port}', from: sentinel@example.org, require_tls: false}}
users:
- {id: ada, name: Ada Lovelace, contacts: {email: ada@example.org}}
- {id: bob, name: Bob Fry, contacts: {email: bob@example.org}}
policies: [{id: default, levels: [{notify: [{user: ada}, {user: bob}], timeout: 1h}]}]
`,
  });
  const server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')] });
  t.after(() => server.kill());
  await server.post('/api/v2/alerts', [{ labels: { alertname: 'Checkout', service: 'shop', severity: 'SEV1' }, annotations: { summary: 'Checkout broke', description: 'x' } }]);
  await until('both are told', () => smtp.mails.length === 2);
  const addressOf = (who) => /^Reply-To: (\S+)$/m.exec(smtp.mails.find((m) => m.to[0].includes(who)).text)[1];
  const ada = addressOf('ada');
  const bob = addressOf('bob');
  assert.match(ada, /^reply\+\d+\.[\w-]{20}@in\.example\.org$/);
  assert.notEqual(ada, bob);
  let sequence = 0;
  const answer = (to, text, headers = '', type = 'message/rfc822') =>
    server.request('POST', '/integrations/mail', `Message-ID: <${++sequence}@x>\r\nFrom: somebody@else.org\r\nTo: Sentinel <${to}>\r\nSubject: Re: x\r\n${headers}\r\n${text}\r\n\r\nOn Sat, 21 Nov 2026, Sentinel wrote:\r\n> ack\r\n`, { 'content-type': type });
  const now = () => server.get('/sentinel/v1/incidents/1');
  const done = async (kind) => (await now()).timeline.filter((e) => e.kind === kind && e.source === 'mail').map((e) => [e.actor, e.text]);

  assert.equal((await answer(ada, 'I am away until Monday.', 'Auto-Submitted: auto-replied\r\n')).status, 200);
  assert.equal((await answer('reply+1.AAAAAAAAAAAAAAAAAAAA@in.example.org', 'ack')).status, 401, 'a guess');
  assert.equal((await answer(ada.replace('@in.', '@in2.'), 'ack')).status, 401, 'another address');
  assert.equal((await answer(ada.replace(/\+(\d+)\./, (_all, n) => `+${Number(n) + 1}.`), 'ack')).status, 401, 'the token of another page');
  assert.equal((await now()).status, 'open');
  assert.equal((await answer(ada.toLowerCase(), 'the cache is cold\r\nand dark')).status, 200);
  assert.deepEqual(await done('note'), [['Ada Lovelace', 'the cache is cold\nand dark']]);
  assert.equal((await now()).status, 'open', 'a note is no acknowledgement');
  assert.equal((await answer(bob, 'Ack, on it')).status, 200);
  assert.equal((await now()).status, 'acknowledged');
  assert.deepEqual(await done('status'), [['Bob Fry', 'acknowledged by Bob Fry: on it']]);
  sequence = 100;
  await answer(ada, 'once');
  sequence = 100;
  await answer(ada, 'once');
  assert.equal((await done('note')).filter(([, text]) => text === 'once').length, 1, 'a mail that comes twice counts once');
  const json = await server.request('POST', '/integrations/mail', { FromFull: { Email: 'ada@example.org' }, OriginalRecipient: ada, MessageID: 'pm-1', StrippedTextReply: 'resolve rolled back', TextBody: 'resolve rolled back\n\n> x' });
  assert.equal(json.status, 200);
  assert.equal((await now()).status, 'resolved');
  assert.equal((await now()).resolution, 'rolled back');
});
