// Silences as Alerting changes them, and those that end by themselves.

#include <algorithm>

#include "alerting/alerting.h"
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

}  // namespace sentinel::alerting
