#include "api/prometheus.h"

#include <fmt/format.h>

#include "api/version.h"
#include "base/duration.h"
#include "base/strings.h"

namespace sentinel::api {
namespace {

constexpr int64_t kPointsMax = 11'000;  // Prometheus's own limit on points a series

void append_labels(std::string& out, const model::Labels& labels) {
  out += '{';
  bool first = true;
  for (const model::Label& label : labels) {
    if (!first) out += ',';
    first = false;
    append_json_quoted(out, label.name);
    out += ':';
    append_json_quoted(out, label.value);
  }
  out += '}';
}

void append_point(std::string& out, int64_t t_ms, double v) {
  out += '[';
  if (t_ms % 1000 == 0)
    out += std::to_string(t_ms / 1000);
  else
    out += format_double(static_cast<double>(t_ms) / 1000);
  out += ",\"";
  out += format_double(v);
  out += "\"]";
}

struct ValueWriter {
  std::string out;

  void operator()(const promql::Scalar& s) {
    out = R"({"resultType":"scalar","result":)";
    append_point(out, s.t_ms, s.v);
    out += '}';
  }
  void operator()(const promql::String& s) {
    out = fmt::format(R"({{"resultType":"string","result":[{},{}]}})",
                      format_double(static_cast<double>(s.t_ms) / 1000), json_quote(s.v));
  }
  void operator()(const promql::Vector& vector) {
    out = R"({"resultType":"vector","result":[)";
    for (size_t i = 0; i < vector.size(); ++i) {
      out += i == 0 ? R"({"metric":)" : R"(,{"metric":)";
      append_labels(out, vector[i].labels);
      out += R"(,"value":)";
      append_point(out, vector[i].t_ms, vector[i].v);
      out += '}';
    }
    out += "]}";
  }
  void operator()(const promql::Matrix& matrix) {
    out = R"({"resultType":"matrix","result":[)";
    for (size_t i = 0; i < matrix.size(); ++i) {
      out += i == 0 ? R"({"metric":)" : R"(,{"metric":)";
      append_labels(out, matrix[i].labels);
      out += R"(,"values":[)";
      for (size_t k = 0; k < matrix[i].samples.size(); ++k) {
        if (k > 0) out += ',';
        append_point(out, matrix[i].samples[k].t_ms, matrix[i].samples[k].v);
      }
      out += "]}";
    }
    out += "]}";
  }
};

std::string strings_json(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const std::string& value : values) {
    if (out.size() > 1) out += ',';
    append_json_quoted(out, value);
  }
  return out + "]";
}

Error bad_parameter(std::string_view name, std::string_view why) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("invalid parameter \"{}\": {}", name, why));
}

Result<int64_t> time_or(const net::Params& params, std::string_view name, int64_t fallback) {
  if (params.get(name).empty()) return fallback;
  const auto time = parse_time(params.get(name));
  if (!time)
    return fail(bad_parameter(name, fmt::format("cannot parse \"{}\" to a valid timestamp", params.get(name))));
  return to_ms(*time);
}

Result<int64_t> required_time(const net::Params& params, std::string_view name) {
  if (params.get(name).empty()) return fail(bad_parameter(name, "cannot parse \"\" to a valid timestamp"));
  return time_or(params, name, 0);
}

Result<int64_t> step_ms(const net::Params& params) {
  const std::string_view text = params.get("step");
  if (const auto seconds = parse_double(text)) return static_cast<int64_t>(*seconds * 1000);
  const auto duration = parse_duration(text);
  if (!duration) return fail(bad_parameter("step", fmt::format("cannot parse \"{}\" to a valid duration", text)));
  return duration->count();
}

// match[]=selector, each parsed as PromQL.
Result<std::vector<model::Matchers>> selectors_of(const net::Params& params) {
  std::vector<model::Matchers> sets;
  for (const std::string& text : params.all("match[]")) {
    const auto parsed = promql::parse(text);
    if (!parsed) return fail(bad_parameter("match[]", parsed.error().message()));
    std::vector<model::Matchers> found = promql::selectors(**parsed);
    if (found.size() != 1) return fail(bad_parameter("match[]", "expected one series selector"));
    sets.push_back(std::move(found.front()));
  }
  return sets;
}

}  // namespace

