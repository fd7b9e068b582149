// Building PromQL: label filters, the catalogue of charts, and the pieces of an answer.
import type { CallFilter, Labels, PromSeries } from './types';
import type { Unit } from './format';

export type Filters = Partial<Record<'service' | 'env' | 'endpoint' | 'model' | 'model_version' | 'provider', string>>;

/** A PromQL string literal; backslash, quote and newline escaped. */
export function quote(text: string): string {
  return `"${text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n')}"`;
}

/** `{a="b",c="d"}`, or nothing when there is nothing to filter. */
export function selector(filters: Filters, extra: string[] = []): string {
  const parts = Object.entries(filters)
    .filter(([, value]) => value)
    .map(([name, value]) => `${name}=${quote(value)}`);
  const all = [...parts, ...extra];
  return all.length ? `{${all.join(',')}}` : '';
}

export interface ChartQuery {
  expr: string;
  /** `{{label}}` is replaced by the series' value of the label. */
  legend: string;
  /** A fixed place in the palette or a meaning; otherwise given out in order. */
  tone?: 'bad' | 'warn' | 'ok' | 'neutral';
}

export interface ChartDef {
  id: string;
  title: string;
  hint: string;
  unit: Unit;
  kind: 'line' | 'area' | 'stacked' | 'bars';
  /** Which calls stand behind a point of this chart. */
  calls: CallFilter;
  queries: (context: ChartContext) => ChartQuery[];
  threshold?: { value: number; label: string };
  max?: number;
}

export interface ChartContext {
  filters: Filters;
  /** The window of rate(), as PromQL writes it. */
  window: string;
}

type Builder = (context: ChartContext) => string;

const counter = (name: string, context: ChartContext, extra: string[] = []) =>
  `rate(${name}${selector(context.filters, extra)}[${context.window}])`;

const quantile =
  (q: number, name: string): Builder =>
  (context) =>
    `histogram_quantile(${q}, sum by (le) (${counter(`${name}_bucket`, context)}))`;

const mean =
  (name: string, by = ''): Builder =>
  (context) =>
    `sum${by}(${counter(`${name}_sum`, context)}) / sum${by}(${counter(`${name}_count`, context)})`;

/** A counter that has no series yet is zero wherever there were calls; without calls it stays unknown. */
const orZero = (expr: string, context: ChartContext) =>
  `(${expr} or 0 * sum(${counter('llm_requests_total', context)}))`;

/** Share of calls that a counter saw. */
const share = (name: string, context: ChartContext) =>
  `${orZero(`sum(${counter(name, context)})`, context)} / sum(${counter('llm_requests_total', context)})`;

const latency = 'llm_request_latency_ms';

