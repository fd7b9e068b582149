#pragma once
// Scores rows of a file with one detector, as a calling application would have its calls scored: what `sentinel
// analyze` and the evaluation share, so that what is measured is what ships.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/figures.h"
#include "analysis/heads.h"
#include "analysis/rows.h"

namespace sentinel::analysis {

enum class BatchTask : uint8_t { kInjection, kToxicity, kRisky, kSupport, kPii };
inline constexpr std::string_view kBatchTaskNames[] = {"injection", "toxicity", "risky", "support", "pii"};
std::optional<BatchTask> batch_task(std::string_view name);

struct BatchResult {
  std::optional<double> risk;  // 0..1, calibrated, 1 = bad; none: nothing to judge (no document, empty answer), or kPii
  std::vector<Span> spans;     // kPii: what was found; kSupport: the sentences without support. Byte offsets
  std::vector<std::string> evidence;  // why, when asked for; at most kEvidenceMax
};

// Thread-safe.
class BatchScorer {
 public:
  static Result<std::unique_ptr<BatchScorer>> make(BatchTask task, const HeadModel& model = HeadModel::embedded());
  virtual ~BatchScorer() = default;
  virtual BatchResult score(const Row& row, bool explain) const = 0;
  virtual double threshold() const = 0;  // the risk above which the product reports a finding
};

}  // namespace sentinel::analysis
