#include "state/kv.h"

#include "state/limits.h"

namespace sentinel::state {

Status KeyValue::migrate(Database& database) {
  return database.migrate("state_kv", {{1,
                                        "CREATE TABLE kv ("
                                        "  key TEXT PRIMARY KEY,"
                                        "  json TEXT NOT NULL,"
                                        "  updated_at INTEGER NOT NULL)"}});
}

Result<std::optional<std::string>> KeyValue::get(Tx& tx, std::string_view key) {
  SENTINEL_ASSIGN(const Rows rows, tx.query("SELECT json FROM kv WHERE key = ?", {std::string(key)}));
  if (rows.empty()) return std::nullopt;
  return rows.front().text(0);
}

Status KeyValue::put(Tx& tx, std::string_view key, std::string_view json, TimePoint now) {
  if (key.empty() || key.size() > kKeyBytesMax) {
    return fail(ErrorCode::kTooLarge, "a kv key has 1 to " + std::to_string(kKeyBytesMax) + " bytes, this one has " +
                                          std::to_string(key.size()));
  }
  if (json.size() > kDocumentBytesMax) {
    return fail(ErrorCode::kTooLarge,
                "kv document " + std::string(key) + " exceeds " + std::to_string(kDocumentBytesMax) + " bytes");
  }
  return tx.exec(
      "INSERT INTO kv (key, json, updated_at) VALUES (?, ?, ?)"
      " ON CONFLICT (key) DO UPDATE SET json = excluded.json, updated_at = excluded.updated_at",
      {std::string(key), std::string(json), to_us(now)});
}

Status KeyValue::remove(Tx& tx, std::string_view key) {
  return tx.exec("DELETE FROM kv WHERE key = ?", {std::string(key)});
}

Result<std::vector<std::pair<std::string, std::string>>> KeyValue::list(Tx& tx, std::string_view prefix, size_t limit) {
  SENTINEL_ASSIGN(const Rows rows,
                  tx.query("SELECT key, json FROM kv WHERE key >= ? AND substr(key, 1, ?) = ? ORDER BY key LIMIT ?",
                           {std::string(prefix), static_cast<int64_t>(prefix.size()), std::string(prefix),
                            static_cast<int64_t>(limit)}));
  std::vector<std::pair<std::string, std::string>> documents;
  documents.reserve(rows.size());
  for (const Row& row : rows) documents.emplace_back(row.text(0), row.text(1));
  return documents;
}

}  // namespace sentinel::state
