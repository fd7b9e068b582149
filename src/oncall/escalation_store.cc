#include "oncall/escalation_store.h"

#include <algorithm>
#include <array>
#include <utility>

#include "state/outbox.h"

namespace sentinel::oncall {
namespace {

using state::Row;
using state::Rows;
using state::SqlValue;
using state::Tx;

constexpr const char* kTables =
    "CREATE TABLE oncall_escalations ("
    "  key TEXT PRIMARY KEY,"
    "  policy TEXT NOT NULL,"
    "  title TEXT NOT NULL,"
    "  urgent INTEGER NOT NULL,"
    "  state TEXT NOT NULL,"
    "  generation INTEGER NOT NULL,"
    "  cycle INTEGER NOT NULL,"
    "  step INTEGER NOT NULL,"
    "  level_id TEXT NOT NULL,"
    "  level_index INTEGER NOT NULL,"
    "  due_at INTEGER,"
    "  waiting TEXT NOT NULL,"
    "  created_at INTEGER NOT NULL,"
    "  updated_at INTEGER NOT NULL,"
    "  acknowledged_by TEXT NOT NULL);"
    "CREATE INDEX oncall_escalations_due ON oncall_escalations (due_at);"
    "CREATE TABLE oncall_chains ("
    "  key TEXT NOT NULL,"
    "  user TEXT NOT NULL,"
    "  step INTEGER NOT NULL,"
    "  level_id TEXT NOT NULL,"
    "  channels TEXT NOT NULL,"
    "  started_at INTEGER NOT NULL,"
    "  last_after INTEGER NOT NULL,"
    "  last_channel TEXT NOT NULL,"
    "  due_at INTEGER,"
    "  PRIMARY KEY (key, user));"
    "CREATE INDEX oncall_chains_due ON oncall_chains (due_at);"
    "CREATE TABLE oncall_last_pages ("
    "  key TEXT NOT NULL,"
    "  receiver TEXT NOT NULL,"
    "  message_key TEXT NOT NULL,"
    "  PRIMARY KEY (key, receiver));"
    "CREATE TABLE oncall_round_robin ("
    "  place TEXT PRIMARY KEY,"
    "  user TEXT NOT NULL,"
    "  number INTEGER NOT NULL);"
    "CREATE TABLE oncall_events ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  at INTEGER NOT NULL,"
    "  key TEXT NOT NULL,"
    "  kind TEXT NOT NULL,"
    "  level TEXT NOT NULL,"
    "  user TEXT NOT NULL,"
    "  detail TEXT NOT NULL);"
    "CREATE INDEX oncall_events_key ON oncall_events (key, id);";

constexpr const char* kPagesTable =
    "CREATE TABLE oncall_pages ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  message_key TEXT NOT NULL UNIQUE,"
    "  key TEXT NOT NULL,"
    "  generation INTEGER NOT NULL,"
    "  step INTEGER NOT NULL,"
    "  level_id TEXT NOT NULL,"
    "  user TEXT NOT NULL,"
    "  channel TEXT NOT NULL,"
    "  at INTEGER NOT NULL,"
    "  outcome TEXT NOT NULL,"
    "  outcome_at INTEGER,"
    "  error TEXT NOT NULL);"
    "CREATE INDEX oncall_pages_key ON oncall_pages (key);"
    "CREATE INDEX oncall_pages_user ON oncall_pages (user, channel);";

constexpr const char* kChangesTable =
    "CREATE TABLE oncall_changes ("
    "  id TEXT PRIMARY KEY,"
    "  schedule TEXT NOT NULL,"
    "  changed_by TEXT NOT NULL,"
    "  at INTEGER NOT NULL,"
    "  ends_at INTEGER NOT NULL,"
    "  document TEXT NOT NULL);";

#define PAGE_COLUMNS "message_key, key, generation, step, level_id, user, channel, at, outcome, outcome_at, error"
#define ESCALATION_COLUMNS                                                                                          \
  "key, policy, title, urgent, state, generation, cycle, step, level_id, level_index, due_at, waiting, created_at," \
  " updated_at, acknowledged_by"
#define CHAIN_COLUMNS "key, user, step, level_id, channels, started_at, last_after, last_channel, due_at"

constexpr std::array<std::string_view, 4> kStates = {"escalating", "acknowledged", "exhausted", "resolved"};

SqlValue time_or_null(const std::optional<TimePoint>& t) { return t ? SqlValue(to_us(*t)) : SqlValue(); }
std::optional<TimePoint> read_time(const Row& row, size_t i) {
  return row.is_null(i) ? std::nullopt : std::optional<TimePoint>(time_from_us(row.integer(i)));
}

Escalation read_escalation(const Row& row) {
  Escalation e;
  e.key = row.text(0);
  e.policy = row.text(1);
  e.title = row.text(2);
  e.urgent = row.integer(3) != 0;
  const auto state = std::find(kStates.begin(), kStates.end(), row.text(4));
  e.state =
      state == kStates.end() ? EscalationState::kEscalating : static_cast<EscalationState>(state - kStates.begin());
  e.generation = row.integer(5);
  e.cycle = static_cast<int>(row.integer(6));
  e.step = row.integer(7);
  e.level_id = row.text(8);
  e.level_index = row.integer(9);
  e.due_at = read_time(row, 10);
  e.waiting = row.text(11);
  e.created_at = time_from_us(row.integer(12));
  e.updated_at = time_from_us(row.integer(13));
  e.acknowledged_by = row.text(14);
  return e;
}

Chain read_chain(const Row& row) {
  Chain c;
  c.key = row.text(0);
  c.user = row.text(1);
  c.step = row.integer(2);
  c.level_id = row.text(3);
  c.channels = row.text(4);
  c.started_at = time_from_us(row.integer(5));
  c.last_after = Micros(row.integer(6));
  c.last_channel = row.text(7);
  c.due_at = read_time(row, 8);
  return c;
}

PageRecord read_page(const Row& row) {
  PageRecord p;
  p.message_key = row.text(0);
  p.key = row.text(1);
  p.generation = row.integer(2);
  p.step = row.integer(3);
  p.level_id = row.text(4);
  p.user = row.text(5);
  p.channel = row.text(6);
  p.at = time_from_us(row.integer(7));
  p.outcome = row.text(8);
  p.outcome_at = read_time(row, 9);
  p.error = row.text(10);
  p.id = row.integer(11);
  return p;
}

template <class Read>
auto read_all(const Result<Rows>& rows, Read read) -> Result<std::vector<decltype(read(std::declval<Row>()))>> {
  if (!rows) return fail(rows.error());
  std::vector<decltype(read(std::declval<Row>()))> out;
  for (const Row& row : *rows) out.push_back(read(row));
  return out;
}

template <class T>
Result<std::optional<T>> first_of(Result<std::vector<T>> all) {
  if (!all) return fail(all.error());
  if (all->empty()) return std::optional<T>();
  return std::optional<T>(std::move(all->front()));
}

std::string text_of(std::string_view s) { return std::string(s); }

}  // namespace

std::string_view escalation_state_name(EscalationState state) { return kStates[static_cast<size_t>(state)]; }

Status EscalationStore::migrate(state::Database& database) {
  SENTINEL_TRY(state::Outbox::migrate(database));
  return database.migrate("oncall", {{1, kTables}, {2, kPagesTable}, {3, kChangesTable}});
}

Result<std::optional<Escalation>> EscalationStore::find(Tx& tx, std::string_view key) {
  return first_of(
      read_all(tx.query("SELECT " ESCALATION_COLUMNS " FROM oncall_escalations WHERE key = ?", {text_of(key)}),
               read_escalation));
}

Status EscalationStore::put(Tx& tx, const Escalation& e) {
  return tx.exec("INSERT INTO oncall_escalations (" ESCALATION_COLUMNS
                 ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                 " policy = excluded.policy, title = excluded.title, urgent = excluded.urgent, state = excluded.state,"
                 " generation = excluded.generation, cycle = excluded.cycle, step = excluded.step,"
                 " level_id = excluded.level_id, level_index = excluded.level_index, due_at = excluded.due_at,"
                 " waiting = excluded.waiting, created_at = excluded.created_at, updated_at = excluded.updated_at,"
                 " acknowledged_by = excluded.acknowledged_by",
                 {e.key, e.policy, e.title, int64_t{e.urgent}, text_of(escalation_state_name(e.state)), e.generation,
                  int64_t{e.cycle}, e.step, e.level_id, e.level_index, time_or_null(e.due_at), e.waiting,
                  to_us(e.created_at), to_us(e.updated_at), e.acknowledged_by});
}

Result<std::vector<Escalation>> EscalationStore::due(Tx& tx, TimePoint now, size_t limit) {
  return read_all(tx.query("SELECT " ESCALATION_COLUMNS
                           " FROM oncall_escalations WHERE due_at <= ? ORDER BY cycle, due_at, key LIMIT ?",
                           {to_us(now), static_cast<int64_t>(limit)}),
                  read_escalation);
}

Result<std::vector<Escalation>> EscalationStore::list(Tx& tx, bool resolved, size_t limit) {
  return read_all(tx.query("SELECT " ESCALATION_COLUMNS
                           " FROM oncall_escalations WHERE ? OR state <> 'resolved' ORDER BY created_at, key LIMIT ?",
                           {int64_t{resolved}, static_cast<int64_t>(limit)}),
                  read_escalation);
}

Status EscalationStore::prune(Tx& tx, TimePoint resolved_before) {
  const state::SqlParams before = {to_us(resolved_before)};
  SENTINEL_TRY(
      tx.exec("DELETE FROM oncall_events WHERE key IN (SELECT key FROM oncall_escalations"
              " WHERE state = 'resolved' AND updated_at < ?)",
              before));
  SENTINEL_TRY(
      tx.exec("DELETE FROM oncall_pages WHERE key IN (SELECT key FROM oncall_escalations"
              " WHERE state = 'resolved' AND updated_at < ?)",
              before));
  SENTINEL_TRY(tx.exec("DELETE FROM oncall_pages WHERE key LIKE 'test/%' AND at < ?", before));
  SENTINEL_TRY(tx.exec("DELETE FROM oncall_events WHERE key LIKE 'test/%' AND at < ?", before));
  return tx.exec("DELETE FROM oncall_escalations WHERE state = 'resolved' AND updated_at < ?", before);
}

Status EscalationStore::put(Tx& tx, const Chain& c) {
  return tx.exec("INSERT INTO oncall_chains (" CHAIN_COLUMNS
                 ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key, user) DO UPDATE SET step = excluded.step,"
                 " level_id = excluded.level_id, channels = excluded.channels, started_at = excluded.started_at,"
                 " last_after = excluded.last_after, last_channel = excluded.last_channel, due_at = excluded.due_at",
                 {c.key, c.user, c.step, c.level_id, c.channels, to_us(c.started_at), int64_t{c.last_after.count()},
                  c.last_channel, time_or_null(c.due_at)});
}

