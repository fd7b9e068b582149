#pragma once
// What asking a judge may take: so many calls a minute, so much money a day (UTC). Plain values; the caller locks.

#include <cstdint>

#include "base/clock.h"

namespace sentinel::app {

class JudgeBudget {
 public:
  enum class Verdict : uint8_t { kGo, kRate, kMoney };

  // Takes one call of `expected_microusd` when there is room for it.
  Verdict take(TimePoint now, int64_t per_minute, int64_t microusd_per_day, int64_t expected_microusd) {
    turn(now);
    if (calls_ >= per_minute) return Verdict::kRate;
    if (spent_ + expected_microusd > microusd_per_day) return Verdict::kMoney;
    ++calls_;
    spent_ += expected_microusd;
    return Verdict::kGo;
  }
  // What the call cost instead of what was expected.
  void correct(TimePoint now, int64_t expected_microusd, int64_t actual_microusd) {
    turn(now);
    spent_ += actual_microusd - expected_microusd;
    if (spent_ < 0) spent_ = 0;  // the day has turned since
  }
  int64_t spent_microusd() const { return spent_; }

 private:
  void turn(TimePoint now) {
    constexpr int64_t kMinuteUs = 60'000'000;
    constexpr int64_t kDayUs = 86'400'000'000;
    if (to_us(now) / kMinuteUs != minute_) calls_ = 0;
    if (to_us(now) / kDayUs != day_) spent_ = 0;
    minute_ = to_us(now) / kMinuteUs;
    day_ = to_us(now) / kDayUs;
  }

  int64_t minute_ = 0;
  int64_t day_ = 0;
  int64_t calls_ = 0;
  int64_t spent_ = 0;
};

}  // namespace sentinel::app
