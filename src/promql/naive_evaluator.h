#pragma once
// A second evaluator of PromQL for tests: one step at a time, one series at a time, straight from the language's
// definition. It shares the syntax tree and the value types with the engine and nothing else, so that a mistake would
// have to be made twice. Floats only, and only the functions it lists. See naive_evaluator_test.cc.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/sample.h"
#include "promql/ast.h"

namespace sentinel::promql {

struct NaiveSeries {
  model::Labels labels;
  std::vector<model::Sample> samples;  // ascending, staleness markers included
};
using NaiveData = std::vector<NaiveSeries>;

// What an expression is at one time: a scalar, or one value a label set.
struct NaiveValue {
  std::optional<double> scalar;
  std::vector<std::pair<model::Labels, double>> vector;
};

// kUnprocessable: the query fails at this time, as it must in the engine. kUnavailable: it uses what is not here.
Result<NaiveValue> naive_evaluate(const NaiveData& data, const Expr& expr, int64_t t_ms);

}  // namespace sentinel::promql
