#include "api/prometheus.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/strings.h"
#include "net/gzip.h"
#include "promql/parser.h"
#include "promql/pretty.h"

namespace sentinel::api {
namespace {

constexpr int64_t kPointsMax = 11'000;      // Prometheus's own limit on points a series
constexpr size_t kGzipBytesMin = 1'024;     // below, compression saves no packet
constexpr size_t kGzipBytesMax = 1u << 30;  // beyond, it is sent as it is

constexpr std::array<std::pair<int, std::string_view>, 3> kMethodNames{{{1, "GET"}, {2, "POST"}, {4, "PUT"}}};

struct Leave {
  net::Gate& gate;
  ~Leave() { gate.leave(); }
};

Result<int64_t> required_time(const net::Params& params, std::string_view name) {
  const auto time = parse_api_time(params.get(name));
  if (time) return *time;
  return fail(invalid_parameter(name, time.error()));
}

Result<int64_t> step_parameter(const net::Params& params) {
  const auto step = parse_api_duration(params.get("step"));
  if (!step) return fail(invalid_parameter("step", step.error()));
  if (*step > 0) return *step;
  return fail(invalid_parameter(
      "step", "zero or negative query resolution step widths are not accepted. Try a positive integer"));
}

}  // namespace

void PrometheusApi::add_routes(net::Router& router) {
  using Api = PrometheusApi;
  add_query(router, kGet | kPost, "/api/v1/query", &Api::query);
  add_query(router, kGet | kPost, "/api/v1/query_range", &Api::query_range);
  add_query(router, kGet | kPost, "/api/v1/query_exemplars", &Api::query_exemplars);
  add(router, kGet | kPost, "/api/v1/format_query", &Api::format_query);
  add(router, kGet | kPost, "/api/v1/parse_query", &Api::parse_query);
  add(router, kGet | kPost, "/api/v1/series", &Api::series);
  add(router, kGet | kPost, "/api/v1/labels", &Api::labels);
  add(router, kGet, "/api/v1/label/{name}/values", &Api::label_values);
  add(router, kGet, "/api/v1/metadata", &Api::metadata);
  add(router, kGet, "/api/v1/rules", &Api::rules);
  add(router, kGet, "/api/v1/alerts", &Api::alerts);
  add(router, kGet, "/api/v1/targets", &Api::targets);
  add(router, kGet, "/api/v1/targets/metadata", &Api::target_metadata);
  add(router, kGet, "/api/v1/scrape_pools", &Api::scrape_pools);
  add(router, kGet, "/api/v1/alertmanagers", &Api::alertmanagers);
  add(router, kGet, "/api/v1/status/config", &Api::status_config);
  add(router, kGet, "/api/v1/status/flags", &Api::status_flags);
  add(router, kGet, "/api/v1/status/runtimeinfo", &Api::status_runtime);
  add(router, kGet, "/api/v1/status/buildinfo", &Api::status_build);
  add(router, kGet, "/api/v1/status/tsdb", &Api::status_tsdb);
  add(router, kGet, "/api/v1/status/walreplay", &Api::status_replay);
  add(router, kPost | kPut, "/api/v1/admin/tsdb/delete_series", &Api::delete_series);
  add(router, kPost | kPut, "/api/v1/admin/tsdb/clean_tombstones", &Api::clean_tombstones);
  add(router, kPost | kPut, "/api/v1/admin/tsdb/snapshot", &Api::snapshot);
  add_query(router, kGet, "/federate", &Api::federate);
  router.add("OPTIONS", "/api/v1/{rest...}", [this](net::Exchange* exchange) { return options(exchange); });
}

void PrometheusApi::add(net::Router& router, int methods, std::string_view pattern, Work work) {
  for (const auto& [bit, method] : kMethodNames) {
    if ((methods & bit) == 0) continue;
    router.add(method, pattern, [this, work](net::Exchange* exchange) { return run(exchange, work); });
  }
}

void PrometheusApi::add_query(net::Router& router, int methods, std::string_view pattern, Work work) {
  for (const auto& [bit, method] : kMethodNames) {
    if ((methods & bit) == 0) continue;
    router.add(method, pattern, [this, work](net::Exchange* exchange) { return run_query(exchange, work); });
  }
}

net::Task<void> PrometheusApi::run_query(net::Exchange* exchange, Work work) {
  const Status admitted = co_await gate_.enter(parts_.engine.options().timeout);
  if (!admitted) {
    (void)co_await exchange->respond(prometheus_error(Error(ErrorCode::kTimeout, "query timed out in query queue")));
    co_return;
  }
  const Leave leave{gate_};
  co_await run(exchange, work);
}

net::Task<void> PrometheusApi::run(net::Exchange* exchange, Work work) {
  const net::Request& request = exchange->request();
  Call call;
  call.params = request_params(request);
  call.name = request.path_params.get("name");
  call.gzip = net::accepts_gzip(request.headers.get("Accept-Encoding"));
  call.origin = request.headers.get("Origin");
  call.canceled = std::make_shared<std::atomic<bool>>(false);
  exchange->on_client_gone([flag = call.canceled] { flag->store(true); });
  net::Response response = co_await net::blocking(&parts_.runtime, [this, work, &call] {
    Answer answer = (this->*work)(call);
    net::Response out = answer ? std::move(*answer) : prometheus_error(answer.error());
    finish(call, out);
    return out;
  });
  // A client that has gone does not read the answer; there is nobody to tell.
  (void)co_await exchange->respond(std::move(response));
}

net::Task<void> PrometheusApi::options(net::Exchange* exchange) {
  net::Response response;
  response.status = 204;
  set_cors(exchange->request().headers.get("Origin"), response);
  (void)co_await exchange->respond(std::move(response));
}

void PrometheusApi::finish(const Call& call, net::Response& response) const {
  set_cors(call.origin, response);
  if (!call.gzip || response.body.size() < kGzipBytesMin || response.body.size() > kGzipBytesMax) return;
  std::string compressed = net::gzip(response.body);
  if (compressed.empty()) return;
  response.body = std::move(compressed);
  response.headers.set("Content-Encoding", "gzip");
  response.headers.set("Vary", "Accept-Encoding");
}

void PrometheusApi::set_cors(std::string_view origin, net::Response& response) const {
  const std::string& pattern = parts_.server.cors_origin;
  if (origin.empty() || pattern.empty()) return;
  const bool any = pattern == ".*";
  if (!any && !re2::RE2::FullMatch(re2::StringPiece(origin.data(), origin.size()), pattern)) return;
  response.headers.set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, Origin");
  response.headers.set("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  response.headers.set("Access-Control-Allow-Origin", any ? std::string_view("*") : origin);
  response.headers.set("Access-Control-Expose-Headers", "Date");
  response.headers.set("Vary", "Origin");
}

Result<PrometheusApi::QueryOptions> PrometheusApi::query_options(const Call& call) const {
  QueryOptions out;
  out.engine = parts_.engine.options();
  if (const std::string_view text = call.params.get("timeout"); !text.empty()) {
    const auto timeout = parse_api_duration(text);
    if (!timeout) return fail(invalid_parameter("timeout", timeout.error()));
    out.engine.timeout = std::clamp(Millis(*timeout), Millis(1), out.engine.timeout);
  }
  if (const std::string_view text = call.params.get("lookback_delta"); !text.empty()) {
    const auto lookback = parse_api_duration(text);
    if (!lookback) {
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("error parsing lookback delta duration: {}", lookback.error().message()));
    }
    if (*lookback > 0) out.engine.lookback_delta = Millis(*lookback);
  }
  out.stats = !call.params.get("stats").empty();
  return out;
}

PrometheusApi::Answer PrometheusApi::answer(const QueryOptions& options, Result<promql::QueryResult> result,
                                            int64_t started_us) {
  if (!result) return fail(result.error());
  const double seconds = static_cast<double>(monotonic_us() - started_us) / 1e6;
  if (truncate(result->value, options.limit)) result->warnings.emplace_back("results truncated due to limit");
  std::string data = value_json(result->value);
  if (options.stats) {
    data += fmt::format(
        R"(,"stats":{{"timings":{{"evalTotalTime":{0},"execTotalTime":{0}}},"samples":{{"totalQueryableSamples":{1}}}}})",
        seconds, result->samples_read);
  }
  return prometheus_success(data + "}", result->warnings, result->infos);
}

PrometheusApi::Answer PrometheusApi::query(const Call& call) const {
  SENTINEL_ASSIGN(const size_t limit, limit_parameter(call.params));
  SENTINEL_ASSIGN(const int64_t t_ms, time_parameter(call.params, "time", to_ms(parts_.clock.now())));
  SENTINEL_ASSIGN(QueryOptions options, query_options(call));
  options.limit = limit;
  const auto parsed = promql::parse(call.params.get("query"));
  if (!parsed) return fail(invalid_parameter("query", parsed.error()));
  const int64_t started_us = monotonic_us();
  const promql::Engine engine = parts_.engine.with(options.engine);
  return answer(options, engine.instant(**parsed, t_ms, call.canceled.get()), started_us);
}

PrometheusApi::Answer PrometheusApi::query_range(const Call& call) const {
  SENTINEL_ASSIGN(const size_t limit, limit_parameter(call.params));
  SENTINEL_ASSIGN(const int64_t start, required_time(call.params, "start"));
  SENTINEL_ASSIGN(const int64_t end, required_time(call.params, "end"));
  if (end < start) return fail(invalid_parameter("end", "end timestamp must not be before start time"));
  SENTINEL_ASSIGN(const int64_t step, step_parameter(call.params));
  // Unsigned, since the ends of time are allowed.
  if ((static_cast<uint64_t>(end) - static_cast<uint64_t>(start)) / static_cast<uint64_t>(step) > kPointsMax) {
    return fail(
        ErrorCode::kInvalidArgument,
        "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)");
  }
  SENTINEL_ASSIGN(QueryOptions options, query_options(call));
  options.limit = limit;
  const auto parsed = promql::parse(call.params.get("query"));
  if (!parsed) return fail(invalid_parameter("query", parsed.error()));
  const promql::ResultType type = promql::result_type(**parsed);
  if (type == promql::ResultType::kMatrix || type == promql::ResultType::kString) {
    const std::string_view name = type == promql::ResultType::kMatrix ? "range vector" : "string";
    return fail(invalid_parameter(
        "query",
        fmt::format(R"(invalid expression type "{}" for range query, must be Scalar or instant Vector)", name)));
  }
  const int64_t started_us = monotonic_us();
  const promql::Engine engine = parts_.engine.with(options.engine);
  return answer(options, engine.range(**parsed, start, end, step, call.canceled.get()), started_us);
}

PrometheusApi::Answer PrometheusApi::format_query(const Call& call) const {
  const auto parsed = promql::parse_query(call.params.get("query"));
  if (!parsed) return fail(invalid_parameter("query", parsed.error()));
  return prometheus_success(json_quote(promql::prettify(*parsed->expr)));
}

PrometheusApi::Answer PrometheusApi::parse_query(const Call& call) const {
  const auto parsed = promql::parse_query(call.params.get("query"));
  if (!parsed) return fail(invalid_parameter("query", parsed.error()));
  return prometheus_success(ast_json(*parsed->expr));
}

}  // namespace sentinel::api
