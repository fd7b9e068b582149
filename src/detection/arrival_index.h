#pragma once
// Which rules read a series, and which of them have got a sample since they were last asked for.

#include <cstdint>
#include <functional>
#include <map>
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
  absl::flat_hash_map<tsdb::SeriesRef, uint32_t> set_of_series_ GUARDED_BY(mutex_);
  std::vector<std::vector<RuleNumber>> sets_ GUARDED_BY(mutex_);  // distinct sets of readers; 0 is empty
  std::map<std::vector<RuleNumber>, uint32_t> set_numbers_ GUARDED_BY(mutex_);
  std::vector<uint64_t> seen_in_ GUARDED_BY(mutex_);  // by set: the last commit that touched it
  uint64_t commits_ GUARDED_BY(mutex_) = 0;
  std::vector<bool> dirty_ GUARDED_BY(mutex_);
  std::vector<int64_t> newest_ms_ GUARDED_BY(mutex_);
  std::vector<RuleNumber> queue_ GUARDED_BY(mutex_);
};

}  // namespace sentinel::detection