Status EscalationStore::end_chains(Tx& tx, std::string_view key) {
  SENTINEL_TRY(tx.exec("DELETE FROM oncall_last_pages WHERE key = ?", {text_of(key)}));
  return tx.exec("DELETE FROM oncall_chains WHERE key = ?", {text_of(key)});
}

Result<std::vector<Chain>> EscalationStore::due_chains(Tx& tx, TimePoint now, size_t limit) {
  return read_all(
      tx.query("SELECT " CHAIN_COLUMNS " FROM oncall_chains WHERE due_at <= ? ORDER BY due_at, key, user LIMIT ?",
               {to_us(now), static_cast<int64_t>(limit)}),
      read_chain);
}

Result<std::vector<Chain>> EscalationStore::chains(Tx& tx) {
  return read_all(tx.query("SELECT " CHAIN_COLUMNS " FROM oncall_chains ORDER BY key, user"), read_chain);
}

Result<std::optional<Chain>> EscalationStore::chain(Tx& tx, std::string_view key, std::string_view user) {
  return first_of(read_all(
      tx.query("SELECT " CHAIN_COLUMNS " FROM oncall_chains WHERE key = ? AND user = ?", {text_of(key), text_of(user)}),
      read_chain));
}

Status EscalationStore::put(Tx& tx, const PageRecord& p) {
  return tx.exec("INSERT INTO oncall_pages (" PAGE_COLUMNS
                 ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message_key) DO UPDATE SET"
                 " outcome = excluded.outcome, outcome_at = excluded.outcome_at, error = excluded.error",
                 {p.message_key, p.key, p.generation, p.step, p.level_id, p.user, p.channel, to_us(p.at), p.outcome,
                  time_or_null(p.outcome_at), p.error});
}

