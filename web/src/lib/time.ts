// Time ranges: how they are written in the address, and which step and rate window fit one.

export type Range = { kind: 'relative'; seconds: number } | { kind: 'absolute'; fromMs: number; toMs: number };

export interface Window {
  fromMs: number;
  toMs: number;
}

export const PRESETS: { label: string; long: string; seconds: number }[] = [
  { label: '1m', long: 'Last minute', seconds: 60 },
  { label: '5m', long: 'Last 5 minutes', seconds: 300 },
  { label: '15m', long: 'Last 15 minutes', seconds: 900 },
  { label: '1h', long: 'Last hour', seconds: 3600 },
  { label: '6h', long: 'Last 6 hours', seconds: 21600 },
  { label: '24h', long: 'Last 24 hours', seconds: 86400 },
  { label: '7d', long: 'Last 7 days', seconds: 604800 },
];

export const DEFAULT_RANGE: Range = { kind: 'relative', seconds: 900 };
/** A drag shorter than this is a shaky click, not a zoom. */
export const RANGE_MS_MIN = 5_000;
const RANGE_MS_MAX = 400 * 86400 * 1000;
/** Long enough to hold several samples at the usual intervals of up to 15 s. */
const RATE_WINDOW_S_MIN = 30;
const POINTS_MAX = 200;
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
const UNIT_S: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400, w: 604800 };

/** Reads "90s", "15m", "1h30m", "7d"; null when it is none of these. */
export function parseDuration(text: string): number | null {
  const pattern = /^(?:\d+[smhdw])+$/;
  if (!pattern.test(text)) return null;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+)([smhdw])/g)) {
    total += Number(amount) * (UNIT_S[unit ?? ''] ?? 0);
  }
  return total > 0 ? total : null;
}

export function durationText(seconds: number): string {
  for (const unit of ['d', 'h', 'm'] as const) {
    const size = UNIT_S[unit] ?? 1;
    if (seconds >= size && seconds % size === 0) return `${seconds / size}${unit}`;
  }
  return `${Math.round(seconds)}s`;
}

export function rangeFromParams(params: URLSearchParams): Range | null {
  const relative = params.get('range');
  if (relative) {
    const seconds = parseDuration(relative);
    return seconds === null ? null : { kind: 'relative', seconds };
  }
  const fromMs = parseInstant(params.get('from'));
  const toMs = parseInstant(params.get('to'));
  if (fromMs === null || toMs === null || toMs <= fromMs || toMs - fromMs > RANGE_MS_MAX) return null;
  return { kind: 'absolute', fromMs, toMs };
}

export function rangeToParams(range: Range): Record<string, string> {
  if (range.kind === 'relative') return { range: durationText(range.seconds) };
  return { from: String(Math.round(range.fromMs)), to: String(Math.round(range.toMs)) };
}

/** Milliseconds since 1970, or a date text; null when neither. */
export function parseInstant(text: string | null): number | null {
  if (!text) return null;
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text);
  return Number.isFinite(ms) && ms > 0 ? ms : null;
}

export function resolve(range: Range, nowMs: number): Window {
  if (range.kind === 'absolute') return { fromMs: range.fromMs, toMs: range.toMs };
  return { fromMs: nowMs - range.seconds * 1000, toMs: nowMs };
}

/** While nobody has chosen a range: the smallest that holds all data, at most the usual one. */
export function fittingRange(firstMs: number | null, nowMs: number): Range {
  if (firstMs === null || !Number.isFinite(firstMs)) return DEFAULT_RANGE;
  const preset = PRESETS.find((one) => one.seconds * 1000 >= nowMs - firstMs);
  if (!preset || preset.seconds >= 900) return DEFAULT_RANGE;
  return { kind: 'relative', seconds: preset.seconds };
}

export function stepSeconds(window: Window): number {
  const wanted = (window.toMs - window.fromMs) / 1000 / POINTS_MAX;
  return STEPS_S.find((step) => step >= wanted) ?? Math.ceil(wanted / 86400) * 86400;
}

/** The grid of a range query: aligned to the step, so that refreshes ask for the same points again. */
export function grid(window: Window, stepS = stepSeconds(window)): { start: number; end: number; step: number } {
  const start = Math.floor(window.fromMs / 1000 / stepS) * stepS;
  const end = Math.floor(window.toMs / 1000 / stepS) * stepS;
  return { start, end: Math.max(end, start + stepS), step: stepS };
}

/** The window of rate(): four steps, and never so short that two samples may be missing in it. */
export function rateWindow(stepS: number): string {
  return durationText(Math.max(4 * stepS, RATE_WINDOW_S_MIN));
}

/** Widens a range about its middle, ending at the latest now. */
export function zoomOut(window: Window, nowMs: number): Range {
  const length = window.toMs - window.fromMs;
  const toMs = Math.min(window.toMs + length / 2, nowMs);
  return { kind: 'absolute', fromMs: toMs - length * 2, toMs };
}

export function shift(window: Window, direction: -1 | 1, nowMs: number): Range {
  const length = window.toMs - window.fromMs;
  const toMs = Math.min(window.toMs + (direction * length) / 2, nowMs);
  return { kind: 'absolute', fromMs: toMs - length, toMs };
}

export function rangeLabel(range: Range): string {
  if (range.kind === 'relative') {
    const preset = PRESETS.find((p) => p.seconds === range.seconds);
    return preset?.long ?? `Last ${durationText(range.seconds)}`;
  }
  const from = new Date(range.fromMs);
  const to = new Date(range.toMs);
  const sameDay = from.toDateString() === to.toDateString();
  const day = (date: Date) => date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' });
  const clock = (date: Date) => date.toLocaleTimeString('en-GB');
  return sameDay
    ? `${day(from)}, ${clock(from)} – ${clock(to)}`
    : `${day(from)}, ${clock(from)} – ${day(to)}, ${clock(to)}`;
}

/** The value of a datetime-local field, in the reader's own zone. */
export function localInputValue(ms: number): string {
  const date = new Date(ms);
  const pad = (n: number) => String(n).padStart(2, '0');
  return (
    `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}` +
    `T${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`
  );
}
