// Silences as Alerting changes them, and those that end by themselves.

#include <algorithm>

#include "alerting/alerting.h"
#include "alerting/limits.h"
#include "base/id.h"
#include "base/log.h"

namespace sentinel::alerting {

Result<std::string> Alerting::set_silence(Silence silence) {
  const std::string asked = silence.id;
  const std::string by = silence.created_by;
  SENTINEL_TRY(until_resolved(silence));
  SENTINEL_ASSIGN(const std::string id,
                  silences_.set(database_, std::move(silence), scheduler_.now(), options_.silences));
  log_info("silences", asked == id ? "changed" : "added",
           {{"id", id}, {"by", by}, {"instead_of", asked == id ? "" : asked}});
  if (!asked.empty() && asked != id) replicate_silence(asked);
  replicate_silence(id);
  watch_silences();
  return id;
}

Status Alerting::expire_silence(std::string_view id) {
  SENTINEL_TRY(silences_.expire(database_, id, scheduler_.now()));
  log_info("silences", "ended", {{"id", id}});
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
  arm();
}

Status Alerting::end_quiet_silences(TimePoint now) {
  const std::vector<std::string> due = quiet_watch_.due(now);
  for (const std::string& id : due) {
    const Status ended = silences_.expire(database_, id, now);
    if (!ended && ended.error().code() != ErrorCode::kConflict) return ended;
    quiet_watch_.forget(id);
    log_info("silences", "ended, since it is quiet", {{"id", id}});
    replicate_silence(id);
  }
  return {};
}

Result<RecurringSilence> Alerting::add_recurring_silence(RecurringSilence recurring) {
  const TimePoint now = scheduler_.now();
  if (recurring_.all().size() >= kRecurringSilencesMax)
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
  instance.annotations.set(kRecurringAnnotation, recurring.id);
  instance.updated_at = now;
  recurring.next_from = instance.starts_at;
  if (recurring.spans(now, 1).empty())
    return fail(ErrorCode::kInvalidArgument, "invalid silence: its time intervals do not come within " +
                                                 std::to_string(kRecurringHorizon / std::chrono::hours(24)) + " days");
  SENTINEL_TRY(make_instance(recurring, now));
  log_info("silences", "recurring one added", {{"id", recurring.id}, {"by", recurring.instance.created_by}});
  watch_silences();
  return *recurring_.find(recurring.id);
}

Status Alerting::remove_recurring_silence(const std::string& id) {
  const TimePoint now = scheduler_.now();
  if (recurring_.find(id) == nullptr) return fail(ErrorCode::kNotFound, "recurring silence not found");
  SENTINEL_TRY(database_.write([&](state::Tx& tx) { return RecurringSilences::remove(tx, id); }));
  recurring_.erase(id);
  for (const Silence& s : silences_.list()) {
    if (s.annotations.get(kRecurringAnnotation) != id || s.state(now) == SilenceState::kExpired) continue;
    SENTINEL_TRY(expire_silence(s.id));
  }
  log_info("silences", "recurring one removed", {{"id", id}});
  arm();
  return {};
}

std::vector<RecurringSilence> Alerting::recurring_silences() const {
  std::vector<RecurringSilence> out;
  for (const auto& [id, r] : recurring_.all()) out.push_back(r);
  return out;
}

Status Alerting::make_instances(TimePoint now) {
  const std::vector<std::string> due = recurring_.due(now);
  for (const std::string& id : due) SENTINEL_TRY(make_instance(*recurring_.find(id), now));
  if (!due.empty()) watch_silences();
  return {};
}

// One transaction: the silence, and from where the one after it is looked for. What passed while nobody was here is
// not made up for.
Status Alerting::make_instance(RecurringSilence recurring, TimePoint now) {
  const std::vector<TimeSpan> spans = recurring.spans(std::max(now, recurring.next_from), 1);
  std::optional<Silence> made;
  if (spans.empty()) {
    recurring.next_from = std::max(now, recurring.next_from) + kRecurringHorizon;
  } else if (silences_.size() >= kSilencesMax) {
    return fail(ErrorCode::kTooLarge, "too many silences to make the next one of " + recurring.id);
  } else {
    made = recurring.instance;
    made->id = new_uuid();
    made->starts_at = spans[0].start;
    made->ends_at = spans[0].end;
    made->updated_at = now;
    recurring.next_from = spans[0].end;
  }
  SENTINEL_TRY(database_.write([&](state::Tx& tx) -> Status {
    if (made) SENTINEL_TRY(Silences::write(tx, *made));
    return RecurringSilences::write(tx, recurring);
  }));
  if (made) {
    silences_.put(*made);
    replicate_silence(made->id);
  }
  recurring_.put(std::move(recurring));
  return {};
}

}  // namespace sentinel::alerting
