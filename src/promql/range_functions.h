#pragma once
// Functions over the samples of a range: rate, *_over_time, ... One call gives the value of one series at one step.

#include <string_view>
#include <vector>

#include "promql/evaluator.h"

namespace sentinel::promql {

struct RangeCall {
  const Call& call;
  const MatrixSelector& matrix;
  const std::vector<ScalarValues>& scalars;  // by argument; the matrix argument's is unused
  Annotations& annotations;
  PosRange arg0_pos;    // of the first argument as written
  PosRange args_pos;    // of all arguments
  Status status{};      // set when the whole query fails

  double scalar(size_t arg, const Window& w) const { return scalars[arg].at(w.step); }
  std::string_view metric(const Window& w) const { return metric_name(*w.labels); }
};

// REQUIRES: the window has at least one sample.
using RangeFunction = MaybePoint (*)(RangeCall& call, const Window& w);

// Null when `name` is not a function over a range.
RangeFunction find_range_function(std::string_view name);

}  // namespace sentinel::promql
