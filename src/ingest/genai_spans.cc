#include "ingest/genai_spans.h"

#include <algorithm>
#include <cstdlib>

#include "base/strings.h"
#include "text/json.h"

namespace sentinel::ingest {
namespace {

constexpr int kClientKind = 3;
constexpr int kStatusError = 2;

// {"key":..,"value":{"stringValue":..}}; what is absent or empty is left out.
class Attributes {
 public:
  explicit Attributes(text::JsonWriter& json) : json_(json) { json_.key("attributes").begin_array(); }
  ~Attributes() { json_.end_array(); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;

  void text(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    begin(key).field("stringValue", value);
    end();
  }
  void integer(std::string_view key, std::optional<int64_t> value) {
    if (!value) return;
    begin(key).field("intValue", std::to_string(*value));  // 64 bits are a string in OTLP's JSON
    end();
  }
  void number(std::string_view key, std::optional<double> value) {
    if (!value) return;
    begin(key).field("doubleValue", *value);
    end();
  }
  void flag(std::string_view key, bool value) {
    begin(key).field("boolValue", value);
    end();
  }
  void texts(std::string_view key, std::string_view only) {
    if (only.empty()) return;
    begin(key).key("arrayValue").begin_object().key("values").begin_array();
    json_.begin_object().field("stringValue", only).end_object().end_array().end_object();
    end();
  }

 private:
  text::JsonWriter& begin(std::string_view key) {
    return json_.begin_object().field("key", key).key("value").begin_object();
  }
  void end() { json_.end_object().end_object(); }

  text::JsonWriter& json_;
};

std::string operation_of(const model::Interaction& call) {
  if (call.request_type == "completion") return "text_completion";
  if (call.request_type == "embedding") return "embeddings";
  return call.request_type;
}

std::string nanos(int64_t us) { return std::to_string(us) + "000"; }

void write_attributes(text::JsonWriter& json, const model::Interaction& call, const SpanNames& names) {
  Attributes out(json);
  out.text("gen_ai.operation.name", operation_of(call));
  const auto known = names.providers.find(call.provider);
  out.text(names.latest ? "gen_ai.provider.name" : "gen_ai.system",
           known == names.providers.end() ? call.provider : known->second);
  out.text("gen_ai.request.model", call.model);
  out.text("gen_ai.response.model", call.model_version);
  out.texts("gen_ai.response.finish_reasons", call.finish_reason);
  out.integer("gen_ai.usage.input_tokens", call.tokens_input);
  out.integer("gen_ai.usage.output_tokens", call.tokens_output);
  out.text("error.type", call.error_type);
  if (names.latest) {
    out.integer("gen_ai.usage.cache_read.input_tokens", call.tokens_cached_input);
    out.integer("gen_ai.usage.cache_creation.input_tokens", call.tokens_cache_write);
    out.integer("gen_ai.usage.reasoning.output_tokens", call.tokens_reasoning);
    if (call.stream) out.flag("gen_ai.request.stream", true);
    if (call.ttft_ms) out.number("gen_ai.response.time_to_first_chunk", *call.ttft_ms / 1000);
    out.text("gen_ai.conversation.id", call.session_id);
  }
  out.integer("http.response.status_code", call.http_status);
  out.text("sentinel.request_id", call.request_id);
  out.text("sentinel.endpoint", call.endpoint);
  out.integer("sentinel.retries", call.retry_count);
  out.flag("sentinel.cache_hit", call.cache_hit);
  if (call.guard_action != "none") out.text("sentinel.guard_action", call.guard_action);
  if (call.cost_microusd) out.number("sentinel.cost_usd", static_cast<double>(*call.cost_microusd) / 1e6);
}

void write_event(text::JsonWriter& json, const model::Interaction& call, int64_t end_us, std::string_view name,
                 std::optional<double> score, std::string_view label) {
  if (!score) return;
  json.begin_object().field("name", "gen_ai.evaluation.result").field("timeUnixNano", nanos(end_us));
  {
    Attributes out(json);
    out.text("gen_ai.evaluation.name", name);
    out.number("gen_ai.evaluation.score.value", score);
    out.text("gen_ai.evaluation.score.label", label);
    out.text("gen_ai.response.id", call.request_id);
  }
  json.end_object();
}

}  // namespace

bool wants_latest_genai(std::string_view stability_opt_in) {
  const std::vector<std::string_view> words = split(stability_opt_in, ',');
  return std::any_of(words.begin(), words.end(),
                     [](std::string_view word) { return trim(word) == "gen_ai_latest_experimental"; });
}

bool latest_genai_from_environment() {
  const char* const opt_in = std::getenv("OTEL_SEMCONV_STABILITY_OPT_IN");
  return opt_in != nullptr && wants_latest_genai(opt_in);
}

std::string span_json(const model::Interaction& call, const SpanNames& names) {
  const int64_t end_us = call.timestamp_us + static_cast<int64_t>(call.latency_ms * 1000);
  std::string out;
  text::JsonWriter json(out);
  json.begin_object().field("traceId", call.trace_id).field("spanId", call.span_id);
  if (!call.parent_span_id.empty()) json.field("parentSpanId", call.parent_span_id);
  const std::string operation = operation_of(call);
  json.field("name", call.model.empty() ? operation : operation + " " + call.model);
  json.field("kind", kClientKind);
  json.field("startTimeUnixNano", nanos(call.timestamp_us)).field("endTimeUnixNano", nanos(end_us));
  write_attributes(json, call, names);
  if (names.latest) {
    json.key("events").begin_array();
    write_event(json, call, end_us, "safety", call.safety_score, call.safety_label);
    write_event(json, call, end_us, "prompt_injection_risk", call.prompt_injection_risk, "");
    write_event(json, call, end_us, "relevance", call.semantic_similarity_score, "");
    write_event(json, call, end_us, "groundedness", call.support_score, "");
    write_event(json, call, end_us, "drift", call.drift_score, "");
    json.end_array();
  }
  if (call.status == model::InteractionStatus::kError)
    json.key("status").begin_object().field("code", kStatusError).end_object();
  json.end_object();
  return out;
}

std::string export_json(std::string_view service, std::string_view env, const std::vector<std::string>& spans) {
  std::string out;
  text::JsonWriter json(out);
  json.begin_object().key("resourceSpans").begin_array().begin_object().key("resource").begin_object();
  {
    Attributes resource(json);
    resource.text("service.name", service);
    resource.text("deployment.environment.name", env);
  }
  json.end_object().key("scopeSpans").begin_array().begin_object();
  json.key("scope").begin_object().field("name", "sentinel.gateway").end_object();
  json.key("spans").begin_array();
  for (const std::string& span : spans) json.raw(span);
  json.end_array().end_object().end_array().end_object().end_array().end_object();
  return out;
}

}  // namespace sentinel::ingest