net::Response prometheus_success(std::string_view data, const std::vector<std::string>& warnings,
                                 const std::vector<std::string>& infos) {
  std::string body = fmt::format(R"({{"status":"success","data":{})", data);
  if (!warnings.empty()) body += fmt::format(R"(,"warnings":{})", strings_json(warnings));
  if (!infos.empty()) body += fmt::format(R"(,"infos":{})", strings_json(infos));
  return net::json_response(200, body + "}");
}

net::Response prometheus_error(const Error& error) {
  struct Kind {
    std::string_view type;
    int status;
  };
  const Kind kind = [&]() -> Kind {
    switch (error.code()) {
      case ErrorCode::kInvalidArgument: return {"bad_data", 400};
      case ErrorCode::kTimeout: return {"timeout", 503};
      case ErrorCode::kCanceled: return {"canceled", 499};
      case ErrorCode::kNotFound: return {"not_found", 404};
      case ErrorCode::kUnavailable: return {"unavailable", 503};
      case ErrorCode::kInternal:
      case ErrorCode::kIo: return {"internal", 500};
      default: return {"execution", 422};
    }
  }();
  std::string message = error.message();
  if (error.position() && error.position()->line > 0) {
    message = fmt::format("{}:{}: {}", error.position()->line, error.position()->column, message);
  }
  return net::json_response(
      kind.status, fmt::format(R"({{"status":"error","errorType":"{}","error":{}}})", kind.type, json_quote(message)));
}

void PrometheusApi::add_routes(net::Router& router) {
  add(router, "/api/v1/query", &PrometheusApi::query);
  add(router, "/api/v1/query_range", &PrometheusApi::query_range);
  add(router, "/api/v1/series", &PrometheusApi::series);
  add(router, "/api/v1/labels", &PrometheusApi::labels);
  add(router, "/api/v1/label/{name}/values", &PrometheusApi::label_values);
  add(router, "/api/v1/metadata", &PrometheusApi::metadata);
  add(router, "/api/v1/format_query", &PrometheusApi::format_query);
  add(router, "/api/v1/status/buildinfo", &PrometheusApi::build_info);
  add(router, "/api/v1/status/tsdb", &PrometheusApi::tsdb_status);
}

void PrometheusApi::add(net::Router& router, std::string_view pattern, Work work) {
  for (const std::string_view method : {"GET", "POST"}) {
    router.add(method, pattern, [this, work](net::Exchange* exchange) { return run(exchange, work); });
  }
}

net::Task<void> PrometheusApi::run(net::Exchange* exchange, Work work) {
  const net::Params params = request_params(exchange->request());
  const std::string name(exchange->request().path_params.get("name"));
  Answer answer =
      co_await net::blocking(&parts_.runtime, [this, work, params, name] { return (this->*work)(params, name); });
  (void)co_await exchange->respond(answer ? std::move(*answer) : prometheus_error(answer.error()));
}

PrometheusApi::Answer PrometheusApi::query(const net::Params& params, const std::string&) const {
  SENTINEL_ASSIGN(const int64_t t_ms, time_or(params, "time", to_ms(parts_.clock.now())));
  const auto parsed = promql::parse(params.get("query"));
  if (!parsed) return fail(parsed.error().with_context("invalid parameter \"query\""));
  SENTINEL_ASSIGN(const promql::QueryResult result, parts_.engine.instant(**parsed, t_ms));
  ValueWriter writer;
  std::visit(writer, result.value);
  return prometheus_success(writer.out, result.warnings, result.infos);
}

PrometheusApi::Answer PrometheusApi::query_range(const net::Params& params, const std::string&) const {
  SENTINEL_ASSIGN(const int64_t start, required_time(params, "start"));
  SENTINEL_ASSIGN(const int64_t end, required_time(params, "end"));
  if (end < start) return fail(bad_parameter("end", "end timestamp must not be before start time"));
  SENTINEL_ASSIGN(const int64_t step, step_ms(params));
  if (step <= 0)
    return fail(bad_parameter(
        "step", "zero or negative query resolution step widths are not accepted. Try a positive integer"));
  if ((end - start) / step > kPointsMax) {
    return fail(
        ErrorCode::kInvalidArgument,
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)");
  }
  const auto parsed = promql::parse(params.get("query"));
  if (!parsed) return fail(parsed.error().with_context("invalid parameter \"query\""));
  SENTINEL_ASSIGN(const promql::QueryResult result, parts_.engine.range(**parsed, start, end, step));
  ValueWriter writer;
  std::visit(writer, result.value);
  return prometheus_success(writer.out, result.warnings, result.infos);
}

