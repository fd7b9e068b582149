#pragma once
// Every bound of this module that does not come from EngineOptions.
#include <cstddef>
#include <cstdint>

namespace sentinel::promql {

inline constexpr size_t kQueryBytesMax = 1 << 20;                 // a longer query is refused before lexing
inline constexpr int kParseDepthMax = 500;                        // nested parentheses, calls and operators
inline constexpr int kAnnotationsMax = 1000;                      // distinct warnings and infos kept for one query
inline constexpr int64_t kTimeMsMax = 1'000'000'000'000'000'000;  // evaluation times; leaves room for sums of offsets
inline constexpr size_t kReservedPointsMax = 16'384;     // room made in advance in a series; more grows as needed
inline constexpr size_t kAggregationBlock = 4096;        // steps aggregated at a time
inline constexpr uint64_t kCancelCheckInterval = 4096;   // points between two looks at clock and cancel flag
inline constexpr size_t kFoldedCellsMax = 1 << 20;       // groups × steps that are folded while series are read
inline constexpr int64_t kRangeStepsMax = 10'000'000;    // steps of one range query or subquery
inline constexpr uint64_t kSeriesRepeatMax = 1'000'000;  // "1x1000000" in a series description

}  // namespace sentinel::promql
