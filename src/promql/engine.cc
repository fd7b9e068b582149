#include "promql/engine.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "promql/evaluator.h"
#include "promql/go_text.h"
#include "promql/limits.h"
#include "promql/parser.h"
#include "promql/preprocess.h"
#include "promql/query.h"

namespace sentinel::promql {
namespace {

ResultType to_result_type(ValueType type) {
  switch (type) {
    case ValueType::kScalar: return ResultType::kScalar;
    case ValueType::kMatrix: return ResultType::kMatrix;
    case ValueType::kString: return ResultType::kString;
    default: return ResultType::kVector;
  }
}

Status check_time(int64_t t_ms) {
  if (t_ms >= -kTimeMsMax && t_ms <= kTimeMsMax) return {};
  return fail(ErrorCode::kInvalidArgument, fmt::format("evaluation time {} ms is out of range", t_ms));
}

Status check_experimental(const Query& query, const EngineOptions& options) {
  if (options.experimental_functions || !query.experimental) return {};
  return fail(*query.experimental);
}

// Removes the metric names that were marked for it, then merges what has become equal.
Status finish_names(SeriesMatrix& matrix, const EngineOptions& options) {
  if (!options.delayed_name_removal) return {};
  for (Series& s : matrix) {
    if (s.drop_name) drop_reserved(s.labels);
  }
  return merge_equal_labels(matrix);
}

Matrix to_matrix(SeriesMatrix series) {
  Matrix out;
  out.reserve(series.size());
  for (Series& s : series) {
    tsdb::SeriesData d;
    d.labels = std::move(s.labels);
    d.samples = std::move(s.floats);
    d.histograms = std::move(s.hists);
    out.push_back(std::move(d));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.labels < b.labels; });
  return out;
}

Vector to_vector(SeriesMatrix series, int64_t t) {
  Vector out;
  out.reserve(series.size());
  for (Series& s : series) {
    VectorSample sample;
    sample.labels = std::move(s.labels);
    sample.t_ms = t;
    if (!s.hists.empty()) {
      sample.h = s.hists[0].h;
    } else {
      sample.v = s.floats[0].v;
    }
    out.push_back(std::move(sample));
  }
  return out;
}

const StringLiteral* string_literal(Expr& expr) {
  Expr* e = unwrap_parens(&expr);
  if (auto* invariant = as<StepInvariantExpr>(e)) e = unwrap_parens(invariant->expr.get());
  return as<StringLiteral>(e);
}

// One evaluation: the clone of the tree, prepared for its times, and what its nodes share.
struct Run {
  QueryContext context;
  ExprPtr expr;
  SeriesMatrix matrix{};

  Run(const tsdb::Queryable& storage, const EngineOptions& options, const Query& query, const std::atomic<bool>* cancel)
      : context{storage, options, query.text, cancel, 0}, expr(query.expr->clone()) {
    if (options.timeout.count() > 0) context.deadline_us = monotonic_us() + Micros(options.timeout).count();
  }
  Status prepare(const EvalTimes& times) {
    SENTINEL_TRY(preprocess(expr, times));
    set_select_ranges(*expr, times, context.options.lookback_delta.count());
    return {};
  }
  Status evaluate(const EvalTimes& times) {
    SENTINEL_ASSIGN(matrix,
                    Evaluator(context, times.start_ms, times.end_ms, std::max<int64_t>(times.step_ms, 1)).eval(*expr));
    return finish_names(matrix, context.options);
  }
  QueryResult result(Value value) const {
    QueryResult out;
    out.value = std::move(value);
    out.warnings = context.annotations.warnings(context.query);
    out.infos = context.annotations.infos(context.query);
    out.samples_read = context.samples_read;
    out.read_histograms = context.saw_histograms;
    return out;
  }
};

}  // namespace

Result<std::shared_ptr<const Query>> parse(std::string_view text) {
  ParsedQuery parsed;
  SENTINEL_ASSIGN(parsed, parse_query(text));
  auto query = std::make_shared<Query>();
  query->text = text;
  query->expr = std::move(parsed.expr);
  query->experimental = std::move(parsed.experimental);
  return query;
}

