#pragma once
// Named limits of the receivers.

#include <cstddef>

#include "base/clock.h"

namespace sentinel::receivers {

inline constexpr Millis kSendTimeout = std::chrono::seconds(30);  // one attempt, unless the receiver says otherwise
inline constexpr Millis kConnectTimeout = std::chrono::seconds(5);
inline constexpr size_t kResponseBytesMax = 1024 * 1024;  // of an answer; only its start is shown
inline constexpr size_t kResponseShownBytesMax = 500;     // in an error
inline constexpr int kRedirectsMax = 10;
inline constexpr size_t kSecretFileBytesMax = 64 * 1024;
inline constexpr Micros kTokenKeptDefault = std::chrono::hours(1);  // of a server that does not say how long
inline constexpr Micros kTokenEarly = std::chrono::seconds(10);     // before its end a token is asked for anew
inline constexpr Micros kMemoryKept = std::chrono::hours(24 * 30);  // what a message left for its successor
inline constexpr size_t kMemoryPruneMax = 10'000;                   // looked at in one go
inline constexpr size_t kTokensMax = 1000;                          // access tokens kept
inline constexpr size_t kTransportsMax = 1000;                      // sets of TLS and proxy settings kept ready
inline constexpr size_t kCallsMax = 20;                             // of one attempt, redirects not counted
inline constexpr int kPayloadDepthMax = 64;                         // nesting of a payload in the configuration
inline constexpr Micros kRetryAfterMax = std::chrono::hours(1);     // what a server may ask for

}  // namespace sentinel::receivers