export const CHARTS: Record<string, ChartDef> = Object.fromEntries(
  (
    [
      {
        id: 'latency',
        title: 'Latency',
        hint: 'Time from request to full answer',
        unit: 'ms',
        kind: 'line',
        calls: 'slow',
        queries: (c) => [
          { expr: quantile(0.95, latency)(c), legend: 'p95' },
          { expr: quantile(0.5, latency)(c), legend: 'p50' },
        ],
        threshold: { value: 1500, label: 'SLO 1.5 s' },
      },
      {
        id: 'errors',
        title: 'Errors',
        hint: 'Failed calls as a share of all',
        unit: 'percent',
        kind: 'area',
        calls: 'errors',
        queries: (c) => [
          { expr: share('llm_error_count_total', c), legend: 'errors', tone: 'bad' },
          { expr: share('llm_timeout_count_total', c), legend: 'timeouts', tone: 'warn' },
        ],
      },
      {
        id: 'throughput',
        title: 'Throughput',
        hint: 'Calls per second by outcome',
        unit: 'rps',
        kind: 'stacked',
        calls: 'all',
        queries: (c) => [{ expr: `sum by (status) (${counter('llm_requests_total', c)})`, legend: '{{status}}' }],
      },
      {
        id: 'saturation',
        title: 'Saturation',
        hint: 'Calls in flight and waiting',
        unit: 'short',
        kind: 'line',
        calls: 'slow',
        queries: () => [
          { expr: 'sum(active_requests)', legend: 'active' },
          { expr: 'sum(request_queue_depth)', legend: 'queued', tone: 'warn' },
        ],
      },
      {
        id: 'ttft',
        title: 'Time to first token',
        hint: 'Streaming answers only',
        unit: 'ms',
        kind: 'line',
        calls: 'slow',
        queries: (c) => [
          { expr: quantile(0.95, 'llm_time_to_first_token_ms')(c), legend: 'p95' },
          { expr: quantile(0.5, 'llm_time_to_first_token_ms')(c), legend: 'p50' },
        ],
      },
      {
        id: 'cost',
        title: 'Cost',
        hint: 'Spending rate by model',
        unit: 'usd_hour',
        kind: 'stacked',
        calls: 'expensive',
        queries: (c) => [{ expr: `sum by (model) (${counter('llm_cost_usd_total', c)}) * 3600`, legend: '{{model}}' }],
      },
      {
        id: 'tokens',
        title: 'Tokens',
        hint: 'Tokens per second, in and out',
        unit: 'tokens_s',
        kind: 'line',
        calls: 'expensive',
        queries: (c) => [
          { expr: `sum(${counter('llm_tokens_input_total', c)})`, legend: 'input' },
          { expr: `sum(${counter('llm_tokens_output_total', c)})`, legend: 'output' },
        ],
      },
      {
        id: 'retries',
        title: 'Retries',
        hint: 'Attempts beyond the first',
        unit: 'rps',
        kind: 'area',
        calls: 'errors',
        queries: (c) => [
          { expr: orZero(`sum(${counter('llm_retry_count_total', c)})`, c), legend: 'retries', tone: 'warn' },
        ],
      },
      {
        id: 'similarity',
        title: 'Semantic similarity',
        hint: 'Mean likeness of answer and question',
        unit: 'score',
        kind: 'line',
        calls: 'ungrounded',
        max: 1,
        queries: (c) => [{ expr: mean('llm_semantic_similarity_score')(c), legend: 'mean' }],
        threshold: { value: 0.4, label: 'alert below 0.4' },
      },
      {
        id: 'ungrounded',
        title: 'Ungrounded answers',
        hint: 'Share of checked answers without support in the source',
        unit: 'percent',
        kind: 'area',
        calls: 'ungrounded',
        queries: (c) => [
          {
            expr: `${orZero(`sum(${counter('llm_ungrounded_answer_flag_total', c)})`, c)} / sum(${counter('llm_support_checked_total', c)})`,
            legend: 'ungrounded',
            tone: 'warn',
          },
        ],
        threshold: { value: 0.5, label: 'alert above 50%' },
      },
      {
        id: 'safety_events',
        title: 'Safety events',
        hint: 'Per minute, by label',
        unit: 'per_min',
        kind: 'stacked',
        calls: 'unsafe',
        queries: (c) => [
          {
            expr: `sum by (label) (${counter('llm_safety_events_total', c, ['label!="safe"'])}) * 60`,
            legend: '{{label}}',
          },
        ],
      },
      {
        id: 'safety_mean',
        title: 'Safety score',
        hint: '1 is safe',
        unit: 'score',
        kind: 'line',
        calls: 'unsafe',
        max: 1,
        queries: (c) => [{ expr: mean('llm_safety_score')(c), legend: 'mean' }],
        threshold: { value: 0.5, label: 'alert below 0.5' },
      },
      {
        id: 'drift',
        title: 'Drift',
        hint: 'Distance of answers from the baseline',
        unit: 'score',
        kind: 'line',
        calls: 'drift',
        queries: (c) => [{ expr: `avg by (endpoint) (llm_drift_score${selector(c.filters)})`, legend: '{{endpoint}}' }],
        threshold: { value: 0.2, label: 'alert above 0.2' },
      },
      {
        id: 'injection',
        title: 'Prompt-injection risk',
        hint: '95th percentile and mean of the risk score',
        unit: 'score',
        kind: 'line',
        calls: 'injection',
        max: 1,
        queries: (c) => [
          { expr: quantile(0.95, 'llm_security_prompt_injection_risk')(c), legend: 'p95', tone: 'bad' },
          { expr: mean('llm_security_prompt_injection_risk')(c), legend: 'mean' },
        ],
      },
      {
        id: 'abuse',
        title: 'Token abuse and blocks',
        hint: 'Per minute',
        unit: 'per_min',
        kind: 'area',
        calls: 'injection',
        queries: (c) => [
          {
            expr: `${orZero(`sum(${counter('llm_security_token_abuse_total', c)})`, c)} * 60`,
            legend: 'token abuse',
            tone: 'warn',
          },
          {
            expr: `${orZero(`sum(${counter('llm_safety_block_count_total', c)})`, c)} * 60`,
            legend: 'safety blocks',
            tone: 'bad',
          },
        ],
      },
    ] satisfies ChartDef[]
  ).map((definition) => [definition.id, definition]),
);

export function chart(id: keyof typeof CHARTS | string): ChartDef {
  const definition = CHARTS[id];
  if (!definition) throw new Error(`no chart named ${id}`);
  return definition;
}

/** Counts per bucket of a score histogram over the whole range. */
export function distributionExpr(name: string, filters: Filters, window: string): string {
  return `sum by (le) (increase(${name}_bucket${selector(filters)}[${window}]))`;
}

