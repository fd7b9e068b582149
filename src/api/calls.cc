#include "api/calls.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

struct CallFilter {
  std::string_view name;
  std::string_view condition;
  std::string_view order;
};

constexpr std::array kFilters{
    CallFilter{"all", "TRUE", "timestamp DESC"},
    CallFilter{"errors", "status = 'error'", "timestamp DESC"},
    CallFilter{"unsafe", "safety_score < 0.5", "timestamp DESC"},
    CallFilter{"drift", "drift_score > 0.2 AND baseline_ready", "drift_score DESC"},
    CallFilter{"slow", "TRUE", "latency_ms DESC"},
    CallFilter{"expensive", "cost_usd IS NOT NULL", "cost_usd DESC"},
    CallFilter{"injection", "prompt_injection_risk >= 0.5", "timestamp DESC"},
    CallFilter{"ungrounded", "ungrounded", "timestamp DESC"},
    CallFilter{"empty", "status = 'ok' AND response_length = 0", "timestamp DESC"},
    CallFilter{"retries", "retry_count > 0", "timestamp DESC"},
};

json::value cell_json(const events::Cell& cell, std::string_view type) {
  if (const auto* flag = std::get_if<bool>(&cell)) return *flag;
  if (const auto* integer = std::get_if<int64_t>(&cell)) return *integer;
  if (const auto* real = std::get_if<double>(&cell))
    return std::isfinite(*real) ? json::value(*real) : json::value(nullptr);
  if (const auto* text = std::get_if<std::string>(&cell)) {
    // Lists, maps and JSON columns arrive as JSON text and leave as what they are.
    if (type.ends_with("[]") || type.starts_with("MAP") || type.starts_with("STRUCT") || type == "JSON") {
      boost::system::error_code ec;
      json::value parsed = json::parse(*text, ec);
      if (!ec) return parsed;
    }
    return json::value(*text);
  }
  return nullptr;
}

json::object row_object(const events::SqlResult& result, const events::CellRow& row) {
  json::object out;
  for (size_t i = 0; i < row.size(); ++i) out[result.columns[i].name] = cell_json(row[i], result.columns[i].type);
  return out;
}

template <class T>
json::value optional_json(const std::optional<T>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

json::array strings_json(const std::vector<std::string>& values) {
  json::array out;
  for (const std::string& value : values) out.emplace_back(value);
  return out;
}

}  // namespace

json::object call_json(const model::Interaction& i) {
  json::object tags;
  for (const auto& [name, value] : i.tags) tags[name] = value;
  return {
      {"request_id", i.request_id},
      {"trace_id", i.trace_id},
      {"timestamp", format_rfc3339(time_from_us(i.timestamp_us))},
      {"service", i.service},
      {"env", i.env},
      {"endpoint", i.endpoint},
      {"request_type", i.request_type},
      {"provider", i.provider},
      {"model", i.model},
      {"model_version", i.model_version},
      {"prompt_id", i.prompt_id},
      {"prompt_template", i.prompt_template},
      {"session_id", i.session_id},
      {"user_hash", i.user_hash},
      {"prompt", i.prompt},
      {"response", i.response},
      {"finish_reason", i.finish_reason},
      {"stream", i.stream},
      {"status", i.status == model::InteractionStatus::kOk ? "ok" : "error"},
      {"error_type", i.error_type},
      {"http_status", i.http_status},
      {"retry_count", i.retry_count},
      {"fallback_used", i.fallback_used},
      {"cache_hit", i.cache_hit},
      {"latency_ms", i.latency_ms},
      {"ttft_ms", optional_json(i.ttft_ms)},
      {"tokens_input", optional_json(i.tokens_input)},
      {"tokens_output", optional_json(i.tokens_output)},
      {"tokens_cached_input", optional_json(i.tokens_cached_input)},
      {"tokens_reasoning", optional_json(i.tokens_reasoning)},
      {"tokens_cache_write", optional_json(i.tokens_cache_write)},
      {"tokens_cache_write_1h", optional_json(i.tokens_cache_write_1h)},
      {"tokens_audio_input", optional_json(i.tokens_audio_input)},
      {"tokens_audio_output", optional_json(i.tokens_audio_output)},
      {"tokens_image_input", optional_json(i.tokens_image_input)},
      {"tokens_image_output", optional_json(i.tokens_image_output)},
      {"service_tier", i.service_tier},
      {"cost_usd", i.cost_microusd ? json::value(static_cast<double>(*i.cost_microusd) / 1e6) : json::value(nullptr)},
      {"response_length", i.response_length},
      {"safety_label", i.safety_label},
      {"safety_score", optional_json(i.safety_score)},
      {"safety_categories", strings_json(i.safety_categories)},
      {"pii_types", strings_json(i.pii_types)},
      {"prompt_injection_risk", optional_json(i.prompt_injection_risk)},
      {"document_injection_risk", optional_json(i.document_injection_risk)},
      {"tool_injection_risk", optional_json(i.tool_injection_risk)},
      {"explanation", strings_json(i.explanation)},
      {"token_abuse", i.token_abuse},
      {"similarity_score", optional_json(i.similarity_score)},
      {"drift_score", optional_json(i.drift_score)},
      {"baseline_ready", i.baseline_ready},
      {"semantic_similarity_score", optional_json(i.semantic_similarity_score)},
      {"support_score", optional_json(i.support_score)},
      {"ungrounded", optional_json(i.ungrounded)},
      {"quality_issues", strings_json(i.quality_issues)},
      {"guard_action", i.guard_action},
      {"simulate_flags", strings_json(i.simulate_flags)},
      {"test_mode", i.test_mode},
      {"tags", std::move(tags)}};
}

