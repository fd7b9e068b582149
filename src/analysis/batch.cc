#include "analysis/batch.h"

#include <algorithm>

#include "analysis/normalize.h"
#include "analysis/pii.h"
#include "analysis/risk.h"
#include "analysis/support.h"

namespace sentinel::analysis {
namespace {

class TextScorer final : public BatchScorer {
 public:
  TextScorer(Task task, const HeadModel& model) : task_(task), model_(model) {}

  BatchResult score(const Row& row, bool explain) const override {
    BatchResult out;
    const TextAssessment assessment = assess(model_, row.text);
    out.risk = assessment.risk[task_];
    if (explain) {
      const auto why = task_ == kInjectionTask ? injection_risk : task_ == kToxicityTask ? toxicity_risk : risky_risk;
      out.evidence = why(model_, assessment, std::nullopt).evidence;
    }
    return out;
  }
  double threshold() const override { return static_cast<double>(model_.stage(task_).threshold); }

 private:
  const Task task_;
  const HeadModel& model_;
};

class SupportScorer final : public BatchScorer {
 public:
  explicit SupportScorer(const HeadModel& model) : model_(model), detector_(make_support_detector(model)) {}

  BatchResult score(const Row& row, bool explain) const override {
    BatchResult out;
    std::optional<SupportResult> result = detector_->score(row.context, row.question, row.answer);
    if (!result) return out;
    out.risk = 1.0 - result->score;
    out.spans = std::move(result->unsupported);
    if (explain) {
      for (const Span& span : out.spans) {
        out.evidence.push_back("characters " + std::to_string(characters_before(row.answer, span.begin)) + " to " +
                               std::to_string(characters_before(row.answer, span.end)) + " of the answer");
      }
    }
    return out;
  }
  double threshold() const override { return static_cast<double>(model_.stage(kSupportTask).threshold); }

 private:
  const HeadModel& model_;
  const std::unique_ptr<SupportDetector> detector_;
};

class PiiScorer final : public BatchScorer {
 public:
  explicit PiiScorer(std::unique_ptr<PiiDetector> detector) : detector_(std::move(detector)) {}
  BatchResult score(const Row& row, bool) const override {
    BatchResult out;
    out.spans = detector_->find(row.text);
    return out;
  }
  double threshold() const override { return 0; }

 private:
  const std::unique_ptr<PiiDetector> detector_;
};

}  // namespace

std::optional<BatchTask> batch_task(std::string_view name) {
  const auto* const it = std::find(std::begin(kBatchTaskNames), std::end(kBatchTaskNames), name);
  if (it == std::end(kBatchTaskNames)) return std::nullopt;
  return static_cast<BatchTask>(it - std::begin(kBatchTaskNames));
}

Result<std::unique_ptr<BatchScorer>> BatchScorer::make(BatchTask task, const HeadModel& model) {
  switch (task) {
    case BatchTask::kInjection: return std::make_unique<TextScorer>(kInjectionTask, model);
    case BatchTask::kToxicity: return std::make_unique<TextScorer>(kToxicityTask, model);
    case BatchTask::kRisky: return std::make_unique<TextScorer>(kRiskyTask, model);
    case BatchTask::kSupport: return std::make_unique<SupportScorer>(model);
    case BatchTask::kPii: break;
  }
  std::unique_ptr<PiiDetector> detector;
  SENTINEL_ASSIGN(detector, make_pii_detector());
  return std::make_unique<PiiScorer>(std::move(detector));
}

}  // namespace sentinel::analysis
