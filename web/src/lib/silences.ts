// Silences: what they are called, which are shown, and the bodies that make them.
import { rowText, parseMatchers, toMatcher, toRow, type Matcher, type Row } from './matchers';
import type { Labels } from './types';

export type SilenceState = 'active' | 'pending' | 'expired';
export const STATES: SilenceState[] = ['active', 'pending', 'expired'];
export const UNTIL_RESOLVED = 'until_resolved';
export const RECURRING = 'recurring_silence';

export interface Silence {
  id: string;
  status: { state: SilenceState };
  updatedAt: string;
  comment: string;
  createdBy: string;
  startsAt: string;
  endsAt: string;
  matchers: Matcher[];
  /** All sets, the first among them, where there is more than one. */
  matcherSets?: Matcher[][] | null;
  annotations?: Labels | null;
}

export const DURATIONS: [text: string, seconds: number][] = [
  ['15m', 900],
  ['1h', 3600],
  ['2h', 7200],
  ['4h', 14400],
  ['8h', 28800],
  ['1d', 86400],
  ['3d', 259200],
  ['1w', 604800],
];

export const rowSets = (of: Pick<Silence, 'matchers' | 'matcherSets'>): Row[][] =>
  (of.matcherSets?.length ? of.matcherSets : [of.matchers]).map((set) => set.map(toRow));

export const setText = (rows: Row[]): string => rows.map(rowText).join(', ');
export const silenceText = (of: Pick<Silence, 'matchers' | 'matcherSets'>): string =>
  rowSets(of).map(setText).join(' or ');

/** How many alerts each silence mutes now, from the alerts as API v2 gives them. */
export function mutedCounts(alerts: { status: { silencedBy: string[] } }[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const alert of alerts) for (const id of alert.status.silencedBy) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

/**
 * Whether a search means this silence: matchers mean those that have these very matchers, as Alertmanager's filter does;
 * any other text is looked for in matchers, author, comment and id.
 */
export function silenceMatches(silence: Silence, search: string): boolean {
  const text = search.trim();
  if (!text) return true;
  const wanted = parseMatchers(text);
  if (wanted.rows?.length) {
    const texts = rowSets(silence).map((set) => set.map(rowText));
    const has = wanted.rows.map(rowText);
    if (texts.some((set) => has.every((one) => set.includes(one)))) return true;
  }
  const all = `${silenceText(silence)} ${silence.createdBy} ${silence.comment} ${silence.id}`.toLowerCase();
  return text
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}

export interface Draft {
  id: string;
  sets: Row[][];
  /** null: at once. */
  startMs: number | null;
  endMs: number;
  author: string;
  comment: string;
  /** For how long nothing may have fired until it ends by itself; empty: it stays until its end. */
  untilResolved: string;
  annotations: Labels;
}

function matcherFields(sets: Row[][]): { matchers: Matcher[]; matcherSets?: Matcher[][] } {
  const [first = [], ...more] = sets.map((set) => set.map(toMatcher));
  return { matchers: first, ...(more.length ? { matcherSets: [first, ...more] } : {}) };
}

/** Of POST /api/v2/silences. */
export function silenceBody(draft: Draft, nowMs: number): Record<string, unknown> {
  const annotations = { ...draft.annotations };
  delete annotations[UNTIL_RESOLVED];
  if (draft.untilResolved) annotations[UNTIL_RESOLVED] = draft.untilResolved;
  return {
    ...(draft.id ? { id: draft.id } : {}),
    ...matcherFields(draft.sets),
    startsAt: new Date(draft.startMs ?? nowMs).toISOString(),
    endsAt: new Date(draft.endMs).toISOString(),
    createdBy: draft.author.trim(),
    comment: draft.comment.trim(),
    ...(Object.keys(annotations).length ? { annotations } : {}),
  };
}

/** Of POST /sentinel/v1/silences/preview. */
export const previewBody = (sets: Row[][]): Record<string, unknown> => matcherFields(sets);

/** The same silence with another end: what it was read as goes back, so that it keeps its id. */
export const extendBody = (silence: Silence, endMs: number): Record<string, unknown> => ({
  id: silence.id,
  matchers: silence.matchers,
  ...(silence.matcherSets?.length ? { matcherSets: silence.matcherSets } : {}),
  startsAt: silence.startsAt,
  endsAt: new Date(endMs).toISOString(),
  createdBy: silence.createdBy,
  comment: silence.comment,
  ...(silence.annotations && Object.keys(silence.annotations).length ? { annotations: silence.annotations } : {}),
});

// ---- those that come again ----

export const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday'] as const;

/** As alertmanager.yml has it. */
export interface TimeInterval {
  times?: { start_time: string; end_time: string }[];
  weekdays?: string[];
  days_of_month?: string[];
  months?: string[];
  years?: string[];
  location?: string;
}

export interface RecurringSilence {
  id: string;
  matchers: Matcher[];
  matcherSets?: Matcher[][];
  time_intervals: TimeInterval[];
  starts_at: string;
  ends_at: string | null;
  created_by: string;
  comment: string;
  annotations: Labels;
  instances: { starts_at: string; ends_at: string; silence: string | null }[];
}

export interface Schedule {
  /** Numbers of WEEKDAYS; all or none mean every day. */
  days: number[];
  /** HH:MM; an end at or before the start lies on the next day. */
  from: string;
  to: string;
  zone: string;
}

const daily = (days: number[]): boolean => days.length === 0 || days.length === 7;
const weekdays = (days: number[]): Pick<TimeInterval, 'weekdays'> =>
  daily(days) ? {} : { weekdays: [...days].sort((a, b) => a - b).map((day) => WEEKDAYS[day] ?? '') };

/** A night is two intervals, which meet at midnight: an interval of Alertmanager ends with its day. */
export function scheduleIntervals({ days, from, to, zone }: Schedule): TimeInterval[] {
  const location = zone ? { location: zone } : {};
  const piece = (start_time: string, end_time: string, on: number[]): TimeInterval => ({
    ...weekdays(on),
    times: [{ start_time, end_time }],
    ...location,
  });
  if (to > from) return [piece(from, to, days)];
  const evening = piece(from, '24:00', days);
  return to === '00:00'
    ? [evening]
    : [
        evening,
        piece(
          '00:00',
          to,
          days.map((day) => (day + 1) % 7),
        ),
      ];
}

/** One interval in words: "monday:friday 22:00–24:00 Europe/Berlin". */
export function intervalText(interval: TimeInterval): string {
  const parts = [
    interval.weekdays?.join(', '),
    interval.days_of_month?.length ? `days ${interval.days_of_month.join(', ')}` : '',
    interval.months?.join(', '),
    interval.years?.join(', '),
    interval.times?.map((t) => `${t.start_time}–${t.end_time}`).join(', ') || 'all day',
    interval.location ?? 'UTC',
  ];
  return parts.filter(Boolean).join(' ');
}

/** Of POST /sentinel/v1/silences/recurring. */
export const recurringBody = (
  draft: Draft,
  intervals: TimeInterval[],
  untilMs: number | null,
): Record<string, unknown> => ({
  ...matcherFields(draft.sets),
  time_intervals: intervals,
  comment: draft.comment.trim(),
  actor: draft.author.trim(),
  ...(draft.startMs === null ? {} : { starts_at: new Date(draft.startMs).toISOString() }),
  ...(untilMs === null ? {} : { ends_at: new Date(untilMs).toISOString() }),
  ...(draft.untilResolved ? { annotations: { [UNTIL_RESOLVED]: draft.untilResolved } } : {}),
});
