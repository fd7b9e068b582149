#pragma once
// One group of rules at work: evaluated in order, one after the other, at its slots. Internal to the rule manager.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/scheduler.h"
#include "detection/alert_sink.h"
#include "detection/alerting_rule.h"
#include "detection/rule_file.h"
#include "detection/rule_history.h"
#include "detection/rule_state.h"
#include "detection/rule_status.h"
#include "promql/engine.h"
#include "tsdb/store.h"

namespace sentinel::detection {

struct RuleMetrics {
  explicit RuleMetrics(MetricRegistry& registry);
  Counter& failures_of(const RuleGroupSpec& group) const;
  MetricRegistry& registry;
  Counter& evaluations;
  Counter& arrival_evaluations;
  Counter& template_failures;
  Counter& missed_iterations;
  Counter& samples_refused;
  Counter& alerts_sent;
  Counter& send_failures;
  Counter& state_save_failures;
  Histogram& seconds;
};

// What all groups share; owned by the manager.
struct RuleContext {
  Scheduler& scheduler;
  const promql::Engine& engine;
  tsdb::Store& store;
  RuleStateStore& states;
  AlertSink& sink;
  RuleMetrics metrics;
  Millis resend_delay;
  Millis default_interval;
  Millis default_query_offset;
  bool spread_groups;
  TemplateEnvironment templates;
};

// Series a rule wrote at its last evaluation, for the markers of those that vanish.
using WrittenSeries = std::map<model::Labels, tsdb::SeriesRef>;

struct RunningRule {
  RunningRule(RuleSpec s, std::string k, const TemplateEnvironment& environment);
  RuleSpec spec;
  std::string key;                         // the same after a reload that left the rule as it was
  std::string query;                       // canonical
  std::unique_ptr<AlertingRule> alerting;  // null: a recording rule
  WrittenSeries written;
  bool judged = false;  // the last evaluation said which alerts there are, whatever the store said of its samples
  RuleHealth health = RuleHealth::kUnknown;
  std::string last_error;
  TimePoint last_evaluation;
  double evaluation_seconds = 0;
  size_t series = 0;
  std::shared_ptr<RuleHistory> history = std::make_shared<RuleHistory>();
};

// Lives on the scheduler's thread. The destructor cancels its timer.
class RuleGroup {
 public:
  RuleGroup(RuleContext& context, RuleGroupSpec spec, std::vector<RunningRule> rules);
  ~RuleGroup() { stop(); }
  RuleGroup(const RuleGroup&) = delete;
  RuleGroup& operator=(const RuleGroup&) = delete;

  // Sets the timer for the next slot: a multiple of the interval, moved by a hash of the group so that not all run at
  // once.
  void start(std::function<void(RuleGroup&)> evaluated);
  void stop();
  void evaluate(TimePoint now);
  // Evaluation between slots of one alerting rule: nothing is written to the store. REQUIRES: may_run_on_arrival(),
  // now < next_slot().
  void evaluate_on_arrival(size_t rule, TimePoint now);
  // Hands over and stores what these rules have to say; true when an alert changed.
  bool finish_arrivals(const std::vector<size_t>& rules, TimePoint now);
  // A query_offset asks to wait for late samples: no.
  bool may_run_on_arrival() const { return query_offset().count() == 0; }
  TimePoint next_slot() const { return next_slot_; }
  // Stores what has changed; `with_values` also what is not worth a write by itself: the last values and annotations.
  void save_state(bool with_values = false);

  const RuleGroupSpec& spec() const { return spec_; }
  std::vector<RunningRule>& rules() { return rules_; }
  GroupStatusPtr status() const;
  Millis interval() const { return spec_.interval.value_or(context_.default_interval); }

 private:
  void run();
  TimePoint slot_before(TimePoint now) const;
  Millis query_offset() const { return spec_.query_offset.value_or(context_.default_query_offset); }
  void evaluate_rule(RunningRule& rule, TimePoint now, Occasion occasion);
  Status try_rule(RunningRule& rule, TimePoint now, Occasion occasion);
  Result<promql::Vector> query(const promql::Query& query, int64_t t_ms) const;
  Result<promql::Vector> unresolved(const RunningRule& rule, int64_t t_ms) const;
  Result<promql::Vector> record(const RunningRule& rule, promql::Vector result) const;
  Status write(RunningRule& rule, const promql::Vector& samples, int64_t t_ms);
  std::vector<RunningRule*> all_rules();
  bool send(const std::vector<RunningRule*>& rules, TimePoint now);
  bool save(const std::vector<RunningRule*>& rules, bool with_values);

  RuleContext& context_;
  const RuleGroupSpec spec_;
  Counter& failures_;
  std::vector<RunningRule> rules_;
  std::function<void(RuleGroup&)> evaluated_;
  TimerId timer_ = TimerId::kNone;
  TimePoint next_slot_;
  TimePoint last_evaluation_;
  double evaluation_seconds_ = 0;
};

// {{query "…"}} inside a label or annotation, at the environment's time. Both must outlive it.
TemplateQuery template_query(const promql::Engine& engine, const TemplateEnvironment& environment);

// As handed to the sink: with the external labels and the link to the expression.
model::Alert to_sink_alert(const RuleContext& context, const ActiveAlert& alert, const std::string& query,
                           TimePoint now, Millis interval);
Status put_in_batches(AlertSink& sink, std::vector<model::Alert> alerts);

// Ends series with staleness markers at `t_ms`. Failures are logged: the series end by themselves after the lookback.
void mark_stale(tsdb::Store& store, const WrittenSeries& series, int64_t t_ms);

}  // namespace sentinel::detection
