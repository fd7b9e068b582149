import { describe, expect, it } from 'vitest';
import {
  ago,
  byUnit,
  bytes,
  change,
  duration,
  milliseconds,
  percent,
  score,
  short,
  signedPercent,
  stopwatch,
  title,
  usd,
  trend,
} from './format';

describe('numbers', () => {
  it.each([
    [0, '0'],
    [0.0123, '0.012'],
    [1, '1'],
    [1.234, '1.23'],
    [12.34, '12.3'],
    [100, '100'],
    [999, '999'],
    [1234, '1.23k'],
    [5_310_000, '5.31M'],
    [-1500, '-1.5k'],
    [0.00001, '1.0e-5'],
  ])('short(%d) is %s', (value, text) => {
    expect(short(value)).toBe(text);
  });
  it.each([null, undefined, NaN, Infinity])('says – for %s', (value) => {
    for (const write of [short, percent, milliseconds, duration, usd, bytes, score]) expect(write(value)).toBe('–');
    expect(byUnit(value, 'rps')).toBe('–');
  });
  it.each([
    [0, '0%'],
    [0.0031, '0.31%'],
    [0.031, '3.1%'],
    [0.38, '38%'],
    [-1.1, '-110%'],
  ])('percent(%d) is %s', (value, text) => expect(percent(value)).toBe(text));
  it.each([
    [0.25, '0.25 ms'],
    [455, '455 ms'],
    [1312, '1.31 s'],
    [30_000, '30 s'],
    [90_000, '1m 30s'],
  ])('milliseconds(%d) is %s', (value, text) => expect(milliseconds(value)).toBe(text));
  it.each([
    [0, '$0'],
    [0.000_26, '$0.00026'],
    [0.626, '$0.63'],
    [2.5, '$2.50'],
    [12_345, '$12.3k'],
  ])('usd(%d) is %s', (value, text) => expect(usd(value)).toBe(text));
  it.each([
    [512, '512 B'],
    [1536, '1.5 KiB'],
    [5 * 1024 ** 3, '5 GiB'],
  ])('bytes(%d) is %s', (value, text) => expect(bytes(value)).toBe(text));
});

describe('times', () => {
  it.each([
    [0, '0s'],
    [0.4, '<1s'],
    [59.9, '59s'],
    [61, '1m 1s'],
    [3600, '1h'],
    [3661, '1h 1m'],
    [90_061, '1d 1h'],
    [-5, '0s'],
  ])('duration(%d) is %s', (value, text) => expect(duration(value)).toBe(text));
  it.each([
    [5, '00:05'],
    [245, '04:05'],
    [3845, '1:04:05'],
    [-1, '00:00'],
  ])('stopwatch(%d) is %s', (value, text) => expect(stopwatch(value)).toBe(text));
  it.each([
    [0, 'just now'],
    [12_000, '12s ago'],
    [200_000, '3m ago'],
    [7_300_000, '2h ago'],
    [200_000_000, '2d ago'],
    [-3000, 'just now'],
  ])('%d ms before is %s', (back, text) => expect(ago(1e12 - back, 1e12)).toBe(text));
});

describe('changes', () => {
  it('says nothing against nothing', () => {
    expect(change(1, 0)).toBeNull();
    expect(change(null, 1)).toBeNull();
    expect(change(3, 2)).toBe(0.5);
  });
  it.each([
    [0.11, '+11%'],
    [-0.25, '−25%'],
    [0.031, '+3.1%'],
    [14, '15×'],
  ])('signedPercent(%d) is %s', (value, text) => expect(signedPercent(value)).toBe(text));
  it('makes titles', () => expect(title('quality-drop_phase')).toBe('Quality drop phase'));
});

describe('trend', () => {
  it.each([
    [1, null, { kind: 'unknown' }],
    [null, 1, { kind: 'unknown' }],
    [3, 0, { kind: 'unknown' }],
    [0, 0, { kind: 'steady' }],
    [101, 100, { kind: 'steady' }],
    [150, 100, { kind: 'changed', ratio: 0.5 }],
  ])('of %s after %s', (now, before, wanted) => {
    expect(trend(now, before)).toEqual(wanted);
  });
});
