// The listener's own file: TLS with a certificate that is renewed, users with passwords, headers; as clients see it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import https from 'node:https';
import path from 'node:path';
import { test } from 'node:test';
import { Sentinel, folderWith, freePorts, run, until } from './lib/sentinel.mjs';

// bcrypt of "right"
const USERS = "basic_auth_users: {ada: '$2y$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC'}\n";
const TLS = 'tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n';
const HEADERS = 'http_server_config: {headers: {Strict-Transport-Security: max-age=60}}\n';

function certify(folder, name) {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', path.join(folder, 'key.pem'), '-out', path.join(folder, 'cert.pem')], { stdio: 'ignore' });
}

/** Whoever answers: the certificate is looked at, not verified. */
const ask = (port, where, auth) =>
  new Promise((done, failed) => {
    https.get({ host: '127.0.0.1', port, path: where, rejectUnauthorized: false, agent: false, auth }, (answer) => {
      const name = answer.socket.getPeerCertificate().subject.CN;
      answer.resume().on('end', () => done({ status: answer.statusCode, headers: answer.headers, name }));
    }).on('error', failed);
  });

test('sentinel alertmanager: amtool gets in with certificate and password, nobody without; a new certificate is taken while it runs', async () => {
  const port = await freePorts();
  const folder = folderWith({
    'alertmanager.yml': 'route: {receiver: none}\nreceivers: [{name: none}]\n',
    'web.yml': TLS + USERS + HEADERS,
  });
  for (const password of ['right', 'wrong'])
    writeFileSync(path.join(folder, `${password}.yml`), `basic_auth: {username: ada, password: ${password}}\ntls_config: {ca_file: ${folder}/cert.pem}\n`);
  certify(folder, 'first');
  const server = new Sentinel(['alertmanager', `--config.file=${folder}/alertmanager.yml`, `--storage.path=${folder}/data`,
    `--web.listen-address=127.0.0.1:${port}`, `--web.config.file=${folder}/web.yml`], `https://127.0.0.1:${port}`);
  await until('it answers', async () => (await ask(port, '/-/ready', 'ada:right')).status === 200, { unless: () => (server.exit === null ? '' : server.output) });

  const got = await ask(port, '/api/v2/status', 'ada:right');
  assert.deepEqual([got.status, got.name, got.headers['strict-transport-security']], [200, 'first', 'max-age=60']);
  const refused = await ask(port, '/-/ready');
  assert.deepEqual([refused.status, refused.headers['www-authenticate'], refused.headers['strict-transport-security']], [401, 'Basic', 'max-age=60']);
  await assert.rejects(fetch(`http://127.0.0.1:${port}/-/ready`), 'plain text is not answered');
  const amtool = (file, ...args) => execFileSync('amtool', [`--alertmanager.url=${server.url}`, `--http.config.file=${folder}/${file}`, ...args],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  amtool('right.yml', 'alert', 'add', 'alertname=Up');
  assert.match(amtool('right.yml', 'alert', 'query'), /Up/);
  assert.throws(() => amtool('wrong.yml', 'alert', 'query'), /401/);

  certify(folder, 'second');
  await until('the new certificate is shown', async () => (await ask(port, '/-/ready', 'ada:right')).name === 'second', { seconds: 10 });
  writeFileSync(path.join(folder, 'web.yml'), `${TLS}basic_auth_users: {ada: right}\n`);
  await until('what is wrong is said', () => /web.yml:2:25: expected a bcrypt hash/.test(server.output), { seconds: 10 });
  assert.equal((await ask(port, '/-/ready', 'ada:right')).status, 200, 'the old users stay');
  assert.equal(await server.stop(), 0);
});

test('sentinel serve: TLS beside tokens; its own commands speak it; users with passwords are refused', async () => {
  const port = await freePorts();
  const folder = folderWith({
    'sentinel.yml': `listen: 127.0.0.1:${port}\ndata_dir: data\nweb_config_file: web.yml\n`,
    'web.yml': TLS,
  });
  certify(folder, 'serve');
  const server = new Sentinel(['serve', '--config', `${folder}/sentinel.yml`, '--data-dir', `${folder}/data`], `https://127.0.0.1:${port}`);
  await until('it answers', async () => (await ask(port, '/-/ready')).status === 200, { unless: () => (server.exit === null ? '' : server.output) });
  const trusting = await run(['query', 'vector(42)', '--url', server.url], { env: { SSL_CERT_FILE: `${folder}/cert.pem` } });
  assert.deepEqual([trusting.code, /42/.test(trusting.stdout)], [0, true], trusting.stderr);
  const doubting = await run(['query', 'vector(42)', '--url', server.url]);
  assert.notEqual(doubting.code, 0);
  assert.match(doubting.stderr, /certificate/);
  assert.equal(await server.stop(), 0);

  writeFileSync(path.join(folder, 'web.yml'), TLS + USERS);
  const refused = await run(['serve', '--config', `${folder}/sentinel.yml`, '--data-dir', `${folder}/data`]);
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /web.yml: basic_auth_users: use bearer tokens, auth.tokens/);
});
