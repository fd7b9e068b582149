#pragma once
// Every bound of this module; what is configurable stands in GatewayConfig instead.

#include <cstddef>

#include "base/clock.h"

namespace sentinel::gateway {

inline constexpr size_t kPromptBytesMax = 256 * 1024;  // of prompt, context and answer kept in an Interaction
inline constexpr size_t kAnswerBytesMax = 64 * 1024 * 1024;
inline constexpr size_t kErrorBodyBytesMax = 1024 * 1024;
inline constexpr size_t kStreamEventBytesMax = 4 * 1024 * 1024;  // one event of a stream
inline constexpr size_t kHeldBytesMax = 1024 * 1024;             // of a stream, before its first content
inline constexpr size_t kAttributeBytesMax = 256;                // one x-sentinel-* value
inline constexpr size_t kTagsMax = 16;
inline constexpr size_t kTagsBytesMax = 16 * 1024;  // of x-sentinel-tags as JSON
inline constexpr size_t kTargetsMax = 16;           // tried for one call
inline constexpr int kAttemptsMax = 10;             // on one target
inline constexpr size_t kLanesMax = 256;            // models of one provider with a breaker of their own
inline constexpr size_t kProviderKeysMax = 32;
inline constexpr size_t kLastAnswersBytesMax = 64 * 1024 * 1024;  // kept as a last resort
inline constexpr size_t kFaultsMax = 16;                          // of one route
inline constexpr size_t kTopLevelKeysMax = 256;                   // of a request body
inline constexpr int kAnthropicMaxTokensDefault = 4096;     // its API wants a limit; the others' clients may give none
inline constexpr int kSchemaDepthMax = 64;                  // of a tool's parameters
inline constexpr size_t kModelsBytesMax = 4 * 1024 * 1024;  // of a provider's list
inline constexpr Millis kTokenRefreshAhead = std::chrono::minutes(5);  // before an access token ends
inline constexpr Millis kTokenTimeout = std::chrono::seconds(10);      // to get one
inline constexpr Millis kBackoffSlice = Millis(20);  // how soon a waiting call sees that its client has gone
inline constexpr Millis kFailureLatency = std::chrono::seconds(5);      // what a failed attempt counts for at least
inline constexpr Millis kShutdownRetryAfter = std::chrono::seconds(5);  // what a refused call is told to wait
inline constexpr Millis kBreakOffMax = std::chrono::seconds(5);         // after a drain, for broken off calls to say so

}  // namespace sentinel::gateway
