#include "promql/preprocess.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "promql/function_table.h"

namespace sentinel::promql {
namespace {

constexpr double kMsPerSecond = 1000;

void unwrap(ExprPtr& expr) {
  while (auto* paren = as<ParenExpr>(expr.get())) {
    ExprPtr inner = std::move(paren->expr);
    expr = std::move(inner);
  }
}

void wrap(ExprPtr& expr) { expr = std::make_unique<StepInvariantExpr>(std::move(expr)); }

// Every place in a node that owns an evaluated child.
template <class Fn>
void for_each_child(Expr& expr, const Fn& fn) {
  switch (expr.kind) {
    case Expr::Kind::kBinary:
      fn(as<BinaryExpr>(&expr)->lhs);
      fn(as<BinaryExpr>(&expr)->rhs);
      break;
    case Expr::Kind::kCall:
      for (ExprPtr& arg : as<Call>(&expr)->args) fn(arg);
      break;
    case Expr::Kind::kAggregate:
      fn(as<AggregateExpr>(&expr)->expr);
      if (as<AggregateExpr>(&expr)->param) fn(as<AggregateExpr>(&expr)->param);
      break;
    case Expr::Kind::kUnary: fn(as<UnaryExpr>(&expr)->expr); break;
    case Expr::Kind::kParen: fn(as<ParenExpr>(&expr)->expr); break;
    case Expr::Kind::kSubquery: fn(as<SubqueryExpr>(&expr)->expr); break;
    default: break;
  }
}

void fold_query_context(ExprPtr& expr, const EvalTimes& times) {
  if (const auto* call = as<Call>(expr.get())) {
    const auto number = [&](int64_t ms) {
      expr = std::make_unique<NumberLiteral>(static_cast<double>(ms) / kMsPerSecond, call->pos, false);
    };
    const std::string_view name = call->name();
    if (name == "start") return number(times.start_ms);
    if (name == "end") return number(times.end_ms);
    if (name == "range") return number(times.end_ms - times.start_ms);
    if (name == "step") return number(times.start_ms == times.end_ms ? 0 : times.step_ms);
  }
  for_each_child(*expr, [&](ExprPtr& child) { fold_query_context(child, times); });
}

// ---- duration expressions

tl::unexpected<Error> duration_error(const Expr& expr, std::string_view what) {
  return fail(ErrorCode::kUnprocessable, fmt::format("{}:{}: {}", expr.pos.start, expr.pos.end, what));
}

Result<double> duration_seconds(const Expr& expr, const EvalTimes& times) {
  if (const auto* number = as<NumberLiteral>(&expr)) return number->value;
  const auto& e = static_cast<const DurationExpr&>(expr);
  double lhs = 0;
  double rhs = 0;
  if (e.lhs) {
    SENTINEL_ASSIGN(lhs, duration_seconds(*e.lhs, times));
  }
  if (e.rhs) {
    SENTINEL_ASSIGN(rhs, duration_seconds(*e.rhs, times));
  }
  const auto either_nan = [&] { return std::isnan(lhs) || std::isnan(rhs); };
  switch (e.op) {
    case Op::kStep: return static_cast<double>(times.step_ms) / kMsPerSecond;
    case Op::kRange: return static_cast<double>(times.end_ms - times.start_ms) / kMsPerSecond;
    case Op::kMinOf: return either_nan() ? std::nan("") : std::min(lhs, rhs);
    case Op::kMaxOf: return either_nan() ? std::nan("") : std::max(lhs, rhs);
    case Op::kAdd: return e.lhs ? lhs + rhs : rhs;
    case Op::kSub: return e.lhs ? lhs - rhs : -rhs;
    case Op::kMul: return lhs * rhs;
    case Op::kDiv:
      if (rhs == 0) return duration_error(expr, "division by zero");
      return lhs / rhs;
    case Op::kMod:
      if (rhs == 0) return duration_error(expr, "modulo by zero");
      return std::fmod(lhs, rhs);
    case Op::kPow: return std::pow(lhs, rhs);
    default: return duration_error(expr, "unexpected duration expression operator");
  }
}

Status resolve(const std::shared_ptr<const Expr>& expr, bool may_be_negative, const EvalTimes& times, int64_t& ms) {
  if (!expr) return {};
  double seconds = 0;
  SENTINEL_ASSIGN(seconds, duration_seconds(*expr, times));
  if (!std::isfinite(seconds)) return duration_error(*expr, "duration is NaN or infinite");
  if (seconds <= 0 && !may_be_negative) return duration_error(*expr, "duration must be greater than 0");
  constexpr double kSecondsMax = 9223372036.854775808;
  if (seconds > kSecondsMax || seconds < -kSecondsMax) return duration_error(*expr, "duration is out of range");
  ms = static_cast<int64_t>(seconds * kMsPerSecond);
  return {};
}

Status resolve_durations(Expr& expr, const EvalTimes& times) {
  if (auto* v = as<VectorSelector>(&expr)) {
    return resolve(v->time.offset_expr, true, times, v->time.original_offset_ms);
  }
  if (auto* m = as<MatrixSelector>(&expr)) SENTINEL_TRY(resolve(m->range_expr, false, times, m->range_ms));
  if (auto* s = as<SubqueryExpr>(&expr)) {
    SENTINEL_TRY(resolve(s->time.offset_expr, true, times, s->time.original_offset_ms));
    SENTINEL_TRY(resolve(s->step_expr, false, times, s->step_ms));
    SENTINEL_TRY(resolve(s->range_expr, false, times, s->range_ms));
  }
  for (Expr* child : expr.children()) SENTINEL_TRY(resolve_durations(*child, times));
  return {};
}

// ---- step invariance

void set_at(TimeModifiers& time, const EvalTimes& times) {
  if (time.at == AtModifier::kStart) time.at_ms = times.start_ms;
  if (time.at == AtModifier::kEnd) time.at_ms = times.end_ms;
}

struct Invariance {
  bool invariant = false;
  bool wrap = false;
};

Invariance find_invariant(Expr& expr, const EvalTimes& times);

Invariance find_in_call(Call& call, const EvalTimes& times) {
  bool invariant = !depends_on_step(call.name());
  // timestamp(metric @ 1) is invariant, timestamp(abs(metric @ 1)) is not.
  bool timestamp_of_selectors = call.name() == "timestamp";
  std::vector<bool> wraps(call.args.size());
  for (size_t i = 0; i < call.args.size(); ++i) {
    unwrap(call.args[i]);
    const Invariance arg = find_invariant(*call.args[i], times);
    wraps[i] = arg.wrap;
    invariant = invariant && arg.invariant;
    if (!arg.invariant || as<VectorSelector>(call.args[i].get()) == nullptr) timestamp_of_selectors = false;
  }
  if (invariant || timestamp_of_selectors) return {true, true};
  for (size_t i = 0; i < wraps.size(); ++i) {
    if (wraps[i]) wrap(call.args[i]);
  }
  return {};
}

Invariance find_invariant(Expr& expr, const EvalTimes& times) {
  switch (expr.kind) {
    case Expr::Kind::kVectorSelector: {
      TimeModifiers& time = as<VectorSelector>(&expr)->time;
      set_at(time, times);
      return {time.at_ms.has_value(), time.at_ms.has_value()};
    }
    case Expr::Kind::kAggregate: {
      auto& aggregate = *as<AggregateExpr>(&expr);
      unwrap(aggregate.expr);
      if (aggregate.param) unwrap(aggregate.param);
      return find_invariant(*aggregate.expr, times);
    }
    case Expr::Kind::kBinary: {
      auto& binary = *as<BinaryExpr>(&expr);
      const Invariance lhs = find_invariant(*binary.lhs, times);
      const Invariance rhs = find_invariant(*binary.rhs, times);
      if (lhs.invariant && rhs.invariant) return {true, true};
      if (lhs.wrap) wrap(binary.lhs);
      if (rhs.wrap) wrap(binary.rhs);
      return {};
    }
    case Expr::Kind::kCall: return find_in_call(*as<Call>(&expr), times);
    case Expr::Kind::kMatrixSelector: return {find_invariant(*as<MatrixSelector>(&expr)->selector, times).invariant, false};
    case Expr::Kind::kSubquery: {
      auto& subquery = *as<SubqueryExpr>(&expr);
      if (find_invariant(*subquery.expr, times).invariant) wrap(subquery.expr);
      set_at(subquery.time, times);
      return {subquery.time.at_ms.has_value(), false};
    }
    case Expr::Kind::kParen: return find_invariant(*as<ParenExpr>(&expr)->expr, times);
    case Expr::Kind::kUnary: return find_invariant(*as<UnaryExpr>(&expr)->expr, times);
    default: return {true, false};
  }
}

// Buckets of native histograms are not needed where only count and sum are asked for, unless something on the way needs them.
void find_skippable_buckets(Expr& root) {
  std::vector<Expr*> path;
  inspect(&root, path, [](Expr* node, const std::vector<Expr*>& ancestors) {
    auto* selector = as<VectorSelector>(node);
    if (selector == nullptr) return;
    for (size_t i = ancestors.size(); i-- > 0;) {
      bool needed = as<SubqueryExpr>(ancestors[i]) != nullptr;
      if (const auto* call = as<Call>(ancestors[i])) {
        const std::string_view name = call->name();
        if (name == "histogram_count" || name == "histogram_sum" || name == "histogram_avg") {
          selector->skip_histogram_buckets = true;
        }
        needed = name == "histogram_quantile" || name == "histogram_quantiles" || name == "histogram_fraction";
      } else if (const auto* binary = as<BinaryExpr>(ancestors[i])) {
        needed = binary->op == Op::kTrimUpper || binary->op == Op::kTrimLower;
      }
      if (needed) {
        selector->skip_histogram_buckets = false;
        return;
      }
    }
  });
}

// Offset and range that the subqueries above a node add, and the time the innermost @ among them fixes.
struct SubqueryTimes {
  int64_t offset = 0;
  int64_t range = 0;
  std::optional<int64_t> at;
};

SubqueryTimes subquery_times(const std::vector<Expr*>& path) {
  SubqueryTimes out;
  for (const Expr* node : path) {
    const auto* subquery = as<SubqueryExpr>(node);
    if (subquery == nullptr) continue;
    out.offset += subquery->time.original_offset_ms;
    out.range += subquery->range_ms;
    if (subquery->time.at_ms) {
      out.offset = subquery->time.original_offset_ms;
      out.range = subquery->range_ms;
      out.at = subquery->time.at_ms;
    }
  }
  return out;
}

}  // namespace

bool depends_on_step(std::string_view name) {
  static constexpr std::array<std::string_view, 15> kNames{
      "days_in_month", "day_of_month", "day_of_week", "day_of_year", "end", "hour", "minute", "month", "year",
      "predict_linear", "range", "start", "step", "time", "timestamp"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

Status preprocess(ExprPtr& expr, const EvalTimes& times) {
  find_skippable_buckets(*expr);
  fold_query_context(expr, times);
  SENTINEL_TRY(resolve_durations(*expr, times));
  if (find_invariant(*expr, times).wrap) wrap(expr);
  set_offsets(times.start_ms, *expr);
  return {};
}

void set_offsets(int64_t start_ms, Expr& expr) {
  const auto effective = [&](const TimeModifiers& time, const std::vector<Expr*>& path) {
    if (!time.at_ms) return time.original_offset_ms;
    SubqueryTimes outer = subquery_times(path);
    if (outer.at) outer.offset += start_ms - *outer.at;
    return time.original_offset_ms + (start_ms - *time.at_ms) - outer.offset;
  };
  std::vector<Expr*> path;
  inspect(&expr, path, [&](Expr* node, const std::vector<Expr*>& ancestors) {
    if (auto* v = as<VectorSelector>(node)) v->time.offset_ms = effective(v->time, ancestors);
    if (auto* s = as<SubqueryExpr>(node)) s->time.offset_ms = effective(s->time, ancestors);
  });
}

void set_select_ranges(Expr& expr, const EvalTimes& times, int64_t lookback_ms) {
  std::vector<Expr*> path;
  inspect(&expr, path, [&](Expr* node, const std::vector<Expr*>& ancestors) {
    auto* v = as<VectorSelector>(node);
    if (v == nullptr) return;
    const SubqueryTimes outer = subquery_times(ancestors);
    int64_t start = outer.at.value_or(times.start_ms);
    int64_t end = outer.at.value_or(times.end_ms);
    if (v->time.at_ms) {
      start = end = *v->time.at_ms;
    } else {
      start -= outer.offset + outer.range;
      end -= outer.offset;
    }
    const auto* matrix = ancestors.empty() ? nullptr : as<MatrixSelector>(ancestors.back());
    if (matrix == nullptr) {
      start -= lookback_ms - 1;
    } else {
      start -= matrix->range_ms - 1;
      if (v->anchored || v->smoothed) start -= lookback_ms;
    }
    if (v->smoothed) end += lookback_ms;
    v->select_min_ms = start - v->time.original_offset_ms;
    v->select_max_ms = end - v->time.original_offset_ms;
  });
}

Expr* unwrap_parens(Expr* expr) {
  while (auto* paren = as<ParenExpr>(expr)) expr = paren->expr.get();
  return expr;
}

}  // namespace sentinel::promql
