// Incidents from alerts: which alert joins which incident, what the timeline says of it, and when all are calm.

#include <algorithm>

#include <fmt/format.h>

#include "base/id.h"
#include "base/log.h"
#include "base/strings.h"
#include "incident/limits.h"
#include "incident/schema.h"
#include "incident/service.h"
#include "incident/words.h"
#include "oncall/config.h"
#include "text/labels_json.h"

namespace sentinel::incident {
namespace {

using alerting::AlertChange;
using model::IncidentStatus;

// Of one rule in one incident: what of its alerts is told in one entry of the timeline.
struct Tally {
  size_t alerts = 0;
  const AlertChange* first = nullptr;
  std::string fingerprints;  // JSON strings, of the first few
};

// What incidents of this group were merged into, while that is open: the same problem goes on there.
Result<std::vector<IncidentRecord>> merged_target(state::Tx& tx, const std::string& group_key) {
  SENTINEL_ASSIGN(const std::vector<IncidentRecord> last,
                  load_where(tx, "WHERE group_key = ? ORDER BY number DESC LIMIT 1", {group_key}));
  if (last.empty()) return std::vector<IncidentRecord>();
  std::string id = last.front().incident.id;
  for (int depth = 0; depth < kParentsMax; ++depth) {
    SENTINEL_ASSIGN(const std::vector<std::string> into, linked_to(tx, id, kLinkMerged));
    if (into.empty()) break;
    id = into.back();
    SENTINEL_ASSIGN(std::vector<IncidentRecord> target, load_where(tx, "WHERE id = ?", {id}));
    if (!target.empty() && target.front().incident.status != IncidentStatus::kResolved) return target;
  }
  return std::vector<IncidentRecord>();
}

}  // namespace

struct Service::TouchedIncident {
  IncidentRecord record;
  std::set<std::string, std::less<>> rules;  // known to be among its alerts
  std::map<std::pair<std::string, AlertChange::Kind>, Tally> tallies;
  TimePoint changed_at;
  bool changed = false;
  bool new_rule = false;
  bool calmer = false;  // an alert has ended
};

// The incidents that a batch of changes touches: each is read once and written once, however many alerts there are.
struct Service::AlertBatch {
  // Rules that tell of so many alerts at once that they are not told one by one.
  std::set<std::pair<std::string, AlertChange::Kind>, std::less<>> storms;
  std::map<std::string, TouchedIncident, std::less<>> touched;    // by id
  std::map<std::string, std::string, std::less<>> open_by_group;  // "": there is none
  std::optional<bool> any_split;                                  // whether an open incident was split from another