json::object sql_result_json(const events::SqlResult& result) {
  json::array columns, rows;
  for (const events::Column& column : result.columns)
    columns.push_back(json::object{{"name", column.name}, {"type", column.type}});
  for (const events::CellRow& row : result.rows) {
    json::array cells;
    for (size_t i = 0; i < row.size(); ++i) cells.push_back(cell_json(row[i], result.columns[i].type));
    rows.push_back(std::move(cells));
  }
  return {{"columns", std::move(columns)},
          {"rows", std::move(rows)},
          {"truncated", result.truncated},
          {"elapsed_ms", result.elapsed_ms}};
}

void CallsApi::add_routes(net::Router& router) {
  route(router, "POST", "/sentinel/v1/sql", this, &CallsApi::sql);
  route(router, "GET", "/sentinel/v1/calls", this, &CallsApi::list);
  route(router, "GET", "/sentinel/v1/calls/{id}", this, &CallsApi::get);
  route(router, "GET", "/sentinel/v1/overview", this, &CallsApi::overview);
}

CallsApi::Answer CallsApi::sql(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const json::object body, json_body(exchange->request()));
  SENTINEL_CO_ASSIGN(const std::string query, required_string(body, "query"));
  SENTINEL_CO_ASSIGN(const events::SqlResult result,
                     co_await net::blocking(&parts_.runtime, [this, query] { return parts_.events.query(query); }));
  co_return net::json_response(200, text::serialize(sql_result_json(result)));
}

CallsApi::Answer CallsApi::list(net::Exchange* exchange) {
  const net::Params& params = exchange->request().query;
  const std::string_view wanted = params.get("filter").empty() ? "all" : params.get("filter");
  const auto filter =
      std::find_if(kFilters.begin(), kFilters.end(), [&](const CallFilter& f) { return f.name == wanted; });
  if (filter == kFilters.end()) {
    std::vector<std::string> names;
    for (const CallFilter& f : kFilters) names.emplace_back(f.name);
    co_return fail(ErrorCode::kInvalidArgument,
                   fmt::format("unknown filter \"{}\"; expected one of {}", wanted, join(names, ", ")));
  }
  const TimePoint now = parts_.clock.now();
  SENTINEL_CO_ASSIGN(const TimePoint from, time_param(params, "from", now - std::chrono::hours(1)));
  SENTINEL_CO_ASSIGN(const TimePoint to, time_param(params, "to", now));
  SENTINEL_CO_ASSIGN(const size_t limit, limit_param(params, 50, 500));
  std::string where =
      fmt::format("({}) AND timestamp >= make_timestamp(?) AND timestamp <= make_timestamp(?)", filter->condition);
  std::vector<events::Cell> values{to_us(from), to_us(to)};
  for (const std::string_view column :
       {"model", "model_version", "endpoint", "provider", "error_type", "safety_label", "user_hash", "session_id"}) {
    if (params.get(column).empty()) continue;
    where += fmt::format(" AND {} = ?", column);
    values.emplace_back(std::string(params.get(column)));
  }
  if (params.get("test_mode") != "true") where += " AND NOT test_mode";
  const std::string query =
      fmt::format("SELECT * FROM llm_events WHERE {} ORDER BY {} LIMIT {}", where, filter->order, limit);
  SENTINEL_CO_ASSIGN(const events::SqlResult result, co_await net::blocking(&parts_.runtime, [this, query, values] {
                       return parts_.events.query(query, values);
                     }));
  json::array items;
  for (const events::CellRow& row : result.rows) items.push_back(row_object(result, row));
  co_return net::json_response(200,
                               text::serialize(json::object{{"items", std::move(items)}, {"next_cursor", nullptr}}));
}

