#pragma once
// The state machine of one alerting rule: pending, firing, resolved for each label set, exactly as Prometheus's.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "detection/alert_template.h"
#include "detection/rule_file.h"
#include "detection/rule_history.h"
#include "detection/rule_state.h"
#include "promql/engine.h"

namespace sentinel::detection {

// Lives on the manager's scheduler. Asks no clock: every time comes with the call.
class AlertingRule {
 public:
  // `environment` outlives it. `key` names the rule in the state store.
  AlertingRule(const RuleSpec& spec, std::string key, const TemplateEnvironment& environment);

  // Takes the result of one evaluation; `unresolved` are results of resolve_expr that are not true: their alerts go on
  // firing. An error (two results with one label set, more than `limit` alerts) is the
  // rule's; past the limit all its alerts are forgotten, as in Prometheus.
  Status update(const promql::Vector& result, TimePoint now, int64_t limit, const promql::Vector& unresolved = {});
  bool firing() const;  // some alert

  // Takes over what another object or the store knew.
  void adopt(std::vector<ActiveAlert> alerts);
  std::vector<ActiveAlert> release();

  // ALERTS and ALERTS_FOR_STATE of what is pending or firing.
  promql::Vector samples(int64_t t_ms) const;

  // The next time after `now` at which an alert fires or ends though the result stays as it is.
  std::optional<TimePoint> next_change(TimePoint now) const;

  // Alerts to hand to the sink now: newly fired, resolved since last sent, or last sent longer than `resend_delay` ago.
  std::vector<const ActiveAlert*> due(TimePoint now, Millis resend_delay) const;
  void mark_sent(const model::Labels& labels, TimePoint now);

  // What has changed since the last call, for the store. Put back by `restore_changes` when it could not be saved. New
  // values and annotations alone are not worth a write: they come with the next other change, or when `with_values`.
  RuleStateBatch take_changes(bool with_values = false);
  void restore_changes(const RuleStateBatch& batch);

  const std::map<model::Labels, ActiveAlert>& alerts() const { return active_; }  // resolved ones too
  model::AlertState state() const;
  const std::string& key() const { return key_; }
  // What the last update changed.
  const std::vector<AlertChange>& last_changes() const { return last_changes_; }
  // The last template that failed in the last update; empty when none did.
  const std::string& template_error() const { return template_error_; }

 private:
  Result<std::map<model::Labels, ActiveAlert>> alerts_of(const promql::Vector& result, TimePoint now);
  model::Labels labels_of(const promql::VectorSample& sample);
  // Advances one alert; false: forget it.
  bool advance(ActiveAlert& alert, bool present, TimePoint now, size_t& active_count);

  const std::string name_;
  const std::string key_;
  const TimePoint::duration hold_;
  const TimePoint::duration keep_firing_for_;
  std::vector<std::pair<std::string, AlertTemplate>> labels_;
  std::vector<std::pair<std::string, AlertTemplate>> annotations_;
  std::map<model::Labels, ActiveAlert> active_;
  std::set<model::Labels> changed_;
  std::set<model::Labels> outdated_;  // the store has an older value or annotation
  std::vector<AlertChange> last_changes_;
  std::string template_error_;
};

}  // namespace sentinel::detection
