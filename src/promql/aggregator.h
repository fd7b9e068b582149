#pragma once
// What sum, avg and the other folding aggregations keep of one group at one step.

#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "promql/evaluator.h"

namespace sentinel::promql {

inline model::Labels group_labels(const model::Labels& labels, const std::vector<std::string>& grouping, bool without) {
  if (without) return labels.without(grouping);
  return grouping.empty() ? model::Labels() : labels.keep(grouping);
}

// State of sum and avg over histograms, which is rarely needed and large.
struct HistogramState {
  model::FloatHistogram value;
  std::unique_ptr<model::FloatHistogram> lost;  // Kahan compensation
  model::FloatHistogram mean;
  bool incremental = false;
  bool reset_seen = false;
  bool not_reset_seen = false;
  bool incompatible = false;

  void note_hint(const model::FloatHistogram& h) {
    reset_seen = reset_seen || h.hint == model::CounterResetHint::kReset;
    not_reset_seen = not_reset_seen || h.hint == model::CounterResetHint::kNotReset;
  }
};

struct Accumulator {
  bool seen = false;
  bool has_float = false;
  bool incremental = false;  // the mean is updated step by step because the sum overflows
  double value = 0;
  double mean = 0;
  double lost = 0;
  double count = 0;
  std::unique_ptr<HistogramState> hist;
};

// One aggregation other than topk and its like over the steps of one group.
class Aggregator {
 public:
  Aggregator(const AggregateExpr& expr, Annotations& annotations)
      : expr_(expr), op_(expr.op), annotations_(annotations) {}

  void add_float(Accumulator& a, double v) const {
    if (!a.seen) return first_float(a, v);
    if (a.hist && a.hist->incompatible) return;
    switch (op_) {
      case Agg::kSum:
        a.has_float = true;
        model::kahan_inc(v, a.value, a.lost);
        break;
      case Agg::kAvg: average_float(a, v); break;
      case Agg::kMax:
        if (a.value < v || std::isnan(a.value)) a.value = v;
        break;
      case Agg::kMin:
        if (a.value > v || std::isnan(a.value)) a.value = v;
        break;
      case Agg::kCount: a.count += 1; break;
      case Agg::kStddev:
      case Agg::kStdvar: {
        a.count += 1;
        const double delta = v - a.mean;
        a.mean += delta / a.count;
        a.value += delta * (v - a.mean);
        break;
      }
      default: break;
    }
  }

  void add_histogram(Accumulator& a, const model::FloatHistogram& h, std::string_view metric) const {
    if (op_ == Agg::kGroup || op_ == Agg::kCount) return add_float(a, 0);
    if (op_ != Agg::kSum && op_ != Agg::kAvg) {
      annotations_.info(anno::histogram_ignored_in_aggregation(agg_text(op_)), expr_.expr->pos);
      return;
    }
    if (!a.seen) {
      a.seen = true;
      a.count = 1;
      a.hist = std::make_unique<HistogramState>();
      a.hist->value = h;
      a.hist->note_hint(h);
      return;
    }
    if (op_ == Agg::kAvg) a.count += 1;
    if (!a.hist) {
      // Floats came first: the group has no result anyway.
      a.hist = std::make_unique<HistogramState>();
      return;
    }
    if (a.has_float || a.hist->incompatible) return;
    a.hist->note_hint(h);
    if (op_ == Agg::kSum) {
      merged(a, a.hist->value.kahan_add(h, a.hist->lost), metric);
    } else {
      average_histogram(a, h, metric);
    }
  }

