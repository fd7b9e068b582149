#pragma once
// Where llm_events live: one row an LLM call. The embedded engine is DuckDB over our own log and sealed Parquet
// segments (docs/formats/events_log.md); ClickHouse comes behind the same face.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/metrics.h"
#include "base/result.h"
#include "model/interaction.h"

namespace sentinel::events {

struct Column {
  std::string name;
  std::string type;  // the engine's name: VARCHAR, TIMESTAMP, DOUBLE, BIGINT, BOOLEAN, VARCHAR[]
};

// Timestamps are RFC 3339 text; lists and structs are JSON text.
using Cell = std::variant<std::monostate, bool, int64_t, double, std::string>;
using CellRow = std::vector<Cell>;

struct SqlResult {
  std::vector<Column> columns;
  std::vector<CellRow> rows;
  bool truncated = false;  // rows_max was reached
  double elapsed_ms = 0;
};

struct SqlLimits {
  size_t rows_max = 10'000;
  Millis timeout = std::chrono::seconds(10);
};

struct StoreStats {
  uint64_t rows = 0;
  uint64_t segments = 0;
  uint64_t bytes_on_disk = 0;
};

// Thread-safe. Readers see every append that returned before they began.
class EventStore {
 public:
  virtual ~EventStore() = default;

  // All rows or none; durable when it returns. Batches of 100 to 1,000 rows are best. Blocks.
  virtual Status append(const std::vector<model::Interaction>& batch) = 0;

  // One read-only statement (SELECT, WITH ... SELECT, EXPLAIN), as users write it: BigQuery's spelling of the table and
  // of date functions is understood. kInvalidArgument with line and column, or what is not allowed; kTimeout. Blocks.
  virtual Result<SqlResult> query(std::string_view sql, const SqlLimits& limits = {}) = 0;
  // The same with `?` parameters bound in order, for our own code.
  virtual Result<SqlResult> query(std::string_view sql, const std::vector<Cell>& params,
                                  const SqlLimits& limits = {}) = 0;

  // Compaction and retention; called now and then from a background thread. Blocks.
  virtual Status maintain() = 0;
  virtual StoreStats stats() const = 0;
};

struct EmbeddedOptions {
  std::string dir;
  uint64_t hot_rows = 20'000;  // sealed into a segment past this many
  Millis hot_age_max = std::chrono::seconds(60);
  Millis retention = std::chrono::hours(24 * 30);
  uint64_t memory_limit_mb = 512;
};
// Replays what was not sealed; a torn tail is cut and logged. kConflict: another process holds the folder.
Result<std::unique_ptr<EventStore>> open_embedded(const Clock& clock, MetricRegistry& metrics, EmbeddedOptions options);

// The columns of llm_events in order, as the schema has them.
const std::vector<Column>& llm_events_columns();

}  // namespace sentinel::events
