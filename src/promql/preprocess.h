#pragma once
// From a parsed tree to one that can be evaluated for given times.

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "promql/ast.h"

namespace sentinel::promql {

struct EvalTimes {
  int64_t start_ms = 0;
  int64_t end_ms = 0;
  int64_t step_ms = 0;  // 0 for instant queries
};

// Replaces start(), end(), range() and step(), computes duration expressions, wraps what does not depend on the step, and
// sets the offsets of selectors with @. REQUIRES: `expr` is a clone that nobody else uses.
Status preprocess(ExprPtr& expr, const EvalTimes& times);
// Recomputes the effective offsets below `expr` for an evaluation that starts at `start_ms`.
void set_offsets(int64_t start_ms, Expr& expr);
// The samples a selector can need in an evaluation over `times`, both ends inclusive; sets select_min_ms and select_max_ms.
void set_select_ranges(Expr& expr, const EvalTimes& times, int64_t lookback_ms);
Expr* unwrap_parens(Expr* expr);
// Whether results of the function change with the step even when its arguments do not.
bool depends_on_step(std::string_view function);

}  // namespace sentinel::promql
