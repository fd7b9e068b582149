#include "alerting/quiet_watch.h"

#include <algorithm>

#include "alerting/limits.h"
#include "base/duration.h"

namespace sentinel::alerting {

Result<std::optional<Micros>> until_resolved(const Silence& silence) {
  const std::string_view text = silence.annotations.get(kUntilResolvedAnnotation);
  if (text.empty() || text == "false") return std::nullopt;
  if (text == "true") return std::optional(kUntilResolvedQuiet);
  const auto quiet = parse_duration(text);
  if (!quiet || quiet->count() <= 0) {
    return fail(ErrorCode::kInvalidArgument, "invalid silence: annotation " + std::string(kUntilResolvedAnnotation) +
                                                 " must be true or how long it has to be quiet, as 5m");
  }
  return std::optional<Micros>(*quiet);
}

void QuietWatch::watch(const Silence& silence, Micros quiet, Fingerprints fires, std::optional<TimePoint> last_end) {
  const TimePoint since = std::max(silence.starts_at, last_end.value_or(silence.starts_at));
  watched_.insert_or_assign(silence.id, Watched{silence, quiet, std::move(fires), since});
}

void QuietWatch::fired(uint64_t fingerprint, const model::Labels& labels) {
  for (auto& [id, w] : watched_) {
    if (w.silence.matches(labels)) w.fires.insert(fingerprint);
  }
}

void QuietWatch::ended(uint64_t fingerprint, const model::Labels& labels, TimePoint at) {
  for (auto& [id, w] : watched_) {
    if (!w.silence.matches(labels)) continue;
    w.fires.erase(fingerprint);
    w.quiet_since = std::max(w.silence.starts_at, at);
  }
}

std::optional<TimePoint> QuietWatch::next_due() const {
  std::optional<TimePoint> next;
  for (const auto& [id, w] : watched_) {
    if (w.fires.empty() && (!next || w.due() < *next)) next = w.due();
  }
  return next;
}

std::vector<std::string> QuietWatch::due(TimePoint now) const {
  std::vector<std::string> out;
  for (const auto& [id, w] : watched_) {
    if (w.fires.empty() && w.due() <= now) out.push_back(id);
  }
  return out;
}

}  // namespace sentinel::alerting
