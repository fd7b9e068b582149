#pragma once
// Named limits of what goes to other services and comes from them.

#include <cstddef>

#include "base/clock.h"

namespace sentinel::connect {

inline constexpr size_t kConnectionsMax = 50;
inline constexpr size_t kInboundBytesMax = 1024 * 1024;
inline constexpr Micros kSignatureAgeMax = std::chrono::minutes(5);  // either way: clocks differ
inline constexpr Micros kSeenKept = std::chrono::days(3);            // PagerDuty tries for 48 hours
inline constexpr Micros kPruneInterval = std::chrono::hours(1);
inline constexpr size_t kCommandsMax = 20;           // of one request
inline constexpr size_t kNoteBytesMax = 8 * 1024;    // of a note from outside
inline constexpr size_t kListMax = 20;               // incidents in the answer to a command
inline constexpr size_t kErrorBytesMax = 500;        // kept with a link, and shown
inline constexpr size_t kEntriesPerMessageMax = 30;  // of the timeline
inline constexpr size_t kMessageBytesMax = 3000;     // Slack refuses a section beyond
inline constexpr int kNameTriesMax = 20;             // for a channel whose name is taken
inline constexpr size_t kPagesMax = 20;              // of a list that is searched
inline constexpr int kRepostsMax = 3;                // of a message that somebody deleted
inline constexpr Millis kCallTimeout = std::chrono::seconds(15);

}  // namespace sentinel::connect
