#include "gateway/health.h"

#include "gateway/limits.h"

namespace sentinel::gateway {

Lane::Lane(std::string provider_name, std::string model_name, BreakerConfig config, MetricRegistry& metrics)
    : provider(std::move(provider_name)),
      model(std::move(model_name)),
      breaker(config),
      state_(metrics.gauge("sentinel_gateway_breaker_state", "0 closed, 1 half open, 2 open.",
                           {{"provider", provider}, {"model", model}})) {}

Lane::Shown Lane::show(TimePoint now) {
  const auto before = static_cast<BreakerState>(state_.value());
  const BreakerState state = breaker.state(now);
  if (state != before) state_.set(static_cast<double>(state));
  return {before, state};
}

ProviderHealth::ProviderHealth(std::string name, BreakerConfig breaker, RetryBudgetConfig retries,
                               MetricRegistry& metrics)
    : budget(retries), name_(std::move(name)), metrics_(metrics), breaker_(breaker) {}

Lane& ProviderHealth::lane(std::string_view model) {
  const MutexLock lock(mutex_);
  auto found = lanes_.find(model);
  if (found != lanes_.end()) return *found->second;
  // Callers choose the names: beyond the limit they share one.
  if (lanes_.size() >= kLanesMax) model = "*";
  auto& lane = lanes_[std::string(model)];
  if (lane == nullptr) {
    lane = std::make_unique<Lane>(name_, std::string(model), breaker_, metrics_);
    if (held_open_) lane->breaker.force(BreakerState::kOpen, TimePoint{});
    lane->show(TimePoint{});
  }
  return *lane;
}

std::vector<Lane*> ProviderHealth::lanes() const {
  const MutexLock lock(mutex_);
  std::vector<Lane*> all;
  for (const auto& [model, lane] : lanes_) all.push_back(lane.get());
  return all;
}

Status ProviderHealth::force(std::string_view model, std::optional<BreakerState> state, TimePoint now) {
  const MutexLock lock(mutex_);
  bool found = model.empty();
  if (model.empty()) held_open_ = state == BreakerState::kOpen;
  for (const auto& [name, lane] : lanes_) {
    if (!model.empty() && name != model) continue;
    found = true;
    lane->breaker.force(state, now);
    lane->show(now);
  }
  if (found) return {};
  return fail(ErrorCode::kNotFound,
              "provider \"" + name_ + "\" has not been asked for the model \"" + std::string(model) + "\"");
}

void ProviderHealth::reconfigure(BreakerConfig breaker, RetryBudgetConfig retries) {
  budget.reconfigure(retries);
  const MutexLock lock(mutex_);
  breaker_ = breaker;
  for (const auto& [name, lane] : lanes_) lane->breaker.reconfigure(breaker);
}

}  // namespace sentinel::gateway
