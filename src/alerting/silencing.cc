// Silences as Alerting changes them, and those that end by themselves.

#include <algorithm>

#include "alerting/alerting.h"
#include "alerting/limits.h"
#include "base/id.h"
#include "base/log.h"

namespace sentinel::alerting {

Silences::Also Alerting::audit_silence(std::string action, Actor by) const {
  return [this, action = std::move(action), by = std::move(by)](state::Tx& tx, const Silence* before,
                                                                const Silence& after) {
    return Audit::add(tx, {0, scheduler_.now(), by, action, after.id, before == nullptr ? "" : audit_json(*before),
                           audit_json(after)});
  };
}

Result<std::string> Alerting::set_silence(Silence silence, const Actor& by) {
  const std::string asked = silence.id;
  SENTINEL_TRY(until_resolved(silence));
  SENTINEL_TRY(remind_at(silence, options_.reminders));
  SENTINEL_ASSIGN(const std::string id,
                  silences_.set(database_, std::move(silence), scheduler_.now(), options_.silences,
                                audit_silence(asked.empty() ? "silence.added" : "silence.changed", by)));
  log_info("silences", asked == id ? "changed" : "added",
           {{"id", id}, {"by", by.name}, {"instead_of", asked == id ? "" : asked}});
  if (!asked.empty() && asked != id) replicate_silence(asked);
  replicate_silence(id);
  watch_silences();
  return id;
}

Status Alerting::expire_silence(std::string_view id, const Actor& by) {
  SENTINEL_TRY(silences_.expire(database_, id, scheduler_.now(), audit_silence("silence.expired", by)));
  log_info("silences", "ended", {{"id", id}, {"by", by.name}});
  replicate_silence(std::string(id));
  watch_silences();
  return {};
}

// After any change of silences.
void Alerting::watch_silences() {
  const TimePoint now = scheduler_.now();
  quiet_watch_ = {};
  for (const Silence& s : silences_.list()) {
    const auto quiet = until_resolved(s);
    if (!quiet || !*quiet || s.state(now) == SilenceState::kExpired) continue;  // a bad one came from another instance
    Fingerprints fires;
    for (const model::Matchers& set : s.matcher_sets) {
      for (const auto& [fingerprint, record] : candidates(set, now)) {
        if (record->firing) fires.insert(fingerprint);
      }
    }
    // What ended longer ago than that makes no difference.
    HistoryQuery ends;
    ends.from = std::max(s.starts_at, now - **quiet);
    ends.kind = AlertChange::Kind::kResolved;
    ends.any_of = s.matcher_sets;
    ends.limit = 1;
    std::optional<TimePoint> last_end;
    if (fires.empty()) {
      const auto last = history(ends);
      if (last && !last->empty()) last_end = last->front().at;
    }
    quiet_watch_.watch(s, **quiet, std::move(fires), last_end);
  }
  watch_reminders();
  arm();
}

Status Alerting::end_quiet_silences(TimePoint now) {
  const std::vector<std::string> due = quiet_watch_.due(now);
  for (const std::string& id : due) {
    const Status ended = silences_.expire(database_, id, now, audit_silence("silence.expired", {}));
    if (!ended && ended.error().code() != ErrorCode::kConflict) return ended;
    quiet_watch_.forget(id);
    log_info("silences", "ended, since it is quiet", {{"id", id}});
    replicate_silence(id);
  }
  return {};
}

Result<RecurringSilence> Alerting::add_recurring_silence(RecurringSilence recurring, const Actor& by) {
  const TimePoint now = scheduler_.now();
  if (recurring_silences().size() >= kRecurringSilencesMax)
    return fail(ErrorCode::kTooLarge, "more than " + std::to_string(kRecurringSilencesMax) + " recurring silences");
  if (recurring.schedule_text.size() > kScheduleBytesMax)
    return fail(ErrorCode::kTooLarge, "the schedule exceeds " + std::to_string(kScheduleBytesMax) + " bytes");
  SENTINEL_ASSIGN(recurring.schedule, parse_schedule(recurring.schedule_text));
  recurring.id = new_uuid();
  Silence& instance = recurring.instance;
  instance.starts_at = std::max(instance.starts_at, now);
  instance.ends_at = recurring.ends_at.value_or(TimePoint::max());
  SENTINEL_TRY(check_silence(instance, now));
  SENTINEL_TRY(until_resolved(instance));
  SENTINEL_TRY(remind_at(instance, options_.reminders));
  instance.annotations.set(kRecurringAnnotation, recurring.id);
  instance.updated_at = now;
  recurring.next_from = instance.starts_at;
  if (recurring.spans(now, 1).empty())
    return fail(ErrorCode::kInvalidArgument, "invalid silence: its time intervals do not come within " +
                                                 std::to_string(kRecurringHorizon / std::chrono::hours(24)) + " days");
  const AuditEntry entry{0, now, by, "recurring_silence.added", recurring.id, "", audit_json(instance)};
  SENTINEL_TRY(make_instance(recurring, now, [&](state::Tx& tx) { return Audit::add(tx, entry); }));
  log_info("silences", "recurring one added", {{"id", recurring.id}, {"by", by.name}});
  watch_silences();
  return *recurring_.find(recurring.id);
}

Status Alerting::remove_recurring_silence(const std::string& id, const Actor& by) {
  const TimePoint now = scheduler_.now();
  const RecurringSilence* known = recurring_.find(id);
  if (known == nullptr || known->removed_at) return fail(ErrorCode::kNotFound, "recurring silence not found");
  const AuditEntry entry{0, now, by, "recurring_silence.removed", id, audit_json(known->instance), ""};
  RecurringSilence removed = *known;
  removed.removed_at = now;
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(RecurringSilences::write(tx, removed));
    return Audit::add(tx, entry);
  }));
  recurring_.put(std::move(removed));
  replicate_recurring(id);
  for (const Silence& s : silences_.list()) {
    if (s.annotations.get(kRecurringAnnotation) != id || s.state(now) == SilenceState::kExpired) continue;
    SENTINEL_TRY(expire_silence(s.id, by));
  }
  log_info("silences", "recurring one removed", {{"id", id}, {"by", by.name}});
  arm();
  return {};
}

