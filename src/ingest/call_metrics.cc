#include "ingest/call_metrics.h"

#include <algorithm>
#include <array>

#include <absl/container/flat_hash_map.h>

#include "ingest/genai_metrics.h"
#include "ingest/limits.h"
#include "ingest/overflow.h"

namespace sentinel::ingest {
namespace {

const std::vector<double> kLatencyMs{25,   50,   100,  200,  300,  400,   500,   750,   1000, 1500,
                                     2000, 3000, 4000, 5000, 7500, 10000, 20000, 30000, 60000};
const std::vector<double> kScore{0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1};
const std::vector<double> kLength{0, 10, 50, 100, 200, 400, 800, 1600, 3200, 6400, 12800};
const std::vector<double> kInferenceSeconds{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

// Flags that may be labels. A caller may send any other: it stays in llm_events.
constexpr std::array<std::string_view, 10> kSimulateLabels{
    "simulate_bad_prompt", "simulate_block",        "simulate_drift", "simulate_empty", "simulate_error",
    "simulate_latency",    "simulate_long_context", "simulate_pii",   "simulate_retry", "simulate_ungrounded"};

// Parts of the tokens of a call that have a price of their own.
struct TokenClass {
  const char* name;
  std::optional<int64_t> model::Interaction::* tokens;
};
constexpr std::array<TokenClass, 8> kTokenClasses{{{"cached_input", &model::Interaction::tokens_cached_input},
                                                   {"cache_write", &model::Interaction::tokens_cache_write},
                                                   {"cache_write_1h", &model::Interaction::tokens_cache_write_1h},
                                                   {"reasoning", &model::Interaction::tokens_reasoning},
                                                   {"audio_input", &model::Interaction::tokens_audio_input},
                                                   {"audio_output", &model::Interaction::tokens_audio_output},
                                                   {"image_input", &model::Interaction::tokens_image_input},
                                                   {"image_output", &model::Interaction::tokens_image_output}}};

}  // namespace

// One for each label set; the references live as long as the registry.
struct CallMetrics::Series {
  MetricLabels labels;
  bool shared;  // by every label set past the limit
  Counter& ok;
  Counter& failed;
  Counter& retries;
  Counter& timeouts;
  Counter& empty;
  Counter& safety_blocks;
  Counter& tokens_input;
  Counter& tokens_output;
  Counter& cost_usd;
  Counter& cost_unknown;
  Counter& support_checked;
  Counter& ungrounded;
  Counter& token_abuse;
  Counter& pii;
  Histogram& latency_ms;
  Histogram& ttft_ms;
  Histogram& response_length;
  Histogram& semantic_similarity;
  Histogram& safety_score;
  Histogram& injection_risk;
  Histogram& inference_seconds;  // of the model, whatever the other labels
  Counter& tokens_generated;     // likewise
  // Made with their first value: a gauge that says 0 because nothing is known yet ends an alert that is right.
  Gauge* drift_score = nullptr;
  Gauge* similarity_score = nullptr;
  Gauge* baseline_ready = nullptr;
  std::array<Counter*, kTokenClasses.size()> token_classes{};  // likewise: few calls have any
  std::array<Counter*, model::kQualityIssues.size()> quality{};
};

struct CallMetrics::Impl {
  MetricRegistry& registry;
  GenAiMetrics gen_ai;
  absl::flat_hash_map<std::string, std::unique_ptr<Series>> by_key;
  std::unique_ptr<Series> shared;
  Counter* over_limit = nullptr;

