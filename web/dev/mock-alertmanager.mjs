// The part of the mock server that stands in for Alertmanager: API v2, silences with their preview, acknowledgements.
import { randomUUID } from 'node:crypto';

const HOUR = 3600e3;

/** `alerts()` gives what fires as {fingerprint, labels, annotations, at}. Answers [status, body], or null for what is not its own. */
export function createAlertmanager({ nowMs, alerts }) {
  const iso = (ms) => new Date(ms).toISOString();
  const silences = [];
  const recurring = [];
  const acknowledged = new Map();
  const matcher = (name, value, isRegex = false, isEqual = true) => ({ name, value, isRegex, isEqual });
  const make = (matchers, from, to, comment, extra = {}) =>
    silences.push({
      id: randomUUID(),
      matchers,
      startsAt: iso(nowMs() + from * HOUR),
      endsAt: iso(nowMs() + to * HOUR),
      updatedAt: iso(nowMs()),
      createdBy: 'ada',
      comment,
      annotations: {},
      ...extra,
    });
  make([matcher('service', 'llm-app'), matcher('endpoint', '/api/(chat|rag)', true)], -1, 2, 'Provider maintenance');
  make([matcher('alertname', 'LLMCost.*', true, true), matcher('team', 'search', false, false)], -3, 0.4, 'Load test', {
    annotations: { until_resolved: '5m' },
  });
  make([matcher('env', 'staging')], 20, 24, 'Moving the staging database');
  make([matcher('alertname', 'LLMDriftDetected')], -30, -26, 'Known change of model', { createdBy: 'bob' });

  const stateOf = (s) =>
    Date.parse(s.endsAt) <= nowMs() ? 'expired' : Date.parse(s.startsAt) > nowMs() ? 'pending' : 'active';
  const shown = (s) => ({ ...s, status: { state: stateOf(s) } });
  const fits = (m, labels) => {
    const value = labels[m.name] ?? '';
    return (m.isRegex ? new RegExp(`^(?:${m.value})$`).test(value) : value === m.value) === (m.isEqual !== false);
  };
  const mutes = (s, labels) =>
    (s.matcherSets?.length ? s.matcherSets : [s.matchers]).some((set) => set.every((m) => fits(m, labels)));
  const view = (alert) => {
    const silencedBy = silences.filter((s) => stateOf(s) === 'active' && mutes(s, alert.labels)).map((s) => s.id);
    return {
      fingerprint: alert.fingerprint,
      labels: alert.labels,
      annotations: alert.annotations,
      startsAt: iso(alert.at),
      endsAt: iso(nowMs() + HOUR),
      updatedAt: iso(nowMs()),
      generatorURL: 'http://prometheus.example/graph',
      receivers: [{ name: 'oncall' }],
      status: { state: silencedBy.length ? 'suppressed' : 'active', silencedBy, inhibitedBy: [], mutedBy: [] },
    };
  };
  function groups(params) {
    const wanted = params.getAll('filter').map((text) => /^"?([^"=!~]+)"?(=~|!~|!=|=)"(.*)"$/.exec(text));
    const byName = new Map();
    for (const a of alerts().map(view)) {
      if (!wanted.every((m) => m && fits(matcher(m[1], m[3], m[2].endsWith('~'), m[2][0] === '='), a.labels))) continue;
      byName.set(a.labels.alertname, [...(byName.get(a.labels.alertname) ?? []), a]);
    }
    return [...byName].map(([alertname, list]) => ({
      labels: { alertname },
      receiver: { name: 'oncall' },
      alerts: list,
    }));
  }
  function preview(body) {
    const list = alerts()
      .map(view)
      .filter((a) => mutes(body, a.labels));
    return {
      alert_count: list.length,
      alerts: list.map((a) => ({ ...a, state: a.status.state, starts_at: a.startsAt, receivers: ['oncall'] })),
      groups_silent: list.slice(0, 1).map((a) => ({ receiver: 'oncall', labels: { alertname: a.labels.alertname } })),
      past: {
        from: iso(nowMs() - 168 * HOUR),
        fired: list.length * 4,
        by_rule: Object.fromEntries(list.map((a) => [a.labels.alertname, 4])),
      },
    };
  }
  const acknowledgements = () => ({ items: [...acknowledged.values()], next_cursor: null });
  function acknowledge(body, is) {
    const of =
      body.fingerprints ??
      groups(new URLSearchParams()).flatMap((g) =>
        g.labels.alertname === body.group.labels.alertname ? g.alerts.map((a) => a.fingerprint) : [],
      );
    for (const fingerprint of of) {
      if (is)
        acknowledged.set(fingerprint, {
          fingerprint,
          by: body.actor,
          source: 'page',
          at: iso(nowMs()),
          note: '',
          until: null,
        });
      else acknowledged.delete(fingerprint);
    }
    return { items: of.map((fingerprint) => ({ fingerprint })), next_cursor: null };
  }

  return function route(method, path, params, body) {
    const id = path.split('/').at(-1);
    const one = () => silences.find((s) => s.id === id);
    switch (`${method} ${path.replace(id, /^[0-9a-f-]{36}$/.test(id) ? '{id}' : id)}`) {
      case 'GET /api/v2/status':
        return [
          200,
          {
            cluster: { status: 'disabled', peers: [] },
            config: { original: 'route:\n  receiver: oncall\nreceivers:\n- name: oncall\n' },
            uptime: iso(nowMs() - 5 * HOUR),
            versionInfo: { version: '0.34.0', revision: '0.1.0-mock' },
          },
        ];
      case 'GET /api/v2/receivers':
        return [200, [{ name: 'oncall' }]];
      case 'GET /api/v2/alerts':
        return [
          200,
          alerts()
            .map(view)
            .filter((a) => params.get('active') !== 'false' || a.status.state !== 'active'),
        ];
      case 'GET /api/v2/alerts/groups':
        return [200, groups(params)];
      case 'GET /api/v2/silences':
        return [200, silences.map(shown)];
      case 'GET /api/v2/silence/{id}':
        return one() ? [200, shown(one())] : [404, ''];
      case 'DELETE /api/v2/silence/{id}':
        if (one()) one().endsAt = iso(nowMs());
        return [one() ? 200 : 404, ''];
      case 'POST /api/v2/silences': {
        const known = silences.find((s) => s.id === body.id);
        if (known) Object.assign(known, body);
        else silences.push({ annotations: {}, updatedAt: iso(nowMs()), ...body, id: randomUUID() });
        return [200, { silenceID: known?.id ?? silences.at(-1).id }];
      }
      case 'POST /sentinel/v1/silences/preview':
        return [200, preview(body)];
      case 'GET /sentinel/v1/silences/recurring':
        return [200, { items: recurring, next_cursor: null }];
      case 'POST /sentinel/v1/silences/recurring':
        recurring.push({
          id: randomUUID(),
          created_by: body.actor,
          starts_at: iso(nowMs()),
          ends_at: null,
          annotations: {},
          instances: [{ starts_at: iso(nowMs() + HOUR), ends_at: iso(nowMs() + 2 * HOUR), silence: null }],
          ...body,
        });
        return [201, recurring.at(-1)];
      case 'DELETE /sentinel/v1/silences/recurring/{id}':
        recurring.splice(
          recurring.findIndex((r) => r.id === id),
          1,
        );
        return [200, { id }];
      case 'GET /sentinel/v1/alerts/acknowledgements':
        return [200, acknowledgements()];
      case 'POST /sentinel/v1/alerts/acknowledge':
        return [200, acknowledge(body, true)];
      case 'POST /sentinel/v1/alerts/unacknowledge':
        return [200, acknowledge(body, false)];
      case 'GET /sentinel/v1/audit':
        return [
          200,
          {
            items: [{ id: 1, at: iso(nowMs() - HOUR), actor: 'ada', source: 'page', action: 'silence.added' }],
            next_cursor: null,
          },
        ];
      default:
        return null;
    }
  };
}
