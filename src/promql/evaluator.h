#pragma once
// Evaluates a preprocessed tree over a range of steps, one node at a time, each node for all steps at once.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/functional/function_ref.h>

#include "base/result.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/sample.h"
#include "promql/annotations.h"
#include "promql/ast.h"
#include "promql/engine.h"
#include "promql/limits.h"
#include "tsdb/queryable.h"

namespace sentinel::promql {

using FPoint = model::Sample;
using HPoint = model::HistogramSample;

// A result series: points at step times, floats and histograms apart, each ascending, never both at one time.
struct Series {
  model::Labels labels;
  bool drop_name = false;  // the metric name goes when the query is done (delayed name removal)
  std::vector<FPoint> floats;
  std::vector<HPoint> hists;
  bool empty() const { return floats.empty() && hists.empty(); }
};
using SeriesMatrix = std::vector<Series>;

uint64_t count_samples(const SeriesMatrix& matrix);
// Without __name__, __type__ and __unit__.
void drop_reserved(model::Labels& labels);
std::string_view metric_name(const model::Labels& labels);
// {__name__="x", a="b"}, as Prometheus's error messages show label sets.
std::string labels_text(const model::Labels& labels);

// What all nodes of one query share. One thread, but for what is said to be thread-safe.
struct QueryContext {
  const tsdb::Queryable& storage;
  const EngineOptions& options;
  std::string_view query;
  const std::atomic<bool>* cancel = nullptr;
  int64_t deadline_us = 0;  // of monotonic_us()
  Annotations annotations{};
  std::atomic<uint64_t> samples{0};     // in memory now
  uint64_t samples_read = 0;            // from storage so far
  std::atomic<uint64_t> read_bytes{0};  // of the selections of this query, labels included
  uint64_t until_check = 0;
  bool saw_histograms = false;  // native ones were read

  // To be called with the amount of work done since the last call; fails when the query is cancelled or out of time.
  Status work(uint64_t points) { return work(points, until_check); }
  Status work(uint64_t points, uint64_t& left) const;  // thread-safe; `left`: of the caller's thread
  // Accounts for samples held in memory; kTooLarge past the limit. Thread-safe.
  Status hold(uint64_t count);
};

// What a thread needs that works on a part of the series of a node.
struct Piece {
  QueryContext& context;
  Annotations annotations{};
  uint64_t until_check = 0;
  uint64_t samples_read = 0;
  bool saw_histograms = false;
  bool saw_type_or_unit = false;  // a series had __type__ or __unit__

  Status work(uint64_t points) { return context.work(points, until_check); }
};

// Scalar operands by step: a constant or one value a step.
class ScalarValues {
 public:
  ScalarValues() = default;
  explicit ScalarValues(double constant) : constant_(constant) {}
  explicit ScalarValues(std::vector<double> values) : values_(std::move(values)) {}
  double at(int64_t step) const {
    const auto i = static_cast<size_t>(step);
    return i < values_.size() ? values_[i] : constant_;
  }
  const std::vector<double>& values() const { return values_; }
  bool is_constant() const { return values_.empty(); }

 private:
  double constant_ = 0;
  std::vector<double> values_;
};

// What a function over a range sees of one series at one step. Ascending, without stale markers.
struct Window {
  const model::Labels* labels;
  const FPoint* floats;
  size_t float_count;
  const HPoint* hists;
  size_t hist_count;
  const int64_t* float_starts;  // null when unknown, else one per float
  const int64_t* hist_starts;
  int64_t ts;           // of the step
  int64_t range_start;  // exclusive
  int64_t range_end;    // inclusive
  int64_t step;         // index
  // Where among the floats a counter began anew: each a float that is less than the one before, as its place in the
  // whole series, the first float of the window being at `floats_begin`. Null when nobody looked for them.
  const size_t* resets = nullptr;
  size_t reset_count = 0;
  size_t floats_begin = 0;
};

struct PointValue {
  double v = 0;
  model::HistogramPtr h;  // null: a float
};
using MaybePoint = std::optional<PointValue>;

// What a function makes of one stored series, appended to `out` if it is anything. Several threads at once.
using SeriesFunction = std::function<Status(Piece& piece, tsdb::SeriesData& data, SeriesMatrix& out)>;

// Collects output series for operations that go step by step over several inputs.
class MatrixBuilder {
 public:
  // `merge_labels`: series with equal labels become one, and two points at one time are an error. Otherwise (an instant
  // query with delayed name removal) each point may be a series of its own.
  MatrixBuilder(bool merge_labels, uint64_t points_hint) : merge_labels_(merge_labels), points_hint_(points_hint) {}

