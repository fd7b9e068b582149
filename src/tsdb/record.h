#pragma once
// What the records of the log say, and their bytes (docs/formats/wal.md).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/exemplar.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/sample.h"
#include "tsdb/chunk.h"

namespace sentinel::tsdb {

enum class RecordType : uint8_t {
  kBatch = 1,       // new series and float samples of one commit
  kChunk = 2,       // one chunk of one series (checkpoints only)
  kHeadStart = 3,   // samples before this time are in blocks or gone (checkpoints only)
  kMixedBatch = 4,  // as kBatch, with histograms and exemplars
  kExemplars = 5,   // exemplars with their series' labels, oldest first (checkpoints only)
  kErase = 6,       // deleted samples: a range of time, and series
};

struct SeriesDef {
  uint64_t ref = 0;
  model::Labels labels;
};
struct RefSample {
  uint64_t ref = 0;
  model::Sample sample;
};
struct RefHistogram {
  uint64_t ref = 0;
  uint32_t after = 0;  // how many of the batch's float samples come before it
  model::HistogramSample sample;
};
struct RefExemplar {
  uint64_t ref = 0;
  model::Exemplar exemplar;
};
struct BatchRecord {
  std::vector<SeriesDef> series;
  std::vector<RefSample> samples;
  std::vector<RefHistogram> histograms;  // `after` does not fall
  std::vector<RefExemplar> exemplars;
  RecordType type() const {
    return histograms.empty() && exemplars.empty() ? RecordType::kBatch : RecordType::kMixedBatch;
  }
  bool empty() const { return samples.empty() && histograms.empty() && exemplars.empty(); }
};
struct ChunkRecord {
  uint64_t ref = 0;
  bool open = false;  // the next samples go on in it
  Chunk chunk;
};
struct StoredExemplar {
  model::Labels series;
  model::Exemplar exemplar;
};
struct EraseRecord {
  TimeRange range;
  std::vector<uint64_t> refs;
};

std::string encode_batch(const BatchRecord& batch);  // of batch.type()
std::string encode_chunk(uint64_t ref, bool open, const ChunkView& chunk);
std::string encode_head_start(int64_t t_ms);
std::string encode_exemplars(const std::vector<StoredExemplar>& exemplars);
std::string encode_erase(const EraseRecord& record);

// kInvalidArgument: the payload is not such a record. Any bytes are safe. REQUIRES: a type of batch.
Result<BatchRecord> decode_batch(RecordType type, std::string_view payload);
Result<ChunkRecord> decode_chunk(std::string_view payload);
Result<int64_t> decode_head_start(std::string_view payload);
Result<std::vector<StoredExemplar>> decode_exemplars(std::string_view payload);
Result<EraseRecord> decode_erase(std::string_view payload);

void put_labels(std::string& out, const model::Labels& labels);

}  // namespace sentinel::tsdb
