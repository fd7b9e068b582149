#pragma once
// A call as a span of OpenTelemetry's conventions for generative AI, in OTLP's JSON.
//
// Names are those of semantic conventions v1.36 (gen_ai.system). OTEL_SEMCONV_STABILITY_OPT_IN with
// gen_ai_latest_experimental asks for the newer ones: gen_ai.provider.name, cached and reasoning tokens, time to the
// first chunk, and our scores as gen_ai.evaluation.result events.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "model/interaction.h"

namespace sentinel::ingest {

struct SpanNames {
  bool latest = false;
  // What the conventions call a provider, by its name in the gateway's configuration; others keep their name.
  std::map<std::string, std::string, std::less<>> providers;
  bool operator==(const SpanNames&) const = default;
};

// Of the environment variable's value: a comma-separated list.
bool wants_latest_genai(std::string_view stability_opt_in);
// OTEL_SEMCONV_STABILITY_OPT_IN of this process.
bool latest_genai_from_environment();

// One span object. REQUIRES: trace_id and span_id. No prompt, no answer.
std::string span_json(const model::Interaction& call, const SpanNames& names);

// ExportTraceServiceRequest of spans of one service and environment.
std::string export_json(std::string_view service, std::string_view env, const std::vector<std::string>& spans);

}  // namespace sentinel::ingest
