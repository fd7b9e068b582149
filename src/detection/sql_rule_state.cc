#include "detection/sql_rule_state.h"

#include <fmt/format.h>

#include "base/strings.h"
#include "text/json.h"

namespace sentinel::detection {
namespace {

using state::SqlValue;

// Values are text because SQL has no NaN. Labels are JSON with sorted names, so equal sets are equal texts.
const std::vector<state::Migration>& migrations() {
  static const std::vector<state::Migration> all{{1,
                                                  R"(CREATE TABLE rule_alerts (
  rule_key TEXT NOT NULL,
  labels TEXT NOT NULL,
  annotations TEXT NOT NULL,
  value TEXT NOT NULL,
  state INTEGER NOT NULL,
  active_at INTEGER NOT NULL,
  fired_at INTEGER,
  resolved_at INTEGER,
  keep_firing_since INTEGER,
  last_sent_at INTEGER,
  PRIMARY KEY (rule_key, labels)
))"}};
  return all;
}

std::string to_json(const model::Labels& labels) {
  std::string out;
  text::JsonWriter json(out);
  json.begin_object();
  for (const auto& label : labels) json.field(label.name, label.value);
  json.end_object();
  return out;
}

Result<model::Labels> from_json(const std::string& text) {
  SENTINEL_ASSIGN(const boost::json::object object, text::parse_json_object(text));
  std::vector<model::Label> labels;
  for (const auto& item : object) {
    SENTINEL_ASSIGN(std::string value, text::json_string(object, item.key()));
    labels.push_back({std::string(item.key()), std::move(value)});
  }
  return model::Labels(std::move(labels));
}

SqlValue time_value(const std::optional<TimePoint>& time) { return time ? SqlValue(to_us(*time)) : SqlValue(); }
std::optional<TimePoint> time_at(const state::Row& row, size_t column) {
  return row.is_null(column) ? std::nullopt : std::optional(time_from_us(row.integer(column)));
}

Result<StoredAlert> from_row(const state::Row& row) {
  StoredAlert stored;
  ActiveAlert& alert = stored.alert;
  stored.rule_key = row.text(0);
  SENTINEL_ASSIGN(alert.labels, from_json(row.text(1)));
  SENTINEL_ASSIGN(alert.annotations, from_json(row.text(2)));
  alert.value = parse_double(row.text(3)).value_or(0);
  if (row.integer(4) < 0 || row.integer(4) > 2)
    return fail(ErrorCode::kInternal, fmt::format("unknown state {}", row.integer(4)));
  alert.state = static_cast<model::AlertState>(row.integer(4));
  alert.active_at = time_from_us(row.integer(5));
  alert.fired_at = time_at(row, 6);
  alert.resolved_at = time_at(row, 7);
  alert.keep_firing_since = time_at(row, 8);
  alert.last_sent_at = time_at(row, 9);
  return stored;
}

Status put(state::Tx& tx, const StoredAlert& stored) {
  const ActiveAlert& a = stored.alert;
  return tx.exec(
      R"(INSERT INTO rule_alerts (rule_key, labels, annotations, value, state, active_at, fired_at, resolved_at, keep_firing_since, last_sent_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (rule_key, labels) DO UPDATE SET annotations = excluded.annotations, value = excluded.value, state = excluded.state,
  active_at = excluded.active_at, fired_at = excluded.fired_at, resolved_at = excluded.resolved_at,
  keep_firing_since = excluded.keep_firing_since, last_sent_at = excluded.last_sent_at)",
      {stored.rule_key, to_json(a.labels), to_json(a.annotations), format_double(a.value),
       static_cast<int64_t>(a.state), to_us(a.active_at), time_value(a.fired_at), time_value(a.resolved_at),
       time_value(a.keep_firing_since), time_value(a.last_sent_at)});
}

}  // namespace

Result<std::unique_ptr<SqlRuleStateStore>> SqlRuleStateStore::open(state::Database& database) {
  SENTINEL_TRY(database.migrate("detection", migrations()));
  return std::unique_ptr<SqlRuleStateStore>(new SqlRuleStateStore(database));
}

Result<std::vector<StoredAlert>> SqlRuleStateStore::load() {
  std::vector<StoredAlert> out;
  SENTINEL_TRY(database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const state::Rows rows,
                    tx.query("SELECT rule_key, labels, annotations, value, state, active_at, fired_at, resolved_at, "
                             "keep_firing_since, last_sent_at FROM rule_alerts ORDER BY rule_key, labels"));
    for (const state::Row& row : rows) {
      SENTINEL_ASSIGN(StoredAlert stored, from_row(row));
      out.push_back(std::move(stored));
    }
    return {};
  }));
  return out;
}

Status SqlRuleStateStore::save(const RuleStateBatch& batch) {
  return database_.write([&](state::Tx& tx) -> Status {
    for (const auto& [key, labels] : batch.erase) {
      SENTINEL_TRY(tx.exec("DELETE FROM rule_alerts WHERE rule_key = ? AND labels = ?", {key, to_json(labels)}));
    }
    for (const StoredAlert& stored : batch.put) SENTINEL_TRY(put(tx, stored));
    return {};
  });
}

}  // namespace sentinel::detection
