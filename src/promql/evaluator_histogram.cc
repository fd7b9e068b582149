// Functions of histograms, classic (series with `le`) and native.
#include <algorithm>
#include <cmath>
#include <limits>

#include "promql/evaluator.h"
#include "promql/go_text.h"
#include "promql/preprocess.h"
#include "promql/quantile.h"

namespace sentinel::promql {
namespace {

constexpr std::string_view kBucketLabel = "le";

// The input of histogram_quantile and its like, sorted into native histograms and groups of classic buckets.
class HistogramInput {
 public:
  HistogramInput(const SeriesMatrix& matrix, bool names_kept, PosRange pos, Annotations& annotations)
      : matrix_(matrix), names_kept_(names_kept), pos_(pos), annotations_(annotations) {
    absl::flat_hash_map<uint64_t, int> by_hash;
    for (size_t i = 0; i < matrix.size(); ++i) {
      cursors_.emplace_back(matrix[i]);
      bound_.push_back(parse_go_float(matrix[i].labels.get(kBucketLabel)));
      int group = -1;
      if (bound_.back() && !matrix[i].floats.empty()) {
        model::Labels labels = matrix[i].labels.with(kBucketLabel, "");
        const auto [it, added] = by_hash.try_emplace(labels.hash(), static_cast<int>(groups_.size()));
        if (added) groups_.push_back({std::move(labels), {}});
        group = it->second;
      }
      group_.push_back(group);
    }
    for (const Series& s : matrix) {
      const auto it = s.hists.empty() ? by_hash.end() : by_hash.find(s.labels.hash());
      twin_.push_back(it == by_hash.end() ? -1 : it->second);
    }
  }

  struct Group {
    model::Labels labels;  // without le
    std::vector<ClassicBucket> buckets;  // at the current step
  };
  struct Native {
    size_t series;
    model::HistogramPtr h;
  };

  void step(int64_t t) {
    natives_.clear();
    for (Group& g : groups_) g.buckets.clear();
    for (size_t i = 0; i < cursors_.size(); ++i) {
      const MaybePoint p = cursors_[i].at(t);
      if (!p) continue;
      if (p->h) {
        natives_.push_back({i, p->h});
      } else if (!bound_[i]) {
        const model::Labels& labels = matrix_[i].labels;
        annotations_.warn(anno::with_metric("bucket label \"le\" is missing or has a malformed value of " +
                                                go_quote(labels.get(kBucketLabel)), shown_name(labels)), pos_);
      } else {
        groups_[static_cast<size_t>(group_[i])].buckets.push_back({*bound_[i], p->v});
      }
    }
    // A classic and a native histogram with the same labels: neither is used.
    std::erase_if(natives_, [&](const Native& n) {
      const int twin = twin_[n.series];
      if (twin < 0 || groups_[static_cast<size_t>(twin)].buckets.empty()) return false;
      annotations_.warn(anno::with_metric("vector contains a mix of classic and native histograms",
                                          shown_name(matrix_[n.series].labels)), pos_);
      groups_[static_cast<size_t>(twin)].buckets.clear();
      return true;
    });
  }

  const std::vector<Native>& natives() const { return natives_; }
  std::vector<Group>& groups() { return groups_; }
  std::string_view shown_name(const model::Labels& labels) const { return names_kept_ ? metric_name(labels) : std::string_view(); }

