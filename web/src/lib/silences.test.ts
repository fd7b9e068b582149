import { describe, expect, test } from 'vitest';
import { alertFlags, asksForGroups, exactly, isShown, newSilenceParams, safeUrl, silencePlace } from './alert_links';
import { hasPage, homeOf, modeOf } from './mode';
import { parseHash, toHash } from './route';
import {
  extendBody,
  intervalText,
  mutedCounts,
  recurringBody,
  scheduleIntervals,
  silenceBody,
  silenceMatches,
  silenceText,
  type Draft,
  type Silence,
} from './silences';

const silence = (over: Partial<Silence> = {}): Silence => ({
  id: '0d5c1b0e-52a3-4a25-9b19-6e3f0b6f7c11',
  status: { state: 'active' },
  updatedAt: '2026-11-21T10:00:00.000Z',
  comment: 'Provider maintenance',
  createdBy: 'ada',
  startsAt: '2026-11-21T10:00:00.000Z',
  endsAt: '2026-11-21T12:00:00.000Z',
  matchers: [
    { name: 'service', value: 'shop', isRegex: false, isEqual: true },
    { name: 'host', value: 'web-.*', isRegex: true, isEqual: false },
  ],
  ...over,
});

describe('links of notifications', () => {
  const params = (hash: string) => parseHash(hash).params;
  test('receiver and filter lead to the list by groups, plain addresses do not', () => {
    expect(asksForGroups(params('#/alerts?receiver=team-x'))).toBe(true);
    expect(asksForGroups(params('#/alerts?filter=%7Ba%3D%22b%22%7D&silenced=true'))).toBe(true);
    expect(asksForGroups(params('#/alerts'))).toBe(false);
    expect(asksForGroups(params('#/alerts?state=firing&q=x&range=1h'))).toBe(false);
  });
  test('an address without a screen is the first one of the server', () => {
    expect(parseHash('', homeOf('alertmanager')).page).toBe('alerts');
    expect(parseHash('#/', homeOf('serve')).page).toBe('overview');
    expect([modeOf('alertmanager'), modeOf('serve'), modeOf(null)]).toEqual(['alertmanager', 'serve', 'serve']);
    expect([hasPage('rules', 'alertmanager'), hasPage('status', 'alertmanager'), hasPage('rules', 'serve')]).toEqual([
      false,
      true,
      true,
    ]);
  });
  test('what is suppressed is hidden unless the address asks for it', () => {
    expect(alertFlags(params('#/alerts'))).toEqual({ active: true, silenced: false, inhibited: false, muted: false });
    expect(alertFlags(params('#/alerts?silenced=true&inhibited=false&muted=true&active=false'))).toEqual({
      active: false,
      silenced: true,
      inhibited: false,
      muted: true,
    });
    const status = (silencedBy: string[], inhibitedBy: string[] = [], mutedBy: string[] | null = null) => ({
      state: 'active' as const,
      silencedBy,
      inhibitedBy,
      mutedBy,
    });
    const flags = alertFlags(params('#/alerts?silenced=true'));
    expect(isShown(status([]), flags)).toBe(true);
    expect(isShown(status(['x']), flags)).toBe(true);
    expect(isShown(status(['x'], ['y']), flags)).toBe(false);
    expect(isShown(status([], [], ['z']), flags)).toBe(false);
    expect(isShown(status([]), { ...flags, active: false })).toBe(false);
  });
  test('silences: the list, a new one, one, its editor', () => {
    const place = (hash: string) => silencePlace(parseHash(hash).id);
    expect(place('#/silences?filter=%7B%7D')).toEqual({ kind: 'list' });
    expect(place('#/silences/new?filter=%7B%7D')).toEqual({ kind: 'new' });
    expect(place('#/silences/17')).toEqual({ kind: 'one', id: '17' });
    expect(place('#/silences/17/edit')).toEqual({ kind: 'edit', id: '17' });
    expect(place(toHash('silences', '17/edit'))).toEqual({ kind: 'edit', id: '17' });
  });
  test('labels travel to the form as they are', () => {
    const labels = { alertname: 'X', path: '/a?b=c&d', note: 'say "hi" + 1' };
    const hash = toHash('silences', 'new', newSilenceParams(labels));
    expect(parseHash(hash).params.get('filter')).toBe('{alertname="X",path="/a?b=c&d",note="say \\"hi\\" + 1"}');
  });
  test('the name of a receiver is quoted as notifications quote it', () =>
    expect(exactly('team.x (a+b)')).toBe('team\\.x \\(a\\+b\\)'));
  test('only addresses of the web are links', () => {
    expect(safeUrl('https://x.test/a?b')).toBe('https://x.test/a?b');
    for (const text of ['javascript:alert(1)', '/relative', 'see https://x.test', 'http://'])
      expect(safeUrl(text)).toBeNull();
  });
});