  int series(const model::Labels& labels, bool drop_name);
  Status add(int series, int64_t t, PointValue value);
  Status add(const model::Labels& labels, bool drop_name, int64_t t, PointValue value) {
    return add(series(labels, drop_name), t, std::move(value));
  }
  // Series without points are left out.
  SeriesMatrix take();

 private:
  bool merge_labels_;
  uint64_t points_hint_;
  SeriesMatrix out_;
  std::vector<int> emitted_;  // order in which series got their first point
  std::vector<int64_t> last_t_;
  absl::flat_hash_map<uint64_t, int> by_hash_;
};

// Whether the matchers select one metric name only, so that dropping it makes no two series equal.
bool names_one_metric(const model::Matchers& matchers);
// The argument of the call that is a range vector; none: it has none.
std::optional<size_t> range_argument(const Call& call);
tl::unexpected<Error> duplicate_labelset();
// Merges series of equal labels; points at the same time are an error.
Status merge_equal_labels(SeriesMatrix& matrix);
bool has_equal_labels(const SeriesMatrix& matrix);

class Evaluator {
 public:
  Evaluator(QueryContext& context, int64_t start, int64_t end, int64_t interval)
      : context_(context), start_(start), end_(end), interval_(interval) {}

  // REQUIRES: not a string expression.
  Result<SeriesMatrix> eval(Expr& expr);
  // Top-level range vector of an instant query.
  Result<SeriesMatrix> eval_matrix_selector(MatrixSelector& expr);

 private:
  using Matrix = Result<SeriesMatrix>;

  int64_t steps() const { return end_ < start_ ? 0 : (end_ - start_) / interval_ + 1; }
  int64_t step_of(int64_t t) const { return (t - start_) / interval_; }
  int64_t time_of(int64_t step) const { return start_ + step * interval_; }
  bool single_step() const { return start_ == end_; }
  bool delayed() const { return context_.options.delayed_name_removal; }
  MatrixBuilder builder() const { return MatrixBuilder(!(single_step() && delayed()), static_cast<uint64_t>(steps())); }
  void drop_name(Series& series) const;
  // After names were dropped: without delayed removal, equal label sets have to be merged.
  Status merge_if_eager(SeriesMatrix& matrix) const;

  Matrix eval_node(Expr& expr);
  Matrix eval_number(double value);
  Matrix eval_unary(UnaryExpr& expr);
  Matrix eval_step_invariant(StepInvariantExpr& expr);
  Matrix eval_subquery(SubqueryExpr& expr);
  Result<ScalarValues> eval_scalar(Expr& expr);

  // evaluator_select.cc
  // Calls fn(piece, part, begin, end) for parts of [0, count) on all threads that help; then takes over, in the order
  // of the parts, what their pieces say. The failure is that of the first part that failed.
  using PartFunction = absl::FunctionRef<Status(Piece& piece, size_t part, size_t begin, size_t end)>;
  Status in_parts(size_t count, PartFunction fn);
  size_t part_count(size_t count) const {
    return (count + context_.options.piece_series - 1) / context_.options.piece_series;
  }
  Result<std::unique_ptr<tsdb::Selection>> begin_select(const VectorSelector& selector,
                                                        tsdb::WantedLabels wanted) const;
  // Reads series [begin, end) and applies the function to each. REQUIRES: on the thread of the piece.
  Status map_part(Piece& piece, tsdb::Selection& selection, const VectorSelector& selector, const SeriesFunction& fn,
                  size_t begin, size_t end, SeriesMatrix& out) const;
  // All of it; `type_or_unit`: whether a series had one of these labels.
  Matrix map_selected(const VectorSelector& selector, const SeriesFunction& fn, bool* type_or_unit = nullptr);
  SeriesFunction sample_function(int64_t offset_ms, bool record_time, std::optional<int64_t> at_ms) const;
  Result<std::vector<tsdb::SeriesData>> select(VectorSelector& selector);
  Result<std::vector<tsdb::SeriesData>> select(const model::Matchers& matchers, int64_t min_ms, int64_t max_ms);
  Matrix eval_vector_selector(VectorSelector& expr);
  Matrix sample_series(std::vector<tsdb::SeriesData> data, int64_t offset_ms, bool record_time,
                       std::optional<int64_t> at_ms);
  Matrix smooth_series(std::vector<tsdb::SeriesData> data, const VectorSelector& selector);
  Matrix eval_timestamp_of_selector(Call& call, VectorSelector& selector);

