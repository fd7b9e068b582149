// The only place that talks to the server. Addresses are relative, so that the page works behind a path prefix.
import { MODE } from './mode';
import * as whole from './normalize';
import type {
  Automation,
  ActionItem,
  ActionItemChange,
  AlertQuality,
  Alert,
  Analytics,
  Breaker,
  BreakerState,
  Call,
  CallFilter,
  DemoState,
  EndingSilence,
  Escalation,
  EscalationDetail,
  EventItem,
  Execution,
  Heartbeat,
  Incident,
  IncidentAlert,
  IncidentDetail,
  IncidentSettings,
  MaintenanceList,
  NewMaintenance,
  NotificationItem,
  OncallPage,
  OncallUsers,
  Overview,
  Page,
  PersonChange,
  PersonDetail,
  Postmortem,
  PostmortemState,
  PromResult,
  Rule,
  Schedule,
  ScheduleNow,
  ServerStatus,
  Severity,
  SqlResult,
  Status,
  StepState,
  Team,
  Teams,
} from './types';

export class ApiError extends Error {
  constructor(
    message: string,
    /** 0 when there was no answer at all. */
    readonly status: number,
    readonly detail: string = '',
    readonly line: number | null = null,
    readonly column: number | null = null,
  ) {
    super(message);
  }
}

/** Sent on the window when the server wants a key, or another one. */
export const UNAUTHORIZED = 'sentinel-unauthorized';

const KEY_NAME = 'sentinel.key';
const ACTOR_NAME = 'sentinel.actor';

function stored(storage: () => Storage, name: string): string {
  try {
    return storage().getItem(name) ?? '';
  } catch {
    return '';
  }
}

export const credentials = {
  get key(): string {
    return stored(() => sessionStorage, KEY_NAME);
  },
  set key(value: string) {
    sessionStorage.setItem(KEY_NAME, value);
  },
  /** The name written on the timeline for what this reader does. */
  get actor(): string {
    return stored(() => localStorage, ACTOR_NAME) || 'on-call';
  },
  set actor(value: string) {
    localStorage.setItem(ACTOR_NAME, value);
  },
};

export function headers(extra: Record<string, string> = {}): Record<string, string> {
  // Alertmanager's users sign in at the browser's own prompt: a token would take its place.
  const key = MODE === 'alertmanager' ? '' : credentials.key;
  return { Accept: 'application/json', ...(key ? { Authorization: `Bearer ${key}` } : {}), ...extra };
}

export function address(path: string, params: Record<string, unknown> = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (Array.isArray(value)) for (const one of value) query.append(name, String(one));
    else if (value !== undefined && value !== null && value !== '') query.set(name, String(value));
  }
  const text = query.toString();
  const url = new URL(`.${path}${text ? `?${text}` : ''}`, document.baseURI.replace(/#.*$/, ''));
  // A page opened as http://user:password@host/ may not ask such an address again; the browser sends them by itself.
  url.username = url.password = '';
  return url.toString();
}

async function problem(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    // Alertmanager's API answers with a string, or with a code and a message.
    if (typeof body === 'string') return new ApiError(body, response.status);
    const title = String(body['title'] ?? body['errorType'] ?? body['message'] ?? response.statusText);
    const detail = String(body['detail'] ?? body['error'] ?? '');
    const place = (name: string) => (typeof body[name] === 'number' ? (body[name] as number) : null);
    return new ApiError(title, response.status, detail, place('line'), place('column'));
  } catch {
    return new ApiError(response.statusText || `HTTP ${response.status}`, response.status, text.slice(0, 200));
  }
}

export async function send(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError('The server does not answer', 0, 'It may be restarting; this page tries again by itself.');
  }
  if (response.status === 401 && MODE === 'serve') window.dispatchEvent(new Event(UNAUTHORIZED));
  if (!response.ok) throw await problem(response);
  return response;
}

export async function get<T>(path: string, params: Record<string, unknown> = {}, signal?: AbortSignal): Promise<T> {
  const response = await send(address(path, params), { headers: headers(), signal: signal ?? null });
  return (await response.json()) as T;
}

