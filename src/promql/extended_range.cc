#include "promql/extended_range.h"

#include <algorithm>

namespace sentinel::promql {
namespace {

using model::CounterResetHint;
using model::FloatHistogram;

constexpr double kMsPerSecond = 1000;

double value_at_start(const FPoint* f, size_t first, int64_t start, bool smoothed, bool counter) {
  if (smoothed && f[first].t_ms < start) return interpolate(f[first], f[first + 1], start, counter);
  return f[first].v;
}

double value_at_end(const FPoint* f, size_t last, int64_t end, bool smoothed, bool counter) {
  if (smoothed && last > 0 && f[last].t_ms > end) return interpolate(f[last - 1], f[last], end, counter);
  return f[last].v;
}

// First and last sample that count for a range: the one before (or at) its start, and the last, or with smoothing the
// first at or after its end.
template <class Point>
std::pair<size_t, size_t> bounds(const Point* points, size_t count, int64_t start, int64_t end, bool smoothed) {
  size_t last = count - 1;
  const auto after_start = std::partition_point(points, points + last, [&](const Point& p) { return p.t_ms <= start; });
  const size_t index = static_cast<size_t>(after_start - points);
  const size_t first = index > 0 ? index - 1 : 0;
  if (smoothed) {
    last = static_cast<size_t>(std::partition_point(points, points + last, [&](const Point& p) { return p.t_ms < end; }) - points);
  }
  return {first, last};
}

// Adds `other` to `base`; false when they do not fit.
bool combine(FloatHistogram& base, const FloatHistogram& other, bool subtract, std::string_view metric, Annotations& annotations,
             PosRange pos) {
  const model::HistogramMerge merge = subtract ? base.sub(other) : base.add(other);
  if (!merge.compatible) {
    annotations.warn(anno::mixed_exponential_custom(metric), pos);
    return false;
  }
  if (merge.bounds_reconciled) annotations.info(anno::bounds_reconciled(subtract ? "subtraction" : "addition"), pos);
  return true;
}

struct Edges {
  model::HistogramPtr left;
  model::HistogramPtr right;
};

// What counter resets inside the range took away. Null when nothing; nullopt when histograms do not fit together.
std::optional<std::unique_ptr<FloatHistogram>> reset_correction(const HPoint* h, size_t first, size_t last, const Edges& edges,
                                                               int64_t start, bool smoothed, std::string_view metric,
                                                               Annotations& annotations, PosRange pos) {
  size_t next = first + 1;
  const FloatHistogram* previous = edges.left.get();
  if (smoothed && h[first].t_ms < start && h[first + 1].h->detect_reset(*h[first].h)) {
    // The interpolation at the start has already dealt with that reset.
    previous = h[first + 1].h.get();
    ++next;
  }
  std::unique_ptr<FloatHistogram> correction;
  // `last` is represented by the right edge.
  if (next > last) return correction;
  const auto add = [&](const FloatHistogram& lost) {
    if (!correction) {
      correction = std::make_unique<FloatHistogram>(lost);
      return true;
    }
    return combine(*correction, lost, false, metric, annotations, pos);
  };
  for (size_t i = next; i < last; ++i) {
    if (h[i].h->detect_reset(*previous) && !add(*previous)) return std::nullopt;
    previous = h[i].h.get();
  }
  if (edges.right->detect_reset(*previous) && !add(*previous)) return std::nullopt;
  return correction;
}

}  // namespace

double interpolate(FPoint a, FPoint b, int64_t t, bool counter) {
  const double from = counter && b.v < a.v ? 0 : a.v;
  return from + (b.v - from) * static_cast<double>(t - a.t_ms) / static_cast<double>(b.t_ms - a.t_ms);
}

MaybePoint extended_rate(const Window& w, bool smoothed, bool counter, bool per_second) {
  const FPoint* f = w.floats;
  auto [first, last] = bounds(f, w.float_count, w.range_start, w.range_end, smoothed);
  if (f[last].t_ms <= w.range_start || (smoothed && f[first].t_ms > w.range_end)) return std::nullopt;
  const double left = value_at_start(f, first, w.range_start, smoothed, counter);
  const double right = value_at_end(f, last, w.range_end, smoothed, counter);
  double result = right - left;
  if (counter) {
    // Only samples inside the range: the edges have dealt with resets across them.
    if (f[first].t_ms <= w.range_start) ++first;
    size_t end = f[last].t_ms >= w.range_end ? last : last + 1;
    double previous = left;
    for (size_t i = first; i < end; ++i) {
      if (f[i].v < previous) result += previous;
      previous = f[i].v;
    }
    if (right < previous) result += previous;
  }
  if (per_second) result /= static_cast<double>(w.range_end - w.range_start) / kMsPerSecond;
  return PointValue{result, nullptr};
}

model::HistogramPtr interpolate_histograms(const HPoint& a, const HPoint& b, int64_t t, bool counter, std::string_view metric,
                                           Annotations& annotations, PosRange pos) {
  if (t == a.t_ms) return a.h;
  if (t == b.t_ms) return b.h;
  const double fraction = static_cast<double>(t - a.t_ms) / static_cast<double>(b.t_ms - a.t_ms);
  auto result = std::make_shared<FloatHistogram>(*b.h);
  if (counter && b.h->detect_reset(*a.h)) {
    result->mul(fraction);
    return result;
  }
  if (!combine(*result, *a.h, true, metric, annotations, pos)) return nullptr;
  result->mul(fraction);
  if (!combine(*result, *a.h, false, metric, annotations, pos)) return nullptr;
  return result;
}

MaybePoint extended_histogram_rate(const Window& w, bool smoothed, bool counter, bool per_second, Annotations& annotations,
                                   PosRange pos) {
  const HPoint* h = w.hists;
  const auto [first, last] = bounds(h, w.hist_count, w.range_start, w.range_end, smoothed);
  if (h[last].t_ms <= w.range_start || (smoothed && h[first].t_ms > w.range_end)) return std::nullopt;
  const std::string_view metric = metric_name(*w.labels);
  for (size_t i = first; i <= last; ++i) {
    if (h[i].h->uses_custom_buckets() != h[first].h->uses_custom_buckets()) {
      annotations.warn(anno::mixed_exponential_custom(metric), pos);
      return std::nullopt;
    }
    if (counter && h[i].h->hint == CounterResetHint::kGauge) annotations.warn(anno::not_counter(metric), pos);
  }
  Edges edges{h[first].h, h[last].h};
  if (smoothed && h[first].t_ms < w.range_start) {
    edges.left = interpolate_histograms(h[first], h[first + 1], w.range_start, counter, metric, annotations, pos);
  }
  if (smoothed && last > 0 && h[last].t_ms > w.range_end) {
    edges.right = interpolate_histograms(h[last - 1], h[last], w.range_end, counter, metric, annotations, pos);
  }
  if (!edges.left || !edges.right) return std::nullopt;
  if (!counter && (edges.left->hint != CounterResetHint::kGauge || edges.right->hint != CounterResetHint::kGauge)) {
    annotations.warn(anno::not_gauge(metric), pos);
  }
  auto result = std::make_shared<FloatHistogram>(*edges.right);
  if (!combine(*result, *edges.left, true, metric, annotations, pos)) return std::nullopt;
  if (counter) {
    const auto correction = reset_correction(h, first, last, edges, w.range_start, smoothed, metric, annotations, pos);
    if (!correction) return std::nullopt;
    if (*correction && !combine(*result, **correction, false, metric, annotations, pos)) return std::nullopt;
  }
  if (per_second) result->div(static_cast<double>(w.range_end - w.range_start) / kMsPerSecond);
  result->hint = CounterResetHint::kGauge;
  result->compact();
  return PointValue{0, std::move(result)};
}

std::vector<FPoint> extend_floats(const std::vector<FPoint>& floats, int64_t min_ms, int64_t max_ms, bool smoothed) {
  std::vector<FPoint> out;
  if (floats.empty()) return out;
  const FPoint* f = floats.data();
  auto [first, last] = bounds(f, floats.size(), min_ms, max_ms, smoothed);
  if (f[last].t_ms <= min_ms) return out;
  out.push_back({min_ms, value_at_start(f, first, min_ms, smoothed, false)});
  const double right = value_at_end(f, last, max_ms, smoothed, false);
  if (f[first].t_ms <= min_ms) ++first;
  const size_t end = f[last].t_ms >= max_ms ? last : last + 1;
  for (size_t i = first; i < end; ++i) out.push_back(f[i]);
  out.push_back({max_ms, right});
  return out;
}

// Vector selectors with `smoothed`: a value interpolated between the samples around each step.
Result<SeriesMatrix> Evaluator::smooth_series(std::vector<tsdb::SeriesData> data, const VectorSelector& selector) {
  SeriesMatrix out;
  const int64_t lookback = context_.options.lookback_delta.count();
  const auto stale = [](const FPoint& p) { return model::is_stale_nan(p.v); };
  const auto stale_histogram = [](const HPoint& p) { return model::is_stale_nan(p.h->sum); };
  for (tsdb::SeriesData& d : data) {
    SENTINEL_TRY(context_.work(static_cast<uint64_t>(steps())));
    std::erase_if(d.samples, stale);
    std::erase_if(d.histograms, stale_histogram);
    const std::string metric(metric_name(d.labels));
    Series s;
    for (int64_t t = start_; t <= end_; t += interval_) {
      const int64_t at = t - selector.time.offset_ms;
      // The last sample before and the first at or after `at`, both within the lookback.
      const auto around = [&](const auto& points) {
        const auto next = std::partition_point(points.begin(), points.end(), [&](const auto& p) { return p.t_ms < at; });
        const auto* after = next != points.end() && next->t_ms <= at + lookback ? &*next : nullptr;
        const auto* before = next != points.begin() && (next - 1)->t_ms > at - lookback ? &*(next - 1) : nullptr;
        return std::pair{before, after};
      };
      const auto [f_before, f_after] = around(d.samples);
      const auto [h_before, h_after] = around(d.histograms);
      const bool floats = f_before != nullptr || f_after != nullptr;
      const bool histograms = h_before != nullptr || h_after != nullptr;
      if (floats && histograms) {
        context_.annotations.warn(anno::mixed_floats_histograms(metric), selector.pos);
      } else if (floats) {
        if (f_after != nullptr && f_after->t_ms == at) {
          s.floats.push_back({t, f_after->v});
        } else if (f_before != nullptr) {
          s.floats.push_back({t, f_after != nullptr ? interpolate(*f_before, *f_after, at, false) : f_before->v});
        }
      } else if (h_after != nullptr && h_after->t_ms == at) {
        s.hists.push_back({t, h_after->h});
      } else if (h_before != nullptr && h_after != nullptr) {
        if (h_before->h->uses_custom_buckets() != h_after->h->uses_custom_buckets()) {
          context_.annotations.warn(anno::mixed_exponential_custom(metric), selector.pos);
          continue;
        }
        const bool counter = h_before->h->hint != CounterResetHint::kGauge || h_after->h->hint != CounterResetHint::kGauge;
        auto h = interpolate_histograms(*h_before, *h_after, at, counter, metric, context_.annotations, selector.pos);
        if (h) s.hists.push_back({t, std::move(h)});
      } else if (h_before != nullptr) {
        auto h = std::make_shared<FloatHistogram>(*h_before->h);
        h->hint = CounterResetHint::kUnknown;
        s.hists.push_back({t, std::move(h)});
      }
    }
    if (s.empty()) continue;
    SENTINEL_TRY(context_.hold(s.floats.size() + s.hists.size()));
    s.labels = std::move(d.labels);
    out.push_back(std::move(s));
  }
  return out;
}

Result<SeriesMatrix> Evaluator::eval_matrix_selector(MatrixSelector& expr) {
  VectorSelector& selector = *expr.selector;
  std::vector<tsdb::SeriesData> data;
  SENTINEL_ASSIGN(data, select(selector));
  const int64_t max_ms = start_ - selector.time.offset_ms;
  const int64_t min_ms = max_ms - expr.range_ms;
  const int64_t lookback = context_.options.lookback_delta.count();
  const int64_t from = selector.anchored || selector.smoothed ? min_ms - lookback : min_ms;
  const int64_t to = selector.smoothed ? max_ms + lookback : max_ms;
  SeriesMatrix out;
  for (tsdb::SeriesData& d : data) {
    Series s;
    for (const FPoint& p : d.samples) {
      if (p.t_ms > from && p.t_ms <= to && !model::is_stale_nan(p.v)) s.floats.push_back(p);
    }
    for (HPoint& p : d.histograms) {
      if (p.t_ms > from && p.t_ms <= to && !model::is_stale_nan(p.h->sum)) s.hists.push_back(std::move(p));
    }
    if (selector.anchored || selector.smoothed) {
      if (!s.hists.empty()) {
        return fail(ErrorCode::kUnprocessable,
                    std::string(selector.anchored ? "anchored" : "smoothed") + " modifier is not supported with histograms");
      }
      s.floats = extend_floats(s.floats, min_ms, max_ms, selector.smoothed);
    }
    if (s.empty()) continue;
    SENTINEL_TRY(context_.hold(s.floats.size() + s.hists.size()));
    s.labels = std::move(d.labels);
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace sentinel::promql
