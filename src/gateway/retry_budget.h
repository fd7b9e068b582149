#pragma once
// What keeps an outage from being made worse by those who suffer from it: of the attempts at one provider only a share
// may be retries or hedges. Shared by all cores; a leaf lock, held for a few instructions.

#include "base/clock.h"
#include "base/thread_annotations.h"
#include "gateway/config.h"
#include "gateway/sliding_counts.h"

namespace sentinel::gateway {

class RetryBudget {
 public:
  explicit RetryBudget(RetryBudgetConfig config) : config_(config), counts_(config.window) {}

  // A first attempt of a call.
  void asked(TimePoint now);
  // True: one more retry may be made, and is counted.
  bool take(TimePoint now);
  void reconfigure(RetryBudgetConfig config);

 private:
  Mutex mutex_;
  RetryBudgetConfig config_ GUARDED_BY(mutex_);
  SlidingCounts counts_ GUARDED_BY(mutex_);  // marked: retries
};

}  // namespace sentinel::gateway
