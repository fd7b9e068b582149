#pragma once
// Named limits of the receivers.

#include <cstddef>

#include "base/clock.h"

namespace sentinel::receivers {

inline constexpr Millis kSendTimeout = std::chrono::seconds(30);  // one attempt, unless the receiver says otherwise
inline constexpr Millis kConnectTimeout = std::chrono::seconds(5);
inline constexpr size_t kResponseBytesMax = 64 * 1024;  // of an answer; only its start is shown
inline constexpr size_t kResponseShownBytesMax = 500;   // in an error
inline constexpr int kRedirectsMax = 10;
inline constexpr size_t kSecretFileBytesMax = 64 * 1024;
inline constexpr size_t kSlackTitleRunesMax = 1024;              // Slack's own limit; longer ones are cut
inline constexpr Micros kRetryAfterMax = std::chrono::hours(1);  // what a server may ask for

}  // namespace sentinel::receivers
