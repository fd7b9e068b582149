#include "promql/evaluator.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/clock.h"
#include "promql/function_table.h"
#include "promql/go_text.h"
#include "promql/limits.h"
#include "promql/preprocess.h"

namespace sentinel::promql {

uint64_t count_samples(const SeriesMatrix& matrix) {
  uint64_t count = 0;
  for (const Series& s : matrix) {
    count += s.floats.size();
    for (const HPoint& p : s.hists) count += p.h->size_in_samples();
  }
  return count;
}

void drop_reserved(model::Labels& labels) {
  labels.remove(model::kMetricNameLabel);
  labels.remove("__type__");
  labels.remove("__unit__");
}

std::string_view metric_name(const model::Labels& labels) { return labels.get(model::kMetricNameLabel); }

std::string labels_text(const model::Labels& labels) {
  std::string out;
  for (const model::Label& l : labels) {
    if (!out.empty()) out += ", ";
    out += (model::is_legacy_label_name(l.name) ? l.name : go_quote(l.name)) + "=" + go_quote(l.value);
  }
  return "{" + out + "}";
}

Status QueryContext::work(uint64_t points, uint64_t& left) const {
  if (points < left) {
    left -= points;
    return {};
  }
  left = kCancelCheckInterval;
  if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) {
    return fail(ErrorCode::kCanceled, "query was canceled in expression evaluation");
  }
  if (deadline_us != 0 && monotonic_us() > deadline_us) {
    return fail(ErrorCode::kTimeout, "query timed out in expression evaluation");
  }
  return {};
}

Status QueryContext::hold(uint64_t count) {
  const uint64_t now = samples.fetch_add(count, std::memory_order_relaxed) + count;
  const uint64_t bytes = now * sizeof(model::Sample) + read_bytes.load(std::memory_order_relaxed);
  if (options.memory_max != 0 && bytes > options.memory_max) {
    return fail(ErrorCode::kTooLarge,
                fmt::format("query processing would use too much memory in query execution (limit {} bytes)",
                            options.memory_max));
  }
  if (now <= options.samples_max) return {};
  return fail(ErrorCode::kTooLarge,
              fmt::format("query processing would load too many samples into memory in query execution (limit {})",
                          options.samples_max));
}

tl::unexpected<Error> duplicate_labelset() {
  return fail(ErrorCode::kUnprocessable, "vector cannot contain metrics with the same labelset");
}

// ---- builder

int MatrixBuilder::series(const model::Labels& labels, bool drop_name) {
  const uint64_t hash = labels.hash();
  const auto [it, added] = by_hash_.try_emplace(hash, static_cast<int>(out_.size()));
  if (added) {
    out_.push_back({labels, drop_name, {}, {}});
    last_t_.push_back(INT64_MIN);
  }
  return it->second;
}

Status MatrixBuilder::add(int series, int64_t t, PointValue value) {
  auto index = static_cast<size_t>(series);
  if (last_t_[index] == t) {
    if (merge_labels_) return duplicate_labelset();
    out_.push_back({out_[index].labels, out_[index].drop_name, {}, {}});
    last_t_.push_back(t);
    index = out_.size() - 1;
  }
  Series& s = out_[index];
  if (last_t_[index] == INT64_MIN || s.empty()) emitted_.push_back(static_cast<int>(index));
  last_t_[index] = t;
  if (value.h) {
    s.hists.push_back({t, std::move(value.h)});
  } else {
    if (s.floats.empty()) s.floats.reserve(std::min<size_t>(points_hint_, kReservedPointsMax));
    s.floats.push_back({t, value.v});
  }
  return {};
}

SeriesMatrix MatrixBuilder::take() {
  SeriesMatrix matrix;
  matrix.reserve(emitted_.size());
  for (int index : emitted_) matrix.push_back(std::move(out_[static_cast<size_t>(index)]));
  return matrix;
}

bool names_one_metric(const model::Matchers& matchers) {
  return std::any_of(matchers.begin(), matchers.end(), [](const model::Matcher& m) {
    return m.name() == model::kMetricNameLabel && m.type() == model::MatchType::kEqual && !m.value().empty();
  });
}

bool has_equal_labels(const SeriesMatrix& matrix) {
  if (matrix.size() < 2) return false;
  absl::flat_hash_map<uint64_t, int> seen;
  seen.reserve(matrix.size());
  for (const Series& s : matrix) {
    if (!seen.try_emplace(s.labels.hash(), 0).second) return true;
  }
  return false;
}

Status merge_equal_labels(SeriesMatrix& matrix) {
  if (!has_equal_labels(matrix)) return {};
  absl::flat_hash_map<uint64_t, size_t> by_hash;
  SeriesMatrix merged;
  for (Series& s : matrix) {
    const auto [it, added] = by_hash.try_emplace(s.labels.hash(), merged.size());
    if (added) {
      merged.push_back(std::move(s));
      continue;
    }
    Series& into = merged[it->second];
    into.floats.insert(into.floats.end(), s.floats.begin(), s.floats.end());
    into.hists.insert(into.hists.end(), s.hists.begin(), s.hists.end());
  }
  const auto earlier = [](const auto& a, const auto& b) { return a.t_ms < b.t_ms; };
  const auto same_time = [](const auto& a, const auto& b) { return a.t_ms == b.t_ms; };
  for (Series& s : merged) {
    std::sort(s.floats.begin(), s.floats.end(), earlier);
    std::sort(s.hists.begin(), s.hists.end(), earlier);
    if (std::adjacent_find(s.floats.begin(), s.floats.end(), same_time) != s.floats.end() ||
        std::adjacent_find(s.hists.begin(), s.hists.end(), same_time) != s.hists.end()) {
      return duplicate_labelset();
    }
  }
  matrix = std::move(merged);
  return {};
}

