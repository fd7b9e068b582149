#include "incident/diagnosis_runner.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "base/log.h"

namespace sentinel::incident {
namespace {

constexpr std::array<Micros, 5> kRounds{std::chrono::seconds(0), std::chrono::seconds(10), std::chrono::seconds(30),
                                        std::chrono::minutes(2), std::chrono::minutes(10)};

constexpr size_t kEarlierLookedAt = 20;  // incidents before this one

// The words for a failing call of the rule the incident is called after, or of another of its rules that has any;
// without them, calls that ended in an error.
std::string failing_condition(const IncidentDetail& detail) {
  if (const model::Alert* lead = lead_alert(detail); lead != nullptr && !lead->annotations.get("failing_calls").empty())
    return std::string(lead->annotations.get("failing_calls"));
  for (const IncidentAlert& entry : detail.alerts) {
    const std::string_view condition = entry.alert.annotations.get("failing_calls");
    if (!condition.empty()) return std::string(condition);
  }
  return "status = 'error'";
}

bool looks_for(const IncidentDetail& detail, std::string_view condition) {
  return std::any_of(detail.alerts.begin(), detail.alerts.end(), [&](const IncidentAlert& entry) {
    return entry.alert.annotations.get("failing_calls") == condition;
  });
}

// When the first alert about such calls began.
TimePoint alert_start(const IncidentDetail& detail, std::string_view condition) {
  std::optional<TimePoint> first;
  for (const IncidentAlert& entry : detail.alerts) {
    if (entry.alert.annotations.get("failing_calls") != condition) continue;
    first = std::min(first.value_or(entry.alert.starts_at), entry.alert.starts_at);
  }
  return first.value_or(detail.record.incident.detected_at);
}

// A resolved incident is over when its last alert has ended, or when a person said so while one still fired.
TimePoint end_of(const IncidentDetail& detail) {
  TimePoint last{};
  for (const IncidentAlert& entry : detail.alerts) {
    last = std::max(last, entry.firing ? TimePoint::max() : entry.alert.updated_at);
  }
  const TimePoint resolved = *detail.record.incident.resolved_at;
  return last == TimePoint{} ? resolved : std::min(last, resolved);
}

// The end of the latest incident before this one that was about the same: alerts that would have joined it, or the same
// kind of failing calls. What failed before belongs to that one.
TimePoint end_of_earlier(Service& service, const IncidentDetail& detail, const DiagnosisRequest& request) {
  const model::Incident& incident = detail.record.incident;
  const auto earlier = service.list(
      {.statuses = {model::IncidentStatus::kResolved}, .limit = kEarlierLookedAt, .before_number = incident.number});
  TimePoint end{};
  if (!earlier) return end;
  for (const IncidentRecord& record : *earlier) {
    const auto resolved_at = record.incident.resolved_at;
    if (!resolved_at || *resolved_at < request.alert_started_at - request.lookback) continue;
    if (scope_of(record.incident) != request.scope || record.incident.test_mode != incident.test_mode) continue;
    const auto other = service.get(record.incident.id);
    if (!other || other->alerts.empty()) continue;
    const bool same = record.incident.group_key == incident.group_key || looks_for(*other, request.failing_condition);
    const TimePoint ended = end_of(*other);
    if (same && ended <= request.alert_started_at) end = std::max(end, ended);
  }
  return end;
}

DiagnosisRequest make_request(Service& service, const IncidentDetail& detail, TimePoint now) {
  DiagnosisRequest request;
  request.failing_condition = failing_condition(detail);
  request.scope = scope_of(detail.record.incident);
  request.alert_started_at = alert_start(detail, request.failing_condition);
  request.now = detail.record.incident.resolved_at.value_or(now);
  request.test_mode = detail.record.incident.test_mode;
  request.not_before = end_of_earlier(service, detail, request);
  return request;
}

// What was done in the time that the diagnosis looks at.
std::vector<KnownChange> known_changes(const ChangeLog& log, const DiagnosisRequest& request) {
  const auto events = log.list({.from = request.alert_started_at - request.lookback - request.before,
                                .to = request.now,
                                .kind = std::nullopt,
                                .scope = request.scope});
  std::vector<KnownChange> known;
  if (!events) {
    log_warn("diagnosis", "changes were not read", {{"error", events.error().to_string()}});
    return known;
  }
  for (const ChangeEvent& e : *events) known.push_back({e.at, std::string(change_kind_name(e.kind)), e.describe()});
  return known;
}

}  // namespace

Scope scope_of(const model::Incident& incident) {
  Scope scope;
  for (const char* column : {"service", "env"}) {
    const std::string_view value = incident.labels.get(column);
    if (!value.empty()) scope.emplace_back(column, value);
  }
  return scope;
}

void DiagnosisRunner::watch(const std::string& incident_id) {
  watches_[incident_id] = ++last_watch_;
  run_again(incident_id, 0, last_watch_);
}

void DiagnosisRunner::run_again(const std::string& incident_id, size_t round, uint64_t watch) {
  const auto current = watches_.find(incident_id);
  if (current == watches_.end() || current->second != watch) return;
  if (round >= kRounds.size()) {
    watches_.erase(current);
    return;
  }
  control_.after(kRounds[round], [this, incident_id, round, watch] {
    const auto now = watches_.find(incident_id);
    if (now == watches_.end() || now->second != watch) return;
    const auto detail = service_.get(incident_id);
    // Opened by a person: nothing says what failing means.
    if (!detail || detail->record.incident.status == model::IncidentStatus::kResolved || detail->alerts.empty()) {
      watches_.erase(now);
      return;
    }
    diagnose_now(incident_id, [this, incident_id, round, watch](Status) { run_again(incident_id, round + 1, watch); });
  });
}

void DiagnosisRunner::diagnose_now(const std::string& incident_id, std::function<void(Status)> done) {
  const auto detail = service_.get(incident_id);
  if (!detail) {
    if (done) done(fail(detail.error()));
    return;
  }
  DiagnosisRequest request = make_request(service_, *detail, control_.now());
  if (!request.test_mode) request.known_changes = known_changes(changes_, request);
  background_([this, incident_id, request, done = std::move(done)] {
    auto diagnosis = diagnose(events_, request);
    control_.post([this, incident_id, done, condition = request.failing_condition, diagnosis = std::move(diagnosis)] {
      Status status;
      const auto now = service_.get(incident_id);
      if (now && failing_condition(*now) != condition) {
        // Called after another alert meanwhile: that one's diagnosis is under way.
      } else if (diagnosis) {
        const auto stored = service_.set_diagnosis(incident_id, *diagnosis);
        if (!stored) status = fail(stored.error());
        if (stored && on_diagnosed_) on_diagnosed_(incident_id);
      } else {
        status = fail(diagnosis.error());
      }
      if (!status)
        log_warn("diagnosis", "not computed", {{"incident", incident_id}, {"error", status.error().to_string()}});
      if (done) done(std::move(status));
    });
  });
}

}  // namespace sentinel::incident
