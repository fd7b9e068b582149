#include "alerting/delivery.h"

#include <algorithm>
#include <set>

#include "alerting/limits.h"
#include "base/check.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "receivers/digest.h"
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
                   Hooks hooks, DigestOptions digests, Track track)
    : scheduler_(scheduler),
      database_(database),
      metrics_(metrics),
      sender_(sender),
      hooks_(std::move(hooks)),
      digests_(digests),
      track_(track),
      self_(std::make_shared<Delivery*>(this)),
      pending_(metrics.gauge(track.pending_metric, track.pending_help)) {}

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
    SENTINEL_ASSIGN(messages, state::Outbox::pending(tx, track_.channel, last_id_, room));
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

bool Delivery::under_pressure(const std::string& name, const Lane& lane) const {
  if (digests_.above == 0 || !hooks_.digestible) return false;
  return (lane.pressed || lane.items.size() > digests_.above) && hooks_.digestible(name);
}

// What goes next: one message, or under pressure as many as make a digest.
std::vector<Delivery::Item*> Delivery::pick(const std::string& name, Lane& lane, TimePoint now) {
  if (lane.held_until > now) {
    arm(lane.held_until);
    return {};
  }
  std::set<std::string> blocked;
  std::vector<Item*> out;
  const bool pressed = under_pressure(name, lane);
  size_t bytes = 0;
  for (Item& item : lane.items) {
    const std::string& order_key = item.message.order_key;
    if (blocked.contains(order_key)) continue;
    if (item.message.due_at > now) {
      arm(item.message.due_at);
      if (!order_key.empty()) blocked.insert(order_key);
      continue;
    }
    const bool joins = pressed && !item.alone && item.expires_at > now;
    if (out.empty()) {
      out.push_back(&item);
      bytes = item.message.payload.size();
      if (!joins) return out;
      continue;
    }
    bytes += item.message.payload.size();
    const bool full = out.size() >= kDigestMessagesMax || bytes > kDigestBytesMax;
    if (full) break;
    if (joins) out.push_back(&item);
    if (!joins && !order_key.empty()) blocked.insert(order_key);
  }
  if (out.size() > 1 && out.size() < kDigestMessagesMin) out.resize(1);
  return out;
}

void Delivery::run() {
  const TimePoint now = scheduler_.now();
  for (auto& [name, lane] : lanes_) {
    if (in_flight_ >= kDeliveriesInFlightMax) return;
    if (!lane.busy.empty()) continue;
    if (const auto items = pick(name, lane, now); !items.empty()) start(name, lane, items);
  }
}

// When that cannot be read, it goes out: told once too often is better than never.
bool Delivery::still_wanted(const state::OutboxMessage& message) {
  if (!hooks_.wanted) return true;
  bool wanted = true;
  const Status read = database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(wanted, hooks_.wanted(tx, message));
    return {};
  });
  return !read || wanted;
}

