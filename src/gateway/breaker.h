#pragma once
// Circuit breaker: after `threshold` failures in a row a provider gets no more calls for `open`; then one probe at a
// time decides. Shared by all cores; a leaf lock, held for a few instructions.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/thread_annotations.h"
#include "gateway/config.h"

namespace sentinel::gateway {

enum class BreakerState { kClosed, kHalfOpen, kOpen };
std::string_view breaker_state_name(BreakerState state);

class Breaker {
 public:
  explicit Breaker(BreakerConfig config) : config_(config) {}

  // Whether a call may be sent now. A true in half-open is the probe: its result must be told with one of the three
  // below.
  bool allow(TimePoint now);
  void succeeded();
  void failed(TimePoint now);
  // The call ended without saying anything about the provider (the client went away, 4xx).
  void withdrawn();
  // As it would be found at `now`.
  BreakerState state(TimePoint now) const;
  std::optional<TimePoint> open_until() const;
  // By an operator: closes it, or holds it open until told otherwise.
  void force(std::optional<BreakerState> state);
  void reconfigure(BreakerConfig config);

 private:
  mutable Mutex mutex_;
  BreakerConfig config_ GUARDED_BY(mutex_);
  int failures_ GUARDED_BY(mutex_) = 0;
  bool open_ GUARDED_BY(mutex_) = false;
  bool probing_ GUARDED_BY(mutex_) = false;
  bool held_open_ GUARDED_BY(mutex_) = false;
  TimePoint open_until_ GUARDED_BY(mutex_){};
};

}  // namespace sentinel::gateway
