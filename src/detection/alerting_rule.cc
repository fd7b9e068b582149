#include "detection/alerting_rule.h"

#include <algorithm>

#include <fmt/format.h>

#include "detection/limits.h"

namespace sentinel::detection {
namespace {

using model::AlertState;

bool needs_sending(const ActiveAlert& alert, TimePoint now, Millis resend_delay) {
  if (alert.state == AlertState::kPending) return false;
  if (!alert.last_sent_at) return true;
  if (alert.resolved_at && *alert.resolved_at > *alert.last_sent_at) return true;
  return *alert.last_sent_at + resend_delay < now;
}

// Whether the store must hear of it; a new value alone is not worth a write.
bool same_for_store(const ActiveAlert& a, const ActiveAlert& b) {
  return a.state == b.state && a.active_at == b.active_at && a.fired_at == b.fired_at &&
         a.resolved_at == b.resolved_at && a.keep_firing_since == b.keep_firing_since;
}

}  // namespace

AlertingRule::AlertingRule(const RuleSpec& spec, std::string key, const TemplateEnvironment& environment)
    : name_(spec.alert), key_(std::move(key)), hold_(spec.for_duration), keep_firing_for_(spec.keep_firing_for) {
  for (const auto& [name, text] : spec.labels) labels_.emplace_back(name, AlertTemplate(spec.alert, text, environment));
  for (const auto& [name, text] : spec.annotations)
    annotations_.emplace_back(name, AlertTemplate(spec.alert, text, environment));
}

model::Labels AlertingRule::labels_of(const promql::VectorSample& sample) {
  const AlertData data{sample.labels, sample.v, sample.h.get()};
  model::Labels labels = sample.labels.without({});  // and without the metric name
  for (const auto& [name, text] : labels_) labels.set(name, text.expand(data, &template_error_));
  labels.set(model::kAlertNameLabel, name_);
  return labels;
}

bool AlertingRule::firing() const {
  return std::any_of(active_.begin(), active_.end(),
                     [](const auto& a) { return a.second.state == AlertState::kFiring; });
}

Result<std::map<model::Labels, ActiveAlert>> AlertingRule::alerts_of(const promql::Vector& result, TimePoint now) {
  std::map<model::Labels, ActiveAlert> alerts;
  for (const promql::VectorSample& sample : result) {
    const AlertData data{sample.labels, sample.v, sample.h.get()};
    ActiveAlert alert;
    alert.labels = labels_of(sample);
    for (const auto& [name, text] : annotations_) alert.annotations.set(name, text.expand(data, &template_error_));
    alert.value = sample.v;
    alert.active_at = now;
    model::Labels labels = alert.labels;
    if (!alerts.emplace(std::move(labels), std::move(alert)).second) {
      return fail(ErrorCode::kUnprocessable,
                  "vector contains metrics with the same labelset after applying alert labels");
    }
  }
  return alerts;
}

bool AlertingRule::advance(ActiveAlert& alert, bool present, TimePoint now, size_t& active_count) {
  if (present) {
    alert.keep_firing_since.reset();
  } else {
    bool keep_firing = false;
    if (alert.state == AlertState::kFiring && keep_firing_for_.count() > 0) {
      if (!alert.keep_firing_since) alert.keep_firing_since = now;
      keep_firing = now - *alert.keep_firing_since < keep_firing_for_;
    }
    if (alert.state == AlertState::kPending) return false;
    if (alert.resolved_at && now - *alert.resolved_at > kResolvedRetention) return false;
    if (!keep_firing) {
      if (alert.state != AlertState::kInactive) {
        alert.state = AlertState::kInactive;
        alert.resolved_at = now;
      }
      return true;
    }
  }
  ++active_count;
  if (alert.state == AlertState::kPending && now - alert.active_at >= hold_) {
    alert.state = AlertState::kFiring;
    alert.fired_at = now;
  }
  if (alert.state == AlertState::kFiring && now - alert.active_at < hold_) {  // `for` was prolonged
    alert.state = AlertState::kPending;
    alert.fired_at.reset();
    alert.last_sent_at.reset();
    alert.keep_firing_since.reset();
  }
  return true;
}

Status AlertingRule::update(const promql::Vector& result, TimePoint now, int64_t limit,
                            const promql::Vector& unresolved) {
  template_error_.clear();
  last_changes_.clear();
  SENTINEL_ASSIGN(auto present, alerts_of(result, now));
  std::set<model::Labels> held;
  for (const promql::VectorSample& sample : unresolved) held.insert(labels_of(sample));
  std::set<model::Labels> fresh;
  for (auto& [labels, alert] : present) {
    auto known = active_.find(labels);
    if (known != active_.end() && known->second.state != AlertState::kInactive) {
      const bool same = known->second.value == alert.value && known->second.annotations == alert.annotations;
      if (!same) outdated_.insert(labels);
      known->second.value = alert.value;
      known->second.annotations = alert.annotations;
    } else {
      active_[labels] = alert;
      fresh.insert(labels);
    }
  }
  size_t active_count = 0;
  for (auto it = active_.begin(); it != active_.end();) {
    const ActiveAlert before = it->second;
    const bool goes_on =
        present.contains(it->first) || (before.state == AlertState::kFiring && held.contains(it->first));
    const bool keep = advance(it->second, goes_on, now, active_count);
    const AlertState from = fresh.contains(it->first) ? AlertState::kInactive : before.state;
    const AlertState to = keep ? it->second.state : AlertState::kInactive;
    if (from != to) last_changes_.push_back({it->first, from, to, it->second.value});
    if (!keep || fresh.contains(it->first) || !same_for_store(before, it->second)) changed_.insert(it->first);
    it = keep ? std::next(it) : active_.erase(it);
  }
  const size_t most = limit > 0 ? static_cast<size_t>(limit) : kAlertsPerRuleMax;
  if (active_count <= most) return {};
  for (const auto& [labels, alert] : active_) changed_.insert(labels);
  active_.clear();
  return fail(ErrorCode::kTooLarge, fmt::format("exceeded limit of {} with {} alerts", most, active_count));
}

void AlertingRule::adopt(std::vector<ActiveAlert> alerts) {
  for (ActiveAlert& alert : alerts) {
    model::Labels labels = alert.labels;
    active_.insert_or_assign(std::move(labels), std::move(alert));
  }
}

std::vector<ActiveAlert> AlertingRule::release() {
  std::vector<ActiveAlert> alerts;
  for (auto& [labels, alert] : active_) alerts.push_back(std::move(alert));
  active_.clear();
  return alerts;
}

promql::Vector AlertingRule::samples(int64_t t_ms) const {
  promql::Vector out;
  for (const auto& [labels, alert] : active_) {
    if (alert.state == AlertState::kInactive) continue;
    model::Labels series = labels;
    series.set(model::kMetricNameLabel, "ALERTS_FOR_STATE");
    const auto seconds = std::chrono::floor<std::chrono::seconds>(alert.active_at.time_since_epoch()).count();
    out.push_back({series, t_ms, static_cast<double>(seconds)});
    series.set(model::kMetricNameLabel, "ALERTS");
    series.set("alertstate", model::alert_state_name(alert.state));
    out.push_back({std::move(series), t_ms, 1});
  }
  return out;
}

std::optional<TimePoint> AlertingRule::next_change(TimePoint now) const {
  std::optional<TimePoint> next;
  const auto consider = [&](TimePoint t) {
    if (t > now && (!next || t < *next)) next = t;
  };
  for (const auto& [labels, alert] : active_) {
    if (alert.state == AlertState::kPending) consider(alert.active_at + hold_);
    if (alert.state == AlertState::kFiring && alert.keep_firing_since)
      consider(*alert.keep_firing_since + keep_firing_for_);
  }
  return next;
}

std::vector<const ActiveAlert*> AlertingRule::due(TimePoint now, Millis resend_delay) const {
  std::vector<const ActiveAlert*> out;
  for (const auto& [labels, alert] : active_) {
    if (needs_sending(alert, now, resend_delay)) out.push_back(&alert);
  }
  return out;
}

void AlertingRule::mark_sent(const model::Labels& labels, TimePoint now) {
  auto it = active_.find(labels);
  if (it == active_.end()) return;
  it->second.last_sent_at = now;
  changed_.insert(labels);
}

RuleStateBatch AlertingRule::take_changes(bool with_values) {
  RuleStateBatch batch;
  if (changed_.empty() && !with_values) return batch;
  changed_.merge(outdated_);
  outdated_.clear();
  for (const model::Labels& labels : changed_) {
    auto it = active_.find(labels);
    if (it == active_.end())
      batch.erase.emplace_back(key_, labels);
    else
      batch.put.push_back({key_, it->second});
  }
  changed_.clear();
  return batch;
}

void AlertingRule::restore_changes(const RuleStateBatch& batch) {
  for (const StoredAlert& stored : batch.put) changed_.insert(stored.alert.labels);
  for (const auto& [key, labels] : batch.erase) changed_.insert(labels);
}

AlertState AlertingRule::state() const {
  AlertState highest = AlertState::kInactive;
  for (const auto& [labels, alert] : active_) highest = std::max(highest, alert.state);
  return highest;
}

}  // namespace sentinel::detection
