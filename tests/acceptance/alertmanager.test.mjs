// `sentinel alertmanager` in the place of Alertmanager, driven by Debian's amtool: every command of it.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Sentinel, folderWith, freePorts, httpServer, temporaryFolder, until, webhook } from './lib/sentinel.mjs';

const config = (url) => `
global: {resolve_timeout: 5m}
route:
  receiver: default
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 1s
  repeat_interval: 1h
  routes:
    - {receiver: team-x, matchers: ['team="x"']}
    - {receiver: nights, matchers: ['team="night"'], mute_time_intervals: [always]}
receivers:
  - name: default
    webhook_configs: [{url: '${url}/default', send_resolved: true}]
  - name: team-x
    webhook_configs: [{url: '${url}/x?token=abc', send_resolved: false}]
  - name: nights
time_intervals:
  - {name: always, time_intervals: [{}]}
inhibit_rules:
  - source_matchers: [severity="critical"]
    target_matchers: [severity="warning"]
    equal: [alertname]
`;

/** Starts one with Alertmanager's flags; `flags` come after those that are needed. */
async function start({ folder, port, flags = [], prefix = '' }) {
  const server = new Sentinel(
    ['alertmanager', '--config.file', path.join(folder, 'alertmanager.yml'), `--storage.path=${path.join(folder, 'data')}`,
      '--web.listen-address', `127.0.0.1:${port}`, ...flags],
    `http://127.0.0.1:${port}${prefix}`);
  return server.ready();
}

const amtool = (url, args, input = '') =>
  new Promise((done) => {
    const child = execFile('amtool', [`--alertmanager.url=${url}`, ...args], { timeout: 30_000 }, (error, stdout, stderr) =>
      done({ code: error ? error.code : 0, stdout, stderr }));
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });

