// The SQLite adapter: one writer connection, a few reader connections, each with its own prepared statements.

#include <sqlite3.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread_annotations.h"
#include "state/database.h"
#include "state/limits.h"

namespace sentinel::state {

int64_t Row::integer(size_t i) const {
  if (const auto* v = std::get_if<int64_t>(&values_.at(i))) return *v;
  if (const auto* d = std::get_if<double>(&values_.at(i))) return static_cast<int64_t>(*d);
  return 0;
}

double Row::real(size_t i) const {
  if (const auto* d = std::get_if<double>(&values_.at(i))) return *d;
  if (const auto* v = std::get_if<int64_t>(&values_.at(i))) return static_cast<double>(*v);
  return 0;
}

std::string Row::text(size_t i) const {
  if (const auto* s = std::get_if<std::string>(&values_.at(i))) return *s;
  if (const auto* v = std::get_if<int64_t>(&values_.at(i))) return std::to_string(*v);
  return "";
}

namespace {

// Twice SQLite's own: an alert with its history is half a kilobyte, and each page is written and summed on its own.
constexpr int kPageBytes = 8192;

Error sqlite_error(int code, const std::string& path, std::string_view detail) {
  const std::string prefix = "state database " + path + ": ";
  const std::string tail = " (" + std::string(detail) + ")";
  switch (code & 0xff) {
    case SQLITE_CONSTRAINT: return Error(ErrorCode::kConflict, prefix + std::string(detail));
    case SQLITE_FULL:
      return Error(ErrorCode::kIo, prefix + "the disk is full: free some space; nothing was changed" + tail);
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return Error(ErrorCode::kIo,
                   prefix + "is read-only for this user: check owner and mode of file and folder" + tail);
    case SQLITE_CANTOPEN:
      return Error(ErrorCode::kIo, prefix + "cannot be opened: check that the folder exists and is writable" + tail);
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return Error(ErrorCode::kUnavailable, prefix + "is locked by another program" + tail);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return Error(ErrorCode::kIo, prefix +
                                       "is damaged or not a database: restore it from a backup, or move it away to "
                                       "start empty" +
                                       tail);
    case SQLITE_IOERR: return Error(ErrorCode::kIo, prefix + "the disk reported an error" + tail);
    case SQLITE_TOOBIG: return Error(ErrorCode::kTooLarge, prefix + std::string(detail));
    default: return Error(ErrorCode::kInternal, prefix + std::string(detail));
  }
}

SqlValue column_value(sqlite3_stmt* statement, int i) {
  switch (sqlite3_column_type(statement, i)) {
    case SQLITE_INTEGER: return static_cast<int64_t>(sqlite3_column_int64(statement, i));
    case SQLITE_FLOAT: return sqlite3_column_double(statement, i);
    case SQLITE_NULL: return std::monostate{};
    default: {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, i));
      return bytes == nullptr ? std::string()
                              : std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(statement, i)));
    }
  }
}

// One sqlite3 handle and its prepared statements. Used by one thread at a time.
class Connection final : public Tx {
 public:
  Connection(std::string path, Millis busy_timeout) : path_(std::move(path)), busy_timeout_(busy_timeout) {}
  ~Connection() override {
    forget_statements();
    sqlite3_close(db_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Status open(bool writer) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (writer ? SQLITE_OPEN_CREATE : 0);
    if (const int rc = sqlite3_open_v2(path_.c_str(), &db_, flags, nullptr); rc != SQLITE_OK) return fail(error(rc));
    sqlite3_extended_result_codes(db_, 1);
    set_busy_timeout(busy_timeout_);
    if (writer) {
      SENTINEL_TRY(script("PRAGMA page_size = " + std::to_string(kPageBytes)));  // of a new file
      SENTINEL_TRY(script("PRAGMA journal_mode = WAL"));
      SENTINEL_TRY(script("PRAGMA synchronous = FULL"));
      SENTINEL_TRY(script("PRAGMA wal_autocheckpoint = " + std::to_string(kCheckpointPages)));
    } else {
      SENTINEL_TRY(script("PRAGMA query_only = ON"));
    }
    return script("PRAGMA foreign_keys = ON");
  }

  void set_busy_timeout(Millis timeout) { sqlite3_busy_timeout(db_, static_cast<int>(timeout.count())); }

  // Makes this database what `from` is, in one transaction of this one. REQUIRES: neither is in a transaction.
  Status copy_from(Connection& from) {
    sqlite3_backup* backup = sqlite3_backup_init(db_, "main", from.db_, "main");
    if (backup == nullptr) return fail(error(sqlite3_errcode(db_)));
    (void)sqlite3_backup_step(backup, -1);
    if (const int rc = sqlite3_backup_finish(backup); rc != SQLITE_OK) return fail(error(rc));
    return {};
  }

  // Whether the storage, not the statement, was the reason of an error since the last call.
  bool take_storage_failure() { return std::exchange(storage_failed_, false); }

  // Several statements, no parameters, not cached.
  Status script(const std::string& sql) {
    if (const int rc = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr); rc != SQLITE_OK)
      return fail(error(rc));
    return {};
  }

