// sentinel query: PromQL against a running server.

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "app/commands/client.h"
#include "base/duration.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

struct QueryOptions {
  ClientOptions client;
  std::string expression;
  std::string range;
  std::string step = "15s";
  std::string time;
};

std::string labels_text(const json::value& metric) {
  std::string name, rest;
  for (const auto& [label, value] : metric.as_object()) {
    if (label == "__name__")
      name = cell_text(value);
    else
      rest += fmt::format("{}{}={}", rest.empty() ? "" : ", ", std::string_view(label), json_quote(cell_text(value)));
  }
  return rest.empty() && !name.empty() ? name : fmt::format("{}{{{}}}", name, rest);
}

std::string text_of(const json::value& data) {
  const std::string type = field(data, "resultType");
  const json::value& result = data.at("result");
  if (type == "scalar" || type == "string") return cell_text(result.at(1)) + "\n";
  std::string out;
  for (const json::value& series : result.as_array()) {
    if (type == "vector") {
      out += fmt::format("{} {}\n", labels_text(series.at("metric")), cell_text(series.at("value").at(1)));
      continue;
    }
    out += labels_text(series.at("metric")) + "\n";
    for (const json::value& point : series.at("values").as_array()) {
      out += fmt::format("  {} {}\n",
                         format_rfc3339(time_from_ms(static_cast<int64_t>(point.at(0).to_number<double>() * 1000))),
                         cell_text(point.at(1)));
    }
  }
  return out.empty() ? "(no data)\n" : out;
}

Result<std::string> run_query(const QueryOptions& options) {
  std::string path = "/api/v1/query?query=" + url_encode(options.expression);
  if (!options.range.empty()) {
    SENTINEL_ASSIGN(const Millis range, parse_duration(options.range));
    const double now = static_cast<double>(to_ms(SystemClock().now())) / 1000;
    path = fmt::format("/api/v1/query_range?query={}&start={:.3f}&end={:.3f}&step={}", url_encode(options.expression),
                       now - static_cast<double>(range.count()) / 1000, now, url_encode(options.step));
  } else if (!options.time.empty()) {
    path += "&time=" + url_encode(options.time);
  }
  SENTINEL_ASSIGN(const json::value answer, request_json(options.client, "GET", path));
  if (options.client.output == "json") return text::serialize(answer) + "\n";
  try {
    return text_of(answer.at("data"));
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInternal, fmt::format("unexpected answer: {}", e.what()));
  }
}

}  // namespace

void add_query_command(CLI::App& cli, int& exit_code) {
  auto options = std::make_shared<QueryOptions>();
  CLI::App* command = cli.add_subcommand("query", "Evaluate a PromQL expression on a running server");
  command->footer(
      "Examples:\n  sentinel query 'sum by (model) (rate(llm_requests_total[5m]))'\n"
      "  sentinel query --range 1h --step 1m 'avg(llm_drift_score)'");
  command->add_option("expression", options->expression, "PromQL")->required();
  command->add_option("--range", options->range, "evaluate over the last DURATION (1h, 30m) instead of now");
  command->add_option("--step", options->step, "distance of the points of a range")->capture_default_str();
  command->add_option("--time", options->time, "evaluate at this time (RFC 3339 or seconds)");
  add_client_options(*command, options->client);
  command->callback([options, &exit_code] {
    const auto text = run_query(*options);
    exit_code = text ? (fmt::print("{}", *text), 0) : report(text.error());
  });
}

}  // namespace sentinel::app
