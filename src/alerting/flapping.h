#pragma once
// Alerts that come and go too often to be worth a message each time. Nagios's flap detection with its two thresholds,
// but counted in changes instead of a weighted percentage of checks, since alerts come as changes: an alert that
// changed its state (fired or ended) `changes` times within `window` flaps, and is calm again once no more than `calm`
// changes are left in the window. While it flaps it counts as firing: one message says so, and what becomes of it is
// told when it is calm.
//
// Knows changes by fingerprint, in SQL and in memory. Lives on the control scheduler.

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerting/codec.h"
#include "base/clock.h"
#include "base/result.h"
#include "model/alert.h"
#include "state/database.h"

namespace sentinel::alerting {

struct FlapOptions {
  size_t changes = 0;  // 0: alerts without the annotation below are not watched
  size_t calm = 2;     // below `changes`
  Micros window = std::chrono::hours(1);
  bool watches() const { return changes > 0; }
};

// Of a rule: "6 in 30m" (calm at a third of it), "6 in 30m, calm at 1", or "off". Something else asks for nothing.
inline constexpr std::string_view kFlapAnnotation = "flap_damping";
// kInvalidArgument: it is none of these.
Result<FlapOptions> parse_flap_options(std::string_view text);
// What holds for this alert: its annotation's, or `fallback`.
FlapOptions flap_options(const model::Alert& alert, const FlapOptions& fallback);

struct FlapState {
  uint64_t fingerprint = 0;
  std::deque<TimePoint> changes;   // the newest ones, ascending, at most FlapOptions::changes
  std::optional<TimePoint> since;  // it flaps
  FlapOptions options;             // as at the last change
  // When it will be calm if it does not change again. REQUIRES: since.
  TimePoint calm_at() const;
};

// `before` after one more change.
FlapState flap_after(FlapState before, TimePoint at, const FlapOptions& options);

class Flapping {
 public:
  Status load(state::Tx& tx);
  const FlapState* find(uint64_t fingerprint) const;
  bool flaps(uint64_t fingerprint) const;
  bool empty() const { return states_.empty(); }
  size_t count() const { return calm_.size(); }
  std::optional<TimePoint> next_calm() const;
  // Those that are calm now, by fingerprint.
  std::vector<uint64_t> calm(TimePoint now) const;

  // SQL first, inside the caller's transaction; memory once that has been committed.
  static Status write(state::Tx& tx, const FlapState& state);
  void put(FlapState state);
  // Forgets alerts that neither flap nor changed within their window.
  Status prune(state::Database& database, TimePoint now);

 private:
  std::map<uint64_t, FlapState> states_;
  std::set<std::pair<TimePoint, uint64_t>> calm_;  // of those that flap
};

// In the log of what was told, that an alert flaps is told like an alert of its own.
uint64_t flap_mark(uint64_t fingerprint);

}  // namespace sentinel::alerting