  Status exec(std::string_view sql, const SqlParams& params) override {
    const Result<Rows> rows = run(sql, params, false);
    if (!rows) return fail(rows.error());
    rows_changed_ = sqlite3_changes64(db_);
    return {};
  }
  Result<Rows> query(std::string_view sql, const SqlParams& params) override { return run(sql, params, true); }
  int64_t rows_changed() const override { return rows_changed_; }
  bool in_transaction() const { return sqlite3_get_autocommit(db_) == 0; }

 private:
  Error error(int rc) {
    constexpr int kStorage[] = {SQLITE_FULL,     SQLITE_IOERR, SQLITE_READONLY, SQLITE_PERM,
                                SQLITE_CANTOPEN, SQLITE_BUSY,  SQLITE_LOCKED};
    storage_failed_ =
        storage_failed_ || std::find(std::begin(kStorage), std::end(kStorage), rc & 0xff) != std::end(kStorage);
    return sqlite_error(rc, path_, db_ == nullptr ? sqlite3_errstr(rc) : sqlite3_errmsg(db_));
  }

  void forget_statements() {
    for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    statements_.clear();
  }

  Result<sqlite3_stmt*> prepare(std::string_view sql) {
    if (const auto it = statements_.find(sql); it != statements_.end()) return it->second;
    if (sql.size() > kSqlBytesMax) return fail(ErrorCode::kTooLarge, "SQL statement is too long");
    // The set of statements is that of the source code; past the limit somebody builds SQL from data.
    if (statements_.size() >= kCachedStatementsPerConnection) forget_statements();
    sqlite3_stmt* statement = nullptr;
    const int rc = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &statement, nullptr);
    if (rc != SQLITE_OK) return fail(error(rc).with_context(sql.substr(0, 200)));
    if (statement == nullptr) return fail(ErrorCode::kInvalidArgument, "empty SQL statement");
    statements_.emplace(std::string(sql), statement);
    return statement;
  }

  static int bind(sqlite3_stmt* statement, int i, const SqlValue& value) {
    if (const auto* v = std::get_if<int64_t>(&value)) return sqlite3_bind_int64(statement, i, *v);
    if (const auto* d = std::get_if<double>(&value)) return sqlite3_bind_double(statement, i, *d);
    if (const auto* s = std::get_if<std::string>(&value)) {
      // The parameters outlive the statement's run.
      return sqlite3_bind_text64(statement, i, s->data(), s->size(), SQLITE_STATIC, SQLITE_UTF8);
    }
    return sqlite3_bind_null(statement, i);
  }

  Result<Rows> run(std::string_view sql, const SqlParams& params, bool keep_rows) {
    SENTINEL_ASSIGN(sqlite3_stmt * statement, prepare(sql));
    if (static_cast<size_t>(sqlite3_bind_parameter_count(statement)) != params.size()) {
      return fail(ErrorCode::kInternal,
                  "SQL statement takes " + std::to_string(sqlite3_bind_parameter_count(statement)) +
                      " parameters, got " + std::to_string(params.size()) + ": " + std::string(sql.substr(0, 200)));
    }
    int rc = SQLITE_OK;
    for (size_t i = 0; i < params.size() && rc == SQLITE_OK; ++i)
      rc = bind(statement, static_cast<int>(i) + 1, params[i]);
    Rows rows;
    if (rc == SQLITE_OK) {
      const int columns = sqlite3_column_count(statement);
      while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (!keep_rows) continue;
        std::vector<SqlValue> values;
        values.reserve(static_cast<size_t>(columns));
        for (int i = 0; i < columns; ++i) values.push_back(column_value(statement, i));
        rows.emplace_back(std::move(values));
      }
    }
    std::optional<Error> failure;
    if (rc != SQLITE_DONE) failure = error(rc);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    if (failure) return fail(failure->with_context(sql.substr(0, 200)));
    return rows;
  }

  const std::string path_;
  const Millis busy_timeout_;
  bool storage_failed_ = false;
  sqlite3* db_ = nullptr;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
  int64_t rows_changed_ = 0;
};

