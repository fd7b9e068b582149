// The chunk decoder on any bytes: the first two say how many samples are claimed.
#include <cstdint>
#include <limits>

#include "base/check.h"
#include "tsdb/chunk.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  using namespace sentinel::tsdb;
  if (size < 2) return 0;
  const uint32_t count = data[0] | (static_cast<uint32_t>(data[1]) << 8);
  const std::string bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  std::vector<model::Sample> samples;
  const bool whole =
      decode_range(bytes, count, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(), samples);
  SENTINEL_CHECK(whole == (samples.size() == count));
  for (size_t i = 1; i < samples.size(); ++i) SENTINEL_CHECK(samples[i - 1].t_ms < samples[i].t_ms);
  // Whatever came out goes in again and comes out the same.
  ChunkWriter writer;
  for (const model::Sample& s : samples) writer.append(s);
  std::vector<model::Sample> again;
  SENTINEL_CHECK(decode_range(writer.bytes(), writer.count(), std::numeric_limits<int64_t>::min(),
                              std::numeric_limits<int64_t>::max(), again));
  SENTINEL_CHECK(again.size() == samples.size());
  if (auto resumed = ChunkWriter::resume(Chunk{0, 0, count, ChunkKind::kFloat, bytes});
      resumed && count > 0 && resumed->max_ms() < std::numeric_limits<int64_t>::max()) {
    resumed->append({resumed->max_ms() + 1, 1.5});
    again.clear();
    SENTINEL_CHECK(decode_range(resumed->bytes(), resumed->count(), std::numeric_limits<int64_t>::min(),
                                std::numeric_limits<int64_t>::max(), again));
  }
  return 0;
}
