// The decoders of both kinds of chunks on any bytes: the first two say how many samples are claimed.
#include <cstdint>
#include <limits>

#include "base/check.h"
#include "tsdb/chunk.h"
#include "tsdb/histogram_chunk.h"
#include "tsdb/points.h"

namespace {

using namespace sentinel;
using namespace sentinel::tsdb;

constexpr int64_t kFar = std::numeric_limits<int64_t>::max();

void floats(const std::string& bytes, uint32_t count) {
  std::vector<model::Sample> samples;
  const bool whole = decode_range(bytes, count, std::numeric_limits<int64_t>::min(), kFar, samples);
  SENTINEL_CHECK(whole == (samples.size() == count));
  for (size_t i = 1; i < samples.size(); ++i) SENTINEL_CHECK(samples[i - 1].t_ms < samples[i].t_ms);
  // Whatever came out goes in again and comes out the same.
  ChunkWriter writer;
  for (const model::Sample& s : samples) writer.append(s);
  std::vector<model::Sample> again;
  SENTINEL_CHECK(decode_range(writer.bytes(), writer.count(), std::numeric_limits<int64_t>::min(), kFar, again));
  SENTINEL_CHECK(again.size() == samples.size());
  auto resumed = ChunkWriter::resume(Chunk{0, 0, count, ChunkKind::kFloat, bytes});
  if (!resumed || count == 0) return;
  if (resumed->max_ms() < kFar) resumed->append({resumed->max_ms() + 1, 1.5});
  // From the mark on it reads as from the beginning.
  const Chunk chunk = resumed->snapshot();
  const TimeRange newest{chunk.mark.time.t_ms < kFar ? chunk.mark.time.t_ms + 1 : kFar, kFar};
  std::vector<model::Sample> slow;
  again.clear();
  SENTINEL_CHECK(decode_range(chunk, newest, again));
  SENTINEL_CHECK(decode_range(chunk.bytes, chunk.count, newest.min_ms, kFar, slow));
  SENTINEL_CHECK(again.size() == slow.size());
  // And from where it is written as from a copy.
  std::vector<model::Sample> in_place;
  SENTINEL_CHECK(resumed->decode(newest, in_place) && in_place.size() == slow.size());
  in_place.clear();
  slow.clear();
  SENTINEL_CHECK(resumed->decode({}, in_place) && decode_range(chunk, {}, slow) && in_place.size() == slow.size());
}

void histograms(const std::string& bytes, uint32_t count) {
  std::vector<model::HistogramSample> found;
  const bool whole = decode_histograms(bytes, count, {}, found);
  SENTINEL_CHECK(whole == (found.size() == count));
  HistogramChunkWriter writer;
  for (const model::HistogramSample& s : found) {
    SENTINEL_CHECK(s.h->positive.index.size() == s.h->positive.count.size());
    SENTINEL_CHECK(s.h->negative.index.size() == s.h->negative.count.size());
    writer.append(s.t_ms, *s.h);
    (void)check_histogram(*s.h);
  }
  std::vector<model::HistogramSample> again;
  SENTINEL_CHECK(decode_histograms(writer.bytes(), writer.count(), {}, again));
  SENTINEL_CHECK(again.size() == found.size());
  for (size_t i = 0; i < found.size(); ++i) {
    SENTINEL_CHECK(again[i].t_ms == found[i].t_ms && again[i].h->positive.index == found[i].h->positive.index);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint32_t count = data[0] | (static_cast<uint32_t>(data[1] & 0x7f) << 8);
  const std::string bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  if ((data[1] & 0x80) != 0) {
    histograms(bytes, count);
  } else {
    floats(bytes, count);
  }
  return 0;
}
