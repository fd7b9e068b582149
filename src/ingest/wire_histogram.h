#pragma once
// The native histogram message that remote write 1.0 and 2.0 share (prometheus.Histogram).

#include <string>
#include <string_view>

#include "base/result.h"
#include "model/histogram.h"

namespace sentinel::ingest {

// kInvalidArgument: no such message, or spans and buckets that do not fit each other.
Result<model::HistogramSample> read_wire_histogram(std::string_view message);

// The message io.prometheus.client.Histogram, as native histogram.
Result<model::HistogramPtr> read_exposed_histogram(std::string_view message, bool gauge);

// As a histogram with floating-point counts, which says of any histogram what it is.
std::string write_wire_histogram(const model::HistogramSample& sample);

}  // namespace sentinel::ingest
