// The naive evaluator itself; what compares it with the engine is in differential_test.cc.
#include "promql/naive_evaluator.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "base/strings.h"
#include "promql/function_table.h"

namespace sentinel::promql {
namespace {

using model::Labels;
using Elements = std::vector<std::pair<Labels, double>>;
using Points = std::vector<std::pair<double, double>>;  // seconds, value

constexpr int64_t kLookbackMs = 300'000;
constexpr int64_t kDefaultStepMs = 60'000;

struct RangeSeries {
  Labels labels;
  Points points;
};
struct Window {
  std::vector<RangeSeries> series;
  double from_s = 0;
  double to_s = 0;
  double now_s = 0;  // of the query, whatever the offset
};

tl::unexpected<Error> no(std::string why) { return fail(ErrorCode::kUnprocessable, std::move(why)); }
tl::unexpected<Error> unknown(std::string_view what) { return fail(ErrorCode::kUnavailable, std::string(what)); }

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0); }

Labels nameless(const Labels& labels) { return labels.without({}); }

// NaN is before every number where values are ordered, and gives way where there is a number.
bool less(double a, double b) { return std::isnan(a) ? !std::isnan(b) : a < b; }
double smallest(const std::vector<double>& v) {
  double out = v[0];
  for (const double x : v) out = std::isnan(out) || x < out ? x : out;
  return out;
}
double largest(const std::vector<double>& v) { return *std::max_element(v.begin(), v.end(), less); }

double quantile(double q, std::vector<double> values) {
  if (values.empty() || std::isnan(q)) return std::nan("");
  if (q < 0) return -INFINITY;
  if (q > 1) return INFINITY;
  std::sort(values.begin(), values.end(), less);
  const double rank = q * static_cast<double>(values.size() - 1);
  const auto low = static_cast<size_t>(std::floor(rank));
  const size_t high = std::min(low + 1, values.size() - 1);
  const double weight = rank - std::floor(rank);
  return values[low] * (1 - weight) + values[high] * weight;
}

double variance(const std::vector<double>& values) {
  double sum = 0, squares = 0;
  for (const double v : values) sum += v;
  const double mean = sum / static_cast<double>(values.size());
  for (const double v : values) squares += (v - mean) * (v - mean);
  return squares / static_cast<double>(values.size());
}

std::vector<double> values_of(const Points& points) {
  std::vector<double> out;
  for (const auto& [t, v] : points) out.push_back(v);
  return out;
}

// Least squares through the points, the first one's time being zero: slope and the value at `at_s`.
std::pair<double, double> regression(const Points& points, double at_s) {
  const double n = static_cast<double>(points.size());
  double mean_x = 0, mean_y = 0, xy = 0, xx = 0;
  for (const auto& [t, v] : points) mean_x += t / n, mean_y += v / n;
  for (const auto& [t, v] : points) xy += (t - mean_x) * (v - mean_y), xx += (t - mean_x) * (t - mean_x);
  const double slope = xy / xx;
  return {slope, mean_y + slope * (at_s - mean_x)};
}

// rate, increase, delta: the difference in the window, stretched to its edges where the samples reach near enough.
std::optional<double> extrapolated(const Points& p, const Window& w, bool counter, bool per_second) {
  if (p.size() < 2) return std::nullopt;
  double difference = p.back().second - p.front().second;
  for (size_t i = 1; counter && i < p.size(); ++i) {
    if (p[i].second < p[i - 1].second) difference += p[i - 1].second;
  }
  const double covered = p.back().first - p.front().first;
  const double between = covered / static_cast<double>(p.size() - 1);
  double before = p.front().first - w.from_s, after = w.to_s - p.back().first;
  if (before >= between * 1.1) before = between / 2;
  if (counter && difference > 0 && p.front().second >= 0)
    before = std::min(before, covered * (p.front().second / difference));
  if (after >= between * 1.1) after = between / 2;
  const double whole = difference * ((covered + before + after) / covered);
  return per_second ? whole / (w.to_s - w.from_s) : whole;
}