Result<std::optional<PageRecord>> EscalationStore::page(Tx& tx, std::string_view message_key) {
  return first_of(
      read_all(tx.query("SELECT " PAGE_COLUMNS ", id FROM oncall_pages WHERE message_key = ?", {text_of(message_key)}),
               read_page));
}

Result<std::optional<PageRecord>> EscalationStore::page(Tx& tx, int64_t id) {
  return first_of(read_all(tx.query("SELECT " PAGE_COLUMNS ", id FROM oncall_pages WHERE id = ?", {id}), read_page));
}

Result<std::vector<PageRecord>> EscalationStore::pages(Tx& tx, std::string_view key, size_t limit) {
  return read_all(tx.query("SELECT " PAGE_COLUMNS ", id FROM oncall_pages WHERE key = ? ORDER BY id LIMIT ?",
                           {text_of(key), static_cast<int64_t>(limit)}),
                  read_page);
}

Result<std::optional<PageRecord>> EscalationStore::newest_page(Tx& tx, std::string_view user,
                                                               std::string_view channel) {
  return first_of(read_all(tx.query("SELECT " PAGE_COLUMNS ", id FROM oncall_pages WHERE user = ? AND channel = ? AND"
                                    " key NOT LIKE 'test/%' ORDER BY id DESC LIMIT 1",
                                    {text_of(user), text_of(channel)}),
                           read_page));
}

