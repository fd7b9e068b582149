#include "tsdb/record.h"

#include <bit>

#include "base/varint.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

Result<model::Labels> get_labels(ByteReader& in) {
  const uint64_t count = in.varint();
  if (count > kLabelsMax) return fail(ErrorCode::kInvalidArgument, "a series has too many labels");
  std::vector<model::Label> labels;
  labels.reserve(count);
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::string_view name = in.text();
    const std::string_view value = in.text();
    labels.push_back({std::string(name), std::string(value)});
  }
  return model::Labels(std::move(labels));
}

Error damaged(const char* what) { return Error(ErrorCode::kInvalidArgument, std::string(what) + " record is damaged"); }

}  // namespace

void put_labels(std::string& out, const model::Labels& labels) {
  put_varint(out, labels.size());
  for (const model::Label& label : labels) {
    put_text(out, label.name);
    put_text(out, label.value);
  }
}

std::string encode_batch(const BatchRecord& batch) {
  std::string out;
  out.reserve(16 + batch.samples.size() * 11);
  put_varint(out, batch.series.size());
  for (const SeriesDef& def : batch.series) {
    put_varint(out, def.ref);
    put_labels(out, def.labels);
  }
  put_varint(out, batch.samples.size());
  uint64_t ref = 0;
  int64_t t_ms = 0;
  for (const RefSample& s : batch.samples) {
    put_zigzag(out, static_cast<int64_t>(s.ref - ref));
    put_zigzag(out, static_cast<int64_t>(static_cast<uint64_t>(s.sample.t_ms) - static_cast<uint64_t>(t_ms)));
    put_fixed(out, std::bit_cast<uint64_t>(s.sample.v));
    ref = s.ref;
    t_ms = s.sample.t_ms;
  }
  return out;
}

Result<BatchRecord> decode_batch(std::string_view payload) {
  ByteReader in(payload);
  BatchRecord batch;
  const uint64_t series = in.varint();
  if (series > in.size()) return fail(damaged("batch"));
  batch.series.reserve(series);
  for (uint64_t i = 0; i < series && in.ok(); ++i) {
    const uint64_t ref = in.varint();
    SENTINEL_ASSIGN(model::Labels labels, get_labels(in));
    batch.series.push_back({ref, std::move(labels)});
  }
  const uint64_t samples = in.varint();
  constexpr size_t kSampleBytesMin = 10;
  if (samples > in.size() / kSampleBytesMin) return fail(damaged("batch"));
  batch.samples.reserve(samples);
  uint64_t ref = 0;
  uint64_t t_ms = 0;
  for (uint64_t i = 0; i < samples && in.ok(); ++i) {
    ref += static_cast<uint64_t>(in.zigzag());
    t_ms += static_cast<uint64_t>(in.zigzag());
    batch.samples.push_back({ref, {static_cast<int64_t>(t_ms), std::bit_cast<double>(in.fixed<uint64_t>())}});
  }
  if (!in.ok() || !in.empty()) return fail(damaged("batch"));
  return batch;
}

std::string encode_chunk(uint64_t ref, bool open, const Chunk& chunk) {
  std::string out;
  put_varint(out, ref);
  out.push_back(open ? '\1' : '\0');
  put_fixed(out, chunk.min_ms);
  put_fixed(out, chunk.max_ms);
  put_varint(out, chunk.count);
  put_text(out, chunk.bytes);
  return out;
}

Result<ChunkRecord> decode_chunk(std::string_view payload) {
  ByteReader in(payload);
  ChunkRecord record;
  record.ref = in.varint();
  record.open = in.fixed<uint8_t>() != 0;
  record.chunk.min_ms = in.fixed<int64_t>();
  record.chunk.max_ms = in.fixed<int64_t>();
  const uint64_t count = in.varint();
  record.chunk.bytes = in.text();
  if (!in.ok() || !in.empty() || count == 0 || count > kChunkSamplesMax) return fail(damaged("chunk"));
  record.chunk.count = static_cast<uint32_t>(count);
  if (record.chunk.min_ms > record.chunk.max_ms) return fail(damaged("chunk"));
  return record;
}

std::string encode_head_start(int64_t t_ms) {
  std::string out;
  put_fixed(out, t_ms);
  return out;
}

Result<int64_t> decode_head_start(std::string_view payload) {
  ByteReader in(payload);
  const auto t_ms = in.fixed<int64_t>();
  if (!in.ok() || !in.empty()) return fail(damaged("head start"));
  return t_ms;
}

}  // namespace sentinel::tsdb
