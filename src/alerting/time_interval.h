#pragma once
// Alertmanager's time intervals: "weekdays, 9 to 17, in Berlin". Pure values.

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "text/yaml.h"

namespace sentinel::alerting {

// All given parts must hold; a part that is empty always holds. Ranges include both ends but for minutes.
class TimeInterval {
 public:
  using Range = std::pair<int, int>;

  // One entry of `time_intervals[].time_intervals`.
  static Result<TimeInterval> parse(const text::YamlNode& node);

  bool contains(TimePoint t) const;
  // Whether it contains any time of the day, in its location, that t is in. Cheaper than asking for all minutes.
  bool contains_day(TimePoint t) const;

 private:
  std::vector<Range> minutes_;        // of the day, the end excluded
  std::vector<Range> weekdays_;       // 0 is Sunday
  std::vector<Range> days_of_month_;  // negative ones count from the month's end
  std::vector<Range> months_;
  std::vector<Range> years_;
  std::string location_;  // IANA name, "" is UTC
};

// Start included, end excluded.
struct TimeSpan {
  TimePoint start;
  TimePoint end;
  bool operator==(const TimeSpan&) const = default;
};

// The first stretch from `from` on in which any of the intervals holds, cut at `from` and at `length_max`. What begins
// at the horizon or later is not looked for.
std::optional<TimeSpan> next_span(const std::vector<TimeInterval>& intervals, TimePoint from, TimePoint horizon,
                                  Micros length_max);

struct NamedTimeIntervals {
  std::string name;
  std::vector<TimeInterval> intervals;

  bool contains(TimePoint t) const {
    for (const TimeInterval& interval : intervals) {
      if (interval.contains(t)) return true;
    }
    return false;
  }
};

}  // namespace sentinel::alerting