std::optional<double> last_two(const Points& p, bool rate) {
  if (p.size() < 2) return std::nullopt;
  const auto& [t0, v0] = p[p.size() - 2];
  const auto& [t1, v1] = p.back();
  if (!rate) return v1 - v0;
  return (v1 < v0 ? v1 : v1 - v0) / (t1 - t0);
}

std::optional<double> over_time(std::string_view name, const Points& p, const Window& w, double parameter) {
  const std::vector<double> v = values_of(p);
  const double n = static_cast<double>(p.size());
  double sum = 0, changes = 0, resets = 0;
  for (const double x : v) sum += x;
  for (size_t i = 1; i < v.size(); ++i) changes += v[i] != v[i - 1], resets += v[i] < v[i - 1];
  if (name == "rate") return extrapolated(p, w, true, true);
  if (name == "increase") return extrapolated(p, w, true, false);
  if (name == "delta") return extrapolated(p, w, false, false);
  if (name == "irate") return last_two(p, true);
  if (name == "idelta") return last_two(p, false);
  if (name == "deriv") return p.size() < 2 ? std::nullopt : std::optional(regression(p, 0).first);
  if (name == "predict_linear")
    return p.size() < 2 ? std::nullopt : std::optional(regression(p, w.now_s + parameter).second);
  if (name == "sum_over_time") return sum;
  if (name == "avg_over_time") return sum / n;
  if (name == "count_over_time") return n;
  if (name == "min_over_time") return smallest(v);
  if (name == "max_over_time") return largest(v);
  if (name == "last_over_time") return v.back();
  if (name == "present_over_time") return 1;
  if (name == "stdvar_over_time") return variance(v);
  if (name == "stddev_over_time") return std::sqrt(variance(v));
  if (name == "quantile_over_time") return quantile(parameter, v);
  if (name == "changes") return changes;
  if (name == "resets") return resets;
  return std::nullopt;
}

// Whole seconds, towards zero, as units since 1970 modulo `modulus`.
double clock_field(double v, int64_t unit, int64_t modulus, int64_t shift = 0) {
  const int64_t units = floor_div(static_cast<int64_t>(v), unit) + shift;
  return static_cast<double>(units - floor_div(units, modulus) * modulus);
}

using Math = std::function<double(double, const std::vector<double>&)>;
const std::map<std::string_view, Math>& math_functions() {
  static const std::map<std::string_view, Math> all{
      {"abs", [](double v, auto&) { return std::fabs(v); }},
      {"ceil", [](double v, auto&) { return std::ceil(v); }},
      {"floor", [](double v, auto&) { return std::floor(v); }},
      {"exp", [](double v, auto&) { return std::exp(v); }},
      {"ln", [](double v, auto&) { return std::log(v); }},
      {"sqrt", [](double v, auto&) { return std::sqrt(v); }},
      {"sgn", [](double v, auto&) { return v > 0   ? 1.0
                                           : v < 0 ? -1.0
                                                   : v; }},
      {"clamp_min", [](double v, auto& p) { return std::isnan(p[0]) ? p[0] : std::max(v, p[0]); }},
      {"clamp_max", [](double v, auto& p) { return std::isnan(p[0]) ? p[0] : std::min(v, p[0]); }},
      {"round", [](double v, auto& p) { return p.empty() ? std::floor(v + 0.5) : std::floor(v / p[0] + 0.5) * p[0]; }},
      {"hour", [](double v, auto&) { return clock_field(v, 3600, 24); }},
      {"minute", [](double v, auto&) { return clock_field(v, 60, 60); }},
      {"day_of_week", [](double v, auto&) { return clock_field(v, 86400, 7, 4); }},
  };
  return all;
}

double arithmetic(Op op, double a, double b) {
  switch (op) {
    case Op::kAdd: return a + b;
    case Op::kSub: return a - b;
    case Op::kMul: return a * b;
    case Op::kDiv: return a / b;
    case Op::kMod: return std::fmod(a, b);
    case Op::kPow: return std::pow(a, b);
    case Op::kAtan2: return std::atan2(a, b);
    default: return std::nan("");
  }
}

