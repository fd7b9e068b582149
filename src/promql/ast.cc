#include "promql/ast.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "promql/function_table.h"
#include "promql/go_text.h"

namespace sentinel::promql {
namespace {

std::string label_list(const std::vector<std::string>& labels) {
  std::string out;
  for (const std::string& label : labels) {
    if (!out.empty()) out += ", ";
    out += model::is_legacy_label_name(label) ? label : go_quote(label);
  }
  return out;
}

std::string range_text(int64_t ms, const std::shared_ptr<const Expr>& expr) {
  return expr ? expr->to_string() : duration_text(ms);
}

std::string offset_suffix(const TimeModifiers& time) {
  if (time.offset_expr) return " offset " + time.offset_expr->to_string();
  if (time.original_offset_ms > 0) return " offset " + duration_text(time.original_offset_ms);
  if (time.original_offset_ms < 0) return " offset -" + duration_text(-time.original_offset_ms);
  return "";
}

std::string at_suffix(const TimeModifiers& time) {
  constexpr double kMsPerSecond = 1000.0;
  switch (time.at) {
    case AtModifier::kNone: return "";
    case AtModifier::kTimestamp: return fmt::format(" @ {:.3f}", static_cast<double>(*time.at_ms) / kMsPerSecond);
    case AtModifier::kStart: return " @ start()";
    case AtModifier::kEnd: return " @ end()";
  }
  return "";
}

std::string matcher_text(const model::Matcher& m) {
  static constexpr std::array<std::string_view, 4> kOps{"=", "!=", "=~", "!~"};
  const std::string name = model::is_legacy_label_name(m.name()) ? m.name() : go_quote(m.name());
  return fmt::format("{}{}{}", name, kOps[static_cast<size_t>(m.type())], go_quote(m.value()));
}

// Name and matchers, without modifiers.
std::string selector_text(const VectorSelector& selector) {
  std::vector<std::string> parts;
  for (const model::Matcher& m : selector.matchers) {
    const bool shown_as_name = m.name() == model::kMetricNameLabel && m.type() == model::MatchType::kEqual &&
                               m.value() == selector.name && !m.value().empty();
    if (!shown_as_name) parts.push_back(matcher_text(m));
  }
  std::sort(parts.begin(), parts.end());
  std::string out = selector.name;
  if (parts.empty()) return out;
  return out + fmt::format("{{{}}}", fmt::join(parts, ","));
}

std::string extended_suffix(const VectorSelector& selector) {
  return selector.anchored ? " anchored" : selector.smoothed ? " smoothed" : "";
}

std::vector<ExprPtr> clone_all(const std::vector<ExprPtr>& exprs) {
  std::vector<ExprPtr> out;
  out.reserve(exprs.size());
  for (const ExprPtr& e : exprs) out.push_back(e->clone());
  return out;
}

std::string matching_text(const VectorMatching& m) {
  std::string out;
  const bool grouped = m.card == Cardinality::kManyToOne || m.card == Cardinality::kOneToMany;
  if (!m.labels.empty() || m.on || grouped) out += fmt::format(" {} ({})", m.on ? "on" : "ignoring", label_list(m.labels));
  if (grouped) {
    out += fmt::format(" group_{} ({})", m.card == Cardinality::kManyToOne ? "left" : "right", label_list(m.include));
  }
  if (m.fill_left && m.fill_right && *m.fill_left == *m.fill_right) {
    return out + fmt::format(" fill ({})", format_go_g(*m.fill_left));
  }
  if (m.fill_left) out += fmt::format(" fill_left ({})", format_go_g(*m.fill_left));
  if (m.fill_right) out += fmt::format(" fill_right ({})", format_go_g(*m.fill_right));
  return out;
}

}  // namespace

std::pair<int, int> line_and_column(int offset, std::string_view query) {
  const int limit = std::clamp(offset, 0, static_cast<int>(query.size()));
  int line = 1;
  int last_break = -1;
  for (int i = 0; i < limit; ++i) {
    if (query[static_cast<size_t>(i)] == '\n') {
      last_break = i;
      ++line;
    }
  }
  return {line, limit - last_break};
}

std::string position_text(PosRange pos, std::string_view query) {
  if (query.empty()) return "unknown position";
  if (pos.start < 0 || pos.start > static_cast<int>(query.size())) return "invalid position";
  const auto [line, column] = line_and_column(pos.start, query);
  return fmt::format("{}:{}", line, column);
}

std::string_view documented_type(ValueType type) {
  switch (type) {
    case ValueType::kVector: return "instant vector";
    case ValueType::kMatrix: return "range vector";
    default: return type_name(type);
  }
}

std::string_view type_name(ValueType type) {
  switch (type) {
    case ValueType::kNone: return "none";
    case ValueType::kScalar: return "scalar";
    case ValueType::kVector: return "vector";
    case ValueType::kMatrix: return "matrix";
    case ValueType::kString: return "string";
  }
  return "";
}

std::string_view op_text(Op op) {
  static constexpr std::array<std::string_view, 22> kText{
      "+", "-", "*", "/", "%", "^", "atan2", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless", "</", ">/",
      "step", "range", "min_of", "max_of"};
  return kText[static_cast<size_t>(op)];
}

bool is_comparison(Op op) { return op >= Op::kEqual && op <= Op::kLessEqual; }
bool is_set_operator(Op op) { return op >= Op::kAnd && op <= Op::kUnless; }

std::string_view agg_text(Agg agg) {
  static constexpr std::array<std::string_view, 14> kText{"sum", "avg", "count", "min", "max", "group", "stddev", "stdvar",
                                                          "topk", "bottomk", "count_values", "quantile", "limitk", "limit_ratio"};
  return kText[static_cast<size_t>(agg)];
}

bool agg_has_param(Agg agg) { return agg >= Agg::kTopk; }

std::string NumberLiteral::to_string() const {
  if (!is_duration) return format_go_f(value);
  const int64_t ms = seconds_to_ms(std::abs(value));
  return value < 0 ? "-" + duration_text(ms) : duration_text(ms);
}

std::string StringLiteral::to_string() const { return go_quote(value); }
std::string ParenExpr::to_string() const { return "(" + expr->to_string() + ")"; }
std::string UnaryExpr::to_string() const { return std::string(op_text(op)) + expr->to_string(); }

ExprPtr BinaryExpr::clone() const {
  return std::make_unique<BinaryExpr>(op, lhs->clone(), rhs->clone(), return_bool, matching);
}

std::string BinaryExpr::to_string() const {
  return fmt::format("{} {}{}{} {}", lhs->to_string(), op_text(op), return_bool ? " bool" : "",
                     matching ? matching_text(*matching) : "", rhs->to_string());
}

ExprPtr AggregateExpr::clone() const {
  auto copy = std::make_unique<AggregateExpr>(op, pos);
  copy->expr = expr->clone();
  if (param) copy->param = param->clone();
  copy->grouping = grouping;
  copy->without = without;
  return copy;
}

std::string AggregateExpr::to_string() const {
  std::string out(agg_text(op));
  if (without) {
    out += fmt::format(" without ({}) ", label_list(grouping));
  } else if (!grouping.empty()) {
    out += fmt::format(" by ({}) ", label_list(grouping));
  }
  out += "(";
  if (param) out += param->to_string() + ", ";
  return out + expr->to_string() + ")";
}

ValueType Call::type() const { return function->returns; }
std::string_view Call::name() const { return function->name; }
ExprPtr Call::clone() const { return std::make_unique<Call>(function, clone_all(args), pos); }

std::string Call::to_string() const {
  std::vector<std::string> parts;
  for (const ExprPtr& arg : args) parts.push_back(arg->to_string());
  return fmt::format("{}({})", function->name, fmt::join(parts, ", "));
}

std::vector<Expr*> Call::children() {
  std::vector<Expr*> out;
  for (const ExprPtr& arg : args) out.push_back(arg.get());
  return out;
}

ExprPtr DurationExpr::clone() const {
  auto copy = std::make_unique<DurationExpr>(op, lhs ? lhs->clone() : nullptr, rhs ? rhs->clone() : nullptr, pos);
  copy->wrapped = wrapped;
  return copy;
}

std::string DurationExpr::to_string() const {
  std::string out;
  if (op == Op::kStep || op == Op::kRange) {
    out = fmt::format("{}()", op_text(op));
  } else if (op == Op::kMinOf || op == Op::kMaxOf) {
    out = fmt::format("{}({}, {})", op_text(op), lhs->to_string(), rhs->to_string());
  } else if (!lhs) {
    out = (op == Op::kSub ? "-" : "") + rhs->to_string();
  } else {
    out = fmt::format("{} {} {}", lhs->to_string(), op_text(op), rhs->to_string());
  }
  return wrapped ? "(" + out + ")" : out;
}

ExprPtr VectorSelector::clone() const {
  auto copy = std::make_unique<VectorSelector>(name, matchers, pos);
  copy->time = time;
  copy->anchored = anchored;
  copy->smoothed = smoothed;
  copy->allow_empty_matchers = allow_empty_matchers;
  return copy;
}

std::string VectorSelector::to_string() const {
  return selector_text(*this) + at_suffix(time) + extended_suffix(*this) + offset_suffix(time);
}

ExprPtr MatrixSelector::clone() const {
  ExprPtr inner = selector->clone();
  auto copy = std::make_unique<MatrixSelector>(
      std::unique_ptr<VectorSelector>(static_cast<VectorSelector*>(inner.release())), pos);
  copy->range_ms = range_ms;
  copy->range_expr = range_expr;
  return copy;
}

std::string MatrixSelector::to_string() const {
  return fmt::format("{}[{}]{}{}{}", selector_text(*selector), range_text(range_ms, range_expr), extended_suffix(*selector),
                     at_suffix(selector->time), offset_suffix(selector->time));
}

ExprPtr SubqueryExpr::clone() const {
  auto copy = std::make_unique<SubqueryExpr>(expr->clone(), pos);
  copy->range_ms = range_ms;
  copy->range_expr = range_expr;
  copy->step_ms = step_ms;
  copy->step_expr = step_expr;
  copy->time = time;
  return copy;
}

std::string SubqueryExpr::to_string() const {
  const std::string step = step_ms != 0 || step_expr ? range_text(step_ms, step_expr) : "";
  return fmt::format("{}[{}:{}]{}{}", expr->to_string(), range_text(range_ms, range_expr), step, at_suffix(time),
                     offset_suffix(time));
}

}  // namespace sentinel::promql
