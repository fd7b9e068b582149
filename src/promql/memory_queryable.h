#pragma once
// A small store in memory for tests of queries and rules. Not for production: it scans all series.

#include <map>
#include <vector>

#include "tsdb/queryable.h"

namespace sentinel::promql {

// One thread.
class MemoryQueryable final : public tsdb::Queryable {
 public:
  // Samples of a series may come in any order; of equal times the last one stays.
  void add(const model::Labels& labels, int64_t t_ms, double v, int64_t start_ms = 0);
  // As a store does it, a counter histogram that continues the one before gets the hint "not reset", others "unknown".
  void add(const model::Labels& labels, int64_t t_ms, model::HistogramPtr h, int64_t start_ms = 0);
  void clear() { series_.clear(); }

  Result<std::vector<tsdb::SeriesData>> select(const model::Matchers& matchers, int64_t min_ms, int64_t max_ms,
                                               const tsdb::SelectLimits& limits) const override;
  Result<std::vector<model::Labels>> series(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                            int64_t max_ms) const override;
  Result<std::vector<std::string>> label_names(const std::vector<model::Matchers>& sets, int64_t min_ms,
                                               int64_t max_ms) const override;
  Result<std::vector<std::string>> label_values(const std::string& name, const std::vector<model::Matchers>& sets, int64_t min_ms,
                                                int64_t max_ms) const override;

 private:
  struct Point {
    double v = 0;
    model::HistogramPtr h;
    int64_t start_ms = 0;
  };
  using Points = std::map<int64_t, Point>;
  std::map<model::Labels, Points> series_;
};

}  // namespace sentinel::promql