Status EscalationStore::put_last_page(Tx& tx, std::string_view key, std::string_view receiver,
                                      std::string_view message_key) {
  return tx.exec(
      "INSERT INTO oncall_last_pages (key, receiver, message_key) VALUES (?, ?, ?) ON CONFLICT (key, receiver)"
      " DO UPDATE SET message_key = excluded.message_key",
      {text_of(key), text_of(receiver), text_of(message_key)});
}

Result<std::string> EscalationStore::last_page(Tx& tx, std::string_view key, std::string_view receiver) {
  SENTINEL_ASSIGN(const Rows rows, tx.query("SELECT message_key FROM oncall_last_pages WHERE key = ? AND receiver = ?",
                                            {text_of(key), text_of(receiver)}));
  return rows.empty() ? "" : rows.front().text(0);
}

Result<std::optional<TimePoint>> EscalationStore::next_due(Tx& tx) {
  SENTINEL_ASSIGN(const Rows rows, tx.query("SELECT MIN(due_at) FROM (SELECT MIN(due_at) AS due_at FROM"
                                            " oncall_escalations UNION ALL SELECT MIN(due_at) FROM oncall_chains)"
                                            " AS both"));
  return rows.empty() ? std::nullopt : read_time(rows.front(), 0);
}

Result<std::optional<std::pair<std::string, int64_t>>> EscalationStore::round_robin(Tx& tx, std::string_view place) {
  return first_of(read_all(tx.query("SELECT user, number FROM oncall_round_robin WHERE place = ?", {text_of(place)}),
                           [](const Row& row) { return std::pair(row.text(0), row.integer(1)); }));
}

Status EscalationStore::put_round_robin(Tx& tx, std::string_view place, std::string_view user, int64_t index) {
  return tx.exec(
      "INSERT INTO oncall_round_robin (place, user, number) VALUES (?, ?, ?) ON CONFLICT (place) DO UPDATE"
      " SET user = excluded.user, number = excluded.number",
      {text_of(place), text_of(user), index});
}

Status EscalationStore::add_event(Tx& tx, const EscalationEvent& e) {
  return tx.exec("INSERT INTO oncall_events (at, key, kind, level, user, detail) VALUES (?, ?, ?, ?, ?, ?)",
                 {to_us(e.at), e.key, e.kind, e.level, e.user, e.detail});
}

Result<std::vector<EscalationEvent>> EscalationStore::events(Tx& tx, std::string_view key, size_t limit) {
  return read_all(tx.query("SELECT id, at, key, kind, level, user, detail FROM oncall_events WHERE key = ? ORDER BY id"
                           " LIMIT ?",
                           {text_of(key), static_cast<int64_t>(limit)}),
                  [](const Row& row) {
                    return EscalationEvent{row.integer(0), time_from_us(row.integer(1)),
                                           row.text(2),    row.text(3),
                                           row.text(4),    row.text(5),
                                           row.text(6)};
                  });
}

}  // namespace sentinel::oncall
