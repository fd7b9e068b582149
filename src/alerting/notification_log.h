#pragma once
// What each integration was last told about each group: the base of "notify, or have they heard already?".
// An entry written with a message is provisional until the message is delivered. A message that failed may have arrived
// all the same (its answer was lost): then only what is the same either way counts as told, and the group's next flush
// tries anew. Lives on the control scheduler.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alerting/codec.h"
#include "base/clock.h"
#include "base/result.h"
#include "state/database.h"

namespace sentinel::alerting {

struct Told {
  TimePoint at;
  Fingerprints firing;
  Fingerprints resolved;
  Fingerprints maybe_firing;  // beside `firing`: told by messages of which nobody knows whether they arrived
};

struct LogEntry {
  std::string group_key;
  std::string integration;
  std::optional<Told> told;     // by delivered messages (or what did not have to be sent)
  std::optional<Told> telling;  // by the message under way
  std::string message_key;      // of the message under way, "" none
  std::string group_id;         // of the group that waits for it
  int64_t generation = 0;       // increases with each message that got through
  TimePoint expires_at;
};

inline constexpr std::string_view kRepeatReason = "repeat interval elapsed";

// Alertmanager's DedupStage: why a receiver has to be told now, in its words ("first notification"); "" when it has
// not.
std::string_view notification_reason(const std::optional<Told>& told, const Fingerprints& firing,
                                     const Fingerprints& resolved, bool send_resolved, Micros repeat_interval,
                                     TimePoint now);

class NotificationLog {
 public:
  Status load(state::Tx& tx);
  const LogEntry* find(std::string_view group_key, std::string_view integration) const;
  // The entry of the message under way with this key.
  const LogEntry* find_message(std::string_view message_key) const;
  const std::map<std::pair<std::string, std::string>, LogEntry>& entries() const { return entries_; }
  // All whose message is under way.
  std::vector<const LogEntry*> waiting() const;

  // SQL first, inside the caller's transaction; memory once that has been committed.
  static Status write(state::Tx& tx, const LogEntry& entry);
  void put(LogEntry entry);

  // `entry` after its message was delivered or has failed for good.
  static LogEntry delivered(LogEntry entry);
  static LogEntry failed(LogEntry entry);

  Status prune(state::Database& database, TimePoint now);
  size_t size() const { return entries_.size(); }

 private:
  using Key = std::pair<std::string, std::string>;
  std::map<Key, LogEntry> entries_;
  std::map<std::string, Key, std::less<>> by_message_;
};

}  // namespace sentinel::alerting
