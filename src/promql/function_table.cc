#include "promql/function_table.h"

#include <algorithm>

namespace sentinel::promql {
namespace {

constexpr ValueType S = ValueType::kScalar;
constexpr ValueType V = ValueType::kVector;
constexpr ValueType M = ValueType::kMatrix;
constexpr ValueType T = ValueType::kString;

std::vector<FunctionSignature> make_table() {
  std::vector<FunctionSignature> table;
  const auto add_all = [&](std::initializer_list<std::string_view> names, const FunctionSignature& like) {
    for (std::string_view name : names) {
      table.push_back(like);
      table.back().name = name;
    }
  };
  add_all({"abs", "absent", "acos", "acosh", "asin", "asinh", "atan", "atanh", "ceil", "cos", "cosh", "deg", "exp", "floor",
           "histogram_avg", "histogram_count", "histogram_sum", "histogram_stddev", "histogram_stdvar", "ln", "log10",
           "log2", "rad", "sgn", "sin", "sinh", "sort", "sort_desc", "sqrt", "tan", "tanh", "timestamp"},
          {"", {V}, 0, V, false});
  add_all({"absent_over_time", "avg_over_time", "changes", "count_over_time", "delta", "deriv", "first_over_time", "idelta",
           "increase", "irate", "last_over_time", "max_over_time", "min_over_time", "present_over_time", "rate", "resets",
           "stddev_over_time", "stdvar_over_time", "sum_over_time"},
          {"", {M}, 0, V, false});
  add_all({"mad_over_time", "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time"},
          {"", {M}, 0, V, true});
  add_all({"day_of_month", "day_of_week", "day_of_year", "days_in_month", "hour", "minute", "month", "year"},
          {"", {V}, 1, V, false});
  add_all({"end", "start", "step", "range"}, {"", {}, 0, S, true});
  add_all({"max_of", "min_of"}, {"", {S, S}, 0, S, true});
  add_all({"pi", "time"}, {"", {}, 0, S, false});
  add_all({"clamp_max", "clamp_min"}, {"", {V, S}, 0, V, false});
  add_all({"sort_by_label", "sort_by_label_desc"}, {"", {V, T}, -1, V, true});
  table.push_back({"clamp", {V, S, S}, 0, V, false});
  table.push_back({"double_exponential_smoothing", {M, S, S}, 0, V, true});
  table.push_back({"histogram_fraction", {S, S, V}, 0, V, false});
  table.push_back({"histogram_quantile", {S, V}, 0, V, false});
  table.push_back({"histogram_quantiles", {V, T, S, S}, 9, V, true});
  table.push_back({"info", {V, V}, 1, V, true});
  table.push_back({"label_join", {V, T, T, T}, -1, V, false});
  table.push_back({"label_replace", {V, T, T, T, T}, 0, V, false});
  table.push_back({"predict_linear", {M, S}, 0, V, false});
  table.push_back({"quantile_over_time", {S, M}, 0, V, false});
  table.push_back({"round", {V, S}, 1, V, false});
  table.push_back({"scalar", {V}, 0, S, false});
  table.push_back({"start_timestamp", {V}, 0, V, true});
  table.push_back({"vector", {S}, 0, V, false});
  std::sort(table.begin(), table.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return table;
}

}  // namespace

const FunctionSignature* find_function(std::string_view name) {
  static const std::vector<FunctionSignature> table = make_table();
  const auto it = std::lower_bound(table.begin(), table.end(), name,
                                   [](const FunctionSignature& f, std::string_view n) { return f.name < n; });
  return it != table.end() && it->name == name ? &*it : nullptr;
}

}  // namespace sentinel::promql
