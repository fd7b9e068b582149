#include "app/text_inspector.h"

#include "analysis/embedding.h"
#include "analysis/heads.h"
#include "analysis/pii.h"
#include "analysis/risk.h"

namespace sentinel::app {
namespace {

class AnalysisInspector final : public gateway::TextInspector {
 public:
  explicit AnalysisInspector(std::unique_ptr<analysis::PiiDetector> pii)
      : pii_(std::move(pii)), embedder_(analysis::make_hashed_embedder(model_)) {}

  gateway::TextRisks risks(std::string_view text) const override {
    const analysis::TextAssessment assessment = analysis::assess(model_, text);
    return {analysis::injection_risk(model_, assessment).risk, analysis::toxicity_risk(model_, assessment).risk,
            analysis::risky_risk(model_, assessment).risk};
  }

  std::vector<gateway::TextSpan> personal_data(std::string_view text) const override {
    std::vector<gateway::TextSpan> out;
    for (const analysis::Span& span : pii_->find(text)) {
      out.push_back({span.begin, span.end, span.type.substr(0, span.type.find(':'))});
    }
    return out;
  }

  std::vector<float> embed(std::string_view text) const override { return embedder_->embed(text); }

 private:
  const analysis::HeadModel& model_ = analysis::HeadModel::embedded();
  const std::unique_ptr<analysis::PiiDetector> pii_;
  const std::unique_ptr<analysis::Embedder> embedder_;
};

}  // namespace

Result<std::unique_ptr<gateway::TextInspector>> make_text_inspector() {
  SENTINEL_ASSIGN(auto pii, analysis::make_pii_detector());
  return std::make_unique<AnalysisInspector>(std::move(pii));
}

}  // namespace sentinel::app