describe('amtool', () => {
  let hook, folder, server;
  const tool = async (...args) => {
    const { code, stdout, stderr } = await amtool(server.url, args);
    assert.equal(code, 0, `amtool ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const json = async (...args) => JSON.parse(await tool('-o', 'json', ...args));

  before(async () => {
    hook = await webhook();
    folder = folderWith({
      'alertmanager.yml': config(hook.url),
      'bad.yml': 'route: {receiver: nobody}\n',
      'page.tmpl': '{{ define "page" }}{{ .Status | toUpper }}{{ end }}\n',
    });
    server = await start({ folder, port: await freePorts(), flags: ['--cluster.listen-address=', '--web.api-version=0.25.0', '--web.ui-path=x', '--log.level=debug'] });
  });
  after(async () => {
    assert.equal(await server.stop(), 0);
    await hook.close();
  });

  test('alert add and query: matchers, receivers, states', async () => {
    await tool('alert', 'add', 'alertname=Disk', 'severity=critical', 'host=a', '--annotation=summary=full');
    await tool('alert', 'add', 'alertname=Disk', 'severity=warning', 'host=a');
    await tool('alert', 'add', 'alertname=Net', 'team=x', '--generator-url=http://x/graph');
    const all = await json('alert', 'query', '--inhibited', '--silenced', '--active', '--unprocessed');
    assert.deepEqual(all.map((a) => a.labels.alertname).sort(), ['Disk', 'Disk', 'Net']);
    assert.deepEqual((await json('alert', 'query', 'alertname=Disk', 'severity=~crit.*')).map((a) => a.annotations.summary), ['full']);
    assert.deepEqual((await json('alert', 'query', 'Net')).map((a) => a.generatorURL), ['http://x/graph']);
    assert.deepEqual((await json('alert', 'query', '--receiver=team.*')).map((a) => a.labels.team), ['x']);
    const inhibited = await json('alert', 'query', '--inhibited', 'severity=warning');
    assert.equal(inhibited[0].status.state, 'suppressed');
    const critical = all.find((a) => a.labels.severity === 'critical');
    assert.deepEqual(inhibited[0].status.inhibitedBy, [critical.fingerprint]);
    assert.match(await tool('alert', 'query', '-o', 'extended'), /Disk/);
    await until('both receivers were told', () => ['/default', '/x?token=abc'].every((p) => hook.received.some((r) => r.path === p)));
    const told = JSON.parse(hook.received.find((r) => r.path === '/default').body);
    assert.equal(told.alerts[0].fingerprint, critical.fingerprint, 'one fingerprint everywhere');
  });

  test('silence add, query, update, expire', async () => {
    const id = (await tool('silence', 'add', 'alertname=Net', 'team=~x|y', '--author=ada', '--comment=work', '--duration=1h')).trim();
    assert.match(id, /^[0-9a-f-]{36}$/);
    const [silence] = await json('silence', 'query', 'alertname=Net');
    assert.equal(silence.id, id);
    assert.deepEqual([silence.createdBy, silence.comment, silence.status.state], ['ada', 'work', 'active']);
    assert.deepEqual((await json('alert', 'query', '--silenced', 'Net'))[0].status.silencedBy, [id]);
    assert.deepEqual(await json('alert', 'query', 'Net'), [], 'hidden unless asked for');
    await tool('silence', 'update', '--duration=2h', '--comment=more work', id);
    const [after2h, ...others] = await json('silence', 'query');
    assert.deepEqual([after2h.id, others], [id, []], 'the same start: the same silence');
    assert.equal(after2h.comment, 'more work');
    assert.ok(Date.parse(after2h.endsAt) - Date.now() > 100 * 60_000);
    await tool('silence', 'expire', id);
    assert.deepEqual(await json('silence', 'query'), []);
    assert.deepEqual((await json('silence', 'query', '--expired')).map((s) => s.id), [id]);
    const missing = await amtool(server.url, ['silence', 'expire', '00000000-0000-0000-0000-000000000000']);
    assert.notEqual(missing.code, 0);
  });

  test('its creator is reminded before a silence ends, once', async () => {
    const cli = async (...args) => {
      const { code, stdout, stderr } = await server.cli('silence', ...args);
      assert.equal(code, 0, stderr);
      return stdout.trim();
    };
    const id = await cli('add', 'alertname=Disk', '--comment', 'swap', '--author', 'team-x', '--duration', '1h', '--remind-before', '59m59s');
    const reminders = () => hook.received.filter((r) => r.path === '/x?token=abc').map((r) => JSON.parse(r.body)).filter((n) => n.groupLabels.silence === id);
    await until('it was told', () => reminders().length > 0);
    const [told] = reminders();
    assert.equal(told.alerts[0].labels.alertname, 'SilenceEndsSoon');
    assert.match(told.alerts[0].annotations.summary, /ends in 59m5\ds, it mutes 2 firing alerts$/);
    const { items } = await server.get('/sentinel/v1/silences/ending?within=2h');
    assert.deepEqual(items.filter((e) => e.silence.id === id).map((e) => [e.receiver, e.reminded, e.firing_alerts]), [['team-x', true, 2]]);
    assert.match(await cli('ending', '--within', '2h'), /told team-x/);
    assert.equal((await server.get('/sentinel/v1/silences/ending?within=1m')).items.length, 0);
    assert.equal((await server.request('GET', '/sentinel/v1/silences/ending?within=soon')).status, 400);
    await cli('expire', id);
    assert.equal(reminders().length, 1);
  });

  test('silence import brings back what query wrote', async () => {
    await tool('silence', 'add', 'alertname=Import', '--author=ada', '--comment=one', '--duration=1h');
    const saved = await tool('-o', 'json', 'silence', 'query', 'alertname=Import');
    const file = path.join(temporaryFolder(), 'silences.json');
    writeFileSync(file, saved);
    await tool('silence', 'import', '--force', file);
    assert.equal((await json('silence', 'query', 'alertname=Import')).length, 2);
  });

  test('check-config, config show, config routes show and test', async () => {
    assert.match(await tool('check-config', path.join(folder, 'alertmanager.yml')), /SUCCESS/);
    assert.notEqual((await amtool(server.url, ['check-config', path.join(folder, 'bad.yml')])).code, 0);
    const shown = await tool('config', 'show');
    assert.match(shown, /receiver: default/);
    assert.doesNotMatch(shown, /token=abc/, 'secrets stay here');
    assert.match(await tool('config', 'routes', 'show'), /team-x/);
    assert.equal((await tool('config', 'routes', 'test', 'team=x')).trim(), 'team-x');
    assert.equal((await tool('config', 'routes', 'test', 'team=y')).trim(), 'default');
    const wrong = await amtool(server.url, ['config', 'routes', 'test', '--verify.receivers=default', 'team=x']);
    assert.notEqual(wrong.code, 0);
  });

  test('cluster show and template render', async () => {
    assert.match(await tool('cluster', 'show'), /disabled/);
    const rendered = await tool('template', 'render', `--template.glob=${path.join(folder, '*.tmpl')}`, '--template.text={{ template "page" . }}');
    assert.equal(rendered.trim(), 'ALERTSTATUS', 'its example data, our template file');
  });
});

describe('the API', () => {
  let hook, folder, server, port;
  const ask = (method, where, body, headers) => server.request(method, where, body, headers);
  const silence = (over = {}) => ({
    matchers: [{ name: 'a', value: 'b', isRegex: false }], createdBy: 'me', comment: 'c',
    startsAt: new Date().toISOString(), endsAt: new Date(Date.now() + 3600_000).toISOString(), ...over,
  });

  before(async () => {
    hook = await webhook();
    // Debian's amtool is older than these labels.
    const labelled = config(hook.url)
      .replace('mute_time_intervals: [always]}', 'mute_time_intervals: [always], labels: {shift: night}}')
      .replace('- name: nights', '- name: nights\n    labels: {owner: ops}');
    folder = folderWith({ 'alertmanager.yml': labelled });
    port = await freePorts();
    server = await start({ folder, port, prefix: '/foo', flags: ['--web.external-url=http://sentinel.test/foo', '--silences.max-silences=3', '--silences.max-silence-size-bytes=2000'] });
  });
  after(async () => {
    await server.stop();
    await hook.close();
  });

  test('refuses in Alertmanager’s words', async () => {
    const cases = [
      ['GET', '/api/v2/nope', undefined, 404, { code: 404, message: 'path /foo/api/v2/nope was not found' }],
      ['PUT', '/api/v2/alerts', [], 405, { code: 405, message: 'method PUT is not allowed, but [GET,POST] are' }],
      ['GET', '/api/v2/alerts?filter=a~b~c', undefined, 400, 'bad matcher format: a~b~c'],
      ['POST', '/api/v2/alerts', '{}', 400, { code: 400, message: 'parsing alerts body from "" failed, because json: cannot unmarshal object into Go value of type models.PostableAlerts' }],
      ['POST', '/api/v2/alerts', [{ labels: {} }], 400, 'at least one label pair required'],
      ['GET', '/api/v2/silence/nope', undefined, 422, { code: 601, message: 'silenceID in path must be of type uuid: "nope"' }],
      ['POST', '/api/v2/silences', silence({ id: 'x' }), 404, 'silence not found'],
      ['POST', '/api/v2/silences', silence({ endsAt: '2020-01-01T00:00:00Z', startsAt: '2019-01-01T00:00:00Z' }), 400, "Failed to create silence: end time can't be in the past"],
      ['POST', '/api/v2/silences', silence({ matchers: [{ name: 'a', value: '', isRegex: false }] }), 400, 'invalid silence: at least one matcher must not match the empty string'],
      ['POST', '/api/v2/silences', {}, 422, { code: 602, message: 'comment in body is required' }],
    ];
    for (const [method, where, body, status, answer] of cases) {
      const got = await ask(method, where, body);
      assert.deepEqual([got.status, got.json], [status, answer], `${method} ${where}`);
    }
    const media = await ask('POST', '/api/v2/alerts', '[]', { 'content-type': 'text/plain' });
    assert.equal(media.status, 415);
    for (const [method, where] of [['POST', '/api/v1/alerts'], ['GET', '/api/v1/silences']]) {
      const gone = await ask(method, where, method === 'POST' ? [] : undefined);
      assert.equal(gone.status, 410);
      assert.match(gone.json.error, /please use the equivalent route in the v2 API/);
    }
  });

  test('groups, receivers, status, and what is muted', async () => {
    await server.request('POST', '/api/v2/alerts', [
      { labels: { alertname: 'A', host: '1' } }, { labels: { alertname: 'A', host: '2' } }, { labels: { alertname: 'B', team: 'night' } },
    ]);
    const groups = await server.get('/api/v2/alerts/groups');
    assert.deepEqual(groups.map((g) => [g.labels.alertname, g.receiver.name, g.alerts.length]), [['A', 'default', 2], ['B', 'nights', 1]]);
    assert.deepEqual(groups[1].alerts[0].status.mutedBy, ['always']);
    assert.deepEqual((await server.get('/api/v2/alerts/groups?muted=false')).map((g) => g.labels.alertname), ['A']);
    assert.deepEqual((await server.get('/api/v2/alerts/groups?receiver=night.*')).map((g) => g.labels.alertname), ['B']);
    assert.deepEqual((await server.get('/api/v2/alerts?filter=host="1"')).map((a) => a.labels.host), ['1']);
    assert.deepEqual(groups.map((g) => g.routeLabels), [{}, { shift: 'night' }]);
    assert.deepEqual(await server.get('/api/v2/receivers'), [
      { name: 'default', labels: { name: 'default' } }, { name: 'team-x', labels: { name: 'team-x' } }, { name: 'nights', labels: { name: 'nights', owner: 'ops' } },
    ]);
    assert.deepEqual((await server.get('/api/v2/receivers?receiver_matchers=owner="ops"')).map((r) => r.name), ['nights']);
    assert.deepEqual((await server.get('/api/v2/receivers?receiver_matchers=owner=""&receiver_matchers=name!="default"')).map((r) => r.name), ['team-x']);
    assert.deepEqual((await server.get('/api/v2/alerts?receiver_matchers=owner="ops"')).map((a) => a.labels.alertname), ['B']);
    assert.deepEqual((await server.get('/api/v2/alerts?receiver_matchers=owner="ops"&receiver=default')).length, 0);
    assert.deepEqual((await server.get('/api/v2/alerts/groups?receiver_matchers=name="default"')).map((g) => g.labels.alertname), ['A']);
    assert.equal((await ask('GET', '/api/v2/alerts?receiver_matchers=owner')).status, 400);
    const status = await server.get('/api/v2/status');
    assert.equal(status.cluster.status, 'disabled');
    assert.equal(status.versionInfo.version, '0.34.0');
    await until('the receiver was told', () => hook.received.length > 0);
    assert.equal(JSON.parse(hook.received[0].body).externalURL, 'http://sentinel.test/foo');
  });

  test('a silence that changes more than its end gets a new id; limits hold', async () => {
    const first = (await server.post('/api/v2/silences', silence())).silenceID;
    const known = await server.get(`/api/v2/silence/${first}`);
    assert.equal((await server.post('/api/v2/silences', { ...known, comment: 'longer' })).silenceID, first);
    const second = (await server.post('/api/v2/silences', { ...known, matchers: [{ name: 'a', value: 'c', isRegex: false }] })).silenceID;
    assert.notEqual(second, first);
    assert.equal((await server.get(`/api/v2/silence/${first}`)).status.state, 'expired');
    const sets = await server.post('/api/v2/silences', silence({ annotations: { ticket: 'T-1' }, matcherSets: [[{ name: 'host', value: '2', isRegex: false }]] }));
    assert.deepEqual((await server.get(`/api/v2/silence/${sets.silenceID}`)).annotations, { ticket: 'T-1' });
    assert.deepEqual((await server.get('/api/v2/alerts?filter=host="2"'))[0].status.silencedBy, [sets.silenceID], 'either set silences');
    const full = await ask('POST', '/api/v2/silences', silence());
    assert.deepEqual([full.status, full.json], [400, 'exceeded maximum number of silences: 3 (limit: 3)']);
    assert.match((await ask('POST', '/api/v2/silences', { ...silence(), annotations: { until_resolved: 'soon' } })).json, /until_resolved must be/);
    const large = await ask('POST', '/api/v2/silences', { ...known, id: sets.silenceID, matchers: [{ name: 'a', value: 'b', isRegex: false }], comment: 'x'.repeat(3000) });
    assert.equal(large.status, 400);
    assert.equal((await ask('DELETE', `/api/v2/silence/${second}`)).status, 200);
    assert.equal((await ask('DELETE', `/api/v2/silence/${second}`)).status, 200, 'ended is ended');
    assert.equal((await ask('DELETE', '/api/v2/silence/00000000-0000-0000-0000-000000000000')).status, 404);
  });

  test('history by rule, label, kind and page; a silence is previewed before it is made', async () => {
    const where = '/sentinel/v1/alerts/history';
    const all = await server.get(`${where}?rule=A`);
    assert.deepEqual(all.items.map((e) => [e.kind, e.labels.host, e.receivers[0]]), [['fired', '2', 'default'], ['fired', '1', 'default']]);
    assert.deepEqual((await server.get(`${where}?rule=A&filter=host="1"`)).items.map((e) => e.labels.host), ['1']);
    assert.deepEqual((await server.get(`${where}?rule=A&kind=resolved`)).items, []);
    assert.deepEqual((await server.get(`${where}?to=2020-01-01T00:00:00Z&from=2019-01-01T00:00:00Z`)).items, []);
    const page = await server.get(`${where}?rule=A&limit=1`);
    assert.deepEqual((await server.get(`${where}?rule=A&limit=1&cursor=${page.next_cursor}`)).items.map((e) => e.id), [all.items[1].id]);
    for (const bad of ['kind=x', 'filter=a~b~c', 'cursor=-', 'from=x']) assert.equal((await ask('GET', `${where}?${bad}`)).status, 400, bad);

    const preview = await server.post('/sentinel/v1/silences/preview', { matchers: [{ name: 'alertname', value: 'A', isRegex: false }] });
    assert.deepEqual([preview.alert_count, preview.alerts.map((a) => a.labels.host).sort(), preview.past], [2, ['1', '2'], { from: preview.past.from, fired: 2, by_rule: { A: 2 } }]);
    assert.deepEqual(preview.groups_silent, [{ receiver: 'default', labels: { alertname: 'A' } }]);
    const half = await server.post('/sentinel/v1/silences/preview', { matchers: [{ name: 'host', value: '1', isRegex: false }] });
    assert.equal(half.alert_count, 1);
    assert.equal((await ask('POST', '/sentinel/v1/silences/preview', { matchers: [] })).status, 400);
  });

  test('an alert is acknowledged and taken back, by fingerprint and by group', async () => {
    const where = '/sentinel/v1/alerts';
    const [alert] = await server.get('/api/v2/alerts?filter=alertname="A"');
    const until = new Date(Date.now() + 3600_000).toISOString();
    const { items } = await server.post(`${where}/acknowledge`, { fingerprints: [alert.fingerprint], note: 'on it', actor: 'ada', until });
    assert.deepEqual(items.map((a) => [a.fingerprint, a.by, a.source, a.note]), [[alert.fingerprint, 'ada', 'api', 'on it']]);
    assert.deepEqual((await server.get(`${where}/acknowledgements`)).items, items);
    const { items: [event] } = await server.get(`${where}/history?kind=acknowledged`);
    assert.equal(event.action.by, 'ada');
    assert.match(event.action.address, /^127\.0\.0\.1:/);
    assert.equal(Date.parse(event.action.until), Date.parse(until));
    const [group] = await server.get('/api/v2/alerts/groups?filter=alertname="A"');
    await server.post(`${where}/unacknowledge`, { group: { receiver: group.receiver.name, labels: group.labels }, actor: 'bo' });
    assert.deepEqual((await server.get(`${where}/acknowledgements`)).items, []);
    assert.equal((await ask('POST', `${where}/unacknowledge`, { fingerprints: [alert.fingerprint] })).status, 409);
    assert.equal((await ask('POST', `${where}/acknowledge`, { fingerprints: ['0000000000000000'] })).status, 404);
    for (const body of [{}, { fingerprints: ['x'] }, { fingerprints: [alert.fingerprint], until: 'soon' }, { group: { receiver: 'x' } }])
      assert.equal((await ask('POST', `${where}/acknowledge`, body)).status, 400);
  });

  test('sentinel silence previews, adds, lists and expires', async () => {
    const cli = async (...args) => {
      const { code, stdout, stderr } = await server.cli('silence', ...args);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    assert.match(await cli('preview', 'alertname=B'), /would mute 1 alerts now, 1 groups would be silent; 1 alerts of the last week match/);
    for (const s of await server.get('/api/v2/silences?expired=false')) await ask('DELETE', `/api/v2/silence/${s.id}`);
    const refused = await server.cli('silence', 'add', 'alertname=B', '--comment', 'x');
    assert.notEqual(refused.code, 0, 'the limit of three holds for ended ones too');
    assert.match(await cli('list', '--expired'), /alertname|EXPIRED|expired/);
    assert.equal((await server.cli('silence', 'expire', '00000000-0000-0000-0000-000000000000')).code, 3);
  });

  test('reload by signal and by request; a wrong file changes nothing; restart forgets nothing', async () => {
    writeFileSync(path.join(folder, 'alertmanager.yml'), 'route: {receiver: nobody}\n');
    const refused = await ask('POST', '/-/reload');
    assert.equal(refused.status, 500);
    assert.match(refused.text, /^failed to reload config: .*nobody/);
    server.signal('SIGHUP');
    await until('the refusal is logged', () => /reload refused/.test(server.output));
    assert.match((await server.get('/api/v2/status')).config.original, /team-x/);
    writeFileSync(path.join(folder, 'alertmanager.yml'), config(hook.url).replaceAll('team-x', 'team-z'));
    server.signal('SIGHUP');
    await until('the new one is in force', async () => /team-z/.test((await server.get('/api/v2/status')).config.original));
    assert.equal((await ask('GET', '/-/healthy')).text, 'OK');
    const alerts = await server.get('/api/v2/alerts');
    const told = hook.received.length;
    await server.kill();
    server = await start({ folder, port, prefix: '/foo', flags: ['--web.route-prefix=/foo'] });
    assert.deepEqual((await server.get('/api/v2/alerts')).map((a) => a.fingerprint), alerts.map((a) => a.fingerprint));
    await new Promise((done) => setTimeout(done, 1500));
    assert.equal(hook.received.length, told, 'nobody is told twice');
  });

  test('its users find their numbers by the names they know', async () => {
    const { text } = await ask('GET', '/metrics');
    const value = (series) => Number(text.split('\n').find((line) => line.startsWith(`${series} `))?.split(' ')[1]);
    const shown = await server.get('/api/v2/alerts');
    const firing = (state) => shown.filter((a) => a.status.state === state).length;
    assert.equal(value('alertmanager_alerts{state="active"}') + value('alertmanager_alerts{state="suppressed"}'), firing('active') + firing('suppressed'));
    assert.equal(value('alertmanager_config_last_reload_successful'), 1);
    assert.equal(value('alertmanager_cluster_enabled'), 0);
    assert.equal(value('alertmanager_receivers'), (await server.get('/api/v2/receivers')).length);
    assert.equal(value('alertmanager_silences{state="active"}'), (await server.get('/api/v2/silences')).filter((s) => s.status.state === 'active').length);
    for (const name of ['alertmanager_config_hash', 'alertmanager_config_last_reload_success_timestamp_seconds', 'alertmanager_dispatcher_aggregation_groups',
      'alertmanager_integrations', 'alertmanager_alerts_received_total{status="firing",version="v2"}', 'alertmanager_alerts_invalid_total{version="v2"}',
      'process_start_time_seconds', 'process_resident_memory_bytes', 'process_cpu_seconds_total', 'process_open_fds', 'process_max_fds'])
      assert.ok(value(name) >= 0, name);
    assert.ok(Math.abs(value('process_start_time_seconds') - Date.now() / 1000) < 3600);
    writeFileSync(path.join(folder, 'alertmanager.yml'), 'route: {receiver: nobody}\n');
    assert.equal((await ask('POST', '/-/reload')).status, 500);
    assert.match((await ask('GET', '/metrics')).text, /^alertmanager_config_last_reload_successful 0$/m);
  });

  test('wrong flags are refused', async () => {
    for (const flags of [['--nope'], ['--web.systemd-socket'], ['--no-web.systemd-socket', '--nope'], ['--web.config.file=x'], ['--data.retention=soon'], ['--config.file']]) {
      const bad = new Sentinel(['alertmanager', ...flags], '');
      assert.notEqual(await bad.ended, 0);
      assert.match(bad.output, /sentinel: /);
    }
  });
});

describe('a cluster of two', () => {
  let hook, first, second, ports, folders;
  const member = (i, more = []) =>
    start({ folder: folders[i], port: ports[i], flags: [`--cluster.listen-address=127.0.0.1:${ports[i + 2]}`, `--cluster.peer=127.0.0.1:${ports[2]}`,
      `--cluster.peer=127.0.0.1:${ports[3]}`, `--cluster.peer-name=${i}`, '--cluster.peer-timeout=3s', '--cluster.probe-interval=200ms', ...more] });
  const peers = async (server) => (await server.get('/api/v2/status')).cluster.peers.length;
  const send = (servers, name, more = {}) =>
    Promise.all(servers.map((s) => s.request('POST', '/api/v2/alerts', [{ labels: { alertname: name }, ...more }])));
  const told = (name) => hook.received.filter((r) => JSON.parse(r.body).groupLabels.alertname === name).length;

  before(async () => {
    hook = await httpServer((_request, _body, response) => response.end('ok'));
    const from = await freePorts(4);
    ports = [from, from + 1, from + 2, from + 3];
    folders = [0, 1].map(() => folderWith({ 'alertmanager.yml': config(hook.url) }));
    first = await member(0);
    second = await member(1);
    await until('both know each other', async () => (await peers(first)) === 2 && (await peers(second)) === 2);
  });
  after(async () => {
    await first.stop();
    await second.stop();
    await hook.close();
  });

  test('one of them notifies, and the silence of one holds for both', async () => {
    await send([first, second], 'Once');
    await until('somebody told', () => told('Once') > 0);
    const { silenceID } = await first.post('/api/v2/silences', {
      matchers: [{ name: 'alertname', value: 'Quiet', isRegex: false }], createdBy: 'me', comment: 'c',
      startsAt: new Date().toISOString(), endsAt: new Date(Date.now() + 3600_000).toISOString(),
    });
    await until('the other has the silence', async () => (await second.request('GET', `/api/v2/silence/${silenceID}`)).status === 200, { seconds: 5 });
    await send([second], 'Quiet');
    await new Promise((done) => setTimeout(done, 4500)); // the second one's turn is three seconds after the first one's
    assert.equal(told('Once'), 1);
    assert.equal(told('Quiet'), 0);
  });

  test('when one dies the other notifies, and what comes back learns what was told', async () => {
    await first.kill();
    await until('the other has noticed', async () => (await peers(second)) === 1, { seconds: 10 });
    await send([second], 'Alone');
    await until('it told', () => told('Alone') === 1, { seconds: 5 });
    first = await member(0);
    await until('both know each other again', async () => (await peers(first)) === 2 && (await peers(second)) === 2);
    await send([first, second], 'Alone');
    await new Promise((done) => setTimeout(done, 4500));
    assert.equal(told('Alone'), 1, 'the one that comes back does not tell again');
  });
});

test('Debian’s Prometheus sends to it; both are restarted in between', async () => {
  const hook = await webhook();
  const ports = await freePorts(2);
  const folder = folderWith({ 'alertmanager.yml': config(hook.url) });
  const rules = (on) => `groups: [{name: g, interval: 200ms, rules: [{alert: Up, expr: 'vector(1) ${on ? '>' : '<'} 0', labels: {team: none}}]}]\n`;
  const prometheus = folderWith({
    'rules.yml': rules(true),
    'prometheus.yml': `global: {evaluation_interval: 200ms}\nrule_files: [rules.yml]\nalerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:${ports}']}]}]}\n`,
  });
  const sender = async () => {
    const child = spawn('prometheus', [`--config.file=${prometheus}/prometheus.yml`, `--storage.tsdb.path=${prometheus}/data`,
      `--web.listen-address=127.0.0.1:${ports + 1}`, '--rules.alert.resend-delay=500ms'], { stdio: 'ignore' });
    process.on('exit', () => child.kill('SIGKILL'));
    await until('prometheus is ready', async () => (await fetch(`http://127.0.0.1:${ports + 1}/-/ready`)).ok, { unless: () => (child.exitCode === null ? '' : 'it ended') });
    return child;
  };
  const ended = (child) => new Promise((done) => { child.once('exit', done); child.kill('SIGTERM'); });
  const told = (status) => hook.received.filter((r) => JSON.parse(r.body).status === status);

  let server = await start({ folder, port: ports });
  let child = await sender();
  await until('the webhook arrives', () => told('firing').length > 0);
  const first = JSON.parse(told('firing')[0].body);
  assert.equal(first.alerts[0].labels.alertname, 'Up');
  assert.match(first.alerts[0].generatorURL, /\/graph\?g0\.expr=vector/);
  await ended(child);
  await server.kill();
  server = await start({ folder, port: ports });
  child = await sender();
  await until('the alert is sent again', async () => Date.parse((await server.get('/api/v2/alerts'))[0].updatedAt) > Date.now() - 2000);
  await new Promise((done) => setTimeout(done, 2500));
  assert.equal(told('firing').length, 1, 'nobody is told twice');
  writeFileSync(path.join(prometheus, 'rules.yml'), rules(false));
  child.kill('SIGHUP');
  await until('the end is told', () => told('resolved').length === 1);
  await ended(child);
  assert.equal(await server.stop(), 0);
  await hook.close();
});
