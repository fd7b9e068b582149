#pragma once
// The named limits of the event store.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sentinel::events {

inline constexpr size_t kSqlBytesMax = 256u << 10;      // of one statement
inline constexpr int64_t kSqlGrowthMax = 10'000;        // repeat(x, N), lpad(x, N), …
inline constexpr size_t kBatchRowsMax = 100'000;        // of one append
inline constexpr uint32_t kFrameBytesMax = 256u << 20;  // of one log frame, hence one append
inline constexpr size_t kSealQueueMax = 3;              // full tables waiting to be sealed; then append waits
inline constexpr uint64_t kSegmentRowsMax = 400'000;    // compaction makes none larger
inline constexpr uint64_t kSmallSegmentRows = 200'000;  // and leaves alone what has this many
inline constexpr size_t kCompactFanIn = 8;              // neighbours that make a merge worth it
// Rows of a row group in a segment file: smaller makes single rows cheaper to fetch, sums over columns dearer.
inline constexpr unsigned kRowGroupRows = 4'096;
inline constexpr std::chrono::seconds kSealRetry{5};  // after a failed seal

}  // namespace sentinel::events