CallsApi::Answer CallsApi::get(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  SENTINEL_CO_ASSIGN(const events::SqlResult result, co_await net::blocking(&parts_.runtime, [this, id] {
                       return parts_.events.query("SELECT * FROM llm_events WHERE request_id = ? LIMIT 1",
                                                  std::vector<events::Cell>{id});
                     }));
  if (result.rows.empty()) co_return fail(ErrorCode::kNotFound, fmt::format("no call {}", id));
  json::object call = row_object(result, result.rows.front());
  SENTINEL_CO_ASSIGN(call["judgements"],
                     co_await net::blocking(&parts_.runtime, [this, id] { return parts_.judgements(id); }));
  co_return net::json_response(200, text::serialize(call));
}

CallsApi::Answer CallsApi::overview(net::Exchange* exchange) {
  const net::Params& params = exchange->request().query;
  const TimePoint now = parts_.clock.now();
  SENTINEL_CO_ASSIGN(const TimePoint from, time_param(params, "from", now - std::chrono::minutes(15)));
  SENTINEL_CO_ASSIGN(const TimePoint to, time_param(params, "to", now));
  if (to <= from) co_return fail(ErrorCode::kInvalidArgument, "\"to\" must be after \"from\"");
  static constexpr std::string_view kQuery =
      "SELECT COUNT(*) AS requests, AVG(CASE WHEN status = 'error' THEN 1.0 ELSE 0.0 END) AS error_rate, "
      "quantile_cont(latency_ms, 0.5) AS latency_p50_ms, quantile_cont(latency_ms, 0.95) AS latency_p95_ms, "
      "SUM(cost_usd) AS cost_usd, CAST(SUM(tokens_input) AS BIGINT) AS tokens_input, CAST(SUM(tokens_output) AS "
      "BIGINT) AS tokens_output, "
      "AVG(safety_score) AS safety_mean, AVG(CASE WHEN baseline_ready THEN drift_score END) AS drift_mean, "
      "AVG(semantic_similarity_score) AS semantic_similarity_mean, "
      "COUNT(*) FILTER (WHERE prompt_injection_risk >= 0.5) AS injections, COUNT(*) FILTER (WHERE len(pii_types) > 0) "
      "AS pii, "
      "COUNT(*) FILTER (WHERE ungrounded) AS ungrounded, COUNT(ungrounded) AS support_checked, "
      "(SELECT MIN(timestamp) FROM llm_events WHERE NOT test_mode) AS first_call_at, "
      "(SELECT epoch_us(MIN(timestamp)) FROM llm_events WHERE NOT test_mode) AS first_call_us "
      "FROM llm_events WHERE NOT test_mode AND timestamp >= make_timestamp(?) AND timestamp <= make_timestamp(?)";
  const std::vector<events::Cell> values{to_us(from), to_us(to)};
  SENTINEL_CO_ASSIGN(const events::SqlResult result, co_await net::blocking(&parts_.runtime, [this, values] {
                       return parts_.events.query(std::string(kQuery), values);
                     }));
  json::object body = row_object(result, result.rows.front());
  body["from"] = format_rfc3339(from);
  body["to"] = format_rfc3339(to);
  // Over the time that can hold calls: a store that is a minute old is not slow because the range is an hour.
  double seconds = std::chrono::duration<double>(to - from).count();
  if (const json::value first = body["first_call_us"]; first.is_int64()) {
    const double held = static_cast<double>(to_us(to) - first.as_int64()) / 1e6;
    seconds = std::min(seconds, std::max(1.0, held));
  }
  body.erase("first_call_us");
  body["throughput_rps"] = body["requests"].to_number<double>() / seconds;
  for (auto& [name, value] : co_await parts_.overview_extras()) body[name] = value;
  co_return net::json_response(200, text::serialize(body));
}

}  // namespace sentinel::api
