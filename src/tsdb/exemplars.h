#pragma once
// The newest exemplars of all series, a bounded number: when it is full the one that came first gives way.

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "model/exemplar.h"
#include "tsdb/chunk.h"
#include "tsdb/record.h"
#include "tsdb/store.h"

namespace sentinel::tsdb {

enum class ExemplarVerdict { kAdd, kDuplicate, kOutOfOrder, kTooLong, kDisabled };

// Thread-safe.
class ExemplarRing {
 public:
  // `late_window_ms`: how much older than the series' newest one an exemplar may be.
  ExemplarRing(uint64_t count_max, int64_t late_window_ms) : count_max_(count_max), late_window_ms_(late_window_ms) {}

  ExemplarVerdict judge(const model::Labels& series, const model::Exemplar& exemplar) const;
  ExemplarVerdict add(const model::Labels& series, const model::Exemplar& exemplar);

  std::vector<SeriesExemplars> select(const std::vector<model::Matchers>& sets, TimeRange range) const;
  std::vector<StoredExemplar> all() const;  // in the order they came
  size_t size() const;

 private:
  struct Series {
    model::Labels labels;
    std::deque<uint64_t> order;  // numbers of its exemplars, by time
  };
  struct Entry {
    Series* series = nullptr;
    model::Exemplar exemplar;
  };

  ExemplarVerdict judge_locked(const Series* series, const model::Exemplar& exemplar) const;
  const model::Exemplar& at(uint64_t number) const { return entries_[number - first_].exemplar; }
  void drop_oldest();

  const uint64_t count_max_;
  const int64_t late_window_ms_;
  mutable std::mutex mutex_;
  std::deque<Entry> entries_;
  uint64_t first_ = 0;  // number of entries_.front()
  absl::flat_hash_map<model::Labels, std::unique_ptr<Series>, model::LabelsHash> series_;
};

}  // namespace sentinel::tsdb
