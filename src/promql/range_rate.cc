#include "promql/range_rate.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "promql/extended_range.h"

namespace sentinel::promql {
namespace {

using model::CounterResetHint;
using model::FloatHistogram;

constexpr double kMsPerSecond = 1000;

// Whether a counter began anew between two samples, by their start times.
bool start_time_reset(int64_t prev_start, int64_t prev_t, int64_t start, int64_t t) {
  if (start == 0 || start >= t || start < prev_t) return false;
  if (start > prev_t) return true;
  // The start points at the previous sample: a delta series, or a cumulative one with an unknown start.
  if (prev_start > prev_t) return false;
  return prev_start != 0 && prev_start != prev_t;
}

bool start_times_overlap(int64_t prev_start, int64_t prev_t, int64_t start) {
  return start != 0 && start < prev_t && start != prev_start;
}

template <class Point>
bool reset_by_start(const Point* p, const int64_t* starts, size_t i) {
  return starts != nullptr && start_time_reset(starts[i - 1], p[i - 1].t_ms, starts[i], p[i].t_ms);
}

template <class Point>
void check_overlap(RangeCall& call, const Window& w, const Point* p, size_t count, const int64_t* starts) {
  if (starts == nullptr) return;
  for (size_t i = 1; i < count; ++i) {
    if (start_times_overlap(starts[i - 1], p[i - 1].t_ms, starts[i])) {
      call.annotations.start_time_overlap(call.metric(w), call.arg0_pos);
      return;
    }
  }
}

// h op other with annotations; false: they do not fit together.
bool combine(RangeCall& call, const Window& w, FloatHistogram& h, const FloatHistogram& other, bool subtract) {
  const model::HistogramMerge merge = subtract ? h.sub(other) : h.add(other);
  if (!merge.compatible) {
    call.annotations.warn(anno::mixed_exponential_custom(call.metric(w)), call.arg0_pos);
    return false;
  }
  if (merge.bounds_reconciled) {
    call.annotations.info(anno::bounds_reconciled(subtract ? "subtraction" : "addition"), call.arg0_pos);
  }
  return true;
}

// Last minus first with what resets took away, of at least two histograms; null when they do not fit together.
std::shared_ptr<FloatHistogram> histogram_increase(RangeCall& call, const Window& w, bool counter) {
  const HPoint* p = w.hists;
  const size_t n = w.hist_count;
  const FloatHistogram* prev = p[0].h.get();
  const FloatHistogram* last = p[n - 1].h.get();
  const auto mixed = [&] {
    call.annotations.warn(anno::mixed_exponential_custom(call.metric(w)), call.arg0_pos);
    return nullptr;
  };
  const auto gauge = [](const FloatHistogram& h) { return h.hint == CounterResetHint::kGauge; };
  if (counter && (gauge(*prev) || gauge(*last)))
    call.annotations.warn(anno::not_counter(call.metric(w)), call.arg0_pos);
  FloatHistogram zero;
  if (counter && (reset_by_start(p, w.hist_starts, 1) || p[1].h->detect_reset(*prev))) {
    // After a reset right away the layout of the first one does not matter.
    zero.schema = p[1].h->schema;
    zero.custom_values = p[1].h->custom_values;
    prev = &zero;
  }
  const bool custom = prev->uses_custom_buckets();
  if (last->uses_custom_buckets() != custom) return mixed();
  int32_t schema = std::min(last->schema, prev->schema);
  for (size_t i = 1; counter && i + 1 < n; ++i) {
    if (gauge(*p[i].h)) call.annotations.warn(anno::not_counter(call.metric(w)), call.arg0_pos);
    schema = std::min(schema, p[i].h->schema);
    if (p[i].h->uses_custom_buckets() != custom) return mixed();
  }
  auto h = std::make_shared<FloatHistogram>(last->copy_to_schema(schema));
  if (!combine(call, w, *h, *prev, true)) return nullptr;
  if (counter) {
    check_overlap(call, w, p, n, w.hist_starts);
    for (size_t i = 1; i < n; ++i) {
      const bool reset = reset_by_start(p, w.hist_starts, i) || p[i].h->detect_reset(*prev);
      if (reset && !combine(call, w, *h, *prev, false)) return nullptr;
      prev = p[i].h.get();
    }
  } else if (!gauge(*p[0].h) || !gauge(*last)) {
    call.annotations.warn(anno::not_gauge(call.metric(w)), call.arg0_pos);
  }
  h->hint = CounterResetHint::kGauge;
  h->compact();
  return h;
}

double float_increase(RangeCall& call, const Window& w, bool counter) {
  const FPoint* f = w.floats;
  double result = f[w.float_count - 1].v - f[0].v;
  if (!counter) return result;
  check_overlap(call, w, f, w.float_count, w.float_starts);
  if (w.resets != nullptr && w.float_starts == nullptr) {
    for (size_t i = 0; i < w.reset_count; ++i) result += f[w.resets[i] - w.floats_begin - 1].v;
    return result;
  }
  for (size_t i = 1; i < w.float_count; ++i) {
    if (f[i].v < f[i - 1].v || reset_by_start(f, w.float_starts, i)) result += f[i - 1].v;
  }
  return result;
}

MaybePoint extended(RangeCall& call, const Window& w, bool counter, bool per_second) {
  const bool smoothed = call.matrix.selector->smoothed;
  if (w.hist_count > 0)
    return extended_histogram_rate(w, smoothed, counter, per_second, call.annotations, call.arg0_pos);
  return extended_rate(w, smoothed, counter, per_second);
}

// The increase between the samples, extrapolated to the ends of the range unless the series seems to begin or end
// inside.
MaybePoint extrapolated(RangeCall& call, const Window& w, bool counter, bool per_second) {
  if (w.float_count > 0 && w.hist_count > 0) {
    call.annotations.warn(anno::mixed_floats_histograms(call.metric(w)), call.arg0_pos);
    return std::nullopt;
  }
  if (call.matrix.selector->anchored || call.matrix.selector->smoothed) return extended(call, w, counter, per_second);
  const bool histograms = w.hist_count > 0;
  const size_t intervals = (histograms ? w.hist_count : w.float_count) - 1;
  const int64_t first_t = histograms ? w.hists[0].t_ms : w.floats[0].t_ms;
  const int64_t last_t = histograms ? w.hists[intervals].t_ms : w.floats[intervals].t_ms;
  const int64_t* starts = histograms ? w.hist_starts : w.float_starts;
  const bool starts_inside =
      counter && starts != nullptr && starts[0] != 0 && starts[0] > w.range_start && starts[0] < first_t;
  if (intervals == 0 && !starts_inside) return std::nullopt;

  double value = 0;
  std::shared_ptr<FloatHistogram> hist;
  if (!histograms) {
    value = float_increase(call, w, counter);
  } else if (intervals > 0) {
    hist = histogram_increase(call, w, counter);
    if (!hist) return std::nullopt;
  }
  double to_start = static_cast<double>(first_t - w.range_start) / kMsPerSecond;
  double to_end = static_cast<double>(w.range_end - last_t) / kMsPerSecond;
  double sampled = static_cast<double>(last_t - first_t) / kMsPerSecond;
  const double average = intervals > 0 ? sampled / static_cast<double>(intervals) : 0;
  const double threshold = average * 1.1;
  if (starts_inside) {
    // The counter is known to have been zero at its start.
    to_start = 0;
    sampled = static_cast<double>(last_t - starts[0]) / kMsPerSecond;
    if (!histograms) {
      value += w.floats[0].v;
    } else if (!hist) {
      hist = std::make_shared<FloatHistogram>(*w.hists[0].h);
    } else if (!combine(call, w, *hist, *w.hists[0].h, false)) {
      return std::nullopt;
    }
  } else {
    if (to_start >= threshold) to_start = average / 2;
    if (counter) {
      // A counter cannot have been below zero.
      double to_zero = to_start;
      if (!histograms && value > 0 && w.floats[0].v >= 0) {
        to_zero = sampled * (w.floats[0].v / value);
      } else if (hist && hist->count > 0 && w.hists[0].h->count >= 0) {
        to_zero = sampled * (w.hists[0].h->count / hist->count);
      }
      to_start = std::min(to_start, to_zero);
    }
  }
  if (to_end >= threshold) to_end = average / 2;
  double factor = sampled != 0 ? (sampled + to_start + to_end) / sampled : 1;
  if (per_second) factor /= static_cast<double>(w.range_end - w.range_start) / kMsPerSecond;
  if (!hist) return PointValue{value * factor, nullptr};
  hist->mul(factor);
  return PointValue{0, std::move(hist)};
}

struct TimedSample {
  int64_t t = 0;
  int64_t start = 0;
  double v = 0;
  const FloatHistogram* h = nullptr;
};

// All samples of a window in order of time, floats and histograms together, from given first ones.
class MergedSamples {
 public:
  explicit MergedSamples(const Window& w, size_t first_float = 0, size_t first_hist = 0)
      : w_(w), f_(first_float), h_(first_hist) {}
  std::optional<TimedSample> next() {
    const bool has_float = f_ < w_.float_count;
    const bool has_hist = h_ < w_.hist_count;
    if (!has_float && !has_hist) return std::nullopt;
    if (!has_hist || (has_float && w_.floats[f_].t_ms < w_.hists[h_].t_ms)) {
      TimedSample s{w_.floats[f_].t_ms, w_.float_starts != nullptr ? w_.float_starts[f_] : 0, w_.floats[f_].v, nullptr};
      ++f_;
      return s;
    }
    TimedSample s{w_.hists[h_].t_ms, w_.hist_starts != nullptr ? w_.hist_starts[h_] : 0, 0, w_.hists[h_].h.get()};
    ++h_;
    return s;
  }