  explicit AlertBatch(const std::vector<AlertChange>& changes) {
    std::map<std::pair<std::string, AlertChange::Kind>, size_t> counts;
    for (const AlertChange& change : changes) ++counts[{std::string(change.alert.name()), change.kind}];
    for (const auto& [rule, count] : counts) {
      if (count >= kStormAlertsMin) storms.insert(rule);
    }
  }
};

bool Service::wants(const model::Alert& alert) const {
  if (alert.labels.has(oncall::kSyntheticLabel)) return true;
  return !options_.never_for.contains(std::string(alert.name())) && alert.labels.get("test_mode") != "true" &&
         options_.create_for.contains(severity_of(alert));
}

std::string Service::group_key_of(const model::Labels& labels) const {
  // A test never joins an incident, nor an incident a test.
  if (labels.has(oncall::kSyntheticLabel)) return fmt::format("synthetic/{}", labels.get(oncall::kSyntheticLabel));
  return labels.keep(options_.group_by).to_string();
}

Status Service::on_alerts(state::Tx& tx, const std::vector<AlertChange>& changes) {
  AlertBatch batch(changes);
  for (const AlertChange& change : changes) {
    if (change.kind == AlertChange::Kind::kResolved) {
      SENTINEL_TRY(alert_resolved(tx, batch, change));
    } else if (wants(change.alert)) {
      SENTINEL_TRY(alert_fired(tx, batch, change));
    }
  }
  return finish(tx, batch);
}

// The open incident that a person split off with this alert; "": there is none.
Result<std::string> Service::split_off_with(state::Tx& tx, AlertBatch& batch, const model::Alert& alert) {
  if (!batch.any_split) {
    SENTINEL_ASSIGN(const state::Rows any,
                    tx.query("SELECT 1 FROM incident_links l JOIN incidents i ON i.id = l.to_id WHERE l.kind = ? AND "
                             "i.status <> 'resolved' LIMIT 1",
                             {std::string(kLinkSplit)}));
    batch.any_split = !any.empty();
  }
  if (!*batch.any_split) return std::string();
  SENTINEL_ASSIGN(const state::Rows found,
                  tx.query("SELECT i.id FROM incident_alerts a JOIN incidents i ON i.id = a.incident_id JOIN "
                           "incident_links l ON l.to_id = i.id AND l.kind = ? WHERE a.fingerprint = ? AND i.status <> "
                           "'resolved' ORDER BY i.number DESC LIMIT 1",
                           {std::string(kLinkSplit), alert.fingerprint_hex()}));
  return found.empty() ? std::string() : found.front().text(0);
}

// Null: the alert opens none and none is open.
Result<Service::TouchedIncident*> Service::incident_for(state::Tx& tx, AlertBatch& batch, const AlertChange& change) {
  SENTINEL_ASSIGN(const std::string split_off, split_off_with(tx, batch, change.alert));
  if (!split_off.empty()) {
    auto known = batch.touched.find(split_off);
    if (known == batch.touched.end()) {
      SENTINEL_ASSIGN(IncidentRecord record, load(tx, split_off));
      known = batch.touched.try_emplace(split_off).first;
      known->second.record = std::move(record);
    }
    return &known->second;
  }
  const std::string key = group_key_of(change.alert.labels);
  auto open = batch.open_by_group.find(key);
  if (open == batch.open_by_group.end()) {
    SENTINEL_ASSIGN(std::vector<IncidentRecord> found,
                    load_where(tx, "WHERE group_key = ? AND status <> 'resolved' ORDER BY number DESC LIMIT 1", {key}));
    if (found.empty()) {
      SENTINEL_ASSIGN(found, merged_target(tx, key));
    }
    const std::string id = found.empty() ? "" : found.front().incident.id;
    if (!found.empty() && !batch.touched.contains(id)) batch.touched[id].record = std::move(found.front());
    open = batch.open_by_group.emplace(key, id).first;
  }
  if (!open->second.empty()) return &batch.touched.find(open->second)->second;
  // An update of an alert whose incident was resolved by hand does not open another.
  if (change.kind != AlertChange::Kind::kFired) return nullptr;
  SENTINEL_ASSIGN(IncidentRecord record, open_for_alert(tx, change, key));
  open->second = record.incident.id;
  TouchedIncident& touched = batch.touched[record.incident.id];
  touched.record = std::move(record);
  return &touched;
}

Status Service::alert_fired(state::Tx& tx, AlertBatch& batch, const AlertChange& change) {
  SENTINEL_ASSIGN(TouchedIncident * touched, incident_for(tx, batch, change));
  if (touched == nullptr) return {};
  IncidentRecord& record = touched->record;
  const std::string& id = record.incident.id;
  bool rule_known = touched->rules.contains(change.alert.name());
  if (!rule_known) {
    SENTINEL_ASSIGN(rule_known, has_alert_named(tx, id, change.alert.name()));
    touched->rules.emplace(change.alert.name());
  }
  SENTINEL_TRY(upsert_alert(tx, id, {change.alert, true}));
  if (change.kind != AlertChange::Kind::kFired) return {};
  SENTINEL_TRY(tell_alert(tx, batch, *touched, change));
  const model::Severity severity = severity_of(change.alert);
  if (severity < record.incident.severity) {
    SENTINEL_TRY(append_timeline(
        tx, record.incident, "severity", fmt::format("severity raised to {}", model::severity_name(severity)),
        change_json(model::severity_name(record.incident.severity), model::severity_name(severity)), Actor{}));
    record.incident.severity = severity;
    const std::string raised = fmt::format("severity raised to {}", model::severity_name(severity));
    SENTINEL_TRY(tell_subscribers(tx, record, raised, raised, Actor{}));
    SENTINEL_TRY(call_after(tx, record, change.alert));
    SENTINEL_TRY(escalate(tx, IncidentEvent::kChanged, record, Actor{}));
    touched->new_rule = true;
  }
  // A storm of one rule names it once and reads no other alerts.
  touched->new_rule |= !rule_known;
  return {};
}

Status Service::alert_resolved(state::Tx& tx, AlertBatch& batch, const AlertChange& change) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT incident_id FROM incident_alerts WHERE fingerprint = ? AND firing = 1",
                           {change.alert.fingerprint_hex()}));
  for (const state::Row& row : rows) {
    const std::string id = row.text(0);
    SENTINEL_TRY(upsert_alert(tx, id, {change.alert, false}));
    auto touched = batch.touched.find(id);
    if (touched == batch.touched.end()) {
      SENTINEL_ASSIGN(IncidentRecord record, load(tx, id));
      touched = batch.touched.try_emplace(id).first;
      touched->second.record = std::move(record);
    }
    if (touched->second.record.incident.status == IncidentStatus::kResolved) continue;
    touched->second.calmer = true;
    SENTINEL_TRY(tell_alert(tx, batch, touched->second, change));
  }
  return {};
}

