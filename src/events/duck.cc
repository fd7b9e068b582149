#include "events/duck.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "events/duck_values.h"
#include "events/limits.h"

namespace sentinel::events {
namespace {

ErrorCode code_of(std::string_view type) {
  if (type == "Interrupt" || type == "INTERRUPT") return ErrorCode::kTimeout;
  if (type == "Permission") return ErrorCode::kPermissionDenied;
  if (type == "IO") return ErrorCode::kIo;
  if (type == "Out of Memory") return ErrorCode::kTooLarge;
  if (type == "INTERNAL" || type == "Internal" || type == "FATAL" || type == "Fatal") return ErrorCode::kInternal;
  return ErrorCode::kInvalidArgument;
}

}  // namespace

EngineError engine_error(const char* text) {
  const std::string_view all = text == nullptr ? "unknown error of the SQL engine" : text;
  const size_t brace = all.find('{');
  boost::system::error_code ec;
  const auto value = brace == std::string_view::npos ? boost::json::value() : boost::json::parse(all.substr(brace), ec);
  if (ec || !value.is_object()) {
    const ErrorCode code = all.starts_with("INTERRUPT") ? ErrorCode::kTimeout : ErrorCode::kInvalidArgument;
    return {Error(code, std::string(all)), std::nullopt};
  }
  const auto field = [&](const char* name) -> std::string {
    const auto* found = value.as_object().if_contains(name);
    return found != nullptr && found->is_string() ? std::string(found->as_string()) : std::string();
  };
  EngineError out{Error(code_of(field("exception_type")), field("exception_message")), std::nullopt};
  if (const auto offset = parse_int(field("position")); offset && *offset >= 0)
    out.offset = static_cast<size_t>(*offset);
  return out;
}

std::string quote_sql(std::string_view text) { return "'" + replace_all(std::string(text), "'", "''") + "'"; }

Result<std::unique_ptr<DuckDatabase>> DuckDatabase::open(const Settings& settings) {
  duckdb_config config = nullptr;
  if (duckdb_create_config(&config) != DuckDBSuccess)
    return fail(ErrorCode::kInternal, "cannot configure the SQL engine");
  for (const auto& [name, value] : settings) {
    if (duckdb_set_config(config, name.c_str(), value.c_str()) != DuckDBSuccess) {
      duckdb_destroy_config(&config);
      return fail(ErrorCode::kInternal, fmt::format("the SQL engine refuses {}={}", name, value));
    }
  }
  std::unique_ptr<DuckDatabase> out(new DuckDatabase());
  char* message = nullptr;
  const duckdb_state state = duckdb_open_ext(nullptr, &out->db_, config, &message);
  duckdb_destroy_config(&config);
  if (state == DuckDBSuccess) return out;
  const std::string text = message == nullptr ? "unknown" : message;
  duckdb_free(message);
  return fail(ErrorCode::kInternal, "cannot start the SQL engine: " + text);
}

DuckDatabase::~DuckDatabase() { duckdb_close(&db_); }

Result<std::unique_ptr<DuckConnection>> DuckConnection::open(const DuckDatabase& db) {
  std::unique_ptr<DuckConnection> out(new DuckConnection());
  if (duckdb_connect(db.get(), &out->connection_) != DuckDBSuccess) {
    return fail(ErrorCode::kInternal, "cannot connect to the SQL engine");
  }
  return out;
}

DuckConnection::~DuckConnection() { duckdb_disconnect(&connection_); }

Status DuckConnection::exec(const std::string& sql) {
  duckdb_result result;
  const duckdb_state state = duckdb_query(connection_, sql.c_str(), &result);
  Status status;
  if (state != DuckDBSuccess) status = fail(engine_error(duckdb_result_error(&result)).error);
  duckdb_destroy_result(&result);
  return status;
}

Result<CellRow> DuckConnection::query_row(const std::string& sql) {
  auto statement = DuckStatement::prepare(*this, sql);
  if (!statement) return fail(statement.error().error);
  auto result = (*statement)->run(1);
  if (!result) return fail(result.error().error);
  if (result->rows.empty()) return fail(ErrorCode::kNotFound, "no row");
  return std::move(result->rows[0]);
}

tl::expected<std::unique_ptr<DuckStatement>, EngineError> DuckStatement::prepare(DuckConnection& connection,
                                                                                 const std::string& sql) {
  duckdb_extracted_statements statements = nullptr;
  const idx_t count = duckdb_extract_statements(connection.get(), sql.c_str(), &statements);
  std::unique_ptr<DuckStatement> out(new DuckStatement());
  std::optional<EngineError> error;
  if (count == 0) {
    const char* text = duckdb_extract_statements_error(statements);
    error = text == nullptr ? EngineError{Error(ErrorCode::kInvalidArgument, "the statement is empty"), std::nullopt}
                            : engine_error(text);
  } else if (count > 1) {
    error = EngineError{Error(ErrorCode::kInvalidArgument, "only one statement at a time"), std::nullopt};
  } else if (duckdb_prepare_extracted_statement(connection.get(), statements, 0, &out->statement_) != DuckDBSuccess) {
    error = engine_error(duckdb_prepare_error(out->statement_));
  }
  duckdb_destroy_extracted(&statements);
  if (error) return tl::unexpected<EngineError>(std::move(*error));
  return out;
}

DuckStatement::~DuckStatement() { duckdb_destroy_prepare(&statement_); }

Status DuckStatement::bind(const std::vector<Cell>& params) {
  const idx_t wanted = duckdb_nparams(statement_);
  if (wanted != params.size()) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the statement has {} parameters, {} were given", wanted, params.size()));
  }
  for (size_t i = 0; i < params.size(); ++i) {
    const idx_t at = i + 1;
    const Cell& cell = params[i];
    duckdb_state state = DuckDBSuccess;
    if (std::holds_alternative<std::monostate>(cell)) {
      state = duckdb_bind_null(statement_, at);
    } else if (const auto* b = std::get_if<bool>(&cell)) {
      state = duckdb_bind_boolean(statement_, at, *b);
    } else if (const auto* n = std::get_if<int64_t>(&cell)) {
      state = duckdb_bind_int64(statement_, at, *n);
    } else if (const auto* d = std::get_if<double>(&cell)) {
      state = duckdb_bind_double(statement_, at, *d);
    } else {
      const auto& text = std::get<std::string>(cell);
      state = duckdb_bind_varchar_length(statement_, at, text.data(), text.size());
    }
    if (state != DuckDBSuccess)
      return fail(ErrorCode::kInvalidArgument, fmt::format("parameter {} cannot be bound", at));
  }
  return {};
}

