#pragma once
// Text to a type-checked tree. Errors carry line and column and Prometheus's wording ("parse error: ...").

#include <optional>
#include <string_view>

#include "base/result.h"
#include "promql/ast.h"

namespace sentinel::promql {

struct ParsedQuery {
  ExprPtr expr;
  std::optional<Error> experimental;  // the first use of an experimental function or aggregator, as the error it would be
};

// Every experimental syntax is accepted; whether it may run is the engine's decision.
Result<ParsedQuery> parse_query(std::string_view text);
// `name{label="value", ...}` alone, as in the match[] parameter of the HTTP API.
Result<model::Matchers> parse_metric_selector(std::string_view text);
// REQUIRES: `expr` comes from the parser and `query` is its text. Part of parse_query.
Status check_types(Expr& expr, std::string_view query);

// An error at `pos` of `query`, worded as a parse error.
Error parse_error(PosRange pos, std::string_view query, std::string_view message);

}  // namespace sentinel::promql
