#pragma once
// Which rules read a series, and which of them have got a sample since they were last asked for.

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "base/thread_annotations.h"
#include "model/labels.h"
#include "tsdb/store.h"

namespace sentinel::detection {

using RuleNumber = uint32_t;

// From label sets to the selectors that match them. A selector is found by its metric name and one more label it wants
// equal, so that a series is compared with the few that may match. Immutable after the last add(); then thread-safe.
class SelectorIndex {
 public:
  void add(const model::Matchers& selector, RuleNumber rule);
  // Ascending, each once.
  std::vector<RuleNumber> readers(const model::Labels& series) const;

 private:
  struct Entry {
    model::Matchers selector;
    RuleNumber rule;
  };
  using Entries = std::vector<Entry>;
  struct Metric {
    std::map<std::string, absl::flat_hash_map<std::string, Entries>> by_label;  // name, value
    Entries rest;
  };
  absl::flat_hash_map<std::string, Metric> metrics_;
  Entries nameless_;
};

// A small number for each series. The store numbers its series one after the other, so the numbers lie in pages without
// their keys: four bytes a series, and neighbours in a batch are neighbours here. One thread.
class SeriesNumbers {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  uint32_t find(tsdb::SeriesRef series) const {
    const auto at = static_cast<uint64_t>(series);
    const uint64_t page = at / kPageSeries;
    return page < pages_.size() && pages_[page] ? (*pages_[page])[at % kPageSeries] : kNone;
  }
  // Forgets a series that is too far from all others, and everything when there are too many.
  void set(tsdb::SeriesRef series, uint32_t number);
  void clear();

 private:
  static constexpr uint64_t kPageSeries = 4096;
  using Page = std::array<uint32_t, kPageSeries>;
  std::vector<std::unique_ptr<Page>> pages_;
  size_t pages_used_ = 0;
};

// Hears of commits on whatever thread commits; everything else is called from one thread (the rule manager's), which it
// wakes. A series is matched once, when it is first seen, and looked up by its reference from then on.
class ArrivalIndex final : public tsdb::CommitListener {
 public:
  // `wake` is called on a committing thread, at most once between two take(): it must only post.
  ArrivalIndex(const tsdb::Store& store, std::function<void()> wake) : store_(store), wake_(std::move(wake)) {}

  // Rule N reads what selectors[N] say. Forgets what it knew of other rules.
  void set_rules(const std::vector<std::vector<model::Matchers>>& selectors);
  void committed(std::span<const tsdb::SeriesRef> series, int64_t newest_ms) override;

  // The rules of which a series was written since the last call, in the order in which that happened.
  std::vector<RuleNumber> take();
  // The newest sample that came for the rule since set_rules; int64 min: none.
  int64_t newest_ms(RuleNumber rule) const;

 private:
  uint32_t readers_of(tsdb::SeriesRef series) REQUIRES_LOCK(mutex_);

  const tsdb::Store& store_;
  const std::function<void()> wake_;
  mutable Mutex mutex_;
  SelectorIndex selectors_ GUARDED_BY(mutex_);
  size_t rules_ GUARDED_BY(mutex_) = 0;
  SeriesNumbers set_of_series_ GUARDED_BY(mutex_);
  std::vector<std::vector<RuleNumber>> sets_ GUARDED_BY(mutex_);  // distinct sets of readers; 0 is empty
  std::map<std::vector<RuleNumber>, uint32_t> set_numbers_ GUARDED_BY(mutex_);
  std::vector<uint64_t> seen_in_ GUARDED_BY(mutex_);  // by set: the last commit that touched it
  uint64_t commits_ GUARDED_BY(mutex_) = 0;
  std::vector<bool> dirty_ GUARDED_BY(mutex_);
  std::vector<int64_t> newest_ms_ GUARDED_BY(mutex_);
  std::vector<RuleNumber> queue_ GUARDED_BY(mutex_);
};

}  // namespace sentinel::detection
