#pragma once
// Circuit breaker: after failures in a row, or when too many of the last attempts failed, a target gets no more calls
// for `open`; then one probe at a time decides. Shared by all cores; a leaf lock, held for a few instructions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/thread_annotations.h"
#include "gateway/config.h"
#include "gateway/sliding_counts.h"

namespace sentinel::gateway {

enum class BreakerState { kClosed, kHalfOpen, kOpen };
std::string_view breaker_state_name(BreakerState state);
std::optional<BreakerState> parse_breaker_state(std::string_view name);

class Breaker {
 public:
  explicit Breaker(BreakerConfig config) : config_(config), counts_(config.window) {}

  // kProbe: the one call that half-open lets through. Whoever was let through tells how it went, once, with one of the
  // three below.
  enum class Pass { kNo, kCall, kProbe };
  Pass allow(TimePoint now);
  void succeeded(Pass pass, TimePoint now);
  void failed(Pass pass, TimePoint now);
  // The call ended without saying anything about the provider (the client went away, 429).
  void withdrawn(Pass pass);

  // As it would be found at `now`.
  BreakerState state(TimePoint now) const;
  std::optional<TimePoint> open_until() const;
  bool held() const;
  // Of the attempts within the window.
  struct Counts {
    int64_t attempts = 0, failures = 0;
    int in_a_row = 0;
  };
  Counts counts(TimePoint now) const;
  // By an operator: closes it and forgets, or holds it open until told otherwise, or (nullopt) leaves it to itself.
  // kHalfOpen: the next call is a probe.
  void force(std::optional<BreakerState> state, TimePoint now);
  void reconfigure(BreakerConfig config);

 private:
  bool off() const REQUIRES_LOCK(mutex_) { return config_.threshold == 0 && config_.failure_percent == 0; }
  bool too_many(TimePoint now) REQUIRES_LOCK(mutex_);
  void close() REQUIRES_LOCK(mutex_);

  mutable Mutex mutex_;
  BreakerConfig config_ GUARDED_BY(mutex_);
  mutable SlidingCounts counts_ GUARDED_BY(mutex_);  // marked: failed
  int in_a_row_ GUARDED_BY(mutex_) = 0;
  int probes_good_ GUARDED_BY(mutex_) = 0;
  bool open_ GUARDED_BY(mutex_) = false;
  bool probing_ GUARDED_BY(mutex_) = false;
  bool held_open_ GUARDED_BY(mutex_) = false;
  TimePoint open_until_ GUARDED_BY(mutex_){};
};

}  // namespace sentinel::gateway
