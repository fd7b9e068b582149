#pragma once
// Every bound of this module. What is past one of them is refused with an error that names it.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace sentinel::detection {

inline constexpr size_t kRuleFileBytesMax = 8 << 20;
inline constexpr size_t kRuleFilesMax = 10'000;
inline constexpr size_t kRulesMax = 200'000;          // over all files
inline constexpr size_t kAlertsPerRuleMax = 100'000;  // pending, firing and just resolved ones
inline constexpr size_t kAlertBatchMax = 1'000;       // alerts handed to the sink at once
inline constexpr std::chrono::milliseconds kIntervalMin{100};
inline constexpr int64_t kRuleTestEvaluationsMax = 10'000'000;  // of one test of a rule test file
inline constexpr size_t kEvaluationsKept = 120;         // of each rule, and as many older ones that tell something
inline constexpr size_t kChangesPerEvaluationMax = 20;  // kept of one evaluation
inline constexpr size_t kSeriesPagesMax = 1u << 20;     // of 4,096 series: as many as the store can number
inline constexpr size_t kWatchedSeriesMax = 4'000'000;  // whose readers are remembered for evaluation on arrival
// How long a resolved alert is still sent, so that a receiver that was away hears of it.
inline constexpr std::chrono::minutes kResolvedRetention{15};

}  // namespace sentinel::detection
