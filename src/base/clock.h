#pragma once
// Time is a parameter. Everything that asks "what time is it" takes a Clock; everything that waits takes a Scheduler.

#include <atomic>
#include <chrono>
#include <cstdint>

namespace sentinel {

using Micros = std::chrono::microseconds;
using Millis = std::chrono::milliseconds;
// A wall-clock instant, UTC, microseconds since 1970-01-01.
using TimePoint = std::chrono::sys_time<Micros>;

inline TimePoint time_from_us(int64_t us) { return TimePoint(Micros(us)); }
inline TimePoint time_from_ms(int64_t ms) { return TimePoint(Millis(ms)); }
inline int64_t to_us(TimePoint t) { return t.time_since_epoch().count(); }
inline int64_t to_ms(TimePoint t) { return std::chrono::floor<Millis>(t.time_since_epoch()).count(); }

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
};

class SystemClock final : public Clock {
 public:
  TimePoint now() const override;
};

// Stands still until told. Thread-safe.
class FakeClock final : public Clock {
 public:
  explicit FakeClock(TimePoint start = time_from_us(1'767'225'600'000'000));  // 2026-01-01T00:00:00Z
  TimePoint now() const override { return time_from_us(now_us_.load(std::memory_order_acquire)); }
  void set(TimePoint t) { now_us_.store(to_us(t), std::memory_order_release); }
  void advance(Micros by) { now_us_.fetch_add(by.count(), std::memory_order_acq_rel); }

 private:
  std::atomic<int64_t> now_us_;
};

// Microseconds of the monotonic clock, for measuring how long something took; never stored.
int64_t monotonic_us();

}  // namespace sentinel
