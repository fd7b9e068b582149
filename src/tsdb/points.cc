#include "tsdb/points.h"

#include <algorithm>

#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

using model::CounterResetHint;
using model::HistogramSample;

HistogramSample without_hint(const HistogramSample& sample) {
  if (sample.h->hint != CounterResetHint::kNotReset) return sample;
  auto copy = std::make_shared<model::FloatHistogram>(*sample.h);
  copy->hint = CounterResetHint::kUnknown;
  return {sample.t_ms, std::move(copy)};
}

// Cuts points that come in time order into chunks.
class Cutter {
 public:
  void add(model::Sample sample) {
    if (histograms_.count() > 0) close_histograms();
    if (floats_.count() == kChunkSamplesMax) close_floats();
    floats_.append(sample);
  }
  void add(const HistogramSample& sample) {
    if (floats_.count() > 0) close_floats();
    if (is_full(histograms_)) close_histograms();
    histograms_.append(sample.t_ms, *sample.h);
  }
  std::vector<ChunkPtr> finish() {
    if (floats_.count() > 0) close_floats();
    if (histograms_.count() > 0) close_histograms();
    return std::move(chunks_);
  }

 private:
  void close_floats() { chunks_.push_back(std::make_shared<const Chunk>(floats_.seal())); }
  void close_histograms() { chunks_.push_back(std::make_shared<const Chunk>(histograms_.seal())); }

  ChunkWriter floats_;
  HistogramChunkWriter histograms_;
  std::vector<ChunkPtr> chunks_;
};

}  // namespace

uint64_t Points::weight() const {
  uint64_t total = samples.size();
  for (const HistogramSample& sample : histograms) total += sample.h->size_in_samples();
  return total;
}

bool decode(const ChunkView& chunk, TimeRange range, Points& out) {
  if (chunk.kind == ChunkKind::kHistogram) {
    return decode_histograms(chunk.bytes, chunk.count, range, out.histograms);
  }
  return decode_range(chunk, range, out.samples);
}

std::vector<HistogramSample> merge_late(const std::vector<HistogramSample>& regular,
                                        const std::vector<HistogramSample>& late) {
  std::vector<HistogramSample> out;
  out.reserve(regular.size() + late.size());
  auto next = regular.begin();
  bool after_late = false;
  const auto take_regular = [&] {
    out.push_back(after_late ? without_hint(*next) : *next);
    after_late = false;
    ++next;
  };
  for (const HistogramSample& sample : late) {
    while (next != regular.end() && next->t_ms < sample.t_ms) take_regular();
    out.push_back(without_hint(sample));
    after_late = true;
  }
  while (next != regular.end()) take_regular();
  return out;
}

size_t remove_range(Points& points, TimeRange range) {
  const size_t before = points.size();
  std::erase_if(points.samples, [&](const model::Sample& s) { return range.holds(s.t_ms); });
  const size_t erased = std::erase_if(points.histograms, [&](const HistogramSample& s) { return range.holds(s.t_ms); });
  if (erased > 0) {
    const auto after = std::find_if(points.histograms.begin(), points.histograms.end(),
                                    [&](const HistogramSample& s) { return s.t_ms > range.max_ms; });
    if (after != points.histograms.end()) *after = without_hint(*after);
  }
  return before - points.size();
}

std::vector<ChunkPtr> encode(const Points& points) {
  Cutter cutter;
  auto h = points.histograms.begin();
  for (const model::Sample& sample : points.samples) {
    for (; h != points.histograms.end() && h->t_ms < sample.t_ms; ++h) cutter.add(*h);
    cutter.add(sample);
  }
  for (; h != points.histograms.end(); ++h) cutter.add(*h);
  return cutter.finish();
}

bool is_full(const HistogramChunkWriter& writer) {
  constexpr uint32_t kCountMin = 10;  // however large they are
  return writer.count() >= kChunkSamplesMax ||
         (writer.count() >= kCountMin && writer.size_bytes() >= kHistogramChunkBytes);
}

}  // namespace sentinel::tsdb
