#pragma once
// Automations in the server: where they run, and what each of their changes means for the incident (an entry of its
// timeline) and for the step of its runbook (ticked, or failed).

#include <atomic>
#include <memory>

#include "automation/executions.h"
#include "automation/sandbox_pool.h"
#include "incident/service.h"
#include "runbook/runs.h"

namespace sentinel::app {

// Lives on the control scheduler but for what says otherwise. What it is given outlives it.
class Remedies {
 public:
  static Status migrate(state::Database& database) { return automation::Executions::migrate(database); }
  static Result<std::unique_ptr<Remedies>> open(Scheduler& control, state::Database& database, MetricRegistry& metrics,
                                                incident::Service& incidents, runbook::Runs& runs,
                                                std::shared_ptr<const automation::Catalogue> catalogue,
                                                automation::ExecutionOptions options);
  ~Remedies();

  // How many run at once stays as it was at the start: each has a thread.
  void reload(std::shared_ptr<const automation::Catalogue> catalogue, automation::ExecutionOptions options);
  // The alert that an incident is called after: it may start what its triggers say.
  void lead_is(const incident::IncidentDetail& detail);
  automation::Executions& executions() { return *executions_; }
  // From any thread.
  std::shared_ptr<const automation::Catalogue> catalogue() const { return catalogue_.load(); }
  bool enabled() const { return enabled_.load(); }
  // Not on the control thread, before that stops: ends what runs and waits until it has ended.
  void stop() { pool_.stop(); }

 private:
  Remedies(Scheduler& control, incident::Service& incidents, runbook::Runs& runs,
           std::shared_ptr<const automation::Catalogue> catalogue, automation::ExecutionOptions options);
  Status tell(state::Tx& tx, const automation::Execution& execution);
  bool still_wanted(const std::string& incident_id);

  Scheduler& control_;
  incident::Service& incidents_;
  runbook::Runs& runs_;
  std::atomic<std::shared_ptr<const automation::Catalogue>> catalogue_;
  std::atomic<bool> enabled_;
  const size_t at_once_max_;
  automation::SandboxPool pool_;
  std::unique_ptr<automation::Executions> executions_;
};

}  // namespace sentinel::app