void Delivery::start(const std::string& name, Lane& lane, const std::vector<Item*>& items) {
  for (const Item* item : items) lane.busy.push_back(item->message.id);
  ++in_flight_;
  const auto done = [self = self_, scheduler = &scheduler_, name, ids = lane.busy](receivers::SendResult result) {
    scheduler->post([self, name, ids, result = std::move(result)]() mutable {
      if (*self != nullptr) (*self)->answered({name, ids, std::move(result), false});
    });
  };
  const Item& first = *items.front();
  if (!still_wanted(first.message)) {
    Answer answer{name, lane.busy, {receivers::SendResult::Kind::kFailed, "no longer wanted", {}, {}}, true};
    scheduler_.post([self = self_, answer = std::move(answer)]() mutable {
      if (*self != nullptr) (*self)->answered(std::move(answer));
    });
    return;
  }
  if (scheduler_.now() >= first.expires_at) {
    done({receivers::SendResult::Kind::kFailed,
          "expired before it could be sent; the group's next flush says what is true then", std::nullopt});
    return;
  }
  if (items.size() == 1) {
    sender_.send({first.message.key, name, first.message.payload, first.message.attempts + 1}, done);
    return;
  }
  std::string keys;
  int attempts = 0;
  std::vector<receivers::Notification> messages;
  for (const Item* item : items) {
    keys += item->message.key + '\0';
    attempts = std::max(attempts, item->message.attempts);
    // One that cannot be read is refused by the sender, and all are sent as they were.
    if (auto n = receivers::decode_notification(item->message.payload)) messages.push_back(std::move(*n));
  }
  const std::string key = hex_encode(sha256(keys));
  const bool whole = messages.size() == items.size();
  sender_.send(
      {key, name, whole ? receivers::encode_notification(receivers::digest_of(messages, key)) : "", attempts + 1},
      done);
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
  std::vector<std::vector<Verdict>> verdicts;
  for (const Answer& answer : answers_) verdicts.push_back(judge(answer, now));
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

std::vector<Delivery::Verdict> Delivery::judge(const Answer& answer, TimePoint now) {
  std::vector<Verdict> out;
  for (const int64_t id : answer.ids) {
    const Item* item = find(answer.lane, id);
    SENTINEL_CHECK(item != nullptr);  // only apply() removes items, and each is answered once
    Verdict verdict = judge(*item, answer.result, now);
    if (answer.ids.size() > 1 && answer.result.kind == receivers::SendResult::Kind::kFailed) {
      // The digest was refused, not what it told of.
      verdict = {id, false, false, now, "in a digest: " + answer.result.error, "retry", true};
    }
    verdict.id = id;
    if (answer.unwanted) verdict.reason = "unwanted";
    out.push_back(std::move(verdict));
  }
  return out;
}

Delivery::Verdict Delivery::judge(const Item& item, const receivers::SendResult& result, TimePoint now) {
  using Kind = receivers::SendResult::Kind;
  if (result.kind == Kind::kDelivered) return {0, true, true, {}, "", "delivered"};
  if (result.kind == Kind::kFailed)
    return {0, true, false, {}, result.error, now >= item.expires_at ? "deadline" : "refused"};
  double delay = static_cast<double>(kRetryDelayFirst.count());
  for (int i = 0; i < item.message.attempts && delay < static_cast<double>(kRetryDelayMax.count()); ++i) {
    delay *= kRetryDelayGrowth;
  }
  delay = std::min(delay, static_cast<double>(kRetryDelayMax.count()));
  delay *= 1 + kRetryJitter * (2 * jitter(item.message) - 1);
  const Micros asked = result.retry_after.value_or(Micros(0));
  const TimePoint due_at = now + (result.held_back ? asked : std::max(Micros(static_cast<int64_t>(delay)), asked));
  if (due_at >= item.expires_at) return {0, true, false, {}, "gave up: " + result.error, "deadline"};
  return {0, false, false, due_at, result.error, "retry"};
}

Status Delivery::write(state::Tx& tx, const std::vector<Answer>& answers,
                       const std::vector<std::vector<Verdict>>& verdicts, TimePoint now) {
  std::vector<Finished> finished;
  std::vector<Attempted> attempted;
  for (size_t i = 0; i < answers.size(); ++i) {
    for (const Verdict& v : verdicts[i]) {
      const state::OutboxMessage& message = find(answers[i].lane, v.id)->message;
      using Kind = Attempted::Kind;
      const Kind kind = v.delivered           ? Kind::kDelivered
                        : answers[i].unwanted ? Kind::kUnwanted
                        : v.finished          ? Kind::kFailed
                                              : Kind::kRetry;
      attempted.push_back({message.key, kind, v.error, message.created_at});
      if (v.delivered) {
        SENTINEL_TRY(state::Outbox::delivered(tx, v.id, now));
      } else {
        SENTINEL_TRY(
            state::Outbox::attempt_failed(tx, v.id, v.error, v.finished ? std::nullopt : std::optional(v.due_at), now));
      }
      if (v.finished) finished.push_back({message.key, v.delivered});
    }
  }
  if (hooks_.attempted) SENTINEL_TRY(hooks_.attempted(tx, attempted));
  return finished.empty() ? Status() : hooks_.finishing(tx, finished);
}

void Delivery::apply(const Answer& answer, const std::vector<Verdict>& verdicts, TimePoint now) {
  Lane& lane = lanes_[answer.lane];
  lane.busy.clear();
  --in_flight_;
  const receivers::SendResult& result = answer.result;
  // Whoever asks for time, or is not to be asked yet, is asked for all that waits by then.
  if (result.kind == receivers::SendResult::Kind::kRetry && result.retry_after) {
    lane.pressed = true;
    if (result.held_back) lane.held_until = now + *result.retry_after;
  } else if (result.kind == receivers::SendResult::Kind::kDelivered) {
    lane.pressed = false;
  }
  if (answer.ids.size() > 1) count_digest(answer);
  for (const Verdict& verdict : verdicts) apply(lane, verdict, now);
}

void Delivery::apply(Lane& lane, const Verdict& verdict, TimePoint now) {
  const auto it =
      std::find_if(lane.items.begin(), lane.items.end(), [&](const Item& i) { return i.message.id == verdict.id; });
  count(*it, verdict, now);
  if (verdict.finished) {
    lane.items.erase(it);
    pending_.set(static_cast<double>(--queued_));
    return;
  }
  ++it->message.attempts;
  it->message.due_at = verdict.due_at;
  it->alone = it->alone || verdict.alone;
}

void Delivery::count_digest(const Answer& answer) {
  const bool delivered = answer.result.kind == receivers::SendResult::Kind::kDelivered;
  const bool retry = answer.result.kind == receivers::SendResult::Kind::kRetry;
  const MetricLabels labels = integration_labels(answer.lane);
  metrics_
      .counter("sentinel_notification_digests_total", "Attempts to tell of many groups in one message.",
               with(labels, "result",
                    delivered ? "delivered"
                    : retry   ? "retry"
                              : "refused"))
      .add();
  if (!delivered) return;
  metrics_
      .counter("sentinel_notifications_digested_total", "Notifications that were delivered as part of a digest.",
               labels)
      .add(static_cast<double>(answer.ids.size()));
  log_info("delivery", "a digest was delivered", {{"receiver", answer.lane}, {"notifications", answer.ids.size()}});
}

void Delivery::count(const Item& item, const Verdict& verdict, TimePoint now) {
  if (!track_.notifications) return;
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
