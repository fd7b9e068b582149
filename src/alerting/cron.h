#pragma once
// A crontab's five fields on the clocks of a place, as Debian's cron reads them. When the clocks change: a run at given
// hours and minutes comes once a day that it is meant for, at the first instant after the hole where its time is never
// shown, and the first time where it comes twice; one with * as its hour or minute comes whenever the clock shows it.

#include <bitset>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace sentinel::alerting {

// A value; thread-safe.
class CronSchedule {
 public:
  // "30 3 * * mon-fri", "*/5 * * * *", "@daily"; `zone` is an IANA name. kInvalidArgument says which field is wrong, or
  // that it never comes.
  static Result<CronSchedule> parse(std::string_view text, std::string zone);

  // The first run after `t`.
  TimePoint next(TimePoint t) const;
  // The last run of those from `first`, which is one, to `t`.
  TimePoint last(TimePoint first, TimePoint t) const;
  const std::string& text() const { return text_; }
  const std::string& zone() const { return zone_; }
  // What the clock there shows: "2026-03-29 03:00".
  std::string shown(TimePoint t) const;
  bool operator==(const CronSchedule& other) const { return text_ == other.text_ && zone_ == other.zone_; }

 private:
  struct Wall;  // keeps cctz out of here
  bool is_day(const Wall& day) const;
  bool next_shown(const Wall& from, Wall* found) const;

  std::string text_, zone_;
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;        // 0 is Sunday
  bool days_and_weekdays_ = true;  // where both are given one of them is enough
  bool whenever_shown_ = false;    // * as hour or minute
};

}  // namespace sentinel::alerting
