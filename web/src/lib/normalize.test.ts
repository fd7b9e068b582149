import { describe, expect, it } from 'vitest';
import { acknowledgeSeconds } from './incident';
import { alert, incident, incidentDetail, overview, page } from './normalize';
import type { Incident, IncidentDetail } from './types';

describe('what the server left out', () => {
  it('becomes empty lists and nulls in an incident', () => {
    const bare = {
      id: '1',
      status: 'open',
      severity: 'SEV2',
      created_at: '2026-11-21T02:00:00Z',
      assignee: '',
      diagnosis: { failing: 1 },
      runbook: { id: 'r' },
      alerts: [{ name: 'A' }],
    } as unknown as IncidentDetail;
    const full = incidentDetail(bare);
    expect(full.timeline).toEqual([]);
    expect([full.roles, full.links, full.attachments, full.deadlines]).toEqual([[], [], [], []]);
    expect(full.alert_count).toBe(1);
    expect(full.assignee).toBeNull();
    expect(full.diagnosis?.findings).toEqual([]);
    expect(full.runbook?.steps).toEqual([]);
    expect(full.alerts[0]?.examples).toEqual([]);
    expect(acknowledgeSeconds(full, Date.parse('2026-11-21T02:00:09Z'))).toEqual({ seconds: 9, running: true });
  });
  it('keeps what is there, zero too', () => {
    expect(incident({ time_to_acknowledge_s: 0, why: 'x', labels: { a: 'b' } } as unknown as Incident)).toMatchObject({
      time_to_acknowledge_s: 0,
      why: 'x',
      labels: { a: 'b' },
    });
  });
  it('completes pages, alerts and the overview', () => {
    expect(page(null)).toEqual({ items: [], next_cursor: null });
    expect(alert({ name: 'A' } as never)).toMatchObject({
      labels: {},
      annotations: {},
      silenced_by: [],
      receiver: [],
      rule: null,
    });
    expect(overview({ monitors: { firing: 2 } } as never)).toMatchObject({
      headline: null,
      monitors: { ok: 0, pending: 0, firing: 2, error: 0 },
    });
  });
});