describe('which silences a search means', () => {
  test.each([
    ['', true],
    ['{service="shop"}', true],
    ['host!~"web-.*", service="shop"', true],
    ['{service="sho"}', false],
    ['{service!="shop"}', false],
    ['shop ada', true],
    ['MAINTENANCE', true],
    ['0d5c1b0e', true],
    ['bob', false],
    ['service=', true],
  ])('%s', (text, is) => expect(silenceMatches(silence(), text)).toBe(is));
  test('all matchers must be in one set', () => {
    const sets = silence({
      matcherSets: [[{ name: 'a', value: '1', isRegex: false }], [{ name: 'b', value: '2', isRegex: false }]],
    });
    expect(silenceText(sets)).toBe('a="1" or b="2"');
    expect(silenceMatches(sets, 'b="2"')).toBe(true);
    expect(silenceMatches(sets, '{a="1",b="2"}')).toBe(false);
  });
});

test('how many alerts each mutes', () => {
  const counts = mutedCounts([
    { status: { silencedBy: ['a', 'b'] } },
    { status: { silencedBy: [] } },
    { status: { silencedBy: ['a'] } },
  ]);
  expect([...counts]).toEqual([
    ['a', 2],
    ['b', 1],
  ]);
});

const draft = (over: Partial<Draft> = {}): Draft => ({
  id: '',
  sets: [[{ name: ' a ', op: '=~', value: 'b' }]],
  startMs: null,
  endMs: Date.parse('2026-11-21T12:00:00Z'),
  author: ' ada ',
  comment: ' because ',
  untilResolved: '',
  annotations: {},
  ...over,
});

describe('bodies', () => {
  const now = Date.parse('2026-11-21T10:00:00Z');
  test('a new silence starts now', () => {
    expect(silenceBody(draft(), now)).toEqual({
      matchers: [{ name: 'a', value: 'b', isRegex: true, isEqual: true }],
      startsAt: '2026-11-21T10:00:00.000Z',
      endsAt: '2026-11-21T12:00:00.000Z',
      createdBy: 'ada',
      comment: 'because',
    });
  });
  test('an edited one keeps its id and what else it had', () => {
    const body = silenceBody(
      draft({
        id: 'x',
        startMs: now - 1,
        untilResolved: '5m',
        annotations: { remind_before: '1h', until_resolved: '9m' },
      }),
      now,
    );
    expect(body).toMatchObject({
      id: 'x',
      startsAt: '2026-11-21T09:59:59.999Z',
      annotations: { remind_before: '1h', until_resolved: '5m' },
    });
    expect(silenceBody(draft({ annotations: { until_resolved: '9m' } }), now)).not.toHaveProperty('annotations');
  });
  test('several sets', () => {
    const set = (name: string) => [{ name, op: '=' as const, value: '1' }];
    const m = (name: string) => [{ name, value: '1', isRegex: false, isEqual: true }];
    expect(silenceBody(draft({ sets: [set('a'), set('b')] }), now)).toMatchObject({
      matchers: m('a'),
      matcherSets: [m('a'), m('b')],
    });
  });
  test('extending changes the end only', () => {
    const before = silence({ annotations: { until_resolved: '5m' } });
    const { status: _s, updatedAt: _u, ...rest } = before;
    expect(extendBody(before, Date.parse('2026-11-21T13:00:00Z'))).toEqual({
      ...rest,
      endsAt: '2026-11-21T13:00:00.000Z',
    });
  });
  test('one that comes again', () => {
    const intervals = [{ weekdays: ['monday'], times: [{ start_time: '01:00', end_time: '02:00' }] }];
    expect(recurringBody(draft({ untilResolved: '5m' }), intervals, now)).toEqual({
      matchers: [{ name: 'a', value: 'b', isRegex: true, isEqual: true }],
      time_intervals: intervals,
      comment: 'because',
      actor: 'ada',
      ends_at: '2026-11-21T10:00:00.000Z',
      annotations: { until_resolved: '5m' },
    });
  });
});

describe('schedules', () => {
  test.each([
    [
      { days: [5, 1], from: '09:00', to: '17:00', zone: 'Europe/Berlin' },
      [
        {
          weekdays: ['monday', 'friday'],
          times: [{ start_time: '09:00', end_time: '17:00' }],
          location: 'Europe/Berlin',
        },
      ],
    ],
    [{ days: [], from: '09:00', to: '17:00', zone: '' }, [{ times: [{ start_time: '09:00', end_time: '17:00' }] }]],
    [
      { days: [6], from: '22:00', to: '06:00', zone: '' },
      [
        { weekdays: ['saturday'], times: [{ start_time: '22:00', end_time: '24:00' }] },
        { weekdays: ['sunday'], times: [{ start_time: '00:00', end_time: '06:00' }] },
      ],
    ],
    [
      { days: [3], from: '22:00', to: '00:00', zone: '' },
      [{ weekdays: ['wednesday'], times: [{ start_time: '22:00', end_time: '24:00' }] }],
    ],
    [
      { days: [1], from: '00:00', to: '00:00', zone: '' },
      [{ weekdays: ['monday'], times: [{ start_time: '00:00', end_time: '24:00' }] }],
    ],
  ])('%j', (schedule, intervals) => expect(scheduleIntervals(schedule)).toEqual(intervals));
  test('in words', () => {
    expect(
      intervalText({
        weekdays: ['monday:friday'],
        times: [{ start_time: '22:00', end_time: '24:00' }],
        location: 'Europe/Berlin',
      }),
    ).toBe('monday:friday 22:00–24:00 Europe/Berlin');
    expect(intervalText({ days_of_month: ['1:7'], months: ['january'] })).toBe('days 1:7 january all day UTC');
  });
});
