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
inline constexpr int kCommentsPerLook = 100;         // of Jira, the newest
inline constexpr int kRepostsMax = 3;                // of a message that somebody deleted
// Series to Datadog. A request may have 512,000 bytes packed, 5 MB unpacked, points of the last hour.
inline constexpr size_t kSeriesBodyBytesMax = 480'000;  // unpacked, so that it fits even where packing is no help
inline constexpr size_t kMetricNameBytesMax = 200;
inline constexpr size_t kTagBytesMax = 200;
inline constexpr size_t kSelectorsMax = 50;
inline constexpr Millis kSeriesIntervalMin = std::chrono::seconds(5);
inline constexpr Millis kSeriesIntervalMax = std::chrono::minutes(10);
inline constexpr Millis kSeriesSettle = std::chrono::seconds(2);    // after a window's end, until all of it is stored
inline constexpr Millis kSeriesLookback = std::chrono::minutes(5);  // a series at rest is written seldom
inline constexpr Millis kSeriesAgeMax = std::chrono::minutes(55);   // of a window: older ones are not sent
inline constexpr uint64_t kSeriesSamplesMax = 50'000'000;           // read for one window
inline constexpr Micros kSeriesPauseMin = std::chrono::seconds(1);
inline constexpr Micros kSeriesPauseMax = std::chrono::minutes(1);
inline constexpr Millis kCallTimeout = std::chrono::seconds(15);

}  // namespace sentinel::connect
