#pragma once
// What the handlers of Prometheus's HTTP API share: its envelope, its error types and wording, how parameters are read,
// and values as JSON.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/http.h"
#include "promql/ast.h"
#include "promql/engine.h"

namespace sentinel::api {

// {"status":"success","data":<data>}; `data` is JSON text.
net::Response prometheus_success(std::string_view data, const std::vector<std::string>& warnings = {},
                                 const std::vector<std::string>& infos = {});
// {"status":"error","errorType":...,"error":...} with Prometheus's status codes.
net::Response prometheus_error(const Error& error);

// The message with the position in the query in front of it, where there is one.
std::string error_text(const Error& error);
// `invalid parameter "name": why`; the position of an error in a query stands in front of its message.
Error invalid_parameter(std::string_view name, std::string_view why);
Error invalid_parameter(std::string_view name, const Error& why);

// Seconds or RFC 3339, in milliseconds; also the two times that stand for the ends of time.
Result<int64_t> parse_api_time(std::string_view text);
// The same for an optional parameter: `fallback` when absent.
Result<int64_t> time_parameter(const net::Params& params, std::string_view name, int64_t fallback);
// Seconds or Prometheus's duration form, in milliseconds.
Result<int64_t> parse_api_duration(std::string_view text);
// 0: no limit.
Result<size_t> limit_parameter(const net::Params& params);
// strconv.Atoi with its messages.
Result<int64_t> parse_go_int(std::string_view text);
// strconv.ParseBool with its messages.
Result<bool> parse_go_bool(std::string_view text);
// match[]=selector, each; empty when there is none.
Result<std::vector<model::Matchers>> selectors_parameter(const net::Params& params);

// Appends.
void put_labels_json(std::string& out, const model::Labels& labels);
void put_time_json(std::string& out, int64_t t_ms);
std::string strings_json(const std::vector<std::string>& values);
std::string float_text(double v);  // of a sample's value, without quotes
// {"resultType":...,"result":...}, without the closing brace, so that statistics can follow.
std::string value_json(const promql::Value& value);
// Keeps the first `limit` series (0: all). True when there were more.
bool truncate(promql::Value& value, size_t limit);
// The tree of a query as /api/v1/parse_query shows it.
std::string ast_json(const promql::Expr& expr);

}  // namespace sentinel::api
