#pragma once
// Named limits of on-call schedules and escalations.

#include <cstddef>

#include "base/clock.h"

namespace sentinel::oncall {

inline constexpr size_t kUsersMax = 10'000;
inline constexpr size_t kSchedulesMax = 2'000;
inline constexpr size_t kPoliciesMax = 2'000;
inline constexpr size_t kLayersMax = 50;         // of one schedule
inline constexpr size_t kParticipantsMax = 500;  // of one layer
inline constexpr size_t kRestrictionsMax = 100;  // of one layer
inline constexpr size_t kChangesMax = 5'000;     // overrides, swaps and temporary shifts, each, of one schedule
inline constexpr size_t kRoutesMax = 2'000;
inline constexpr size_t kLevelsMax = 50;                       // of one policy
inline constexpr size_t kRulesMax = 50;                        // of one user and kind
inline constexpr int kRepeatsMax = 100;                        // of one policy
inline constexpr int kRotationLengthMax = 1'000;               // in its unit
inline constexpr size_t kSlotUsersMax = 20;                    // who share one turn
inline constexpr Micros kRangeMax = std::chrono::days(1'100);  // of one question
inline constexpr size_t kICalBytesMax = 4 * 1024 * 1024;
inline constexpr size_t kICalEventsMax = 5'000;
inline constexpr size_t kICalOccurrencesMax = 50'000;                 // of one calendar within the range asked for
inline constexpr Millis kDiskRetry{1000};                             // while the state cannot be written
inline constexpr Micros kCalendarAhead = std::chrono::days(60);       // of an outside calendar that is taken over
inline constexpr Micros kCalendarEveryMin = std::chrono::seconds(1);  // between two looks at one
inline constexpr size_t kCalendarsMax = 20;                           // of one schedule
inline constexpr Micros kPageStruggleMax = std::chrono::seconds(10);  // of attempts; then another way is taken as well
inline constexpr Micros kResolvedKept = std::chrono::days(90);        // escalations, with what was told
inline constexpr int kStepsPerTurnMax = 1'000;  // of one escalation at one instant; more would be a loop of ours

}  // namespace sentinel::oncall
