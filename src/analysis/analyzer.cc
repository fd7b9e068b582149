#include "analysis/analyzer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>

#include "analysis/drift.h"
#include "analysis/embedding.h"
#include "analysis/limits.h"
#include "analysis/pii.h"
#include "analysis/price_table.h"
#include "analysis/quality.h"
#include "analysis/risk.h"
#include "analysis/support.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

using model::Interaction;
using model::InteractionStatus;

// What an answer must not bring up by itself, and how sure we are that it is a leak.
constexpr std::array<std::string_view, 6> kSensitive = {"SECRET", "US_SSN",  "CREDIT_CARD",
                                                        "IBAN",   "UK_NINO", "DATE_OF_BIRTH"};
constexpr double kLeakRisk = 0.9;
constexpr double kPersonalDataRisk = 0.3;
constexpr double kRepetitionAbuse = 0.6;
constexpr size_t kRepetitionWordsMin = 300;
constexpr int64_t kBytesPerToken = 4;

size_t code_point_count(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

DriftRoute route_of(const Interaction& call) {
  return {call.endpoint, call.model, call.prompt_template.empty() ? call.prompt_id : call.prompt_template};
}

class SentinelAnalyzer final : public Analyzer {
 public:
  SentinelAnalyzer(AnalyzerOptions options, PriceTable prices, std::unique_ptr<PiiDetector> pii)
      : options_(std::move(options)),
        prices_(std::make_shared<const PriceTable>(std::move(prices))),
        pii_(std::move(pii)),
        support_(make_support_detector(model_)),
        drift_(options_.drift) {}

  void analyze(Interaction& call) override {
    if (!call.redacted) call.response_length = static_cast<int64_t>(code_point_count(call.response));
    call.cost_microusd = call.cache_hit ? std::optional<int64_t>(0) : prices_.load()->cost_microusd(call);
    const bool text_answer = call.request_type != "embedding" && call.request_type != "embeddings" &&
                             call.request_type != "moderation" && call.request_type != "count_tokens";
    call.empty_response = text_answer && call.status == InteractionStatus::kOk && call.finish_reason != "tool_calls" &&
                          call.finish_reason != "tool_use" && is_blank(call.response);

    const TextAssessment prompt = assess(model_, call.prompt);
    const TextAssessment answer = assess(model_, call.response);
    const FeatureDoc prompt_doc(prompt.normalized.text);
    const FeatureDoc answer_doc(answer.normalized.text);
    const std::vector<Span> prompt_pii = pii_->find(call.prompt);
    const std::vector<Span> answer_pii = pii_->find(call.response);
    score_safety(call, prompt, answer, prompt_pii, answer_pii);
    score_abuse(call, prompt_doc);
    const bool answered = text_answer && call.status == InteractionStatus::kOk && !call.empty_response;
    if (answered) {
      call.semantic_similarity_score =
          semantic_similarity(model_, prompt.normalized.text, prompt_doc, answer.normalized.text, answer_doc);
      const bool refusal = is_refusal(answer.normalized.text);
      if (!refusal) score_support(call);
      score_drift(call, prompt, answer, prompt_doc, answer_doc, refusal);
    }
    call.prompt = stored_form(call.prompt, prompt_pii);
    call.response = stored_form(call.response, answer_pii);
    call.context.clear();
  }

  void redact(Interaction& call) const override {
    if (call.redacted) return;
    call.response_length = static_cast<int64_t>(code_point_count(call.response));
    const std::vector<Span> prompt_pii = pii_->find(call.prompt);
    const std::vector<Span> answer_pii = pii_->find(call.response);
    note_pii(call, prompt_pii, answer_pii);
    const TextRisk leak = leak_risk(call, answer_pii);
    call.safety_label = leak.label;
    call.safety_categories = leak.categories;
    call.safety_score = 1.0 - leak.risk;
    call.prompt = stored_form(call.prompt, prompt_pii);
    call.response = stored_form(call.response, answer_pii);
    call.context.clear();
    call.redacted = true;
  }

  void set_prices(std::shared_ptr<const PriceTable> prices) override { prices_ = std::move(prices); }

  PromptCheck check_prompt(std::string_view prompt) const override {
    const TextAssessment assessment = assess(model_, prompt);
    return {injection_risk(model_, assessment), safety_risk(model_, assessment), pii_types(pii_->find(prompt))};
  }

  std::vector<DriftTracker::Summary> drift_summaries() const override { return drift_.summaries(); }
  std::string save_drift() const override { return drift_.save(); }
  Status load_drift(std::string_view json) override { return drift_.load(json); }
  size_t frozen_references() const override { return drift_.frozen(); }
  size_t reset_drift(const DriftRoute& route) override {
    return drift_.reset([&](std::string_view key) { return matches(route, key); });
  }
  size_t adopt_drift(const DriftRoute& route) override {
    return drift_.adopt([&](std::string_view key) { return matches(route, key); });
  }

 private:
  void score_safety(Interaction& call, const TextAssessment& prompt, const TextAssessment& answer,
                    const std::vector<Span>& prompt_pii, const std::vector<Span>& answer_pii) {
    TextRisk injection = injection_risk(model_, prompt);
    if (!call.context.empty()) {
      TextRisk document = injection_risk(model_, assess(model_, call.context));
      if (document.risk > injection.risk) injection = std::move(document);
    }
    call.prompt_injection_risk = injection.risk;
    TextRisk leak;
    if (call.redacted) {  // what redact() found is no longer in the texts
      leak = TextRisk{1.0 - call.safety_score.value_or(1), call.safety_label, call.safety_categories, {}};
    } else {
      leak = leak_risk(call, answer_pii);
      call.pii_types.clear();
    }
    note_pii(call, prompt_pii, answer_pii);

    double worst = 0;
    call.safety_label = "SAFE";
    call.safety_categories.clear();
    for (const TextRisk& risk :
         {std::move(injection), safety_risk(model_, prompt), safety_risk(model_, answer), std::move(leak)}) {
      if (risk.risk > worst && risk.label != "SAFE") call.safety_label = risk.label;
      worst = std::max(worst, risk.risk);
      for (const std::string& category : risk.categories) {
        if (std::find(call.safety_categories.begin(), call.safety_categories.end(), category) ==
            call.safety_categories.end()) {
          call.safety_categories.push_back(category);
        }
      }
    }
    call.safety_score = 1.0 - worst;
  }

  static void note_pii(Interaction& call, const std::vector<Span>& prompt_pii, const std::vector<Span>& answer_pii) {
    for (const std::vector<Span>* spans : {&answer_pii, &prompt_pii}) {
      for (const std::string& type : pii_types(*spans)) {
        if (std::find(call.pii_types.begin(), call.pii_types.end(), type) == call.pii_types.end())
          call.pii_types.push_back(type);
      }
    }
  }

  // Personal data in an answer is a leak when neither the user nor the document had brought it.
  static TextRisk leak_risk(const Interaction& call, const std::vector<Span>& answer_pii) {
    TextRisk out;
    for (const Span& span : answer_pii) {
      const std::string_view value = std::string_view(call.response).substr(span.begin, span.end - span.begin);
      if (call.prompt.find(value) != std::string::npos) continue;
      const std::string_view type = std::string_view(span.type).substr(0, span.type.find(':'));
      const bool sensitive = std::find(kSensitive.begin(), kSensitive.end(), type) != kSensitive.end();
      if (!sensitive && call.context.find(value) != std::string::npos) continue;
      out.risk = std::max(out.risk, sensitive ? kLeakRisk : kPersonalDataRisk);
    }
    if (out.risk > 0.5) {
      out.label = "PII_LEAK";
      out.categories = {"PII_LEAK"};
    }
    return out;
  }

  void score_abuse(Interaction& call, const FeatureDoc& prompt_doc) const {
    const int64_t tokens = call.tokens_input.value_or(static_cast<int64_t>(call.prompt.size()) / kBytesPerToken);
    call.token_abuse =
        tokens > options_.token_abuse_input_tokens ||
        (prompt_doc.tokens().size() >= kRepetitionWordsMin && repetition(prompt_doc) >= kRepetitionAbuse);
  }

  void score_support(Interaction& call) const {
    if (is_blank(call.context)) return;
    const std::optional<SupportResult> result = support_->score(call.context, call.prompt, call.response);
    if (!result) return;
    call.support_score = result->score;
    call.ungrounded = result->score < options_.ungrounded_below;
  }

  void score_drift(Interaction& call, const TextAssessment& prompt, const TextAssessment& answer,
                   const FeatureDoc& prompt_doc, const FeatureDoc& answer_doc, bool refusal) {
    DriftCall sample;
    sample.request_id = call.request_id;
    sample.model_version = call.model_version;
    sample.sample.reserve(kDriftSize);
    add_side(call.prompt, prompt, prompt_doc, false, sample.sample);
    add_side(call.response, answer, answer_doc, refusal, sample.sample);
    const std::optional<DriftTracker::Observation> seen = drift_.observe(drift_key(route_of(call)), std::move(sample));
    call.baseline_ready = seen && seen->score.baseline_ready;
    if (!call.baseline_ready) return;
    call.similarity_score = seen->score.similarity;
    call.drift_score = 1.0 - seen->score.similarity;
    if (seen->window && options_.drift_window_closed) options_.drift_window_closed(*seen->window);
  }

  void add_side(std::string_view text, const TextAssessment& assessment, const FeatureDoc& doc, bool refusal,
                std::vector<float>& sample) const {
    const std::vector<float> topic = embed_doc(model_, FeatureDoc(drift_text(assessment.normalized.text)));
    const std::array<float, kStyleSize> style = style_of(text, doc, refusal);
    sample.insert(sample.end(), topic.begin(), topic.end());
    sample.insert(sample.end(), style.begin(), style.end());
  }

  static std::string stored_form(std::string_view text, const std::vector<Span>& spans) {
    std::string out = analysis::redact(text.substr(0, kPiiBytesMax), spans);
    if (text.size() > kPiiBytesMax) out += "[CUT]";
    return is_valid_utf8(out) ? out : to_valid_utf8(out);
  }

  const AnalyzerOptions options_;
  std::atomic<std::shared_ptr<const PriceTable>> prices_;
  const HeadModel& model_ = HeadModel::embedded();
  std::unique_ptr<PiiDetector> pii_;
  std::unique_ptr<SupportDetector> support_;
  DriftTracker drift_;
};

}  // namespace

Result<std::unique_ptr<Analyzer>> Analyzer::open(AnalyzerOptions options) {
  PriceTable prices;
  if (!options.prices_yaml.empty()) {
    SENTINEL_ASSIGN(prices, PriceTable::parse(options.prices_yaml, options.prices_path));
  } else if (!options.prices_path.empty()) {
    SENTINEL_ASSIGN(prices, PriceTable::load(options.prices_path));
  }
  std::unique_ptr<PiiDetector> pii;
  SENTINEL_ASSIGN(pii, make_pii_detector());
  return std::make_unique<SentinelAnalyzer>(std::move(options), std::move(prices), std::move(pii));
}

}  // namespace sentinel::analysis
