// The scripts of tests/data/oncall, which drive the escalations alone in oncall_test, against the whole binary with doubles of the
// services: hours of a moved clock in seconds. Each as it is, and with the process killed (-9) while a service has a page whose answer
// nobody hears: no page is missed, and what is sent twice has the same key. SENTINEL_SLOW_TESTS=1: also killed after every line, and
// one of them at every single write of the state store (twenty minutes), of which otherwise some are tried.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { ScriptRun } from './lib/oncall_script.mjs';
import { ROOT } from './lib/sentinel.mjs';

const FOLDER = path.join(ROOT, 'tests/data/oncall');
/** In this one the script itself says what becomes of a page; here a service does (oncall.test.mjs). */
const ENGINE_ONLY = ['undelivered.test'];
const only = process.env.ONCALL_SCRIPT;
const slow = Boolean(process.env.SENTINEL_SLOW_TESTS);
const read = (file) => readFileSync(path.join(FOLDER, file), 'utf8');

// They wait most of the time.
describe('scripts', { concurrency: 3 }, () => {
  for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.test') && !ENGINE_ONLY.includes(name) && (!only || name === `${only}.test`))) {
    test(`${file}, as it is`, () => new ScriptRun(read(file)).run());
    test(`${file}, killed at each page`, async () => {
      const run = new ScriptRun(read(file), { kill: 'page' });
      await run.run();
      assert.ok(run.kills > 0);
    });
    if (slow) test(`${file}, killed after each line`, () => new ScriptRun(read(file), { kill: 'line' }).run());
  }
  for (let lane = 0; lane < 3; lane++) {
    test(`killed at ${slow ? 'every' : 'a'} write of the state store, ${lane + 1} of 3`, async (t) => {
      const step = slow ? 3 : 180;
      let lives = 0;
      for (let n = slow ? lane + 1 : 17 + lane * 60; ; n += step, lives++) {
        const run = new ScriptRun(read('taken_back.test'), { kill: n });
        await run.run().catch((error) => {
          throw new Error(`killed at write ${n}: ${error.message}`, { cause: error });
        });
        if (run.kills === 0) break; // so many there are not
      }
      t.diagnostic(`${lives} deaths`);
      assert.ok(lives > 0, 'it died at least once');
    });
  }
});
