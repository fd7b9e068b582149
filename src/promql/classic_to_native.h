#pragma once
#include <cstdint>
#include <map>

#include "base/result.h"
#include "model/histogram.h"
#include "model/labels.h"

namespace sentinel::promql {

// Classic histogram series (x_bucket with le, x_count, x_sum; points by time) to native histograms with custom buckets,
// named x. Series that belong to no histogram are left out.
Result<std::map<model::Labels, std::map<int64_t, model::HistogramPtr>>> classic_to_native(
    const std::map<model::Labels, std::map<int64_t, double>>& series);

}  // namespace sentinel::promql
