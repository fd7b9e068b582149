#include "ingest/metadata.h"

#include <algorithm>

#include "ingest/limits.h"

namespace sentinel::ingest {

void MetadataStore::put(std::string_view family, FamilyMetadata metadata) {
  MutexLock lock(mutex_);
  auto it = families_.find(family);
  if (it == families_.end()) {
    if (families_.size() >= kMetadataFamiliesMax) return;
    it = families_.emplace(std::string(family), std::vector<FamilyMetadata>()).first;
  }
  std::vector<FamilyMetadata>& known = it->second;
  if (known.size() >= kMetadataPerFamilyMax || std::find(known.begin(), known.end(), metadata) != known.end()) return;
  known.push_back(std::move(metadata));
}

std::map<std::string, std::vector<FamilyMetadata>> MetadataStore::all() const {
  MutexLock lock(mutex_);
  return {families_.begin(), families_.end()};
}

}  // namespace sentinel::ingest
