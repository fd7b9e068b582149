// The values of docs/api.md, as the page reads them. Times are RFC 3339 UTC strings.

export type Severity = 'SEV1' | 'SEV2' | 'SEV3' | 'SEV4';
export type Status = 'open' | 'acknowledged' | 'investigating' | 'identified' | 'monitoring' | 'resolved';
export type Labels = Record<string, string>;

export interface Incident {
  id: string;
  number: number;
  name: string;
  title: string;
  status: Status;
  severity: Severity;
  priority: string;
  assignee: string | null;
  channel: string | null;
  labels: Labels;
  root_cause: string | null;
  resolution: string | null;
  runbook_id: string | null;
  test_mode: boolean;
  created_at: string;
  detected_at: string | null;
  impact_started_at: string | null;
  acknowledged_at: string | null;
  resolved_at: string | null;
  updated_at: string;
  version: number;
  time_to_acknowledge_s: number | null;
  time_to_resolve_s: number | null;
  what_failed: string | null;
  why: string | null;
  next_step: string | null;
}

export interface IncidentAlert {
  fingerprint: string;
  name: string;
  labels: Labels;
  annotations: Labels;
  state: 'firing' | 'resolved';
  starts_at: string;
  ends_at: string | null;
  value: number | null;
  expr: string | null;
  examples: string[];
}

export interface TimelineEntry {
  sequence: number;
  at: string;
  kind: string;
  actor: string | null;
  source: string | null;
  text: string;
  data: Record<string, unknown> | null;
}

export interface Finding {
  rank: number;
  sentence: string;
  dimension: string;
  value: string;
  with?: { dimension: string; value: string };
  failing_count: number;
  failing_share: number;
  baseline_count: number;
  baseline_share: number;
  lift: number | null;
  p_value: number | null;
}

export interface Diagnosis {
  computed_at: string;
  failing: number;
  baseline: number;
  failing_condition: string;
  onset: string | null;
  findings: Finding[];
  changes: { at: string; sentence: string; kind: string }[];
  examples: { request_id: string; timestamp: string; sentence: string }[];
}

export type StepState = 'todo' | 'done' | 'skipped' | 'failed';

export interface RunbookStep {
  step_id: string;
  description: string;
  action: string | null;
  expected_result: string | null;
  troubleshooting: string | null;
  automated: boolean;
  automation: string;
  state: StepState;
  note: string | null;
  actor: string | null;
  at: string | null;
}

/** What may be executed, and what it wants to know. */
export interface Automation {
  id: string;
  description: string;
  parameters: {
    name: string;
    description: string;
    pattern: string;
    default: string | null;
    from_label: string;
  }[];
}

/** One run of an automation, or the wish for one. */
export interface Execution {
  id: string;
  step: string;
  automation: string;
  dry_run: boolean;
  state: string;
  attempt: number;
  requested_by: string;
  requested_at: string;
  approval_role: string | null;
  approved_by: string | null;
  exit_code: number | null;
  reason: string;
  output: string;
}

export interface Runbook {
  id: string;
  title: string;
  description: string | null;
  estimated_time: string | null;
  steps: RunbookStep[];
  markdown: string | null;
}

export type RoleName = 'commander' | 'scribe' | 'liaison';
export interface Attachment {
  id: string;
  name: string;
  type: string;
  size_bytes: number;
  sha256: string;
  at: string;
  actor: string;
}
export interface IncidentSettings {
  fields: { name: string; title: string; type: string; values: string[] }[];
  attachments: { max_bytes: number; max_count: number; types: string[] };
}