bool holds(Op op, double a, double b) {
  switch (op) {
    case Op::kEqual: return a == b;
    case Op::kNotEqual: return a != b;
    case Op::kGreater: return a > b;
    case Op::kLess: return a < b;
    case Op::kGreaterEqual: return a >= b;
    case Op::kLessEqual: return a <= b;
    default: return false;
  }
}

class Naive {
 public:
  Naive(const NaiveData& data, int64_t t_ms) : data_(data), t_ms_(t_ms) {}
  Result<NaiveValue> value(const Expr& e) const;

 private:
  Naive at(int64_t t_ms) const { return Naive(data_, t_ms); }
  int64_t reference(const TimeModifiers& time) const { return time.at_ms.value_or(t_ms_) - time.original_offset_ms; }
  Result<Elements> vector(const Expr& e) const {
    SENTINEL_ASSIGN(NaiveValue v, value(e));
    return std::move(v.vector);
  }
  Result<double> scalar(const Expr& e) const {
    SENTINEL_ASSIGN(const NaiveValue v, value(e));
    return v.scalar.value_or(std::nan(""));
  }
  const model::Sample* newest(const NaiveSeries& series, const VectorSelector& selector) const;
  Elements select(const VectorSelector& selector) const;
  Result<Window> window(const Expr& e) const;
  Result<Window> subquery(const SubqueryExpr& e) const;
  Result<NaiveValue> binary(const BinaryExpr& e) const;
  Elements set_operation(const BinaryExpr& e, const Elements& left, const Elements& right) const;
  Result<Elements> joined(const BinaryExpr& e, const Elements& left, const Elements& right) const;
  Result<NaiveValue> aggregate(const AggregateExpr& e) const;
  Result<NaiveValue> call(const Call& e) const;
  Result<NaiveValue> range_call(const Call& e, const Expr& range, double parameter) const;
  Result<NaiveValue> label_call(const Call& e) const;

  const NaiveData& data_;
  const int64_t t_ms_;
};

// No two elements of a result have the same labels.
Result<NaiveValue> checked(Elements elements) {
  std::set<Labels> seen;
  for (const auto& [labels, v] : elements) {
    if (!seen.insert(labels).second) return no("vector cannot contain metrics with the same labelset");
  }
  return NaiveValue{std::nullopt, std::move(elements)};
}

const Expr& inside(const Expr& e) {
  const auto* paren = as<ParenExpr>(&e);
  return paren ? inside(*paren->expr) : e;
}

Result<NaiveValue> Naive::value(const Expr& e) const {
  if (const auto* number = as<NumberLiteral>(&e)) return NaiveValue{number->value, {}};
  if (const auto* paren = as<ParenExpr>(&e)) return value(*paren->expr);
  if (const auto* selector = as<VectorSelector>(&e)) return NaiveValue{std::nullopt, select(*selector)};
  if (const auto* b = as<BinaryExpr>(&e)) return binary(*b);
  if (const auto* a = as<AggregateExpr>(&e)) return aggregate(*a);
  if (const auto* c = as<Call>(&e)) return call(*c);
  if (const auto* unary = as<UnaryExpr>(&e)) {
    SENTINEL_ASSIGN(NaiveValue v, value(*unary->expr));
    if (unary->op == Op::kAdd) return v;
    if (v.scalar) return NaiveValue{-*v.scalar, {}};
    for (auto& [labels, x] : v.vector) labels = nameless(labels), x = -x;
    return checked(std::move(v.vector));
  }
  return unknown("expression");
}

const model::Sample* Naive::newest(const NaiveSeries& series, const VectorSelector& selector) const {
  const int64_t t = reference(selector.time);
  const model::Sample* found = nullptr;
  for (const model::Sample& sample : series.samples) {
    if (sample.t_ms <= t && sample.t_ms > t - kLookbackMs) found = &sample;
  }
  return found && !model::is_stale_nan(found->v) ? found : nullptr;
}

Elements Naive::select(const VectorSelector& selector) const {
  Elements out;
  for (const NaiveSeries& series : data_) {
    if (!model::matches_all(selector.matchers, series.labels)) continue;
    if (const model::Sample* sample = newest(series, selector)) out.emplace_back(series.labels, sample->v);
  }
  return out;
}