  std::unique_ptr<Series> make(MetricLabels labels, const MetricLabels& by_model, bool for_all_others);
};

namespace {

MetricLabels labels_of(const model::Interaction& i) {
  MetricLabels labels{{"service", i.service},
                      {"env", i.env},
                      {"endpoint", i.endpoint},
                      {"model", i.model},
                      {"model_version", i.model_version},
                      {"provider", i.provider},
                      {"request_type", i.request_type}};
  for (const std::string& flag : i.simulate_flags) {
    if (std::find(kSimulateLabels.begin(), kSimulateLabels.end(), flag) != kSimulateLabels.end())
      labels.emplace_back(flag, "true");
  }
  std::erase_if(labels, [](const auto& label) { return label.second.empty(); });
  return labels;
}

// The drift gauges follow a route and model through its versions: a new version moves the same series.
MetricLabels drift_labels_of(const model::Interaction& i) {
  MetricLabels labels{{"service", i.service}, {"env", i.env},           {"endpoint", i.endpoint},
                      {"model", i.model},     {"provider", i.provider}, {"request_type", i.request_type}};
  std::erase_if(labels, [](const auto& label) { return label.second.empty(); });
  return labels;
}

MetricLabels plus(MetricLabels labels, std::string name, std::string value) {
  labels.emplace_back(std::move(name), std::move(value));
  return labels;
}

}  // namespace

std::unique_ptr<CallMetrics::Series> CallMetrics::Impl::make(MetricLabels l, const MetricLabels& by_model,
                                                             bool for_all_others) {
  MetricRegistry& r = registry;
  return std::unique_ptr<Series>(new Series{
      l,
      for_all_others,
      r.counter("llm_requests_total", "LLM calls by outcome.", plus(l, "status", "ok")),
      r.counter("llm_requests_total", "LLM calls by outcome.", plus(l, "status", "error")),
      r.counter("llm_retry_count_total", "Attempts beyond the first.", l),
      r.counter("llm_timeout_count_total", "Calls that ended in a timeout.", l),
      r.counter("llm_empty_response_count_total", "Successful calls without any text.", l),
      r.counter("llm_safety_block_count_total", "Calls blocked by a guard or by the provider's content filter.", l),
      r.counter("llm_tokens_input_total", "Prompt tokens.", l),
      r.counter("llm_tokens_output_total", "Answer tokens.", l),
      r.counter("llm_cost_usd_total", "Cost in US dollars, where the price is known.", l),
      r.counter("llm_cost_unknown_total", "Calls whose model has no price.", l),
      r.counter("llm_support_checked_total", "Answers checked against a document.", l),
      r.counter("llm_ungrounded_answer_flag_total", "Checked answers not supported by their document.", l),
      r.counter("llm_security_token_abuse_total", "Calls that waste tokens.", l),
      r.counter("llm_security_pii_total", "Calls with personal data or a secret in prompt or answer.", l),
      r.histogram("llm_request_latency_ms", "Whole call in milliseconds.", kLatencyMs, l),
      r.histogram("llm_time_to_first_token_ms", "First token of a stream in milliseconds.", kLatencyMs, l),
      r.histogram("llm_response_length", "Characters of the answer.", kLength, l),
      r.histogram("llm_semantic_similarity_score", "Answer against question, 0..1.", kScore, l),
      r.histogram("llm_safety_score", "1 is safe.", kScore, l),
      r.histogram("llm_security_prompt_injection_risk", "Risk of the prompt, 0..1.", kScore, l),
      r.histogram("model_inference_duration_seconds", "Whole call by model.", kInferenceSeconds, by_model),
      r.counter("tokens_generated_total", "Answer tokens by model.", by_model)});
}

CallMetrics::CallMetrics(MetricRegistry& registry, SpanNames names)
    : impl_(new Impl{.registry = registry, .gen_ai{registry, std::move(names)}, .by_key = {}, .shared = {}}) {}
CallMetrics::~CallMetrics() = default;

size_t CallMetrics::label_sets() const { return impl_->by_key.size(); }
void CallMetrics::set_names(SpanNames names) { impl_->gen_ai.set_names(std::move(names)); }

CallMetrics::Series& CallMetrics::series_for(const model::Interaction& i) {
  MetricLabels l = labels_of(i);
  std::string key;
  for (const auto& [name, value] : l) key.append(name).append(1, '\xff').append(value).append(1, '\xfe');
  if (const auto found = impl_->by_key.find(key); found != impl_->by_key.end()) return *found->second;
  if (impl_->by_key.size() < kCallLabelSetsMax) {
    return *impl_->by_key.emplace(std::move(key), impl_->make(std::move(l), {{"model_name", i.model}}, false))
                .first->second;
  }
  if (impl_->shared == nullptr) {
    impl_->shared = impl_->make(overflow_labels(), overflow_labels(), true);
    impl_->over_limit = &overflow_counter(impl_->registry, "llm_requests_total");
  }
  impl_->over_limit->add();
  return *impl_->shared;
}

void CallMetrics::record(const model::Interaction& i) {
  if (i.test_mode) {
    impl_->registry.counter("llm_test_calls_total", "Calls marked as a test: stored and scored, in no other series.")
        .add();
    return;
  }
  impl_->gen_ai.record(i);
  Series& s = series_for(i);
  record_outcome(s, i);
  record_scores(s, i);
}

void CallMetrics::record_outcome(Series& s, const model::Interaction& i) {
  const bool ok = i.status == model::InteractionStatus::kOk;
  (ok ? s.ok : s.failed).add();
  if (!ok) {
    MetricLabels l = plus(s.labels, "error_type", i.error_type);
    impl_->registry.counter("llm_error_count_total", "Failed calls by whose fault it was.", std::move(l)).add();
    if (i.error_type.find("timeout") != std::string::npos) s.timeouts.add();
  }
  if (i.retry_count > 0) s.retries.add(i.retry_count);
  if (ok && i.empty_response) s.empty.add();
  if (i.guard_action == "block" || i.finish_reason == "content_filter") s.safety_blocks.add();
  if (i.tokens_input) s.tokens_input.add(static_cast<double>(*i.tokens_input));
  if (i.tokens_output) {
    s.tokens_output.add(static_cast<double>(*i.tokens_output));
    s.tokens_generated.add(static_cast<double>(*i.tokens_output));
  }
  record_classes(s, i);
  if (i.cost_microusd)
    s.cost_usd.add(static_cast<double>(*i.cost_microusd) / 1e6);
  else if (ok && i.tokens_output)
    s.cost_unknown.add();
  s.latency_ms.observe(i.latency_ms);
  s.inference_seconds.observe(i.latency_ms / 1000);
  if (i.ttft_ms) s.ttft_ms.observe(*i.ttft_ms);
  if (ok) s.response_length.observe(static_cast<double>(i.response_length));
}

void CallMetrics::record_classes(Series& s, const model::Interaction& i) {
  for (size_t n = 0; n < kTokenClasses.size(); ++n) {
    const int64_t tokens = (i.*kTokenClasses[n].tokens).value_or(0);
    if (tokens <= 0) continue;
    if (s.token_classes[n] == nullptr) {
      s.token_classes[n] = &impl_->registry.counter("llm_tokens_class_total",
                                                    "Tokens by what they are; each class is a part of input or output.",
                                                    plus(s.labels, "class", kTokenClasses[n].name));
    }
    s.token_classes[n]->add(static_cast<double>(tokens));
  }
}

void CallMetrics::record_quality(Series& s, const model::Interaction& i) {
  for (const std::string& issue : i.quality_issues) {
    const auto known = std::find(model::kQualityIssues.begin(), model::kQualityIssues.end(), issue);
    if (known == model::kQualityIssues.end()) continue;
    Counter*& counter = s.quality[static_cast<size_t>(known - model::kQualityIssues.begin())];
    if (counter == nullptr) {
      counter = &impl_->registry.counter("llm_quality_issues_total", "Answers that something is odd about, by what.",
                                         plus(s.labels, "issue", issue));
    }
    counter->add();
  }
}

void CallMetrics::record_scores(Series& s, const model::Interaction& i) {
  record_quality(s, i);
  if (i.semantic_similarity_score) s.semantic_similarity.observe(*i.semantic_similarity_score);
  if (i.safety_score) s.safety_score.observe(*i.safety_score);
  if (!i.safety_label.empty() && i.safety_label != "SAFE") {
    MetricLabels l = plus(s.labels, "label", i.safety_label);
    impl_->registry.counter("llm_safety_events_total", "Calls by worst safety label.", std::move(l)).add();
  }
  if (i.prompt_injection_risk) s.injection_risk.observe(*i.prompt_injection_risk);
  if (i.token_abuse) s.token_abuse.add();
  if (!i.pii_types.empty()) s.pii.add();
  if (i.ungrounded) {
    s.support_checked.add();
    if (*i.ungrounded) s.ungrounded.add();
  }
  if (s.shared) return;  // the last value of many models says nothing of any
  const auto set = [&](Gauge*& gauge, const char* name, const char* help, double value) {
    if (gauge == nullptr) gauge = &impl_->registry.gauge(name, help, drift_labels_of(i));
    gauge->set(value);
  };
  if (i.drift_score) set(s.drift_score, "llm_drift_score", "1 - similarity to the frozen reference.", *i.drift_score);
  if (i.similarity_score)
    set(s.similarity_score, "llm_similarity_score", "Similarity to the frozen reference.", *i.similarity_score);
  if (i.status == model::InteractionStatus::kOk)
    set(s.baseline_ready, "llm_baseline_ready", "1 when the reference is frozen.", i.baseline_ready ? 1 : 0);
}

}  // namespace sentinel::ingest
