#pragma once
// Rows of the incident tables and the SQL that reads and writes them. Private to the module.

#include <string>
#include <string_view>
#include <vector>

#include "incident/service.h"
#include "state/database.h"

namespace sentinel::incident {

const std::vector<state::Migration>& migrations();

Result<int64_t> next_number(state::Tx& tx);
// #incident-YYYY-MM-DD, then -2, -3 ... for the day's later ones.
Result<std::string> channel_name(state::Tx& tx, TimePoint now);

Result<IncidentRecord> load(state::Tx& tx, std::string_view id);
Result<std::vector<IncidentRecord>> load_where(state::Tx& tx, std::string_view where, const state::SqlParams& params);
Status insert(state::Tx& tx, const IncidentRecord& record);
Status update(state::Tx& tx, const IncidentRecord& record);  // by id; version is written as it stands

Result<std::vector<IncidentAlert>> load_alerts(state::Tx& tx, std::string_view incident_id);
// Whether an alert of this name is among them already.
Result<bool> has_alert_named(state::Tx& tx, std::string_view incident_id, std::string_view name);
struct AlertsLeft {
  bool firing = false;  // one of them, or more
  TimePoint last_change;
};
Result<AlertsLeft> alerts_left(state::Tx& tx, std::string_view incident_id);
Status upsert_alert(state::Tx& tx, std::string_view incident_id, const IncidentAlert& alert);
Result<std::vector<model::TimelineEntry>> load_timeline(state::Tx& tx, std::string_view incident_id);
Result<std::optional<Diagnosis>> load_diagnosis(state::Tx& tx, std::string_view incident_id);

}  // namespace sentinel::incident
