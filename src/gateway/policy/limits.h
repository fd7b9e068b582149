#pragma once
// Bounds of the policies; what is configurable stands in config.h instead.

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace sentinel::gateway {

inline constexpr size_t kRateCells = 1 << 16;      // subjects with a limit under way at the same time; a power of two
inline constexpr size_t kRateProbesMax = 16;       // cells looked at for one subject
inline constexpr int64_t kRateDebtWindowsMax = 4;  // a limit that was overdrawn, or a clock set back, waits no longer
inline constexpr size_t kBudgetCells = 1 << 14;    // subjects with a budget; a power of two
inline constexpr size_t kLimitsPerScopeMax = 16;
inline constexpr int64_t kLimitAmountMax = 1'000'000'000'000'000;  // requests, tokens or micro-dollars
inline constexpr Millis kLimitWindowMin = std::chrono::seconds(1);
inline constexpr Millis kLimitWindowMax = std::chrono::hours(24 * 31);
inline constexpr int64_t kOutputTokensGuess = 512;  // reserved for a call that sets no limit of its own
inline constexpr int64_t kCharsPerToken = 4;

inline constexpr size_t kKeysMax = 100'000;
inline constexpr size_t kKeySecretBytes = 32;
inline constexpr size_t kKeyTextBytesMax = 200;  // a name, a user, a team, a tag
inline constexpr size_t kKeyListMax = 64;        // tags, models or routes of one key
inline constexpr size_t kReasonBytesMax = 500;

inline constexpr size_t kCacheSlotWays = 8;
inline constexpr size_t kCacheSlots = 1 << 14;  // answers; a power of two
inline constexpr uint64_t kCacheBytesDefault = 64ull * 1024 * 1024;
inline constexpr size_t kCacheEntryBytesMax = 4 * 1024 * 1024;
inline constexpr Millis kCacheTtlMax = std::chrono::hours(24 * 30);
inline constexpr size_t kCanonicalDepthMax = 200;
inline constexpr size_t kSemanticEntriesPerScope = 256;
inline constexpr size_t kSemanticScopes = 1 << 10;  // tenants times models times parameters; a power of two

inline constexpr size_t kGuardsPerRouteMax = 32;
inline constexpr size_t kGuardWordsMax = 1000;
inline constexpr size_t kGuardPatternBytesMax = 2000;
inline constexpr size_t kGuardTextBytesMax = 1024 * 1024;  // looked at for one call
inline constexpr size_t kGuardLookaheadBytes = 128;  // of a stream's text, held back while its sentence has no end
inline constexpr size_t kGuardLongestMax = 4096;     // that a pattern may ask for instead
inline constexpr size_t kGuardStepBytes = 64;        // more that has come before it is looked at again
inline constexpr size_t kGuardOverlapBytes = 1024;   // of what has flowed, looked at again with what comes next
inline constexpr size_t kGuardWindowBytesMax = 16 * 1024;  // of a text that may be a finding, held back for its end
inline constexpr size_t kGuardHeldBytesMax = 256 * 1024;   // of a stream's events held back; and one event
inline constexpr size_t kGuardQuietEvents = 8;             // without a word of a text: it is taken for complete
inline constexpr size_t kGuardPartsMax = 64;               // texts of one stream that are told apart

}  // namespace sentinel::gateway
