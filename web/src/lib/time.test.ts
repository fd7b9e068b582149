import { describe, expect, it } from 'vitest';
import {
  RANGE_MS_MIN,
  DEFAULT_RANGE,
  durationText,
  fittingRange,
  grid,
  parseDuration,
  parseInstant,
  rangeFromParams,
  rangeToParams,
  rateWindow,
  resolve,
  shift,
  stepSeconds,
  zoomOut,
  type Range,
} from './time';

const NOW = 1_763_692_800_000;

describe('durations', () => {
  it.each([
    ['90s', 90],
    ['15m', 900],
    ['1h30m', 5400],
    ['7d', 604_800],
    ['1w', 604_800],
  ])('reads %s', (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });
  it.each(['', '5', 'm', '-5m', '5 m', '1.5h', '5y', '0s'])('refuses %j', (text) =>
    expect(parseDuration(text)).toBeNull(),
  );
  it.each([
    [45, '45s'],
    [900, '15m'],
    [5400, '90m'],
    [3600, '1h'],
    [604_800, '7d'],
  ])('writes %d as %s', (seconds, text) => {
    expect(durationText(seconds)).toBe(text);
  });
});

describe('ranges in the address', () => {
  const cases: [string, Range | null][] = [
    ['range=1h', { kind: 'relative', seconds: 3600 }],
    ['from=1000&to=61000', { kind: 'absolute', fromMs: 1000, toMs: 61_000 }],
    [
      'from=2026-11-21T02:00:00Z&to=2026-11-21T03:00:00Z',
      { kind: 'absolute', fromMs: Date.UTC(2026, 10, 21, 2), toMs: Date.UTC(2026, 10, 21, 3) },
    ],
    ['', null],
    ['range=soon', null],
    ['from=5000&to=1000', null],
    ['from=1000', null],
    ['from=1&to=99999999999999', null],
  ];
  it.each(cases)('%s', (query, range) => expect(rangeFromParams(new URLSearchParams(query))).toEqual(range));
  it('comes back as it was written', () => {
    for (const range of [
      { kind: 'relative', seconds: 21_600 },
      { kind: 'absolute', fromMs: NOW, toMs: NOW + 5000 },
    ] as Range[]) {
      expect(rangeFromParams(new URLSearchParams(rangeToParams(range)))).toEqual(range);
    }
  });
  it('reads instants only', () => {
    expect(parseInstant('yesterday')).toBeNull();
    expect(parseInstant('0')).toBeNull();
  });
});

describe('the grid of a query', () => {
  it.each([
    [300, 2],
    [900, 5],
    [3600, 30],
    [86_400, 600],
    [604_800, 3600],
  ])('%d s have a step of %d s', (seconds, step) => {
    expect(stepSeconds(resolve({ kind: 'relative', seconds }, NOW))).toBe(step);
  });
  it('is aligned, so that a refresh within a step asks the same', () => {
    const range: Range = { kind: 'relative', seconds: 3600 };
    const a = grid(resolve(range, NOW));
    expect(grid(resolve(range, NOW + 9_000))).toEqual(a);
    expect(a.start % a.step).toBe(0);
    expect(a.end % a.step).toBe(0);
  });
  it('never is empty', () => {
    const g = grid({ fromMs: NOW, toMs: NOW + RANGE_MS_MIN });
    expect(g.end).toBeGreaterThan(g.start);
  });
  it('asks rate() for four steps and at least half a minute', () => {
    expect(rateWindow(2)).toBe('30s');
    expect(rateWindow(30)).toBe('2m');
  });
});

describe('moving a window', () => {
  const window = { fromMs: NOW - 600_000, toMs: NOW - 300_000 };
  it('doubles it, and stops at now', () => {
    const wide = zoomOut(window, NOW);
    expect(wide).toEqual({ kind: 'absolute', fromMs: NOW - 750_000, toMs: NOW - 150_000 });
    expect(zoomOut({ fromMs: NOW - 100_000, toMs: NOW }, NOW)).toEqual({
      kind: 'absolute',
      fromMs: NOW - 200_000,
      toMs: NOW,
    });
  });
  it('moves by half its length, never past now', () => {
    expect(shift(window, -1, NOW)).toEqual({ kind: 'absolute', fromMs: NOW - 750_000, toMs: NOW - 450_000 });
    expect(shift({ fromMs: NOW - 100_000, toMs: NOW - 10_000 }, 1, NOW)).toEqual({
      kind: 'absolute',
      fromMs: NOW - 90_000,
      toMs: NOW,
    });
  });
});

describe('the range nobody chose', () => {
  it.each([
    ['a demo of half a minute', 30_000, 60],
    ['just one minute', 60_000, 60],
    ['two minutes', 120_000, 300],
    ['just five minutes', 300_000, 300],
    ['a little more', 301_000, 900],
    ['a day of calls', 86_400_000, 900],
    ['a clock behind the server', -2_000, 60],
  ])('holds %s', (_name, ageMs, seconds) => {
    expect(fittingRange(NOW - ageMs, NOW)).toEqual({ kind: 'relative', seconds });
  });
  it('is the usual one where there are no calls', () => {
    expect(fittingRange(null, NOW)).toEqual(DEFAULT_RANGE);
    expect(fittingRange(NaN, NOW)).toEqual(DEFAULT_RANGE);
  });
});
