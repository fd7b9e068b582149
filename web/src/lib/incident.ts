// What the page knows of statuses and severities.
import type { Incident, Severity, Status, TimelineEntry } from './types';

export const STATUSES: Status[] = ['open', 'acknowledged', 'investigating', 'identified', 'monitoring', 'resolved'];
export const SEVERITIES: Severity[] = ['SEV1', 'SEV2', 'SEV3', 'SEV4'];

export const SEVERITY_NAMES: Record<Severity, string> = {
  SEV1: 'Critical',
  SEV2: 'High',
  SEV3: 'Medium',
  SEV4: 'Low',
};

/** Seconds in which someone must acknowledge, by severity; null where nobody waits. */
export const ACKNOWLEDGE_S: Record<Severity, number | null> = { SEV1: 900, SEV2: 3600, SEV3: 86400, SEV4: null };

export function isActive(incident: { status: Status }): boolean {
  return incident.status !== 'resolved';
}

export function startMs(incident: Incident): number {
  return Date.parse(incident.impact_started_at ?? incident.detected_at ?? incident.created_at);
}

export function endMs(incident: Incident): number | null {
  return incident.resolved_at ? Date.parse(incident.resolved_at) : null;
}

/** Seconds to acknowledge: as recorded, still running, or null when it was resolved and nobody had. */
export function acknowledgeSeconds(incident: Incident, nowMs: number): { seconds: number; running: boolean } | null {
  if (incident.time_to_acknowledge_s !== null) return { seconds: incident.time_to_acknowledge_s, running: false };
  if (incident.resolved_at !== null) return null;
  return { seconds: (nowMs - Date.parse(incident.created_at)) / 1000, running: true };
}

export function resolveSeconds(incident: Incident, nowMs: number): { seconds: number; running: boolean } {
  if (incident.time_to_resolve_s !== null) return { seconds: incident.time_to_resolve_s, running: false };
  const from = Date.parse(incident.detected_at ?? incident.created_at);
  const end = endMs(incident);
  return { seconds: ((end ?? nowMs) - from) / 1000, running: end === null };
}

/** Worst first, then newest. */
export function byUrgency(a: Incident, b: Incident): number {
  return a.severity.localeCompare(b.severity) || Date.parse(b.created_at) - Date.parse(a.created_at);
}

export type TimelineTone = 'bad' | 'warn' | 'ok' | 'info' | 'neutral';

/** The icon and tone of a kind of entry; unknown kinds get a plain dot. */
export function timelineLook(entry: TimelineEntry): { icon: string; tone: TimelineTone; label: string } {
  const kind = entry.kind.toLowerCase();
  const looks: [RegExp, string, TimelineTone, string][] = [
    [/resolved|alert_end/, 'check', 'ok', 'Resolved'],
    [/reopen/, 'reopen', 'warn', 'Reopened'],
    [/^created|detected|opened/, 'siren', 'bad', 'Opened'],
    [/alert/, 'bell', 'bad', 'Alert'],
    [/ack/, 'hand', 'info', 'Acknowledged'],
    [/assign/, 'user', 'info', 'Assigned'],
    [/severity/, 'flag', 'warn', 'Severity'],
    [/status/, 'status', 'info', 'Status'],
    [/note|comment/, 'note', 'neutral', 'Note'],
    [/runbook|step/, 'book', 'info', 'Runbook'],
    [/notif|page|escalat/, 'send', 'neutral', 'Notified'],
    [/diagnos/, 'search', 'info', 'Diagnosis'],
    [/change|deploy/, 'change', 'warn', 'Change'],
    [/merge|link|split|same_cause/, 'merge', 'neutral', 'Linked'],
    [/role|subscription/, 'user', 'info', 'People'],
    [/update/, 'send', 'info', 'Update'],
    [/deadline/, 'clock', 'warn', 'Deadline'],
    [/field|attachment/, 'note', 'neutral', 'Details'],
    [/review/, 'check', 'ok', 'Review'],
  ];
  for (const [pattern, icon, tone, label] of looks) if (pattern.test(kind)) return { icon, tone, label };
  return { icon: 'dot', tone: 'neutral', label: entry.kind.replace(/_/g, ' ') };
}
