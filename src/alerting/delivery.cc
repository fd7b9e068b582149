#include "alerting/delivery.h"

#include <algorithm>
#include <set>

#include "alerting/limits.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "receivers/notification.h"

namespace sentinel::alerting {
namespace {

// "receiver/kind/index" to the labels of a metric.
MetricLabels integration_labels(const std::string& id) {
  const size_t last = id.rfind('/');
  const size_t kind = last == std::string::npos || last == 0 ? std::string::npos : id.rfind('/', last - 1);
  if (kind == std::string::npos) return {{"integration", "unknown"}, {"receiver", id}};
  return {{"integration", id.substr(kind + 1, last - kind - 1)}, {"receiver", id.substr(0, kind)}};
}

MetricLabels with(MetricLabels labels, std::string name, std::string value) {
  labels.emplace_back(std::move(name), std::move(value));
  return labels;
}

const std::vector<double>& latency_bounds() {
  static const std::vector<double> bounds = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,
                                             2.5,   5,    10,    30,   60,  300,  3600};
  return bounds;
}

// 0..1, other for each message and attempt, the same after a restart.
double jitter(const state::OutboxMessage& message) {
  return static_cast<double>(hash64(message.key, static_cast<uint64_t>(message.attempts)) >> 11) * 0x1p-53;
}

constexpr Micros kExpiryOfUnknown = std::chrono::hours(24);

}  // namespace

Delivery::Delivery(Scheduler& scheduler, state::Database& database, MetricRegistry& metrics, receivers::Sender& sender,
                   Hooks hooks)
    : scheduler_(scheduler),
      database_(database),
      metrics_(metrics),
      sender_(sender),
      hooks_(std::move(hooks)),
      self_(std::make_shared<Delivery*>(this)),
      pending_(metrics.gauge("sentinel_notifications_pending", "Notifications not yet delivered.")) {}

Delivery::~Delivery() {
  *self_ = nullptr;
  scheduler_.cancel(timer_);
}

void Delivery::wake() {
  if (const Status s = refill(); !s) {
    log_error("delivery", "outbox cannot be read", {{"error", s.error().to_string()}});
    arm(scheduler_.now() + kRetryDelayFirst);
  }
  run();
}

void Delivery::requeue(state::OutboxMessage message) {
  if (message.id <= last_id_) add(std::move(message));
}

Status Delivery::refill() {
  if (queued_ >= kDeliveriesQueuedMax) {
    more_in_outbox_ = true;
    return {};
  }
  const size_t room = kDeliveriesQueuedMax - queued_;
  std::vector<state::OutboxMessage> messages;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(messages, state::Outbox::pending(tx, kNotificationChannel, last_id_, room));
    return {};
  }));
  more_in_outbox_ = messages.size() == room;
  for (state::OutboxMessage& m : messages) {
    last_id_ = m.id;
    add(std::move(m));
  }
  return {};
}

void Delivery::add(state::OutboxMessage message) {
  Item item;
  const Result<receivers::Notification> notification = receivers::decode_notification(message.payload);
  item.expires_at = notification ? notification->expires_at : message.created_at + kExpiryOfUnknown;
  item.message = std::move(message);
  Lane& lane = lanes_[item.message.receiver];
  const auto at = std::upper_bound(lane.items.begin(), lane.items.end(), item.message.id,
                                   [](int64_t id, const Item& i) { return id < i.message.id; });
  lane.items.insert(at, std::move(item));
  pending_.set(static_cast<double>(++queued_));
}

Delivery::Item* Delivery::pick(Lane& lane, TimePoint now) {
  std::set<std::string> blocked;
  for (Item& item : lane.items) {
    const std::string& order_key = item.message.order_key;
    if (item.message.due_at > now) {
      arm(item.message.due_at);
      if (!order_key.empty()) blocked.insert(order_key);
    } else if (!blocked.contains(order_key)) {
      return &item;
    }
  }
  return nullptr;
}

void Delivery::run() {
  const TimePoint now = scheduler_.now();
  for (auto& [name, lane] : lanes_) {
    if (in_flight_ >= kDeliveriesInFlightMax) return;
    if (lane.busy_id != 0) continue;
    if (Item* item = pick(lane, now)) start(name, lane, *item);
  }
}

void Delivery::start(const std::string& name, Lane& lane, Item& item) {
  lane.busy_id = item.message.id;
  ++in_flight_;
  const int64_t id = item.message.id;
  const auto done = [self = self_, scheduler = &scheduler_, name, id](receivers::SendResult result) {
    scheduler->post([self, name, id, result = std::move(result)]() mutable {
      if (*self != nullptr) (*self)->answered({name, id, std::move(result)});
    });
  };
  if (scheduler_.now() >= item.expires_at) {
    done({receivers::SendResult::Kind::kFailed,
          "expired before it could be sent; the group's next flush says what is true then", std::nullopt});
    return;
  }
  sender_.send({item.message.key, name, item.message.payload, item.message.attempts + 1}, done);
}

void Delivery::answered(Answer answer) {
  answers_.push_back(std::move(answer));
  if (record_posted_) return;
  record_posted_ = true;  // several answers that wait share one transaction
  scheduler_.post([self = self_] {
    if (*self != nullptr) (*self)->record();
  });
}

Delivery::Item* Delivery::find(const std::string& lane, int64_t id) {
  for (Item& item : lanes_[lane].items) {
    if (item.message.id == id) return &item;
  }
  return nullptr;
}