  // evaluator_aggregate.cc
  Matrix eval_aggregate(AggregateExpr& expr);
  Matrix aggregate_selecting(AggregateExpr& expr, const SeriesMatrix& input, const ScalarValues& param);
  Matrix aggregate_quantile(AggregateExpr& expr, const SeriesMatrix& input, const ScalarValues& param);
  Matrix aggregate_folding(AggregateExpr& expr, const SeriesMatrix& input);
  // evaluator_fold.cc
  // An argument whose series are made one by one from stored ones.
  struct Streamed {
    const VectorSelector* selector = nullptr;
    std::unique_ptr<std::vector<ScalarValues>> scalars{};  // the function refers to them
    SeriesFunction function{};
    bool drops = false;  // the metric name
  };
  Result<std::optional<Streamed>> streamed(AggregateExpr& expr);
  // Folds series as they are read, without holding them all; none: it has to be done the other way.
  Result<std::optional<SeriesMatrix>> aggregate_streaming(AggregateExpr& expr);
  Matrix eval_count_values(AggregateExpr& expr);

  // evaluator_binary.cc
  Matrix eval_binary(BinaryExpr& expr);
  Matrix scalar_binary(BinaryExpr& expr);
  Matrix vector_scalar_binary(BinaryExpr& expr, bool scalar_left);
  Matrix set_binary(BinaryExpr& expr);
  Matrix vector_binary(BinaryExpr& expr);

  // evaluator_call.cc
  Matrix eval_call(Call& call);
  Matrix eval_range_call(Call& call, size_t matrix_arg);
  Result<std::vector<ScalarValues>> scalar_arguments(Call& call, size_t matrix_arg);
  // Refers to its arguments.
  Result<SeriesFunction> range_function(const Call& call, size_t matrix_arg, const MatrixSelector& matrix,
                                        const std::vector<ScalarValues>& scalars) const;
  Matrix range_call_over_subquery(Call& call, size_t matrix_arg, SubqueryExpr& subquery);
  Matrix absent_over_time(const Call& call, const SeriesMatrix& matrix);
  Matrix eval_elementwise(Call& call, double (*fn)(double));
  Matrix eval_clamp(Call& call);
  Matrix eval_round(Call& call);
  Matrix eval_scalar_call(Call& call);
  Matrix eval_vector_call(Call& call);
  Matrix eval_absent(Call& call);
  Matrix eval_sort(Call& call);
  Matrix eval_timestamp(Call& call);
  Matrix eval_date(Call& call, double (*fn)(int64_t));
  Matrix eval_time();
  Matrix eval_extreme(Call& call);

  // evaluator_histogram.cc
  Matrix eval_histogram_part(Call& call);
  Matrix eval_histogram_quantile(Call& call);
  Matrix eval_histogram_fraction(Call& call);

  // evaluator_labels.cc
  Matrix eval_label_replace(Call& call);
  Matrix eval_label_join(Call& call);
  Matrix eval_info(Call& call);

  QueryContext& context_;
  int64_t start_;
  int64_t end_;
  int64_t interval_;
};

// Reads one input series step by step. REQUIRES: asked with ascending times.
class SeriesCursor {
 public:
  explicit SeriesCursor(const Series& series) : series_(&series) {}
  // The point at exactly `t`; of a histogram the pointer, which is null for a float. False: there is none.
  bool read(int64_t t, double& v, const model::HistogramPtr*& h) {
    while (f_ < series_->floats.size() && series_->floats[f_].t_ms < t) ++f_;
    if (f_ < series_->floats.size() && series_->floats[f_].t_ms == t) {
      v = series_->floats[f_].v;
      h = nullptr;
      return true;
    }
    while (h_ < series_->hists.size() && series_->hists[h_].t_ms < t) ++h_;
    if (h_ == series_->hists.size() || series_->hists[h_].t_ms != t) return false;
    h = &series_->hists[h_].h;
    return true;
  }
  MaybePoint at(int64_t t) {
    PointValue p;
    const model::HistogramPtr* h = nullptr;
    if (!read(t, p.v, h)) return std::nullopt;
    if (h != nullptr) p.h = *h;
    return p;
  }

 private:
  const Series* series_;
  size_t f_ = 0;
  size_t h_ = 0;
};

// Label values of the matchers of absent()'s argument.
model::Labels labels_for_absent(const Expr& arg);
bool is_valid_utf8_label_name(std::string_view name);

}  // namespace sentinel::promql
