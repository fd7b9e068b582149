#pragma once
// Named limits of the state store.

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace sentinel::state {

inline constexpr size_t kReaderConnections = 4;
inline constexpr size_t kCachedStatementsPerConnection = 256;
inline constexpr Millis kBusyTimeout{5000};        // another tool (a backup) holds SQLite's own lock
inline constexpr Millis kDiskRetryInterval{1000};  // while the disk refuses
inline constexpr Millis kDiskRetryBusyTimeout{50};
inline constexpr uint64_t kMemoryDatabaseBytesMax = 1ull << 30;
// A page that changes often goes from the log into the file once in so many pages, not with every other transaction.
inline constexpr int kCheckpointPages = 4000;
inline constexpr size_t kSqlBytesMax = 1024 * 1024;   // one statement
inline constexpr size_t kOutboxErrorBytesMax = 2048;  // last_error kept of a failed delivery
inline constexpr size_t kKeyBytesMax = 512;           // of a document in the kv table
inline constexpr size_t kDocumentBytesMax = 16 * 1024 * 1024;

}  // namespace sentinel::state