void Delivery::record() {
  record_posted_ = false;
  const TimePoint now = scheduler_.now();
  std::vector<Verdict> verdicts;
  for (const Answer& answer : answers_) {
    const Item* item = find(answer.lane, answer.id);
    SENTINEL_CHECK(item != nullptr);  // only apply() removes items, and each is answered once
    verdicts.push_back(judge(*item, answer.result, now));
  }
  const Result<state::Written> s =
      database_.write_fail_open([&](state::Tx& tx) { return write(tx, answers_, verdicts, now); });
  if (!s) {
    // The messages stay in flight: sending them again would not help while their end cannot be recorded.
    log_error("delivery", "the end of notifications cannot be recorded", {{"error", s.error().to_string()}});
    record_posted_ = true;
    scheduler_.after(std::chrono::seconds(1), [self = self_] {
      if (*self != nullptr) (*self)->record();
    });
    return;
  }
  const std::vector<Answer> answers = std::exchange(answers_, {});
  for (size_t i = 0; i < answers.size(); ++i) apply(answers[i], verdicts[i], now);
  hooks_.finished();
  if (more_in_outbox_) {
    wake();
  } else {
    run();
  }
}

Delivery::Verdict Delivery::judge(const Item& item, const receivers::SendResult& result, TimePoint now) {
  using Kind = receivers::SendResult::Kind;
  if (result.kind == Kind::kDelivered) return {true, true, {}, "", "delivered"};
  if (result.kind == Kind::kFailed)
    return {true, false, {}, result.error, now >= item.expires_at ? "deadline" : "refused"};
  double delay = static_cast<double>(kRetryDelayFirst.count());
  for (int i = 0; i < item.message.attempts && delay < static_cast<double>(kRetryDelayMax.count()); ++i) {
    delay *= kRetryDelayGrowth;
  }
  delay = std::min(delay, static_cast<double>(kRetryDelayMax.count()));
  delay *= 1 + kRetryJitter * (2 * jitter(item.message) - 1);
  const TimePoint due_at = now + std::max(Micros(static_cast<int64_t>(delay)), result.retry_after.value_or(Micros(0)));
  if (due_at >= item.expires_at) return {true, false, {}, "gave up: " + result.error, "deadline"};
  return {false, false, due_at, result.error, "retry"};
}

Status Delivery::write(state::Tx& tx, const std::vector<Answer>& answers, const std::vector<Verdict>& verdicts,
                       TimePoint now) {
  std::vector<Finished> finished;
  for (size_t i = 0; i < answers.size(); ++i) {
    const Verdict& v = verdicts[i];
    const int64_t id = answers[i].id;
    if (v.delivered) {
      SENTINEL_TRY(state::Outbox::delivered(tx, id, now));
    } else {
      SENTINEL_TRY(
          state::Outbox::attempt_failed(tx, id, v.error, v.finished ? std::nullopt : std::optional(v.due_at), now));
    }
    if (v.finished) finished.push_back({find(answers[i].lane, id)->message.key, v.delivered});
  }
  return finished.empty() ? Status() : hooks_.finishing(tx, finished);
}

void Delivery::apply(const Answer& answer, const Verdict& verdict, TimePoint now) {
  Lane& lane = lanes_[answer.lane];
  lane.busy_id = 0;
  --in_flight_;
  const auto it =
      std::find_if(lane.items.begin(), lane.items.end(), [&](const Item& i) { return i.message.id == answer.id; });
  count(*it, verdict, now);
  if (verdict.finished) {
    lane.items.erase(it);
    pending_.set(static_cast<double>(--queued_));
    return;
  }
  ++it->message.attempts;
  it->message.due_at = verdict.due_at;
}

void Delivery::count(const Item& item, const Verdict& verdict, TimePoint now) {
  const MetricLabels labels = integration_labels(item.message.receiver);
  const std::string result = verdict.delivered ? "delivered" : verdict.finished ? "failed" : "retry";
  metrics_
      .counter("sentinel_notifications_total", "Attempts to deliver a notification, by how they ended.",
               with(labels, "result", result))
      .add();
  if (verdict.delivered) {
    metrics_
        .histogram("sentinel_notification_latency_seconds", "From the flush of the group to its delivery.",
                   latency_bounds(), {labels.front()})
        .observe(std::chrono::duration<double>(now - item.message.created_at).count());
    log_info("delivery", "notification delivered",
             {{"receiver", item.message.receiver}, {"key", item.message.key}, {"attempts", item.message.attempts + 1}});
    return;
  }
  const LogFields fields = {{"receiver", item.message.receiver},
                            {"key", item.message.key},
                            {"attempts", item.message.attempts + 1},
                            {"error", verdict.error}};
  if (!verdict.finished) return log_warn("delivery", "notification will be retried", fields);
  metrics_
      .counter("sentinel_notifications_failed_total", "Notifications given up.", with(labels, "reason", verdict.reason))
      .add();
  log_error("delivery", "notification failed", fields);
}

void Delivery::arm(TimePoint at) {
  const TimePoint now = scheduler_.now();
  if (armed_for_ && *armed_for_ <= at && *armed_for_ > now) return;
  scheduler_.cancel(timer_);
  armed_for_ = at;
  timer_ = scheduler_.at(at, [self = self_] {
    if (*self == nullptr) return;
    (*self)->armed_for_.reset();
    (*self)->wake();
  });
}

}  // namespace sentinel::alerting
