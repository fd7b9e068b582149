#include "incident/diagnosis_runner.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/log.h"
#include "incident/same_cause.h"

namespace sentinel::incident {
namespace {

constexpr std::array<Micros, 5> kRounds{std::chrono::seconds(0), std::chrono::seconds(10), std::chrono::seconds(30),
                                        std::chrono::minutes(2), std::chrono::minutes(10)};

constexpr size_t kEarlierLookedAt = 20;  // incidents before this one

// The words for a failing call of the rule the incident is called after, or of its first alert that has any; without
// them, calls that ended in an error.
std::string failing_condition(const AlertsSummary& alerts) {
  if (alerts.lead && !alerts.lead->annotations.get("failing_calls").empty())
    return std::string(alerts.lead->annotations.get("failing_calls"));
  const std::pair<const std::string, TimePoint>* first = nullptr;
  for (const auto& since : alerts.failing_since) {
    if (!since.first.empty() && (first == nullptr || since.second < first->second)) first = &since;
  }
  return first == nullptr ? "status = 'error'" : first->first;
}

// When the first alert about such calls began.
TimePoint alert_start(const AlertsSummary& alerts, const std::string& condition) {
  const auto since = alerts.failing_since.find(condition);
  return since == alerts.failing_since.end() ? alerts.record.incident.detected_at : since->second;
}

// A resolved incident is over when its last alert has ended, or when a person said so while one still fired.
TimePoint end_of(const AlertsSummary& alerts) {
  const TimePoint resolved = *alerts.record.incident.resolved_at;
  return alerts.firing ? resolved : std::min(alerts.last_change, resolved);
}

// The end of the latest incident before this one that was about the same: alerts that would have joined it, or the same
// kind of failing calls. What failed before belongs to that one.
TimePoint end_of_earlier(Service& service, const model::Incident& incident, const DiagnosisRequest& request) {
  const auto earlier = service.list(
      {.statuses = {model::IncidentStatus::kResolved}, .limit = kEarlierLookedAt, .before_number = incident.number});
  TimePoint end{};
  if (!earlier) return end;
  for (const IncidentRecord& record : *earlier) {
    const auto resolved_at = record.incident.resolved_at;
    if (!resolved_at || *resolved_at < request.alert_started_at - request.lookback) continue;
    if (scope_of(record.incident) != request.scope || record.incident.test_mode != incident.test_mode) continue;
    const auto other = service.alerts_summary(record.incident.id);
    if (!other || other->failing_since.empty()) continue;
    if (other->merged) continue;  // its problem went on elsewhere: nothing ended when it was merged
    const bool same =
        record.incident.group_key == incident.group_key || other->failing_since.contains(request.failing_condition);
    const TimePoint ended = end_of(*other);
    if (same && ended <= request.alert_started_at) end = std::max(end, ended);
  }
  return end;
}

DiagnosisRequest make_request(Service& service, const AlertsSummary& alerts, TimePoint now) {
  const model::Incident& incident = alerts.record.incident;
  DiagnosisRequest request;
  request.failing_condition = failing_condition(alerts);
  request.scope = scope_of(incident);
  request.alert_started_at = alert_start(alerts, request.failing_condition);
  request.now = incident.resolved_at.value_or(now);
  request.test_mode = incident.test_mode;
  request.not_before = end_of_earlier(service, incident, request);
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
    const auto alerts = service_.alerts_summary(incident_id);
    // Opened by a person: nothing says what failing means.
    if (!alerts || alerts->record.incident.status == model::IncidentStatus::kResolved ||
        alerts->failing_since.empty()) {
      watches_.erase(now);
      return;
    }
    diagnose_now(incident_id, [this, incident_id, round, watch](Status) { run_again(incident_id, round + 1, watch); });
  });
}

Result<DiagnosisRequest> DiagnosisRunner::request_of(const std::string& incident_id) {
  SENTINEL_ASSIGN(const AlertsSummary alerts, service_.alerts_summary(incident_id));
  DiagnosisRequest request = make_request(service_, alerts, control_.now());
  if (!request.test_mode) request.known_changes = known_changes(changes_, request);
  return request;
}

Status DiagnosisRunner::store(const std::string& incident_id, const DiagnosisRequest& asked,
                              const Result<Diagnosis>& found) {
  if (!found) return fail(found.error());
  SENTINEL_ASSIGN(const AlertsSummary now, service_.alerts_summary(incident_id));
  // Called after another alert meanwhile: that one's diagnosis is under way.
  if (failing_condition(now) != asked.failing_condition) return {};
  SENTINEL_TRY(service_.set_diagnosis(incident_id, *found));
  if (on_diagnosed_) on_diagnosed_(now.record.incident.id);
  compare(now.record.incident.id);
  return {};
}

void DiagnosisRunner::diagnose_now(const std::string& incident_id, std::function<void(Status)> done) {
  Result<DiagnosisRequest> request = request_of(incident_id);
  if (!request) {
    if (done) done(fail(request.error()));
    return;
  }
  background_([this, incident_id, request = std::move(*request), done = std::move(done)] {
    auto diagnosis = diagnose(events_, request);
    control_.post([this, incident_id, done, request, diagnosis = std::move(diagnosis)] {
      Status status = store(incident_id, request, diagnosis);
      if (!status)
        log_warn("diagnosis", "not computed", {{"incident", incident_id}, {"error", status.error().to_string()}});
      if (done) done(std::move(status));
    });
  });
}

// Whether it is one problem with another one: the calls are counted in the background, the desk decides.
void DiagnosisRunner::compare(const std::string& incident_id) {
  if (service_.options().group_by_diagnosis == GroupByDiagnosis::kOff) return;
  const auto same = service_.same_cause_as(incident_id);
  if (!same) return;
  for (const NamedCause& other : same->others) {
    const bool is_newer = same->own.incident.number > other.incident.number;
    background_(
        [this, newer = is_newer ? same->own : other, older = is_newer ? other : same->own, now = control_.now()] {
          const auto overlap = measure_overlap(events_, newer, older, now);
          if (overlap && !overlap->is_large()) return;
          control_.post([this, newer_id = newer.incident.id, older_id = older.incident.id, overlap] {
            const Status grouped =
                overlap ? service_.group_by_diagnosis(newer_id, older_id, *overlap) : Status(fail(overlap.error()));
            if (!grouped)
              log_warn("diagnosis", "not compared", {{"incident", newer_id}, {"error", grouped.error().to_string()}});
          });
        });
  }
}

}  // namespace sentinel::incident
