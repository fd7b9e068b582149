#pragma once
// Sends what is in the outbox: at most kDeliveriesInFlightMax messages at a time, one at a time and in order for each
// integration. A message that has to be retried lets those of other groups pass; those of its own group wait for it.
// At least once: a crash between delivery and its record sends the same key again.
//
// A receiver under pressure, which had to be held back or for which more than DigestOptions::above messages wait, gets
// one message that tells of many groups, where its kind can (receivers/digest.h). Each of them is done when the digest
// is delivered, not before; one that the receiver refuses is taken apart and sent as it was.
//
// Lives on the control scheduler; senders may answer on any thread.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/scheduler.h"
#include "receivers/sender.h"
#include "state/outbox.h"

namespace sentinel::alerting {

inline constexpr std::string_view kNotificationChannel = "notification";

struct DigestOptions {
  size_t above = 20;  // messages that wait for one integration; 0: no digests
};

struct Finished {
  std::string key;
  bool delivered = false;
};

// How one attempt to send a message ended.
struct Attempted {
  enum class Kind { kDelivered, kRetry, kFailed, kUnwanted };
  std::string key;
  Kind kind = Kind::kDelivered;
  std::string error;
  TimePoint created_at;  // of the message
};

// Which messages of the outbox are sent, and how they are counted.
struct Track {
  std::string_view channel = kNotificationChannel;
  std::string_view pending_metric = "sentinel_notifications_pending";
  std::string_view pending_help = "Notifications not yet delivered.";
  bool notifications = true;  // counted in sentinel_notifications_total and its like
};

class Delivery {
 public:
  struct Hooks {
    // In the transaction that records the end of these messages; then, once it is committed, `finished`.
    std::function<Status(state::Tx&, const std::vector<Finished>&)> finishing;
    std::function<void()> finished;
    // Whether this integration ("receiver/kind/index") can be told of several groups at once. Null: none can.
    std::function<bool(const std::string&)> digestible{};
    // Whether a message should still go out, asked before each attempt. Null: it should.
    std::function<Result<bool>(state::Tx&, const state::OutboxMessage&)> wanted{};
    // As `finishing`, of every attempt, before it.
    std::function<Status(state::Tx&, const std::vector<Attempted>&)> attempted{};
  };
  // REQUIRES: Outbox::migrate() ran. All references outlive this object.
  Delivery(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, receivers::Sender& sender,
           Hooks hooks, DigestOptions digests = {}, Track track = {});
  ~Delivery();
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // Takes in messages written since the last call (all pending ones at first) and starts what can be started.
  void wake();
  // A message that was failed and is pending again: it has an old id, wake() does not see it.
  void requeue(state::OutboxMessage message);
  size_t queued() const { return queued_; }
  size_t in_flight() const { return in_flight_; }

 private:
  struct Item {
    state::OutboxMessage message;
    TimePoint expires_at;
    bool alone = false;  // a digest with it was refused
  };
  struct Lane {                 // one integration
    std::deque<Item> items;     // by id, the busy ones included
    std::vector<int64_t> busy;  // under way in one message
    TimePoint held_until;       // it was asked too often
    bool pressed = false;       // and has not taken a message since
  };
  struct Answer {
    std::string lane;
    std::vector<int64_t> ids;  // of all that the message told
    receivers::SendResult result;
    bool unwanted = false;
  };
  struct Verdict {  // what an answer means for a message
    int64_t id = 0;
    bool finished = false;
    bool delivered = false;
    TimePoint due_at;
    std::string error;
    std::string reason;
    bool alone = false;
  };

  Status refill();
  bool still_wanted(const state::OutboxMessage& message);
  void add(state::OutboxMessage message);
  void run();
  std::vector<Item*> pick(const std::string& name, Lane& lane, TimePoint now);
  bool under_pressure(const std::string& name, const Lane& lane) const;
  void start(const std::string& name, Lane& lane, const std::vector<Item*>& items);
  void answered(Answer answer);
  void record();
  std::vector<Verdict> judge(const Answer& answer, TimePoint now);
  static Verdict judge(const Item& item, const receivers::SendResult& result, TimePoint now);
  Status write(state::Tx& tx, const std::vector<Answer>& answers, const std::vector<std::vector<Verdict>>& verdicts,
               TimePoint now);
  void apply(const Answer& answer, const std::vector<Verdict>& verdicts, TimePoint now);
  void apply(Lane& lane, const Verdict& verdict, TimePoint now);
  void count(const Item& item, const Verdict& verdict, TimePoint now);
  void count_digest(const Answer& answer);
  void arm(TimePoint at);
  Item* find(const std::string& lane, int64_t id);

  Scheduler& scheduler_;
  state::Database& database_;
  MetricRegistry& metrics_;
  receivers::Sender& sender_;
  const Hooks hooks_;
  const DigestOptions digests_;
  const Track track_;
  std::map<std::string, Lane> lanes_;
  std::vector<Answer> answers_;
  int64_t last_id_ = 0;
  size_t queued_ = 0;
  size_t in_flight_ = 0;
  bool record_posted_ = false;
  bool more_in_outbox_ = false;
  TimerId timer_ = TimerId::kNone;
  std::optional<TimePoint> armed_for_;
  std::shared_ptr<Delivery*> self_;  // null inside once destroyed: answers and timers may come later
  Gauge& pending_;
};

}  // namespace sentinel::alerting
