#pragma once
// Silences as Alertmanager keeps them, in SQL and in memory. Lives on the control scheduler.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/labels.h"
#include "state/database.h"

namespace sentinel::alerting {

enum class SilenceState { kPending, kActive, kExpired };
std::string_view silence_state_name(SilenceState state);

struct Silence {
  std::string id;  // a UUID; "" asks for a new one
  // An alert is silenced when all matchers of any one set match it.
  std::vector<model::Matchers> matcher_sets;
  TimePoint starts_at;
  TimePoint ends_at;
  TimePoint updated_at;
  std::string created_by;
  std::string comment;
  model::Labels annotations;

  SilenceState state(TimePoint now) const {
    return now < starts_at ? SilenceState::kPending : now < ends_at ? SilenceState::kActive : SilenceState::kExpired;
  }
  bool matches(const model::Labels& labels) const;
};

std::string encode_matcher_sets(const std::vector<model::Matchers>& sets);
Result<std::vector<model::Matchers>> decode_matcher_sets(std::string_view text);

// kInvalidArgument in Alertmanager's words.
Status check_silence(const Silence& silence, TimePoint now);

// Zero: no limit of the user's.
struct SilenceLimits {
  size_t count_max = 0;
  size_t bytes_max = 0;  // of one: its id, matchers, comment, author and annotations
};

class Silences {
 public:
  // What else is written in the transaction of a change; `before` is null when there was none.
  using Also = std::function<Status(state::Tx&, const Silence* before, const Silence& after)>;

  // REQUIRES: the tables of store.h are there. Reads them all.
  Status load(state::Tx& tx);

  // Creates, or changes the one with that id; where the change is more than Alertmanager allows (other matchers, a
  // start in the past), the old one is expired and a new one made. Returns the id. Durable on return.
  // kNotFound: an id that is not there. kInvalidArgument, kTooLarge: say what is wrong, in Alertmanager's words.
  Result<std::string> set(state::Database& database, Silence silence, TimePoint now, const SilenceLimits& limits = {},
                          const Also& also = {});
  // kNotFound; kConflict when it has expired already.
  Status expire(state::Database& database, std::string_view id, TimePoint now, const Also& also = {});
  // Takes over those of other instances that are newer than ours. Returns how many.
  Result<size_t> merge(state::Database& database, const std::vector<Silence>& theirs, TimePoint ended_before);
  std::optional<Silence> get(std::string_view id) const;
  // Those of every state, the newest change first.
  std::vector<Silence> list() const;
  // Ids of the active silences that match, sorted.
  std::vector<std::string> silenced_by(const model::Labels& labels, TimePoint now) const;
  // Forgets those that ended before. Returns how many.
  Result<size_t> prune(state::Database& database, TimePoint ended_before);
  size_t count(SilenceState state, TimePoint now) const;

  // As it is: SQL first, inside the caller's transaction; memory once that has been committed.
  static Status write(state::Tx& tx, const Silence& silence);
  void put(Silence silence);
  size_t size() const { return silences_.size(); }

 private:
  std::map<std::string, Silence, std::less<>> silences_;
};

}  // namespace sentinel::alerting
