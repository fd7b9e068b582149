#pragma once
// Every bound of this module that is not an option of a class.

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace sentinel::ingest {

inline constexpr size_t kRequestIdBytesMax = 256;  // of feedback; longer ones are no id of ours
// A mean over fewer answers says more about chance than about the model: it is not shown.
inline constexpr int64_t kFeedbackSamplesMin = 10;
inline constexpr Micros kFeedbackWindow = std::chrono::hours(24);            // what "current" means
inline constexpr Micros kFeedbackBaseline = std::chrono::hours(24 * 7);      // before the window
inline constexpr Micros kFeedbackRefreshInterval = std::chrono::minutes(1);  // the window moves on without feedback too

}  // namespace sentinel::ingest
