#pragma once
// Runs the rules of Prometheus rule files: recording rules into the store, alerting rules through pending and firing to
// the AlertSink. What an alert is survives a restart (RuleStateStore) and a reload (rules that stay the same keep it).

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/scheduler.h"
#include "base/thread_annotations.h"
#include "detection/alert_sink.h"
#include "detection/arrival_runner.h"
#include "detection/rule_file.h"
#include "detection/rule_state.h"
#include "detection/rule_status.h"
#include "promql/engine.h"
#include "tsdb/store.h"

namespace sentinel::detection {

class RuleGroup;
struct RuleContext;
struct RunningRule;

struct RuleManagerOptions {
  std::string external_url;                              // in links and {{externalURL}}; without a trailing slash
  Millis evaluation_interval = std::chrono::minutes(1);  // of groups that have none
  Millis resend_delay = std::chrono::minutes(1);         // a firing alert is sent again after it
  Millis query_offset{0};                                // of groups that have none
  model::Labels external_labels;                         // added to alerts as they are sent
  // Groups of one interval are spread over it. Off: all on the full interval, for tests and backtests.
  bool spread_groups = true;
  // Alerting rules are also evaluated when a sample of theirs arrives. Off: at their slots only, as in Prometheus.
  ArrivalOptions arrival;
};

// One alert as /api/v1/alerts lists it.
struct ListedAlert {
  std::string rule;
  ActiveAlert alert;
};

// Everything but groups() and alerts() belongs to the scheduler's thread. Queries run there too: give detection a
// scheduler of its own. All references outlive it.
class RuleManager {
 public:
  RuleManager(Scheduler& scheduler, const promql::Engine& engine, tsdb::Store& store, RuleStateStore& states,
              AlertSink& sink, MetricRegistry& metrics, RuleManagerOptions options);
  ~RuleManager();
  RuleManager(const RuleManager&) = delete;
  RuleManager& operator=(const RuleManager&) = delete;

  // Replaces the rules that run. The first call reads the state store. A rule with the same group, name, labels and
  // expression keeps its alerts, and a group that is the same keeps its timer. Alerts that fire for rules that are gone
  // are sent as resolved. An error (the state store cannot be read) changes nothing.
  Status apply(const std::vector<RuleFile>& files);

  // Reads the files and applies them. An error says file, line and column, and leaves everything as it was.
  Status reload(Env& env, const std::vector<std::string>& patterns, const RuleFileOptions& options = {});

  // Stores the last state and runs nothing any more. The destructor does the same. On the scheduler's thread.
  void stop();

  // Groups in the order of the files, as of their last evaluation. Thread-safe.
  std::vector<GroupStatusPtr> groups() const;
  // Pending and firing alerts of all rules. Thread-safe.
  std::vector<ListedAlert> alerts() const;

 private:
  Status load_states();
  std::vector<RunningRule> take_over(const RuleGroupSpec& spec, std::vector<std::string> keys);
  void retire_leaving();
  void retire_orphans();
  void publish(RuleGroup& group);
  void publish_all();

  std::unique_ptr<RuleContext> context_;
  std::vector<std::unique_ptr<RuleGroup>> groups_;
  std::unique_ptr<ArrivalRunner> arrivals_;                 // null: switched off
  std::map<std::string, std::vector<ActiveAlert>> stored_;  // read at the first apply, by rule key, not yet taken over
  std::multimap<std::string, std::unique_ptr<RunningRule>>
      leaving_;  // during apply: rules of groups that go or change, by key
  bool loaded_ = false;

  mutable Mutex mutex_;
  std::vector<GroupStatusPtr> published_ GUARDED_BY(mutex_);
};

}  // namespace sentinel::detection
