#pragma once
// The named limits of the time-series store.

#include <cstddef>
#include <cstdint>

namespace sentinel::tsdb {

inline constexpr uint32_t kChunkSamplesMax = 120;        // one more starts the next chunk
inline constexpr uint64_t kSegmentBytesMax = 16u << 20;  // a log segment is closed past this
inline constexpr uint32_t kRecordBytesMax = 128u << 20;  // one frame of the log, hence one batch
inline constexpr size_t kBatchSamplesMax = 4'000'000;    // samples in one Appender
inline constexpr size_t kHeadMapBytes = 8u << 20;        // closed chunks of the head are mapped so many at a time
inline constexpr size_t kLateSamplesMax = 8192;          // out-of-order samples held a series between two block cuts
inline constexpr size_t kLabelsMax = 256;                // labels of one series
inline constexpr size_t kLabelBytesMax = 64u << 10;      // bytes of one label name or value
inline constexpr uint32_t kBlockIndexBytesMax = 2u << 30;
inline constexpr uint32_t kBlockChunkBytesMax = 64u << 20;  // of one chunk in a block
inline constexpr size_t kHistogramBucketsMax = 20'000;      // of one side, and custom bounds
inline constexpr size_t kHistogramChunkBytes = 4u << 10;    // a histogram chunk is closed past this
inline constexpr size_t kExemplarCharsMax = 128;            // of the names and values of its labels
inline constexpr size_t kCompactFanIn = 3;                  // blocks merged into the next larger range
inline constexpr size_t kLogReadBytes = 1u << 20;           // read ahead by a reader of the log

}  // namespace sentinel::tsdb