// On the timeline at once, or in the sum of its rule.
Status Service::tell_alert(state::Tx& tx, AlertBatch& batch, TouchedIncident& touched, const AlertChange& change) {
  touched.changed = true;
  touched.changed_at = change.at;
  const std::pair<std::string, AlertChange::Kind> rule(change.alert.name(), change.kind);
  if (!batch.storms.contains(rule)) return tell_alerts(tx, touched.record.incident, change, 1, "");
  Tally& tally = touched.tallies[rule];
  if (++tally.alerts == 1) tally.first = &change;
  if (tally.alerts > kStormAlertsNamedMax) return {};
  if (!tally.fingerprints.empty()) tally.fingerprints += ",";
  tally.fingerprints += json_quote(change.alert.fingerprint_hex());
  return {};
}

Status Service::tell_alerts(state::Tx& tx, const model::Incident& incident, const AlertChange& first, size_t alerts,
                            std::string_view fingerprints) {
  const bool ended = first.kind == AlertChange::Kind::kResolved;
  const std::string_view kind = ended ? "alert_resolved" : "alert_firing";
  if (alerts == 1) {
    const std::string fingerprint = first.alert.fingerprint_hex();
    const std::string text =
        fmt::format("{} {}: {}", first.alert.name(), ended ? "has ended" : "is firing", title_of(first.alert));
    const std::string labels = ended ? "" : fmt::format(R"(,"labels":{})", text::encode_labels(first.alert.labels));
    return append_timeline(tx, incident, kind, text, fmt::format(R"({{"fingerprint":"{}"{}}})", fingerprint, labels),
                           Actor{});
  }
  const std::string text = fmt::format("{} {} for {} alerts, such as: {}", first.alert.name(),
                                       ended ? "has ended" : "is firing", alerts, title_of(first.alert));
  const std::string data = fmt::format(R"({{"rule":{},"alerts":{},"fingerprints":[{}]}})",
                                       json_quote(first.alert.name()), alerts, fingerprints);
  return append_timeline(tx, incident, kind, text, data, Actor{});
}

Status Service::finish(state::Tx& tx, AlertBatch& batch) {
  for (auto& [id, touched] : batch.touched) {
    if (!touched.changed) continue;
    for (const auto& [rule, tally] : touched.tallies) {
      SENTINEL_TRY(tell_alerts(tx, touched.record.incident, *tally.first, tally.alerts, tally.fingerprints));
    }
    if (touched.new_rule) SENTINEL_TRY(sum_up(tx, touched.record));
    touched.record.incident.updated_at = touched.changed_at;
    ++touched.record.incident.version;
    SENTINEL_TRY(store(tx, touched.record));
    notify_changed(id);
    if (touched.calmer && options_.auto_resolve) schedule_auto_resolve(id);
  }
  return {};
}

Status Service::call_after(state::Tx& tx, IncidentRecord& record, const model::Alert& alert) {
  SENTINEL_ASSIGN(const std::optional<model::Alert> before, load_lead(tx, record.incident.id, record.incident.title));
  const std::string title = title_of(alert);
  if (!before) return {};
  record.incident.labels = alert.labels;
  lead_changed_.insert(record.incident.id);
  if (title == record.incident.title) return {};
  // The next step of a runbook stays: somebody may be in the middle of it.
  if (record.headline.next_step == before->annotations.get("action") && !alert.annotations.get("action").empty()) {
    record.headline.next_step = std::string(alert.annotations.get("action"));
    record.incident.runbook_id = std::string(alert.annotations.get("runbook"));
  }
  SENTINEL_TRY(append_timeline(tx, record.incident, "title",
                               fmt::format("called after {}, which is more severe: {}", alert.name(), title),
                               change_json(record.incident.title, title), Actor{}));
  record.incident.title = title;
  return {};
}

