// A step of a runbook that runs a program in the sandbox: shown, run, agreed to by somebody else, taken back, lost in a
// crash; an alert that starts one; who did what.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch } from './lib/browser.mjs';
import { Sentinel, folderWith, freePorts, run, until } from './lib/sentinel.mjs';

const TOKENS = { ada: 'token-of-ada', lead: 'token-of-the-lead', eve: 'token-of-eve' };
const hash = (text) => createHash('sha256').update(text).digest('hex');

const CONFIG = `
data_dir: data
log: {level: info}
auth:
  tokens:
    - {user: ada, sha256: ${hash(TOKENS.ada)}, roles: [responder]}
    - {user: grace, sha256: ${hash(TOKENS.lead)}, roles: [responder, lead]}
    - {user: eve, sha256: ${hash(TOKENS.eve)}, roles: [viewer]}
runbooks: runbooks
automation: {enabled: true, file: automations.yml}
`;
const RUNBOOK = `
id: broken-shop
title: The shop is broken
alert_rule_id: ShopDown
steps:
  - {step_id: look, description: Look, automation_script: look}
  - {step_id: mend, description: Mend it, automation_script: mend}
  - {step_id: wait, description: Wait, automation_script: sleep}
  - {step_id: hand, description: By hand}
`;
const automations = (folder) => `
automations:
- id: look
  description: Says what it was given
  argv: [/bin/sh, -c, 'echo service=$SENTINEL_PARAM_SERVICE incident=$SENTINEL_INCIDENT; cat <&$KEY_FD; cat ${folder}/secret 2>&1; exit 0']
  parameters: {service: {pattern: '[a-z]+', from_label: service}}
  secrets: {KEY: ${folder}/secret}
- id: mend
  argv: [/bin/sh, -c, 'echo mended > ${folder}/shared/state']
  limits: {write: ['${folder}/shared']}
  approval: {role: lead, within: 10m}
  rollback: unmend
- {id: unmend, argv: [/bin/sh, -c, 'echo broken > ${folder}/shared/state'], limits: {write: ['${folder}/shared']}}
- {id: sleep, argv: [/bin/sleep, '60']}
- id: note
  argv: [/bin/sh, -c, 'echo started by the alert']
  triggers: [{match: {alertname: ShopDown, severity: critical}}]
`;

// Some containers let nobody make namespaces: then nothing is executed, and there is nothing to see here.
const bwrap = spawnSync('bwrap', ['--unshare-all', '--ro-bind', '/', '/', '--proc', '/proc', 'true']);

