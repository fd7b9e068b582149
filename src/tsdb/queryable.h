#pragma once
// What a query engine reads from: our own store, or somebody else's (remote read) behind the same face.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
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

// Which labels of the selected series the reader wants to see; others may be left out.
struct WantedLabels {
  bool all = true;
  std::vector<std::string> names{};
  bool wants(std::string_view name) const { return all || std::find(names.begin(), names.end(), name) != names.end(); }
};

// One select, read piece by piece. Made and destroyed on one thread, the reader's; the Queryable outlives it.
class Selection {
 public:
  virtual ~Selection() = default;
  // How many series there may be, in the order of all of their labels.
  virtual size_t size() const = 0;
  // Puts the i-th into `out`, whose memory is used again. False: it has no sample in the range.
  // Thread-safe for different i; each may be read once. kTooLarge: past the limit of samples, over all reads.
  virtual Result<bool> read(size_t i, SeriesData& out) = 0;
};

// Thread-safe: many readers beside the writer. A read sees every append that returned before it began.
class Queryable {
 public:
  virtual ~Queryable() = default;

  // Series matching all of `matchers` with at least one sample in [min_ms, max_ms], sorted by labels.
  // REQUIRES: at least one matcher that does not match the empty string (else kInvalidArgument).
  virtual Result<std::vector<SeriesData>> select(const model::Matchers& matchers, int64_t min_ms, int64_t max_ms,
                                                 const SelectLimits& limits) const = 0;
  // The same to be read piece by piece, so that not all samples need be in memory at once. It may hold up maintenance
  // of the store while it lives, nothing else.
  virtual Result<std::unique_ptr<Selection>> begin_select(const model::Matchers& matchers, int64_t min_ms,
                                                          int64_t max_ms, const SelectLimits& limits,
                                                          WantedLabels wanted) const;
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
