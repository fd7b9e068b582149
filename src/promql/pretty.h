#pragma once
// A query laid out over several lines where it is long, as Prometheus's format_query and `promtool promql format` do.

#include <string>

#include "promql/ast.h"

namespace sentinel::promql {

std::string prettify(const Expr& expr);

}  // namespace sentinel::promql