Result<Window> Naive::window(const Expr& expr) const {
  const Expr& e = inside(expr);
  if (const auto* sub = as<SubqueryExpr>(&e)) return subquery(*sub);
  const auto* matrix = as<MatrixSelector>(&e);
  if (!matrix) return unknown("range");
  const int64_t end = reference(matrix->selector->time), begin = end - matrix->range_ms;
  Window out{{}, static_cast<double>(begin) / 1000, static_cast<double>(end) / 1000};
  for (const NaiveSeries& series : data_) {
    if (!model::matches_all(matrix->selector->matchers, series.labels)) continue;
    Points points;
    for (const model::Sample& sample : series.samples) {
      if (sample.t_ms > begin && sample.t_ms <= end && !model::is_stale_nan(sample.v))
        points.emplace_back(static_cast<double>(sample.t_ms) / 1000, sample.v);
    }
    if (!points.empty()) out.series.push_back({series.labels, std::move(points)});
  }
  return out;
}

Result<Window> Naive::subquery(const SubqueryExpr& e) const {
  const int64_t end = reference(e.time), begin = end - e.range_ms, step = e.step_ms ? e.step_ms : kDefaultStepMs;
  std::map<Labels, Points> series;
  for (int64_t t = (floor_div(begin, step) + 1) * step; t <= end; t += step) {
    SENTINEL_ASSIGN(const NaiveValue v, at(t).value(*e.expr));
    if (v.scalar) series[{}].emplace_back(static_cast<double>(t) / 1000, *v.scalar);
    for (const auto& [labels, x] : v.vector) series[labels].emplace_back(static_cast<double>(t) / 1000, x);
  }
  Window out{{}, static_cast<double>(begin) / 1000, static_cast<double>(end) / 1000};
  for (auto& [labels, points] : series) out.series.push_back({labels, std::move(points)});
  return out;
}

// ---- operators

Labels signature(const VectorMatching& m, const Labels& labels) {
  return m.on ? labels.keep(m.labels) : labels.without(m.labels);
}

Elements Naive::set_operation(const BinaryExpr& e, const Elements& left, const Elements& right) const {
  const auto signatures = [&](const Elements& side) {
    std::set<Labels> out;
    for (const auto& [labels, v] : side) out.insert(signature(*e.matching, labels));
    return out;
  };
  const std::set<Labels> in_left = signatures(left), in_right = signatures(right);
  Elements out;
  for (const auto& element : left) {
    const bool matched = in_right.contains(signature(*e.matching, element.first));
    if (e.op == Op::kOr || matched == (e.op == Op::kAnd)) out.push_back(element);
  }
  for (const auto& element : right) {
    if (e.op == Op::kOr && !in_left.contains(signature(*e.matching, element.first))) out.push_back(element);
  }
  return out;
}

Result<Elements> Naive::joined(const BinaryExpr& e, const Elements& left, const Elements& right) const {
  if (left.empty() || right.empty()) return Elements{};
  const VectorMatching& m = *e.matching;
  const bool one_is_left = m.card == Cardinality::kOneToMany;
  const Elements& one = one_is_left ? left : right;
  const Elements& many = one_is_left ? right : left;
  std::map<Labels, const std::pair<Labels, double>*> partner;
  for (const auto& element : one) {
    if (!partner.emplace(signature(m, element.first), &element).second) return no("duplicate series on the one side");
  }
  Elements out;
  std::set<Labels> matched;
  std::set<std::pair<Labels, Labels>> grouped;
  for (const auto& element : many) {
    const Labels key = signature(m, element.first);
    const auto found = partner.find(key);
    if (found == partner.end()) continue;
    const double a = one_is_left ? found->second->second : element.second;
    const double b = one_is_left ? element.second : found->second->second;
    const bool comparison = is_comparison(e.op), kept = comparison && holds(e.op, a, b);
    Labels labels = comparison && !e.return_bool ? element.first : nameless(element.first);
    if (m.card == Cardinality::kOneToOne) {
      if (!matched.insert(key).second) return no("many-to-one matching must be explicit");
      if (m.on) labels = labels.keep(m.labels);
      for (const std::string& name : m.labels) {
        if (!m.on) labels.remove(name);
      }
    }
    for (const std::string& name : m.include) labels.set(name, found->second->first.get(name));
    if (m.card != Cardinality::kOneToOne && !grouped.emplace(key, labels).second)
      return no("grouping labels must ensure unique matches");
    if (comparison && !e.return_bool && !kept) continue;  // an ambiguous match fails though it is filtered away
    out.emplace_back(labels, comparison ? (e.return_bool ? (kept ? 1.0 : 0.0) : a) : arithmetic(e.op, a, b));
  }
  return out;
}

