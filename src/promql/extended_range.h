#pragma once
// The anchored and smoothed modifiers: values at the exact ends of a range.

#include <vector>

#include "promql/evaluator.h"

namespace sentinel::promql {

// Linear interpolation at `t`; a counter that fell started at zero.
double interpolate(FPoint a, FPoint b, int64_t t, bool counter);

// rate, increase and delta over `w`, whose samples reach beyond the range by the lookback.
MaybePoint extended_rate(const Window& w, bool smoothed, bool counter, bool per_second);
MaybePoint extended_histogram_rate(const Window& w, bool smoothed, bool counter, bool per_second, Annotations& annotations,
                                   PosRange pos);

// The samples of a range with its two ends filled in, for a range vector shown as such.
std::vector<FPoint> extend_floats(const std::vector<FPoint>& floats, int64_t min_ms, int64_t max_ms, bool smoothed);

// Interpolates between two histograms; null when they do not fit together (annotated).
model::HistogramPtr interpolate_histograms(const HPoint& a, const HPoint& b, int64_t t, bool counter, std::string_view metric,
                                           Annotations& annotations, PosRange pos);

}  // namespace sentinel::promql
