#include "events/schema.h"

#include <algorithm>

#include "base/strings.h"
#include "events/event_store.h"

namespace sentinel::events {
namespace {

using model::Interaction;

Field known_text(std::string_view v) {  // kept when empty
  Field f;
  f.null = false;
  f.text = v;
  return f;
}
Field value(std::string_view v) { return v.empty() ? Field() : known_text(v); }
Field value(int64_t v) {
  Field f;
  f.null = false;
  f.i = v;
  return f;
}
Field value(double v) {
  Field f;
  f.null = false;
  f.d = v;
  return f;
}
Field value(const std::vector<std::string>& v) {
  Field f;
  f.null = false;
  f.list = &v;
  return f;
}
template <class T>
Field value(const std::optional<T>& v) {
  if (!v) return Field();
  if constexpr (std::is_same_v<T, double>) {
    return value(*v);
  } else {
    return value(static_cast<int64_t>(*v));
  }
}

using Kind = ColumnKind;

// In the order of llm_events' definition. cost_usd is kept in micro-dollars inside and shown in dollars.
constexpr double kMicroDollar = 1e-6;
const ColumnDef kColumns[] = {
    {"request_id", Kind::kText, [](const Interaction& e) { return value(e.request_id); }},
    {"trace_id", Kind::kText, [](const Interaction& e) { return value(e.trace_id); }},
    {"timestamp", Kind::kTimestamp, [](const Interaction& e) { return value(e.timestamp_us); }},
    {"service", Kind::kText, [](const Interaction& e) { return value(e.service); }},
    {"env", Kind::kText, [](const Interaction& e) { return value(e.env); }},
    {"endpoint", Kind::kText, [](const Interaction& e) { return value(e.endpoint); }},
    {"request_type", Kind::kText, [](const Interaction& e) { return value(e.request_type); }},
    {"provider", Kind::kText, [](const Interaction& e) { return value(e.provider); }},
    {"model", Kind::kText, [](const Interaction& e) { return value(e.model); }},
    {"model_version", Kind::kText, [](const Interaction& e) { return value(e.model_version); }},
    {"prompt_id", Kind::kText, [](const Interaction& e) { return value(e.prompt_id); }},
    {"prompt_template", Kind::kText, [](const Interaction& e) { return value(e.prompt_template); }},
    {"session_id", Kind::kText, [](const Interaction& e) { return value(e.session_id); }},
    {"user_hash", Kind::kText, [](const Interaction& e) { return value(e.user_hash); }},
    {"prompt", Kind::kText, [](const Interaction& e) { return known_text(e.prompt); }},
    {"response", Kind::kText, [](const Interaction& e) { return known_text(e.response); }},
    {"finish_reason", Kind::kText, [](const Interaction& e) { return value(e.finish_reason); }},
    {"stream", Kind::kBool, [](const Interaction& e) { return value(int64_t{e.stream}); }},
    {"status", Kind::kText,
     [](const Interaction& e) { return known_text(e.status == model::InteractionStatus::kOk ? "ok" : "error"); }},
    {"error_type", Kind::kText, [](const Interaction& e) { return value(e.error_type); }},
    {"http_status", Kind::kInt, [](const Interaction& e) { return value(int64_t{e.http_status}); }},
    {"retry_count", Kind::kInt, [](const Interaction& e) { return value(int64_t{e.retry_count}); }},
    {"fallback_used", Kind::kBool, [](const Interaction& e) { return value(int64_t{e.fallback_used}); }},
    {"cache_hit", Kind::kBool, [](const Interaction& e) { return value(int64_t{e.cache_hit}); }},
    {"latency_ms", Kind::kDouble, [](const Interaction& e) { return value(e.latency_ms); }},
    {"ttft_ms", Kind::kDouble, [](const Interaction& e) { return value(e.ttft_ms); }},
    {"tokens_input", Kind::kInt, [](const Interaction& e) { return value(e.tokens_input); }},
    {"tokens_output", Kind::kInt, [](const Interaction& e) { return value(e.tokens_output); }},
    {"tokens_cached_input", Kind::kInt, [](const Interaction& e) { return value(e.tokens_cached_input); }},
    {"tokens_reasoning", Kind::kInt, [](const Interaction& e) { return value(e.tokens_reasoning); }},
    {"cost_usd", Kind::kDouble,
     [](const Interaction& e) {
       return e.cost_microusd ? value(static_cast<double>(*e.cost_microusd) * kMicroDollar) : Field();
     }},
    {"response_length", Kind::kInt, [](const Interaction& e) { return value(e.response_length); }},
    {"safety_label", Kind::kText, [](const Interaction& e) { return value(e.safety_label); }},
    {"safety_score", Kind::kDouble, [](const Interaction& e) { return value(e.safety_score); }},
    {"safety_categories", Kind::kTextList, [](const Interaction& e) { return value(e.safety_categories); }},
    {"pii_types", Kind::kTextList, [](const Interaction& e) { return value(e.pii_types); }},
    {"prompt_injection_risk", Kind::kDouble, [](const Interaction& e) { return value(e.prompt_injection_risk); }},
    {"token_abuse", Kind::kBool, [](const Interaction& e) { return value(int64_t{e.token_abuse}); }},
    {"similarity_score", Kind::kDouble, [](const Interaction& e) { return value(e.similarity_score); }},
    {"drift_score", Kind::kDouble, [](const Interaction& e) { return value(e.drift_score); }},
    {"baseline_ready", Kind::kBool, [](const Interaction& e) { return value(int64_t{e.baseline_ready}); }},
    {"semantic_similarity_score", Kind::kDouble,
     [](const Interaction& e) { return value(e.semantic_similarity_score); }},
    {"support_score", Kind::kDouble, [](const Interaction& e) { return value(e.support_score); }},
    {"ungrounded", Kind::kBool, [](const Interaction& e) { return value(e.ungrounded); }},
    {"guard_action", Kind::kText, [](const Interaction& e) { return value(e.guard_action); }},
    {"simulate_flags", Kind::kTextList, [](const Interaction& e) { return value(e.simulate_flags); }},
    {"test_mode", Kind::kBool, [](const Interaction& e) { return value(int64_t{e.test_mode}); }},
    {"tags", Kind::kJson, [](const Interaction&) { return Field(); }},
    {"document_injection_risk", Kind::kDouble, [](const Interaction& e) { return value(e.document_injection_risk); }},
    {"tool_injection_risk", Kind::kDouble, [](const Interaction& e) { return value(e.tool_injection_risk); }},
    {"explanation", Kind::kTextList, [](const Interaction& e) { return value(e.explanation); }},
    {"tokens_cache_write", Kind::kInt, [](const Interaction& e) { return value(e.tokens_cache_write); }},
    {"tokens_cache_write_1h", Kind::kInt, [](const Interaction& e) { return value(e.tokens_cache_write_1h); }},
    {"tokens_audio_input", Kind::kInt, [](const Interaction& e) { return value(e.tokens_audio_input); }},
    {"tokens_audio_output", Kind::kInt, [](const Interaction& e) { return value(e.tokens_audio_output); }},
    {"tokens_image_input", Kind::kInt, [](const Interaction& e) { return value(e.tokens_image_input); }},
    {"tokens_image_output", Kind::kInt, [](const Interaction& e) { return value(e.tokens_image_output); }},
    {"service_tier", Kind::kText, [](const Interaction& e) { return value(e.service_tier); }},
    {"quality_issues", Kind::kTextList, [](const Interaction& e) { return value(e.quality_issues); }},
};

// By the version of segments: up to tags, up to explanation, up to service_tier.
constexpr size_t kColumnsBefore[] = {48, 51, 58};

std::string tags_json(const Interaction& e) {
  std::string out = "{";
  for (const auto& [key, text] : e.tags) {
    if (out.size() > 1) out += ',';
    append_json_quoted(out, key);
    out += ':';
    append_json_quoted(out, text);
  }
  return out + "}";
}

}  // namespace

std::string_view sql_type(ColumnKind kind) {
  switch (kind) {
    case ColumnKind::kText: return "VARCHAR";
    case ColumnKind::kTimestamp: return "TIMESTAMP";
    case ColumnKind::kBool: return "BOOLEAN";
    case ColumnKind::kInt: return "BIGINT";
    case ColumnKind::kDouble: return "DOUBLE";
    case ColumnKind::kTextList: return "VARCHAR[]";
    case ColumnKind::kJson: return "JSON";
  }
  return "VARCHAR";
}

std::span<const ColumnDef> column_defs() { return kColumns; }

size_t columns_of_segment(uint8_t version) {
  return version <= std::size(kColumnsBefore) ? kColumnsBefore[version - 1] : std::size(kColumns);
}

const std::vector<Column>& llm_events_columns() {
  static const std::vector<Column> columns = [] {
    std::vector<Column> out;
    for (const ColumnDef& def : kColumns) out.push_back({def.name, std::string(sql_type(def.kind))});
    return out;
  }();
  return columns;
}

RowBatch::RowBatch(const std::vector<Interaction>& interactions) : rows_(interactions.size()) {
  fields_.reserve(interactions.size() * width());
  for (const Interaction& e : interactions) {
    for (const ColumnDef& def : kColumns) {
      fields_.push_back(def.kind == Kind::kJson ? known_text(texts_.emplace_back(tags_json(e))) : def.get(e));
      make_valid(fields_.back());
    }
  }
}

// The engine takes valid UTF-8 only.
void RowBatch::make_valid(Field& field) {
  if (!is_valid_utf8(field.text)) field.text = texts_.emplace_back(to_valid_utf8(field.text));
  if (field.list == nullptr) return;
  const auto bad = [](const std::string& text) { return !is_valid_utf8(text); };
  if (std::none_of(field.list->begin(), field.list->end(), bad)) return;
  std::vector<std::string> copy = *field.list;
  for (std::string& text : copy) text = to_valid_utf8(text);
  field.list = keep(std::move(copy));
}

std::span<Field> RowBatch::add_row() {
  ++rows_;
  fields_.resize(rows_ * width());
  return {fields_.data() + (rows_ - 1) * width(), width()};
}

std::string_view RowBatch::keep(std::string_view text) { return texts_.emplace_back(text); }

const std::vector<std::string>* RowBatch::keep(std::vector<std::string> list) {
  return &lists_.emplace_back(std::move(list));
}

}  // namespace sentinel::events