Result<NaiveValue> Naive::binary(const BinaryExpr& e) const {
  SENTINEL_ASSIGN(const NaiveValue left, value(*e.lhs));
  SENTINEL_ASSIGN(const NaiveValue right, value(*e.rhs));
  const bool comparison = is_comparison(e.op);
  const auto combine = [&](double a, double b) {
    return comparison ? (holds(e.op, a, b) ? 1.0 : 0.0) : arithmetic(e.op, a, b);
  };
  if (left.scalar && right.scalar) return NaiveValue{combine(*left.scalar, *right.scalar), {}};
  if (is_set_operator(e.op)) return checked(set_operation(e, left.vector, right.vector));
  if (!left.scalar && !right.scalar) {
    SENTINEL_ASSIGN(Elements elements, joined(e, left.vector, right.vector));
    return checked(std::move(elements));
  }
  Elements out;
  for (const auto& [labels, v] : left.scalar ? right.vector : left.vector) {
    const double a = left.scalar ? *left.scalar : v, b = left.scalar ? v : *right.scalar;
    const bool filter = comparison && !e.return_bool;
    if (filter && !holds(e.op, a, b)) continue;
    out.emplace_back(filter ? labels : nameless(labels), filter ? v : combine(a, b));
  }
  return checked(std::move(out));
}

// ---- aggregations

double aggregate_values(Agg op, const std::vector<double>& v, double parameter) {
  double sum = 0;
  for (const double x : v) sum += x;
  switch (op) {
    case Agg::kSum: return sum;
    case Agg::kAvg: return sum / static_cast<double>(v.size());
    case Agg::kCount: return static_cast<double>(v.size());
    case Agg::kMin: return smallest(v);
    case Agg::kMax: return largest(v);
    case Agg::kGroup: return 1;
    case Agg::kStddev: return std::sqrt(variance(v));
    case Agg::kStdvar: return variance(v);
    case Agg::kQuantile: return quantile(parameter, v);
    default: return std::nan("");
  }
}

Result<NaiveValue> Naive::aggregate(const AggregateExpr& e) const {
  SENTINEL_ASSIGN(const Elements elements, vector(*e.expr));
  double parameter = 0;
  const auto* text = as<StringLiteral>(e.param ? &inside(*e.param) : nullptr);
  if (e.param && !text) {
    SENTINEL_ASSIGN(parameter, scalar(*e.param));
  }
  std::map<Labels, Elements> groups;
  for (const auto& element : elements) {
    Labels key = e.without ? element.first.without(e.grouping) : element.first.keep(e.grouping);
    if (e.op == Agg::kCountValues) key.set(text->value, format_double(element.second));
    groups[key].push_back(element);
  }
  Elements out;
  for (auto& [labels, members] : groups) {
    if (e.op == Agg::kTopk || e.op == Agg::kBottomk) {
      std::sort(members.begin(), members.end(), [&](const auto& a, const auto& b) {
        return e.op == Agg::kTopk ? a.second > b.second : a.second < b.second;
      });
      members.resize(std::min(members.size(), static_cast<size_t>(std::max(parameter, 0.0))));
      out.insert(out.end(), members.begin(), members.end());
      continue;
    }
    std::vector<double> values;
    for (const auto& [member, v] : members) values.push_back(v);
    out.emplace_back(labels, aggregate_values(e.op == Agg::kCountValues ? Agg::kCount : e.op, values, parameter));
  }
  return checked(std::move(out));
}

// ---- functions

