#include "analysis/analyzer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>

#include "analysis/drift.h"
#include "analysis/embedding.h"
#include "analysis/language.h"
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
constexpr double kLeakThreshold = 0.5;
constexpr double kUngroundedBelow = 0.5;
constexpr double kDriftExplained = 0.2;  // of drift_score
constexpr double kRepetitionAbuse = 0.6;
constexpr double kRepetitionOdd = 0.5;  // of an answer
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
  SentinelAnalyzer(AnalyzerOptions options, std::unique_ptr<PiiDetector> pii)
      : options_(std::move(options)),
        prices_(options_.prices ? options_.prices : std::make_shared<const PriceTable>()),
        pii_(std::move(pii)),
        support_(make_support_detector(model_)),
        policies_(options_.policies),
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
    const Policy& policy = policies_.of(call);
    call.explanation.clear();
    call.quality_issues.clear();
    score_safety(call, policy, prompt, answer, prompt_pii, answer_pii);
    score_abuse(call, prompt_doc);
    const bool answered = text_answer && call.status == InteractionStatus::kOk && !call.empty_response;
    if (answered) {
      call.semantic_similarity_score =
          semantic_similarity(model_, prompt.normalized.text, prompt_doc, answer.normalized.text, answer_doc);
      const bool refusal = is_refusal(answer.normalized.text);
      score_quality(call, prompt, answer, answer_doc, refusal);
      if (!refusal) score_support(call, policy);
      score_drift(call, prompt, answer, prompt_doc, answer_doc, refusal);
    }
    const std::string withheld = withheld_for(call, policy);
    if (!withheld.empty()) {
      for (std::string& line : call.explanation) line.resize(std::min(line.size(), line.find(": ")));  // no quotes
    }
    call.prompt = withheld.empty() ? stored_form(call.prompt, prompt_pii) : withheld;
    call.response = withheld.empty() ? stored_form(call.response, answer_pii) : withheld;
    if (!keep_documents_ || !withheld.empty()) {
      call.context.clear();
    } else {
      call.context = stored_form(call.context, pii_->find(call.context));
    }
    call.tool_output.clear();
  }

  void redact(Interaction& call) const override {
    if (call.redacted) return;
    call.response_length = static_cast<int64_t>(code_point_count(call.response));
    const std::vector<Span> prompt_pii = pii_->find(call.prompt);
    const std::vector<Span> answer_pii = pii_->find(call.response);
    note_pii(call, prompt_pii, answer_pii);
    const TextRisk leak = leak_risk(call, answer_pii, kLeakThreshold);
    call.safety_label = leak.label;
    call.safety_categories = leak.categories;
    call.safety_score = 1.0 - leak.risk;
    call.prompt = stored_form(call.prompt, prompt_pii);
    call.response = stored_form(call.response, answer_pii);
    call.context.clear();
    call.tool_output.clear();
    call.redacted = true;
  }

  void set_prices(std::shared_ptr<const PriceTable> prices) override { prices_ = std::move(prices); }

  PromptCheck check_prompt(std::string_view prompt) const override {
    const TextAssessment assessment = assess(model_, prompt);
    return {injection_risk(model_, assessment), safety_risk(model_, assessment), pii_types(pii_->find(prompt))};
  }

  void set_policies(Policies policies) override { policies_ = std::move(policies); }
  void keep_documents(bool keep) override { keep_documents_ = keep; }
  std::vector<DriftTracker::Summary> drift_summaries() const override { return drift_.summaries(); }
  std::vector<DriftTracker::Document> drift_changes() const override { return drift_.changes(); }
  void drift_saved() override { drift_.saved(); }
  Status load_drift(const std::vector<std::string>& documents) override { return drift_.load(documents); }
  size_t frozen_references() const override { return drift_.frozen(); }
  size_t reset_drift(const DriftRoute& route) override {
    return drift_.reset([&](std::string_view key) { return matches(route, key); });
  }
  size_t adopt_drift(const DriftRoute& route) override {
    return drift_.adopt([&](std::string_view key) { return matches(route, key); });
  }

 private:
  // One text of a call, as it is judged.
  struct Part {
    const char* name;
    std::string_view text;
    const TextAssessment& assessment;
  };
  using Judge = TextRisk (*)(const HeadModel&, const TextAssessment&, std::optional<double>);

  // Findings of one call, gathered.
  struct Safety {
    const Policy& policy;
    double worst = 0;  // of all that counts on this route
  };

  void score_safety(Interaction& call, const Policy& policy, const TextAssessment& prompt, const TextAssessment& answer,
                    const std::vector<Span>& prompt_pii, const std::vector<Span>& answer_pii) {
    TextRisk leak;
    if (call.redacted) {  // what redact() found is no longer in the texts
      leak = TextRisk{1.0 - call.safety_score.value_or(1), call.safety_label, call.safety_categories, {}};
    } else {
      leak = leak_risk(call, answer_pii, policy.thresholds.pii_leak.value_or(kLeakThreshold));
      call.pii_types.clear();
    }
    note_pii(call, prompt_pii, answer_pii);
    call.safety_label = "SAFE";
    call.safety_categories.clear();
    Safety safety{policy};
    add_finding(call, leak, "the response", leak.evidence, safety);
    score_injection(call, prompt, safety);
    for (const Part& part : {Part{"the prompt", call.prompt, prompt}, Part{"the response", call.response, answer}}) {
      judge(call, part, toxicity_risk, policy.thresholds.toxicity, safety);
      // Who declines asks for nothing, though "I can't help with that" stands near many a harmful request.
      if (&part.assessment == &answer && is_refusal(answer.normalized.text)) continue;
      judge(call, part, risky_risk, policy.thresholds.risky, safety);
    }
    call.safety_score = 1.0 - safety.worst;
  }

  // What the user said, what a document says and what a tool gave back are judged each by itself.
  void score_injection(Interaction& call, const TextAssessment& prompt, Safety& safety) {
    const std::optional<double> threshold = safety.policy.thresholds.injection;
    double risk = judge(call, {"the prompt", call.prompt, prompt}, injection_risk, threshold, safety);
    const auto other = [&](const char* name, std::string_view text, std::optional<double>& own) {
      if (text.empty()) return;
      own = judge(call, {name, text, assess(model_, text)}, injection_risk, threshold, safety);
      risk = std::max(risk, *own);
    };
    other("the document", call.context, call.document_injection_risk);
    other("tool output", call.tool_output, call.tool_injection_risk);
    call.prompt_injection_risk = risk;
  }

  double judge(Interaction& call, const Part& part, Judge detector, std::optional<double> threshold, Safety& safety) {
    const TextRisk risk = detector(model_, part.assessment, threshold);
    std::vector<std::string> evidence = risk.evidence;
    // What is quoted must not bring back what redaction takes away: the redacted text is judged again for its words.
    const std::vector<Span> pii = risk.label == "SAFE" ? std::vector<Span>() : pii_->find(part.text);
    if (!pii.empty()) evidence = detector(model_, assess(model_, stored_form(part.text, pii)), 0.0).evidence;
    add_finding(call, risk, part.name, evidence, safety);
    return risk.risk;
  }

  static void add_finding(Interaction& call, const TextRisk& risk, const char* where,
                          const std::vector<std::string>& evidence, Safety& safety) {
    const bool found = risk.label != "SAFE";
    if (found && safety.policy.action(risk.label) == FindingAction::kIgnore) return;
    if (found && risk.risk > safety.worst) call.safety_label = risk.label;
    safety.worst = std::max(safety.worst, risk.risk);
    if (!found) return;
    for (const std::string& category : risk.categories) {
      if (std::find(call.safety_categories.begin(), call.safety_categories.end(), category) ==
          call.safety_categories.end())
        call.safety_categories.push_back(category);
    }
    std::string line = fmt::format("{} {:.2f} in {}", risk.label, risk.risk, where);
    for (size_t i = 0; i < evidence.size(); ++i) line += (i == 0 ? ": " : "; ") + evidence[i];
    explain(call, std::move(line));
  }

  static void explain(Interaction& call, std::string line) {
    if (call.explanation.size() < kExplanationLinesMax) call.explanation.push_back(std::move(line));
  }

  // "" when the texts may be stored.
  static std::string withheld_for(const Interaction& call, const Policy& policy) {
    for (const std::string& category : call.safety_categories) {
      if (policy.action(category) == FindingAction::kWithhold) return "[WITHHELD: " + category + "]";
    }
    return "";
  }

  static void note_pii(Interaction& call, const std::vector<Span>& prompt_pii, const std::vector<Span>& answer_pii) {
    for (const std::vector<Span>* spans : {&answer_pii, &prompt_pii}) {
      for (const std::string& type : pii_types(*spans)) {
        if (std::find(call.pii_types.begin(), call.pii_types.end(), type) == call.pii_types.end())
          call.pii_types.push_back(type);
      }
    }
  }

  // Personal data in an answer is a leak when neither the user nor the document or a tool had brought it.
  static TextRisk leak_risk(const Interaction& call, const std::vector<Span>& answer_pii, double threshold) {
    TextRisk out;
    const Span* worst = nullptr;
    for (const Span& span : answer_pii) {
      const std::string_view value = std::string_view(call.response).substr(span.begin, span.end - span.begin);
      if (call.prompt.find(value) != std::string::npos) continue;
      const std::string_view type = std::string_view(span.type).substr(0, span.type.find(':'));
      const bool sensitive = std::find(kSensitive.begin(), kSensitive.end(), type) != kSensitive.end();
      if (!sensitive &&
          (call.context.find(value) != std::string::npos || call.tool_output.find(value) != std::string::npos))
        continue;
      const double risk = sensitive ? kLeakRisk : kPersonalDataRisk;
      if (risk > out.risk) worst = &span;
      out.risk = std::max(out.risk, risk);
    }
    const bool found = worst != nullptr && out.risk > threshold;
    if (worst != nullptr) out.risk = centered_risk(threshold, out.risk);
    if (found) {
      out.label = "PII_LEAK";
      out.categories = {"PII_LEAK"};
      out.evidence = {fmt::format("{} at bytes {} to {}", worst->type, worst->begin, worst->end)};
    }
    return out;
  }

  // What is odd about an answer without being a finding: a series and a column, no label.
  static void score_quality(Interaction& call, const TextAssessment& prompt, const TextAssessment& answer,
                            const FeatureDoc& answer_doc, bool refusal) {
    const auto note = [&](const char* issue, std::string why) {
      call.quality_issues.emplace_back(issue);
      explain(call, std::move(why));
    };
    const bool truncated = is_truncated(call.response, call.finish_reason);
    if (refusal) note("refusal", "REFUSAL: the answer declines");
    if (truncated) note("truncated", "TRUNCATED: the answer breaks off");
    if (const double share = repetition(answer_doc); share > kRepetitionOdd)
      note("repetition", fmt::format("REPETITION {:.2f}: of the answer's phrases are said again", share));
    if (!truncated && is_broken_json(call.response)) note("format", "FORMAT: the answer begins as JSON and is none");
    const std::string_view asked = script_of(call.prompt);
    const std::string_view answered = script_of(call.response);
    if (asked.empty() || answered.empty()) return;
    if (asked != answered) {
      note("language", fmt::format("LANGUAGE: asked in {} letters, answered in {}", asked, answered));
      return;
    }
    const std::string_view theirs = language_of(prompt.normalized.text);
    const std::string_view ours = language_of(answer.normalized.text);
    if (!theirs.empty() && !ours.empty() && theirs != ours && !names_language(prompt.normalized.text, ours))
      note("language", fmt::format("LANGUAGE: asked in {}, answered in {}", theirs, ours));
  }

  void score_abuse(Interaction& call, const FeatureDoc& prompt_doc) const {
    const int64_t tokens = call.tokens_input.value_or(static_cast<int64_t>(call.prompt.size()) / kBytesPerToken);
    call.token_abuse =
        tokens > options_.token_abuse_input_tokens ||
        (prompt_doc.tokens().size() >= kRepetitionWordsMin && repetition(prompt_doc) >= kRepetitionAbuse);
    if (call.token_abuse) explain(call, fmt::format("TOKEN_ABUSE: {} input tokens", tokens));
  }

  void score_support(Interaction& call, const Policy& policy) const {
    if (is_blank(call.context)) return;
    const std::optional<SupportResult> result = support_->score(call.context, call.prompt, call.response);
    if (!result) return;
    call.support_score = result->score;
    call.ungrounded = result->score < policy.thresholds.support.value_or(kUngroundedBelow);
    if (!*call.ungrounded) return;
    std::string line = fmt::format("UNGROUNDED {:.2f}", 1.0 - result->score);
    for (size_t i = 0; i < std::min(result->unsupported.size(), kEvidenceMax); ++i) {
      const Span& span = result->unsupported[i];
      line += fmt::format("{} bytes {} to {}", i == 0 ? ": not in the document:" : ",", span.begin, span.end);
    }
    if (!result->unsupported.empty()) line += " of the response";
    explain(call, std::move(line));
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
    if (*call.drift_score > kDriftExplained) {
      explain(call, fmt::format("DRIFT {:.2f}: the latest answers differ from the reference: {}", *call.drift_score,
                                seen->score.what));
    }
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
  bool keep_documents_ = false;
  Policies policies_;
  DriftTracker drift_;
};

}  // namespace

Result<std::unique_ptr<Analyzer>> Analyzer::open(AnalyzerOptions options) {
  std::unique_ptr<PiiDetector> pii;
  SENTINEL_ASSIGN(pii, make_pii_detector());
  return std::make_unique<SentinelAnalyzer>(std::move(options), std::move(pii));
}

}  // namespace sentinel::analysis
