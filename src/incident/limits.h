#pragma once
// Named limits of what people and alerts write into incidents.

#include <cstddef>

#include "base/clock.h"

namespace sentinel::incident {

inline constexpr size_t kTitleBytesMax = 1000;
inline constexpr size_t kNoteBytesMax = 64 * 1024;

// Alerts of one rule that change at once are told one by one on the timeline below this number, as one entry from it
// on.
inline constexpr size_t kStormAlertsMin = 20;
inline constexpr size_t kStormAlertsNamedMax = 20;  // by fingerprint, in that entry

inline constexpr Micros kPruneInterval = std::chrono::hours(24);    // of escalations
inline constexpr Micros kPageAttemptMax = std::chrono::minutes(5);  // what one attempt to send a page may take

}  // namespace sentinel::incident
