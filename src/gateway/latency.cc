#include "gateway/latency.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sentinel::gateway {
namespace {

constexpr double kDecayUs = 10e6;  // a peak is down to a third after this

}  // namespace

// Without news the average goes down, so that a target that was slow once is tried again.
double Latency::average(TimePoint now) const {
  const auto age_us = static_cast<double>(std::max<int64_t>((now - averaged_).count(), 0));
  return average_us_ * std::exp(-age_us / kDecayUs);
}

void Latency::observe(Micros took, TimePoint now) {
  const auto us = static_cast<double>(std::max<int64_t>(took.count(), 1));
  const MutexLock lock(mutex_);
  const double decayed = average(now);
  if (us > average_us_) {
    average_us_ = us;
  } else {
    const double keep = average_us_ > 0 ? decayed / average_us_ : 0;
    average_us_ = average_us_ * keep + us * (1 - keep);
  }
  averaged_ = std::max(averaged_, now);
  last_us_[seen_ % kKept] =
      static_cast<uint32_t>(std::min<int64_t>(took.count(), std::numeric_limits<uint32_t>::max()));
  ++seen_;
}

double Latency::load(int under_way, TimePoint now) const {
  const MutexLock lock(mutex_);
  return std::max(average(now), 1.0) * (1 + under_way);
}

std::optional<Micros> Latency::quantile(double q) const {
  std::array<uint32_t, kKept> copy{};
  size_t count = 0;
  {
    const MutexLock lock(mutex_);
    if (seen_ < kEnough) return std::nullopt;
    count = std::min(seen_, kKept);
    copy = last_us_;
  }
  const auto rank = std::min(static_cast<size_t>(q * static_cast<double>(count)), count - 1);
  const auto begin = copy.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(count);
  std::nth_element(begin, begin + static_cast<std::ptrdiff_t>(rank), end);
  return Micros(copy[rank]);
}

}  // namespace sentinel::gateway
