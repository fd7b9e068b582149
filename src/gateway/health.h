#pragma once
// Internal to gateway: what is known of the providers while the process lives, whatever the configuration does: of each
// its retry budget, and of each model at it a Lane: its breaker, what is under way, how fast it answers.

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/thread_annotations.h"
#include "gateway/breaker.h"
#include "gateway/key_ring.h"
#include "gateway/latency.h"
#include "gateway/retry_budget.h"

namespace sentinel::gateway {

struct Lane {
  Lane(std::string provider_name, std::string model_name, BreakerConfig config, MetricRegistry& metrics);
  struct Shown {
    BreakerState before, now;
  };
  // After each change: sets the gauge.
  Shown show(TimePoint now);

  const std::string provider;
  const std::string model;  // "*": of models beyond kLanesMax
  Breaker breaker;
  std::atomic<int> under_way{0};
  Latency latency;

 private:
  Gauge& state_;
};

// Thread-safe. Lanes are never taken away: calls keep pointers to them.
class ProviderHealth {
 public:
  ProviderHealth(std::string name, BreakerConfig breaker, RetryBudgetConfig retries, MetricRegistry& metrics);

  Lane& lane(std::string_view model);
  std::vector<Lane*> lanes() const;
  // Of this model, or (empty) of all, also those to come.
  Status force(std::string_view model, std::optional<BreakerState> state, TimePoint now);
  void reconfigure(BreakerConfig breaker, RetryBudgetConfig retries);

  RetryBudget budget;
  KeyRests key_rests;

 private:
  const std::string name_;
  MetricRegistry& metrics_;
  mutable Mutex mutex_;
  BreakerConfig breaker_ GUARDED_BY(mutex_);
  bool held_open_ GUARDED_BY(mutex_) = false;
  std::map<std::string, std::unique_ptr<Lane>, std::less<>> lanes_ GUARDED_BY(mutex_);
};

using HealthBoard = std::map<std::string, std::unique_ptr<ProviderHealth>, std::less<>>;

}  // namespace sentinel::gateway
