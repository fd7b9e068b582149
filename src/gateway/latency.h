#pragma once
// How fast one target answers: a moving average that jumps to every peak and decays from it, and quantiles of the last
// answers. Shared by all cores; a leaf lock, held for a few instructions (quantile: a few microseconds).

#include <array>
#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/thread_annotations.h"

namespace sentinel::gateway {

class Latency {
 public:
  // To the first content of a stream, else to the whole answer.
  void observe(Micros took, TimePoint now);
  // What one more call would probably wait, in microseconds, while `under_way` others do. A target of which nothing is
  // known looks fast, so that it gets known.
  double load(int under_way, TimePoint now) const;
  // nullopt: fewer than kEnough answers are known. 0 < q < 1.
  std::optional<Micros> quantile(double q) const;

  static constexpr size_t kEnough = 20;

 private:
  static constexpr size_t kKept = 128;
  double average(TimePoint now) const REQUIRES_LOCK(mutex_);

  mutable Mutex mutex_;
  double average_us_ GUARDED_BY(mutex_) = 0;
  TimePoint averaged_ GUARDED_BY(mutex_){};
  std::array<uint32_t, kKept> last_us_ GUARDED_BY(mutex_){};
  size_t seen_ GUARDED_BY(mutex_) = 0;
};

}  // namespace sentinel::gateway
