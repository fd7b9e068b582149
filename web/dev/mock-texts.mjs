// Longer texts of the mock server.
export function runbook() {
  const step = (step_id, description, action, expected_result, troubleshooting, automated = false) => ({
    step_id,
    description,
    action,
    expected_result,
    troubleshooting,
    automated,
    automation: automated ? 'restart-worker' : '',
    state: 'todo',
    note: null,
    actor: null,
    at: null,
  });
  return {
    id: 'llm-drift-detected',
    title: 'Answers drift from their baseline',
    estimated_time: '15 min',
    description:
      'The answers of an endpoint differ from its baseline more than usual. Most often a model or a prompt template changed.',
    steps: [
      step(
        'confirm',
        'Confirm the drift on examples',
        'Open three example calls of the alert and compare them with the baseline.',
        'Tone, length or content clearly differ.',
        'If they do not, the baseline may be old: see “Rebuild the baseline”.',
      ),
      step(
        'find-change',
        'Find the change',
        'sentinel sql "SELECT model_version, count(*), avg(drift_score) FROM llm_events WHERE timestamp > now() - INTERVAL 30 MINUTE GROUP BY 1"',
        'One model version or template carries the drift.',
        'Also look at the change events in the timeline.',
      ),
      step(
        'roll-back',
        'Route back to the last good version',
        'Set the route to sim-large-1 and reload: kill -HUP $(pidof sentinel)',
        'New calls show sim-large-1 within seconds.',
        'If the provider retired the version, use the fallback model.',
        true,
      ),
      step(
        'verify',
        'Watch the drift score fall',
        'Watch the drift chart for five minutes.',
        'The mean is below 0.1.',
        null,
      ),
      step('tell', 'Tell the owners', 'Post the summary into the incident channel.', null, null),
    ],
    markdown:
      '## Symptoms\n\n- `llm_drift_score` above **0.2** while the baseline is ready\n- Users report a *different tone*\n\n## Prevention\n\n1. Pin model versions\n2. Canary new versions for an hour\n',
  };
}

export function postmortem(inc) {
  return `# Postmortem: ${inc.name} ${inc.title}

| | |
| --- | --- |
| Date | ${inc.created_at.slice(0, 10)} |
| Severity | ${inc.severity} |
| Time to acknowledge | ${inc.time_to_acknowledge_s ? Math.round(inc.time_to_acknowledge_s) + ' s' : 'not acknowledged'} |
| Time to resolve | ${inc.time_to_resolve_s ? Math.round(inc.time_to_resolve_s) + ' s' : 'still open'} |

## Summary

${inc.what_failed} ${inc.why}

## Root cause

${inc.root_cause ?? '_Not written down yet._'}

## Timeline

${inc.timeline.map((e) => `- **${e.at.slice(11, 19)}** ${e.text}${e.actor ? ` (${e.actor})` : ''}`).join('\n')}

## Action items

- [ ] Pin the model version of every route (owner: llm-platform)
- [ ] Canary a new version for one hour
- [x] Alert on drift with a ready baseline

## What went well

> The rule fired 62 seconds after the change.
`;
}