std::vector<model::Matchers> selectors(const Query& query) {
  std::vector<model::Matchers> out;
  const ExprPtr copy = query.expr->clone();
  std::vector<Expr*> path;
  inspect(copy.get(), path, [&](Expr* node, const std::vector<Expr*>&) {
    if (const auto* selector = as<VectorSelector>(node)) out.push_back(selector->matchers);
  });
  return out;
}

std::vector<Millis> horizons(const Query& query, Millis lookback_delta) {
  std::vector<Millis> out;
  const ExprPtr copy = query.expr->clone();
  std::vector<Expr*> path;
  inspect(copy.get(), path, [&](Expr* node, const std::vector<Expr*>& ancestors) {
    const auto* selector = as<VectorSelector>(node);
    const auto in_subquery = [](const Expr* e) { return e->kind == Expr::Kind::kSubquery; };
    if (!selector || selector->time.at != AtModifier::kNone) return;
    if (std::any_of(ancestors.begin(), ancestors.end(), in_subquery)) return;
    const auto* matrix = ancestors.empty() ? nullptr : as<MatrixSelector>(ancestors.back());
    if (selector->time.offset_expr || (matrix && matrix->range_expr)) return;  // known only once it is evaluated
    out.push_back(Millis(selector->time.original_offset_ms) + (matrix ? Millis(matrix->range_ms) : lookback_delta));
  });
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Result<std::shared_ptr<const Query>> truth_of(const Query& comparison) {
  const ExprPtr copy = comparison.expr->clone();
  Expr* top = copy.get();
  while (auto* paren = as<ParenExpr>(top)) top = paren->expr.get();
  auto* binary = as<BinaryExpr>(top);
  if (binary == nullptr || !is_comparison(binary->op) || binary->type() != ValueType::kVector)
    return fail(ErrorCode::kInvalidArgument, "expected a comparison of series, such as errors < 5");
  binary->return_bool = true;
  return parse(binary->to_string());
}

std::string to_string(const Query& query) { return query.expr->to_string(); }
const std::string& text(const Query& query) { return query.text; }
ResultType result_type(const Query& query) { return to_result_type(query.expr->type()); }

Result<QueryResult> Engine::instant(const Query& query, int64_t t_ms, const std::atomic<bool>* cancel) const {
  SENTINEL_TRY(check_experimental(query, options_));
  SENTINEL_TRY(check_time(t_ms));
  Run run(storage_, options_, query, cancel);
  const EvalTimes times{t_ms, t_ms, 0};
  SENTINEL_TRY(run.prepare(times));
  const ValueType type = query.expr->type();
  if (type == ValueType::kString) return run.result(String{t_ms, string_literal(*run.expr)->value});
  SENTINEL_TRY(run.evaluate(times));
  switch (type) {
    case ValueType::kScalar: return run.result(Scalar{t_ms, run.matrix.at(0).floats.at(0).v});
    case ValueType::kMatrix: return run.result(to_matrix(std::move(run.matrix)));
    default: return run.result(to_vector(std::move(run.matrix), t_ms));
  }
}

Result<QueryResult> Engine::range(const Query& query, int64_t start_ms, int64_t end_ms, int64_t step_ms,
                                  const std::atomic<bool>* cancel) const {
  SENTINEL_TRY(check_experimental(query, options_));
  const ValueType type = query.expr->type();
  if (type != ValueType::kVector && type != ValueType::kScalar) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("invalid expression type {} for range query, must be Scalar or instant Vector",
                            go_quote(documented_type(type))));
  }
  SENTINEL_TRY(check_time(start_ms));
  SENTINEL_TRY(check_time(end_ms));
  if (step_ms <= 0) return fail(ErrorCode::kInvalidArgument, "step of a range query must be positive");
  if (end_ms < start_ms) return fail(ErrorCode::kInvalidArgument, "end of a range query must not be before its start");
  if ((end_ms - start_ms) / step_ms >= kRangeStepsMax) {
    return fail(ErrorCode::kTooLarge, fmt::format("range query has more than {} steps", kRangeStepsMax));
  }
  Run run(storage_, options_, query, cancel);
  const EvalTimes times{start_ms, end_ms, step_ms};
  SENTINEL_TRY(run.prepare(times));
  SENTINEL_TRY(run.evaluate(times));
  return run.result(to_matrix(std::move(run.matrix)));
}

}  // namespace sentinel::promql
