#pragma once
// What a query engine reads from: our own store, or somebody else's (remote read) behind the same face.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/sample.h"

namespace sentinel::tsdb {

// One series with its samples in a time range, ascending, staleness markers included.
struct SeriesData {
  model::Labels labels;
  std::vector<model::Sample> samples;
  std::vector<model::HistogramSample> histograms{};  // native ones; never at the time of a float sample
  // When the counter behind each sample started, 0 where unknown: one per sample and per histogram, or none at all.
  std::vector<int64_t> sample_starts_ms{};
  std::vector<int64_t> histogram_starts_ms{};
};

struct SelectLimits {
  uint64_t samples_max = 50'000'000;  // decoded samples over all series; more is kTooLarge
};

// Thread-safe: many readers beside the writer. A read sees every append that returned before it began.
class Queryable {
 public:
  virtual ~Queryable() = default;

  // Series matching all of `matchers` with at least one sample in [min_ms, max_ms], sorted by labels.
  // REQUIRES: at least one matcher that does not match the empty string (else kInvalidArgument).
  virtual Result<std::vector<SeriesData>> select(const model::Matchers& matchers, int64_t min_ms, int64_t max_ms,
                                                 const SelectLimits& limits) const = 0;
  // Label sets only. Any of the matcher sets may match; none given means all series. What chunks say of their time is
  // enough for an answer: a series (name, value) may be among them whose samples lie just outside the range.
  virtual Result<std::vector<model::Labels>> series(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                    int64_t max_ms) const = 0;
  virtual Result<std::vector<std::string>> label_names(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                       int64_t max_ms) const = 0;
  virtual Result<std::vector<std::string>> label_values(const std::string& name,
                                                        const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                        int64_t max_ms) const = 0;
};

}  // namespace sentinel::tsdb
