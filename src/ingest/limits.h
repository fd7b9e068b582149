#pragma once
// Every bound of this module that is not an option of a class.

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/metrics.h"

namespace sentinel::ingest {

inline constexpr size_t kQueueCallsMax = 50'000;
inline constexpr size_t kQueueBytesMax = 128u << 20;  // texts of waiting calls
inline constexpr size_t kHeldCallsMax = 20'000;       // scored, and neither the store nor the spill takes them
inline constexpr size_t kHeldBytesMax = 64u << 20;
inline constexpr Millis kDurableWithin{1000};               // the contract; what takes longer is counted as late
inline constexpr Millis kSpillAfter{300};                   // a call that has waited this long is written down
inline constexpr Millis kSpillTick{100};                    // how often the queue is looked at
inline constexpr Millis kBatchTime{200};                    // analysis of one batch, so that it is stored in time
inline constexpr uint64_t kSpillBytesMax = 256u << 20;      // default of telemetry.spill_max_mb
inline constexpr uint64_t kSpillSegmentBytes = 4u << 20;    // one file; removed when all of it was read back
inline constexpr uint32_t kSpillFrameBytesMax = 64u << 20;  // one call
inline constexpr size_t kSpillListMax = 4096;               // elements of a list in one call

inline constexpr size_t kRequestIdBytesMax = 256;  // of feedback; longer ones are no id of ours
// A mean over fewer answers says more about chance than about the model: it is not shown.
inline constexpr int64_t kFeedbackSamplesMin = 10;
inline constexpr Micros kFeedbackWindow = std::chrono::hours(24);            // what "current" means
inline constexpr Micros kFeedbackBaseline = std::chrono::hours(24 * 7);      // before the window
inline constexpr Micros kFeedbackRefreshInterval = std::chrono::minutes(1);  // the window moves on without feedback too

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

inline constexpr size_t kWriteShardsMax = 8;                   // requests under way to one receiver
inline constexpr size_t kWriteShardCapacityMax = 1'000'000;    // samples in one shard
inline constexpr int kWriteBatchesATime = 64;                  // commits read from the log before answers are heard
inline constexpr Millis kWriteTick{50};                        // how often the log is looked at
inline constexpr Millis kWriteSaveInterval{250};               // of the position: what may be sent twice after a crash
inline constexpr Millis kWriteForgetInterval{60'000};          // series that ended leave memory
inline constexpr Millis kWriteRetryAfterMax{3'600'000};        // a receiver that asks for more is asked earlier
inline constexpr uint64_t kWriteLogKeptBytesMax = 8ULL << 30;  // of the log, for receivers that are behind
inline constexpr size_t kWriteAnswerBytesMax = 1u << 20;       // of a receiver

// Label sets of calls, in llm_* and again in gen_ai_*. Models are named by callers. The widest family has two series a
// label set (ok and error, input and output); those of all further label sets together must fit the registry, too.
inline constexpr size_t kCallLabelSetsMax = kMetricSeriesMax / 2 - 1;

// Networks of keys (access_watch.h).
inline constexpr Millis kAccessLearning = std::chrono::hours(24);
inline constexpr Millis kAccessNew = std::chrono::hours(1);
inline constexpr uint64_t kAccessCallsMin = 50;
inline constexpr size_t kAccessKeysMax = 2000;  // one more is not watched
inline constexpr size_t kAccessNetworksMax = 32;
inline constexpr size_t kAccessStateBytesMax = 8u << 20;

}  // namespace sentinel::ingest
