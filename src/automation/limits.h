#pragma once
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace sentinel::automation {

inline constexpr size_t kParameterBytesMax = 4096;
inline constexpr size_t kSecretBytesMax = 64 * 1024;
inline constexpr size_t kArgumentsMax = 64;
inline constexpr uint64_t kOutputBytesMax = 1024 * 1024;  // the most that may be asked to be kept
inline constexpr uint64_t kFloodFactor = 64;              // what writes more than this many times that is ended
inline constexpr Micros kTimeoutMax = std::chrono::hours(1);
inline constexpr int64_t kRetriesMax = 10;
inline constexpr size_t kWaitingMax = 1000;  // executions that have not ended
// What waited for longer, while we were down, is not run without being asked for again.
inline constexpr Micros kQueuedMax = std::chrono::minutes(30);

}  // namespace sentinel::automation