const std::vector<double>& latency_bounds() {
  static const std::vector<double> bounds = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                             0.05,   0.1,     0.25,   0.5,   1,      2.5,   5};
  return bounds;
}

// The threads that are inside a transaction of this database; a second one from the same thread would wait for itself.
thread_local const void* current_transaction = nullptr;

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(std::string path, std::unique_ptr<FileLock> lock, MetricRegistry& metrics, SqliteOptions options)
      : path_(std::move(path)),
        lock_(std::move(lock)),
        options_(options),
        writer_(path_, options.busy_timeout),
        write_seconds_(metrics.histogram("sentinel_state_write_seconds",
                                         "Time of a write transaction, from waiting for its turn to durable.",
                                         latency_bounds())),
        read_seconds_(
            metrics.histogram("sentinel_state_read_seconds", "Time of a read transaction.", latency_bounds())),
        write_errors_(
            metrics.counter("sentinel_state_errors_total", "Transactions that failed.", {{"operation", "write"}})),
        read_errors_(
            metrics.counter("sentinel_state_errors_total", "Transactions that failed.", {{"operation", "read"}})),
        memory_only_(metrics.gauge("sentinel_state_memory_only",
                                   "1 while the disk refuses the state and it is kept in memory.")),
        memory_writes_(metrics.counter("sentinel_state_memory_writes_total",
                                       "Changes made in memory because the disk refused them.")) {}

  ~SqliteDatabase() override {
    readers_.clear();
    {
      MutexLock lock(writer_mutex_);
      if (memory_ && !back_to_disk()) {
        log_error("state", "changes are lost: the disk does not take them",
                  {{"path", path_}, {"changes", waiting_writes_}, {"error", reason_}});
        return;
      }
    }
    if (const Status s = writer_.script("PRAGMA wal_checkpoint(TRUNCATE)"); !s) {
      log_warn("state", "final checkpoint failed", {{"error", s.error().to_string()}});
    }
  }

  Status open() {
    struct stat wal{};
    const bool unclean = ::stat((path_ + "-wal").c_str(), &wal) == 0 && wal.st_size > 0;
    SENTINEL_TRY(writer_.open(true));
    SENTINEL_TRY(writer_.query("SELECT COUNT(*) FROM sqlite_master", {}));
    if (unclean) SENTINEL_TRY(check_pages());
    SENTINEL_TRY(
        writer_.script("CREATE TABLE IF NOT EXISTS schema_migrations ("
                       " module TEXT NOT NULL, version INTEGER NOT NULL, applied_at INTEGER NOT NULL, PRIMARY KEY "
                       "(module, version))"));
    for (size_t i = 0; i < kReaderConnections; ++i) {
      readers_.push_back(std::make_unique<Connection>(path_, options_.busy_timeout));
      SENTINEL_TRY(readers_.back()->open(false));
      give_back(readers_.back().get());
    }
    return {};
  }

  Status write(const std::function<Status(Tx&)>& fn) override {
    const int64_t started_us = monotonic_us();
    if (current_transaction == this)
      return fail(ErrorCode::kInternal, "write() inside a transaction of the same thread");
    const Status status = [&]() -> Status {
      MutexLock lock(writer_mutex_);
      try_disk();
      if (memory_) {
        return fail(ErrorCode::kUnavailable,
                    "nothing was changed: the state is kept in memory only, because the " + reason_);
      }
      return transaction(writer_, "BEGIN IMMEDIATE", fn);
    }();
    write_seconds_.observe(static_cast<double>(monotonic_us() - started_us) * 1e-6);
    if (!status) write_errors_.add();
    return status;
  }

  Result<Written> write_fail_open(const std::function<Status(Tx&)>& fn) override {
    if (current_transaction == this)
      return fail(ErrorCode::kInternal, "write() inside a transaction of the same thread");
    MutexLock lock(writer_mutex_);
    try_disk();
    if (!memory_) {
      (void)writer_.take_storage_failure();
      const Status status = transaction(writer_, "BEGIN IMMEDIATE", fn);
      if (status) return Written::kDurable;
      write_errors_.add();
      if (!writer_.take_storage_failure() || !go_on_in_memory(status.error())) return fail(status.error());
    }
    SENTINEL_TRY(transaction(*memory_, "BEGIN IMMEDIATE", fn));
    ++waiting_writes_;
    memory_writes_.add();
    return Written::kMemoryOnly;
  }

  void tend() override {
    if (!in_memory_.load()) return;
    MutexLock lock(writer_mutex_);
    try_disk();
  }

  DatabaseHealth health() const override {
    if (!in_memory_.load()) return {};
    MutexLock lock(writer_mutex_);
    return {memory_ != nullptr, reason_, waiting_writes_};
  }

  Status read(const std::function<Status(Tx&)>& fn) override {
    const int64_t started_us = monotonic_us();
    if (current_transaction == this)
      return fail(ErrorCode::kInternal, "read() inside a transaction of the same thread");
    std::optional<Status> status;
    if (in_memory_.load()) status = read_memory(fn);
    if (!status) {
      Connection* reader = take_reader();
      status = transaction(*reader, "BEGIN", fn);
      give_back(reader);
    }
    read_seconds_.observe(static_cast<double>(monotonic_us() - started_us) * 1e-6);
    if (!*status) read_errors_.add();
    return *status;
  }

  Status migrate(std::string_view module, const std::vector<Migration>& migrations) override {
    int64_t known = 0;
    SENTINEL_TRY(read([&](Tx& tx) -> Status {
      SENTINEL_ASSIGN(
          const Rows rows,
          tx.query("SELECT COALESCE(MAX(version), 0) FROM schema_migrations WHERE module = ?", {std::string(module)}));
      known = rows.front().integer(0);
      return {};
    }));
    if (known > static_cast<int64_t>(migrations.size())) {
      return fail(ErrorCode::kConflict, "state database " + path_ + ": " + std::string(module) + " is at version " +
                                            std::to_string(known) + ", this program knows only " +
                                            std::to_string(migrations.size()) + ": use the newer program");
    }
    int expected = 0;
    for (const Migration& m : migrations) {
      SENTINEL_CHECK(m.version == ++expected);  // a gap is a mistake in the source
      if (m.version <= known) continue;
      const Status status = apply(module, m);
      if (!status) {
        return fail(status.error().with_context("migration " + std::string(module) + " " + std::to_string(m.version)));
      }
    }
    return {};
  }

 private:
  Status apply(std::string_view module, const Migration& migration) {
    return write([&](Tx& tx) -> Status {
      SENTINEL_TRY(static_cast<Connection&>(tx).script(migration.sql));
      return tx.exec("INSERT INTO schema_migrations (module, version, applied_at) VALUES (?, ?, ?)",
                     {std::string(module), static_cast<int64_t>(migration.version), to_us(SystemClock().now())});
    });
  }

  // Copies what is on disk into memory and goes on there. False: that cannot be done either.
  bool go_on_in_memory(const Error& why) REQUIRES_LOCK(writer_mutex_) {
    auto memory = std::make_unique<Connection>(":memory:", options_.busy_timeout);
    struct stat file{};
    Status made = ::stat(path_.c_str(), &file) == 0 && static_cast<uint64_t>(file.st_size) <= options_.memory_bytes_max
                      ? Status()
                      : Status(fail(ErrorCode::kTooLarge, "the state is too large to be kept in memory"));
    if (made) made = memory->open(true);
    if (made) made = memory->copy_from(writer_);
    if (made) made = memory->script("PRAGMA foreign_keys = ON");
    if (!made) {
      log_error("state", "the disk refuses the state and it cannot be kept in memory",
                {{"error", why.message()}, {"memory", made.error().message()}});
      return false;
    }
    log_error("state", "the disk refuses the state; going on in memory, a crash would lose changes",
              {{"error", why.message()}});
    memory_ = std::move(memory);
    reason_ = why.message();
    waiting_writes_ = 0;
    next_try_us_ = monotonic_us() + retry_us();
    in_memory_ = true;
    memory_only_.set(1);
    return true;
  }

  void try_disk() REQUIRES_LOCK(writer_mutex_) {
    if (!memory_ || monotonic_us() < next_try_us_) return;
    (void)back_to_disk();
    next_try_us_ = monotonic_us() + retry_us();
  }

  bool back_to_disk() REQUIRES_LOCK(writer_mutex_) {
    writer_.set_busy_timeout(kDiskRetryBusyTimeout);  // somebody waits for us
    const Status copied = writer_.copy_from(*memory_);
    writer_.set_busy_timeout(options_.busy_timeout);
    if (!copied) {
      reason_ = copied.error().message();
      return false;
    }
    log_info("state", "the state is on disk again", {{"path", path_}, {"changes", waiting_writes_}});
    in_memory_ = false;
    memory_only_.set(0);
    memory_.reset();
    waiting_writes_ = 0;
    return true;
  }

  int64_t retry_us() const { return std::chrono::duration_cast<Micros>(options_.retry_interval).count(); }

  std::optional<Status> read_memory(const std::function<Status(Tx&)>& fn) {
    MutexLock lock(writer_mutex_);
    if (!memory_) return std::nullopt;  // it has just gone to disk
    SENTINEL_TRY(memory_->script("PRAGMA query_only = ON"));
    const Status status = transaction(*memory_, "BEGIN", fn);
    SENTINEL_TRY(memory_->script("PRAGMA query_only = OFF"));
    return status;
  }

  // After a crash only: a file damaged by a failing disk should be found at start, not at the next page.
  Status check_pages() {
    SENTINEL_ASSIGN(const Rows rows, writer_.query("PRAGMA quick_check(1)", {}));
    const std::string verdict = rows.empty() ? "no answer" : rows.front().text(0);
    if (verdict != "ok") return fail(sqlite_error(SQLITE_CORRUPT, path_, verdict));
    return {};
  }

  Status transaction(Connection& connection, std::string_view begin, const std::function<Status(Tx&)>& fn) {
    SENTINEL_TRY(connection.exec(begin, {}));
    const void* outer = std::exchange(current_transaction, this);
    Status status = guarded(connection, fn);
    current_transaction = outer;
    if (status) status = connection.exec("COMMIT", {});
    // SQLite has already rolled back after some failures (a full disk).
    if (!status && connection.in_transaction()) {
      if (const Status back = connection.exec("ROLLBACK", {}); !back) {
        log_error("state", "rollback failed", {{"error", back.error().to_string()}});
      }
    }
    return status;
  }

  static Status guarded(Connection& connection, const std::function<Status(Tx&)>& fn) {
    try {
      return fn(connection);
    } catch (const std::exception& e) {
      return fail(ErrorCode::kInternal, std::string("exception in a transaction: ") + e.what());
    }
  }

  Connection* take_reader() SENTINEL_TSA(no_thread_safety_analysis) {
    std::unique_lock lock(readers_mutex_);
    reader_free_.wait(lock, [this]() SENTINEL_TSA(no_thread_safety_analysis) { return !free_readers_.empty(); });
    Connection* reader = free_readers_.back();
    free_readers_.pop_back();
    return reader;
  }
  void give_back(Connection* reader) {
    MutexLock lock(readers_mutex_);
    free_readers_.push_back(reader);
    reader_free_.notify_one();
  }

  const std::string path_;
  const std::unique_ptr<FileLock> lock_;
  const SqliteOptions options_;
  mutable Mutex writer_mutex_;
  Connection writer_;                                             // GUARDED_BY(writer_mutex_) once open() has returned
  std::unique_ptr<Connection> memory_ GUARDED_BY(writer_mutex_);  // while the disk refuses
  std::string reason_ GUARDED_BY(writer_mutex_);
  uint64_t waiting_writes_ GUARDED_BY(writer_mutex_) = 0;
  int64_t next_try_us_ GUARDED_BY(writer_mutex_) = 0;
  std::atomic<bool> in_memory_{false};  // memory_ is there, for those who do not hold the lock
  std::vector<std::unique_ptr<Connection>> readers_;
  Mutex readers_mutex_;
  std::condition_variable_any reader_free_;
  std::vector<Connection*> free_readers_ GUARDED_BY(readers_mutex_);
  Histogram& write_seconds_;
  Histogram& read_seconds_;
  Counter& write_errors_;
  Counter& read_errors_;
  Gauge& memory_only_;
  Counter& memory_writes_;
};

}  // namespace

Result<std::unique_ptr<Database>> open_sqlite(const std::string& path, MetricRegistry& metrics, SqliteOptions options) {
  Result<std::unique_ptr<FileLock>> lock = posix_env().lock(path + ".lock");
  if (!lock) {
    if (lock.error().code() == ErrorCode::kConflict) {
      return fail(ErrorCode::kConflict, "state database " + path +
                                            " is in use by another process; stop that one, or use "
                                            "another --data-dir (" +
                                            lock.error().message() + ")");
    }
    return fail(lock.error().with_context("state database " + path + " cannot be opened"));
  }
  auto database = std::make_unique<SqliteDatabase>(path, std::move(*lock), metrics, options);
  SENTINEL_TRY(database->open());
  return database;
}

}  // namespace sentinel::state
