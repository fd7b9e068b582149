#include "state/outbox.h"

#include "base/strings.h"
#include "state/limits.h"

namespace sentinel::state {
namespace {

constexpr std::string_view kColumns =
    "id, key, channel, receiver, order_key, payload, status, attempts, created_at, due_at, finished_at, last_error";

OutboxMessage read_message(const Row& row) {
  OutboxMessage m;
  m.id = row.integer(0);
  m.key = row.text(1);
  m.channel = row.text(2);
  m.receiver = row.text(3);
  m.order_key = row.text(4);
  m.payload = row.text(5);
  m.status = static_cast<OutboxStatus>(row.integer(6));
  m.attempts = static_cast<int>(row.integer(7));
  m.created_at = time_from_us(row.integer(8));
  m.due_at = time_from_us(row.integer(9));
  if (!row.is_null(10)) m.finished_at = time_from_us(row.integer(10));
  m.last_error = row.text(11);
  return m;
}

std::vector<OutboxMessage> read_messages(const Rows& rows) {
  std::vector<OutboxMessage> messages;
  messages.reserve(rows.size());
  for (const Row& row : rows) messages.push_back(read_message(row));
  return messages;
}

int64_t status_value(OutboxStatus status) { return static_cast<int64_t>(status); }

}  // namespace

Status Outbox::migrate(Database& database) {
  return database.migrate("state_outbox",
                          {{1,
                            "CREATE TABLE outbox ("
                            "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
                            "  key TEXT NOT NULL UNIQUE,"
                            "  channel TEXT NOT NULL,"
                            "  receiver TEXT NOT NULL,"
                            "  order_key TEXT NOT NULL,"
                            "  payload TEXT NOT NULL,"
                            "  status INTEGER NOT NULL,"  // OutboxStatus
                            "  attempts INTEGER NOT NULL,"
                            "  created_at INTEGER NOT NULL,"
                            "  due_at INTEGER NOT NULL,"
                            "  finished_at INTEGER,"
                            "  last_error TEXT NOT NULL);"
                            "CREATE INDEX outbox_due ON outbox (due_at, id) WHERE status = 0;"
                            "CREATE INDEX outbox_order ON outbox (receiver, order_key, id) WHERE status = 0;"
                            "CREATE INDEX outbox_finished ON outbox (finished_at) WHERE status <> 0;"}});
}

Result<int64_t> Outbox::enqueue(Tx& tx, const OutboxMessage& message) {
  SENTINEL_ASSIGN(const Rows rows,
                  tx.query("INSERT INTO outbox (key, channel, receiver, order_key, payload, status, attempts,"
                           " created_at, due_at, last_error) VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, '')"
                           " ON CONFLICT (key) DO UPDATE SET status = 0, attempts = 0, payload = excluded.payload,"
                           " created_at = excluded.created_at, due_at = excluded.due_at, finished_at = NULL,"
                           " last_error = '' WHERE outbox.status = 2 RETURNING id",
                           {message.key, message.channel, message.receiver, message.order_key, message.payload,
                            status_value(OutboxStatus::kPending), to_us(message.created_at), to_us(message.due_at)}));
  if (!rows.empty()) return rows.front().integer(0);
  SENTINEL_ASSIGN(const Rows existing, tx.query("SELECT id FROM outbox WHERE key = ?", {message.key}));
  if (existing.empty()) return fail(ErrorCode::kInternal, "outbox: message neither written nor there: " + message.key);
  return existing.front().integer(0);
}

Result<std::vector<OutboxMessage>> Outbox::due(Tx& tx, TimePoint now, size_t limit) {
  // Of messages with one order key only the oldest pending one may go.
  SENTINEL_ASSIGN(const Rows rows,
                  tx.query("SELECT " + std::string(kColumns) +
                               " FROM outbox AS o WHERE status = 0 AND due_at <= ? AND NOT EXISTS (SELECT 1 FROM outbox"
                               " AS e WHERE e.status = 0 AND e.receiver = o.receiver AND e.order_key = o.order_key"
                               " AND e.id < o.id AND o.order_key <> '') ORDER BY id LIMIT ?",
                           {to_us(now), static_cast<int64_t>(limit)}));
  return read_messages(rows);
}

Result<std::vector<OutboxMessage>> Outbox::pending(Tx& tx, std::string_view channel, int64_t after_id, size_t limit) {
  SENTINEL_ASSIGN(const Rows rows,
                  tx.query("SELECT " + std::string(kColumns) +
                               " FROM outbox WHERE id > ? AND status = 0 AND channel = ? ORDER BY id LIMIT ?",
                           {after_id, std::string(channel), static_cast<int64_t>(limit)}));
  return read_messages(rows);
}

Result<std::optional<TimePoint>> Outbox::next_due(Tx& tx) {
  SENTINEL_ASSIGN(const Rows rows, tx.query("SELECT MIN(due_at) FROM outbox WHERE status = 0"));
  if (rows.empty() || rows.front().is_null(0)) return std::nullopt;
  return time_from_us(rows.front().integer(0));
}

Status Outbox::delivered(Tx& tx, int64_t id, TimePoint now) {
  SENTINEL_TRY(
      tx.exec("UPDATE outbox SET status = ?, attempts = attempts + 1, finished_at = ?, last_error = ''"
              " WHERE id = ? AND status = 0",
              {status_value(OutboxStatus::kDelivered), to_us(now), id}));
  return {};
}

Status Outbox::attempt_failed(Tx& tx, int64_t id, const std::string& error, std::optional<TimePoint> due_at,
                              TimePoint now) {
  const std::string kept(utf8_prefix(error, kOutboxErrorBytesMax));
  if (due_at) {
    return tx.exec("UPDATE outbox SET attempts = attempts + 1, due_at = ?, last_error = ? WHERE id = ? AND status = 0",
                   {to_us(*due_at), kept, id});
  }
  return tx.exec(
      "UPDATE outbox SET status = ?, attempts = attempts + 1, finished_at = ?, last_error = ? WHERE id = ?"
      " AND status = 0",
      {status_value(OutboxStatus::kFailed), to_us(now), kept, id});
}

Result<std::vector<OutboxMessage>> Outbox::list(Tx& tx, std::optional<OutboxStatus> status, size_t limit) {
  const std::string select = "SELECT " + std::string(kColumns) + " FROM outbox";
  Result<Rows> rows = status ? tx.query(select + " WHERE status = ? ORDER BY id DESC LIMIT ?",
                                        {status_value(*status), static_cast<int64_t>(limit)})
                             : tx.query(select + " ORDER BY id DESC LIMIT ?", {static_cast<int64_t>(limit)});
  if (!rows) return fail(std::move(rows).error());
  return read_messages(*rows);
}

Result<int64_t> Outbox::prune(Tx& tx, TimePoint finished_before) {
  SENTINEL_TRY(tx.exec("DELETE FROM outbox WHERE status <> 0 AND finished_at < ?", {to_us(finished_before)}));
  return tx.rows_changed();
}

}  // namespace sentinel::state
