// Alertmanager's API v2 and what stands beside it (docs/alertmanager.md): served by `sentinel serve` and `sentinel alertmanager` alike.
import type { AlertStatus } from './alert_links';
import { address, credentials, get, headers, post, send } from './api';
import { previewBody, type RecurringSilence, type Silence } from './silences';
import type { Row } from './matchers';
import type { Labels, Page } from './types';

export interface AmAlert {
  fingerprint: string;
  labels: Labels;
  annotations: Labels;
  startsAt: string;
  endsAt: string;
  updatedAt: string;
  generatorURL?: string;
  receivers: { name: string }[];
  status: AlertStatus;
}
export interface AmGroup {
  labels: Labels;
  receiver: { name: string };
  alerts: AmAlert[];
}
export interface AmStatus {
  cluster: { name?: string; status: string; peers?: { name: string; address: string }[] | null };
  config: { original: string };
  uptime: string;
  versionInfo: { version: string; revision: string };
}
export interface Acknowledgement {
  fingerprint: string;
  by: string;
  source: string;
  at: string;
  note: string;
  until: string | null;
}
export interface Preview {
  alert_count: number;
  alerts: { fingerprint: string; labels: Labels; state: string; starts_at: string; receivers: string[] }[];
  groups_silent: { receiver: string; labels: Labels }[];
  past: { from: string; fired: number; by_rule: Record<string, number> };
}
export interface AuditEntry {
  id: number | string;
  at: string;
  actor: string;
  source: string;
  action: string;
}
/** One group of a receiver, or single alerts. */
export type Which = { fingerprints: string[] } | { group: { receiver: string; labels: Labels } };

const v1 = '/sentinel/v1';
const v2 = '/api/v2';

/** Who does it, for the audit. Fields of a header are bytes: the name goes as UTF-8. */
export function actorHeaders(name: string = credentials.actor): Record<string, string> {
  const bytes = new TextEncoder().encode(name.replace(/[\r\n\0]/g, ' ').trim());
  return { 'X-Sentinel-User': String.fromCharCode(...bytes), 'X-Sentinel-Source': 'page' };
}

async function remove(path: string): Promise<void> {
  await send(address(path), { method: 'DELETE', headers: headers(actorHeaders()) });
}
const change = <T>(path: string, body: unknown) => post<T>(path, body, actorHeaders());

export const alertmanager = {
  status: (signal?: AbortSignal) => get<AmStatus>(`${v2}/status`, {}, signal),
  receivers: (signal?: AbortSignal) => get<{ name: string }[]>(`${v2}/receivers`, {}, signal),
  alerts: (query: Record<string, unknown> = {}, signal?: AbortSignal) => get<AmAlert[]>(`${v2}/alerts`, query, signal),
  /** `filter`: one matcher each; `receiver`: an expression. */
  groups: (filter: string[], receiver: string, signal?: AbortSignal) =>
    get<AmGroup[]>(`${v2}/alerts/groups`, { filter, receiver }, signal),

  silences: (signal?: AbortSignal) => get<Silence[]>(`${v2}/silences`, {}, signal),
  silence: (id: string, signal?: AbortSignal) => get<Silence>(`${v2}/silence/${encodeURIComponent(id)}`, {}, signal),
  putSilence: async (body: unknown) => (await change<{ silenceID: string }>(`${v2}/silences`, body)).silenceID,
  expireSilence: (id: string) => remove(`${v2}/silence/${encodeURIComponent(id)}`),
  previewSilence: (sets: Row[][], signal?: AbortSignal) =>
    post<Preview>(`${v1}/silences/preview`, previewBody(sets), {}, signal),

  recurring: async (signal?: AbortSignal) =>
    (await get<Page<RecurringSilence>>(`${v1}/silences/recurring`, {}, signal)).items,
  addRecurring: (body: unknown) => change<RecurringSilence>(`${v1}/silences/recurring`, body),
  removeRecurring: (id: string) => remove(`${v1}/silences/recurring/${encodeURIComponent(id)}`),

  acknowledgements: async (signal?: AbortSignal) =>
    (await get<Page<Acknowledgement>>(`${v1}/alerts/acknowledgements`, {}, signal)).items,
  acknowledge: (which: Which) =>
    change<Page<Acknowledgement>>(`${v1}/alerts/acknowledge`, { ...which, actor: credentials.actor }),
  unacknowledge: (which: Which) =>
    change<Page<Acknowledgement>>(`${v1}/alerts/unacknowledge`, { ...which, actor: credentials.actor }),

  audit: async (target: string, signal?: AbortSignal) =>
    (await get<Page<AuditEntry>>(`${v1}/audit`, { target, limit: 20 }, signal)).items,
};
