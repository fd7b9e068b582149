#pragma once
// Durable control-plane state: small rows, transactions, SQLite by default, PostgreSQL later behind the same face.
// SQL is the common subset of both; parameters are `?`; numbered ids are declared `INTEGER PRIMARY KEY AUTOINCREMENT`
// (an adapter for another database translates that, and drops WITHOUT ROWID) and read back with RETURNING. Times are
// INTEGER microseconds, booleans INTEGER 0/1, documents TEXT.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "state/limits.h"

namespace sentinel::state {

using SqlValue = std::variant<std::monostate, int64_t, double, std::string>;
using SqlParams = std::vector<SqlValue>;

// Moves what it is given; a braced list would copy every string.
template <class... T>
SqlParams sql_params(T&&... values) {
  SqlParams out;
  out.reserve(sizeof...(values));
  (out.emplace_back(std::forward<T>(values)), ...);
  return out;
}

class Row {
 public:
  explicit Row(std::vector<SqlValue> values) : values_(std::move(values)) {}
  bool is_null(size_t i) const { return std::holds_alternative<std::monostate>(values_.at(i)); }
  int64_t integer(size_t i) const;   // 0 when null
  double real(size_t i) const;       // 0 when null
  std::string text(size_t i) const;  // "" when null
  size_t size() const { return values_.size(); }

 private:
  std::vector<SqlValue> values_;
};
using Rows = std::vector<Row>;

// Valid only inside the function that got it, on that thread.
class Tx {
 public:
  virtual ~Tx() = default;
  virtual Status exec(std::string_view sql, const SqlParams& params = {}) = 0;
  virtual Result<Rows> query(std::string_view sql, const SqlParams& params = {}) = 0;
  virtual int64_t rows_changed() const = 0;  // by the last exec
};

// Applied in order, once, in one transaction each; recorded in table schema_migrations(module, version).
// Published migrations never change.
struct Migration {
  int version = 0;  // 1, 2, 3 ... within the module
  std::string sql;  // one or more statements
};

// Where a change is: on disk, or in memory only because the disk refuses it.
enum class Written { kDurable, kMemoryOnly };

struct DatabaseHealth {
  bool memory_only = false;
  std::string reason;           // what the disk said
  uint64_t waiting_writes = 0;  // changes that a crash would lose now
};

// Thread-safe. Writers take turns; readers see the last commit and do not wait for writers.
class Database {
 public:
  virtual ~Database() = default;
  // Commits when `fn` returns ok: durable (fsync) on return. Rolls back on an error or exception. Blocks.
  // Not from inside write() or read() of the same thread (kInternal).
  virtual Status write(const std::function<Status(Tx&)>& fn) = 0;
  // For what must go on when the disk does not: as write(), but while the storage refuses (full, read-only, locked,
  // failing) the change is made in a copy in memory, which everybody reads from then on, and which goes to disk as a
  // whole when that is possible again. write() fails meanwhile, so that nobody is told "stored". `fn` may run twice:
  // the second time after the first was rolled back. An error: nothing has changed.
  virtual Result<Written> write_fail_open(const std::function<Status(Tx&)>& fn) {
    SENTINEL_TRY(write(fn));
    return Written::kDurable;
  }
  // Tries to bring to disk what is in memory only; cheap when nothing is. Called now and then. Blocks.
  virtual void tend() {}
  virtual DatabaseHealth health() const { return {}; }
  // One snapshot for all queries of `fn`; statements that write fail.
  virtual Status read(const std::function<Status(Tx&)>& fn) = 0;
  virtual Status migrate(std::string_view module, const std::vector<Migration>& migrations) = 0;
};

struct SqliteOptions {
  Millis busy_timeout = kBusyTimeout;                   // another tool holds SQLite's own lock
  Millis retry_interval = kDiskRetryInterval;           // between tries to get back to disk
  uint64_t memory_bytes_max = kMemoryDatabaseBytesMax;  // a larger database does not go on in memory
};

// SQLite 3 in WAL mode, synchronous=FULL, foreign keys on. The folder must exist. Holds `path`.lock until destroyed.
// kConflict: another process serves this file. kIo: missing or read-only folder, full disk, or a damaged file; the
// message says which, and what to do.
Result<std::unique_ptr<Database>> open_sqlite(const std::string& path, MetricRegistry& metrics,
                                              SqliteOptions options = {});

}  // namespace sentinel::state
