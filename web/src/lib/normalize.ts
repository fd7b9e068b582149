// The server may leave out what is empty. Lists become empty lists and missing values null here, once, so that no screen fails on them.
import type {
  Alert,
  Diagnosis,
  Incident,
  IncidentAlert,
  IncidentDetail,
  Overview,
  Page,
  Rule,
  Runbook,
  ServerStatus,
} from './types';

type Loose<T> = { [K in keyof T]?: T[K] | null | undefined };

export function page<T>(value: Loose<Page<T>> | null, each: (item: T) => T = (item) => item): Page<T> {
  return { items: (value?.items ?? []).map(each), next_cursor: value?.next_cursor ?? null };
}

const INCIDENT_NULLS = [
  'assignee',
  'channel',
  'root_cause',
  'resolution',
  'runbook_id',
  'detected_at',
  'impact_started_at',
  'acknowledged_at',
  'resolved_at',
  'time_to_acknowledge_s',
  'time_to_resolve_s',
  'what_failed',
  'why',
  'next_step',
] as const;

export function incident<T extends Incident>(value: T): T {
  const result = { ...value, labels: value.labels ?? {} };
  for (const name of INCIDENT_NULLS) {
    // An empty text means "none" as well: assignee "", why "".
    if (result[name] === undefined || (result[name] as unknown) === '') Object.assign(result, { [name]: null });
  }
  return result;
}

export function incidentAlert(value: IncidentAlert): IncidentAlert {
  return {
    ...value,
    labels: value.labels ?? {},
    annotations: value.annotations ?? {},
    examples: value.examples ?? [],
    value: value.value ?? null,
    expr: value.expr || null,
    ends_at: value.ends_at || null,
  };
}

function diagnosis(value: Diagnosis | null | undefined): Diagnosis | null {
  if (!value) return null;
  return {
    ...value,
    onset: value.onset || null,
    findings: value.findings ?? [],
    changes: value.changes ?? [],
    examples: value.examples ?? [],
  };
}

function runbook(value: Runbook | null | undefined): Runbook | null {
  return value
    ? { ...value, steps: (value.steps ?? []).map((step) => ({ ...step, state: step.state ?? 'todo' })) }
    : null;
}

export function incidentDetail(value: IncidentDetail): IncidentDetail {
  return {
    ...incident(value),
    alerts: (value.alerts ?? []).map(incidentAlert),
    alert_count: value.alert_count ?? value.alerts?.length ?? 0,
    roles: value.roles ?? [],
    fields: value.fields ?? {},
    links: value.links ?? [],
    subscribers: value.subscribers ?? [],
    attachments: value.attachments ?? [],
    external: value.external ?? [],
    deadlines: value.deadlines ?? [],
    useful: value.useful ?? null,
    timeline: value.timeline ?? [],
    diagnosis: diagnosis(value.diagnosis),
    summary: value.summary ?? null,
    runbook: runbook(value.runbook),
  };
}

export function alert(value: Alert): Alert {
  return {
    ...value,
    labels: value.labels ?? {},
    annotations: value.annotations ?? {},
    silenced_by: value.silenced_by ?? [],
    receiver: value.receiver ?? [],
    value: value.value ?? null,
    source: value.source ?? 'rule',
    generator_url: value.generator_url ?? null,
    rule: value.rule ?? null,
    incident: value.incident || null,
  };
}

export function rule(value: Rule): Rule {
  return {
    ...value,
    labels: value.labels ?? {},
    annotations: value.annotations ?? {},
    last_error: value.last_error || null,
    last_evaluation: value.last_evaluation || null,
  };
}

export function overview(value: Overview): Overview {
  const monitors: Partial<Overview['monitors']> = value.monitors ?? {};
  return {
    ...value,
    monitors: { ok: 0, pending: 0, firing: 0, error: 0, ...monitors },
    headline: value.headline ?? null,
    first_call_at: value.first_call_at ?? null,
  };
}

export function status(value: ServerStatus): ServerStatus {
  return { ...value, components: value.components ?? [], config: value.config ?? null };
}