Labels equalities(const model::Matchers& matchers) {
  Labels out;
  std::set<std::string> several;
  for (const model::Matcher& m : matchers) {
    if (m.name() == model::kMetricNameLabel) continue;
    const bool plain = m.type() == model::MatchType::kEqual && !out.has(m.name()) && !several.contains(m.name());
    several.insert(m.name());
    plain ? out.set(m.name(), m.value()) : out.remove(m.name());
  }
  return out;
}

Result<NaiveValue> Naive::range_call(const Call& e, const Expr& range, double parameter) const {
  SENTINEL_ASSIGN(const Window w, window(range));
  const std::string_view name = e.name();
  if (name == "absent_over_time") {
    if (!w.series.empty()) return NaiveValue{};
    const auto* matrix = as<MatrixSelector>(&inside(range));
    return NaiveValue{std::nullopt, {{matrix ? equalities(matrix->selector->matchers) : Labels(), 1.0}}};
  }
  Elements out;
  for (const RangeSeries& series : w.series) {
    const auto v = over_time(name, series.points, {{}, w.from_s, w.to_s, static_cast<double>(t_ms_) / 1000}, parameter);
    if (v) out.emplace_back(name == "last_over_time" ? series.labels : nameless(series.labels), *v);
  }
  return checked(std::move(out));
}

// label_replace with "(.*)" and "$1" (a copy), label_join.
Result<NaiveValue> Naive::label_call(const Call& e) const {
  SENTINEL_ASSIGN(Elements elements, vector(*e.args[0]));
  const auto text = [&](size_t i) { return as<StringLiteral>(&inside(*e.args[i]))->value; };
  for (auto& [labels, v] : elements) {
    if (e.name() == "label_replace") {
      labels.set(text(1), std::string(labels.get(text(3))));
      continue;
    }
    std::string joined;
    for (size_t i = 3; i < e.args.size(); ++i) joined += (i == 3 ? "" : text(2)) + std::string(labels.get(text(i)));
    labels.set(text(1), joined);
  }
  return checked(std::move(elements));
}

Result<NaiveValue> Naive::call(const Call& e) const {
  const std::string_view name = e.name();
  const double now_s = static_cast<double>(t_ms_) / 1000;
  if (name == "time") return NaiveValue{now_s, {}};
  if (name == "label_replace" || name == "label_join") return label_call(e);
  if (name == "vector") {
    SENTINEL_ASSIGN(const double v, scalar(*e.args[0]));
    return NaiveValue{std::nullopt, {{{}, v}}};
  }
  if (name == "quantile_over_time") {
    SENTINEL_ASSIGN(const double q, scalar(*e.args[0]));
    return range_call(e, *e.args[1], q);
  }
  if (!e.args.empty() && e.args[0]->type() == ValueType::kMatrix) {
    double parameter = 0;
    if (e.args.size() > 1) {
      SENTINEL_ASSIGN(parameter, scalar(*e.args[1]));
    }
    return range_call(e, *e.args[0], parameter);
  }
  Elements argument{{{}, now_s}};  // of hour() and its like
  if (!e.args.empty()) {
    SENTINEL_ASSIGN(argument, vector(*e.args[0]));
  }
  if (name == "scalar") return NaiveValue{argument.size() == 1 ? argument[0].second : std::nan(""), {}};
  if (name == "sort" || name == "sort_desc") return NaiveValue{std::nullopt, argument};
  if (name == "absent") {
    if (!argument.empty()) return NaiveValue{};
    const auto* selector = as<VectorSelector>(&inside(*e.args[0]));
    return NaiveValue{std::nullopt, {{selector ? equalities(selector->matchers) : Labels(), 1.0}}};
  }
  std::vector<double> parameters;
  for (size_t i = 1; i < e.args.size(); ++i) {
    SENTINEL_ASSIGN(parameters.emplace_back(), scalar(*e.args[i]));
  }
  const auto math = math_functions().find(name);
  if (math == math_functions().end()) return unknown(name);
  for (auto& [labels, v] : argument) labels = nameless(labels), v = math->second(v, parameters);
  return checked(std::move(argument));
}

}  // namespace

Result<NaiveValue> naive_evaluate(const NaiveData& data, const Expr& expr, int64_t t_ms) {
  return Naive(data, t_ms).value(expr);
}

}  // namespace sentinel::promql
