#pragma once
// Alertmanager's time intervals: "weekdays, 9 to 17, in Berlin". Pure values.

#include <memory>
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

 private:
  std::vector<Range> minutes_;        // of the day, the end excluded
  std::vector<Range> weekdays_;       // 0 is Sunday
  std::vector<Range> days_of_month_;  // negative ones count from the month's end
  std::vector<Range> months_;
  std::vector<Range> years_;
  std::string location_;  // IANA name, "" is UTC
};

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
