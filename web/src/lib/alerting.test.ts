import { expect, test } from 'vitest';
import { eventWord, matcherText } from './alerting';

test('an event says what happened where that says more than its severity', () => {
  expect(eventWord({ kind: 'fired', alert_type: 'error' })).toBe('error');
  expect(eventWord({ kind: undefined, alert_type: 'info' })).toBe('info');
  for (const kind of ['acknowledged', 'unacknowledged', 'flapping', 'calm'])
    expect(eventWord({ kind, alert_type: 'info' })).toBe(kind);
});

test('matchers are written as amtool writes them', () => {
  const m = (isRegex: boolean, isEqual?: boolean) => matcherText({ name: 'a', value: 'b"c', isRegex, isEqual });
  expect([m(false), m(false, true), m(false, false), m(true, true), m(true, false)]).toEqual([
    'a="b\\"c"',
    'a="b\\"c"',
    'a!="b\\"c"',
    'a=~"b\\"c"',
    'a!~"b\\"c"',
  ]);
});