Status Service::sum_up(state::Tx& tx, IncidentRecord& record) {
  SENTINEL_ASSIGN(const std::optional<model::Alert> lead, load_lead(tx, record.incident.id, record.incident.title));
  if (!lead) return {};
  SENTINEL_ASSIGN(std::vector<std::string> others, load_other_rules(tx, record.incident.id, lead->name()));
  record.headline.what_failed = what_failed_of(*lead, std::move(others));
  return {};
}

Result<IncidentRecord> Service::open_for_alert(state::Tx& tx, const alerting::AlertChange& change,
                                               std::string_view group_key) {
  IncidentRecord record;
  model::Incident& incident = record.incident;
  incident.id = new_id(change.at);
  SENTINEL_ASSIGN(incident.number, next_number(tx));
  incident.title = title_of(change.alert);
  incident.test_mode = change.alert.labels.has(oncall::kSyntheticLabel);
  incident.severity = severity_of(change.alert);
  incident.assignee = options_.default_assignee;
  SENTINEL_ASSIGN(incident.channel, channel_name(tx, change.at));
  incident.labels = change.alert.labels;
  incident.group_key = std::string(group_key);
  incident.runbook_id = std::string(change.alert.annotations.get("runbook"));
  incident.created_at = change.at;
  incident.detected_at = change.alert.starts_at;
  incident.updated_at = change.at;
  record.headline.what_failed = what_failed_of(change.alert, {});
  record.headline.next_step = std::string(change.alert.annotations.get("action"));
  SENTINEL_TRY(insert(tx, record));
  SENTINEL_TRY(
      append_timeline(tx, incident, "created",
                      fmt::format("{} incident opened by rule {}, assigned to {}",
                                  model::severity_name(incident.severity), change.alert.name(), incident.assignee),
                      fmt::format(R"({{"rule":{}}})", json_quote(change.alert.name())), Actor{}));
  SENTINEL_TRY(escalate(tx, IncidentEvent::kOpened, record, Actor{}));
  just_opened_.insert(incident.id);
  return record;
}

// One wait an incident: what ends later begins it anew.
void Service::schedule_auto_resolve(const std::string& id) {
  TimerId& timer = calm_timers_[id];
  scheduler_.cancel(timer);
  timer = scheduler_.after(options_.auto_resolve_after, [this, id] {
    calm_timers_.erase(id);
    auto_resolve(id);
  });
}

// At the start: incidents whose alerts had ended, which a restart kept from being resolved. One that a person reopened
// after that stays open.
void Service::resume_auto_resolve() {
  std::vector<std::string> calm;
  const Status read = database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const std::vector<IncidentRecord> open, load_where(tx, "WHERE status <> 'resolved'", {}));
    for (const IncidentRecord& record : open) {
      const std::string& id = record.incident.id;
      SENTINEL_ASSIGN(const AlertsLeft left, alerts_left(tx, id));
      if (left.firing || left.last_change == TimePoint{}) continue;
      SENTINEL_ASSIGN(const state::Rows reopened,
                      tx.query("SELECT COALESCE(MAX(at), 0) FROM incident_timeline WHERE incident_id = ? AND"
                               " kind = 'status' AND source <> 'oncall' AND data LIKE '%\"to\":\"open\"%'",
                               {id}));
      if (time_from_us(reopened.front().integer(0)) < left.last_change) calm.push_back(id);
    }
    return {};
  });
  if (!read) log_error("incident", "cannot look for calm incidents", {{"error", read.error().to_string()}});
  for (const std::string& id : calm) schedule_auto_resolve(id);
}

// Decided in one transaction against what is true now: an alert that fired again, or a person who resolved it first,
// wins.
void Service::auto_resolve(const std::string& id) {
  bool resolved = false;
  const auto status = database_.write_fail_open([&](state::Tx& tx) -> Status {
    resolved = false;
    SENTINEL_ASSIGN(IncidentRecord record, load(tx, id));
    if (record.incident.status == IncidentStatus::kResolved) return {};
    SENTINEL_ASSIGN(const AlertsLeft left, alerts_left(tx, id));
    if (left.firing || scheduler_.now() < left.last_change + options_.auto_resolve_after) return {};
    if (record.incident.resolution.empty()) record.incident.resolution = "All alerts ended.";
    resolved = true;
    return change_status(tx, record, IncidentStatus::kResolved, "all alerts have ended", Actor{});
  });
  if (!status) {
    log_error("incident", "auto-resolve failed", {{"incident", id}, {"error", status.error().to_string()}});
  } else if (resolved) {
    notify_changed(id);
  }
}

}  // namespace sentinel::incident
