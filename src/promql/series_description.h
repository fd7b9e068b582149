#pragma once
// The notation for series in test files: `metric{label="value"} 1+2x3 _ stale {{schema:1 buckets:[5 10]}}`.

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/histogram.h"
#include "model/labels.h"

namespace sentinel::promql {

struct SequenceValue {
  bool omitted = false;
  double v = 0;
  model::HistogramPtr h;   // null: a float
  bool hint_set = false;   // the histogram's counter_reset_hint was written out
};

struct SeriesDescription {
  model::Labels labels;
  std::vector<SequenceValue> values;
};

Result<SeriesDescription> parse_series_description(std::string_view text);
// `metric{label="value"}` alone.
Result<model::Labels> parse_series_labels(std::string_view text);
// The values alone.
Result<std::vector<SequenceValue>> parse_series_values(std::string_view text);

}  // namespace sentinel::promql