export interface Bucket {
  from: number;
  to: number;
  count: number;
}

/** Cumulative `le` series of an instant query → buckets of their own counts; empty when nothing was counted. */
export function buckets(series: PromSeries[]): Bucket[] {
  const cumulative = series
    .map((s) => ({
      le: s.metric['le'] === '+Inf' ? Infinity : Number(s.metric['le']),
      count: Number(s.value?.[1] ?? 0),
    }))
    .filter((b) => !Number.isNaN(b.le) && Number.isFinite(b.count))
    .sort((a, b) => a.le - b.le);
  const result: Bucket[] = [];
  let below = 0;
  let from = 0;
  for (const { le, count } of cumulative) {
    const own = Math.max(0, count - below);
    if (le > 0 && (le !== Infinity || own > 0.5)) result.push({ from, to: le, count: own });
    if (le > 0) from = le;
    below = Math.max(below, count);
  }
  return result.some((b) => b.count > 0) ? result : [];
}

export function legendText(template: string, metric: Labels): string {
  const text = template.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name: string) => metric[name] ?? '');
  return text.trim() || 'all';
}

/** A series as PromQL writes it: name{a="b"}. */
export function seriesName(metric: Labels): string {
  const { __name__: name = '', ...labels } = metric;
  const inner = Object.entries(labels)
    .map(([key, value]) => `${key}=${quote(value)}`)
    .join(', ');
  return inner ? `${name}{${inner}}` : name || '{}';
}

/**
 * The left side and the limit of a simple alert condition, so that a rule can be drawn with its threshold:
 * `a / b > 0.05` → { expr: "a / b", op: ">", value: 0.05 }. Null when the outermost comparison is not with a number.
 */
export function splitThreshold(expr: string): { expr: string; op: string; value: number } | null {
  const top = topLevelConjunct(expr.trim());
  const match = /^([\s\S]+?)\s*(>=|<=|==|!=|>|<)\s*(?:bool\s+)?(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*$/i.exec(top);
  if (!match?.[1] || !match[2] || !match[3]) return null;
  if (depthAtEnd(match[1]) !== 0) return null;
  return { expr: match[1].trim(), op: match[2], value: Number(match[3]) };
}

/** Brackets left open at the end of the text, strings skipped. */
function depthAtEnd(text: string): number {
  let depth = 0;
  forEachBare(text, (char) => {
    if ('([{'.includes(char)) depth += 1;
    if (')]}'.includes(char)) depth -= 1;
  });
  return depth;
}

/** The part before the first `and`/`unless` outside any bracket; outer brackets round the whole are taken off. */
function topLevelConjunct(expr: string): string {
  let text = expr;
  while (text.startsWith('(') && closes(text) === text.length - 1) text = text.slice(1, -1).trim();
  let depth = 0;
  let end = text.length;
  forEachBare(text, (char, index) => {
    if ('([{'.includes(char)) depth += 1;
    if (')]}'.includes(char)) depth -= 1;
    if (
      depth === 0 &&
      end === text.length &&
      /^(and|unless)\b/i.test(text.slice(index)) &&
      /\s|\)/.test(text[index - 1] ?? '')
    ) {
      end = index;
    }
  });
  const first = text.slice(0, end).trim();
  return first !== text ? topLevelConjunct(first) : first;
}

/** Where the bracket that opens the text is closed, or -1. */
function closes(text: string): number {
  let depth = 0;
  let at = -1;
  forEachBare(text, (char, index) => {
    if (char === '(') depth += 1;
    if (char === ')' && --depth === 0 && at < 0) at = index;
  });
  return at;
}

function forEachBare(text: string, visit: (char: string, index: number) => void): void {
  let inside = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i] ?? '';
    if (inside) {
      if (char === '\\' && inside !== '`') i += 1;
      else if (char === inside) inside = '';
    } else if (char === '"' || char === "'" || char === '`') inside = char;
    else visit(char, i);
  }
}

export function toNumber(text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  return Number.isFinite(value) ? value : null;
}

/** Puts series on one time grid; null where a series has no point. */
export function align(
  series: PromSeries[],
  start: number,
  end: number,
  step: number,
): { times: number[]; columns: (number | null)[][] } {
  const count = Math.floor((end - start) / step) + 1;
  const times = Array.from({ length: count }, (_, i) => start + i * step);
  const columns = series.map((one) => {
    const column: (number | null)[] = new Array<number | null>(count).fill(null);
    for (const [at, text] of one.values ?? []) {
      const index = Math.round((at - start) / step);
      if (index >= 0 && index < count) column[index] = toNumber(text);
    }
    return column;
  });
  return { times, columns };
}
