#pragma once
// Which alerts have which label values, so that a filter looks at those that can match instead of at all. Lives on the
// control scheduler.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "model/labels.h"

namespace sentinel::alerting {

class LabelIndex {
 public:
  // REQUIRES: `fingerprint` is not there yet.
  void add(uint64_t fingerprint, const model::Labels& labels);
  // REQUIRES: the labels it was added with.
  void remove(uint64_t fingerprint, const model::Labels& labels);
  void clear() { names_.clear(); }

  // Fingerprints among which all are that `matchers` match, ascending: those of the matcher that keeps the fewest. The
  // caller still asks all matchers. Null: no matcher narrows it down, ask about every alert.
  std::optional<std::vector<uint64_t>> candidates(const model::Matchers& matchers) const;

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Fingerprints = std::unordered_set<uint64_t>;
  using Values = std::unordered_map<std::string, Fingerprints, Hash, std::equal_to<>>;

  std::unordered_map<std::string, Values, Hash, std::equal_to<>> names_;
};

}  // namespace sentinel::alerting
