#include "detection/arrival_runner.h"

#include <algorithm>
#include <limits>

namespace sentinel::detection {

ArrivalRunner::ArrivalRunner(RuleContext& context, ArrivalOptions options, std::function<void(RuleGroup&)> changed)
    : context_(context),
      options_(options),
      changed_(std::move(changed)),
      index_(context.store, [this, alive = std::weak_ptr<bool>(alive_)] {
        context_.scheduler.post([this, alive] {
          if (!alive.expired()) drain();
        });
      }) {
  context_.store.listen(&index_);
}

ArrivalRunner::~ArrivalRunner() {
  context_.store.listen(nullptr);
  if (timer_ != TimerId::kNone) context_.scheduler.cancel(timer_);
}

void ArrivalRunner::watch(const std::vector<std::unique_ptr<RuleGroup>>& groups) {
  rules_.clear();
  rules_of_.clear();
  due_.clear();
  std::vector<std::vector<model::Matchers>> selectors;
  for (const auto& group : groups) {
    if (!group->may_run_on_arrival()) continue;
    for (size_t i = 0; i < group->rules().size(); ++i) {
      const RunningRule& rule = group->rules()[i];
      if (!rule.alerting) continue;
      rules_of_[group.get()].push_back(static_cast<RuleNumber>(rules_.size()));
      const Millis lookback = context_.engine.options().lookback_delta;
      std::vector<Millis> horizons = promql::horizons(*rule.spec.query, lookback);
      std::vector<model::Matchers> read = promql::selectors(*rule.spec.query);
      if (rule.spec.resolve_truth) {
        for (const Millis h : promql::horizons(*rule.spec.resolve_truth, lookback)) horizons.push_back(h);
        std::sort(horizons.begin(), horizons.end());
        horizons.erase(std::unique(horizons.begin(), horizons.end()), horizons.end());
        for (model::Matchers& m : promql::selectors(*rule.spec.resolve_truth)) read.push_back(std::move(m));
      }
      rules_.push_back({group.get(), i, std::move(horizons), {}, TimePoint::max()});
      selectors.push_back(std::move(read));
    }
  }
  index_.set_rules(selectors);
  const TimePoint now = context_.scheduler.now();
  for (RuleNumber rule = 0; rule < rules_.size(); ++rule) schedule_deadline(rule, now);
  arm();
}

void ArrivalRunner::evaluated(const RuleGroup& group) {
  const auto rules = rules_of_.find(&group);
  if (rules == rules_of_.end()) return;
  const TimePoint now = context_.scheduler.now();
  for (const RuleNumber rule : rules->second) schedule_deadline(rule, now);
  arm();
}

void ArrivalRunner::drain() {
  const TimePoint now = context_.scheduler.now();
  for (const RuleNumber rule : index_.take()) schedule(rule, std::max(now, rules_[rule].rests_until));
  arm();
}

void ArrivalRunner::schedule(RuleNumber rule, TimePoint when) {
  Watched& watched = rules_[rule];
  if (watched.due <= when) return;
  if (watched.due != TimePoint::max()) due_.erase({watched.due, rule});
  watched.due = when;
  due_.emplace(when, rule);
}

// When the rule's alerts change though no sample comes; slots look after what is later than they are.
void ArrivalRunner::schedule_deadline(RuleNumber rule, TimePoint now) {
  const Watched& watched = rules_[rule];
  TimePoint next = watched.group->rules()[watched.index].alerting->next_change(now).value_or(TimePoint::max());
  if (const int64_t newest_ms = index_.newest_ms(rule); newest_ms != std::numeric_limits<int64_t>::min()) {
    for (const Millis horizon : watched.horizons) {
      const TimePoint end = time_from_ms(newest_ms) + horizon;
      if (end > now) next = std::min(next, end);
    }
  }
  if (next < watched.group->next_slot()) schedule(rule, next);
}

void ArrivalRunner::arm() {
  const TimePoint next = due_.empty() ? TimePoint::max() : std::max(due_.begin()->first, pause_until_);
  if (timer_ != TimerId::kNone && next == armed_for_) return;
  if (timer_ != TimerId::kNone) context_.scheduler.cancel(timer_);
  timer_ = TimerId::kNone;
  armed_for_ = next;
  if (next == TimePoint::max()) return;
  timer_ = context_.scheduler.at(next, [this] {
    timer_ = TimerId::kNone;
    run();
  });
}

void ArrivalRunner::run() {
  const TimePoint now = context_.scheduler.now();
  const int64_t started_us = monotonic_us();
  std::map<RuleGroup*, std::vector<size_t>> done;
  while (!due_.empty() && due_.begin()->first <= now) {
    const RuleNumber number = due_.begin()->second;
    Watched& watched = rules_[number];
    due_.erase(due_.begin());
    watched.due = TimePoint::max();
    if (watched.group->next_slot() <= now) {  // its timer is due too; what came after the slot is looked at after it
      schedule(number, now + Millis(1));
      continue;
    }
    const int64_t before_us = monotonic_us();
    watched.group->evaluate_on_arrival(watched.index, now);
    const int64_t after_us = monotonic_us();
    done[watched.group].push_back(watched.index);
    watched.rests_until =
        now + std::max(Micros(options_.spacing), Micros((after_us - before_us) * options_.rest_factor));
    schedule_deadline(number, now);
    if (after_us - started_us < options_.slice.count()) continue;
    pause_until_ = now + Micros(after_us - started_us) * 5 / 4;
    break;
  }
  for (const auto& [group, rules] : done) {
    if (group->finish_arrivals(rules, now)) changed_(*group);
  }
  arm();
}

}  // namespace sentinel::detection
