#pragma once
// The work to end one problem.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/labels.h"
#include "model/severity.h"

namespace sentinel::model {

enum class IncidentStatus { kOpen, kAcknowledged, kInvestigating, kIdentified, kMonitoring, kResolved };
std::string_view incident_status_name(IncidentStatus status);
std::optional<IncidentStatus> parse_incident_status(std::string_view text);
std::vector<IncidentStatus> active_incident_statuses();  // all but resolved

// Typed, ordered by (incident, sequence), immutable.
struct TimelineEntry {
  std::string incident_id;
  int64_t sequence = 0;  // from 1, without holes, within the incident
  TimePoint at;
  std::string kind;   // created, status, severity, assignee, note, alert_firing, alert_resolved, notification, runbook,
                      // diagnosis, title, page, escalation
  std::string actor;  // a user's name, or "sentinel"
  std::string source;            // page, api, cli, rule, slack, ...
  std::string text;              // one sentence for people
  std::string data_json = "{}";  // the typed details, e.g. {"from":"open","to":"acknowledged"}
};

struct Incident {
  std::string id;      // ULID
  int64_t number = 0;  // 1, 2, 3 ... for people: INC-17
  std::string title;
  IncidentStatus status = IncidentStatus::kOpen;
  Severity severity = Severity::kSev3;
  std::string assignee;
  std::string channel;    // #incident-2026-11-21
  Labels labels;          // common labels of its alerts: service, env, endpoint, model, ...
  std::string group_key;  // which alert group opened it; a re-fire while it is open joins it
  std::string runbook_id;
  std::string root_cause;
  std::string resolution;
  bool test_mode = false;
  TimePoint created_at;                        // the row was written
  TimePoint detected_at;                       // the first alert fired
  std::optional<TimePoint> impact_started_at;  // onset found by diagnosis
  std::optional<TimePoint> acknowledged_at;
  std::optional<TimePoint> resolved_at;
  TimePoint updated_at;
  int64_t version = 1;  // increases with each change
};

}  // namespace sentinel::model