export async function post<T>(
  path: string,
  body: unknown,
  extra: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<T> {
  const response = await send(address(path), {
    method: 'POST',
    headers: headers({ 'Content-Type': 'application/json', ...extra }),
    body: JSON.stringify(body),
    signal: signal ?? null,
  });
  const text = await response.text();
  return (text ? JSON.parse(text) : null) as T;
}

export async function put<T>(path: string, body: unknown, extra: Record<string, string> = {}): Promise<T> {
  const response = await send(address(path), {
    method: 'PUT',
    headers: headers({ 'Content-Type': 'application/json', ...extra }),
    body: JSON.stringify(body),
  });
  return (await response.json()) as T;
}

const v1 = '/sentinel/v1';
/** Who does it, where a request has no body to say so. */
const who = (): Record<string, string> => ({
  'X-Sentinel-User': credentials.actor.replace(/[^ -~]/g, '_'),
  'X-Sentinel-Source': 'page',
});
const remove = (path: string) => send(address(path), { method: 'DELETE', headers: headers(who()) });
const iso = (ms: number) => new Date(ms).toISOString();
const one = (id: string) => `${v1}/incidents/${encodeURIComponent(id)}`;

/** A change is refused with 409 when someone else was faster: the page sends the version it saw. */
function change(id: string, verb: string, body: Record<string, unknown>, version?: number): Promise<IncidentDetail> {
  const extra: Record<string, string> = version === undefined ? {} : { 'If-Match': String(version) };
  return post<IncidentDetail>(`${one(id)}/${verb}`, { actor: credentials.actor, ...body }, extra).then(
    whole.incidentDetail,
  );
}

export const api = {
  overview: (fromMs: number, toMs: number, signal?: AbortSignal) =>
    get<Overview>(`${v1}/overview`, { from: iso(fromMs), to: iso(toMs) }, signal).then(whole.overview),

  incidents: (
    query: { status?: string; severity?: string; q?: string; limit?: number; cursor?: string | null } = {},
    signal?: AbortSignal,
  ) => get<Page<Incident>>(`${v1}/incidents`, query, signal).then((all) => whole.page(all, whole.incident)),
  incident: (id: string, signal?: AbortSignal) => get<IncidentDetail>(one(id), {}, signal).then(whole.incidentDetail),
  create: (body: { title: string; severity: Severity; assignee?: string; note?: string }) =>
    post<Incident>(`${v1}/incidents`, body).then(whole.incident),
  acknowledge: (id: string, note?: string) => change(id, 'acknowledge', note ? { note } : {}),
  setStatus: (id: string, status: Status, note: string, version?: number) =>
    change(id, 'status', { status, ...(note ? { note } : {}) }, version),
  assign: (id: string, assignee: string) => change(id, 'assign', { assignee }),
  setSeverity: (id: string, severity: Severity) => change(id, 'severity', { severity }),
  note: (id: string, text: string) => change(id, 'notes', { text }),
  resolve: (id: string, root_cause: string, resolution: string) => change(id, 'resolve', { root_cause, resolution }),
  reopen: (id: string, note: string) => change(id, 'reopen', note ? { note } : {}),
  merge: (id: string, into: string) => change(id, 'merge', { into }),
  /** roles, fields, links, unlink, parent, split, subscribe, unsubscribe, updates, review. */
  act: (id: string, action: string, body: Record<string, unknown>) => change(id, action, body),
  incidentSettings: (signal?: AbortSignal) => get<IncidentSettings>(`${v1}/incidents/settings`, {}, signal),
  incidentAlerts: (id: string, cursor: string, limit: number, signal?: AbortSignal) =>
    get<Page<IncidentAlert>>(`${one(id)}/alerts`, { cursor, limit }, signal).then((all) =>
      whole.page(all, whole.incidentAlert),
    ),
  attach: async (id: string, file: File) => {
    await send(address(`${one(id)}/attachments`, { name: file.name }), {
      method: 'POST',
      headers: headers({
        'Content-Type': file.type || 'text/plain',
        ...who(),
      }),
      body: file,
    });
    return get<IncidentDetail>(one(id)).then(whole.incidentDetail);
  },
  attachment: async (id: string, attachment: string) =>
    (await send(address(`${one(id)}/attachments/${encodeURIComponent(attachment)}`), { headers: headers() })).blob(),
  removeAttachment: async (id: string, attachment: string) => {
    const answer = await remove(`${one(id)}/attachments/${encodeURIComponent(attachment)}`);
    return whole.incidentDetail((await answer.json()) as IncidentDetail);
  },
  step: (id: string, step: string, state: StepState, note: string) =>
    change(id, `runbook/steps/${encodeURIComponent(step)}`, { state, ...(note ? { note } : {}) }),
  executions: (incident: string, signal?: AbortSignal) =>
    get<Page<Execution>>(`${v1}/executions`, { incident }, signal).then((all) => whole.page(all)),
  automations: (signal?: AbortSignal) =>
    get<Page<Automation>>(`${v1}/automations`, {}, signal).then((all) => whole.page(all)),
  execute: (incident: string, step: string, automation: string, parameters: Record<string, string>, dry_run: boolean) =>
    post<Execution>(`${v1}/executions`, {
      incident,
      step,
      automation,
      parameters,
      dry_run,
      actor: credentials.actor,
    }),
  changeExecution: (id: string, action: 'approve' | 'reject' | 'cancel') =>
    post<Execution>(`${v1}/executions/${encodeURIComponent(id)}/${action}`, { actor: credentials.actor }),
  postmortem: (id: string, signal?: AbortSignal) =>
    get<Postmortem>(`${one(id)}/postmortem`, { format: 'json' }, signal),
  postmortemPage: async (id: string) =>
    (await send(address(`${one(id)}/postmortem`, { format: 'html' }), { headers: headers() })).blob(),
  savePostmortem: (id: string, change: { markdown?: string; state?: PostmortemState }, version: number) =>
    put<Postmortem>(
      `${one(id)}/postmortem`,
      { ...change, actor: credentials.actor },
      version > 0 ? { 'If-Match': String(version) } : {},
    ),
  addActionItem: (id: string, item: ActionItemChange) =>
    post<ActionItem>(`${one(id)}/action-items`, { ...item, actor: credentials.actor }),
  changeActionItem: (item: number, change: ActionItemChange) =>
    send(address(`${v1}/action-items/${item}`), {
      method: 'PATCH',
      headers: headers({ 'Content-Type': 'application/json' }),
      body: JSON.stringify({ ...change, actor: credentials.actor }),
    }).then((response) => response.json() as Promise<ActionItem>),

  sql: (query: string, signal?: AbortSignal) => post<SqlResult>(`${v1}/sql`, { query }, {}, signal),
  calls: (
    query: {
      filter?: CallFilter;
      fromMs?: number;
      toMs?: number;
      model?: string;
      endpoint?: string;
      limit?: number;
      cursor?: string | null;
    },
    signal?: AbortSignal,
  ) => {
    const { fromMs, toMs, ...rest } = query;
    return get<Page<Call>>(
      `${v1}/calls`,
      {
        ...rest,
        from: fromMs === undefined ? undefined : iso(fromMs),
        to: toMs === undefined ? undefined : iso(toMs),
      },
      signal,
    ).then((all) => whole.page(all));
  },
  call: (id: string, signal?: AbortSignal) => get<Call>(`${v1}/calls/${encodeURIComponent(id)}`, {}, signal),

  feedback: (request_id: string, rating: -1 | 1) => post<unknown>(`${v1}/feedback`, { request_id, rating }),

  alerts: (signal?: AbortSignal) =>
    get<Page<Alert>>(`${v1}/alerts`, { limit: 500 }, signal).then((all) => whole.page(all, whole.alert)),
  endingSilences: (signal?: AbortSignal) =>
    get<Page<EndingSilence>>(`${v1}/silences/ending`, { within: '24h' }, signal).then((all) => whole.page(all)),
  rules: (signal?: AbortSignal) =>
    get<Page<Rule>>(`${v1}/rules`, { limit: 500 }, signal).then((all) => whole.page(all, whole.rule)),
  events: (q: string, fromMs: number, toMs: number, signal?: AbortSignal) =>
    get<Page<EventItem>>(`${v1}/events`, { q, from: iso(fromMs), to: iso(toMs), limit: 200 }, signal).then((all) =>
      whole.page(all, (one) => ({ ...one, tags: one.tags ?? [] })),
    ),
  notifications: (signal?: AbortSignal) =>
    get<Page<NotificationItem>>(`${v1}/notifications`, { limit: 100 }, signal).then((all) => whole.page(all)),
  analytics: (fromMs: number, toMs: number, signal?: AbortSignal) =>
    get<Analytics>(`${v1}/analytics`, { from: iso(fromMs), to: iso(toMs) }, signal),
  alertQuality: (fromMs: number, toMs: number, signal?: AbortSignal) =>
    get<AlertQuality>(
      `${v1}/analytics/alerts`,
      { from: iso(fromMs), to: iso(toMs), time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone },
      signal,
    ),
  breakers: (signal?: AbortSignal) =>
    get<Page<Breaker>>(`${v1}/gateway/breakers`, {}, signal).then((all) => whole.page(all)),
  setBreaker: (provider: string, model: string, state: BreakerState | 'auto') =>
    post<Page<Breaker>>(`${v1}/gateway/breakers`, { provider, model, state, actor: credentials.actor }).then((all) =>
      whole.page(all),
    ),
  status: (signal?: AbortSignal) => get<ServerStatus>(`${v1}/status`, {}, signal).then(whole.status),

  onCall: (signal?: AbortSignal) =>
    get<{ schedules: ScheduleNow[] }>(`${v1}/oncall`, {}, signal).then((all) => all.schedules),
  schedule: (id: string, fromMs: number, toMs: number, signal?: AbortSignal) =>
    get<Schedule>(`${v1}/oncall/schedules/${encodeURIComponent(id)}`, { from: iso(fromMs), to: iso(toMs) }, signal),
  onCallUsers: (signal?: AbortSignal) => get<OncallUsers>(`${v1}/oncall/users`, {}, signal),
  onCallUser: (id: string, signal?: AbortSignal) =>
    get<PersonDetail>(`${v1}/oncall/users/${encodeURIComponent(id)}`, {}, signal),
  changeOnCallUser: (id: string, change: PersonChange) =>
    put<PersonDetail>(`${v1}/oncall/users/${encodeURIComponent(id)}`, { actor: credentials.actor, ...change }),
  resetOnCallUser: (id: string) => remove(`${v1}/oncall/users/${encodeURIComponent(id)}`),
  teams: (signal?: AbortSignal) => get<Teams>(`${v1}/oncall/teams`, {}, signal),
  changeTeam: (id: string, change: { name?: string; members: string[] }) =>
    put<Team>(`${v1}/oncall/teams/${encodeURIComponent(id)}`, { actor: credentials.actor, ...change }),
  resetTeam: (id: string) => remove(`${v1}/oncall/teams/${encodeURIComponent(id)}`),
  testPage: (user: string, channel: string) =>
    post<{ id: string }>(`${v1}/oncall/pages`, { actor: credentials.actor, user, channel }),
  testPageOutcome: (id: string) => get<OncallPage>(`${v1}/oncall/pages/${encodeURIComponent(id)}`),
  maintenance: (signal?: AbortSignal) => get<MaintenanceList>(`${v1}/oncall/maintenance`, {}, signal),
  addMaintenance: (window: NewMaintenance) =>
    post<unknown>(`${v1}/oncall/maintenance`, { actor: credentials.actor, ...window }),
  removeMaintenance: (id: string) => remove(`${v1}/oncall/maintenance/${encodeURIComponent(id)}`),
  heartbeats: (signal?: AbortSignal) =>
    get<{ items: Heartbeat[] }>(`${v1}/heartbeats`, {}, signal).then((all) => all.items),
  addOverride: (schedule: string, body: Record<string, string>) =>
    post<unknown>(`${v1}/oncall/schedules/${encodeURIComponent(schedule)}/overrides`, {
      actor: credentials.actor,
      ...body,
    }),
  takeSwap: (id: string, user: string) =>
    post<unknown>(`${v1}/oncall/swaps/${encodeURIComponent(id)}/take`, { actor: credentials.actor, user }),
  removeChange: (id: string) => remove(`${v1}/oncall/changes/${encodeURIComponent(id)}`),
  escalations: (signal?: AbortSignal) =>
    get<{ items: Escalation[] }>(`${v1}/oncall/escalations`, {}, signal).then((all) => all.items),
  /** Null: nobody is told of this incident. */
  escalation: async (incident: string, signal?: AbortSignal): Promise<EscalationDetail | null> => {
    const known = await get<{ items: Escalation[] }>(`${v1}/oncall/escalations`, { incident }, signal);
    if (!known.items.length) return null;
    return get<EscalationDetail>(`${v1}/oncall/escalations/${encodeURIComponent(incident)}`, {}, signal);
  },
  escalate: (incident: string) =>
    post<EscalationDetail>(`${v1}/oncall/escalations/${encodeURIComponent(incident)}/escalate`, {
      actor: credentials.actor,
    }),

  demo: async (signal?: AbortSignal): Promise<DemoState | null> => {
    try {
      return await get<DemoState>(`${v1}/demo`, {}, signal);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
  },
  demoToggles: (toggles: Record<string, boolean>) => post<Record<string, boolean>>(`${v1}/demo/toggles`, toggles),

  queryRange: async (query: string, start: number, end: number, step: number, signal?: AbortSignal) =>
    (await get<{ data: PromResult }>('/api/v1/query_range', { query, start, end, step }, signal)).data,
  query: async (query: string, time?: number, signal?: AbortSignal) =>
    (await get<{ data: PromResult }>('/api/v1/query', { query, time }, signal)).data,
  labelValues: async (name: string, signal?: AbortSignal) =>
    (await get<{ data: string[] }>(`/api/v1/label/${encodeURIComponent(name)}/values`, {}, signal)).data,

  live: async (signal: AbortSignal) => {
    const response = await send(address(`${v1}/live`), { headers: headers({ Accept: 'text/event-stream' }), signal });
    if (!response.body) throw new ApiError('The live stream is empty', 0);
    return response.body;
  },
};
