#pragma once
// Sorted lists of series numbers, and how matchers select from an index of them. Shared by the head and the blocks.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>

#include "model/labels.h"

namespace sentinel::tsdb {

using SeriesIds = std::vector<uint32_t>;  // sorted
// One list: owned, or a view of the source's own, which lives as long as the source is not changed.
using PostingsRef = std::shared_ptr<const SeriesIds>;

// An index from label pairs to series.
class PostingsSource {
 public:
  virtual ~PostingsSource() = default;
  virtual SeriesIds all() const = 0;
  // How many values the label has; 0: no series has it.
  virtual size_t value_count(std::string_view name) const = 0;
  // Null: no series has the pair.
  virtual PostingsRef find_postings(std::string_view name, std::string_view value) const = 0;
  // Calls `wanted` once with each value of the label, and appends the lists for which it says yes.
  virtual void collect(std::string_view name, absl::FunctionRef<bool(std::string_view)> wanted,
                       std::vector<PostingsRef>& out) const = 0;
  // Keeps the candidates for whose value of the label ("" when absent) `wanted` says yes; called once a distinct value.
  virtual void filter(std::string_view name, absl::FunctionRef<bool(std::string_view)> wanted,
                      SeriesIds& candidates) const = 0;
};

// Series that all matchers match, as Prometheus understands it: no label is the empty value. A regular expression is
// tried at most once on each distinct value of its label, never on series.
SeriesIds resolve(const PostingsSource& source, const model::Matchers& matchers);

// The literals of a pattern that is a plain alternation ("a|b|c", also in one pair of parentheses); none otherwise.
std::optional<std::vector<std::string>> literal_alternatives(std::string_view pattern);
SeriesIds intersect(const SeriesIds& a, const SeriesIds& b);
SeriesIds unite(const std::vector<PostingsRef>& lists);
SeriesIds subtract(const SeriesIds& a, const SeriesIds& b);

}  // namespace sentinel::tsdb
