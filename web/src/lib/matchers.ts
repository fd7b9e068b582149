// Matchers as Alertmanager writes them in filters and links: {alertname="X", service=~"a|b"}, with or without braces and quotes.
import type { Labels } from './types';

export const OPERATORS = ['=', '!=', '=~', '!~'] as const;
export type Operator = (typeof OPERATORS)[number];
/** A row of the editor. */
export interface Row {
  name: string;
  op: Operator;
  value: string;
}
/** As API v2 has it. */
export interface Matcher {
  name: string;
  value: string;
  isRegex: boolean;
  isEqual?: boolean;
}
export type Parsed = { rows: Row[]; error: null } | { rows: null; error: string };

const BARE_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

class Reader {
  private at = 0;
  constructor(readonly text: string) {}
  get done(): boolean {
    return this.at >= this.text.length;
  }
  space(): void {
    while (/\s/.test(this.text[this.at] ?? '')) this.at += 1;
  }
  take(text: string): boolean {
    if (!this.text.startsWith(text, this.at)) return false;
    this.at += text.length;
    return true;
  }
  /** What is left, for messages. */
  get rest(): string {
    const text = this.text.slice(this.at);
    return text.length > 20 ? `${text.slice(0, 20)}…` : text;
  }
  /** After the opening quote. A backslash before anything but n, " and \ stands for itself, as in Alertmanager. */
  quoted(): string | null {
    let out = '';
    for (; this.at < this.text.length; this.at += 1) {
      const c = this.text[this.at] ?? '';
      if (c === '"') {
        this.at += 1;
        return out;
      }
      const next = this.text[this.at + 1];
      if (c !== '\\' || next === undefined) out += c;
      else {
        out += next === 'n' ? '\n' : next === '"' || next === '\\' ? next : c + next;
        this.at += 1;
      }
    }
    return null;
  }
  until(stop: RegExp): string {
    const from = this.at;
    while (!this.done && !stop.test(this.text[this.at] ?? '')) this.at += 1;
    return this.text.slice(from, this.at).trim();
  }
}

function readOne(reader: Reader): Row | string {
  reader.space();
  const place = reader.rest;
  const quoted = reader.take('"');
  const name = quoted ? reader.quoted() : reader.until(/[=!~,{}"]/);
  if (!name) return `a label name is missing at “${place}”`;
  reader.space();
  // The longer ones first.
  const op = (['=~', '!~', '!=', '='] as const).find((one) => reader.take(one));
  if (!op) return `=, !=, =~ or !~ is missing after “${name}”`;
  reader.space();
  const value = reader.take('"') ? reader.quoted() : reader.until(/[,}]/);
  if (value === null) return `the quote of ${name}'s value is not closed`;
  return { name, op, value };
}

/** The rows of a text; none for an empty one or {}. */
export function parseMatchers(text: string): Parsed {
  const reader = new Reader(text.trim());
  const rows: Row[] = [];
  const braces = reader.take('{');
  let closed = false;
  for (;;) {
    reader.space();
    if (braces && reader.take('}')) {
      closed = true;
      break;
    }
    if (reader.done) break;
    const row = readOne(reader);
    if (typeof row === 'string') return { rows: null, error: row };
    rows.push(row);
    reader.space();
    // A comma may stand at the end: templates that go over labels write one.
    if (!reader.take(',') && !reader.done && !(braces && reader.rest.startsWith('}')))
      return { rows: null, error: `a comma is missing at “${reader.rest}”` };
  }
  reader.space();
  if (braces && !closed) return { rows: null, error: 'the brace is not closed' };
  if (!reader.done) return { rows: null, error: `“${reader.rest}” follows the brace` };
  return { rows, error: null };
}

const quote = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;

export const rowText = ({ name, op, value }: Row): string =>
  `${BARE_NAME.test(name) ? name : quote(name)}${op}${quote(value)}`;
/** The form of links: {a="b",c=~"d"}; empty for none. */
export const filterText = (rows: Row[]): string => (rows.length ? `{${rows.map(rowText).join(',')}}` : '');

export const rowsOfLabels = (labels: Labels): Row[] =>
  Object.entries(labels).map(([name, value]) => ({ name, op: '=', value }));

export function toRow(m: Matcher): Row {
  const equal = m.isEqual !== false;
  return { name: m.name, op: m.isRegex ? (equal ? '=~' : '!~') : equal ? '=' : '!=', value: m.value };
}
export const toMatcher = ({ name, op, value }: Row): Matcher => ({
  name: name.trim(),
  value,
  isRegex: op === '=~' || op === '!~',
  isEqual: op === '=' || op === '=~',
});

/** Whether an alert without the label would match; false where only the server can tell. */
function takesEmpty({ op, value }: Row): boolean {
  if (op === '=') return value === '';
  if (op === '!=') return value !== '';
  try {
    return new RegExp(`^(?:${value})$`).test('') === (op === '=~');
  } catch {
    return false;
  }
}

/** What is wrong with a set of matchers, in words; empty when the server may be asked. */
export function rowsProblem(rows: Row[]): string {
  if (!rows.length) return 'At least one matcher is needed.';
  const nameless = rows.find((row) => !row.name.trim());
  if (nameless) return 'A matcher has no label name.';
  if (rows.every(takesEmpty)) return 'At least one matcher must not match an empty value: this would mute everything.';
  return '';
}

/** The matchers of an address: Alertmanager has one `filter`, and more are taken together. */
export function filterOf(params: URLSearchParams): Parsed {
  const rows: Row[] = [];
  for (const text of params.getAll('filter')) {
    const parsed = parseMatchers(text);
    if (parsed.error !== null) return parsed;
    rows.push(...parsed.rows);
  }
  return { rows, error: null };
}
