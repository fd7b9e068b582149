// A wall clock that a test moves while the server runs under it. It flows on from where it was put; the time that passes evenly
// (CLOCK_MONOTONIC: time limits of the network) stays the machine's. Debian's libfaketime does it, for the whole process.
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { temporaryFolder } from './sentinel.mjs';

const library = () => {
  for (const folder of readdirSync('/usr/lib')) {
    const found = `/usr/lib/${folder}/faketime/libfaketimeMT.so.1`;
    if (existsSync(found)) return found;
  }
  throw new Error('libfaketime is missing: apt-get install faketime');
};

export class MovedClock {
  #file = path.join(temporaryFolder(), 'offset');
  #offset = 0;
  /** For the server's process. */
  env = {
    LD_PRELOAD: library(),
    FAKETIME_TIMESTAMP_FILE: this.#file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    DONT_FAKE_MONOTONIC: '1',
    NO_FAKE_STAT: '1',
  };

  /** `start`: milliseconds since 1970. */
  constructor(start = Date.now()) {
    this.moveTo(start);
  }
  now = () => Date.now() + this.#offset;
  moveTo(instant) {
    this.forward(instant - this.now());
  }
  /** Also back, by less than nothing. */
  forward(ms) {
    this.#offset += ms;
    const sign = this.#offset < 0 ? '-' : '+';
    writeFileSync(`${this.#file}.new`, `${sign}${(Math.abs(this.#offset) / 1000).toFixed(3)}\n`);
    renameSync(`${this.#file}.new`, this.#file); // whoever reads it sees the old or the new one
  }
}
