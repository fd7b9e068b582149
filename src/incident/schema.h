#pragma once
// Rows of the incident tables and the SQL that reads and writes them. Private to the module.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "incident/casework.h"
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
// Those that fire first, then by start and fingerprint; after the cursor, "" from the first.
Result<std::vector<IncidentAlert>> load_alerts_page(state::Tx& tx, std::string_view incident_id,
                                                    std::optional<bool> firing, std::string_view cursor, size_t limit);
std::string alert_cursor(const IncidentAlert& last);
struct AlertCounts {
  size_t all = 0;
  size_t firing = 0;
};
Result<AlertCounts> count_alerts(state::Tx& tx, std::string_view incident_id);
// Every alert of `from` is one of `into` from now on, and fires no more where it was.
Status copy_alerts(state::Tx& tx, std::string_view from, std::string_view into);
// The most severe of those with this title, or of all; of several the first. Absent: there is none.
Result<std::optional<model::Alert>> load_lead(state::Tx& tx, std::string_view incident_id,
                                              std::optional<std::string_view> title = std::nullopt);
// What the first alert of each other rule would be called, in the order in which the rules began to fire.
Result<std::vector<std::string>> load_other_rules(state::Tx& tx, std::string_view incident_id, std::string_view rule);
// When the first alert about such failing calls began, by their condition; "" are alerts that name none.
Result<std::map<std::string, TimePoint>> load_failing_since(state::Tx& tx, std::string_view incident_id);
// Fills what rows of an older version have in their documents only. After migrations().
Status fill_alert_words(state::Database& database);
// Whether an alert of this name is among them already.
Result<bool> has_alert_named(state::Tx& tx, std::string_view incident_id, std::string_view name);
struct AlertsLeft {
  bool firing = false;  // one of them, or more
  TimePoint last_change;
};
Result<AlertsLeft> alerts_left(state::Tx& tx, std::string_view incident_id);
Status upsert_alert(state::Tx& tx, std::string_view incident_id, const IncidentAlert& alert);
// Of links, from the incident that says it: the duplicate, the effect, the older of a split, what was merged, the
// child.
inline constexpr std::string_view kLinkRelated = "related";
inline constexpr std::string_view kLinkDuplicate = "duplicate";
inline constexpr std::string_view kLinkCause = "cause";
inline constexpr std::string_view kLinkSplit = "split";
inline constexpr std::string_view kLinkMerged = "merged";
inline constexpr std::string_view kLinkParent = "parent";
Status put_link(state::Tx& tx, std::string_view from, std::string_view to, std::string_view kind, TimePoint at,
                std::string_view actor);
Status remove_link(state::Tx& tx, std::string_view from, std::string_view to, std::string_view kind);
Result<std::vector<std::string>> linked_from(state::Tx& tx, std::string_view to, std::string_view kind);  // their ids
Result<std::vector<std::string>> linked_to(state::Tx& tx, std::string_view from, std::string_view kind);

Result<std::vector<Subscriber>> load_subscribers(state::Tx& tx, std::string_view id);
Result<std::string> role_holder(state::Tx& tx, std::string_view id, Role role);  // "": nobody
Result<std::vector<Link>> load_links(state::Tx& tx, std::string_view id);

Result<std::vector<model::TimelineEntry>> load_timeline(state::Tx& tx, std::string_view incident_id);
Result<std::optional<Diagnosis>> load_diagnosis(state::Tx& tx, std::string_view incident_id);
Result<std::optional<Summary>> load_summary(state::Tx& tx, std::string_view incident_id);

}  // namespace sentinel::incident
