// Alerts in: checked, merged with what is there, put into their groups, written with their history in one transaction.

#include <algorithm>

#include "alerting/alerting.h"
#include "alerting/limits.h"
#include "base/log.h"
#include "base/strings.h"

namespace sentinel::alerting {
namespace {

using model::Alert;

bool is_unset(TimePoint t) { return t == TimePoint{}; }

// Fills in what the sender left open.
void complete(Alert& alert, Micros resolve_timeout, TimePoint now) {
  alert.updated_at = now;
  if (is_unset(alert.starts_at)) alert.starts_at = is_unset(alert.ends_at) ? now : alert.ends_at;
  if (is_unset(alert.ends_at)) {
    alert.timed_out = true;
    alert.ends_at = now + resolve_timeout;
  }
}

// In Alertmanager's words, as all that a sender can do wrong.
Status check_labels(const model::Labels& labels, const char* what) {
  for (const model::Label& label : labels) {
    if (label.name.empty() || !is_valid_utf8(label.name))
      return fail(ErrorCode::kInvalidArgument, std::string(what) + ": invalid name " + go_quote(label.name));
    if (!is_valid_utf8(label.value))
      return fail(ErrorCode::kInvalidArgument, std::string(what) + ": invalid value " + go_quote(label.value));
  }
  return {};
}

size_t size_bytes(const model::Labels& labels) {
  size_t size = 0;
  for (const model::Label& label : labels) size += label.name.size() + label.value.size();
  return size;
}

Status check(const Alert& alert) {
  if (alert.labels.empty()) return fail(ErrorCode::kInvalidArgument, "at least one label pair required");
  SENTINEL_TRY(check_labels(alert.labels, "invalid label set"));
  SENTINEL_TRY(check_labels(alert.annotations, "invalid annotations"));
  if (!is_unset(alert.ends_at) && alert.ends_at < alert.starts_at) {
    return fail(ErrorCode::kInvalidArgument, "start time must be before end time");
  }
  if (size_bytes(alert.labels) + size_bytes(alert.annotations) + alert.generator_url.size() > kAlertLabelBytesMax) {
    return fail(ErrorCode::kTooLarge,
                "labels and annotations exceed " + std::to_string(kAlertLabelBytesMax) + " bytes");
  }
  return {};
}

bool overlap(const Alert& a, const Alert& old) {
  return (a.ends_at > old.starts_at && a.ends_at < old.ends_at) ||
         (a.starts_at > old.starts_at && a.starts_at < old.ends_at);
}

// Alertmanager's Alert.Merge, `alert` being the younger one.
Alert merge(const Alert& old, Alert alert, TimePoint now) {
  if (old.starts_at < alert.starts_at) alert.starts_at = old.starts_at;
  if (alert.resolved_at(now)) {
    if (old.resolved_at(now) && old.ends_at > alert.ends_at) alert.ends_at = old.ends_at;
  } else if (old.ends_at > alert.ends_at && !old.timed_out) {
    alert.ends_at = old.ends_at;
  }
  return alert;
}

}  // namespace

Status Alerting::put(std::vector<Alert> alerts) {
  if (alerts.size() > kAlertsPerPutMax) {
    return fail(ErrorCode::kTooLarge, "more than " + std::to_string(kAlertsPerPutMax) + " alerts at once");
  }
  Batch batch;
  batch.now = scheduler_.now();
  batch.next_row = next_row_;
  batch.alerts.reserve(alerts.size());
  batch.order.reserve(alerts.size());
  batch.changes.reserve(alerts.size());
  batch.changed.reserve(alerts.size());
  stage_ended(batch);
  std::string problems;
  size_t bad = 0, resolved = 0;
  for (Alert& alert : alerts) {
    complete(alert, config_->resolve_timeout, batch.now);
    const bool ended = alert.resolved_at(batch.now);
    if (const Status s = stage(batch, alert)) {
      resolved += ended;
    } else {
      if (++bad > kProblemsShownMax) continue;
      problems += (problems.empty() ? "" : "; ") + s.error().message();
      if (!alert.labels.empty()) problems += ": " + alert.labels.to_string();
    }
  }
  SENTINEL_ASSIGN(const state::Written written, commit(batch));
  received_firing_.add(static_cast<double>(alerts.size() - bad - resolved));
  received_resolved_.add(static_cast<double>(resolved));
  invalid_.add(static_cast<double>(bad));
  if (bad > kProblemsShownMax) problems += "; and " + std::to_string(bad - kProblemsShownMax) + " more";
  if (bad > 0) return fail(ErrorCode::kInvalidArgument, problems);
  if (written == state::Written::kMemoryOnly) {
    return fail(ErrorCode::kUnavailable,
                "the alerts are taken and will be told, but a restart forgets them: " + database_.health().reason);
  }
  return {};
}

Status Alerting::stage(Batch& batch, Alert& alert) const {
  SENTINEL_TRY(check(alert));
  const uint64_t fingerprint = alert.fingerprint();
  const auto staged = batch.alerts.find(fingerprint);
  const auto stored = alerts_.find(fingerprint);
  const Record* current = staged != batch.alerts.end() ? &staged->second.next
                          : stored != alerts_.end()    ? &stored->second
                                                       : nullptr;
  const bool existed = current != nullptr;
  const bool was_firing = existed && current->firing;
  if (!existed && alerts_.size() + batch.order.size() >= kAlertsMax)
    return fail(ErrorCode::kTooLarge, "too many alerts are stored");
  if (existed && overlap(alert, current->alert)) alert = merge(current->alert, std::move(alert), batch.now);
  const bool firing = !alert.resolved_at(batch.now);
  if (!existed && !firing) return {};  // nobody has heard of it, there is nothing to take back

  Staged next;
  const bool described_anew = existed && (current->alert.annotations != alert.annotations ||
                                          current->alert.generator_url != alert.generator_url);
  next.is_new = staged != batch.alerts.end() ? staged->second.is_new : !existed;
  next.only_times =
      existed && !described_anew && firing == was_firing && (staged == batch.alerts.end() || staged->second.only_times);
  next.next.alert = std::move(alert);
  next.next.firing = firing;
  next.next.row = existed ? current->row : batch.next_row++;
  const Record& record = next.next;

  // Most that comes in says only that an alert goes on: it stays in its groups, and none of them can be hurried.
  const bool goes_on = next.only_times && staged == batch.alerts.end() && !stored->second.groups.empty() &&
                       std::all_of(stored->second.groups.begin(), stored->second.groups.end(),
                                   [](const Group* group) { return group->row.has_flushed; });
  if (!goes_on) {
    const std::vector<const Route*> routes = match_routes(config_->route, record.alert.labels);
    if (firing) {
      for (const Route* route : routes) stage_group(batch, fingerprint, record, *route);
    }
    if (firing != was_firing || (firing && described_anew)) {
      AlertChange change{AlertChange::Kind::kUpdated, record.alert, batch.now, {}};
      for (const Route* route : routes) change.receivers.push_back(route->receiver);
      if (firing != was_firing) change.kind = firing ? AlertChange::Kind::kFired : AlertChange::Kind::kResolved;
      batch.changes.push_back(std::move(change));
      batch.changed.push_back(fingerprint);
    }
  }
  if (staged == batch.alerts.end()) batch.order.push_back(fingerprint);
  batch.alerts[fingerprint] = std::move(next);
  return {};
}

// Most alerts of a batch are of few groups: the words for a group are made once.
Alerting::StagedGroup& Alerting::staged_group(Batch& batch, const model::Labels& of, const Route& route) const {
  if (!route.group_by_all) {
    batch.values.assign(route.id);
    for (const std::string& name : route.group_by) {
      batch.values += '\xff';  // cannot be part of UTF-8
      batch.values += of.get(name);
    }
    if (const auto known = batch.groups_by_values.find(batch.values); known != batch.groups_by_values.end())
      return *known->second;
  }
  const model::Labels labels = route.group_labels(of);
  const std::string values = labels.to_string();
  const std::string id = route.id + ":" + values;
  auto [it, fresh] = batch.groups.try_emplace(id);
  StagedGroup& group = it->second;
  if (!route.group_by_all) batch.groups_by_values.emplace(batch.values, &group);
  if (!fresh) return group;
  const auto stored = groups_.find(id);
  if (stored != groups_.end()) group.stored = stored->second.get();
  group.route = &route;
  const bool reuse = group.stored != nullptr && (!group.stored->row.emptied_at || group.stored->messages > 0 ||
                                                 *group.stored->row.emptied_at + kEmptyGroupKept > batch.now);
  if (reuse) {
    group.row = group.stored->row;
  } else {
    group.row = GroupRow{id,        route.key + ":" + values,     route.id, route.receiver, labels,
                         batch.now, batch.now + route.group_wait, false,    false,          std::nullopt,
                         {}};
    group.write_row = true;
  }
  return group;
}

void Alerting::stage_group(Batch& batch, uint64_t fingerprint, const Record& record, const Route& route) const {
  StagedGroup& group = staged_group(batch, record.alert.labels, route);
  if (group.row.emptied_at) {
    group.row.emptied_at.reset();
    group.write_row = true;
  }
  // An alert that has waited long enough elsewhere does not wait again.
  if (!group.row.has_flushed && record.alert.starts_at + route.group_wait < batch.now &&
      group.row.next_flush > batch.now) {
    group.row.next_flush = batch.now;
    group.write_row = true;
  }
  const bool member = group.stored != nullptr && group.stored->members.contains(fingerprint);
  if (!member) group.joining.insert(fingerprint);
}

// Alerts whose end has come without news from their sender.
void Alerting::stage_ended(Batch& batch) const {
  for (const auto& [ends_at, row, fingerprint] : ends_) {
    if (ends_at > batch.now) break;
    const Record& current = alerts_.at(fingerprint);
    Record next{current.alert, false, {}, current.row};
    AlertChange change{AlertChange::Kind::kResolved, next.alert, batch.now, receivers_of(next.alert.labels)};
    batch.changes.push_back(std::move(change));
    batch.changed.push_back(fingerprint);
    batch.order.push_back(fingerprint);
    batch.alerts[fingerprint] = Staged{std::move(next), false, false};
  }
}

Result<state::Written> Alerting::commit(Batch& batch) {
  if (batch.flaps.empty()) stage_flaps(batch);
  if (batch.order.empty() && batch.flaps.empty()) return state::Written::kDurable;
  batch.acknowledgements = ending_acknowledgements(batch);
  SENTINEL_ASSIGN(const state::Written written,
                  database_.write_fail_open([&](state::Tx& tx) { return write(tx, batch); }));
  const bool told_listeners = !batch.heard_changes().empty() && !listeners_.empty();
  apply(batch);
  if (told_listeners) delivery_.wake();  // they may have written messages
  return written;
}

// The events that have the text of an alert as it is stored now, by fingerprint.
Result<absl::flat_hash_map<uint64_t, int64_t>> Alerting::write_events(state::Tx& tx, const Batch& batch) const {
  absl::flat_hash_map<uint64_t, int64_t> texts;
  if (batch.changes.empty()) return texts;
  texts.reserve(batch.changes.size());
  SENTINEL_ASSIGN(int64_t id, Store::next_event(tx));
  for (size_t i = 0; i < batch.changes.size(); ++i, ++id) {
    const AlertChange& change = batch.changes[i];
    const uint64_t fingerprint = batch.changed[i];
    SENTINEL_TRY(Store::add_event(tx, change, fingerprint, id));
    const auto staged = batch.alerts.find(fingerprint);
    if (staged == batch.alerts.end()) continue;
    const model::Alert& now = staged->second.next.alert;
    if (now.annotations == change.alert.annotations && now.generator_url == change.alert.generator_url)
      texts[fingerprint] = id;
  }
  return texts;
}

Status Alerting::write(state::Tx& tx, const Batch& batch) const {
  SENTINEL_ASSIGN(const auto texts, write_events(tx, batch));
  for (const uint64_t fingerprint : batch.order) {
    const Staged& staged = batch.alerts.at(fingerprint);
    const Record& next = staged.next;
    if (staged.only_times && !staged.is_new) {
      SENTINEL_TRY(Store::touch_alert(tx, next.row, next.alert, next.firing));
    } else {
      const auto text = texts.find(fingerprint);
      SENTINEL_TRY(Store::put_alert(tx, next.row, next.alert, next.firing, text == texts.end() ? 0 : text->second));
    }
    const auto stored = alerts_.find(fingerprint);
    if (staged.next.firing || stored == alerts_.end() || !stored->second.firing) continue;
    for (const Group* group : stored->second.groups) SENTINEL_TRY(Store::add_member(tx, group->row.id, fingerprint));
  }
  for (const auto& [id, group] : batch.groups) {
    if (group.write_row) SENTINEL_TRY(Store::put_group(tx, group.row));
    // Fired and ended in one batch: it joined, and waits there to be told.
    for (const uint64_t fingerprint : group.joining) {
      if (!batch.alerts.at(fingerprint).next.firing) SENTINEL_TRY(Store::add_member(tx, id, fingerprint));
    }
  }
  for (const Acknowledgement& a : batch.acknowledgements) SENTINEL_TRY(Acknowledgements::write(tx, a));
  for (const FlapState& flap : batch.flaps) SENTINEL_TRY(Flapping::write(tx, flap));
  if (batch.changes.empty()) return {};
  if (events_unindexed_ + batch.changes.size() >= kEventsUnindexedMax) SENTINEL_TRY(Store::index_events(tx));
  if (batch.heard_changes().empty()) return {};
  for (AlertListener* listener : listeners_) SENTINEL_TRY(listener->on_alerts(tx, batch.heard_changes()));
  return {};
}

void Alerting::apply(Batch& batch) {
  next_row_ = std::max(next_row_, batch.next_row);
  if (!batch.changes.empty()) {
    events_unindexed_ += batch.changes.size();
    if (events_unindexed_ >= kEventsUnindexedMax) events_unindexed_ = 0;  // write() has indexed them
  }
  for (const uint64_t fingerprint : batch.order) {
    Staged& staged = batch.alerts.at(fingerprint);
    bool same_end = false;
    if (const auto old = alerts_.find(fingerprint); old != alerts_.end()) {
      same_end = old->second.firing && staged.next.firing && old->second.alert.ends_at == staged.next.alert.ends_at;
      if (!same_end) ends_.erase({old->second.alert.ends_at, old->second.row, fingerprint});
      staged.next.groups = std::move(old->second.groups);
    } else {
      index_.add(fingerprint, staged.next.alert.labels);
    }
    if (staged.next.firing && !same_end)
      ends_.emplace_hint(ends_.end(), staged.next.alert.ends_at, staged.next.row, fingerprint);
    inhibitor_.update(staged.next.alert, batch.now);
    alerts_[fingerprint] = std::move(staged.next);
  }
  for (const AlertChange& change : batch.changes) {
    if (quiet_watch_.empty()) break;
    const uint64_t fingerprint = change.alert.fingerprint();
    if (change.kind == AlertChange::Kind::kFired) quiet_watch_.fired(fingerprint, change.alert.labels);
    if (change.kind == AlertChange::Kind::kResolved) quiet_watch_.ended(fingerprint, change.alert.labels, change.at);
  }
  apply_flaps(batch);
  for (const Acknowledgement& a : batch.acknowledgements) {
    acknowledgements_.put(a);
    replicate_acknowledgement(a);
  }
  for (auto& [id, staged] : batch.groups) {
    std::unique_ptr<Group>& group = groups_[id];
    if (!group) group = std::make_unique<Group>();
    due_.erase({group->due, id});
    group->row = std::move(staged.row);
    group->route = staged.route;
    for (const uint64_t fingerprint : staged.joining) {
      group->members.insert(fingerprint);
      alerts_.at(fingerprint).groups.push_back(group.get());
    }
    set_due(*group);
  }
  update_gauges();
  arm();
}

}  // namespace sentinel::alerting
