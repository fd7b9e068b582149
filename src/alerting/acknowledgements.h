#pragma once
// "Somebody is on it": acknowledgements of firing alerts, in SQL and in memory. One keeps reminders of its alert back,
// never news, and ends with its alert. Lives on the control scheduler.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "alerting/actor.h"
#include "base/clock.h"
#include "base/result.h"
#include "state/database.h"

namespace sentinel::alerting {

struct Acknowledgement {
  uint64_t fingerprint = 0;  // of the alert
  TimePoint at;
  Actor by;
  std::string note;
  std::optional<TimePoint> until;  // excluded; none: until the alert ends
  // Taken back or its alert has ended; kept for a while so that other instances hear of it.
  bool ended = false;
  TimePoint updated_at;

  bool active(TimePoint now) const { return !ended && (!until || now < *until); }
};

class Acknowledgements {
 public:
  // REQUIRES: the tables of store.h are there.
  Status load(state::Tx& tx);
  // The one in force, or null.
  const Acknowledgement* active(uint64_t fingerprint, TimePoint now) const;
  // Also one that is no longer in force.
  const Acknowledgement* find(uint64_t fingerprint) const;
  const std::map<uint64_t, Acknowledgement>& all() const { return all_; }

  // SQL first, inside the caller's transaction; memory once that has been committed.
  static Status write(state::Tx& tx, const Acknowledgement& acknowledgement);
  void put(Acknowledgement acknowledgement);
  // Forgets those that have ended, or would have, before.
  Status prune(state::Database& database, TimePoint ended_before);

 private:
  std::map<uint64_t, Acknowledgement> all_;
};

}  // namespace sentinel::alerting