export interface IncidentDetail extends Incident {
  /** The first of them, those that fire first. */
  alerts: IncidentAlert[];
  alert_count: number;
  roles: { role: RoleName; person: string; since: string; given_by: string }[];
  fields: Record<string, unknown>;
  links: { relation: string; id: string; name: string; title: string; status: Status; severity: Severity }[];
  subscribers: { user: string; name: string; channel: string; since: string }[];
  attachments: Attachment[];
  /** Where else it is: its Slack channel, its ticket. */
  external: {
    integration: string;
    kind: string;
    title: string;
    url: string | null;
    pending: boolean;
    error: string | null;
  }[];
  deadlines: { kind: string; due_at: string; reminded: boolean; missed_at: string | null }[];
  useful: boolean | null;
  timeline: TimelineEntry[];
  diagnosis: Diagnosis | null;
  summary: { text: string; model: string; at: string } | null;
  runbook: Runbook | null;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** One row of llm_events; only what the page names is typed, the rest is shown as it comes. */
export interface Call {
  request_id: string;
  timestamp: string;
  endpoint?: string | null;
  model?: string | null;
  model_version?: string | null;
  provider?: string | null;
  status?: string | null;
  error_type?: string | null;
  http_status?: number | null;
  latency_ms?: number | null;
  ttft_ms?: number | null;
  tokens_input?: number | null;
  tokens_output?: number | null;
  cost_usd?: number | null;
  prompt?: string | null;
  response?: string | null;
  safety_label?: string | null;
  safety_score?: number | null;
  drift_score?: number | null;
  similarity_score?: number | null;
  semantic_similarity_score?: number | null;
  support_score?: number | null;
  prompt_injection_risk?: number | null;
  /** Why: a line for each finding. */
  explanation?: string[] | null;
  ungrounded?: boolean | null;
  test_mode?: boolean | null;
  [column: string]: unknown;
}

export type CallFilter = 'all' | 'errors' | 'unsafe' | 'drift' | 'slow' | 'expensive' | 'injection' | 'ungrounded';

export interface Overview {
  from: string;
  to: string;
  requests: number | null;
  error_rate: number | null;
  latency_p50_ms: number | null;
  latency_p95_ms: number | null;
  /** Over the part of the range since the first call that is held. */
  throughput_rps: number | null;
  /** The oldest call held, in whatever range. */
  first_call_at: string | null;
  cost_usd: number | null;
  tokens_input: number | null;
  tokens_output: number | null;
  safety_mean: number | null;
  drift_mean: number | null;
  semantic_similarity_mean: number | null;
  injections: number | null;
  pii: number | null;
  active_incidents: number;
  firing_alerts: number;
  status: 'ok' | 'degraded' | 'down';
  headline: { what_failed: string; why: string; next_step: string; incident: string | null } | null;
  monitors: { ok: number; pending: number; firing: number; error: number };
}

export interface Alert {
  fingerprint: string;
  name: string;
  labels: Labels;
  annotations: Labels;
  state: 'pending' | 'firing';
  active_at: string;
  value: number | null;
  severity: Severity | string | null;
  source: 'rule' | 'heartbeat' | 'synthetic_page' | 'api';
  generator_url: string | null;
  rule: { group: string; name: string; expr: string; for_s: number } | null;
  incident: string | null;
  silenced_by: string[];
  receiver: string[];
}

export interface Rule {
  group: string;
  name: string;
  type: 'alerting' | 'recording';
  expr: string;
  for_s: number;
  labels: Labels;
  annotations: Labels;
  state: 'inactive' | 'pending' | 'firing';
  health: 'ok' | 'err' | 'unknown';
  last_error: string | null;
  last_evaluation: string | null;
  evaluation_ms: number | null;
}

export interface EventItem {
  id: string;
  at: string;
  source: string;
  title: string;
  text: string;
  alert_type: 'error' | 'warning' | 'info' | 'success';
  kind?: string;
  tags: string[];
  incident: string | null;
}

/** An active silence that ends soon, and who is reminded. */
export interface EndingSilence {
  silence: {
    id: string;
    createdBy: string;
    comment: string;
    matchers: { name: string; value: string; isRegex: boolean; isEqual?: boolean }[];
  };
  ends_at: string;
  firing_alerts: number;
  remind_at: string | null;
  receiver: string | null;
  reminded: boolean;
}

export interface NotificationItem {
  id: string;
  key: string;
  receiver: string;
  status: 'pending' | 'delivered' | 'failed';
  attempts: number;
  created_at: string;
  finished_at: string | null;
  last_error: string | null;
  title: string;
}

export interface Quantiles {
  p50: number | null;
  p90: number | null;
  mean: number | null;
  count: number;
}

export interface IncidentFigures {
  incidents: number;
  by_severity: Partial<Record<Severity, number>>;
  mttd_s: Quantiles | null;
  mtta_s: Quantiles | null;
  mttr_s: Quantiles | null;
  open: number;
  unacknowledged: number;
}
export interface Analytics extends IncidentFigures {
  period_s: number;
  periods: (IncidentFigures & { start: string })[];
}

export interface ServerStatus {
  version: string;
  started_at: string;
  now: string;
  ready: boolean;
  components: { name: string; state: string; detail: string | null }[];
  demo: boolean;
  config: Record<string, number> | null;
}

export type BreakerState = 'closed' | 'half_open' | 'open';
export interface Breaker {
  provider: string;
  model: string;
  state: BreakerState;
  held: boolean;
  open_until: string | null;
  failures_in_a_row: number;
  window_attempts: number;
  window_failures: number;
  under_way: number;
}

export interface DemoState {
  phase: string;
  progress: number;
  next: string | null;
  scenario: string | null;
  seconds_left: number | null;
  toggles?: Record<string, boolean>;
}

export interface SqlResult {
  columns: { name: string; type: string }[];
  rows: unknown[][];
  truncated: boolean;
  elapsed_ms: number;
}

export interface PromSeries {
  metric: Labels;
  values?: [number, string][];
  value?: [number, string];
}

export interface PromResult {
  resultType: 'matrix' | 'vector' | 'scalar' | 'string';
  result: PromSeries[] | [number, string];
}

export interface Person {
  id: string;
  name: string;
}
export interface TimeSpan {
  start: string;
  end: string;
}
export interface ScheduleNow extends Person {
  time_zone: string;
  users: Person[];
  until: string | null;
  next: Person[];
  gaps: TimeSpan[];
}
export interface Shift extends TimeSpan {
  user: Person;
  source: string;
}
export interface ScheduleChange extends TimeSpan {
  id: string;
  user: Person;
  /** Who made it while the server runs; null: the configuration says so. */
  by: string | null;
}
export interface ScheduleOverride extends ScheduleChange {
  kind: 'add' | 'remove' | 'replace';
  with: Person | null;
}
export interface ScheduleSwap extends ScheduleChange {
  taken_by: Person | null;
}
export interface Schedule extends Person {
  time_zone: string;
  from: string;
  to: string;
  shifts: Shift[];
  gaps: TimeSpan[];
  overlaps: TimeSpan[];
  never_serve: Person[];
  overrides: ScheduleOverride[];
  swaps: ScheduleSwap[];
}
export interface OncallUser extends Person {
  channels: string[];
  on_call: string[];
  /** The token's own person. */
  own: boolean;
  may_change: boolean;
}
export interface OncallUsers {
  items: OncallUser[];
  may_add: boolean;
}
/** So long after one was first told, by this channel. */
export interface NotificationRule {
  after: string;
  by: string;
}
export interface PersonDetail extends Person {
  contacts: Record<string, string>;
  rules: { default: NotificationRule[]; urgent: NotificationRule[] };
  available: { name: string; kind: string }[];
  source: 'configuration' | 'changed here' | 'here';
  changed_by: string | null;
  changed_at: string | null;
}
export type PersonChange = Partial<Pick<PersonDetail, 'name' | 'contacts' | 'rules'>>;
export interface Team extends Person {
  members: Person[];
  source: 'configuration' | 'changed here' | 'here';
  changed_by: string | null;
}
export interface Teams {
  items: Team[];
  may_change: boolean;
}
export interface Maintenance {
  id: string;
  from: string;
  to: string;
  repeat: 'day' | 'week' | null;
  time_zone: string;
  until: string | null;
  policies: string[];
  reason: string;
  /** Of the public status page, which tells `public_reason` and never `reason`. */
  components: string[];
  public_reason: string;
  next: TimeSpan | null;
  active_until: string | null;
  by: string | null;
}
export interface MaintenanceList {
  items: Maintenance[];
  policies: string[];
  components: Person[];
}
export interface NewMaintenance {
  from: string;
  to: string;
  time_zone: string;
  repeat?: 'day' | 'week';
  until?: string;
  policies?: string[];
  reason?: string;
  components?: string[];
  public_reason?: string;
}
export interface Heartbeat {
  name: string;
  state: 'waiting' | 'ok' | 'running' | 'late' | 'failed';
  every_s: number | null;
  schedule: string | null;
  time_zone: string | null;
  grace_s: number;
  last_beat: string | null;
  started_at: string | null;
  expected_at: string;
  due_at: string;
  detail: string;
  path: string | null;
}
export interface OncallPage {
  key: string;
  user: Person;
  channel: string;
  level: string;
  at: string;
  outcome: 'under way' | 'delivered' | 'undelivered' | 'unwanted';
  outcome_at: string | null;
  error: string;
}
export interface Escalation {
  incident: string | null;
  id: string;
  title: string;
  policy: string;
  urgent: boolean;
  state: 'escalating' | 'acknowledged' | 'exhausted' | 'resolved';
  level: string;
  next: { at: string; level: string; who: string } | null;
  acknowledged_by: string;
}
export interface EscalationDetail extends Escalation {
  pages: OncallPage[];
}

export type PostmortemState = 'draft' | 'in_review' | 'reviewed' | 'closed';
export type ActionState = 'open' | 'in_progress' | 'done' | 'dropped';
export type ActionType = 'prevent' | 'mitigate' | 'detect' | 'process' | 'investigate';
export interface ActionItem {
  id: number;
  incident: { id: string; name: string; title: string };
  text: string;
  type: ActionType;
  owner: string;
  due_date: string | null;
  state: ActionState;
  overdue: boolean;
  link: string;
  created_at: string;
  created_by: string;
  closed_at: string | null;
}
export interface ActionItemChange {
  text?: string;
  type?: ActionType;
  owner?: string;
  due_date?: string;
  state?: ActionState;
  link?: string;
}
export interface Postmortem {
  markdown: string;
  html: string;
  generated: boolean;
  state: PostmortemState;
  authors: string[];
  version: number;
  saved_at: string | null;
  saved_by: string;
  action_items: ActionItem[];
}

export interface PageQuality {
  rule?: string;
  user?: string;
  team?: string;
  name?: string;
  pages: number;
  business: number;
  off_hours: number;
  sleep: number;
  rated: number;
  resolved_by_itself: number;
  transient: number;
  flapping: number;
  noisy: number;
  unattended: number;
  actionable: number;
  actionable_low: number;
  load: number;
  sleep_per_week: number;
  cost: number;
  fatigue: number | null;
  band: '' | 'healthy' | 'watch' | 'fatigued' | 'critical';
}
export interface AlertQuality {
  incidents: number;
  top_three: number;
  all: PageQuality;
  rules: PageQuality[];
  people: PageQuality[];
  teams: PageQuality[];
  period_s: number;
  periods: { start: string; business: number; off_hours: number; sleep: number; useless: number }[];
}
