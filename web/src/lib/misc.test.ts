import { describe, expect, it } from 'vitest';
import { acknowledgeSeconds, byUrgency, resolveSeconds, timelineLook } from './incident';
import { parseHash, toHash } from './route';
import { csv } from './sql';
import { describe as words, stack, valueAt } from './stack';
import type { Incident } from './types';

describe('addresses', () => {
  it('splits page, id and parameters', () => {
    const route = parseHash('#/incidents/INC%2D17%2Fx?range=1h&q=a%20b');
    expect([route.page, route.id, route.params.get('range'), route.params.get('q')]).toEqual([
      'incidents',
      'INC-17/x',
      '1h',
      'a b',
    ]);
    expect(parseHash('').page).toBe('overview');
    expect(parseHash('#/calls/%').id).toBe('%');
  });
  it('leaves empty parameters out', () =>
    expect(toHash('calls', 'a/b', { q: '', from: '1', to: undefined })).toBe('#/calls/a%2Fb?from=1'));
});

describe('stacking', () => {
  it('adds from the bottom and keeps gaps that all have', () => {
    expect(
      stack([
        [1, null, 2],
        [1, null, null],
      ]),
    ).toEqual([
      [1, null, 2],
      [2, null, 2],
    ]);
  });
  it('reads the value under the pointer, or the last known', () => {
    expect(valueAt([1, 2, null], null)).toBe(2);
    expect(valueAt([1, 2, null], 2)).toBeNull();
    expect(valueAt([], null)).toBeNull();
  });
  it('says a chart in words', () => {
    expect(words('Errors', 'percent', [0, 10], [{ label: 'errors', values: [0.02, 0.05] }])).toContain(
      'errors: now 5.0%, lowest 2.0%, highest 5.0%',
    );
    expect(words('Errors', 'percent', [0], [{ label: 'errors', values: [null] }])).toBe(
      'Errors: no data in this range.',
    );
  });
});

describe('incidents', () => {
  const base = {
    status: 'open',
    severity: 'SEV2',
    created_at: '2026-11-21T02:00:02Z',
    detected_at: '2026-11-21T02:00:00Z',
    acknowledged_at: null,
    resolved_at: null,
    time_to_acknowledge_s: null,
    time_to_resolve_s: null,
  } as unknown as Incident;
  const now = Date.parse('2026-11-21T02:01:00Z');
  it('runs the clocks until someone acts', () => {
    expect(acknowledgeSeconds(base, now)).toEqual({ seconds: 58, running: true });
    expect(acknowledgeSeconds({ ...base, time_to_acknowledge_s: 12 }, now)).toEqual({ seconds: 12, running: false });
    expect(acknowledgeSeconds({ ...base, resolved_at: '2026-11-21T02:00:30Z' }, now)).toBeNull();
    expect(resolveSeconds(base, now).running).toBe(true);
  });
  it('puts the worst first, then the newest', () => {
    const list = [base, { ...base, severity: 'SEV1' as const }, { ...base, created_at: '2026-11-21T03:00:00Z' }];
    expect([...list].sort(byUrgency)).toEqual([list[1], list[2], list[0]]);
  });
  it.each([
    ['acknowledged', 'hand'],
    ['alert_firing', 'bell'],
    ['alert_ended', 'check'],
    ['status_changed', 'status'],
    ['runbook_step', 'book'],
    ['never heard of', 'dot'],
  ])('%s has the icon %s', (kind, icon) => {
    expect(timelineLook({ kind } as never).icon).toBe(icon);
  });
});

describe('csv', () => {
  it('quotes, and disarms formulas', () => {
    expect(
      csv({
        columns: [
          { name: 'a', type: '' },
          { name: 'b,c', type: '' },
        ],
        rows: [
          ['=1+1', -2],
          ['x "y"\n', null],
        ],
        truncated: false,
        elapsed_ms: 0,
      }),
    ).toBe('a,"b,c"\r\n\'=1+1,-2\r\n"x ""y""\n",\r\n');
  });
});
