#include "detection/rule_manager.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/log.h"
#include "detection/rule_group.h"

namespace sentinel::detection {
namespace {

// Identity of a rule over restarts and reloads. Rules that are alike in all of it are told apart by their order.
std::string identity(const RuleGroupSpec& group, const RuleSpec& rule) {
  std::string text = group.name + "\xff" + (rule.is_alert() ? "alert" : "record") + "\xff" + rule.name() + "\xff" +
                     promql::to_string(*rule.query);
  for (const auto& [name, value] : rule.labels) text += "\xff" + name + "\xfe" + value;
  return fmt::format("{:016x}", hash64(text));
}

// The keys of all rules, file by file, group by group.
std::vector<std::vector<std::string>> keys_of(const std::vector<RuleFile>& files) {
  std::map<std::string, int> seen;
  std::vector<std::vector<std::string>> keys;
  for (const RuleFile& file : files) {
    for (const RuleGroupSpec& group : file.groups) {
      auto& group_keys = keys.emplace_back();
      for (const RuleSpec& rule : group.rules) {
        const std::string key = identity(group, rule);
        group_keys.push_back(fmt::format("{}-{}", key, seen[key]++));
      }
    }
  }
  return keys;
}

bool same_rule(const RuleSpec& a, const RuleSpec& b) {
  return a.alert == b.alert && a.record == b.record && a.expr == b.expr && a.for_duration == b.for_duration &&
         a.keep_firing_for == b.keep_firing_for && a.resolve_expr == b.resolve_expr && a.labels == b.labels &&
         a.annotations == b.annotations;
}

bool same_group(RuleGroup& running, const RuleGroupSpec& spec, const std::vector<std::string>& keys) {
  const RuleGroupSpec& old = running.spec();
  const bool same = old.name == spec.name && old.file == spec.file && old.interval == spec.interval &&
                    old.query_offset == spec.query_offset && old.limit == spec.limit &&
                    old.rules.size() == spec.rules.size();
  if (!same) return false;
  for (size_t i = 0; i < spec.rules.size(); ++i) {
    if (running.rules()[i].key != keys[i] || !same_rule(old.rules[i], spec.rules[i])) return false;
  }
  return true;
}

}  // namespace

RuleManager::RuleManager(Scheduler& scheduler, const promql::Engine& engine, tsdb::Store& store, RuleStateStore& states,
                         AlertSink& sink, MetricRegistry& metrics, RuleManagerOptions options)
    : context_(new RuleContext{scheduler, engine, store, states, sink, RuleMetrics(metrics), options.resend_delay,
                               options.evaluation_interval, options.query_offset, options.spread_groups,
                               TemplateEnvironment{{}, options.external_url, options.external_labels, {}, {}}}) {
  context_->templates.query = template_query(engine, context_->templates);
  if (options.arrival.enabled)
    arrivals_ =
        std::make_unique<ArrivalRunner>(*context_, options.arrival, [this](RuleGroup& group) { publish(group); });
}

RuleManager::~RuleManager() { stop(); }

void RuleManager::stop() {
  arrivals_.reset();
  for (const auto& group : groups_) {
    group->stop();
    group->save_state(true);
  }
}

Status RuleManager::load_states() {
  if (loaded_) return {};
  SENTINEL_ASSIGN(std::vector<StoredAlert> stored, context_->states.load());
  for (StoredAlert& alert : stored) stored_[alert.rule_key].push_back(std::move(alert.alert));
  loaded_ = true;
  return {};
}

Status RuleManager::apply(const std::vector<RuleFile>& files) {
  const bool first = !loaded_;
  SENTINEL_TRY(load_states());
  const auto keys = keys_of(files);

  // Groups that stay as they are, and the rules of the others, by key.
  std::vector<std::unique_ptr<RuleGroup>> old = std::move(groups_);
  std::vector<std::unique_ptr<RuleGroup>> next(keys.size());
  size_t index = 0;
  for (const RuleFile& file : files) {
    for (const RuleGroupSpec& spec : file.groups) {
      auto same =
          std::find_if(old.begin(), old.end(), [&](const auto& g) { return g && same_group(*g, spec, keys[index]); });
      if (same != old.end()) next[index] = std::move(*same);
      ++index;
    }
  }
  for (auto& group : old) {
    if (!group) continue;
    group->stop();
    for (RunningRule& rule : group->rules()) {
      std::string key = rule.key;
      leaving_.emplace(std::move(key), std::make_unique<RunningRule>(std::move(rule)));
    }
  }

  index = 0;
  for (const RuleFile& file : files) {
    for (const RuleGroupSpec& spec : file.groups) {
      if (!next[index]) {
        next[index] = std::make_unique<RuleGroup>(*context_, spec, take_over(spec, keys[index]));
        next[index]->start([this](RuleGroup& group) {
          if (arrivals_) arrivals_->evaluated(group);
          publish(group);
        });
      }
      ++index;
    }
  }
  groups_ = std::move(next);
  retire_leaving();
  if (first) retire_orphans();
  if (arrivals_) arrivals_->watch(groups_);
  publish_all();
  return {};
}

Status RuleManager::reload(Env& env, const std::vector<std::string>& patterns, const RuleFileOptions& options) {
  SENTINEL_ASSIGN(const std::vector<RuleFile> files, load_rule_files(env, patterns, options));
  for (const RuleFile& file : files) {
    for (const std::string& warning : file.warnings) log_warn("rules", warning);
  }
  return apply(files);
}

// The rules of a new or changed group, each with what a rule of the same key knew before.
std::vector<RunningRule> RuleManager::take_over(const RuleGroupSpec& spec, std::vector<std::string> keys) {
  std::vector<RunningRule> rules;
  for (size_t i = 0; i < spec.rules.size(); ++i) {
    RunningRule rule(spec.rules[i], keys[i], context_->templates);
    if (auto found = leaving_.find(keys[i]); found != leaving_.end()) {
      RunningRule& old = *found->second;
      rule.written = std::move(old.written);
      rule.health = old.health;
      rule.last_error = old.last_error;
      rule.last_evaluation = old.last_evaluation;
      rule.evaluation_seconds = old.evaluation_seconds;
      rule.history = std::move(old.history);
      if (rule.alerting) {
        const RuleStateBatch unsaved = old.alerting->take_changes(true);
        rule.alerting->adopt(old.alerting->release());
        rule.alerting->restore_changes(unsaved);
      }
      leaving_.erase(found);
    }
    if (auto stored = stored_.find(keys[i]); stored != stored_.end() && rule.alerting) {
      rule.alerting->adopt(std::move(stored->second));
      stored_.erase(stored);
    }
    rules.push_back(std::move(rule));
  }
  return rules;
}

// Ends what rules that are gone have left: series, firing alerts, stored state.
void RuleManager::retire_leaving() {
  const TimePoint now = context_->scheduler.now();
  RuleStateBatch batch;
  std::vector<model::Alert> resolved;
  for (const auto& [key, rule] : leaving_) {
    mark_stale(context_->store, rule->written, to_ms(now));
    if (!rule->alerting) continue;
    for (ActiveAlert& alert : rule->alerting->release()) {
      if (alert.state == model::AlertState::kFiring) alert.resolved_at = now;
      if (alert.resolved_at) resolved.push_back(to_sink_alert(*context_, alert, rule->query, now, {}));
      batch.erase.emplace_back(key, alert.labels);
    }
  }
  leaving_.clear();
  if (auto status = put_in_batches(context_->sink, std::move(resolved)); !status) {
    log_error("rules", "alerts of removed rules were not resolved; they end by themselves",
              {{"error", status.error().message()}});
  }
  if (batch.empty()) return;
  if (auto status = context_->states.save(batch); !status) {
    log_error("rules", "the state of removed rules could not be erased", {{"error", status.error().message()}});
  }
}

// Stored alerts whose rule is not in the files any more: it was removed while we were down.
void RuleManager::retire_orphans() {
  const TimePoint now = context_->scheduler.now();
  RuleStateBatch batch;
  std::vector<model::Alert> resolved;
  for (auto& [key, alerts] : stored_) {
    for (ActiveAlert& alert : alerts) {
      if (alert.state == model::AlertState::kFiring) alert.resolved_at = now;
      if (alert.resolved_at) resolved.push_back(to_sink_alert(*context_, alert, "", now, {}));
      batch.erase.emplace_back(key, alert.labels);
    }
  }
  stored_.clear();
  if (batch.empty()) return;
  // The state stays when alerting did not take them: the next start tries again.
  if (auto status = put_in_batches(context_->sink, std::move(resolved)); !status) {
    log_error("rules", "alerts of removed rules were not resolved", {{"error", status.error().message()}});
    return;
  }
  if (auto status = context_->states.save(batch); !status) {
    log_error("rules", "the state of removed rules could not be erased", {{"error", status.error().message()}});
  }
}

void RuleManager::publish(RuleGroup& group) {
  GroupStatusPtr status = group.status();
  for (size_t i = 0; i < groups_.size(); ++i) {
    if (groups_[i].get() != &group) continue;
    MutexLock lock(mutex_);
    published_[i] = std::move(status);
    return;
  }
}

void RuleManager::publish_all() {
  std::vector<GroupStatusPtr> all;
  for (const auto& group : groups_) all.push_back(group->status());
  MutexLock lock(mutex_);
  published_ = std::move(all);
}

std::vector<GroupStatusPtr> RuleManager::groups() const {
  MutexLock lock(mutex_);
  return published_;
}

std::vector<ListedAlert> RuleManager::alerts() const {
  std::vector<ListedAlert> out;
  for (const GroupStatusPtr& group : groups()) {
    for (const RuleStatus& rule : group->rules) {
      for (const ActiveAlert& alert : rule.alerts) out.push_back({rule.name, alert});
    }
  }
  return out;
}

}  // namespace sentinel::detection