std::vector<RecurringSilence> Alerting::recurring_silences() const {
  std::vector<RecurringSilence> out;
  for (const auto& [id, r] : recurring_.all()) {
    if (!r.removed_at) out.push_back(r);
  }
  return out;
}

Status Alerting::make_instances(TimePoint now) {
  const std::vector<std::string> due = recurring_.due(now);
  for (const std::string& id : due) SENTINEL_TRY(make_instance(*recurring_.find(id), now));
  if (!due.empty()) watch_silences();
  return {};
}

// One transaction: the silence, and from where the one after it is looked for. What passed while nobody was here is
// not made up for. Every instance of a cluster makes the same silence: its id and its times follow from the schedule,
// and what somebody changes of it is newer everywhere.
Status Alerting::make_instance(RecurringSilence recurring, TimePoint now, const Also& also) {
  std::vector<TimeSpan> spans = recurring.spans(std::max(now - kRecurringSpanMax, recurring.next_from), 1);
  while (!spans.empty() && spans[0].end <= now) spans = recurring.spans(spans[0].end, 1);
  std::optional<Silence> made;
  if (spans.empty()) {
    recurring.next_from = std::max(now, recurring.next_from) + kRecurringHorizon;
  } else if (silences_.size() >= kSilencesMax) {
    return fail(ErrorCode::kTooLarge, "too many silences to make the next one of " + recurring.id);
  } else {
    made = recurring.instance;
    made->id = recurring_instance_id(recurring.id, spans[0].start);
    made->starts_at = spans[0].start;
    made->ends_at = spans[0].end;
    recurring.next_from = spans[0].end;
    if (silences_.get(made->id)) made.reset();  // from another instance
  }
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    if (made) SENTINEL_TRY(Silences::write(tx, *made));
    SENTINEL_TRY(RecurringSilences::write(tx, recurring));
    return also ? also(tx) : Status();
  }));
  if (made) {
    silences_.put(*made);
    replicate_silence(made->id);
  }
  const std::string id = recurring.id;
  const bool is_new = recurring_.find(id) == nullptr;
  recurring_.put(std::move(recurring));
  if (is_new) replicate_recurring(id);
  return {};
}

}  // namespace sentinel::alerting
