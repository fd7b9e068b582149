#pragma once
// Silences that end by themselves: one with the annotation `until_resolved` ends once no alert that it matches has
// fired for a time. Knows which of them match alerts that fire, and when the others are due. Lives on the control
// scheduler; what it knows is derived from silences, alerts and the history.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alerting/codec.h"
#include "alerting/silences.h"

namespace sentinel::alerting {

inline constexpr std::string_view kUntilResolvedAnnotation = "until_resolved";

// How long it has to be quiet: a duration above zero, or "true" for kUntilResolvedQuiet. nullopt: it is none of these
// silences. kInvalidArgument: the annotation is something else.
Result<std::optional<Micros>> until_resolved(const Silence& silence);

class QuietWatch {
 public:
  // `fires`: alerts that the silence matches and that fire; `last_end`: when the last one before ended. A silence that
  // was watched is watched anew.
  void watch(const Silence& silence, Micros quiet, Fingerprints fires, std::optional<TimePoint> last_end);
  void forget(const std::string& id) { watched_.erase(id); }
  bool empty() const { return watched_.empty(); }

  void fired(uint64_t fingerprint, const model::Labels& labels);
  void ended(uint64_t fingerprint, const model::Labels& labels, TimePoint at);

  std::optional<TimePoint> next_due() const;
  std::vector<std::string> due(TimePoint now) const;  // ids, sorted

 private:
  struct Watched {
    Silence silence;
    Micros quiet{0};
    Fingerprints fires;
    TimePoint quiet_since;
    TimePoint due() const { return quiet_since + quiet; }
  };
  std::map<std::string, Watched> watched_;
};

}  // namespace sentinel::alerting
