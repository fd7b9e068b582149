#pragma once
// DuckDB's C interface in owned objects with our errors. Private to src/events: the only place that includes duckdb.h.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <duckdb.h>

#include "base/result.h"
#include "events/event_store.h"
#include "events/schema.h"

namespace sentinel::events {

// An error of the engine, with the offset in the statement where it says so.
struct EngineError {
  Error error;
  std::optional<size_t> offset;
};
// Reads the engine's JSON error text (errors_as_json), or any other text as it is.
EngineError engine_error(const char* text);

// An instance in memory. Thread-safe; connections are not.
class DuckDatabase {
 public:
  using Settings = std::vector<std::pair<std::string, std::string>>;
  static Result<std::unique_ptr<DuckDatabase>> open(const Settings& settings);
  ~DuckDatabase();
  DuckDatabase(const DuckDatabase&) = delete;
  DuckDatabase& operator=(const DuckDatabase&) = delete;
  duckdb_database get() const { return db_; }

 private:
  DuckDatabase() = default;
  duckdb_database db_ = nullptr;
};

// One thread at a time; `interrupt` from any.
class DuckConnection {
 public:
  static Result<std::unique_ptr<DuckConnection>> open(const DuckDatabase& db);
  ~DuckConnection();
  DuckConnection(const DuckConnection&) = delete;
  DuckConnection& operator=(const DuckConnection&) = delete;

  Status exec(const std::string& sql);
  // Our own small queries: the first row.
  Result<CellRow> query_row(const std::string& sql);
  void interrupt() { duckdb_interrupt(connection_); }
  duckdb_connection get() const { return connection_; }

 private:
  DuckConnection() = default;
  duckdb_connection connection_ = nullptr;
};

// One prepared statement.
class DuckStatement {
 public:
  // Exactly one statement; the error's offset is in `sql`.
  static tl::expected<std::unique_ptr<DuckStatement>, EngineError> prepare(DuckConnection& connection,
                                                                           const std::string& sql);
  ~DuckStatement();
  DuckStatement(const DuckStatement&) = delete;
  DuckStatement& operator=(const DuckStatement&) = delete;

  duckdb_statement_type type() const { return duckdb_prepared_statement_type(statement_); }
  Status bind(const std::vector<Cell>& params);
  // Streams; stops after rows_max rows and says so.
  tl::expected<SqlResult, EngineError> run(size_t rows_max);

 private:
  DuckStatement() = default;
  duckdb_prepared_statement statement_ = nullptr;
};

// Puts rows into a table of the llm_events schema: `append`, then `flush` makes them visible to the connection's
// transaction. Not thread-safe.
class DuckLoader {
 public:
  static Result<std::unique_ptr<DuckLoader>> open(DuckConnection& connection, const std::string& table);
  ~DuckLoader();
  DuckLoader(const DuckLoader&) = delete;
  DuckLoader& operator=(const DuckLoader&) = delete;
  Status append(const RowBatch& rows);
  Status flush();

 private:
  DuckLoader() = default;
  Status append_chunk(const RowBatch& rows, size_t begin, size_t end);
  duckdb_appender appender_ = nullptr;
  duckdb_data_chunk chunk_ = nullptr;
};

std::string quote_sql(std::string_view text);  // 'it''s'

}  // namespace sentinel::events
