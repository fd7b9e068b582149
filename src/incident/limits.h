#pragma once
// Named limits of what people and alerts write into incidents.

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace sentinel::incident {

inline constexpr size_t kTitleBytesMax = 1000;
inline constexpr size_t kNoteBytesMax = 64 * 1024;
inline constexpr size_t kFieldBytesMax = 4 * 1024;  // of a text
inline constexpr size_t kPersonBytesMax = 200;
inline constexpr size_t kMentionsMax = 50;      // of one note
inline constexpr size_t kSubscribersMax = 500;  // of one incident
inline constexpr size_t kLinksMax = 500;        // of one incident
inline constexpr int kParentsMax = 20;          // one above the other
inline constexpr size_t kUpdateBytesMax = 16 * 1024;
inline constexpr size_t kAlertsShownMax = 50;  // in the answer that has all of an incident; the rest by pages
inline constexpr size_t kAlertsPageMax = 500;
inline constexpr size_t kFileNameBytesMax = 200;
inline constexpr int64_t kActionItemsMax = 100;  // of one incident
inline constexpr int64_t kChangesKept = 20'000;  // the newest events of changes.h
inline constexpr size_t kSummaryBytesMax = 4000;
inline constexpr size_t kPostmortemBytesMax = 1 << 20;
inline constexpr size_t kPostmortemAuthorsMax = 50;

// Alerts of one rule that change at once are told one by one on the timeline below this number, as one entry from it
// on.
inline constexpr size_t kStormAlertsMin = 20;
inline constexpr size_t kStormAlertsNamedMax = 20;  // by fingerprint, in that entry

// Two incidents that are one problem.
inline constexpr Micros kSameOnsetMax = std::chrono::minutes(5);  // between their onsets
inline constexpr uint64_t kSameCallsMin = 3;                      // failing calls of both
inline constexpr double kSameCallsShareMin = 0.5;                 // of the failing calls of the smaller one
inline constexpr size_t kSameCausesMax = 5;                       // looked at after each diagnosis

inline constexpr Micros kPruneInterval = std::chrono::hours(24);    // of escalations
inline constexpr Micros kPageAttemptMax = std::chrono::minutes(5);  // what one attempt to send a page may take
inline constexpr size_t kMailAddressBytesMax = 254;
inline constexpr int64_t kStatusSubscribersMax = 2000;  // each update is a mail to each
inline constexpr int64_t kConfirmationsPerHourMax = 200;
inline constexpr int kAsksPerMinuteMax = 30;
inline constexpr Micros kConfirmAgainAfter = std::chrono::minutes(10);  // to one address
inline constexpr Micros kUnconfirmedKept = std::chrono::hours(48);
inline constexpr size_t kDeadlinesPerTurnMax = 1000;
inline constexpr Millis kDeadlineRetry{1000};  // while the state cannot be read

}  // namespace sentinel::incident
