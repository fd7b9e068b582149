// The PromQL side of the mock server: values that look like a service with an incident.

export const SERIES = {
  endpoint: ['/qa', '/reason', '/stress', '/api/chat'],
  model: ['sim-large', 'sim-small', 'gpt-4o-mini'],
  model_version: ['sim-large-1', 'sim-large-2', 'sim-small-1'],
  status: ['ok', 'error', 'blocked'],
  label: ['toxic', 'self_harm', 'pii', 'jailbreak', 'hate'],
  error_type: ['timeout', 'upstream_5xx', 'rate_limited'],
  service: ['llm-app'],
  env: ['demo'],
  provider: ['simulated', 'openai'],
};

/** Repeatable noise in 0..1 for a name and a time; smooth over about `period` seconds. */
export function noise(name, t, period = 40) {
  let hash = 2166136261;
  for (const c of name) hash = Math.imul(hash ^ c.charCodeAt(0), 16777619);
  const at = (i) => {
    let x = Math.imul(hash ^ Math.floor(i), 2654435761);
    x ^= x >>> 15;
    x = Math.imul(x, 2246822519);
    x ^= x >>> 13;
    return (x >>> 0) / 4294967296;
  };
  const i = Math.floor(t / period);
  const f = t / period - i;
  const s = f * f * (3 - 2 * f);
  return at(i) * (1 - s) + at(i + 1) * s;
}

export function createProm({ nowMs, t0, state, drifting }) {
  // PromQL, as far as a picture needs it: the first known metric decides the shape, `by (label)` the series.
  function valueOf(query, labels, tMs) {
    const t = tMs / 1000;
    const key = query.slice(0, 60) + JSON.stringify(labels);
    const n = noise(key, t, 25) * 0.6 + noise(key + 'f', t, 5) * 0.4;
    const d = drifting(tMs);
    const day = 1 + 0.25 * Math.sin(t / 9000);
    const share = {
      ok: 1,
      error: 0.02 + 0.03 * d,
      blocked: 0.03,
      '/qa': 0.3,
      '/reason': 0.2,
      '/stress': 0.1,
      '/api/chat': 0.4,
      'sim-large': 0.6,
      'sim-small': 0.25,
      'gpt-4o-mini': 0.15,
      toxic: 0.5,
      self_harm: 0.1,
      pii: 0.3,
      jailbreak: 0.45,
      hate: 0.2,
    };
    const part = Object.values(labels).reduce((p, v) => p * (share[v] ?? 0.5), 1);
    if (/latency_ms_bucket/.test(query))
      return (/\(0\.5,/.test(query) ? 420 : 1080) * (0.85 + 0.3 * n) * (1 + 0.35 * d);
    if (/time_to_first_token/.test(query)) return (/\(0\.5,/.test(query) ? 90 : 210) * (0.85 + 0.3 * n);
    if (/error_count_total/.test(query)) return /\) \/ sum/.test(query) ? (0.012 + 0.014 * n) * (1 + 1.8 * d) : 0.1 * n;
    if (/timeout_count/.test(query)) return 0.004 * n;
    if (/llm_drift_score/.test(query))
      return labels.endpoint === '/api/chat' || !labels.endpoint
        ? 0.06 + 0.02 * n + 0.32 * d * (0.9 + 0.2 * n)
        : 0.03 + 0.03 * n;
    if (/semantic_similarity_score_sum/.test(query)) return 0.63 + 0.04 * n - 0.25 * d;
    if (/ungrounded/.test(query)) return 0.08 + 0.05 * n + 0.1 * d;
    if (/safety_score_sum/.test(query)) return 0.9 + 0.04 * n - 0.06 * d;
    if (/injection_risk_bucket/.test(query)) return 0.3 + 0.15 * n;
    if (/injection_risk/.test(query)) return 0.05 + 0.04 * n;
    if (/active_requests/.test(query)) return Math.round(4 + 5 * n * day + 3 * d);
    if (/queue_depth/.test(query)) return Math.round(2 * n * n + 2 * d);
    if (/cost_usd/.test(query)) return 2.4 * part * day * (0.8 + 0.4 * n);
    if (/tokens_input/.test(query)) return 4200 * day * (0.8 + 0.4 * n);
    if (/tokens_output/.test(query)) return 1700 * day * (0.8 + 0.4 * n);
    if (/safety_events/.test(query)) return 9 * part * (0.5 + n);
    if (/token_abuse/.test(query)) return Math.max(0, 3 * n - 1.2);
    if (/safety_block/.test(query)) return Math.max(0, 4 * n - 0.8);
    if (/retry/.test(query)) return 0.15 * n + 0.2 * d;
    if (/requests_total/.test(query)) return 10 * part * day * (0.8 + 0.4 * n);
    return 10 * n;
  }
  function seriesOf(query) {
    const by =
      /by \(([\w, ]+)\)/
        .exec(query)?.[1]
        .split(',')
        .map((s) => s.trim())
        .filter((l) => l && l !== 'le') ?? [];
    let sets = [{}];
    for (const label of by)
      sets = sets.flatMap((s) => (SERIES[label] ?? ['a', 'b']).map((v) => ({ ...s, [label]: v })));
    for (const [, label, value] of query.matchAll(/(\w+)="([^"]+)"/g))
      sets = sets.filter((s) => !(label in s) || s[label] === value);
    return sets;
  }
  const known = /llm_|active_requests|request_queue|process_|http_|up\b|[0-9]/;
  function prom(path, p) {
    const query = p.get('query') ?? '';
    const opens = (query.match(/[({[]/g) ?? []).length - (query.match(/[)}\]]/g) ?? []).length;
    if (!known.test(query) || opens !== 0)
      return [
        400,
        {
          status: 'error',
          errorType: 'bad_data',
          error: `1:${query.length + 1}: parse error: unexpected end of input${opens > 0 ? ' in parentheses' : ''}`,
        },
      ];
    if (path === '/api/v1/query') {
      const now = Number(p.get('time') ?? nowMs() / 1000);
      if (/_bucket/.test(query) && /by \(le\)/.test(query) && !/histogram_quantile/.test(query)) {
        const counts = {
          0.1: 14,
          0.2: 31,
          0.3: 52,
          0.4: 71,
          0.5: 80,
          0.6: 92,
          0.7: 118,
          0.8: 190,
          0.9: 610,
          1: 4210,
          '+Inf': 4210,
        };
        const result =
          state.mode === 'empty'
            ? []
            : Object.entries(counts).map(([le, c]) => ({ metric: { le }, value: [now, String(c)] }));
        return [200, { status: 'success', data: { resultType: 'vector', result } }];
      }
      return [
        200,
        {
          status: 'success',
          data: {
            resultType: 'vector',
            result:
              state.mode === 'empty'
                ? []
                : seriesOf(query).map((m) => ({ metric: m, value: [now, String(valueOf(query, m, now * 1000))] })),
          },
        },
      ];
    }
    const [start, end, step] = ['start', 'end', 'step'].map((k) => Number(p.get(k)));
    const born = t0 / 1000 - 7 * 86400;
    const result =
      state.mode === 'empty'
        ? []
        : seriesOf(query).map((m) => {
            const values = [];
            for (let t = start; t <= end; t += step)
              if (t > born && t * 1000 <= nowMs()) values.push([t, String(valueOf(query, m, t * 1000))]);
            return { metric: m, values };
          });
    return [200, { status: 'success', data: { resultType: 'matrix', result } }];
  }
  return prom;
}
