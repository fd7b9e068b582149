// Notifications out: a group whose time has come is judged, and what its receivers do not know yet becomes messages in
// the outbox, in the transaction that notes that they are being told.

#include <algorithm>
#include <tuple>

#include "alerting/alerting.h"
#include "alerting/limits.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "receivers/notification.h"

namespace sentinel::alerting {
namespace {

using receivers::NotifiedAlert;

// Alertmanager's LabelSet.Before: fewer labels first, then the first difference by label name.
bool labels_before(const model::Labels& a, const model::Labels& b) {
  if (a.size() != b.size()) return a.size() < b.size();
  auto i = a.begin();
  auto j = b.begin();
  for (; i != a.end() && j != b.end(); ++i, ++j) {
    if (i->name != j->name) return j->name < i->name;  // the one that lacks the smaller name comes first
    if (i->value != j->value) return i->value < j->value;
  }
  return false;
}

bool shown_before(const NotifiedAlert& a, const NotifiedAlert& b) {
  for (const char* name : {"job", "instance"}) {
    const bool in_a = a.alert.labels.has(name);
    const bool in_b = b.alert.labels.has(name);
    if (!in_a && !in_b) continue;
    if (in_a != in_b) return in_a;
    const std::string_view x = a.alert.labels.get(name);
    const std::string_view y = b.alert.labels.get(name);
    if (x != y) return x < y;
  }
  return labels_before(a.alert.labels, b.alert.labels);
}

constexpr std::string_view kFlappingReason = "alerts are flapping";

bool includes(const Fingerprints& whole, const Fingerprints& part) {
  return std::includes(whole.begin(), whole.end(), part.begin(), part.end());
}

// The same news to the same integration has the same key, in every run.
std::string message_key(const LogEntry& entry, const Told& telling) {
  const std::string text = entry.group_key + '\0' + entry.integration + '\0' + std::to_string(entry.generation) + '\0' +
                           encode_fingerprints(telling.firing) + '\0' + encode_fingerprints(telling.resolved);
  return hex_encode(sha256(text));
}

}  // namespace

Status Alerting::flush_due(TimePoint now) {
  if (!peer_wait_) return {};
  std::vector<FlushPlan> plans;
  for (const auto& [due, id] : due_) {
    if (due > now || plans.size() >= kGroupsPerFlushMax) break;
    plans.push_back(plan_flush(*groups_.at(id), now));
  }
  if (plans.empty()) return {};
  // Groups of one batch may share alerts: an alert is forgotten by the last group that lets it go.
  std::map<uint64_t, size_t> leaving;
  for (FlushPlan& plan : plans) {
    if (!plan.drop && plan.messages.empty() && plan.group->messages == 0) {
      plan.removal = plan_removal(*plan.group, plan.row, leaving, now);
    }
  }
  SENTINEL_TRY(database_.write_fail_open([&](state::Tx& tx) -> Status {
    for (FlushPlan& plan : plans) SENTINEL_TRY(write_flush(tx, plan));
    return {};
  }));
  for (FlushPlan& plan : plans) apply_flush(plan);
  update_gauges();
  delivery_.wake();
  return {};
}

Alerting::FlushPlan Alerting::plan_flush(Group& group, TimePoint now) const {
  FlushPlan plan;
  plan.group = &group;
  plan.row = group.row;
  if (group.messages > 0) return plan;  // the last flush is still being told; its end brings this one on
  if (group.members.empty()) {
    plan.drop = true;
    return plan;
  }
  plan.row.has_flushed = true;
  plan.row.flush_failed = false;
  // The wait for other instances moves a flush, not the rhythm of its group.
  plan.row.next_flush = now - *peer_wait_ + group.route->group_interval;
  plan.row.resolved.clear();
  for (const uint64_t fingerprint : group.members) {
    const model::Alert& alert = alerts_.at(fingerprint).alert;
    // The end of one that flaps is told when it is calm.
    if (alert.resolved_at(now) && !flapping_.flaps(fingerprint))
      plan.row.resolved.emplace_back(fingerprint, alert.updated_at);
  }
  const std::vector<NotifiedAlert> alerts = audible_alerts(group, now);
  const receivers::ReceiverConfig* receiver = config_->find_receiver(group.route->receiver);
  if (alerts.empty() || receiver == nullptr) return plan;
  for (const receivers::Integration& integration : receiver->integrations) plan_message(plan, integration, alerts, now);
  return plan;
}

// The group's alerts less those that are inhibited, silenced or muted now, in the order they are shown.
std::vector<NotifiedAlert> Alerting::audible_alerts(const Group& group, TimePoint now) const {
  std::vector<NotifiedAlert> out;
  if (!muting_intervals(*group.route, now).empty()) return out;
  for (const uint64_t fingerprint : group.members) {
    NotifiedAlert notified{alerts_.at(fingerprint).alert, false};
    if (!inhibitor_.inhibited_by(notified.alert.labels, now).empty()) continue;
    if (!silences_.silenced_by(notified.alert.labels, now).empty()) continue;
    const bool flaps = flapping_.flaps(fingerprint);
    if (flaps) notified.alert.annotations.set("flapping", flap_note(fingerprint));
    notified.resolved = notified.alert.resolved_at(now) && !flaps;
    if (!notified.resolved) notified.alert.ends_at = TimePoint{};  // it is open
    out.push_back(std::move(notified));
  }
  std::sort(out.begin(), out.end(), shown_before);
  return out;
}

std::vector<std::string> Alerting::muting_intervals(const Route& route, TimePoint now) const {
  const auto contains = [&](const std::string& name) { return config_->time_intervals.at(name).contains(now); };
  std::vector<std::string> muting;
  std::copy_if(route.mute_time_intervals.begin(), route.mute_time_intervals.end(), std::back_inserter(muting),
               contains);
  const auto& active = route.active_time_intervals;
  if (!active.empty() && std::none_of(active.begin(), active.end(), contains)) {
    muting.insert(muting.end(), active.begin(), active.end());
  }
  return muting;
}

void Alerting::plan_message(FlushPlan& plan, const receivers::Integration& integration,
                            const std::vector<NotifiedAlert>& alerts, TimePoint now) const {
  Told telling;
  telling.at = now;
  for (const NotifiedAlert& a : alerts) (a.resolved ? telling.resolved : telling.firing).insert(a.alert.fingerprint());
  const Fingerprints firing = telling.firing;
  for (const uint64_t f : firing) {
    if (flapping_.flaps(f)) telling.firing.insert(flap_mark(f));
  }
  const LogEntry* known = log_.find(plan.row.group_key, integration.id());
  const Route& route = *plan.group->route;
  std::string_view reason =
      notification_reason(known == nullptr ? std::nullopt : known->told, telling.firing, telling.resolved,
                          integration.send_resolved(), route.repeat_interval, now);
  if (reason.empty()) return forget_flaps(plan, known, firing);
  if (known != nullptr && known->told && !firing.empty() && includes(known->told->firing, firing) &&
      !includes(known->told->firing, telling.firing))
    reason = kFlappingReason;
  const TimePoint log_until = now + std::max<Micros>(2 * route.repeat_interval, options_.data_retention);
  if (reason == kRepeatReason && all_acknowledged(firing, now)) {
    // What was told must stay known, or the group would be told as a new one.
    if (known->expires_at - now < (log_until - now) / 2) {
      plan.log.push_back(*known);
      plan.log.back().expires_at = log_until;
    }
    return;
  }
  LogEntry entry = known != nullptr ? *known : LogEntry{};
  if (known == nullptr) {
    entry.group_key = plan.row.group_key;
    entry.integration = integration.id();
    entry.generation = to_us(now);  // above all that an earlier, forgotten entry can have reached
  }
  entry.expires_at = log_until;
  entry.telling = telling;
  if (!integration.send_resolved() && telling.firing.empty()) {
    plan.log.push_back(NotificationLog::delivered(std::move(entry)));  // only the log has to hear of it
    return;
  }
  receivers::Notification notification;
  notification.receiver = integration.receiver;
  notification.group_key = plan.row.group_key;
  notification.group_labels = plan.row.labels;
  notification.route_labels = route.labels;
  notification.reason = reason;
  std::copy_if(alerts.begin(), alerts.end(), std::back_inserter(notification.alerts),
               [&](const NotifiedAlert& a) { return integration.send_resolved() || !a.resolved; });
  notification.external_url = options_.external_url;
  notification.created_at = now;
  notification.expires_at = now + std::max(route.group_interval, kDeliveryDeadlineMin);
  entry.group_id = plan.row.id;
  plan.messages.push_back(outbox_message(entry, notification));
  plan.log.push_back(std::move(entry));
}

state::OutboxMessage Alerting::outbox_message(LogEntry& entry, const receivers::Notification& notification) {
  entry.message_key = message_key(entry, *entry.telling);
  state::OutboxMessage message;
  message.key = entry.message_key;
  message.channel = kNotificationChannel;
  message.receiver = entry.integration;
  message.order_key = entry.group_key;
  message.payload = encode_notification(notification);
  message.created_at = notification.created_at;
  message.due_at = notification.created_at;
  return message;
}

// What is calm again may flap once more, and then that is news.
void Alerting::forget_flaps(FlushPlan& plan, const LogEntry* known, const Fingerprints& firing) const {
  if (known == nullptr || !known->told) return;
  LogEntry entry = *known;
  for (const uint64_t f : firing) {
    if (!flapping_.flaps(f)) entry.told->firing.erase(flap_mark(f));
  }
  if (entry.told->firing.size() != known->told->firing.size()) plan.log.push_back(std::move(entry));
}

// Resolved alerts that have not been touched since the flush were told to everybody and can go.
Alerting::Removal Alerting::plan_removal(const Group& group, GroupRow row, std::map<uint64_t, size_t>& leaving,
                                         TimePoint now) const {
  Removal removal;
  removal.group_id = row.id;
  for (const auto& [fingerprint, updated_at] : row.resolved) {
    const auto it = alerts_.find(fingerprint);
    if (it == alerts_.end() || !group.members.contains(fingerprint) || it->second.alert.updated_at != updated_at)
      continue;
    if (it->second.firing) continue;  // listeners could not be told of its end yet
    removal.leaving.push_back(fingerprint);
    if (++leaving[fingerprint] == it->second.groups.size()) removal.forgotten.push_back(fingerprint);
  }
  row.resolved.clear();
  row.flush_failed = false;
  if (removal.leaving.size() == group.members.size()) row.emptied_at = now;
  removal.row = std::move(row);
  return removal;
}

Status Alerting::write_removal(state::Tx& tx, const Removal& removal) const {
  for (const uint64_t f : removal.leaving) SENTINEL_TRY(Store::remove_member(tx, removal.group_id, f));
  for (const uint64_t f : removal.forgotten) SENTINEL_TRY(Store::delete_alert(tx, alerts_.at(f).row));
  return Store::put_group(tx, removal.row);
}

Status Alerting::write_flush(state::Tx& tx, FlushPlan& plan) const {
  if (plan.drop) return Store::delete_group(tx, plan.row.id);
  if (plan.group->messages > 0) return {};
  for (const LogEntry& entry : plan.log) SENTINEL_TRY(NotificationLog::write(tx, entry));
  for (state::OutboxMessage& message : plan.messages) {
    SENTINEL_ASSIGN(message.id, state::Outbox::enqueue(tx, message));
  }
  return plan.removal ? write_removal(tx, *plan.removal) : Store::put_group(tx, plan.row);
}

void Alerting::apply_flush(FlushPlan& plan) {
  Group& group = *plan.group;
  unset_due(group);
  if (plan.drop) {
    groups_.erase(plan.row.id);
    return;
  }
  if (group.messages > 0) return;
  for (LogEntry& entry : plan.log) {
    replicate_log(entry);
    log_.put(std::move(entry));
  }
  group.messages = plan.messages.size();
  for (state::OutboxMessage& message : plan.messages) delivery_.requeue(std::move(message));
  group.row = plan.row;
  set_due(group);
  if (plan.removal) apply_removal(*plan.removal);
}

void Alerting::apply_removal(const Removal& removal) {
  Group& group = *groups_.at(removal.group_id);
  unset_due(group);
  group.row = removal.row;
  for (const uint64_t f : removal.leaving) {
    group.members.erase(f);
    std::erase(alerts_.at(f).groups, &group);
  }
  for (const uint64_t f : removal.forgotten) {
    const auto it = alerts_.find(f);
    inhibitor_.remove(it->second.alert);
    index_.remove(f, it->second.alert.labels);
    alerts_.erase(it);
  }
  set_due(group);
}

Status Alerting::finishing(state::Tx& tx, const std::vector<Finished>& finished) {
  FinishPlan plan;
  std::map<uint64_t, size_t> leaving;
  std::map<std::string, bool> failed;
  for (const Finished& f : finished) {
    const LogEntry* entry = log_.find_message(f.key);
    if (entry == nullptr) continue;  // somebody else's message
    plan.log.push_back(f.delivered ? NotificationLog::delivered(*entry) : NotificationLog::failed(*entry));
    SENTINEL_TRY(NotificationLog::write(tx, plan.log.back()));
    const auto group = groups_.find(entry->group_id);
    if (group == groups_.end()) continue;  // its route has gone
    const auto left = plan.messages_left.try_emplace(entry->group_id, group->second->messages).first;
    --left->second;
    failed[entry->group_id] = failed[entry->group_id] || !f.delivered || group->second->row.flush_failed;
  }
  for (const auto& [id, left] : plan.messages_left) {
    const Group& group = *groups_.at(id);
    if (left == 0 && !failed.at(id)) {
      plan.removals.push_back(plan_removal(group, group.row, leaving, scheduler_.now()));
      SENTINEL_TRY(write_removal(tx, plan.removals.back()));
    } else if (failed.at(id) && !group.row.flush_failed) {
      plan.failed.push_back(group.row);
      plan.failed.back().flush_failed = true;
      SENTINEL_TRY(Store::put_group(tx, plan.failed.back()));
    }
  }
  finishing_ = std::move(plan);
  return {};
}

void Alerting::finished() {
  FinishPlan plan = std::exchange(finishing_, {});
  for (LogEntry& entry : plan.log) {
    replicate_log(entry);
    log_.put(std::move(entry));
  }
  for (const GroupRow& row : plan.failed) groups_.at(row.id)->row = row;
  for (const auto& [id, left] : plan.messages_left) {
    Group& group = *groups_.at(id);
    group.messages = left;
    if (left == 0) set_due(group);  // it may have passed meanwhile
  }
  for (const Removal& removal : plan.removals) apply_removal(removal);
  update_gauges();
  arm();
}

}  // namespace sentinel::alerting
