#pragma once
// Puts series into the order of their labels, quickly also when there are a million: label by label, so that each
// distinct text of a group is compared with its neighbours once and not once a series.

#include <cstdint>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "tsdb/label_index.h"

namespace sentinel::tsdb {

// One that matchers selected.
struct SeriesCandidate {
  uint32_t id = 0;
  uint32_t rank = 0;  // its place in the order as noted earlier, see Head::rank_series()
  const LabelSet* labels = nullptr;
};

// One thread. Needs no lock for series as LabelIndex says.
class LabelOrder {
 public:
  using Iterator = std::vector<SeriesCandidate>::iterator;
  explicit LabelOrder(const LabelIndex& index) : index_(index) {}
  void sort(Iterator begin, Iterator end) { sort_from(begin, end, 0); }

 private:
  struct Bucket {
    std::string_view name;
    std::string_view value;
    uint32_t number = 0;
    uint32_t count = 0;
    uint32_t at = 0;
  };
  void sort_from(Iterator begin, Iterator end, size_t label);
  bool same_label(Iterator begin, Iterator end, size_t label) const;
  bool less_from(const SeriesCandidate& a, const SeriesCandidate& b, size_t label) const;
  std::vector<Bucket> buckets_of(Iterator begin, Iterator end, size_t label);

  const LabelIndex& index_;
  // Used again and again.
  absl::flat_hash_map<uint64_t, uint32_t> numbers_;
  std::vector<uint32_t> bucket_of_;
  std::vector<SeriesCandidate> scratch_;
};

}  // namespace sentinel::tsdb
