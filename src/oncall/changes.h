#pragma once
// What people change about schedules while the server runs: overrides and swaps, kept in the state store beside those
// of the configuration, after which they apply. All functions run inside the caller's transaction.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "oncall/config.h"
#include "state/database.h"

namespace sentinel::oncall {

// One of `override` and `swap`; its id is that of the change.
struct ScheduleChange {
  std::string id;
  std::string schedule;
  std::string by;
  TimePoint at;
  std::optional<Override> over;
  std::optional<Swap> swap;

  TimePoint ends() const;
};

class ChangeStore {
 public:
  // Oldest first, the order in which they apply.
  static Result<std::vector<ScheduleChange>> list(state::Tx& tx);
  static Status put(state::Tx& tx, const ScheduleChange& change);
  static Result<bool> remove(state::Tx& tx, std::string_view id);  // false: there is none
  static Status prune(state::Tx& tx, TimePoint ended_before);
};

// The configuration with the changes in its schedules. One whose schedule or people are gone is left out, as if it
// were over: it can still be removed.
Config with_changes(Config config, const std::vector<ScheduleChange>& changes);
// kNotFound: no such schedule or person; kInvalidArgument: it is over, too long, or replaces nobody; kConflict: a swap
// that overlaps another of the same person; kTooLarge: too many. `config` has the changes so far.
Status check_change(const Config& config, const ScheduleChange& change, TimePoint now);

}  // namespace sentinel::oncall