PrometheusApi::Answer PrometheusApi::series(const net::Params& params, const std::string&) const {
  SENTINEL_ASSIGN(const std::vector<model::Matchers> sets, selectors_of(params));
  if (sets.empty()) return fail(ErrorCode::kInvalidArgument, "no match[] parameter provided");
  SENTINEL_ASSIGN(const int64_t start, time_or(params, "start", INT64_MIN));
  SENTINEL_ASSIGN(const int64_t end, time_or(params, "end", INT64_MAX));
  SENTINEL_ASSIGN(const std::vector<model::Labels> found, parts_.store.series(sets, start, end));
  std::string out = "[";
  for (const model::Labels& labels : found) {
    if (out.size() > 1) out += ',';
    append_labels(out, labels);
  }
  return prometheus_success(out + "]");
}

PrometheusApi::Answer PrometheusApi::labels(const net::Params& params, const std::string&) const {
  SENTINEL_ASSIGN(const std::vector<model::Matchers> sets, selectors_of(params));
  SENTINEL_ASSIGN(const int64_t start, time_or(params, "start", INT64_MIN));
  SENTINEL_ASSIGN(const int64_t end, time_or(params, "end", INT64_MAX));
  SENTINEL_ASSIGN(const std::vector<std::string> names, parts_.store.label_names(sets, start, end));
  return prometheus_success(strings_json(names));
}

PrometheusApi::Answer PrometheusApi::label_values(const net::Params& params, const std::string& name) const {
  SENTINEL_ASSIGN(const std::vector<model::Matchers> sets, selectors_of(params));
  SENTINEL_ASSIGN(const int64_t start, time_or(params, "start", INT64_MIN));
  SENTINEL_ASSIGN(const int64_t end, time_or(params, "end", INT64_MAX));
  SENTINEL_ASSIGN(const std::vector<std::string> values, parts_.store.label_values(name, sets, start, end));
  return prometheus_success(strings_json(values));
}

// What our own registry knows of its families.
PrometheusApi::Answer PrometheusApi::metadata(const net::Params& params, const std::string&) const {
  std::string out = "{";
  for (const MetricFamily& family : parts_.metrics.collect()) {
    if (!params.get("metric").empty() && params.get("metric") != family.name) continue;
    if (out.size() > 1) out += ',';
    const std::string_view type = family.type == MetricType::kCounter ? "counter"
                                  : family.type == MetricType::kGauge ? "gauge"
                                                                      : "histogram";
    out += fmt::format(R"({}:[{{"type":"{}","help":{},"unit":""}}])", json_quote(family.name), type,
                       json_quote(family.help));
  }
  return prometheus_success(out + "}");
}

PrometheusApi::Answer PrometheusApi::format_query(const net::Params& params, const std::string&) const {
  const auto parsed = promql::parse(params.get("query"));
  if (!parsed) return fail(parsed.error().with_context("invalid parameter \"query\""));
  return prometheus_success(json_quote(promql::to_string(**parsed)));
}

PrometheusApi::Answer PrometheusApi::build_info(const net::Params&, const std::string&) const {
  return prometheus_success(fmt::format(
      R"({{"version":"{}","revision":"","branch":"","buildUser":"","buildDate":"","goVersion":"","application":"sentinel"}})",
      kPrometheusCompatibleVersion));
}

PrometheusApi::Answer PrometheusApi::tsdb_status(const net::Params&, const std::string&) const {
  const tsdb::StoreStats stats = parts_.store.stats();
  return prometheus_success(
      fmt::format(R"({{"headStats":{{"numSeries":{},"numLabelPairs":0,"chunkCount":0,"minTime":{},"maxTime":{}}}}})",
                  stats.series, stats.min_ms, stats.max_ms));
}

}  // namespace sentinel::api
