import { describe, expect, it } from 'vitest';
import { CHARTS, align, buckets, chart, legendText, quote, selector, seriesName, splitThreshold } from './promql';

describe('selectors', () => {
  it('escapes what a label value may hold', () => expect(quote('a"b\\c\nd')).toBe('"a\\"b\\\\c\\nd"'));
  it('is empty without filters', () => expect(selector({ endpoint: '', model: undefined })).toBe(''));
  it('joins filters and extra matchers', () =>
    expect(selector({ endpoint: '/qa' }, ['label!="safe"'])).toBe('{endpoint="/qa",label!="safe"}'));
});

describe('charts', () => {
  it('carry filter and window into every counter', () => {
    const exprs = Object.values(CHARTS).flatMap((def) =>
      def.queries({ filters: { model: 'm1' }, window: '2m' }).map((query) => query.expr),
    );
    expect(exprs.length).toBeGreaterThan(20);
    for (const expr of exprs) {
      if (expr.includes('rate('))
        expect(expr.match(/rate\(/g)?.length).toBe(expr.match(/model="m1"[^}]*\}\[2m\]/g)?.length);
      const depth = [...expr].reduce((d, c) => d + ('([{'.includes(c) ? 1 : ')]}'.includes(c) ? -1 : 0), 0);
      expect(depth).toBe(0);
    }
  });
  it('counts missing errors as zero only where calls were made', () => {
    const [errors] = chart('errors').queries({ filters: {}, window: '30s' });
    expect(errors?.expr).toBe(
      '(sum(rate(llm_error_count_total[30s])) or 0 * sum(rate(llm_requests_total[30s]))) / sum(rate(llm_requests_total[30s]))',
    );
  });
  it('refuses unknown names', () => expect(() => chart('nope')).toThrow('nope'));
});

describe('thresholds of rules', () => {
  it.each([
    ['a > 0.2', 'a', '>', 0.2],
    ['sum(rate(x[5m])) / sum(rate(y[5m])) < 0.4', 'sum(rate(x[5m])) / sum(rate(y[5m]))', '<', 0.4],
    [
      'avg by (endpoint) (llm_drift_score) > 0.2 and on () (llm_baseline_ready == 1)',
      'avg by (endpoint) (llm_drift_score)',
      '>',
      0.2,
    ],
    ['(up{job="a>b"}) == 0', '(up{job="a>b"})', '==', 0],
    ['((x > 10) and (y > 5))', 'x', '>', 10],
    ['x >= bool 1e3', 'x', '>=', 1000],
    ['x unless y > 3', null, '', 0],
    ['rate(x[5m]) > rate(y[1h])', null, '', 0],
    ['sum(x > 3)', null, '', 0],
    ['vector(1)', null, '', 0],
  ])('%s', (expr, left, op, value) => {
    expect(splitThreshold(expr)).toEqual(left === null ? null : { expr: left, op, value });
  });
});

describe('answers', () => {
  it('names series', () => {
    expect(seriesName({ __name__: 'up', job: 'a' })).toBe('up{job="a"}');
    expect(seriesName({})).toBe('{}');
    expect(legendText('{{status}}', { status: 'ok' })).toBe('ok');
    expect(legendText('{{gone}}', {})).toBe('all');
  });
  it('puts points on the grid and leaves gaps', () => {
    const { times, columns } = align(
      [
        {
          metric: {},
          values: [
            [110, '1.5'],
            [130, 'NaN'],
            [140, '+Inf'],
            [999, '1'],
          ],
        },
      ],
      100,
      140,
      10,
    );
    expect(times).toEqual([100, 110, 120, 130, 140]);
    expect(columns).toEqual([[null, 1.5, null, null, null]]);
  });
  it('turns cumulative buckets into their own counts', () => {
    const series = [
      ['0.5', '2'],
      ['+Inf', '10'],
      ['1', '10'],
      ['0.1', '1'],
    ].map(([le, v]) => ({ metric: { le: le ?? '' }, value: [0, v ?? ''] as [number, string] }));
    expect(buckets(series)).toEqual([
      { from: 0, to: 0.1, count: 1 },
      { from: 0.1, to: 0.5, count: 1 },
      { from: 0.5, to: 1, count: 8 },
    ]);
    expect(buckets([])).toEqual([]);
    expect(buckets([{ metric: { le: '1' }, value: [0, '0'] }])).toEqual([]);
  });
});
