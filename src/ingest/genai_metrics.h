#pragma once
// The metrics of OpenTelemetry's semantic conventions for generative AI, from the same calls as llm_*, under the names
// and labels an OpenTelemetry collector gives them in Prometheus: dots are underscores, the unit is the name's end.
//
//   gen_ai_client_token_usage{gen_ai_token_type="input"|"output"}   tokens of a call, where the provider says them
//   gen_ai_client_operation_duration_seconds                        the whole call; error_type when it failed
//   gen_ai_server_request_duration_seconds                          the same call as its caller sees the gateway
//   gen_ai_server_time_to_first_token_seconds                       streams
//   gen_ai_server_time_per_output_token_seconds                     streams, tokens after the first
//
// These are of v1.36, with gen_ai_system. With OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental the label is
// gen_ai_provider_name, and these of the newer conventions are there as well:
//
//   gen_ai_client_operation_time_to_first_chunk_seconds             streams
//   gen_ai_client_operation_time_per_output_chunk_seconds           streams, each chunk after the first
//   gen_ai_client_inference_operation_input_tokens, _output_tokens  tokens of a call
//   gen_ai_client_inference_usage_input_tokens_total{gen_ai_token_modality}   text, audio, image; output_tokens
//   likewise gen_ai_client_inference_usage_cache_read_input_tokens_total, _cache_write_input_tokens_total,
//   _reasoning_output_tokens_total                                  unknown modality
//
// Labels: gen_ai_operation_name, gen_ai_system or gen_ai_provider_name (what the conventions call the provider, else
// its name in the gateway's configuration), gen_ai_request_model, gen_ai_response_model. Past kCallLabelSetsMax label
// sets the calls of all others share {overflow="true"}, and
// sentinel_metric_overflow_total{metric="gen_ai_client_operation_duration_seconds"} counts them.

#include <memory>

#include "base/metrics.h"
#include "ingest/genai_spans.h"
#include "model/interaction.h"

namespace sentinel::ingest {

// Called by one thread at a time. Once a label set is known, a call costs one look-up and no lock.
class GenAiMetrics {
 public:
  GenAiMetrics(MetricRegistry& registry, SpanNames names);
  ~GenAiMetrics();
  void record(const model::Interaction& interaction);
  // What providers are called from now on.
  void set_names(SpanNames names);
  size_t label_sets() const;  // remembered, without the shared one

 private:
  struct Series;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sentinel::ingest
