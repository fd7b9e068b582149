#pragma once
// Values between DuckDB's vectors and ours. Private to src/events.

#include <string>
#include <vector>

#include <duckdb.h>

#include "events/event_store.h"
#include "events/schema.h"

namespace sentinel::events {

// As SQL spells it: BIGINT, DECIMAL(18,3), VARCHAR[], STRUCT(a BIGINT), JSON.
std::string type_name(duckdb_logical_type type);

// A type that was looked at once, so that reading a value needs no calls into the engine for it.
struct TypeInfo {
  duckdb_type id = DUCKDB_TYPE_INVALID;
  duckdb_type storage = DUCKDB_TYPE_INVALID;  // DECIMAL, ENUM
  uint8_t scale = 0;                          // DECIMAL
  uint64_t array_size = 0;
  std::vector<std::string> names;  // fields of STRUCT, values of ENUM
  std::vector<TypeInfo> children;
};

// Turns values of result columns into cells: numbers and bools as such, timestamps RFC 3339, lists, maps and structs
// JSON, all else text.
class ColumnReaders {
 public:
  bool add(duckdb_logical_type type);  // false: a type that cannot be shown
  Cell read(size_t column, duckdb_vector vector, idx_t row) const;

 private:
  std::vector<TypeInfo> types_;
};

// Fills a vector with column `column` of rows [begin, end).
void fill_vector(duckdb_vector vector, ColumnKind kind, const RowBatch& rows, size_t column, size_t begin, size_t end);

}  // namespace sentinel::events