// ---- evaluator

void Evaluator::drop_name(Series& series) const {
  if (!delayed()) drop_reserved(series.labels);
  series.drop_name = true;
}

Status Evaluator::merge_if_eager(SeriesMatrix& matrix) const {
  if (delayed()) return {};
  return merge_equal_labels(matrix);
}

Result<SeriesMatrix> Evaluator::eval(Expr& expr) {
  SENTINEL_TRY(context_.work(1));
  if (end_ < start_) return SeriesMatrix{};
  const uint64_t held_before = context_.samples;
  SeriesMatrix result;
  SENTINEL_ASSIGN(result, eval_node(expr));
  // What the node used on the way is gone; what it returns stays.
  context_.samples = held_before;
  SENTINEL_TRY(context_.hold(count_samples(result)));
  return result;
}

Result<SeriesMatrix> Evaluator::eval_node(Expr& expr) {
  switch (expr.kind) {
    case Expr::Kind::kNumber: return eval_number(as<NumberLiteral>(&expr)->value);
    case Expr::Kind::kParen: return eval(*as<ParenExpr>(&expr)->expr);
    case Expr::Kind::kUnary: return eval_unary(*as<UnaryExpr>(&expr));
    case Expr::Kind::kBinary: return eval_binary(*as<BinaryExpr>(&expr));
    case Expr::Kind::kAggregate: return eval_aggregate(*as<AggregateExpr>(&expr));
    case Expr::Kind::kCall: return eval_call(*as<Call>(&expr));
    case Expr::Kind::kVectorSelector: return eval_vector_selector(*as<VectorSelector>(&expr));
    case Expr::Kind::kMatrixSelector: return eval_matrix_selector(*as<MatrixSelector>(&expr));
    case Expr::Kind::kSubquery: return eval_subquery(*as<SubqueryExpr>(&expr));
    case Expr::Kind::kStepInvariant: return eval_step_invariant(*as<StepInvariantExpr>(&expr));
    case Expr::Kind::kString:
    case Expr::Kind::kDuration: break;
  }
  return fail(ErrorCode::kInternal, "expression cannot be evaluated: " + expr.to_string());
}

Result<SeriesMatrix> Evaluator::eval_number(double value) {
  SeriesMatrix out(1);
  SENTINEL_TRY(context_.hold(static_cast<uint64_t>(steps())));
  out[0].floats.reserve(static_cast<size_t>(steps()));
  for (int64_t t = start_; t <= end_; t += interval_) out[0].floats.push_back({t, value});
  return out;
}

Result<SeriesMatrix> Evaluator::eval_unary(UnaryExpr& expr) {
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, eval(*expr.expr));
  if (expr.op != Op::kSub) return matrix;
  for (Series& s : matrix) {
    drop_name(s);
    for (FPoint& p : s.floats) p.v = -p.v;
    for (HPoint& p : s.hists) {
      auto negated = std::make_shared<model::FloatHistogram>(*p.h);
      negated->mul(-1);
      p.h = std::move(negated);
    }
  }
  SENTINEL_TRY(merge_if_eager(matrix));
  return matrix;
}

Result<SeriesMatrix> Evaluator::eval_step_invariant(StepInvariantExpr& expr) {
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, Evaluator(context_, start_, start_, interval_).eval(*expr.expr));
  // A range vector has its own times, which do not depend on the step.
  if (as<MatrixSelector>(expr.expr.get()) != nullptr || as<SubqueryExpr>(expr.expr.get()) != nullptr) return matrix;
  const auto more = static_cast<uint64_t>(steps() - 1);
  for (Series& s : matrix) {
    SENTINEL_TRY(context_.hold(more));
    if (!s.floats.empty()) {
      const double v = s.floats[0].v;
      s.floats.reserve(static_cast<size_t>(steps()));
      for (int64_t t = start_ + interval_; t <= end_; t += interval_) s.floats.push_back({t, v});
    } else if (!s.hists.empty()) {
      const model::HistogramPtr h = s.hists[0].h;
      SENTINEL_TRY(context_.hold(more * (h->size_in_samples() - 1)));
      for (int64_t t = start_ + interval_; t <= end_; t += interval_) s.hists.push_back({t, h});
    }
  }
  return matrix;
}

Result<SeriesMatrix> Evaluator::eval_subquery(SubqueryExpr& expr) {
  const int64_t offset = expr.time.offset_ms;
  const int64_t last_step = start_ + (end_ - start_) / interval_ * interval_;
  const int64_t interval = expr.step_ms != 0 ? expr.step_ms : context_.options.default_step.count();
  if (interval <= 0) return fail(ErrorCode::kUnprocessable, "subquery step must be at least 1ms");
  // Steps are multiples of the interval, the first one after the left end of the range.
  const int64_t left = start_ - offset - expr.range_ms;
  int64_t start = interval * (left / interval);
  if (start <= left) start += interval;
  const int64_t end = last_step - offset;
  if (end >= start && (end - start) / interval >= kRangeStepsMax) {
    return fail(ErrorCode::kTooLarge, fmt::format("subquery has more than {} steps", kRangeStepsMax));
  }
  if (start != start_) set_offsets(start, *expr.expr);
  return Evaluator(context_, start, end, interval).eval(*expr.expr);
}

Result<ScalarValues> Evaluator::eval_scalar(Expr& expr) {
  if (const auto* number = as<NumberLiteral>(unwrap_parens(&expr))) return ScalarValues(number->value);
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, eval(expr));
  std::vector<double> values;
  if (!matrix.empty()) {
    values.reserve(matrix[0].floats.size());
    for (const FPoint& p : matrix[0].floats) values.push_back(p.v);
  }
  return ScalarValues(std::move(values));
}

}  // namespace sentinel::promql
