#pragma once
// What senders and targets say of their metrics: type, help and unit of each family, for /api/v1/metadata.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/thread_annotations.h"
#include "ingest/exposition_parser.h"

namespace sentinel::ingest {

struct FamilyMetadata {
  MetricKind kind = MetricKind::kUnknown;
  std::string help;
  std::string unit;
  auto operator<=>(const FamilyMetadata&) const = default;
};

// Thread-safe. Past kMetadataFamiliesMax families, or kMetadataPerFamilyMax descriptions of one, more are ignored.
class MetadataStore {
 public:
  void put(std::string_view family, FamilyMetadata metadata);
  // Sorted by family; each description once.
  std::map<std::string, std::vector<FamilyMetadata>> all() const;

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::vector<FamilyMetadata>, std::less<>> families_ GUARDED_BY(mutex_);
};

}  // namespace sentinel::ingest
