#pragma once
// Which alerts have which label values, so that a filter looks at those that can match instead of at all. Lives on the
// control scheduler.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/container/inlined_vector.h>

#include "model/labels.h"

namespace sentinel::alerting {

class LabelIndex {
 public:
  // REQUIRES: `fingerprint` is not there yet.
  void add(uint64_t fingerprint, const model::Labels& labels);
  // REQUIRES: the labels it was added with.
  void remove(uint64_t fingerprint, const model::Labels& labels);

  // Fingerprints of alerts that are there, among which all are that `matchers` match, ascending: those of the matcher
  // that keeps the fewest. The caller still asks all matchers. Null: no matcher narrows it down, ask about every alert.
  std::optional<std::vector<uint64_t>> candidates(const model::Matchers& matchers) const;

 private:
  // In the order they came, also some that are gone or there twice: a common value has a list of nearly all alerts,
  // which nobody wants to search for each alert that comes or goes.
  struct List {
    absl::InlinedVector<uint64_t, 2> fingerprints;
    size_t gone = 0;
  };
  using Values = absl::flat_hash_map<std::string, List>;

  void clean(List& list) const;

  absl::flat_hash_map<std::string, Values> names_;
  absl::flat_hash_set<uint64_t> there_;
};

}  // namespace sentinel::alerting
