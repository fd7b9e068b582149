#pragma once
// The inverted index of the head: which series carry a label pair. Series are numbered 0,1,2,… in order of `add`, so
// every postings list is sorted by itself.

#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "model/labels.h"
#include "tsdb/postings.h"
#include "tsdb/symbols.h"

namespace sentinel::tsdb {

struct LabelPair {
  uint32_t name = 0;  // symbols
  uint32_t value = 0;
};

// The labels of one series, sorted by name, in one piece of memory.
class LabelSet {
 public:
  static LabelSet* make(uint64_t hash, size_t count) {
    void* memory = ::operator new(sizeof(LabelSet) + count * sizeof(LabelPair));
    return new (memory) LabelSet(hash, static_cast<uint32_t>(count));
  }
  struct Free {
    void operator()(LabelSet* set) const { ::operator delete(set); }
  };
  uint64_t hash() const { return hash_; }
  std::span<const LabelPair> pairs() const { return {reinterpret_cast<const LabelPair*>(this + 1), count_}; }
  std::span<LabelPair> pairs() { return {reinterpret_cast<LabelPair*>(this + 1), count_}; }

 private:
  LabelSet(uint64_t hash, uint32_t count) : hash_(hash), count_(count) {}
  uint64_t hash_;
  uint32_t count_;
};
using LabelSetPtr = std::unique_ptr<LabelSet, LabelSet::Free>;

// What the index let go. Freed once no reader can still look at it.
struct RemovedLabels {
  std::vector<LabelSetPtr> sets;
  std::vector<SymbolPtr> symbols;
};

// One writer, or many readers: the owner holds the lock. What takes a LabelSet, and `labels_of`, `make_labels` and
// `less`, need no lock for a series number that was got under it and not removed since.
class LabelIndex final : public PostingsSource {
 public:
  LabelIndex() = default;
  ~LabelIndex() override;
  LabelIndex(const LabelIndex&) = delete;
  LabelIndex& operator=(const LabelIndex&) = delete;

  std::optional<uint32_t> find(const model::Labels& labels, uint64_t hash) const;
  // REQUIRES: not there yet. Numbers rise and are never used again.
  uint32_t add(const model::Labels& labels, uint64_t hash);
  // REQUIRES: all there, sorted. Takes time in proportion to the postings of all their labels.
  RemovedLabels remove(const SeriesIds& ids);
  size_t slots() const { return series_.size(); }  // numbers ever given
  size_t size() const { return size_; }
  const SymbolTable& symbols() const { return symbols_; }

  SeriesIds resolve(const model::Matchers& matchers) const { return tsdb::resolve(*this, matchers); }
  SeriesIds all() const override;
  size_t value_count(std::string_view name) const override;
  PostingsRef find_postings(std::string_view name, std::string_view value) const override;
  void collect(std::string_view name, absl::FunctionRef<bool(std::string_view)> wanted,
               std::vector<PostingsRef>& out) const override;
  void filter(std::string_view name, absl::FunctionRef<bool(std::string_view)> wanted,
              SeriesIds& candidates) const override;

  const LabelSet& set_of(uint32_t id) const { return *series_[id]; }
  std::span<const LabelPair> labels_of(uint32_t id) const { return set_of(id).pairs(); }
  model::Labels make_labels(const LabelSet& set) const;
  // Of these names only.
  model::Labels make_labels(const LabelSet& set, std::span<const uint32_t> names) const;
  model::Labels make_labels(uint32_t id) const { return make_labels(set_of(id)); }
  bool less(const LabelSet& a, const LabelSet& b) const;  // as model::Labels compares
  bool less(uint32_t a, uint32_t b) const { return less(set_of(a), set_of(b)); }

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
  struct NameEntry {
    absl::flat_hash_map<uint32_t, SeriesIds> postings;  // by value
  };

  const NameEntry* find_name(std::string_view name) const;
  bool same_labels(uint32_t id, const model::Labels& labels) const;
  void forget_hash(uint32_t id, uint64_t hash);

  SymbolTable symbols_;
  StableVector<LabelSet*> series_;  // null: removed
  size_t size_ = 0;
  absl::flat_hash_map<uint32_t, NameEntry> names_;
  absl::flat_hash_map<uint64_t, uint32_t> by_hash_;      // the first series with the hash
  absl::flat_hash_map<uint64_t, SeriesIds> collisions_;  // all others
};

}  // namespace sentinel::tsdb
