#pragma once
// Decoded samples of one series, and chunks made from them.

#include <vector>

#include "model/histogram.h"
#include "model/sample.h"
#include "tsdb/chunk.h"
#include "tsdb/histogram_chunk.h"

namespace sentinel::tsdb {

// Floats and histograms of one series, each ascending, no time in both.
struct Points {
  std::vector<model::Sample> samples;
  std::vector<model::HistogramSample> histograms;
  bool empty() const { return samples.empty() && histograms.empty(); }
  size_t size() const { return samples.size() + histograms.size(); }
  // What the points weigh in a query's budget: a histogram counts for many samples.
  uint64_t weight() const;
};

// Appends what lies in `range`. False when the bytes are damaged (what came before is kept).
bool decode(const ChunkView& chunk, TimeRange range, Points& out);

// Puts late histograms among those in time order. What a late one precedes cannot be said to go on from what was
// before, so it loses its hint "not reset".
std::vector<model::HistogramSample> merge_late(const std::vector<model::HistogramSample>& regular,
                                               const std::vector<model::HistogramSample>& late);
// Removes what lies in `range`; a histogram after the gap loses its hint "not reset". Returns how many went.
size_t remove_range(Points& points, TimeRange range);

// The points as chunks, in the order of their times.
std::vector<ChunkPtr> encode(const Points& points);

// Whether an open histogram chunk should be closed before one more.
bool is_full(const HistogramChunkWriter& writer);

}  // namespace sentinel::tsdb
