// Numbers as people read them. Everything answers "–" for a value that was not measured.

export type Unit =
  'ms' | 's' | 'short' | 'percent' | 'usd' | 'usd_hour' | 'rps' | 'per_min' | 'score' | 'tokens' | 'tokens_s' | 'bytes';

export const NONE = '–';

function missing(value: number | null | undefined): value is null | undefined {
  return value === null || value === undefined || !Number.isFinite(value);
}

/** 0, 0.012, 1.2, 12.3, 123, 1.23k, 12.3M */
export function short(value: number | null | undefined): string {
  if (missing(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return '0';
  for (const [limit, suffix] of [
    [1e9, 'B'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (size >= limit) return trim(value / limit, 3) + suffix;
  }
  if (size < 0.001) return value.toExponential(1);
  return trim(value, size < 1 ? 2 : 3);
}

function trim(value: number, digits: number): string {
  const text = value.toPrecision(digits);
  const plain = text.includes('e') ? String(Number(text)) : text;
  return plain.includes('.') ? plain.replace(/\.?0+$/, '') : plain;
}

export function whole(value: number | null | undefined): string {
  return missing(value) ? NONE : Math.round(value).toLocaleString('en-US');
}

export function percent(ratio: number | null | undefined, digits?: number): string {
  if (missing(ratio)) return NONE;
  const value = ratio * 100;
  const places = digits ?? (value !== 0 && Math.abs(value) < 10 ? (Math.abs(value) < 1 ? 2 : 1) : 0);
  return `${value.toFixed(places)}%`;
}

export function milliseconds(ms: number | null | undefined): string {
  if (missing(ms)) return NONE;
  if (Math.abs(ms) < 1) return `${trim(ms, 2)} ms`;
  if (Math.abs(ms) < 1000) return `${trim(ms, 3)} ms`;
  if (Math.abs(ms) < 60_000) return `${trim(ms / 1000, 3)} s`;
  return duration(ms / 1000);
}

/** A length of time with its two largest units: "4s", "3m 20s", "1h 5m", "2d 3h". */
export function duration(seconds: number | null | undefined): string {
  if (missing(seconds)) return NONE;
  if (seconds < 0) return '0s';
  if (seconds > 0 && seconds < 1) return '<1s';
  const s = Math.floor(seconds);
  const parts: [number, string][] = [
    [Math.floor(s / 86400), 'd'],
    [Math.floor((s % 86400) / 3600), 'h'],
    [Math.floor((s % 3600) / 60), 'm'],
    [s % 60, 's'],
  ];
  const first = parts.findIndex(([amount]) => amount > 0);
  if (first < 0) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([amount]) => amount > 0)
    .map(([amount, unit]) => `${amount}${unit}`)
    .join(' ');
}

/** A running clock: 4:05, 1:04:05. */
export function stopwatch(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  const pad = (n: number) => String(n).padStart(2, '0');
  const hours = Math.floor(s / 3600);
  const rest = `${pad(Math.floor((s % 3600) / 60))}:${pad(s % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}

export function usd(value: number | null | undefined): string {
  if (missing(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return '$0';
  if (size < 0.01) return `$${trim(value, 2)}`;
  if (size < 1000) return `$${value.toFixed(2)}`;
  return `$${short(value)}`;
}

export function bytes(value: number | null | undefined): string {
  if (missing(value)) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${trim(size, 3)} ${units[unit]}`;
}

export function score(value: number | null | undefined): string {
  return missing(value) ? NONE : value.toFixed(2);
}

export function byUnit(value: number | null | undefined, unit: Unit): string {
  if (missing(value)) return NONE;
  switch (unit) {
    case 'ms':
      return milliseconds(value);
    case 's':
      return milliseconds(value * 1000);
    case 'percent':
      return percent(value);
    case 'usd':
      return usd(value);
    case 'usd_hour':
      return `${usd(value)}/h`;
    case 'rps':
      return `${short(value)}/s`;
    case 'per_min':
      return `${short(value)}/min`;
    case 'score':
      return score(value);
    case 'tokens':
      return short(value);
    case 'tokens_s':
      return `${short(value)}/s`;
    case 'bytes':
      return bytes(value);
    case 'short':
      return short(value);
  }
}

export const UNIT_NAMES: Record<Unit, string> = {
  ms: 'ms',
  s: 'seconds',
  short: '',
  percent: '%',
  usd: 'US$',
  usd_hour: 'US$ / hour',
  rps: 'per second',
  per_min: 'per minute',
  score: '0 – 1',
  tokens: 'tokens',
  tokens_s: 'tokens / s',
  bytes: 'bytes',
};

/** "just now", "12s ago", "3m ago", "2h ago", "3d ago" */
export function ago(ms: number, nowMs: number): string {
  const s = Math.round((nowMs - ms) / 1000);
  if (s < 2) return 'just now';
  if (s < 60) return `${s}s ago`;
  if (s < 3600) return `${Math.floor(s / 60)}m ago`;
  if (s < 86400) return `${Math.floor(s / 3600)}h ago`;
  return `${Math.floor(s / 86400)}d ago`;
}

export function clockTime(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB');
}

export function dateTime(ms: number): string {
  const date = new Date(ms);
  const day = date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' });
  return `${day}, ${date.toLocaleTimeString('en-GB')}`;
}

/** Change against an earlier value as a ratio; null where it says nothing. */
export function change(now: number | null | undefined, before: number | null | undefined): number | null {
  if (missing(now) || missing(before) || before === 0) return null;
  return (now - before) / Math.abs(before);
}

const SMALL_CHANGE = 0.02;
/** How a value moved; "unknown" where there is nothing earlier to compare with. */
export function trend(
  now: number | null | undefined,
  before: number | null | undefined,
): { kind: 'unknown' } | { kind: 'steady' } | { kind: 'changed'; ratio: number } {
  if (missing(now) || missing(before)) return { kind: 'unknown' };
  if (now === before) return { kind: 'steady' };
  const ratio = change(now, before);
  if (ratio === null) return { kind: 'unknown' };
  return Math.abs(ratio) < SMALL_CHANGE ? { kind: 'steady' } : { kind: 'changed', ratio };
}

export function signedPercent(ratio: number): string {
  const sign = ratio > 0 ? '+' : ratio < 0 ? '−' : '±';
  const size = Math.abs(ratio);
  return size >= 10
    ? `${sign}${trim(size + (ratio > 0 ? 1 : 0), 2)}×`.replace('+', '')
    : `${sign}${percent(size, size < 0.1 ? 1 : 0)}`;
}

export function title(text: string): string {
  const words = text.replace(/[_-]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
