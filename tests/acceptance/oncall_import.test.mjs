// `sentinel import`: an export of another tool becomes a file that `sentinel check oncall` accepts and a server serves
// from, with the people on call that the tool itself had.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT, Sentinel, folderWith, run, temporaryFolder } from './lib/sentinel.mjs';

const DATA = path.join(ROOT, 'tests/data/oncall/import');
const AT = '2026-03-02T00:00:00Z';
const finals = {
  pagerduty: { folder: 'pagerduty', file: 'schedule-PSCHED1.json', ours: 'primary', shifts: (f) => f.schedule.final_schedule.rendered_schedule_entries.map((e) => [e.start, e.end, e.user.summary]) },
  opsgenie: { folder: 'opsgenie', file: 'timeline-s-ops.json', ours: 'ops-schedule', shifts: (f) => f.data.finalTimeline.rotations[0].periods.map((e) => [e.startDate, e.endDate, e.recipient.name.split('@')[0]]) },
  'grafana-oncall': { folder: 'grafana', file: 'final_shifts-SWEB.json', ours: 'web-rotation', shifts: (f) => f.results.map((e) => [e.shift_start, e.shift_end, e.user_username]) },
};

for (const [tool, of] of Object.entries(finals)) {
  test(`${tool}: export in, the same people on call out`, async (t) => {
    const folder = temporaryFolder();
    const file = path.join(folder, 'oncall.yml');
    const imported = await run(['import', tool, path.join(DATA, of.folder), '--at', AT, '-o', file]);
    assert.equal(imported.code, 0, imported.stderr);
    assert.equal(readFileSync(file, 'utf8'), readFileSync(path.join(DATA, of.folder, 'expected.yml'), 'utf8'));
    // What is lost is said where it is seen, too.
    const notes = readFileSync(file, 'utf8').split('\n').filter((line) => line.startsWith('# - '));
    assert.ok(notes.length > 3);
    for (const note of notes) assert.ok(imported.stderr.includes(note.slice(4)), note);
    const checked = await run(['check', 'oncall', file]);
    assert.equal(checked.code, 0, checked.stderr);

    // Secrets that the file names are not on this machine; they are read when a page is sent.
    writeFileSync(path.join(folder, 'sentinel.yml'), 'oncall: oncall.yml\n');
    const server = await Sentinel.serve({ args: ['--config', path.join(folder, 'sentinel.yml')] });
    t.after(() => server.stop());
    const shifts = of.shifts(JSON.parse(readFileSync(path.join(DATA, of.folder, of.file), 'utf8')));
    for (let day = 0; day < 42; day += 1) {
      const at = new Date(Date.parse(AT) + day * 86400_000 + 11 * 3600_000);
      const theirs = shifts.filter(([start, end]) => Date.parse(start) <= at && at < Date.parse(end)).map((s) => s[2].toLowerCase());
      const answer = await server.get(`/sentinel/v1/oncall?at=${at.toISOString()}`);
      const ours = answer.schedules.find((s) => s.id === of.ours).users.map((u) => u.name.toLowerCase());
      assert.deepEqual(ours.sort(), theirs.sort(), at.toISOString());
    }
  });
}

test('what is no export is refused, with its file; help says what to fetch', async () => {
  const folder = folderWith({ 'users.json': '{"users": [', 'empty.json': '{}' });
  const broken = await run(['import', 'pagerduty', path.join(folder, 'users.json')]);
  assert.equal(broken.code, 2);
  assert.match(broken.stderr, /^sentinel: .*users\.json:1:/);
  assert.equal((await run(['import', 'opsgenie', path.join(folder, 'empty.json')])).code, 2);
  assert.equal((await run(['import', 'opsgenie', path.join(folder, 'none.json')])).code, 3);
  assert.match((await run(['import', 'grafana-oncall', '--help'])).stdout, /on_call_shifts/);
});
