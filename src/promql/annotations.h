#pragma once
// Warnings and infos of one evaluation, each once, with the position of the expression they are about.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "promql/ast.h"

namespace sentinel::promql {

// One thread. Past kAnnotationsMax distinct ones more are dropped and counted.
class Annotations {
 public:
  void warn(std::string message, PosRange pos) { add(true, std::move(message), pos); }
  void info(std::string message, PosRange pos) { add(false, std::move(message), pos); }

  // Classic buckets whose counts decreased were lifted; kept once a metric with the extent of it.
  struct Monotonicity {
    int64_t min_ts = 0;
    int64_t max_ts = 0;
    double min_bucket = 0;
    double max_bucket = 0;
    double max_diff = 0;
    int64_t samples = 1;
    void widen(const Monotonicity& other);
  };
  void forced_monotonicity(std::string_view metric, PosRange pos, const Monotonicity& m);
  void start_time_overlap(std::string_view metric, PosRange pos);

  // Takes over what came up elsewhere, as if it came up now.
  void add_all(const Annotations& other);
  bool empty() const { return entries_.empty(); }

  // As shown to users: "PromQL warning: ... (1:5)".
  std::vector<std::string> warnings(std::string_view query) const { return texts(true, query); }
  std::vector<std::string> infos(std::string_view query) const { return texts(false, query); }

 private:
  enum class Kind : uint8_t { kPlain, kMonotonicity, kOverlap };
  struct Entry {
    bool warning;
    Kind kind = Kind::kPlain;
    std::string message;
    PosRange pos;
    Monotonicity monotonicity;
    int64_t count = 1;
  };
  Entry* add(bool warning, std::string message, PosRange pos, Kind kind = Kind::kPlain);
  std::vector<std::string> texts(bool warning, std::string_view query) const;

  std::vector<Entry> entries_;
  absl::flat_hash_map<std::string, size_t> by_message_;
  bool last_was_new_ = false;
  uint64_t dropped_warnings_ = 0;
  uint64_t dropped_infos_ = 0;
};

// Wordings used in several places.
namespace anno {
std::string mixed_floats_histograms(std::string_view metric);
std::string mixed_floats_histograms_agg();
std::string mixed_exponential_custom(std::string_view metric);
std::string not_counter(std::string_view metric);
std::string not_gauge(std::string_view metric);
std::string histogram_ignored_in_aggregation(std::string_view aggregation);
std::string histogram_ignored_in_mixed_range(std::string_view metric);
std::string invalid_quantile(double q);
std::string invalid_ratio(double r, double capped);
std::string counter_reset_collision(std::string_view operation);
std::string bounds_reconciled(std::string_view operation);
std::string with_metric(std::string message, std::string_view metric);  // "... for metric name "x"" unless empty
}  // namespace anno

}  // namespace sentinel::promql
