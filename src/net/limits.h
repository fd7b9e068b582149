#pragma once
// Every bound of this module. What is configurable per server or client stands in its options struct instead.

#include <cstddef>

#include "base/clock.h"

namespace sentinel::net {

inline constexpr size_t kHeadersMax = 128;                 // header lines in one message
inline constexpr size_t kReadBytes = 4 * 1024;             // least room offered to a read of a head
inline constexpr size_t kBodyReadBytes = 64 * 1024;        // and of a long body
inline constexpr size_t kBodyReserveMax = 1024 * 1024;     // a Content-Length is believed this far before bytes come
inline constexpr size_t kGatherBytesMax = 32 * 1024;       // a body up to this is copied behind its head: one send
inline constexpr size_t kChunkLineBytesMax = 256;          // size line of a chunk, with extensions
inline constexpr size_t kTrailerBytesMax = 8 * 1024;       // all trailer lines of a chunked body
inline constexpr size_t kClientHeadBytesMax = 256 * 1024;  // response head of a server we talk to
inline constexpr size_t kUrlBytesMax = 32 * 1024;          // Pushover takes a whole message in the query
inline constexpr size_t kLingerBytesMax = 1024 * 1024;     // discarded after an early error answer
inline constexpr Millis kLingerTime = std::chrono::seconds(1);
inline constexpr Millis kWriteStallMax = std::chrono::seconds(60);  // a client that takes no byte for so long is gone
inline constexpr Millis kStopHardMax = std::chrono::seconds(5);     // after `grace`, for handlers to see the end
inline constexpr Millis kDnsTtl = std::chrono::seconds(30);
inline constexpr size_t kDnsEntriesMax = 1024;
inline constexpr Millis kPeekAfterIdle =
    std::chrono::seconds(1);  // a connection pooled for longer is checked before use

inline constexpr size_t kHttp2StreamsMax = 100;  // at a time on one connection; beyond it another one is made
inline constexpr uint32_t kHttp2StreamWindowBytes = 1024 * 1024;  // sent to us before we have taken it
inline constexpr int32_t kHttp2ConnectionWindowBytes = 16 * 1024 * 1024;

inline constexpr size_t kSmtpLineBytesMax = 16 * 1024;  // of an answer that has not ended
inline constexpr size_t kSmtpReplyLinesMax = 200;

}  // namespace sentinel::net
