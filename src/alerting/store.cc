#include "alerting/store.h"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <limits>

#include "alerting/codec.h"
#include "base/strings.h"
#include "text/labels_json.h"

namespace sentinel::alerting {
namespace {

constexpr const char* kTables =
    "CREATE TABLE alert_alerts ("
    "  fingerprint INTEGER PRIMARY KEY,"  // the hash's bits, signed
    "  labels TEXT NOT NULL,"
    "  annotations TEXT NOT NULL,"
    "  generator_url TEXT NOT NULL,"
    "  starts_at INTEGER NOT NULL,"
    "  ends_at INTEGER NOT NULL,"
    "  updated_at INTEGER NOT NULL,"
    "  timed_out INTEGER NOT NULL,"
    "  firing INTEGER NOT NULL);"
    "CREATE TABLE alert_groups ("
    "  id TEXT PRIMARY KEY,"
    "  group_key TEXT NOT NULL,"
    "  route_id TEXT NOT NULL,"
    "  receiver TEXT NOT NULL,"
    "  labels TEXT NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  next_flush INTEGER NOT NULL,"
    "  has_flushed INTEGER NOT NULL,"
    "  flush_failed INTEGER NOT NULL,"
    "  emptied_at INTEGER,"
    "  resolved TEXT NOT NULL);"
    "CREATE TABLE alert_group_members ("
    "  group_id TEXT NOT NULL,"
    "  fingerprint INTEGER NOT NULL,"
    "  PRIMARY KEY (group_id, fingerprint));"
    "CREATE TABLE alert_notification_log ("
    "  group_key TEXT NOT NULL,"
    "  integration TEXT NOT NULL,"
    "  told_at INTEGER, told_firing TEXT, told_resolved TEXT, told_maybe TEXT,"
    "  telling_at INTEGER, telling_firing TEXT, telling_resolved TEXT, telling_maybe TEXT,"
    "  message_key TEXT NOT NULL,"
    "  group_id TEXT NOT NULL,"
    "  generation INTEGER NOT NULL,"
    "  expires_at INTEGER NOT NULL,"
    "  PRIMARY KEY (group_key, integration));"
    "CREATE TABLE alert_silences ("
    "  id TEXT PRIMARY KEY,"
    "  matchers TEXT NOT NULL,"
    "  starts_at INTEGER NOT NULL,"
    "  ends_at INTEGER NOT NULL,"
    "  updated_at INTEGER NOT NULL,"
    "  created_by TEXT NOT NULL,"
    "  comment TEXT NOT NULL,"
    "  annotations TEXT NOT NULL);"
    "CREATE TABLE alert_events ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  at INTEGER NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  fingerprint INTEGER NOT NULL,"
    "  alert_name TEXT NOT NULL,"
    "  labels TEXT NOT NULL,"
    "  annotations TEXT NOT NULL,"
    "  generator_url TEXT NOT NULL,"
    "  starts_at INTEGER NOT NULL,"
    "  ends_at INTEGER NOT NULL,"
    "  receivers TEXT NOT NULL);"
    "CREATE INDEX alert_events_at ON alert_events (at);"
    "CREATE INDEX alert_events_name ON alert_events (alert_name, id);";

// Version 1 kept alerts by a fingerprint that was not Prometheus's. Its alerts come again from whoever sees them. Rows
// are in the order in which alerts came: by fingerprint, each insert would change a page of its own.
constexpr const char* kAlertsInOrder =
    "DROP TABLE alert_alerts; DELETE FROM alert_groups; DELETE FROM alert_group_members;"
    "DELETE FROM alert_notification_log;"
    "CREATE TABLE alert_alerts ("
    "  id INTEGER PRIMARY KEY,"
    "  labels TEXT NOT NULL,"
    "  annotations TEXT NOT NULL,"
    "  generator_url TEXT NOT NULL,"
    "  starts_at INTEGER NOT NULL,"
    "  ends_at INTEGER NOT NULL,"
    "  updated_at INTEGER NOT NULL,"
    "  timed_out INTEGER NOT NULL,"
    "  firing INTEGER NOT NULL);";

constexpr const char* kAcknowledgementTables =
    "CREATE TABLE alert_acknowledgements ("
    "  fingerprint INTEGER PRIMARY KEY,"
    "  at INTEGER NOT NULL,"
    "  actor TEXT NOT NULL,"
    "  source TEXT NOT NULL,"
    "  address TEXT NOT NULL,"
    "  note TEXT NOT NULL,"
    "  until INTEGER,"
    "  ended INTEGER NOT NULL,"
    "  updated_at INTEGER NOT NULL);"
    "ALTER TABLE alert_events ADD COLUMN actor TEXT;"  // NULL: not an action
    "ALTER TABLE alert_events ADD COLUMN source TEXT;"
    "ALTER TABLE alert_events ADD COLUMN address TEXT;"
    "ALTER TABLE alert_events ADD COLUMN note TEXT;"
    "ALTER TABLE alert_events ADD COLUMN until INTEGER;";

constexpr const char* kRecurringTable =
    "CREATE TABLE alert_recurring_silences ("
    "  id TEXT PRIMARY KEY,"
    "  matchers TEXT NOT NULL,"
    "  schedule TEXT NOT NULL,"
    "  starts_at INTEGER NOT NULL,"
    "  ends_at INTEGER,"
    "  updated_at INTEGER NOT NULL,"
    "  created_by TEXT NOT NULL,"
    "  comment TEXT NOT NULL,"
    "  annotations TEXT NOT NULL,"
    "  next_from INTEGER NOT NULL);";

constexpr const char* kAuditTable =
    "CREATE TABLE alert_audit ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  at INTEGER NOT NULL,"
    "  actor TEXT NOT NULL,"
    "  source TEXT NOT NULL,"
    "  address TEXT NOT NULL,"
    "  action TEXT NOT NULL,"
    "  target TEXT NOT NULL,"
    "  before_json TEXT NOT NULL,"
    "  after_json TEXT NOT NULL);"
    "CREATE INDEX alert_audit_at ON alert_audit (at);";

constexpr const char* kFlappingTable =
    "CREATE TABLE alert_flapping ("
    "  fingerprint INTEGER PRIMARY KEY,"
    "  changes TEXT NOT NULL,"  // their times in microseconds
    "  since INTEGER,"          // NULL: it does not flap
    "  limit_changes INTEGER NOT NULL,"
    "  limit_calm INTEGER NOT NULL,"
    "  window INTEGER NOT NULL);";

// What finds events by rule and by alert. Only events up to up_to are in there.
constexpr const char* kEventIndex =
    "DROP INDEX alert_events_name;"
    "CREATE TABLE alert_events_by_name ("
    "  alert_name TEXT NOT NULL,"
    "  event_id INTEGER NOT NULL,"
    "  PRIMARY KEY (alert_name, event_id)) WITHOUT ROWID;"
    "CREATE TABLE alert_events_by_alert ("
    "  fingerprint INTEGER NOT NULL,"
    "  event_id INTEGER NOT NULL,"
    "  PRIMARY KEY (fingerprint, event_id)) WITHOUT ROWID;"
    "CREATE TABLE alert_events_indexed (id INTEGER PRIMARY KEY, up_to INTEGER NOT NULL);"
    "INSERT INTO alert_events_by_name SELECT alert_name, id FROM alert_events ORDER BY alert_name, id;"
    "INSERT INTO alert_events_by_alert SELECT fingerprint, id FROM alert_events ORDER BY fingerprint, id;"
    "INSERT INTO alert_events_indexed SELECT 1, COALESCE(MAX(id), 0) FROM alert_events;";

// An alert has the text of the event that told of it; its own only where no event did.
constexpr const char* kAlertTextOnce =
    "CREATE TABLE alert_alerts_now ("
    "  id INTEGER PRIMARY KEY,"
    "  text_event INTEGER,"  // of alert_events; NULL: the text is here
    "  labels TEXT,"
    "  annotations TEXT,"
    "  generator_url TEXT,"
    "  starts_at INTEGER NOT NULL,"
    "  ends_at INTEGER NOT NULL,"
    "  updated_at INTEGER NOT NULL,"
    "  timed_out INTEGER NOT NULL,"
    "  firing INTEGER NOT NULL);"
    "INSERT INTO alert_alerts_now SELECT id, NULL, labels, annotations, generator_url, starts_at, ends_at, updated_at,"
    " timed_out, firing FROM alert_alerts;"
    "DROP TABLE alert_alerts;"
    "ALTER TABLE alert_alerts_now RENAME TO alert_alerts;";

constexpr const char* kEventColumns =
    "e.id, e.at, e.kind, e.labels, e.annotations, e.generator_url, e.starts_at, e.ends_at, e.receivers, e.actor,"
    " e.source, e.address, e.note, e.until";

std::string encode_resolved(const std::vector<std::pair<uint64_t, TimePoint>>& resolved) {
  std::string out;
  for (const auto& [fingerprint, at] : resolved) {
    out += (out.empty() ? "" : " ") + fingerprint_text(fingerprint) + ":" + std::to_string(to_us(at));
  }
  return out;
}

std::vector<std::pair<uint64_t, TimePoint>> decode_resolved(std::string_view text) {
  std::vector<std::pair<uint64_t, TimePoint>> out;
  for (const std::string_view part : split(text, ' ')) {
    if (part.size() < 18) continue;
    uint64_t fingerprint = 0;
    std::from_chars(part.data(), part.data() + 16, fingerprint, 16);
    if (const auto us = parse_int(part.substr(17))) out.emplace_back(fingerprint, time_from_us(*us));
  }
  return out;
}

Result<AlertRow> read_alert(const state::Row& row) {
  AlertRow r;
  SENTINEL_ASSIGN(r.alert.labels, text::decode_labels(row.text(0)));
  SENTINEL_ASSIGN(r.alert.annotations, text::decode_labels(row.text(1)));
  r.alert.generator_url = row.text(2);
  r.alert.starts_at = time_from_us(row.integer(3));
  r.alert.ends_at = time_from_us(row.integer(4));
  r.alert.updated_at = time_from_us(row.integer(5));
  r.alert.timed_out = row.integer(6) != 0;
  r.firing = row.integer(7) != 0;
  r.id = row.integer(8);
  return r;
}

Result<GroupRow> read_group(const state::Row& row) {
  GroupRow g;
  g.id = row.text(0);
  g.group_key = row.text(1);
  g.route_id = row.text(2);
  g.receiver = row.text(3);
  SENTINEL_ASSIGN(g.labels, text::decode_labels(row.text(4)));
  g.created_at = time_from_us(row.integer(5));
  g.next_flush = time_from_us(row.integer(6));
  g.has_flushed = row.integer(7) != 0;
  g.flush_failed = row.integer(8) != 0;
  if (!row.is_null(9)) g.emptied_at = time_from_us(row.integer(9));
  g.resolved = decode_resolved(row.text(10));
  return g;
}

Result<AlertEvent> read_event(const state::Row& row) {
  AlertEvent e;
  e.id = row.integer(0);
  e.at = time_from_us(row.integer(1));
  e.kind = parse_alert_change(row.text(2)).value_or(AlertChange::Kind::kFired);
  SENTINEL_ASSIGN(e.alert.labels, text::decode_labels(row.text(3)));
  SENTINEL_ASSIGN(e.alert.annotations, text::decode_labels(row.text(4)));
  e.alert.generator_url = row.text(5);
  e.alert.starts_at = time_from_us(row.integer(6));
  e.alert.ends_at = time_from_us(row.integer(7));
  e.alert.updated_at = e.at;
  SENTINEL_ASSIGN(e.receivers, decode_strings(row.text(8)));
  if (!row.is_null(9)) {
    e.action = AlertAction{{row.text(9), row.text(10), row.text(11)}, row.text(12)};
    if (!row.is_null(13)) e.action->until = time_from_us(row.integer(13));
  }
  return e;
}

template <class T, class Read>
Result<std::vector<T>> read_all(const Result<state::Rows>& rows, Read read) {
  if (!rows) return fail(rows.error());
  std::vector<T> out;
  out.reserve(rows->size());
  for (const state::Row& row : *rows) {
    SENTINEL_ASSIGN(T value, read(row));
    out.push_back(std::move(value));
  }
  return out;
}

Result<int64_t> indexed_up_to(state::Tx& tx) {
  SENTINEL_ASSIGN(const state::Rows rows, tx.query("SELECT up_to FROM alert_events_indexed"));
  return rows.empty() ? 0 : rows.front().integer(0);
}

// The first and the last id of the events of a time, of all events when it has no bounds; nullopt when there are none.
Result<std::optional<std::pair<int64_t, int64_t>>> ids_between(state::Tx& tx, TimePoint from, TimePoint to) {
  using Ids = std::optional<std::pair<int64_t, int64_t>>;
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  if (to_us(from) <= 0 && to_us(to) == kLast) return Ids({0, kLast});
  SENTINEL_ASSIGN(const state::Rows rows, tx.query("SELECT MIN(id), MAX(id) FROM alert_events WHERE at >= ? AND at < ?",
                                                   {to_us(from), to_us(to)}));
  if (rows.empty() || rows.front().is_null(0)) return Ids();
  return Ids({rows.front().integer(0), rows.front().integer(1)});
}

}  // namespace

std::string_view alert_change_name(AlertChange::Kind kind) {
  switch (kind) {
    case AlertChange::Kind::kFired: return "fired";
    case AlertChange::Kind::kUpdated: return "updated";
    case AlertChange::Kind::kResolved: return "resolved";
    case AlertChange::Kind::kAcknowledged: return "acknowledged";
    case AlertChange::Kind::kUnacknowledged: return "unacknowledged";
    case AlertChange::Kind::kFlapping: return "flapping";
    case AlertChange::Kind::kCalm: return "calm";
  }
  return "fired";
}

std::optional<AlertChange::Kind> parse_alert_change(std::string_view name) {
  using Kind = AlertChange::Kind;
  for (const Kind kind : {Kind::kFired, Kind::kUpdated, Kind::kResolved, Kind::kAcknowledged, Kind::kUnacknowledged,
                          Kind::kFlapping, Kind::kCalm}) {
    if (alert_change_name(kind) == name) return kind;
  }
  return std::nullopt;
}

Status Store::migrate(state::Database& database) {
  return database.migrate("alerting", {{1, kTables},
                                       {2, kAlertsInOrder},
                                       {3, kAcknowledgementTables},
                                       {4, kRecurringTable},
                                       {5, kAuditTable},
                                       {6, kFlappingTable},
                                       {7, kEventIndex},
                                       {8, "ALTER TABLE alert_recurring_silences ADD COLUMN removed_at INTEGER;"},
                                       {9, kAlertTextOnce}});
}

Status Store::put_alert(state::Tx& tx, int64_t id, const model::Alert& a, bool firing, int64_t text_event) {
  state::SqlParams params(10);
  params[0] = id;
  if (text_event != 0) {
    params[1] = text_event;
  } else {
    params[2] = text::encode_labels(a.labels);
    params[3] = text::encode_labels(a.annotations);
    params[4] = a.generator_url;
  }
  params[5] = to_us(a.starts_at);
  params[6] = to_us(a.ends_at);
  params[7] = to_us(a.updated_at);
  params[8] = int64_t{a.timed_out};
  params[9] = int64_t{firing};
  return tx.exec(
      "INSERT INTO alert_alerts (id, text_event, labels, annotations, generator_url, starts_at, ends_at, updated_at,"
      " timed_out, firing) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
      " text_event = excluded.text_event, labels = excluded.labels, annotations = excluded.annotations,"
      " generator_url = excluded.generator_url, starts_at = excluded.starts_at, ends_at = excluded.ends_at,"
      " updated_at = excluded.updated_at, timed_out = excluded.timed_out, firing = excluded.firing",
      params);
}

Status Store::touch_alert(state::Tx& tx, int64_t id, const model::Alert& a, bool /*firing*/) {
  return tx.exec("UPDATE alert_alerts SET starts_at = ?, ends_at = ?, updated_at = ?, timed_out = ? WHERE id = ?",
                 {to_us(a.starts_at), to_us(a.ends_at), to_us(a.updated_at), int64_t{a.timed_out}, id});
}

Status Store::delete_alert(state::Tx& tx, int64_t id) { return tx.exec("DELETE FROM alert_alerts WHERE id = ?", {id}); }

Result<std::vector<AlertRow>> Store::alerts(state::Tx& tx) {
  return read_all<AlertRow>(
      tx.query("SELECT COALESCE(a.labels, e.labels), COALESCE(a.annotations, e.annotations),"
               " COALESCE(a.generator_url, e.generator_url), a.starts_at, a.ends_at, a.updated_at, a.timed_out,"
               " a.firing, a.id FROM alert_alerts a LEFT JOIN alert_events e ON e.id = a.text_event ORDER BY a.id"),
      read_alert);
}

Status Store::put_group(state::Tx& tx, const GroupRow& g) {
  return tx.exec(
      "INSERT INTO alert_groups (id, group_key, route_id, receiver, labels, created_at, next_flush, has_flushed, "
      "flush_failed,"
      " emptied_at, resolved) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
      " created_at = excluded.created_at, next_flush = excluded.next_flush, has_flushed = excluded.has_flushed,"
      " flush_failed = excluded.flush_failed, emptied_at = excluded.emptied_at, resolved = excluded.resolved",
      {g.id, g.group_key, g.route_id, g.receiver, text::encode_labels(g.labels), to_us(g.created_at),
       to_us(g.next_flush), int64_t{g.has_flushed}, int64_t{g.flush_failed},
       g.emptied_at ? state::SqlValue(to_us(*g.emptied_at)) : state::SqlValue(std::monostate{}),
       encode_resolved(g.resolved)});
}

Status Store::delete_group(state::Tx& tx, const std::string& id) {
  SENTINEL_TRY(tx.exec("DELETE FROM alert_group_members WHERE group_id = ?", {id}));
  return tx.exec("DELETE FROM alert_groups WHERE id = ?", {id});
}

Result<std::vector<GroupRow>> Store::groups(state::Tx& tx) {
  return read_all<GroupRow>(
      tx.query("SELECT id, group_key, route_id, receiver, labels, created_at, next_flush, has_flushed,"
               " flush_failed, emptied_at, resolved FROM alert_groups ORDER BY id"),
      read_group);
}

Status Store::add_member(state::Tx& tx, const std::string& group_id, uint64_t fingerprint) {
  return tx.exec("INSERT INTO alert_group_members (group_id, fingerprint) VALUES (?, ?) ON CONFLICT DO NOTHING",
                 {group_id, sql_fingerprint(fingerprint)});
}

Status Store::remove_member(state::Tx& tx, const std::string& group_id, uint64_t fingerprint) {
  return tx.exec("DELETE FROM alert_group_members WHERE group_id = ? AND fingerprint = ?",
                 {group_id, sql_fingerprint(fingerprint)});
}

Result<std::vector<std::pair<std::string, uint64_t>>> Store::members(state::Tx& tx) {
  return read_all<std::pair<std::string, uint64_t>>(
      tx.query("SELECT group_id, fingerprint FROM alert_group_members"),
      [](const state::Row& row) -> Result<std::pair<std::string, uint64_t>> {
        return std::pair(row.text(0), static_cast<uint64_t>(row.integer(1)));
      });
}

Result<int64_t> Store::next_event(state::Tx& tx) {
  SENTINEL_ASSIGN(const int64_t indexed, indexed_up_to(tx));
  SENTINEL_ASSIGN(const state::Rows rows, tx.query("SELECT MAX(id) FROM alert_events"));
  return std::max(indexed, rows.empty() ? 0 : rows.front().integer(0)) + 1;
}

Status Store::add_event(state::Tx& tx, const AlertChange& c, uint64_t fingerprint, int64_t id) {
  state::SqlParams params = state::sql_params(
      id == 0 ? state::SqlValue(std::monostate{}) : state::SqlValue(id), to_us(c.at),
      std::string(alert_change_name(c.kind)), sql_fingerprint(fingerprint), std::string(c.alert.name()),
      text::encode_labels(c.alert.labels), text::encode_labels(c.alert.annotations), c.alert.generator_url,
      to_us(c.alert.starts_at), to_us(c.alert.ends_at), encode_strings(c.receivers));
  if (c.action) {
    params.insert(params.end(), {c.action->by.name, c.action->by.source, c.action->by.address, c.action->note});
  } else {
    params.resize(params.size() + 4);
  }
  params.push_back(c.action && c.action->until ? state::SqlValue(to_us(*c.action->until))
                                               : state::SqlValue(std::monostate{}));
  return tx.exec(
      "INSERT INTO alert_events (id, at, kind, fingerprint, alert_name, labels, annotations, generator_url, starts_at,"
      " ends_at, receivers, actor, source, address, note, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?)",
      params);
}

Status Store::index_events(state::Tx& tx) {
  SENTINEL_ASSIGN(const int64_t done, indexed_up_to(tx));
  SENTINEL_TRY(
      tx.exec("INSERT INTO alert_events_by_name SELECT alert_name, id FROM alert_events WHERE id > ?"
              " ORDER BY alert_name, id",
              {done}));
  SENTINEL_TRY(
      tx.exec("INSERT INTO alert_events_by_alert SELECT fingerprint, id FROM alert_events WHERE id > ?"
              " ORDER BY fingerprint, id",
              {done}));
  return tx.exec("UPDATE alert_events_indexed SET up_to = MAX(up_to, COALESCE((SELECT MAX(id) FROM alert_events), 0))");
}

Result<std::vector<AlertEvent>> Store::events(state::Tx& tx, const EventFilter& filter) {
  SENTINEL_ASSIGN(const auto ids, ids_between(tx, filter.from, filter.to));
  if (!ids) return std::vector<AlertEvent>();
  const auto [first, last] = *ids;
  int64_t before = std::min(filter.before_id, last < std::numeric_limits<int64_t>::max() ? last + 1 : last);
  const auto limit = static_cast<int64_t>(filter.limit);
  const std::string head = std::string("SELECT ") + kEventColumns + " FROM ";
  const std::string times = " AND e.at >= ? AND e.at < ? ORDER BY e.id DESC LIMIT ?";
  const auto read = [&](const std::string& sql, state::SqlParams params) {
    params.insert(params.end(), {to_us(filter.from), to_us(filter.to), limit});
    return read_all<AlertEvent>(tx.query(sql, params), read_event);
  };
  if (filter.alert_name.empty() && !filter.fingerprint)
    return read(head + "alert_events e WHERE e.id < ? AND e.id >= ?" + times, {before, first});

  // The newest are not in the index yet.
  SENTINEL_ASSIGN(const int64_t indexed, indexed_up_to(tx));
  const std::string column = filter.fingerprint ? "fingerprint" : "alert_name";
  const state::SqlValue wanted =
      filter.fingerprint ? state::SqlValue(sql_fingerprint(*filter.fingerprint)) : state::SqlValue(filter.alert_name);
  SENTINEL_ASSIGN(std::vector<AlertEvent> out,
                  read(head + "alert_events e WHERE e.id < ? AND e.id >= ? AND e." + column + " = ?" + times,
                       {before, std::max(first, indexed + 1), wanted}));
  if (out.size() >= filter.limit) return out;
  before = std::min(before, indexed + 1);
  const std::string index = filter.fingerprint ? "alert_events_by_alert" : "alert_events_by_name";
  SENTINEL_ASSIGN(
      std::vector<AlertEvent> more,
      read(head + index +
               " i JOIN alert_events e ON e.id = i.event_id WHERE i.event_id < ? AND i.event_id >= ? AND i." + column +
               " = ? AND e.at >= ? AND e.at < ? ORDER BY i.event_id DESC LIMIT ?",
           {before, first, wanted}));
  more.resize(std::min(more.size(), filter.limit - out.size()));
  std::move(more.begin(), more.end(), std::back_inserter(out));
  return out;
}

Status Store::prune_events(state::Tx& tx, TimePoint before) {
  while (true) {
    SENTINEL_ASSIGN(const state::Rows rows,
                    tx.query("SELECT id, alert_name, fingerprint FROM alert_events WHERE at < ? AND id NOT IN"
                             " (SELECT text_event FROM alert_alerts WHERE text_event IS NOT NULL) LIMIT 10000",
                             {to_us(before)}));
    for (const state::Row& row : rows) {
      SENTINEL_TRY(tx.exec("DELETE FROM alert_events_by_name WHERE alert_name = ? AND event_id = ?",
                           {row.text(1), row.integer(0)}));
      SENTINEL_TRY(tx.exec("DELETE FROM alert_events_by_alert WHERE fingerprint = ? AND event_id = ?",
                           {row.integer(2), row.integer(0)}));
      SENTINEL_TRY(tx.exec("DELETE FROM alert_events WHERE id = ?", {row.integer(0)}));
    }
    if (rows.empty()) return {};
  }
}

}  // namespace sentinel::alerting
