#include "gateway/retry_budget.h"

#include <algorithm>

namespace sentinel::gateway {

void RetryBudget::asked(TimePoint now) {
  const MutexLock lock(mutex_);
  counts_.add(now, false);
}

bool RetryBudget::take(TimePoint now) {
  const MutexLock lock(mutex_);
  const int64_t retries = counts_.marked(now);
  const auto first = static_cast<double>(counts_.total(now) - retries);
  const double allowed = std::max(config_.ratio * first, static_cast<double>(config_.minimum));
  if (static_cast<double>(retries) + 1 > allowed) return false;
  counts_.add(now, true);
  return true;
}

void RetryBudget::reconfigure(RetryBudgetConfig config) {
  const MutexLock lock(mutex_);
  config_ = config;
  counts_.resize(config.window);
}

}  // namespace sentinel::gateway
