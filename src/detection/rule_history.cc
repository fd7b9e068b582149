#include "detection/rule_history.h"

#include <algorithm>
#include <iterator>

#include "detection/limits.h"

namespace sentinel::detection {

std::string_view occasion_name(Occasion occasion) { return occasion == Occasion::kSlot ? "interval" : "arrival"; }

void RuleHistory::add(Evaluation evaluation) {
  if (evaluation.changes.size() > kChangesPerEvaluationMax) {
    evaluation.changes_left_out = evaluation.changes.size() - kChangesPerEvaluationMax;
    evaluation.changes.resize(kChangesPerEvaluationMax);
  }
  MutexLock lock(mutex_);
  recent_.push_back(std::move(evaluation));
  if (recent_.size() <= kEvaluationsKept) return;
  if (!recent_.front().changes.empty() || !recent_.front().error.empty())
    telling_.push_back(std::move(recent_.front()));
  recent_.pop_front();
  if (telling_.size() > kEvaluationsKept) telling_.pop_front();
}

std::vector<Evaluation> RuleHistory::newest(size_t limit) const {
  MutexLock lock(mutex_);
  std::vector<Evaluation> out;
  for (const auto* part : {&recent_, &telling_}) {
    const size_t count = std::min(limit - out.size(), part->size());
    std::copy_n(part->rbegin(), count, std::back_inserter(out));
  }
  return out;
}

}  // namespace sentinel::detection
