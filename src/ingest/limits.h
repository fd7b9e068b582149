#pragma once
// The named limits of telemetry coming in.

#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace sentinel::ingest {

inline constexpr size_t kWriteBytesMax = 64u << 20;      // one remote-write request, decompressed
inline constexpr size_t kWriteErrorsShown = 10;          // reasons in one answer; the rest are counted
inline constexpr size_t kWriteSymbolsMax = 4u << 20;     // symbols of one request
inline constexpr int64_t kWriteAheadMsMax = 600'000;     // a sample may be so far in the future
inline constexpr size_t kKnownSeriesMax = 8u << 20;      // label sets remembered between requests; more starts anew
inline constexpr size_t kMetadataFamiliesMax = 100'000;  // families with metadata
inline constexpr size_t kMetadataPerFamilyMax = 10;      // different descriptions of one family
inline constexpr size_t kScrapeBytesMax = 256u << 20;    // one answer of a target, decompressed
inline constexpr size_t kTargetsMax = 50'000;            // of all jobs
inline constexpr Millis kScrapeIntervalMin{100};
inline constexpr size_t kHistogramBucketsMax = 1u << 16;  // of one side of a histogram on the wire

}  // namespace sentinel::ingest
