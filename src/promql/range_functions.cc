#include "promql/range_functions.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include "promql/quantile.h"
#include "promql/range_rate.h"

namespace sentinel::promql {
namespace {

using model::CounterResetHint;
using model::FloatHistogram;

constexpr double kMsPerSecond = 1000;

MaybePoint number(double v) { return PointValue{v, nullptr}; }

// Histograms beside floats are left out, with a remark.
void ignore_histograms(RangeCall& call, const Window& w) {
  if (w.hist_count > 0) call.annotations.info(anno::histogram_ignored_in_mixed_range(call.metric(w)), call.arg0_pos);
}

bool mixed(RangeCall& call, const Window& w) {
  if (w.float_count == 0 || w.hist_count == 0) return false;
  call.annotations.warn(anno::mixed_floats_histograms(call.metric(w)), call.arg0_pos);
  return true;
}

// Follows hints and bounds through a sum of histograms.
class HistogramSum {
 public:
  HistogramSum(RangeCall& call, const Window& w) : call_(call), w_(w) {}
  void note(const FloatHistogram& h) {
    reset_ = reset_ || h.hint == CounterResetHint::kReset;
    not_reset_ = not_reset_ || h.hint == CounterResetHint::kNotReset;
  }
  // False when the histograms do not fit together.
  bool merged(const model::HistogramMerge& merge) {
    if (!merge.compatible) {
      call_.annotations.warn(anno::mixed_exponential_custom(call_.metric(w_)), call_.arg0_pos);
      return false;
    }
    reconciled_ = reconciled_ || merge.bounds_reconciled;
    return true;
  }
  MaybePoint done(FloatHistogram h) {
    if (reset_ && not_reset_) call_.annotations.warn(anno::counter_reset_collision("aggregation"), call_.arg0_pos);
    if (reconciled_) call_.annotations.info(anno::bounds_reconciled("aggregation"), call_.arg0_pos);
    return PointValue{0, std::make_shared<FloatHistogram>(std::move(h))};
  }