 private:
  const Window& w_;
  size_t f_;
  size_t h_;
};

// The two newest samples of a window.
std::optional<std::array<TimedSample, 2>> last_two(const Window& w) {
  if (w.float_count + w.hist_count < 2) return std::nullopt;
  MergedSamples samples(w, w.float_count > 2 ? w.float_count - 2 : 0, w.hist_count > 2 ? w.hist_count - 2 : 0);
  std::array<TimedSample, 2> out;
  while (const auto s = samples.next()) {
    out[0] = out[1];
    out[1] = *s;
  }
  return out;
}

MaybePoint instant_value(RangeCall& call, const Window& w, bool rate) {
  const auto samples = last_two(w);
  if (!samples) return std::nullopt;
  const auto& [a, b] = *samples;
  const int64_t interval = b.t - a.t;
  if (interval == 0) return std::nullopt;
  const double seconds = static_cast<double>(interval) / kMsPerSecond;
  const bool new_start = start_time_reset(a.start, a.t, b.start, b.t);
  if ((a.h == nullptr) != (b.h == nullptr)) {
    call.annotations.warn(anno::mixed_floats_histograms(call.metric(w)), call.args_pos);
    return std::nullopt;
  }
  if (b.h == nullptr) {
    const double v = rate && (b.v < a.v || new_start) ? b.v : b.v - a.v;
    return PointValue{rate ? v / seconds : v, nullptr};
  }
  const bool gauges = a.h->hint == CounterResetHint::kGauge && b.h->hint == CounterResetHint::kGauge;
  const bool any_gauge = a.h->hint == CounterResetHint::kGauge || b.h->hint == CounterResetHint::kGauge;
  if (rate && any_gauge) call.annotations.warn(anno::not_counter(call.metric(w)), call.args_pos);
  if (!rate && !gauges) call.annotations.warn(anno::not_gauge(call.metric(w)), call.args_pos);
  auto h = std::make_shared<FloatHistogram>(*b.h);
  if (!rate || (!new_start && !b.h->detect_reset(*a.h))) {
    const model::HistogramMerge merge = h->sub(*a.h);
    if (!merge.compatible) {
      call.annotations.warn(anno::mixed_exponential_custom(call.metric(w)), call.args_pos);
      return std::nullopt;
    }
    if (merge.bounds_reconciled) call.annotations.info(anno::bounds_reconciled("subtraction"), call.args_pos);
  }
  h->hint = CounterResetHint::kGauge;
  h->compact();
  if (rate) h->div(seconds);
  return PointValue{0, std::move(h)};
}

// Where counting begins: with `anchored` at the last sample at or before the range, else at the first in it.
std::optional<MergedSamples> counted_samples(const RangeCall& call, const Window& w) {
  if (!call.matrix.selector->anchored) return MergedSamples(w);
  const auto before = [&](const auto* points, size_t count) {
    const auto* end =
        std::partition_point(points, points + count, [&](const auto& p) { return p.t_ms <= w.range_start; });
    return end - points;  // samples at or before the start
  };
  const auto floats = static_cast<size_t>(before(w.floats, w.float_count));
  const auto hists = static_cast<size_t>(before(w.hists, w.hist_count));
  if (floats >= w.float_count && hists >= w.hist_count) return std::nullopt;
  if (floats == 0 && hists == 0) return MergedSamples(w);
  if (hists == 0 || (floats > 0 && w.floats[floats - 1].t_ms >= w.hists[hists - 1].t_ms)) {
    return MergedSamples(w, floats - 1, hists);
  }
  return MergedSamples(w, floats, hists - 1);
}

template <class Fn>
MaybePoint count_steps(const RangeCall& call, const Window& w, const Fn& counts) {
  auto samples = counted_samples(call, w);
  if (!samples) return std::nullopt;
  std::optional<TimedSample> previous = samples->next();
  double count = 0;
  while (const auto current = samples->next()) {
    if ((previous->h == nullptr) != (current->h == nullptr) || counts(*previous, *current)) count += 1;
    previous = current;
  }
  return PointValue{count, nullptr};
}

}  // namespace

MaybePoint range_rate(RangeCall& call, const Window& w) { return extrapolated(call, w, true, true); }
MaybePoint range_increase(RangeCall& call, const Window& w) { return extrapolated(call, w, true, false); }
MaybePoint range_delta(RangeCall& call, const Window& w) { return extrapolated(call, w, false, false); }
MaybePoint range_irate(RangeCall& call, const Window& w) { return instant_value(call, w, true); }
MaybePoint range_idelta(RangeCall& call, const Window& w) { return instant_value(call, w, false); }

MaybePoint range_resets(RangeCall& call, const Window& w) {
  return count_steps(call, w, [](const TimedSample& a, const TimedSample& b) {
    if (start_time_reset(a.start, a.t, b.start, b.t)) return true;
    return b.h != nullptr ? b.h->detect_reset(*a.h) : b.v < a.v;
  });
}

MaybePoint range_changes(RangeCall& call, const Window& w) {
  return count_steps(call, w, [](const TimedSample& a, const TimedSample& b) {
    if (b.h != nullptr) return !b.h->equals(*a.h);
    return b.v != a.v && !(std::isnan(a.v) && std::isnan(b.v));
  });
}

}  // namespace sentinel::promql