namespace {

// Takes chunks until rows_max; the column types must be readable.
std::optional<EngineError> fetch(duckdb_result& result, size_t rows_max, SqlResult& out) {
  const idx_t columns = duckdb_column_count(&result);
  ColumnReaders readers;
  for (idx_t c = 0; c < columns; ++c) {
    duckdb_logical_type type = duckdb_column_logical_type(&result, c);
    out.columns.push_back({duckdb_column_name(&result, c), type_name(type)});
    const bool readable = readers.add(type);
    duckdb_destroy_logical_type(&type);
    if (!readable) {
      return EngineError{
          Error(ErrorCode::kUnprocessable, fmt::format("column {} has type {}: cast it to VARCHAR",
                                                       out.columns.back().name, out.columns.back().type)),
          std::nullopt};
    }
  }
  while (duckdb_data_chunk chunk = duckdb_fetch_chunk(result)) {
    const idx_t rows = duckdb_data_chunk_get_size(chunk);
    for (idx_t r = 0; r < rows && !out.truncated; ++r) {
      if (out.rows.size() >= rows_max) {
        out.truncated = true;
        break;
      }
      CellRow& row = out.rows.emplace_back();
      row.reserve(columns);
      for (idx_t c = 0; c < columns; ++c) row.push_back(readers.read(c, duckdb_data_chunk_get_vector(chunk, c), r));
    }
    duckdb_destroy_data_chunk(&chunk);
    if (out.truncated || rows == 0) break;
  }
  if (const char* text = duckdb_result_error(&result); text != nullptr && text[0] != '\0') return engine_error(text);
  return std::nullopt;
}

}  // namespace

tl::expected<SqlResult, EngineError> DuckStatement::run(size_t rows_max) {
  duckdb_pending_result pending = nullptr;
  duckdb_result result{};
  if (duckdb_pending_prepared_streaming(statement_, &pending) != DuckDBSuccess ||
      duckdb_execute_pending(pending, &result) != DuckDBSuccess) {
    const char* text = duckdb_pending_error(pending);
    if (text == nullptr || text[0] == '\0') text = duckdb_result_error(&result);
    EngineError error = engine_error(text);
    duckdb_destroy_pending(&pending);
    duckdb_destroy_result(&result);
    return tl::unexpected<EngineError>(std::move(error));
  }
  duckdb_destroy_pending(&pending);
  SqlResult out;
  std::optional<EngineError> error = fetch(result, rows_max, out);
  duckdb_destroy_result(&result);
  if (error) return tl::unexpected<EngineError>(std::move(*error));
  return out;
}

Result<std::unique_ptr<DuckLoader>> DuckLoader::open(DuckConnection& connection, const std::string& table) {
  std::unique_ptr<DuckLoader> out(new DuckLoader());
  if (duckdb_appender_create(connection.get(), nullptr, table.c_str(), &out->appender_) != DuckDBSuccess) {
    return fail(engine_error(duckdb_appender_error(out->appender_)).error.with_context("loading rows"));
  }
  std::vector<duckdb_logical_type> types;
  for (idx_t c = 0; c < RowBatch::width(); ++c) types.push_back(duckdb_appender_column_type(out->appender_, c));
  out->chunk_ = duckdb_create_data_chunk(types.data(), types.size());
  for (duckdb_logical_type& type : types) duckdb_destroy_logical_type(&type);
  return out;
}

DuckLoader::~DuckLoader() {
  duckdb_destroy_data_chunk(&chunk_);
  duckdb_appender_destroy(&appender_);
}

Status DuckLoader::append(const RowBatch& rows) {
  const size_t step = duckdb_vector_size();
  for (size_t begin = 0; begin < rows.rows(); begin += step) {
    SENTINEL_TRY(append_chunk(rows, begin, std::min(rows.rows(), begin + step)));
  }
  return {};
}

Status DuckLoader::append_chunk(const RowBatch& rows, size_t begin, size_t end) {
  duckdb_data_chunk_reset(chunk_);
  for (size_t c = 0; c < RowBatch::width(); ++c) {
    fill_vector(duckdb_data_chunk_get_vector(chunk_, c), column_defs()[c].kind, rows, c, begin, end);
  }
  duckdb_data_chunk_set_size(chunk_, end - begin);
  if (duckdb_append_data_chunk(appender_, chunk_) == DuckDBSuccess) return {};
  return fail(engine_error(duckdb_appender_error(appender_)).error.with_context("loading rows"));
}

Status DuckLoader::flush() {
  if (duckdb_appender_flush(appender_) == DuckDBSuccess) return {};
  return fail(engine_error(duckdb_appender_error(appender_)).error.with_context("loading rows"));
}

}  // namespace sentinel::events
