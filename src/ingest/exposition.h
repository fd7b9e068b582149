#pragma once
// Prometheus's text format 0.0.4 from the registry, for /metrics.

#include <string>
#include <vector>

#include "base/metrics.h"

namespace sentinel::ingest {

inline constexpr const char* kTextFormatContentType = "text/plain; version=0.0.4; charset=utf-8";

std::string write_text_format(const std::vector<MetricFamily>& families);

}  // namespace sentinel::ingest
