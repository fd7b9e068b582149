#include "ingest/genai_metrics.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <array>

#include "ingest/limits.h"
#include "ingest/overflow.h"

namespace sentinel::ingest {
namespace {

// As the conventions prescribe them.
const std::vector<double> kTokens{1,     4,     16,     64,      256,     1024,     4096,
                                  16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};
const std::vector<double> kSeconds(model::ChunkGaps::kBoundsS.begin(), model::ChunkGaps::kBoundsS.end());
const std::vector<double> kFirstToken{0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,
                                      0.25,  0.5,   0.75, 1.0,  2.5,  5.0,  7.5,  10.0};
const std::vector<double> kPerToken{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5};

std::string operation_of(const model::Interaction& i) {
  if (i.request_type == "completion") return "text_completion";
  if (i.request_type == "embedding") return "embeddings";
  return i.request_type;
}

MetricLabels labels_of(const model::Interaction& i, const SpanNames& names) {
  const auto known = names.providers.find(i.provider);
  MetricLabels labels{{"gen_ai_operation_name", operation_of(i)},
                      {names.latest ? "gen_ai_provider_name" : "gen_ai_system",
                       known == names.providers.end() ? i.provider : known->second},
                      {"gen_ai_request_model", i.model},
                      {"gen_ai_response_model", i.model_version},
                      {"error_type", i.error_type}};
  std::erase_if(labels, [](const auto& label) { return label.second.empty(); });
  return labels;
}

// Of the newer conventions: sums by modality.
constexpr size_t kUsages = 9;
struct Usage {
  const char* name;
  const char* modality;
};
constexpr std::array<Usage, kUsages> kUsage = {{
    {"gen_ai_client_inference_usage_input_tokens_total", "text"},
    {"gen_ai_client_inference_usage_input_tokens_total", "audio"},
    {"gen_ai_client_inference_usage_input_tokens_total", "image"},
    {"gen_ai_client_inference_usage_output_tokens_total", "text"},
    {"gen_ai_client_inference_usage_output_tokens_total", "audio"},
    {"gen_ai_client_inference_usage_output_tokens_total", "image"},
    {"gen_ai_client_inference_usage_cache_read_input_tokens_total", "unknown"},
    {"gen_ai_client_inference_usage_cache_write_input_tokens_total", "unknown"},
    {"gen_ai_client_inference_usage_reasoning_output_tokens_total", "unknown"},
}};

constexpr bool is_text(size_t usage) { return std::string_view(kUsage[usage].modality) == "text"; }

// In the order of kUsage. A failure used nothing that is known: 0.
std::array<int64_t, kUsages> usage_of(const model::Interaction& i) {
  const auto of = [](std::optional<int64_t> tokens) { return std::max<int64_t>(tokens.value_or(0), 0); };
  const int64_t audio_in = of(i.tokens_audio_input);
  const int64_t audio_out = of(i.tokens_audio_output);
  const int64_t image_in = of(i.tokens_image_input);
  const int64_t image_out = of(i.tokens_image_output);
  return {std::max<int64_t>(of(i.tokens_input) - audio_in - image_in, 0),
          audio_in,
          image_in,
          std::max<int64_t>(of(i.tokens_output) - audio_out - image_out, 0),
          audio_out,
          image_out,
          of(i.tokens_cached_input),
          of(i.tokens_cache_write),
          of(i.tokens_reasoning)};
}

}  // namespace

// What a label set has not seen has no series: embeddings know no first token.
struct GenAiMetrics::Series {
  MetricLabels labels;
  Histogram* duration = nullptr;
  Histogram* served = nullptr;
  Histogram* input = nullptr;
  Histogram* output = nullptr;
  Histogram* inference_input = nullptr;
  Histogram* inference_output = nullptr;
  Histogram* first_chunk = nullptr;
  Histogram* per_chunk = nullptr;
  Histogram* first_token = nullptr;
  Histogram* per_token = nullptr;
  std::array<Counter*, kUsages> usage{};
};

struct GenAiMetrics::Impl {
  MetricRegistry& registry;
  SpanNames names;
  absl::flat_hash_map<std::string, std::unique_ptr<Series>> by_key;
  Series shared;
  Counter* over_limit = nullptr;

