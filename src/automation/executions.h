#pragma once
// Executions of automations: asked for, agreed to, run, told. Each step is a row before it happens, so that a crash
// leaves none running for ever and none running twice. Lives on the control scheduler; the programs run elsewhere.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "automation/config.h"
#include "automation/execution_store.h"
#include "automation/sandbox.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/scheduler.h"
#include "state/database.h"

namespace sentinel::automation {

struct Request {
  std::string incident_id;
  std::string step_id;
  std::string automation_id;
  std::map<std::string, std::string> parameters;
  model::Labels alert_labels;
  bool dry_run = false;
};

struct ExecutionOptions {
  bool enabled = false;
  size_t at_once_max = 2;  // programs that run
};

class Executions {
 public:
  // Inside the transaction of a change: the timeline's entry, the runbook's tick.
  using Listener = std::function<Status(state::Tx&, const Execution&)>;
  // Runs a command somewhere else and calls `done` once, on the scheduler; after `cancel` soon. sandbox_pool.h has the
  // real one.
  using Done = std::function<void(Result<Outcome>)>;
  using Runner = std::function<void(Command, std::shared_ptr<std::atomic<bool>> cancel, Done done)>;
  // False: the incident is over, and what waits for it is not worth running any more.
  using StillWanted = std::function<bool(const std::string& incident_id)>;

  static Status migrate(state::Database& database);
  // What was running when the process ended is lost (or tried again, where that is idempotent); what waited goes on
  // waiting.
  static Result<std::unique_ptr<Executions>> open(Scheduler& scheduler, state::Database& database,
                                                  MetricRegistry& metrics, std::shared_ptr<const Catalogue> catalogue,
                                                  ExecutionOptions options, Listener listener, Runner runner,
                                                  StillWanted still_wanted);
  ~Executions();
  Executions(const Executions&) = delete;
  Executions& operator=(const Executions&) = delete;

  void install(std::shared_ptr<const Catalogue> catalogue, ExecutionOptions options);

  // kUnprocessable: automations are off. kNotFound: no such automation. kInvalidArgument: a parameter. kConflict:
  // the same automation for the same step has not ended; says who asked for it. A dry run never waits nor runs: its
  // output says what would be executed.
  Result<Execution> request(const Request& request, const Who& who);
  // kPermissionDenied: without the role (or admin), or the one who asked. kConflict: it does not wait for that (any
  // more).
  Result<Execution> approve(std::string_view id, const Who& who);
  Result<Execution> reject(std::string_view id, const Who& who, std::string_view why);
  // Of what waits or runs; a running one has ended when its program has.
  Result<Execution> cancel(std::string_view id, const Who& who);
  // The automation's rollback, for an execution that has run. kNotFound: it has none.
  Result<Execution> roll_back(std::string_view id, const Who& who);
  // An alert fires in an incident: asks for what its triggers say, within their limits. Returns what was asked for.
  Result<std::vector<Execution>> on_alert(std::string_view incident_id, const model::Labels& labels);

  Result<Execution> get(std::string_view id) const;  // from any thread
  // Newest first; "" of all incidents.
  Result<std::vector<Execution>> list(std::string_view incident_id, size_t limit) const;
  // From any thread.
  Result<std::vector<AuditLine>> audit(int64_t after_id, size_t limit) const;
  // From any thread. The id of the first line that does not fit the chain; nullopt: all do. Reads the whole chain.
  Result<std::optional<int64_t>> verify_audit() const;

 private:
  struct Running {
    Execution execution;
    std::shared_ptr<std::atomic<bool>> cancel;
    std::string cancelled_by;
  };
  struct Ended {
    Execution execution;
    TimePoint retry_at;
  };

  Executions(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics,
             std::shared_ptr<const Catalogue> catalogue, ExecutionOptions options, Listener listener, Runner runner,
             StillWanted still_wanted);
  Status resume();
  Status resume_running(Execution execution);
  // The row, its line of the audit and what the listener adds, in one transaction.
  Status save(const Execution& execution, std::string_view action, const Who& who, bool is_new = false);
  Result<Execution> add(Execution execution, const Automation& automation, const Who& who);
  Result<Execution> change(std::string_view id, std::string_view action, const Who& who,
                           const std::function<Status(Execution&)>& apply);
  void end_early(const std::string& id, ExecutionState state, std::string_view action, const std::string& reason);
  void count_end(const Execution& execution);
  void track(const Execution& execution);  // in memory: what it waits for
  void forget(const Execution& execution);
  void run_due();
  void start(const std::string& id);
  Status make_command(const Execution& execution, const Automation& automation, Command& out) const;
  void finished(const std::string& id, Result<Outcome> outcome);
  void judge(Execution& execution, const Result<Outcome>& outcome) const;
  void write_end(Execution execution);
  void arm();

  Scheduler& scheduler_;
  state::Database& database_;
  MetricRegistry& metrics_;
  std::shared_ptr<const Catalogue> catalogue_;
  ExecutionOptions options_;
  const Listener listener_;
  const Runner runner_;
  const StillWanted still_wanted_;
  std::set<std::pair<TimePoint, std::string>> queue_;    // due, id
  std::set<std::pair<TimePoint, std::string>> waiting_;  // for approval, until when
  std::map<std::string, Running, std::less<>> running_;
  std::vector<Ended> unwritten_;  // ends that the disk has refused
  TimerId timer_ = TimerId::kNone;
  std::shared_ptr<Executions*> self_;  // null once it is gone
  Gauge& running_gauge_;
};

}  // namespace sentinel::automation
