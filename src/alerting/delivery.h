#pragma once
// Sends what is in the outbox: at most kDeliveriesInFlightMax messages at a time, one at a time and in order for each
// integration. A message that has to be retried lets those of other groups pass; those of its own group wait for it.
// At least once: a crash between delivery and its record sends the same key again.
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

struct Finished {
  std::string key;
  bool delivered = false;
};

class Delivery {
 public:
  struct Hooks {
    // In the transaction that records the end of these messages; then, once it is committed, `finished`.
    std::function<Status(state::Tx&, const std::vector<Finished>&)> finishing;
    std::function<void()> finished;
  };
  // REQUIRES: Outbox::migrate() ran. All references outlive this object.
  Delivery(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, receivers::Sender& sender,
           Hooks hooks);
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
  };
  struct Lane {              // one integration
    std::deque<Item> items;  // by id, the busy one included
    int64_t busy_id = 0;     // 0: none
  };
  struct Answer {
    std::string lane;
    int64_t id = 0;
    receivers::SendResult result;
  };
  struct Verdict {  // what an answer means for the message
    bool finished = false;
    bool delivered = false;
    TimePoint due_at;
    std::string error;
    std::string reason;
  };

  Status refill();
  void add(state::OutboxMessage message);
  void run();
  Item* pick(Lane& lane, TimePoint now);
  void start(const std::string& name, Lane& lane, Item& item);
  void answered(Answer answer);
  void record();
  static Verdict judge(const Item& item, const receivers::SendResult& result, TimePoint now);
  Status write(state::Tx& tx, const std::vector<Answer>& answers, const std::vector<Verdict>& verdicts, TimePoint now);
  void apply(const Answer& answer, const Verdict& verdict, TimePoint now);
  void count(const Item& item, const Verdict& verdict, TimePoint now);
  void arm(TimePoint at);
  Item* find(const std::string& lane, int64_t id);

  Scheduler& scheduler_;
  state::Database& database_;
  MetricRegistry& metrics_;
  receivers::Sender& sender_;
  const Hooks hooks_;
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
