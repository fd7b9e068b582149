#pragma once
// Samples into requests of remote write 1.0 and 2.0, uncompressed and as snappy.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ingest/metadata.h"
#include "ingest/remote_write.h"
#include "model/exemplar.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/sample.h"

namespace sentinel::ingest {

using LabelsPtr = std::shared_ptr<const model::Labels>;
using MetadataMap = std::map<std::string, std::vector<FamilyMetadata>>;

// One thing to send: a float sample, a native histogram or an exemplar of a series.
struct WriteItem {
  enum class Kind : uint8_t { kSample, kHistogram, kExemplar };
  Kind kind = Kind::kSample;
  LabelsPtr labels;       // never null; items of one series share it
  model::Sample sample;   // kSample; t_ms also of the others
  model::HistogramPtr h;  // kHistogram
  std::shared_ptr<const model::Exemplar> exemplar;
};

// Items of one series come together, in their order. `metadata` (of 2.0 only) may be null.
std::string encode_write(WriteProtocol protocol, std::span<const WriteItem> items, const MetadataMap* metadata);
// prometheus.WriteRequest with metadata only.
struct NamedMetadata {
  std::string family;
  FamilyMetadata metadata;
};
std::string encode_metadata(std::span<const NamedMetadata> metadata);

std::string snappy_block(std::string_view bytes);
// Value of the Content-Type header.
std::string_view content_type_of(WriteProtocol protocol);

}  // namespace sentinel::ingest
