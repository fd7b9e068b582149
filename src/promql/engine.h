#pragma once
// Evaluates PromQL as Prometheus 3 does, over any Queryable.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/sample.h"
#include "tsdb/queryable.h"

namespace sentinel {
class WorkCrew;
}

namespace sentinel::promql {

struct VectorSample {
  model::Labels labels;  // with the metric name where PromQL keeps it
  int64_t t_ms = 0;
  double v = 0;
  model::HistogramPtr h = nullptr;  // a native histogram instead of the float
};
struct Scalar {
  int64_t t_ms = 0;
  double v = 0;
};
struct String {
  int64_t t_ms = 0;
  std::string v;
};
using Vector = std::vector<VectorSample>;
using Matrix = std::vector<tsdb::SeriesData>;  // sorted by labels; without start times
using Value = std::variant<Scalar, Vector, Matrix, String>;

struct QueryResult {
  Value value;
  std::vector<std::string> warnings;  // with position, as Prometheus words them
  std::vector<std::string> infos;
  uint64_t samples_read = 0;     // decoded by the storage for this query
  bool read_histograms = false;  // native ones were among them
};

struct EngineOptions {
  Millis lookback_delta = std::chrono::minutes(5);
  uint64_t samples_max = 50'000'000;  // in memory at once, one query
  uint64_t memory_max = 2u << 30;     // bytes of samples and labels in memory at once, one query; 0: no limit
  Millis timeout = std::chrono::minutes(2);
  Millis default_step = std::chrono::minutes(1);  // subqueries without a step (global evaluation_interval)
  bool experimental_functions = true;
  // Prometheus's feature flags of the same names; off there unless asked for.
  bool delayed_name_removal = false;
  bool use_start_timestamps = false;
  bool type_and_unit_labels = false;
  // Threads that help with queries over many series; null: none. The answer does not depend on it, to the last bit.
  WorkCrew* crew = nullptr;
  size_t piece_series = 128;  // that a thread takes at a time; > 0
};

// A parsed query: parse once, evaluate often. Immutable, thread-safe.
class Query;
// kInvalidArgument with line and column (from 1) and what was expected, worded as Prometheus does ("parse error: ...").
Result<std::shared_ptr<const Query>> parse(std::string_view text);
// Vector selectors inside, for an index from series to rules.
std::vector<model::Matchers> selectors(const Query& query);
// How long after its newest sample each selector finds nothing any more, ascending, each once; what is inside a
// subquery or at a fixed time is left out.
std::vector<Millis> horizons(const Query& query, Millis lookback_delta);
// Canonical text.
std::string to_string(const Query& query);
// A comparison (x < 5) as its truth, 1 or 0, for each element it compares (x < bool 5), so that "not true" and "not
// there" are told apart. kInvalidArgument: its outermost operation is no comparison that yields a vector.
Result<std::shared_ptr<const Query>> truth_of(const Query& comparison);
// The text as given to parse().
const std::string& text(const Query& query);
enum class ResultType { kScalar, kVector, kMatrix, kString };
ResultType result_type(const Query& query);

// Thread-safe; evaluations are independent. `cancel` may be set by another thread; the query then ends with kCanceled.
// Past EngineOptions::timeout it ends with kTimeout, past samples_max or memory_max with kTooLarge; other failures of a
// well-formed query are kUnprocessable.
class Engine {
 public:
  Engine(const tsdb::Queryable& storage, EngineOptions options) : storage_(storage), options_(options) {}

  Result<QueryResult> instant(const Query& query, int64_t t_ms, const std::atomic<bool>* cancel = nullptr) const;
  // REQUIRES: step_ms > 0, start <= end, the expression yields a scalar or a vector (else kInvalidArgument).
  Result<QueryResult> range(const Query& query, int64_t start_ms, int64_t end_ms, int64_t step_ms,
                            const std::atomic<bool>* cancel = nullptr) const;
  const EngineOptions& options() const { return options_; }
  // The same storage under other options, for one query.
  Engine with(EngineOptions options) const { return Engine(storage_, options); }

 private:
  const tsdb::Queryable& storage_;
  const EngineOptions options_;
};

}  // namespace sentinel::promql
