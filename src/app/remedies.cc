#include "app/remedies.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"

namespace sentinel::app {
namespace {

using automation::Execution;
using automation::ExecutionState;

std::string how_long(const Execution& e) {
  if (!e.started_at || !e.ended_at) return {};
  const Micros ran = *e.ended_at - *e.started_at;
  return fmt::format(" after {:.1f} s", static_cast<double>(ran.count()) / 1e6);
}

// "automation restart-worker failed after 1.2 s: exit code 1".
std::string sentence(const Execution& e) {
  std::string out = fmt::format("automation {} {}", e.automation_id, [&]() -> std::string {
    switch (e.state) {
      case ExecutionState::kAwaitingApproval: return fmt::format("waits for approval by the role {}", e.approval_role);
      case ExecutionState::kQueued:
        return e.attempt > 1 ? fmt::format("will be tried again (attempt {})", e.attempt) : "was asked for";
      case ExecutionState::kRunning: return "started";
      case ExecutionState::kSucceeded: return e.dry_run ? "was shown, not run" : "succeeded" + how_long(e);
      case ExecutionState::kFailed: return "failed" + how_long(e);
      case ExecutionState::kCancelled: return "was cancelled";
      case ExecutionState::kRejected: return "was rejected";
      case ExecutionState::kExpired: return "expired";
      case ExecutionState::kLost: return "was lost";
    }
    return {};
  }());
  if (!e.rollback_of.empty()) out += " (it takes back an earlier one)";
  if (!e.reason.empty()) out += ": " + e.reason;
  return out;
}

}  // namespace

Remedies::Remedies(Scheduler& control, incident::Service& incidents, runbook::Runs& runs,
                   std::shared_ptr<const automation::Catalogue> catalogue, automation::ExecutionOptions options)
    : control_(control),
      incidents_(incidents),
      runs_(runs),
      catalogue_(std::move(catalogue)),
      enabled_(options.enabled),
      at_once_max_(options.at_once_max),
      pool_(control, options.at_once_max) {}

Remedies::~Remedies() = default;

Result<std::unique_ptr<Remedies>> Remedies::open(Scheduler& control, state::Database& database, MetricRegistry& metrics,
                                                 incident::Service& incidents, runbook::Runs& runs,
                                                 std::shared_ptr<const automation::Catalogue> catalogue,
                                                 automation::ExecutionOptions options) {
  std::unique_ptr<Remedies> out(new Remedies(control, incidents, runs, catalogue, options));
  Remedies* self = out.get();
  SENTINEL_ASSIGN(out->executions_, automation::Executions::open(
                                        control, database, metrics, std::move(catalogue), options,
                                        [self](state::Tx& tx, const Execution& e) { return self->tell(tx, e); },
                                        [self](automation::Command command, std::shared_ptr<std::atomic<bool>> cancel,
                                               automation::Executions::Done done) {
                                          self->pool_.run(std::move(command), std::move(cancel), std::move(done));
                                        },
                                        [self](const std::string& id) { return self->still_wanted(id); }));
  return out;
}

void Remedies::reload(std::shared_ptr<const automation::Catalogue> catalogue, automation::ExecutionOptions options) {
  catalogue_ = catalogue;
  enabled_ = options.enabled;
  options.at_once_max = at_once_max_;
  executions_->install(std::move(catalogue), options);
}

void Remedies::lead_is(const incident::IncidentDetail& detail) {
  if (!detail.lead) return;
  const auto asked = executions_->on_alert(detail.record.incident.id, detail.lead->labels);
  if (!asked) log_error("automation", "triggers were not judged", {{"error", asked.error().to_string()}});
}

Status Remedies::tell(state::Tx& tx, const Execution& e) {
  if (e.incident_id.empty()) return {};
  const incident::Actor by{e.requested_by.name, e.requested_by.source};
  SENTINEL_TRY(
      incidents_.add_timeline(tx, e.incident_id, "automation", sentence(e),
                              fmt::format(R"({{"execution":{},"automation":{},"state":"{}"}})", json_quote(e.id),
                                          json_quote(e.automation_id), automation::execution_state_name(e.state)),
                              by));
  // Watchers hear of it once it is on disk.
  control_.post([this, id = e.incident_id] { incidents_.notify_changed(id); });
  const bool decided =
      e.state == ExecutionState::kSucceeded || e.state == ExecutionState::kFailed || e.state == ExecutionState::kLost;
  if (e.step_id.empty() || e.dry_run || !e.rollback_of.empty() || !decided) return {};
  const auto state = e.state == ExecutionState::kSucceeded ? runbook::StepState::kDone : runbook::StepState::kFailed;
  SENTINEL_TRY(
      runs_.tick(tx, e.incident_id, e.step_id, state, sentence(e), e.requested_by.name, e.requested_by.source));
  return {};
}

bool Remedies::still_wanted(const std::string& incident_id) {
  const auto detail = incidents_.get(incident_id, 0);
  return detail && detail->record.incident.status != model::IncidentStatus::kResolved;
}

}  // namespace sentinel::app
