#pragma once
// Silences that come again: "weekdays from 22:00 in Berlin". Each time is an ordinary silence of its own (an instance,
// with the annotation `recurring_silence`), which every client shows and can end; the next one is there, pending, as
// soon as the one before is over. Lives on the control scheduler.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/silences.h"
#include "alerting/time_interval.h"
#include "base/clock.h"
#include "base/result.h"
#include "state/database.h"

namespace sentinel::alerting {

inline constexpr std::string_view kRecurringAnnotation = "recurring_silence";  // its value is the id below

struct RecurringSilence {
  std::string id;    // a UUID
  Silence instance;  // what every instance has; its id and its end are not used, its start is not before this one's
  std::string schedule_text;              // as parse_schedule() reads it
  std::vector<TimeInterval> schedule;     // an instance lasts as long as any of them holds
  std::optional<TimePoint> ends_at;       // the last instance ends here at the latest
  TimePoint next_from;                    // the next instance, which is still to be made, begins here or later
  std::optional<TimePoint> removed_at{};  // kept for a while, so that other instances of a cluster hear of it

  // The next times from `from` on, at most `count`, none after kRecurringHorizon. Slow (milliseconds) where a schedule
  // is rare.
  std::vector<TimeSpan> spans(TimePoint from, size_t count) const;
};

// The id of the silence that begins then: the same for every instance of a cluster.
std::string recurring_instance_id(const std::string& recurring_id, TimePoint start);

// A JSON or YAML list of time intervals as alertmanager.yml has them. kInvalidArgument with line and column.
Result<std::vector<TimeInterval>> parse_schedule(std::string_view text);

class RecurringSilences {
 public:
  // REQUIRES: the tables of store.h are there.
  Status load(state::Tx& tx);
  const RecurringSilence* find(std::string_view id) const;  // also one that was removed
  const std::map<std::string, RecurringSilence, std::less<>>& all() const { return all_; }
  // When the next instance is to be made.
  std::optional<TimePoint> next_due() const;
  std::vector<std::string> due(TimePoint now) const;

  // SQL first, inside the caller's transaction; memory once that has been committed.
  static Status write(state::Tx& tx, const RecurringSilence& recurring);
  void put(RecurringSilence recurring);
  // Forgets those that were removed before.
  Status prune(state::Database& database, TimePoint removed_before);

 private:
  static bool goes_on(const RecurringSilence& r) { return !r.removed_at && (!r.ends_at || r.next_from < *r.ends_at); }

  std::map<std::string, RecurringSilence, std::less<>> all_;
};

}  // namespace sentinel::alerting