describe('automations', { skip: bwrap.status !== 0 && `no sandbox: ${bwrap.stderr}` }, () => {
  let folder, port, server, incident;
  const as = (who) => ({ authorization: `Bearer ${TOKENS[who]}` });
  const ask = (who, method, where, body) => server.request(method, where, body, as(who));
  const cli = (who, ...args) => run(args, { env: { SENTINEL_URL: server.url, SENTINEL_TOKEN: TOKENS[who] } });
  const start = async () => {
    server = new Sentinel(['serve', '--config', `${folder}/sentinel.yml`, '--listen', `127.0.0.1:${port}`, '--data-dir', `${folder}/data`], `http://127.0.0.1:${port}`);
    return server.ready();
  };
  const timeline = async () => (await ask('ada', 'GET', `/sentinel/v1/incidents/${incident}`)).json.timeline.map((e) => e.text);
  const step = async (id) => (await ask('ada', 'GET', `/sentinel/v1/incidents/${incident}`)).json.runbook.steps.find((s) => s.step_id === id);

  before(async () => {
    folder = folderWith({ 'sentinel.yml': CONFIG, secret: 'very-secret-value' });
    mkdirSync(path.join(folder, 'runbooks'));
    mkdirSync(path.join(folder, 'shared'));
    chmodSync(folder, 0o755);
    chmodSync(path.join(folder, 'shared'), 0o777);
    writeFileSync(path.join(folder, 'runbooks/shop.yml'), RUNBOOK);
    writeFileSync(path.join(folder, 'automations.yml'), automations(folder));
    port = await freePorts();
    await start();
    const sent = await ask('ada', 'POST', '/api/v2/alerts', [{ labels: { alertname: 'ShopDown', severity: 'critical', service: 'shop' }, annotations: { summary: 'The shop is down' } }]);
    assert.equal(sent.status, 200);
    incident = await until('the incident opens', async () => (await ask('ada', 'GET', '/sentinel/v1/incidents')).json.items[0]?.name);
  });
  after(() => server.kill());

  test('the alert itself starts what its trigger says, once', async () => {
    const [one, ...more] = await until('it has run', async () => {
      const { items } = (await ask('ada', 'GET', `/sentinel/v1/executions?incident=${incident}`)).json;
      return items.length && items.every((e) => e.state === 'succeeded') && items;
    });
    assert.deepEqual([more.length, one.automation, one.requested_by, one.requested_source, one.output], [0, 'note', 'ShopDown', 'rule', 'started by the alert\n']);
  });

  test('a step is shown, then run; its secret and the host stay unseen; the step is ticked', async () => {
    const shown = await cli('ada', 'runbook', 'run', incident, 'look', '--dry-run');
    assert.equal(shown.code, 0, shown.stderr);
    assert.match(shown.stdout, /argv: "\/bin\/sh"/);
    assert.equal((await step('look')).state, 'todo');
    const done = await cli('ada', 'runbook', 'run', incident, 'look', '--wait');
    assert.equal(done.code, 0, done.stdout + done.stderr);
    assert.match(done.stdout, /succeeded\nservice=shop incident=\w+\n\[KEY\]cat: .*No such file/);
    assert.doesNotMatch(done.stdout, /very-secret/);
    const ticked = await step('look');
    assert.deepEqual([ticked.state, ticked.actor], ['done', 'ada']);
    assert.ok((await timeline()).some((t) => /^automation look succeeded after /.test(t)));
  });

  test('what wants approval waits for somebody else with the role', async () => {
    const asked = (await ask('ada', 'POST', '/sentinel/v1/executions', { incident, step: 'mend', automation: 'mend', actor: 'grace' })).json;
    assert.deepEqual([asked.state, asked.requested_by, asked.approval_role], ['awaiting_approval', 'ada', 'lead']);
    assert.equal((await ask('ada', 'POST', `/sentinel/v1/executions/${asked.id}/approve`, {})).status, 403);
    assert.equal((await ask('eve', 'POST', `/sentinel/v1/executions/${asked.id}/approve`, {})).status, 403);
    const twice = await ask('lead', 'POST', '/sentinel/v1/executions', { incident, step: 'mend', automation: 'mend' });
    assert.equal(twice.status, 409);
    assert.match(twice.json.detail, /asked for by ada/);
    assert.ok(!existsSync(path.join(folder, 'shared/state')));
    const agreed = await cli('lead', 'runbook', 'approve', asked.id);
    assert.equal(agreed.code, 0, agreed.stderr);
    const done = (await ask('eve', 'GET', `/sentinel/v1/executions/${asked.id}?wait=20s`)).json;
    assert.deepEqual([done.state, done.approved_by], ['succeeded', 'grace']);
    assert.equal(readFileSync(path.join(folder, 'shared/state'), 'utf8'), 'mended\n');
    const back = (await ask('ada', 'POST', `/sentinel/v1/executions/${asked.id}/rollback`, {})).json;
    assert.equal((await ask('ada', 'GET', `/sentinel/v1/executions/${back.id}?wait=20s`)).json.state, 'succeeded');
    assert.equal(readFileSync(path.join(folder, 'shared/state'), 'utf8'), 'broken\n');
  });

  test('whoever may only look changes nothing; a wrong parameter and a step by hand are refused', async () => {
    assert.equal((await ask('eve', 'POST', '/sentinel/v1/executions', { incident, automation: 'look' })).status, 403);
    assert.equal((await ask('eve', 'POST', `/sentinel/v1/incidents/${incident}/acknowledge`, {})).status, 403);
    assert.equal((await ask('eve', 'POST', '/api/v1/query?query=1', '')).status, 200);
    const wrong = await cli('ada', 'runbook', 'run', incident, 'look', '--param', 'service=$(reboot)');
    assert.deepEqual([wrong.code, /does not match/.test(wrong.stderr)], [2, true]);
    assert.match((await cli('ada', 'runbook', 'run', incident, 'hand')).stderr, /done by hand/);
    assert.equal((await ask('ada', 'POST', '/sentinel/v1/executions', { incident, automation: 'rm' })).status, 404);
  });

  test('on the page a step says what it wants to know, and a wrong value is refused with its pattern', async () => {
    const browser = await launch();
    try {
      const page = await browser.newPage();
      page.setDefaultTimeout(20_000);
      await page.addInitScript((token) => sessionStorage.setItem('sentinel.key', token), TOKENS.ada);
      await page.goto(`${server.url}/#/incidents/${incident}`);
      await page.locator('button.head', { hasText: 'Look' }).click(); // it is done, and so closed
      const look = page.locator('.automation', { hasText: 'look' });
      const service = look.getByLabel('service');
      assert.equal(await service.getAttribute('placeholder'), "the alert's service");
      await service.fill('$(reboot)');
      await look.getByRole('button', { name: 'Run' }).click();
      await page.getByText(/does not match/).first().waitFor();
      await service.fill('search');
      await look.getByRole('button', { name: 'Run' }).click();
      await look.getByText('service=search').waitFor();
    } finally {
      await browser.close();
    }
  });

  test('a kill in the middle leaves it lost, not running; the step has failed; nothing of it lives on', async () => {
    const asked = (await ask('ada', 'POST', '/sentinel/v1/executions', { incident, step: 'wait', automation: 'sleep' })).json;
    assert.equal(asked.state, 'running');
    await server.kill();
    await start();
    const lost = (await ask('ada', 'GET', `/sentinel/v1/executions/${asked.id}`)).json;
    assert.equal(lost.state, 'lost');
    assert.equal((await step('wait')).state, 'failed');
    const again = (await ask('ada', 'POST', '/sentinel/v1/executions', { incident, step: 'wait', automation: 'sleep' })).json;
    const cancelled = await cli('lead', 'runbook', 'cancel', again.id);
    assert.equal(cancelled.code, 0, cancelled.stderr);
    const ended = (await ask('ada', 'GET', `/sentinel/v1/executions/${again.id}?wait=20s`)).json;
    assert.deepEqual([ended.state, ended.reason], ['cancelled', 'cancelled by grace']);
  });

  test('who did what can be read, and that nothing was changed', async () => {
    const lines = await cli('ada', 'runbook', 'audit');
    assert.equal(lines.code, 0, lines.stderr);
    assert.match(lines.stdout, /requested +ada[\s\S]*approved +grace[\s\S]*lost +sentinel/);
    const past = await cli('eve', 'runbook', 'history', '--incident', incident);
    assert.match(past.stdout, /unmend/);
    assert.match((await cli('eve', 'runbook', 'automations')).stdout, /mend .* lead +unmend/);
  });
});
