#pragma once
// The inverted index: which series carry a label pair. Used by the head (growing) and by blocks (filled once).
// Series are numbered 0,1,2,… in order of `add`, so every postings list is sorted by itself.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "model/labels.h"
#include "tsdb/symbols.h"

namespace sentinel::tsdb {

struct LabelPair {
  uint32_t name = 0;  // symbols
  uint32_t value = 0;
};
using SeriesIds = std::vector<uint32_t>;  // sorted

// One writer, or many readers: the owner holds the lock. `labels_of`, `make_labels` and `less` need no lock for a
// series number that was got under it.
class LabelIndex {
 public:
  LabelIndex();
  LabelIndex(const LabelIndex&) = delete;
  LabelIndex& operator=(const LabelIndex&) = delete;

  std::optional<uint32_t> find(const model::Labels& labels, uint64_t hash) const;
  // REQUIRES: not there yet. `hash` is labels.hash().
  uint32_t add(const model::Labels& labels, uint64_t hash);
  size_t size() const { return series_.size(); }
  const SymbolTable& symbols() const { return symbols_; }

  // Series that all matchers match, as Prometheus understands it: no label is the empty value. A regular expression
  // is tried at most once on each distinct value of its label, never on series.
  SeriesIds resolve(const model::Matchers& matchers) const;

  std::span<const LabelPair> labels_of(uint32_t id) const;
  model::Labels make_labels(uint32_t id) const;
  bool less(uint32_t a, uint32_t b) const;  // by labels, as model::Labels compares
  std::string_view value_of(uint32_t id, std::string_view name) const;

  std::vector<std::string> names() const;
  // Calls fn(value, ids) for each value of the label; stops when fn returns false.
  template <class F>
  void for_each_value(std::string_view name, F fn) const {
    const NameEntry* entry = find_name(name);
    if (entry == nullptr) return;
    for (const auto& [value, ids] : entry->postings) {
      if (!fn(symbols_.at(value), ids)) return;
    }
  }

 private:
  struct SeriesLabels {
    uint64_t hash = 0;
    std::unique_ptr<LabelPair[]> pairs;
    uint32_t count = 0;
  };
  struct NameEntry {
    absl::flat_hash_map<uint32_t, SeriesIds> postings;  // by value
  };

  const NameEntry* find_name(std::string_view name) const;
  bool same_labels(uint32_t id, const model::Labels& labels) const;
  SeriesIds all() const;
  std::vector<const SeriesIds*> matching_lists(const NameEntry& entry, const model::Matcher& matcher,
                                               bool wanted) const;
  void apply_positive(const model::Matcher& matcher, std::optional<SeriesIds>& candidates) const;
  void apply_negative(const model::Matcher& matcher, std::optional<SeriesIds>& candidates) const;
  void filter(const model::Matcher& matcher, SeriesIds& candidates) const;

  SymbolTable symbols_;
  StableVector<SeriesLabels> series_;
  absl::flat_hash_map<uint32_t, NameEntry> names_;
  absl::flat_hash_map<uint64_t, uint32_t> by_hash_;      // the first series with the hash
  absl::flat_hash_map<uint64_t, SeriesIds> collisions_;  // all others
};

// The literals of a pattern that is a plain alternation ("a|b|c", also in one pair of parentheses); none otherwise.
std::optional<std::vector<std::string>> literal_alternatives(std::string_view pattern);
SeriesIds intersect(const SeriesIds& a, const SeriesIds& b);
SeriesIds unite(const std::vector<const SeriesIds*>& lists);
SeriesIds subtract(const SeriesIds& a, const SeriesIds& b);

}  // namespace sentinel::tsdb
