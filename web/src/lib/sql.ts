// The saved investigations, the columns of llm_events for completion, and results as CSV.
import type { SqlResult } from './types';

export const LLM_EVENTS_COLUMNS = (
  'request_id trace_id timestamp service env endpoint request_type provider model model_version prompt_id prompt_template session_id user_hash ' +
  'prompt response finish_reason stream status error_type http_status retry_count fallback_used cache_hit latency_ms ttft_ms tokens_input ' +
  'tokens_output tokens_cached_input tokens_reasoning cost_usd response_length safety_label safety_score safety_categories pii_types ' +
  'prompt_injection_risk token_abuse similarity_score drift_score baseline_ready semantic_similarity_score support_score ungrounded guard_action ' +
  'simulate_flags test_mode tags document_injection_risk tool_injection_risk explanation tokens_cache_write tokens_cache_write_1h ' +
  'tokens_audio_input tokens_audio_output tokens_image_input tokens_image_output service_tier quality_issues'
).split(' ');

export const INVESTIGATIONS: { name: string; hint: string; query: string }[] = [
  {
    name: 'Unsafe answers',
    hint: 'Safety score below 0.5 in the last 10 minutes',
    query:
      'SELECT request_id, timestamp, prompt, response, safety_label, safety_score FROM `sentinel_telemetry.llm_events`\nWHERE safety_score < 0.5 AND timestamp >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 10 MINUTE) ORDER BY timestamp DESC LIMIT 50',
  },
  {
    name: 'Drifted answers',
    hint: 'Drift above 0.2 against a ready baseline in the last hour',
    query:
      'SELECT request_id, timestamp, prompt, response, drift_score, similarity_score FROM `sentinel_telemetry.llm_events`\nWHERE drift_score > 0.2 AND baseline_ready = true AND timestamp >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 HOUR) ORDER BY drift_score DESC LIMIT 20',
  },
  {
    name: 'By model version',
    hint: 'Calls, errors, cost and drift of each model version',
    query:
      "SELECT model_version, count(*) AS calls, avg(CASE WHEN status = 'error' THEN 1.0 ELSE 0 END) AS error_rate, avg(latency_ms) AS latency_ms, sum(cost_usd) AS cost_usd, avg(drift_score) AS drift\nFROM llm_events GROUP BY model_version ORDER BY calls DESC",
  },
];

function field(value: unknown): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'object' ? JSON.stringify(value) : String(value);
  // A leading sign would be run as a formula by spreadsheets; model output is not to be trusted with that.
  const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replace(/"/g, '""')}"` : safe;
}

export function csv(result: SqlResult): string {
  const head = result.columns.map((column) => field(column.name)).join(',');
  return [head, ...result.rows.map((row) => row.map(field).join(','))].join('\r\n') + '\r\n';
}
