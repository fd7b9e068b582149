#include "events/embedded_store.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "events/limits.h"
#include "events/narrow_pass.h"
#include "events/sql_rewrite.h"

namespace sentinel::events {
namespace {

constexpr std::string_view kLogPrefix = "log-";
const std::vector<double> kSecondsBuckets = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10};

std::optional<uint64_t> log_number(std::string_view name) {
  if (!name.starts_with(kLogPrefix)) return std::nullopt;
  const auto number = parse_int(name.substr(kLogPrefix.size()));
  if (!number || *number <= 0) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

// BigQuery's functions as the engine's own macros; the spelling of their arguments is made to fit by rewrite_sql.
constexpr const char* kMacros[] = {
    "CREATE MACRO timestamp_sub(t, i) AS t - i",
    "CREATE MACRO timestamp_add(t, i) AS t + i",
    "CREATE MACRO datetime_sub(t, i) AS t - i",
    "CREATE MACRO datetime_add(t, i) AS t + i",
    "CREATE MACRO timestamp_diff(a, b, part) AS date_sub(part, b, a)",
    "CREATE MACRO timestamp_trunc(t, part) AS date_trunc(part, t)",
    "CREATE MACRO timestamp_seconds(s) AS CAST(to_timestamp(s) AS TIMESTAMP)",
    "CREATE MACRO timestamp_millis(ms) AS make_timestamp(ms * 1000)",
    "CREATE MACRO timestamp_micros(us) AS make_timestamp(us)",
    "CREATE MACRO unix_seconds(t) AS CAST(epoch_ms(t) // 1000 AS BIGINT)",
    "CREATE MACRO unix_millis(t) AS epoch_ms(t)",
    "CREATE MACRO format_timestamp(f, t) AS strftime(t, f)",
    "CREATE MACRO parse_timestamp(f, s) AS strptime(s, f)",
    "CREATE MACRO safe_divide(a, b) AS CASE WHEN b = 0 THEN NULL ELSE a / b END",
    "CREATE MACRO json_value(j, p) AS json_extract_string(j, p)",
    "CREATE MACRO json_extract_scalar(j, p) AS json_extract_string(j, p)",
    "CREATE MACRO array_length(a) AS len(a)",
};

std::string columns_ddl() {
  std::string out;
  for (const ColumnDef& def : column_defs()) {
    if (!out.empty()) out += ", ";
    out += fmt::format("\"{}\" {}", def.name, sql_type(def.kind));
  }
  return out;
}

std::string column_list(uint8_t segment_version) {
  const size_t there = columns_of_segment(segment_version);
  std::string out;
  for (size_t i = 0; i < column_defs().size(); ++i) {
    const ColumnDef& def = column_defs()[i];
    const std::string missing = i < there ? "" : fmt::format("NULL::{} AS ", sql_type(def.kind));
    out += fmt::format("{}{}\"{}\"", out.empty() ? "" : ", ", missing, def.name);
  }
  return out;
}

Result<std::unique_ptr<EventStore>> open_on(Env& env, const Clock& clock, MetricRegistry& metrics,
                                            EmbeddedOptions options) {
  if (options.dir.empty()) return fail(ErrorCode::kInvalidArgument, "the event store needs a folder");
  auto store = std::make_unique<EmbeddedStore>(env, clock, metrics, std::move(options));
  SENTINEL_TRY(store->start());
  return store;
}

}  // namespace

Result<std::unique_ptr<EventStore>> open_embedded(const Clock& clock, MetricRegistry& metrics,
                                                  EmbeddedOptions options) {
  return open_on(posix_env(), clock, metrics, std::move(options));
}

EmbeddedStore::EmbeddedStore(Env& env, const Clock& clock, MetricRegistry& metrics, EmbeddedOptions options)
    : env_(env),
      clock_(clock),
      options_(std::move(options)),
      segment_dir_(options_.dir + "/segments"),
      log_dir_(options_.dir + "/log"),
      rows_total_(metrics.counter("sentinel_events_rows_total", "Rows of llm_events stored.")),
      batches_failed_total_(
          metrics.counter("sentinel_events_batches_failed_total", "Batches that could not be stored.")),
      segments_sealed_total_(metrics.counter("sentinel_events_segments_written_total", "Segments sealed or merged.")),
      seal_failures_total_(
          metrics.counter("sentinel_events_seal_failures_total", "Failed attempts to seal a segment.")),
      queries_total_(metrics.counter("sentinel_events_queries_total", "SQL queries run.")),
      query_timeouts_total_(
          metrics.counter("sentinel_events_query_timeouts_total", "SQL queries stopped by their limit.")),
      rows_gauge_(metrics.gauge("sentinel_events_rows", "Rows of llm_events held.")),
      segments_gauge_(metrics.gauge("sentinel_events_segments", "Segment files.")),
      bytes_gauge_(metrics.gauge("sentinel_events_bytes", "Size of segments and logs.")),
      seal_queue_gauge_(metrics.gauge("sentinel_events_seal_queue", "Full tables waiting to be sealed.")),
      append_seconds_(metrics.histogram("sentinel_events_append_seconds", "Time of one append.", kSecondsBuckets)),
      query_seconds_(metrics.histogram("sentinel_events_query_seconds", "Time of one SQL query.", kSecondsBuckets)) {}

EmbeddedStore::~EmbeddedStore() {
  {
    MutexLock lock(queue_mutex_);
    stopping_ = true;
  }
  queue_changed_.notify_all();
  if (sealer_.joinable()) sealer_.join();
}

Status EmbeddedStore::start() {
  for (const char* dir : {"/segments", "/log", "/tmp"}) SENTINEL_TRY(env_.make_dirs(options_.dir + dir));
  SENTINEL_ASSIGN(lock_, env_.lock(options_.dir + "/lock"));
  SENTINEL_TRY(env_.remove_tree(options_.dir + "/tmp"));
  SENTINEL_TRY(env_.make_dirs(options_.dir + "/tmp"));
  SENTINEL_TRY(open_engine());
  deadlines_ = std::make_unique<QueryDeadlines>();
  {
    MutexLock lock(catalog_mutex_);
    SENTINEL_ASSIGN(std::vector<Segment> found, read_segments(env_, segment_dir_));
    segments_ = std::make_shared<SegmentSet>(env_, segment_dir_, std::move(found));
  }
  SENTINEL_TRY(replay_logs());
  sealer_ = std::thread([this] { seal_loop(); });
  update_metrics();
  return {};
}

Status EmbeddedStore::open_engine() {
  SENTINEL_ASSIGN(db_, DuckDatabase::open({{"threads", "2"},
                                           {"memory_limit", fmt::format("{}MB", options_.memory_limit_mb)},
                                           {"temp_directory", options_.dir + "/tmp"},
                                           {"autoinstall_known_extensions", "false"},
                                           {"autoload_known_extensions", "false"}}));
  MutexLock append_lock(append_mutex_);
  MutexLock lock(catalog_mutex_);
  SENTINEL_ASSIGN(catalog_connection_, DuckConnection::open(*db_));
  DuckConnection& c = *catalog_connection_;
  SENTINEL_TRY(c.exec("SET GLOBAL errors_as_json=true"));
  SENTINEL_TRY(c.exec("SET GLOBAL TimeZone='UTC'"));
  SENTINEL_TRY(c.exec("SET GLOBAL parquet_metadata_cache=true"));
  // It would hold what it reads of segments, also of those that have been merged since, up to the limit; the system
  // keeps files in memory anyway.
  SENTINEL_TRY(c.exec("SET GLOBAL enable_external_file_cache=false"));
  for (const char* macro : kMacros) SENTINEL_TRY(c.exec(macro));
  SENTINEL_TRY(c.exec("CREATE SCHEMA sentinel_telemetry"));
  // Nothing outside the segments can be read or written from here on, and nobody can change that.
  SENTINEL_TRY(c.exec("SET allowed_directories=[" + quote_sql(segment_dir_) + "]"));
  SENTINEL_TRY(c.exec("SET enable_external_access=false"));
  SENTINEL_TRY(c.exec("SET lock_configuration=true"));
  SENTINEL_ASSIGN(append_connection_, DuckConnection::open(*db_));
  return {};
}

std::string EmbeddedStore::log_path(uint64_t number) const {
  return fmt::format("{}/{}{:08}", log_dir_, kLogPrefix, number);
}

// Logs that were not sealed become tables again and are sealed like any other; new rows go to a new log.
Status EmbeddedStore::replay_logs() {
  SENTINEL_ASSIGN(const std::vector<std::string> names, env_.list(log_dir_));
  std::vector<Segment> segments;
  {
    MutexLock lock(catalog_mutex_);
    segments = segments_->segments();
  }
  uint64_t newest = segments.empty() ? 0 : segments.back().last;
  for (const std::string& name : names) {
    const auto number = log_number(name);
    if (!number) continue;
    const bool sealed =
        std::any_of(segments.begin(), segments.end(), [&](const Segment& s) { return s.covers(*number); });
    if (sealed) {
      SENTINEL_TRY(env_.remove(log_dir_ + "/" + name));
    } else {
      SENTINEL_TRY(replay_log(*number));
    }
    newest = std::max(newest, *number);
  }
  MutexLock lock(append_mutex_);
  return open_hot(newest + 1);
}

Status EmbeddedStore::replay_log(uint64_t number) {
  const std::string path = log_path(number);
  SENTINEL_ASSIGN(const std::string bytes, env_.read_file(path));
  Hot hot{number, 0, bytes.size()};
  MutexLock lock(append_mutex_);
  SENTINEL_TRY(append_connection_->exec("CREATE TABLE " + hot.table() + " (" + columns_ddl() + ")"));
  SENTINEL_ASSIGN(std::unique_ptr<DuckLoader> loader, DuckLoader::open(*append_connection_, hot.table()));
  Status loaded;
  const uint64_t good = read_log(bytes, [&](const RowBatch& rows) {
    if (loaded) loaded = loader->append(rows);
    hot.rows += rows.rows();
  });
  SENTINEL_TRY(loaded);
  SENTINEL_TRY(loader->flush());
  loader.reset();
  if (good < bytes.size()) {
    log_warn("events", "cut the torn tail of a log",
             {{"file", path}, {"kept_bytes", good}, {"lost_bytes", bytes.size() - good}, {"rows", hot.rows}});
    SENTINEL_TRY(env_.truncate(path, good));
  }
  if (hot.rows == 0) {
    SENTINEL_TRY(append_connection_->exec("DROP TABLE " + hot.table()));
    return env_.remove(path);
  }
  MutexLock catalog_lock(catalog_mutex_);
  tables_.push_back(hot);
  MutexLock queue_lock(queue_mutex_);
  to_seal_.push_back(hot);
  return {};
}

// Makes an empty table and its log the ones that appends go to.
Status EmbeddedStore::open_hot(uint64_t number) {
  Hot hot{number, 0, 0};
  SENTINEL_ASSIGN(std::unique_ptr<EventLog> log, EventLog::create(env_, log_path(number)));
  SENTINEL_TRY(env_.sync_dir(log_dir_));
  {
    MutexLock lock(catalog_mutex_);
    std::vector<Hot> tables = tables_;
    tables.push_back(hot);
    SENTINEL_TRY(publish(segments_->segments(), tables, "CREATE TABLE " + hot.table() + " (" + columns_ddl() + ")"));
    tables_ = std::move(tables);
  }
  loader_.reset();
  SENTINEL_ASSIGN(loader_, DuckLoader::open(*append_connection_, hot.table()));
  log_ = std::move(log);
  hot_ = hot;
  return {};
}

std::string EmbeddedStore::rows_of(const std::vector<Segment>& segments) const {
  std::string out;
  for (size_t i = 0; i < segments.size();) {
    const uint8_t version = segments[i].version;
    std::string files;
    for (; i < segments.size() && segments[i].version == version; ++i)
      files += (files.empty() ? "" : ", ") + quote_sql(segment_dir_ + "/" + segments[i].file_name());
    out += fmt::format("{}SELECT {} FROM read_parquet([{}])", out.empty() ? "" : " UNION ALL ", column_list(version),
                       files);
  }
  return out;
}

Status EmbeddedStore::publish(const std::vector<Segment>& segments, const std::vector<Hot>& tables,
                              const std::string& also) {
  std::string view = rows_of(segments);
  const std::string columns = column_list(kSegmentVersion);
  for (const Hot& hot : tables)
    view += (view.empty() ? "" : " UNION ALL ") + ("SELECT " + columns + " FROM " + hot.table());
  DuckConnection& c = *catalog_connection_;
  SENTINEL_TRY(c.exec("BEGIN"));
  const auto all = [&]() -> Status {
    if (also.starts_with("CREATE")) SENTINEL_TRY(c.exec(also));
    SENTINEL_TRY(c.exec("CREATE OR REPLACE VIEW main.llm_events AS " + view));
    SENTINEL_TRY(c.exec("CREATE OR REPLACE VIEW sentinel_telemetry.llm_events AS SELECT * FROM main.llm_events"));
    if (!also.empty() && !also.starts_with("CREATE")) SENTINEL_TRY(c.exec(also));
    return c.exec("COMMIT");
  };
  const Status status = all();
  if (!status) (void)c.exec("ROLLBACK");
  return status;
}

Status EmbeddedStore::load_and_log(const RowBatch& rows) {
  SENTINEL_TRY(loader_->append(rows));
  SENTINEL_TRY(loader_->flush());
  return log_->append(rows);  // durable from here on
}

// Into the table first: what the engine refuses never reaches the log.
Status EmbeddedStore::load(const RowBatch& rows) {
  SENTINEL_TRY(append_connection_->exec("BEGIN"));
  if (Status s = load_and_log(rows); !s) {
    (void)append_connection_->exec("ROLLBACK");
    // A loader that has failed refuses all further rows.
    loader_.reset();
    auto loader = DuckLoader::open(*append_connection_, hot_.table());
    if (loader) loader_ = std::move(*loader);
    return s;
  }
  if (Status s = append_connection_->exec("COMMIT"); !s) {
    SENTINEL_TRY(log_->undo());
    return s;
  }
  return {};
}

Status EmbeddedStore::append(const std::vector<model::Interaction>& batch) {
  if (batch.empty()) return {};
  if (batch.size() > kBatchRowsMax) {
    return fail(ErrorCode::kTooLarge, fmt::format("a batch has at most {} rows", kBatchRowsMax));
  }
  const int64_t start = monotonic_us();
  const RowBatch rows(batch);
  MutexLock lock(append_mutex_);
  if (!loader_) {
    SENTINEL_ASSIGN(loader_, DuckLoader::open(*append_connection_, hot_.table()));
  }
  if (Status s = load(rows); !s) {
    batches_failed_total_.add();
    return fail(s.error().with_context("llm_events"));
  }
  if (hot_.rows == 0) hot_since_ = std::chrono::steady_clock::now();
  hot_.rows += rows.rows();
  hot_.log_bytes = log_->size_bytes();
  {
    MutexLock catalog_lock(catalog_mutex_);
    tables_.back().rows = hot_.rows;
    tables_.back().log_bytes = hot_.log_bytes;
  }
  rows_total_.add(static_cast<double>(rows.rows()));
  append_seconds_.observe(static_cast<double>(monotonic_us() - start) / 1e6);
  if (hot_.rows >= options_.hot_rows) {
    // The rows are stored either way; the next append tries again.
    if (Status s = rotate(); !s) log_error("events", "cannot start a new table", {{"error", s.error().to_string()}});
  }
  return {};
}

// Hands the full table to the sealer, waiting while it is too far behind.
Status EmbeddedStore::rotate() {
  {
    queue_mutex_.lock();
    queue_changed_.wait(queue_mutex_, [this]() SENTINEL_TSA(no_thread_safety_analysis) {
      return stopping_ || to_seal_.size() < kSealQueueMax;
    });
    queue_mutex_.unlock();
  }
  const Hot full = hot_;
  SENTINEL_TRY(open_hot(full.number + 1));
  {
    MutexLock lock(queue_mutex_);
    to_seal_.push_back(full);
    seal_queue_gauge_.set(static_cast<double>(to_seal_.size()));
  }
  queue_changed_.notify_all();
  return {};
}

Result<SqlResult> EmbeddedStore::query(std::string_view sql, const SqlLimits& limits) { return query(sql, {}, limits); }

Result<SqlResult> EmbeddedStore::query(std::string_view sql, const std::vector<Cell>& params, const SqlLimits& limits) {
  const int64_t start = monotonic_us();
  queries_total_.add();
  SENTINEL_ASSIGN(const RewrittenSql rewritten, rewrite_sql(sql, clock_.now()));
  std::shared_ptr<SegmentSet> keep;  // no file of it goes away while the query runs
  {
    MutexLock lock(catalog_mutex_);
    keep = segments_;
  }
  SENTINEL_ASSIGN(const std::unique_ptr<DuckConnection> connection, DuckConnection::open(*db_));
  QueryDeadlines::Watch watch(*deadlines_, *connection, limits.timeout);
  const auto failed = [&](const EngineError& e, size_t shift) -> tl::unexpected<Error> {
    if (watch.fired()) {
      query_timeouts_total_.add();
      return fail(ErrorCode::kTimeout, fmt::format("the query ran longer than {} ms", limits.timeout.count()));
    }
    if (!e.offset) return fail(e.error);
    return fail(Error(e.error.code(), e.error.message(), rewritten.position_of(*e.offset + shift)));
  };
  SENTINEL_TRY(connection->exec("BEGIN TRANSACTION READ ONLY"));
  if (rewritten.explained_at != 0) {
    // EXPLAIN ANALYZE executes: what it explains must be a query as well.
    auto inner = DuckStatement::prepare(*connection, rewritten.text.substr(rewritten.explained_at));
    if (!inner) return failed(inner.error(), rewritten.explained_at);
    if ((*inner)->type() != DUCKDB_STATEMENT_TYPE_SELECT)
      return fail(ErrorCode::kInvalidArgument, "only queries can be explained");
  }
  auto statement = DuckStatement::prepare(*connection, rewritten.text);
  if (!statement) return failed(statement.error(), 0);
  const auto type = (*statement)->type();
  if (type != DUCKDB_STATEMENT_TYPE_SELECT && type != DUCKDB_STATEMENT_TYPE_EXPLAIN) {
    return fail(ErrorCode::kInvalidArgument, "only reading is allowed: SELECT, WITH, EXPLAIN");
  }
  SENTINEL_TRY((*statement)->bind(params));
  std::optional<SqlResult> narrow = params.empty() ? run_narrow(*connection, rewritten.text, limits) : std::nullopt;
  auto result = narrow ? tl::expected<SqlResult, EngineError>(std::move(*narrow)) : (*statement)->run(limits.rows_max);
  if (!result) return failed(result.error(), 0);
  const double seconds = static_cast<double>(monotonic_us() - start) / 1e6;
  result->elapsed_ms = seconds * 1000;
  query_seconds_.observe(seconds);
  return std::move(*result);
}

// None: not such a query, or something went wrong that running it plainly will tell better.
std::optional<SqlResult> EmbeddedStore::run_narrow(DuckConnection& connection, const std::string& sql,
                                                   const SqlLimits& limits) {
  const auto plan = plan_narrow_pass(sql);
  if (!plan) return std::nullopt;
  auto first = DuckStatement::prepare(connection, plan->keys_sql);
  if (!first) return std::nullopt;
  const auto found = (*first)->run(kNarrowRowsMax);
  if (!found) return std::nullopt;
  std::vector<NarrowKey> keys;
  for (const CellRow& row : found->rows) {
    const auto* time = std::get_if<std::string>(&row[0]);
    const auto* id = std::get_if<std::string>(&row[1]);
    if (time == nullptr || id == nullptr) return std::nullopt;  // without an id a row cannot be found again
    keys.push_back({time->substr(0, 10) + " " + time->substr(11, time->size() - 12), *id});
  }
  auto second = DuckStatement::prepare(connection, plan->narrowed(keys));
  if (!second) return std::nullopt;
  auto result = (*second)->run(limits.rows_max);
  if (!result) return std::nullopt;
  return std::move(*result);
}

StoreStats EmbeddedStore::stats() const {
  StoreStats out;
  MutexLock lock(catalog_mutex_);
  out.segments = segments_->segments().size();
  for (const Segment& s : segments_->segments()) {
    out.rows += s.rows;
    out.bytes_on_disk += s.bytes;
  }
  for (const Hot& hot : tables_) {
    out.rows += hot.rows;
    out.bytes_on_disk += hot.log_bytes;
  }
  return out;
}

void EmbeddedStore::update_metrics() {
  const StoreStats now = stats();
  rows_gauge_.set(static_cast<double>(now.rows));
  segments_gauge_.set(static_cast<double>(now.segments));
  bytes_gauge_.set(static_cast<double>(now.bytes_on_disk));
}

}  // namespace sentinel::events
