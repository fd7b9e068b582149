#include "ingest/write_encoder.h"

#include <absl/container/flat_hash_map.h>
#include <snappy-c.h>

#include "base/check.h"
#include "ingest/proto_writer.h"
#include "ingest/wire_histogram.h"

namespace sentinel::ingest {
namespace {

std::string sample_message(const model::Sample& sample) {
  std::string out;
  ProtoWriter writer(out);
  writer.float64(1, sample.v);
  writer.int64(2, sample.t_ms);
  return out;
}

std::string label_message(const model::Label& label) {
  std::string out;
  ProtoWriter writer(out);
  writer.bytes(1, label.name);
  writer.bytes(2, label.value);
  return out;
}

// Positions of the items of each series, series in the order of their first item.
std::vector<std::vector<size_t>> by_series(std::span<const WriteItem> items) {
  std::vector<std::vector<size_t>> out;
  absl::flat_hash_map<const model::Labels*, size_t> at;
  for (size_t i = 0; i < items.size(); ++i) {
    const auto [it, fresh] = at.try_emplace(items[i].labels.get(), out.size());
    if (fresh) out.emplace_back();
    out[it->second].push_back(i);
  }
  return out;
}

// Texts of a 2.0 request, each once; number 0 is the empty one.
class Symbols {
 public:
  Symbols() { number(""); }
  uint64_t number(std::string_view text) {
    const auto [it, fresh] = numbers_.try_emplace(text, texts_.size());
    if (fresh) texts_.push_back(text);
    return it->second;
  }
  std::string refs(const model::Labels& labels) {
    std::string packed;
    for (const model::Label& label : labels) {
      put_varint(packed, number(label.name));
      put_varint(packed, number(label.value));
    }
    return packed;
  }
  const std::vector<std::string_view>& texts() const { return texts_; }

 private:
  absl::flat_hash_map<std::string_view, uint64_t> numbers_;  // into the items' labels and the metadata
  std::vector<std::string_view> texts_;
};

std::string exemplar_v1(const model::Exemplar& exemplar) {
  std::string out;
  ProtoWriter writer(out);
  for (const model::Label& label : exemplar.labels) writer.bytes(1, label_message(label));
  writer.float64(2, exemplar.v);
  writer.int64(3, exemplar.t_ms);
  return out;
}

std::string series_v1(std::span<const WriteItem> items, const std::vector<size_t>& of_series) {
  std::string out;
  ProtoWriter writer(out);
  for (const model::Label& label : *items[of_series.front()].labels) writer.bytes(1, label_message(label));
  for (const size_t i : of_series) {
    if (items[i].kind == WriteItem::Kind::kSample) writer.bytes(2, sample_message(items[i].sample));
  }
  for (const size_t i : of_series) {
    if (items[i].kind == WriteItem::Kind::kExemplar) writer.bytes(3, exemplar_v1(*items[i].exemplar));
  }
  for (const size_t i : of_series) {
    if (items[i].kind != WriteItem::Kind::kHistogram) continue;
    writer.bytes(4, write_wire_histogram({items[i].sample.t_ms, items[i].h}));
  }
  return out;
}

// The family that a series is of, by its name: the name itself, or without the suffix of a classic type.
const FamilyMetadata* metadata_of(std::string_view name, const MetadataMap& known) {
  for (const std::string_view suffix : {"", "_total", "_bucket", "_count", "_sum", "_info", "_created"}) {
    if (!name.ends_with(suffix)) continue;
    const auto it = known.find(std::string(name.substr(0, name.size() - suffix.size())));
    if (it != known.end() && !it->second.empty()) return &it->second.back();
  }
  return nullptr;
}

std::string series_v2(std::span<const WriteItem> items, const std::vector<size_t>& of_series, Symbols& symbols,
                      const MetadataMap* metadata) {
  std::string out;
  ProtoWriter writer(out);
  const model::Labels& labels = *items[of_series.front()].labels;
  writer.bytes(1, symbols.refs(labels));
  for (const size_t i : of_series) {
    const WriteItem& item = items[i];
    switch (item.kind) {
      case WriteItem::Kind::kSample: writer.bytes(2, sample_message(item.sample)); break;
      case WriteItem::Kind::kHistogram: writer.bytes(3, write_wire_histogram({item.sample.t_ms, item.h})); break;
      case WriteItem::Kind::kExemplar: {
        std::string message;
        ProtoWriter exemplar(message);
        exemplar.bytes(1, symbols.refs(item.exemplar->labels));
        exemplar.float64(2, item.exemplar->v);
        exemplar.int64(3, item.exemplar->t_ms);
        writer.bytes(4, message);
      }
    }
  }
  const FamilyMetadata* about =
      metadata == nullptr ? nullptr : metadata_of(labels.get(model::kMetricNameLabel), *metadata);
  if (about == nullptr) return out;
  std::string message;
  ProtoWriter fields(message);
  fields.varint(1, static_cast<uint64_t>(about->kind));
  fields.varint(3, symbols.number(about->help));
  fields.varint(4, symbols.number(about->unit));
  writer.bytes(5, message);
  return out;
}

}  // namespace

std::string encode_write(WriteProtocol protocol, std::span<const WriteItem> items, const MetadataMap* metadata) {
  std::string out;
  ProtoWriter writer(out);
  const auto series = by_series(items);
  if (protocol == WriteProtocol::kV1) {
    for (const auto& one : series) writer.bytes(1, series_v1(items, one));
    return out;
  }
  Symbols symbols;
  std::vector<std::string> messages;
  messages.reserve(series.size());
  for (const auto& one : series) messages.push_back(series_v2(items, one, symbols, metadata));
  for (const std::string_view text : symbols.texts()) writer.bytes(4, text);
  for (const std::string& message : messages) writer.bytes(5, message);
  return out;
}

std::string encode_metadata(std::span<const NamedMetadata> metadata) {
  std::string out;
  ProtoWriter writer(out);
  for (const NamedMetadata& one : metadata) {
    std::string message;
    ProtoWriter fields(message);
    fields.varint(1, static_cast<uint64_t>(one.metadata.kind));
    fields.bytes(2, one.family);
    fields.bytes(4, one.metadata.help);
    fields.bytes(5, one.metadata.unit);
    writer.bytes(3, message);
  }
  return out;
}

std::string snappy_block(std::string_view bytes) {
  size_t size = snappy_max_compressed_length(bytes.size());
  std::string out(size, '\0');
  const snappy_status status = snappy_compress(bytes.data(), bytes.size(), out.data(), &size);
  SENTINEL_CHECK(status == SNAPPY_OK);  // the buffer has the length that snappy asks for
  out.resize(size);
  return out;
}

std::string_view content_type_of(WriteProtocol protocol) {
  return protocol == WriteProtocol::kV1 ? "application/x-protobuf"
                                        : "application/x-protobuf;proto=io.prometheus.write.v2.Request";
}

}  // namespace sentinel::ingest
