#pragma once
// What the records of the log say, and their bytes (docs/formats/wal.md).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/sample.h"
#include "tsdb/chunk.h"

namespace sentinel::tsdb {

enum class RecordType : uint8_t {
  kBatch = 1,      // new series and samples of one commit
  kChunk = 2,      // one chunk of one series (checkpoints only)
  kHeadStart = 3,  // samples before this time are in blocks or gone (checkpoints only)
};

struct SeriesDef {
  uint64_t ref = 0;
  model::Labels labels;
};
struct RefSample {
  uint64_t ref = 0;
  model::Sample sample;
};
struct BatchRecord {
  std::vector<SeriesDef> series;
  std::vector<RefSample> samples;
};
struct ChunkRecord {
  uint64_t ref = 0;
  bool open = false;  // the next samples go on in it
  Chunk chunk;
};

std::string encode_batch(const BatchRecord& batch);
std::string encode_chunk(uint64_t ref, bool open, const Chunk& chunk);
std::string encode_head_start(int64_t t_ms);

// kInvalidArgument: the payload is not such a record. Any bytes are safe.
Result<BatchRecord> decode_batch(std::string_view payload);
Result<ChunkRecord> decode_chunk(std::string_view payload);
Result<int64_t> decode_head_start(std::string_view payload);

void put_labels(std::string& out, const model::Labels& labels);

}  // namespace sentinel::tsdb