 private:
  RangeCall& call_;
  const Window& w_;
  bool reset_ = false;
  bool not_reset_ = false;
  bool reconciled_ = false;
};

MaybePoint histogram_sum(RangeCall& call, const Window& w) {
  HistogramSum state(call, w);
  FloatHistogram sum = *w.hists[0].h;
  state.note(sum);
  std::unique_ptr<FloatHistogram> lost;
  for (size_t i = 1; i < w.hist_count; ++i) {
    state.note(*w.hists[i].h);
    if (!state.merged(sum.kahan_add(*w.hists[i].h, lost))) return std::nullopt;
  }
  if (lost && !state.merged(sum.add(*lost))) return std::nullopt;
  return state.done(std::move(sum));
}

MaybePoint histogram_average(RangeCall& call, const Window& w) {
  HistogramSum state(call, w);
  FloatHistogram sum = *w.hists[0].h;
  state.note(sum);
  FloatHistogram mean;
  std::unique_ptr<FloatHistogram> lost;
  bool incremental = false;
  double count = 1;
  for (size_t i = 1; i < w.hist_count; ++i) {
    const FloatHistogram& h = *w.hists[i].h;
    state.note(h);
    count = static_cast<double>(i + 1);
    if (!incremental) {
      FloatHistogram next = sum;
      auto next_lost = lost ? std::make_unique<FloatHistogram>(*lost) : nullptr;
      if (!state.merged(next.kahan_add(h, next_lost))) return std::nullopt;
      if (!next.has_overflow()) {
        sum = std::move(next);
        lost = std::move(next_lost);
        continue;
      }
      incremental = true;
      mean = sum;
      mean.div(count - 1);
      if (lost) lost->div(count - 1);
    }
    const double q = (count - 1) / count;
    if (lost) lost->mul(q);
    FloatHistogram part = h;
    part.div(count);
    mean.mul(q);
    if (!state.merged(mean.kahan_add(part, lost))) return std::nullopt;
  }
  if (!incremental) {
    mean = std::move(sum);
    mean.div(count);
    if (lost) lost->div(count);
  }
  if (lost && !state.merged(mean.add(*lost))) return std::nullopt;
  return state.done(std::move(mean));
}

MaybePoint sum_over_time(RangeCall& call, const Window& w) {
  if (mixed(call, w)) return std::nullopt;
  if (w.float_count == 0) return histogram_sum(call, w);
  double sum = 0;
  double lost = 0;
  for (size_t i = 0; i < w.float_count; ++i) model::kahan_inc(w.floats[i].v, sum, lost);
  return number(std::isinf(sum) ? sum : sum + lost);
}

MaybePoint avg_over_time(RangeCall& call, const Window& w) {
  if (mixed(call, w)) return std::nullopt;
  if (w.float_count == 0) return histogram_average(call, w);
  double sum = w.floats[0].v;
  double mean = 0;
  double lost = 0;
  double count = 1;
  bool incremental = false;
  for (size_t i = 1; i < w.float_count; ++i) {
    const double v = w.floats[i].v;
    count = static_cast<double>(i + 1);
    if (!incremental) {
      double next = sum;
      double next_lost = lost;
      model::kahan_inc(v, next, next_lost);
      if (!std::isinf(next)) {
        sum = next;
        lost = next_lost;
        continue;
      }
      // The sum would overflow: go on with the mean.
      incremental = true;
      mean = sum / (count - 1);
      lost /= count - 1;
    }
    const double q = (count - 1) / count;
    mean *= q;
    lost *= q;
    model::kahan_inc(v / count, mean, lost);
  }
  return number(incremental ? mean + lost : sum / count + lost / count);
}

MaybePoint count_over_time(RangeCall&, const Window& w) { return number(static_cast<double>(w.float_count + w.hist_count)); }
MaybePoint present_over_time(RangeCall&, const Window&) { return number(1); }

MaybePoint first_over_time(RangeCall&, const Window& w) {
  if (w.hist_count == 0 || (w.float_count > 0 && w.floats[0].t_ms < w.hists[0].t_ms)) return number(w.floats[0].v);
  return PointValue{0, w.hists[0].h};
}

MaybePoint last_over_time(RangeCall&, const Window& w) {
  const FPoint* f = w.float_count > 0 ? &w.floats[w.float_count - 1] : nullptr;
  const HPoint* h = w.hist_count > 0 ? &w.hists[w.hist_count - 1] : nullptr;
  if (h == nullptr || (f != nullptr && h->t_ms < f->t_ms)) return number(f->v);
  return PointValue{0, h->h};
}

MaybePoint ts_of_first_over_time(RangeCall&, const Window& w) {
  int64_t t = std::numeric_limits<int64_t>::max();
  if (w.float_count > 0) t = w.floats[0].t_ms;
  if (w.hist_count > 0) t = std::min(t, w.hists[0].t_ms);
  return number(static_cast<double>(t) / kMsPerSecond);
}

MaybePoint ts_of_last_over_time(RangeCall&, const Window& w) {
  int64_t t = 0;
  if (w.float_count > 0) t = std::max(t, w.floats[w.float_count - 1].t_ms);
  if (w.hist_count > 0) t = std::max(t, w.hists[w.hist_count - 1].t_ms);
  return number(static_cast<double>(t) / kMsPerSecond);
}

// The sample that wins over all before it.
template <class Better>
std::optional<FPoint> best(RangeCall& call, const Window& w, const Better& better) {
  if (w.float_count == 0) return std::nullopt;
  ignore_histograms(call, w);
  FPoint winner = w.floats[0];
  for (size_t i = 0; i < w.float_count; ++i) {
    if (better(w.floats[i].v, winner.v) || std::isnan(winner.v)) winner = w.floats[i];
  }
  return winner;
}

MaybePoint value_of(const std::optional<FPoint>& p) { return p ? number(p->v) : std::nullopt; }
MaybePoint time_of(const std::optional<FPoint>& p) {
  return p ? number(static_cast<double>(p->t_ms) / kMsPerSecond) : std::nullopt;
}

MaybePoint max_over_time(RangeCall& call, const Window& w) {
  return value_of(best(call, w, [](double a, double b) { return a > b; }));
}
MaybePoint min_over_time(RangeCall& call, const Window& w) {
  return value_of(best(call, w, [](double a, double b) { return a < b; }));
}
MaybePoint ts_of_max_over_time(RangeCall& call, const Window& w) {
  return time_of(best(call, w, [](double a, double b) { return a >= b; }));
}
MaybePoint ts_of_min_over_time(RangeCall& call, const Window& w) {
  return time_of(best(call, w, [](double a, double b) { return a <= b; }));
}

std::vector<double> values_of(const Window& w) {
  std::vector<double> values;
  values.reserve(w.float_count);
  for (size_t i = 0; i < w.float_count; ++i) values.push_back(w.floats[i].v);
  return values;
}

MaybePoint quantile_over_time(RangeCall& call, const Window& w) {
  if (w.float_count == 0) return std::nullopt;
  const double q = call.scalar(0, w);
  if (std::isnan(q) || q < 0 || q > 1) call.annotations.warn(anno::invalid_quantile(q), call.arg0_pos);
  ignore_histograms(call, w);
  std::vector<double> values = values_of(w);
  return number(quantile(q, values));
}

MaybePoint mad_over_time(RangeCall& call, const Window& w) {
  if (w.float_count == 0) return std::nullopt;
  ignore_histograms(call, w);
  std::vector<double> values = values_of(w);
  for (double v : values) {
    if (std::isnan(v)) return number(v);
  }
  const double median = quantile(0.5, values);
  for (double& v : values) v = std::abs(v - median);
  return number(quantile(0.5, values));
}

std::optional<double> variance(RangeCall& call, const Window& w) {
  if (w.float_count == 0) return std::nullopt;
  ignore_histograms(call, w);
  double count = 0;
  double mean = 0;
  double mean_lost = 0;
  double aux = 0;
  double aux_lost = 0;
  for (size_t i = 0; i < w.float_count; ++i) {
    const double v = w.floats[i].v;
    count += 1;
    const double delta = v - (mean + mean_lost);
    model::kahan_inc(delta / count, mean, mean_lost);
    model::kahan_inc(delta * (v - (mean + mean_lost)), aux, aux_lost);
  }
  return (aux + aux_lost) / count;
}

MaybePoint stdvar_over_time(RangeCall& call, const Window& w) {
  const auto v = variance(call, w);
  return v ? number(*v) : std::nullopt;
}
MaybePoint stddev_over_time(RangeCall& call, const Window& w) {
  const auto v = variance(call, w);
  return v ? number(std::sqrt(*v)) : std::nullopt;
}

struct Line {
  double slope;
  double intercept;
};

Line linear_regression(const FPoint* points, size_t n, int64_t intercept_t) {
  double sum_x = 0, lost_x = 0, sum_y = 0, lost_y = 0, sum_xy = 0, lost_xy = 0, sum_x2 = 0, lost_x2 = 0;
  bool constant = true;
  for (size_t i = 0; i < n; ++i) {
    if (points[i].v != points[0].v && i > 0) constant = false;
    const double x = static_cast<double>(points[i].t_ms - intercept_t) / kMsPerSecond;
    model::kahan_inc(x, sum_x, lost_x);
    model::kahan_inc(points[i].v, sum_y, lost_y);
    model::kahan_inc(x * points[i].v, sum_xy, lost_xy);
    model::kahan_inc(x * x, sum_x2, lost_x2);
  }
  if (constant) {
    const double y = points[0].v;
    return std::isinf(y) ? Line{std::nan(""), std::nan("")} : Line{0, y};
  }
  sum_x += lost_x;
  sum_y += lost_y;
  sum_xy += lost_xy;
  sum_x2 += lost_x2;
  const auto count = static_cast<double>(n);
  const double cov_xy = sum_xy - sum_x * sum_y / count;
  const double var_x = sum_x2 - sum_x * sum_x / count;
  const double slope = cov_xy / var_x;
  return {slope, sum_y / count - slope * sum_x / count};
}

// At least two floats; says so about histograms beside any.
bool has_trend(RangeCall& call, const Window& w) {
  if (w.float_count >= 1) ignore_histograms(call, w);
  return w.float_count >= 2;
}

MaybePoint deriv(RangeCall& call, const Window& w) {
  if (!has_trend(call, w)) return std::nullopt;
  return number(linear_regression(w.floats, w.float_count, w.floats[0].t_ms).slope);
}

MaybePoint predict_linear(RangeCall& call, const Window& w) {
  if (!has_trend(call, w)) return std::nullopt;
  const Line line = linear_regression(w.floats, w.float_count, w.ts);
  return number(line.slope * call.scalar(1, w) + line.intercept);
}

MaybePoint double_exponential_smoothing(RangeCall& call, const Window& w) {
  const double smoothing = call.scalar(1, w);
  const double trend = call.scalar(2, w);
  if (smoothing <= 0 || smoothing >= 1) {
    call.status = fail(ErrorCode::kUnprocessable,
                       fmt::format("invalid smoothing factor. Expected: 0 < sf < 1, got: {:f}", smoothing));
    return std::nullopt;
  }
  if (trend <= 0 || trend >= 1) {
    call.status = fail(ErrorCode::kUnprocessable, fmt::format("invalid trend factor. Expected: 0 < tf < 1, got: {:f}", trend));
    return std::nullopt;
  }
  if (!has_trend(call, w)) return std::nullopt;
  double s0 = 0;
  double s1 = w.floats[0].v;
  double b = w.floats[1].v - w.floats[0].v;
  for (size_t i = 1; i < w.float_count; ++i) {
    const double x = smoothing * w.floats[i].v;
    if (i > 1) b = trend * (s1 - s0) + (1 - trend) * b;
    const double y = (1 - smoothing) * (s1 + b);
    s0 = s1;
    s1 = x + y;
  }
  return number(s1);
}

}  // namespace

RangeFunction find_range_function(std::string_view name) {
  static const absl::flat_hash_map<std::string_view, RangeFunction> table{
      {"rate", range_rate}, {"increase", range_increase}, {"delta", range_delta}, {"irate", range_irate},
      {"idelta", range_idelta}, {"resets", range_resets}, {"changes", range_changes},
      {"sum_over_time", sum_over_time}, {"avg_over_time", avg_over_time}, {"count_over_time", count_over_time},
      {"present_over_time", present_over_time}, {"absent_over_time", present_over_time},
      {"first_over_time", first_over_time}, {"last_over_time", last_over_time},
      {"ts_of_first_over_time", ts_of_first_over_time}, {"ts_of_last_over_time", ts_of_last_over_time},
      {"max_over_time", max_over_time}, {"min_over_time", min_over_time}, {"ts_of_max_over_time", ts_of_max_over_time},
      {"ts_of_min_over_time", ts_of_min_over_time}, {"quantile_over_time", quantile_over_time},
      {"mad_over_time", mad_over_time}, {"stdvar_over_time", stdvar_over_time}, {"stddev_over_time", stddev_over_time},
      {"deriv", deriv}, {"predict_linear", predict_linear},
      {"double_exponential_smoothing", double_exponential_smoothing},
  };
  const auto it = table.find(name);
  return it == table.end() ? nullptr : it->second;
}

}  // namespace sentinel::promql
