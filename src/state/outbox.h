#pragma once
// Messages to the outside, written in the transaction of the change that causes them and retried until delivered or
// visibly failed. At least once: a crash between delivery and its record sends the same key again.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "state/database.h"

namespace sentinel::state {

enum class OutboxStatus { kPending, kDelivered, kFailed };

struct OutboxMessage {
  int64_t id = 0;        // filled by enqueue
  std::string key;       // deterministic; the receiver can fold duplicates by it
  std::string channel;   // who sends it: "notification"
  std::string receiver;  // e.g. alertmanager.yml's receiver name and integration index: "oncall/slack/0"
  std::string
      order_key;  // of messages to one receiver with the same one, the next waits for the end of the last; "" none
  std::string payload;  // JSON, complete: sending needs nothing else
  OutboxStatus status = OutboxStatus::kPending;
  int attempts = 0;
  TimePoint created_at;
  TimePoint due_at;  // not before
  std::optional<TimePoint> finished_at;
  std::string last_error;
};

class Outbox {
 public:
  // REQUIRES: migrate() of this module ran.
  static Status migrate(Database& database);
  // A message whose key is already there is not written again (its id is returned), but for one that has failed: that
  // one becomes pending anew, with this payload and no attempts.
  static Result<int64_t> enqueue(Tx& tx, const OutboxMessage& message);
  // Pending and due, oldest first; of one receiver's order key only the oldest pending message is offered.
  static Result<std::vector<OutboxMessage>> due(Tx& tx, TimePoint now, size_t limit);
  // Pending ones of a channel, due or not, by id.
  static Result<std::vector<OutboxMessage>> pending(Tx& tx, std::string_view channel, int64_t after_id, size_t limit);
  static Result<std::optional<TimePoint>> next_due(Tx& tx);
  static Status delivered(Tx& tx, int64_t id, TimePoint now);
  // Another try at `due_at`, or never more when absent (kFailed: visible and alerted on).
  static Status attempt_failed(Tx& tx, int64_t id, const std::string& error, std::optional<TimePoint> due_at,
                               TimePoint now);
  // Newest first.
  static Result<std::vector<OutboxMessage>> list(Tx& tx, std::optional<OutboxStatus> status, size_t limit);
  // Forgets messages that ended before; returns how many.
  static Result<int64_t> prune(Tx& tx, TimePoint finished_before);
};

}  // namespace sentinel::state
