// sentinel sql: read-only SQL over llm_events on a running server.

#include <iostream>
#include <iterator>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "app/commands/client.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

struct SqlOptions {
  ClientOptions client;
  std::string query;
};

std::string table_of(const json::value& answer) {
  std::vector<std::string> header;
  for (const json::value& column : answer.at("columns").as_array()) header.push_back(field(column, "name"));
  std::vector<std::vector<std::string>> rows;
  for (const json::value& row : answer.at("rows").as_array()) {
    auto& cells = rows.emplace_back();
    for (const json::value& cell : row.as_array()) cells.push_back(cell_text(cell));
  }
  std::string out = format_table(header, rows);
  out += fmt::format("({} rows{}, {:.1f} ms)\n", rows.size(),
                     answer.at("truncated").as_bool() ? ", cut off at the limit" : "",
                     answer.at("elapsed_ms").to_number<double>());
  return out;
}

Result<std::string> run_sql(const SqlOptions& options) {
  std::string query = options.query;
  if (query == "-") query = std::string(std::istreambuf_iterator<char>(std::cin), {});
  SENTINEL_ASSIGN(const json::value answer, request_json(options.client, "POST", "/sentinel/v1/sql",
                                                         text::serialize(json::object{{"query", query}})));
  if (options.client.output == "json") return text::serialize(answer) + "\n";
  try {
    return table_of(answer);
  } catch (const std::exception& e) {
    return fail(ErrorCode::kInternal, fmt::format("unexpected answer: {}", e.what()));
  }
}

}  // namespace

void add_sql_command(CLI::App& cli, int& exit_code) {
  auto options = std::make_shared<SqlOptions>();
  CLI::App* command = cli.add_subcommand("sql", "Ask llm_events a read-only SQL question");
  command->footer(
      "Examples:\n  sentinel sql \"SELECT model, count(*), avg(latency_ms) FROM llm_events GROUP BY 1\"\n"
      "  sentinel sql \"SELECT request_id, safety_score FROM llm_events WHERE safety_score < 0.5 AND\n"
      "    timestamp >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 10 MINUTE)\"\n"
      "  sentinel sql - < question.sql");
  command->add_option("query", options->query, "SQL, or - for standard input")->required();
  add_client_options(*command, options->client);
  command->callback([options, &exit_code] {
    const auto text = run_sql(*options);
    exit_code = text ? (fmt::print("{}", *text), 0) : report(text.error());
  });
}

}  // namespace sentinel::app
