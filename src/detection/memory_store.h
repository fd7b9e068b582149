#pragma once
// A series store without a disk, with every sample there is: what rules are tested and replayed on.

#include <memory>
#include <string>
#include <vector>

#include "promql/memory_queryable.h"
#include "tsdb/store.h"

namespace sentinel::detection {

// One thread. Of samples at one time the last stays; nothing is ever refused.
class MemoryStore final : public tsdb::Store {
 public:
  std::unique_ptr<tsdb::Appender> appender() override;
  Status sync() override { return {}; }
  Status maintain() override { return {}; }
  tsdb::StoreStats stats() const override { return {}; }
  // Rules neither ask for these nor need them.
  Result<std::vector<tsdb::SeriesExemplars>> exemplars(const std::vector<model::Matchers>&, int64_t,
                                                       int64_t) const override {
    return std::vector<tsdb::SeriesExemplars>{};
  }
  tsdb::Cardinality cardinality(size_t) const override { return {}; }
  Status delete_series(const std::vector<model::Matchers>&, int64_t, int64_t) override { return refused(); }
  Status clean_tombstones() override { return refused(); }
  Result<std::string> snapshot(bool) override { return fail(refused().error()); }
  tsdb::LogPosition log_end() const override { return {}; }  // there is no log
  void keep_log_from(uint64_t) override {}
  void listen(tsdb::CommitListener*) override {}
  model::Labels labels(tsdb::SeriesRef series) const override { return series_[static_cast<size_t>(series) - 1]; }

  Result<std::vector<tsdb::SeriesData>> select(const model::Matchers& matchers, int64_t min_ms, int64_t max_ms,
                                               const tsdb::SelectLimits& limits) const override {
    return samples_.select(matchers, min_ms, max_ms, limits);
  }
  Result<std::vector<model::Labels>> series(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                            int64_t max_ms) const override {
    return samples_.series(sets, min_ms, max_ms);
  }
  Result<std::vector<std::string>> label_names(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                               int64_t max_ms) const override {
    return samples_.label_names(sets, min_ms, max_ms);
  }
  Result<std::vector<std::string>> label_values(const std::string& name, const std::vector<model::Matchers>& sets,
                                                int64_t min_ms, int64_t max_ms) const override {
    return samples_.label_values(name, sets, min_ms, max_ms);
  }

  promql::MemoryQueryable& samples() { return samples_; }

 private:
  static Status refused() { return fail(ErrorCode::kUnavailable, "a store in memory has no blocks"); }
  class BatchAppender;
  promql::MemoryQueryable samples_;
  std::vector<model::Labels> series_;  // by reference - 1
  std::map<model::Labels, tsdb::SeriesRef> refs_;
};

}  // namespace sentinel::detection
