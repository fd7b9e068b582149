#include "incident/diagnosis_runner.h"

#include <array>

#include "base/log.h"

namespace sentinel::incident {
namespace {

constexpr std::array<Micros, 5> kRounds{std::chrono::seconds(0), std::chrono::seconds(10), std::chrono::seconds(30),
                                        std::chrono::minutes(2), std::chrono::minutes(10)};

// The rule's own words for a failing call; without them, calls that ended in an error.
std::string failing_condition(const IncidentDetail& detail) {
  for (const IncidentAlert& entry : detail.alerts) {
    const std::string_view condition = entry.alert.annotations.get("failing_calls");
    if (!condition.empty()) return std::string(condition);
  }
  return "status = 'error'";
}

DiagnosisRequest make_request(const IncidentDetail& detail, TimePoint now) {
  DiagnosisRequest request;
  request.failing_condition = failing_condition(detail);
  request.scope = scope_of(detail.record.incident);
  request.alert_started_at = detail.record.incident.detected_at;
  request.now = detail.record.incident.resolved_at.value_or(now);
  request.test_mode = detail.record.incident.test_mode;
  return request;
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

void DiagnosisRunner::watch(const std::string& incident_id) { run_again(incident_id, 0); }

void DiagnosisRunner::run_again(const std::string& incident_id, size_t round) {
  if (round >= kRounds.size()) return;
  control_.after(kRounds[round], [this, incident_id, round] {
    const auto detail = service_.get(incident_id);
    if (!detail || detail->record.incident.status == model::IncidentStatus::kResolved) return;
    if (detail->alerts.empty()) return;  // opened by a person: nothing says what failing means
    diagnose_now(incident_id, [this, incident_id, round](Status) { run_again(incident_id, round + 1); });
  });
}

void DiagnosisRunner::diagnose_now(const std::string& incident_id, std::function<void(Status)> done) {
  const auto detail = service_.get(incident_id);
  if (!detail) {
    if (done) done(fail(detail.error()));
    return;
  }
  const DiagnosisRequest request = make_request(*detail, control_.now());
  background_([this, incident_id, request, done = std::move(done)] {
    auto diagnosis = diagnose(events_, request);
    control_.post([this, incident_id, done, diagnosis = std::move(diagnosis)] {
      Status status;
      if (diagnosis) {
        const auto stored = service_.set_diagnosis(incident_id, *diagnosis);
        if (!stored) status = fail(stored.error());
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