  Series& series_for(const model::Interaction& i) {
    std::string key;
    for (const std::string* part : {&i.request_type, &i.provider, &i.model, &i.model_version, &i.error_type})
      key.append(*part).append(1, '\xff');
    if (const auto found = by_key.find(key); found != by_key.end()) return *found->second;
    if (by_key.size() < kCallLabelSetsMax)
      return *by_key.emplace(std::move(key), std::make_unique<Series>(Series{.labels = labels_of(i, names)}))
                  .first->second;
    if (over_limit == nullptr) {
      shared.labels = overflow_labels();
      over_limit = &overflow_counter(registry, "gen_ai_client_operation_duration_seconds");
    }
    over_limit->add();
    return shared;
  }
  void observe(Series& series, Histogram*& histogram, const char* name, const char* help,
               const std::vector<double>& bounds, double value);
  void record_latest(Series& series, const model::Interaction& interaction);
  Histogram& tokens(const Series& series, const char* type) {
    MetricLabels labels = series.labels;
    labels.emplace_back("gen_ai_token_type", type);
    return registry.histogram("gen_ai_client_token_usage", "Tokens of a call.", kTokens, std::move(labels));
  }
};

GenAiMetrics::GenAiMetrics(MetricRegistry& registry, SpanNames names)
    : impl_(new Impl{.registry = registry, .names = std::move(names), .by_key = {}, .shared = {}}) {}
GenAiMetrics::~GenAiMetrics() = default;

size_t GenAiMetrics::label_sets() const { return impl_->by_key.size(); }

void GenAiMetrics::set_names(SpanNames names) {
  if (names == impl_->names) return;
  impl_->names = std::move(names);
  impl_->by_key.clear();
}

void GenAiMetrics::Impl::observe(Series& s, Histogram*& histogram, const char* name, const char* help,
                                 const std::vector<double>& bounds, double value) {
  if (histogram == nullptr) histogram = &registry.histogram(name, help, bounds, s.labels);
  histogram->observe(value);
}

// Of the newer conventions.
void GenAiMetrics::Impl::record_latest(Series& s, const model::Interaction& i) {
  const auto tokens = usage_of(i);
  for (size_t n = 0; n < kUsages; ++n) {
    if (s.usage[n] == nullptr) {
      if (tokens[n] == 0 && !is_text(n)) continue;
      MetricLabels labels = s.labels;
      labels.emplace_back("gen_ai_token_modality", kUsage[n].modality);
      s.usage[n] = &registry.counter(kUsage[n].name, "Tokens used, by modality.", std::move(labels));
    }
    s.usage[n]->add(static_cast<double>(tokens[n]));
  }
  if (i.tokens_input)
    observe(s, s.inference_input, "gen_ai_client_inference_operation_input_tokens", "Input tokens of a call.", kTokens,
            static_cast<double>(*i.tokens_input));
  if (i.tokens_output)
    observe(s, s.inference_output, "gen_ai_client_inference_operation_output_tokens", "Output tokens of a call.",
            kTokens, static_cast<double>(*i.tokens_output));
  if (!i.ttft_ms) return;
  observe(s, s.first_chunk, "gen_ai_client_operation_time_to_first_chunk_seconds", "Until the first chunk of a stream.",
          kSeconds, *i.ttft_ms / 1000);
  for (size_t n = 0; n < i.chunk_gaps.counts.size(); ++n) {
    const uint32_t count = i.chunk_gaps.counts[n];
    const double mean = static_cast<double>(i.chunk_gaps.sums_s[n]) / std::max(count, 1U);
    for (uint32_t each = 0; each < count; ++each)
      observe(s, s.per_chunk, "gen_ai_client_operation_time_per_output_chunk_seconds",
              "Between the chunks of a stream, after the first.", kSeconds, mean);
  }
}

void GenAiMetrics::record(const model::Interaction& i) {
  Series& s = impl_->series_for(i);
  const auto observe = [&](Histogram*& histogram, const char* name, const char* help, const std::vector<double>& bounds,
                           double value) { impl_->observe(s, histogram, name, help, bounds, value); };
  const double seconds = i.latency_ms / 1000;
  observe(s.duration, "gen_ai_client_operation_duration_seconds", "Whole call.", kSeconds, seconds);
  observe(s.served, "gen_ai_server_request_duration_seconds", "Whole call, as its caller sees it.", kSeconds, seconds);
  if (i.tokens_input) {
    if (s.input == nullptr) s.input = &impl_->tokens(s, "input");
    s.input->observe(static_cast<double>(*i.tokens_input));
  }
  if (i.tokens_output) {
    if (s.output == nullptr) s.output = &impl_->tokens(s, "output");
    s.output->observe(static_cast<double>(*i.tokens_output));
  }
  if (impl_->names.latest) impl_->record_latest(s, i);
  if (!i.ttft_ms) return;
  const double first = *i.ttft_ms / 1000;
  observe(s.first_token, "gen_ai_server_time_to_first_token_seconds", "Until the first token of a stream.", kFirstToken,
          first);
  if (i.tokens_output && *i.tokens_output > 1 && seconds >= first) {
    observe(s.per_token, "gen_ai_server_time_per_output_token_seconds", "A token of a stream, after the first.",
            kPerToken, (seconds - first) / static_cast<double>(*i.tokens_output - 1));
  }
}

}  // namespace sentinel::ingest