  // The result of one step; nullopt when there is none.
  MaybePoint result(Accumulator& a) const {
    if (!a.seen) return std::nullopt;
    if (a.hist) {
      if (a.has_float) {
        annotations_.warn(anno::mixed_floats_histograms_agg(), expr_.expr->pos);
        return std::nullopt;
      }
      return histogram_result(a);
    }
    switch (op_) {
      case Agg::kSum: return PointValue{a.value + a.lost, nullptr};
      case Agg::kAvg:
        return PointValue{a.incremental ? a.mean + a.lost : a.value / a.count + a.lost / a.count, nullptr};
      case Agg::kCount: return PointValue{a.count, nullptr};
      case Agg::kStdvar: return PointValue{a.value / a.count, nullptr};
      case Agg::kStddev: return PointValue{std::sqrt(a.value / a.count), nullptr};
      default: return PointValue{a.value, nullptr};
    }
  }

 private:
  void first_float(Accumulator& a, double v) const {
    a.seen = true;
    a.count = 1;
    a.value = v;
    a.mean = v;
    switch (op_) {
      case Agg::kSum:
      case Agg::kAvg: a.has_float = true; break;
      case Agg::kStddev:
      case Agg::kStdvar: a.value = std::isfinite(v) ? 0 : std::nan(""); break;
      case Agg::kGroup: a.value = 1; break;
      default: break;
    }
  }

  static void average_float(Accumulator& a, double v) {
    a.has_float = true;
    a.count += 1;
    if (!a.incremental) {
      double sum = a.value;
      double lost = a.lost;
      model::kahan_inc(v, sum, lost);
      if (!std::isinf(sum)) {
        a.value = sum;
        a.lost = lost;
        return;
      }
      // The sum would overflow: go on with the mean.
      a.incremental = true;
      a.mean = a.value / (a.count - 1);
      a.lost /= a.count - 1;
    }
    const double q = (a.count - 1) / a.count;
    a.mean *= q;
    a.lost *= q;
    model::kahan_inc(v / a.count, a.mean, a.lost);
  }

  bool merged(Accumulator& a, const model::HistogramMerge& merge, std::string_view metric) const {
    if (!merge.compatible) {
      annotations_.warn(anno::mixed_exponential_custom(metric), expr_.expr->pos);
      a.hist->incompatible = true;
      return false;
    }
    if (merge.bounds_reconciled) annotations_.info(anno::bounds_reconciled("aggregation"), expr_.expr->pos);
    return true;
  }

  void average_histogram(Accumulator& a, const model::FloatHistogram& h, std::string_view metric) const {
    HistogramState& s = *a.hist;
    if (!s.incremental) {
      model::FloatHistogram sum = s.value;
      auto lost = s.lost ? std::make_unique<model::FloatHistogram>(*s.lost) : nullptr;
      if (!merged(a, sum.kahan_add(h, lost), metric)) return;
      if (!sum.has_overflow()) {
        s.value = std::move(sum);
        s.lost = std::move(lost);
        return;
      }
      s.incremental = true;
      s.mean = s.value;
      s.mean.div(a.count - 1);
      if (s.lost) s.lost->div(a.count - 1);
    }
    const double q = (a.count - 1) / a.count;
    if (s.lost) s.lost->mul(q);
    model::FloatHistogram part = h;
    part.div(a.count);
    s.mean.mul(q);
    merged(a, s.mean.kahan_add(part, s.lost), metric);
  }

  MaybePoint histogram_result(Accumulator& a) const {
    HistogramState& s = *a.hist;
    if (s.incompatible) return std::nullopt;
    if (op_ == Agg::kAvg) {
      if (s.incremental) {
        s.value = std::move(s.mean);
      } else {
        s.value.div(a.count);
        if (s.lost) s.lost->div(a.count);
      }
    }
    if (s.lost) s.value.add(*s.lost);
    if (s.reset_seen && s.not_reset_seen) {
      annotations_.warn(anno::counter_reset_collision("aggregation"), expr_.expr->pos);
    }
    s.value.compact();
    return PointValue{0, std::make_shared<model::FloatHistogram>(std::move(s.value))};
  }

  const AggregateExpr& expr_;
  const Agg op_;
  Annotations& annotations_;
};

}  // namespace sentinel::promql
