#include "tsdb/record.h"

#include <bit>

#include "base/varint.h"
#include "tsdb/histogram_chunk.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {

void put_labels(std::string& out, const model::Labels& labels) {
  put_varint(out, labels.size());
  for (const model::Label& label : labels) {
    put_text(out, label.name);
    put_text(out, label.value);
  }
}

namespace {

constexpr unsigned kOpenFlag = 1;
constexpr unsigned kHistogramFlag = 2;

Error damaged(const char* what) { return Error(ErrorCode::kInvalidArgument, std::string(what) + " record is damaged"); }

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

void put_exemplar(std::string& out, const model::Exemplar& exemplar) {
  put_labels(out, exemplar.labels);
  put_zigzag(out, exemplar.t_ms);
  put_fixed(out, std::bit_cast<uint64_t>(exemplar.v));
}

Result<model::Exemplar> get_exemplar(ByteReader& in) {
  model::Exemplar exemplar;
  SENTINEL_ASSIGN(exemplar.labels, get_labels(in));
  exemplar.t_ms = in.zigzag();
  exemplar.v = std::bit_cast<double>(in.fixed<uint64_t>());
  return exemplar;
}

// A histogram is written as a chunk of one.
void put_extras(std::string& out, const BatchRecord& batch) {
  put_varint(out, batch.histograms.size());
  uint32_t after = 0;
  for (const RefHistogram& h : batch.histograms) {
    put_varint(out, h.ref);
    put_varint(out, h.after - after);
    after = h.after;
    HistogramChunkWriter chunk;
    chunk.append(h.sample.t_ms, *h.sample.h);
    put_text(out, chunk.bytes());
  }
  put_varint(out, batch.exemplars.size());
  for (const RefExemplar& e : batch.exemplars) {
    put_varint(out, e.ref);
    put_exemplar(out, e.exemplar);
  }
}

Status get_extras(ByteReader& in, BatchRecord& batch) {
  const uint64_t histograms = in.varint();
  if (histograms > in.size()) return fail(damaged("batch"));
  uint64_t after = 0;
  for (uint64_t i = 0; i < histograms && in.ok(); ++i) {
    RefHistogram h;
    h.ref = in.varint();
    after += in.varint();
    HistogramChunkReader chunk(in.text(), 1);
    if (!in.ok() || after > batch.samples.size() || !chunk.next() || chunk.bytes_left() != 0) {
      return fail(damaged("batch"));
    }
    h.after = static_cast<uint32_t>(after);
    h.sample = {chunk.t_ms(), chunk.make()};
    batch.histograms.push_back(std::move(h));
  }
  const uint64_t exemplars = in.varint();
  if (exemplars > in.size()) return fail(damaged("batch"));
  for (uint64_t i = 0; i < exemplars && in.ok(); ++i) {
    RefExemplar e;
    e.ref = in.varint();
    SENTINEL_ASSIGN(e.exemplar, get_exemplar(in));
    batch.exemplars.push_back(std::move(e));
  }
  return {};
}

}  // namespace

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
  if (batch.type() == RecordType::kMixedBatch) put_extras(out, batch);
  return out;
}

Result<BatchRecord> decode_batch(RecordType type, std::string_view payload) {
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
  if (type == RecordType::kMixedBatch) SENTINEL_TRY(get_extras(in, batch));
  if (!in.ok() || !in.empty()) return fail(damaged("batch"));
  return batch;
}

std::string encode_chunk(uint64_t ref, bool open, const ChunkView& chunk) {
  std::string out;
  put_varint(out, ref);
  const unsigned flags = (open ? kOpenFlag : 0U) | (chunk.kind == ChunkKind::kHistogram ? kHistogramFlag : 0U);
  out.push_back(static_cast<char>(flags));
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
  const auto flags = in.fixed<uint8_t>();
  record.open = (flags & kOpenFlag) != 0;
  record.chunk.kind = (flags & kHistogramFlag) != 0 ? ChunkKind::kHistogram : ChunkKind::kFloat;
  if (flags > (kOpenFlag | kHistogramFlag)) return fail(damaged("chunk"));
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

std::string encode_exemplars(const std::vector<StoredExemplar>& exemplars) {
  std::string out;
  put_varint(out, exemplars.size());
  for (const StoredExemplar& e : exemplars) {
    put_labels(out, e.series);
    put_exemplar(out, e.exemplar);
  }
  return out;
}

Result<std::vector<StoredExemplar>> decode_exemplars(std::string_view payload) {
  ByteReader in(payload);
  const uint64_t count = in.varint();
  if (count > in.size()) return fail(damaged("exemplar"));
  std::vector<StoredExemplar> out;
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    StoredExemplar e;
    SENTINEL_ASSIGN(e.series, get_labels(in));
    SENTINEL_ASSIGN(e.exemplar, get_exemplar(in));
    out.push_back(std::move(e));
  }
  if (!in.ok() || !in.empty()) return fail(damaged("exemplar"));
  return out;
}

std::string encode_erase(const EraseRecord& record) {
  std::string out;
  put_fixed(out, record.range.min_ms);
  put_fixed(out, record.range.max_ms);
  put_varint(out, record.refs.size());
  uint64_t last = 0;
  for (const uint64_t ref : record.refs) {
    put_zigzag(out, static_cast<int64_t>(ref - last));
    last = ref;
  }
  return out;
}

Result<EraseRecord> decode_erase(std::string_view payload) {
  ByteReader in(payload);
  EraseRecord record;
  record.range.min_ms = in.fixed<int64_t>();
  record.range.max_ms = in.fixed<int64_t>();
  const uint64_t count = in.varint();
  if (count > in.size()) return fail(damaged("erase"));
  uint64_t ref = 0;
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    ref += static_cast<uint64_t>(in.zigzag());
    record.refs.push_back(ref);
  }
  if (!in.ok() || !in.empty()) return fail(damaged("erase"));
  return record;
}

}  // namespace sentinel::tsdb
