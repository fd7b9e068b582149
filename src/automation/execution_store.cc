#include "automation/execution_store.h"

#include <array>
#include <utility>

#include "base/hash.h"
#include "base/strings.h"
#include "model/labels.h"
#include "text/labels_json.h"

namespace sentinel::automation {
namespace {

constexpr std::array<std::string_view, 9> kStates{"awaiting_approval", "queued",   "running", "succeeded", "failed",
                                                  "cancelled",         "rejected", "expired", "lost"};

const std::vector<state::Migration>& migrations() {
  static const std::vector<state::Migration> list{{1, R"sql(
CREATE TABLE automation_executions (
  id TEXT PRIMARY KEY, incident_id TEXT NOT NULL, step_id TEXT NOT NULL, automation_id TEXT NOT NULL,
  dry_run INTEGER NOT NULL, rollback_of TEXT NOT NULL, parameters TEXT NOT NULL, state TEXT NOT NULL,
  attempt INTEGER NOT NULL, requested_name TEXT NOT NULL, requested_source TEXT NOT NULL,
  requested_address TEXT NOT NULL, requested_at INTEGER NOT NULL, approval_role TEXT NOT NULL, approve_until INTEGER,
  approved_by TEXT NOT NULL, due_at INTEGER, started_at INTEGER, ended_at INTEGER, exit_code INTEGER,
  reason TEXT NOT NULL, output TEXT NOT NULL, output_bytes INTEGER NOT NULL);
CREATE INDEX automation_executions_incident ON automation_executions (incident_id, requested_at);
CREATE INDEX automation_executions_automation ON automation_executions (automation_id, requested_at);
CREATE UNIQUE INDEX automation_executions_active ON automation_executions (incident_id, step_id, automation_id)
  WHERE state IN ('awaiting_approval', 'queued', 'running');
CREATE TABLE automation_audit (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, actor TEXT NOT NULL, source TEXT NOT NULL,
  address TEXT NOT NULL, action TEXT NOT NULL, execution TEXT NOT NULL, data TEXT NOT NULL, hash TEXT NOT NULL);
)sql"}};
  return list;
}

constexpr std::string_view kColumns =
    "id, incident_id, step_id, automation_id, dry_run, rollback_of, parameters, state, attempt, requested_name,"
    " requested_source, requested_address, requested_at, approval_role, approve_until, approved_by, due_at, started_at,"
    " ended_at, exit_code, reason, output, output_bytes";
constexpr std::string_view kActive = "state IN ('awaiting_approval', 'queued', 'running')";

state::SqlValue time_or_null(const std::optional<TimePoint>& t) {
  return t ? state::SqlValue(to_us(*t)) : state::SqlValue(std::monostate{});
}
std::optional<TimePoint> time_at(const state::Row& row, size_t i) {
  return row.is_null(i) ? std::nullopt : std::optional(time_from_us(row.integer(i)));
}

std::string encode(const std::map<std::string, std::string>& values) {
  model::Labels labels;
  for (const auto& [name, value] : values) labels.set(name, value);
  return text::encode_labels(labels);
}

Result<Execution> read(const state::Row& row) {
  Execution e;
  e.id = row.text(0);
  e.incident_id = row.text(1);
  e.step_id = row.text(2);
  e.automation_id = row.text(3);
  e.dry_run = row.integer(4) != 0;
  e.rollback_of = row.text(5);
  SENTINEL_ASSIGN(const model::Labels parameters, text::decode_labels(row.text(6)));
  for (const model::Label& p : parameters) e.parameters[p.name] = p.value;
  e.state = parse_execution_state(row.text(7)).value_or(ExecutionState::kLost);
  e.attempt = row.integer(8);
  e.requested_by = {row.text(9), row.text(10), row.text(11), {}};
  e.requested_at = time_from_us(row.integer(12));
  e.approval_role = row.text(13);
  e.approve_until = time_at(row, 14);
  e.approved_by = row.text(15);
  e.due_at = time_at(row, 16);
  e.started_at = time_at(row, 17);
  e.ended_at = time_at(row, 18);
  if (!row.is_null(19)) e.exit_code = static_cast<int>(row.integer(19));
  e.reason = row.text(20);
  e.output = row.text(21);
  e.output_bytes = static_cast<uint64_t>(row.integer(22));
  return e;
}

Result<std::vector<Execution>> read_all(state::Tx& tx, const std::string& rest, const state::SqlParams& params) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT " + std::string(kColumns) + " FROM automation_executions " + rest, params));
  std::vector<Execution> out;
  for (const state::Row& row : rows) {
    SENTINEL_ASSIGN(Execution e, read(row));
    out.push_back(std::move(e));
  }
  return out;
}

Result<std::optional<Execution>> read_one(state::Tx& tx, const std::string& rest, const state::SqlParams& params) {
  SENTINEL_ASSIGN(std::vector<Execution> found, read_all(tx, rest, params));
  return found.empty() ? std::optional<Execution>() : std::optional(std::move(found.front()));
}

}  // namespace

std::string_view execution_state_name(ExecutionState state) { return kStates.at(static_cast<size_t>(state)); }

std::optional<ExecutionState> parse_execution_state(std::string_view name) {
  for (size_t i = 0; i < kStates.size(); ++i) {
    if (kStates.at(i) == name) return static_cast<ExecutionState>(i);
  }
  return std::nullopt;
}

bool has_ended(ExecutionState state) {
  return state != ExecutionState::kAwaitingApproval && state != ExecutionState::kQueued &&
         state != ExecutionState::kRunning;
}

Status ExecutionStore::migrate(state::Database& database) { return database.migrate("automation", migrations()); }

Status ExecutionStore::insert(state::Tx& tx, const Execution& e) {
  return tx.exec("INSERT INTO automation_executions (" + std::string(kColumns) +
                     ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                 {e.id,
                  e.incident_id,
                  e.step_id,
                  e.automation_id,
                  int64_t{e.dry_run},
                  e.rollback_of,
                  encode(e.parameters),
                  std::string(execution_state_name(e.state)),
                  e.attempt,
                  e.requested_by.name,
                  e.requested_by.source,
                  e.requested_by.address,
                  to_us(e.requested_at),
                  e.approval_role,
                  time_or_null(e.approve_until),
                  e.approved_by,
                  time_or_null(e.due_at),
                  time_or_null(e.started_at),
                  time_or_null(e.ended_at),
                  e.exit_code ? state::SqlValue(int64_t{*e.exit_code}) : state::SqlValue(std::monostate{}),
                  e.reason,
                  e.output,
                  static_cast<int64_t>(e.output_bytes)});
}

Status ExecutionStore::update(state::Tx& tx, const Execution& e) {
  return tx.exec(
      "UPDATE automation_executions SET state = ?, attempt = ?, approved_by = ?, due_at = ?, started_at = ?,"
      " ended_at = ?, exit_code = ?, reason = ?, output = ?, output_bytes = ? WHERE id = ?",
      {std::string(execution_state_name(e.state)), e.attempt, e.approved_by, time_or_null(e.due_at),
       time_or_null(e.started_at), time_or_null(e.ended_at),
       e.exit_code ? state::SqlValue(int64_t{*e.exit_code}) : state::SqlValue(std::monostate{}), e.reason, e.output,
       static_cast<int64_t>(e.output_bytes), e.id});
}

Result<std::optional<Execution>> ExecutionStore::get(state::Tx& tx, std::string_view id) {
  return read_one(tx, "WHERE id = ?", {std::string(id)});
}

Result<std::vector<Execution>> ExecutionStore::not_ended(state::Tx& tx) {
  return read_all(tx, "WHERE " + std::string(kActive) + " ORDER BY requested_at, id", {});
}

Result<std::optional<Execution>> ExecutionStore::find_active(state::Tx& tx, const Execution& like) {
  return read_one(tx, "WHERE incident_id = ? AND step_id = ? AND automation_id = ? AND " + std::string(kActive),
                  {like.incident_id, like.step_id, like.automation_id});
}

Result<std::vector<Execution>> ExecutionStore::list(state::Tx& tx, std::string_view incident_id, size_t limit) {
  const std::string order = " ORDER BY requested_at DESC, id DESC LIMIT ?";
  if (incident_id.empty()) return read_all(tx, order, {static_cast<int64_t>(limit)});
  return read_all(tx, "WHERE incident_id = ?" + order, {std::string(incident_id), static_cast<int64_t>(limit)});
}

Result<int64_t> ExecutionStore::count_by_rule(state::Tx& tx, std::string_view automation_id,
                                              std::string_view incident_id, TimePoint since) {
  std::string sql =
      "SELECT COUNT(*) FROM automation_executions WHERE automation_id = ? AND requested_at > ? AND"
      " requested_source = 'rule'";
  state::SqlParams params = {std::string(automation_id), to_us(since)};
  if (!incident_id.empty()) {
    sql += " AND incident_id = ?";
    params.emplace_back(std::string(incident_id));
  }
  SENTINEL_ASSIGN(const state::Rows rows, tx.query(sql, params));
  return rows.at(0).integer(0);
}

std::string ExecutionStore::hash_of(const AuditLine& line, std::string_view hash_before) {
  const std::string at = std::to_string(to_us(line.at));
  std::string all;
  // Each with its length, so that nothing can be moved from one field to the next.
  for (const std::string_view field :
       {std::string_view(hash_before), std::string_view(at), std::string_view(line.actor),
        std::string_view(line.source), std::string_view(line.address), std::string_view(line.action),
        std::string_view(line.execution), std::string_view(line.data_json)}) {
    all += std::to_string(field.size());
    all += ':';
    all += field;
  }
  return hex_encode(sha256(all));
}

Status ExecutionStore::add_audit(state::Tx& tx, AuditLine line) {
  SENTINEL_ASSIGN(const state::Rows last, tx.query("SELECT hash FROM automation_audit ORDER BY id DESC LIMIT 1"));
  line.hash = hash_of(line, last.empty() ? "" : last.front().text(0));
  return tx.exec(
      "INSERT INTO automation_audit (at, actor, source, address, action, execution, data, hash) VALUES"
      " (?,?,?,?,?,?,?,?)",
      {to_us(line.at), line.actor, line.source, line.address, line.action, line.execution, line.data_json, line.hash});
}

Result<std::vector<AuditLine>> ExecutionStore::audit(state::Tx& tx, int64_t after_id, size_t limit) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT id, at, actor, source, address, action, execution, data, hash FROM automation_audit"
                           " WHERE id > ? ORDER BY id LIMIT ?",
                           {after_id, static_cast<int64_t>(limit)}));
  std::vector<AuditLine> out;
  for (const state::Row& row : rows) {
    out.push_back({row.integer(0), time_from_us(row.integer(1)), row.text(2), row.text(3), row.text(4), row.text(5),
                   row.text(6), row.text(7), row.text(8)});
  }
  return out;
}

}  // namespace sentinel::automation
