#include "base/clock.h"

namespace sentinel {

TimePoint SystemClock::now() const { return std::chrono::floor<Micros>(std::chrono::system_clock::now()); }

FakeClock::FakeClock(TimePoint start) : now_us_(to_us(start)) {}

int64_t monotonic_us() {
  return std::chrono::duration_cast<Micros>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace sentinel