 private:
  const SeriesMatrix& matrix_;
  const bool names_kept_;
  const PosRange pos_;
  Annotations& annotations_;
  std::vector<SeriesCursor> cursors_;
  std::vector<std::optional<double>> bound_;
  std::vector<int> group_;
  std::vector<int> twin_;  // group with the labels of a native histogram
  std::vector<Group> groups_;
  std::vector<Native> natives_;
};

std::string quantile_label(double q) {
  // OpenMetrics: an integer keeps its ".0".
  if (q == 1) return "1.0";
  if (q == 0) return "0.0";
  if (q == -1) return "-1.0";
  std::string text = format_go_g(q);
  if (text.find_first_of("e.") == std::string::npos && std::isfinite(q)) text += ".0";
  return text;
}

}  // namespace

Result<SeriesMatrix> Evaluator::eval_histogram_part(Call& call) {
  using Part = double (*)(const model::FloatHistogram&);
  static const absl::flat_hash_map<std::string_view, Part> parts{
      {"histogram_count", [](const model::FloatHistogram& h) { return h.count; }},
      {"histogram_sum", [](const model::FloatHistogram& h) { return h.sum; }},
      {"histogram_avg", [](const model::FloatHistogram& h) { return h.sum / h.count; }},
      {"histogram_stdvar", [](const model::FloatHistogram& h) { return histogram_variance(h); }},
      {"histogram_stddev", [](const model::FloatHistogram& h) { return std::sqrt(histogram_variance(h)); }},
  };
  const auto part = parts.find(call.name());
  if (part == parts.end()) {
    return fail(ErrorCode::kInternal, "function " + std::string(call.name()) + " has no implementation");
  }
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(matrix, eval(*call.args[0]));
  std::erase_if(matrix, [](const Series& s) { return s.hists.empty(); });
  for (Series& s : matrix) {
    SENTINEL_TRY(context_.work(s.hists.size()));
    s.floats.clear();
    for (const HPoint& p : s.hists) s.floats.push_back({p.t_ms, part->second(*p.h)});
    s.hists.clear();
    if (!delayed()) s.labels.remove(model::kMetricNameLabel);
    s.drop_name = true;
  }
  SENTINEL_TRY(merge_if_eager(matrix));
  return matrix;
}

Result<SeriesMatrix> Evaluator::eval_histogram_quantile(Call& call) {
  const bool several = call.name() == "histogram_quantiles";
  const size_t vector_arg = several ? 0 : 1;
  const std::string label = several ? as<StringLiteral>(unwrap_parens(call.args[1].get()))->value : "";
  std::vector<ScalarValues> quantiles;
  SeriesMatrix matrix;
  std::vector<PosRange> positions;
  for (size_t i = 0; i < call.args.size(); ++i) {
    if (i == vector_arg) {
      SENTINEL_ASSIGN(matrix, eval(*call.args[i]));
    } else if (!several || i != 1) {
      ScalarValues q;
      SENTINEL_ASSIGN(q, eval_scalar(*call.args[i]));
      quantiles.push_back(std::move(q));
      positions.push_back(call.args[i]->pos);
    }
  }
  const PosRange pos = call.args[vector_arg]->pos;
  HistogramInput input(matrix, delayed(), pos, context_.annotations);
  MatrixBuilder out = builder();
  const auto emit = [&](model::Labels labels, double q, int64_t t, double v) {
    if (!delayed()) drop_reserved(labels);
    if (several) labels.set(label, std::isnan(q) ? "NaN" : quantile_label(q));
    return out.add(labels, true, t, {v, nullptr});
  };
  for (int64_t t = start_; t <= end_; t += interval_) {
    SENTINEL_TRY(context_.work(matrix.size() + 1));
    for (size_t k = 0; k < quantiles.size(); ++k) {
      const double q = quantiles[k].at(step_of(t));
      if (std::isnan(q) || q < 0 || q > 1) context_.annotations.warn(anno::invalid_quantile(q), positions[k]);
    }
    input.step(t);
    for (const ScalarValues& values : quantiles) {
      const double q = values.at(step_of(t));
      for (const auto& native : input.natives()) {
        const model::Labels& labels = matrix[native.series].labels;
        const double v = histogram_quantile(q, *native.h, input.shown_name(labels), context_.annotations, pos);
        SENTINEL_TRY(emit(labels, q, t, v));
      }
      for (auto& group : input.groups()) {
        if (group.buckets.empty()) continue;
        const BucketQuantile r = bucket_quantile(q, group.buckets);
        if (r.forced_monotonic) {
          context_.annotations.forced_monotonicity(input.shown_name(group.labels), pos,
                                                   {t, t, r.min_bucket, r.max_bucket, r.max_diff, 1});
        }
        SENTINEL_TRY(emit(group.labels, q, t, r.value));
      }
    }
  }
  return out.take();
}

Result<SeriesMatrix> Evaluator::eval_histogram_fraction(Call& call) {
  ScalarValues lower;
  ScalarValues upper;
  SeriesMatrix matrix;
  SENTINEL_ASSIGN(lower, eval_scalar(*call.args[0]));
  SENTINEL_ASSIGN(upper, eval_scalar(*call.args[1]));
  SENTINEL_ASSIGN(matrix, eval(*call.args[2]));
  const PosRange pos = call.args[2]->pos;
  HistogramInput input(matrix, delayed(), pos, context_.annotations);
  MatrixBuilder out = builder();
  const auto emit = [&](model::Labels labels, int64_t t, double v) {
    if (!delayed()) drop_reserved(labels);
    return out.add(labels, true, t, {v, nullptr});
  };
  for (int64_t t = start_; t <= end_; t += interval_) {
    SENTINEL_TRY(context_.work(matrix.size() + 1));
    const double low = lower.at(step_of(t));
    const double high = upper.at(step_of(t));
    input.step(t);
    for (const auto& native : input.natives()) {
      const model::Labels& labels = matrix[native.series].labels;
      const double v = histogram_fraction(low, high, *native.h, input.shown_name(labels), context_.annotations, pos);
      SENTINEL_TRY(emit(labels, t, v));
    }
    for (auto& group : input.groups()) {
      if (!group.buckets.empty()) SENTINEL_TRY(emit(group.labels, t, bucket_fraction(low, high, group.buckets)));
    }
  }
  return out.take();
}

}  // namespace sentinel::promql
