#pragma once
// The protobuf exposition format: io.prometheus.client.MetricFamily messages, each after its length. The only one of
// the formats that carries native histograms.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>

#include "base/result.h"
#include "ingest/exposition_parser.h"
#include "model/histogram.h"
#include "model/labels.h"

namespace sentinel::ingest {

struct ProtoExpositionOptions {
  bool native = false;       // native histograms where a target sends them; else their classic series
  bool classic_too = false;  // both, where it sends both
  uint64_t buckets_max = 0;  // more are merged into wider ones; 0: no limit
  double bucket_factor = 0;  // buckets grow at least by this factor; 0: as sent
};

struct ExposedFamily {
  std::string name;
  MetricKind kind = MetricKind::kUnknown;
  std::string help;
  std::string unit;
};

// One series with its value, as the text formats would have it: a summary or a classic histogram is several.
struct ExposedSample {
  model::Labels labels;  // with the name
  double v = 0;
  model::HistogramPtr h;  // instead of the float
  std::optional<int64_t> t_ms;
  std::vector<Exemplar> exemplars;
};

// Calls `on_family` and then `on_sample` for its series, family by family, until one fails.
// kInvalidArgument: malformed bytes; a name or label that is empty or no UTF-8; a histogram that cannot be.
Status read_proto_exposition(std::string_view body, const ProtoExpositionOptions& options,
                             absl::FunctionRef<void(const ExposedFamily&)> on_family,
                             absl::FunctionRef<Status(const ExposedSample&)> on_sample);

}  // namespace sentinel::ingest
