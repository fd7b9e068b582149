#pragma once
// Text forms of native histograms.

#include <string>

#include "model/histogram.h"

namespace sentinel::promql {

// As Prometheus shows a value: {count:22, sum:3, (0.5,1]:10}
std::string histogram_text(const model::FloatHistogram& h);
// As test scripts write it: {{schema:1 count:22 sum:3 buckets:[5 10 7]}}
std::string histogram_test_text(const model::FloatHistogram& h);

}  // namespace sentinel::promql
