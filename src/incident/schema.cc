#include "incident/schema.h"

#include <iterator>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"
#include "incident/words.h"
#include "text/labels_json.h"

namespace sentinel::incident {
namespace {

constexpr std::string_view kColumns =
    "id, number, title, status, severity, assignee, channel, labels, group_key, runbook_id, root_cause, resolution, "
    "test_mode, what_failed, why, next_step, created_at, detected_at, impact_started_at, acknowledged_at, resolved_at, "
    "updated_at, version";

state::SqlValue optional_time(const std::optional<TimePoint>& t) {
  if (!t) return std::monostate{};
  return to_us(*t);
}

std::optional<TimePoint> time_or_null(const state::Row& row, size_t i) {
  if (row.is_null(i)) return std::nullopt;
  return time_from_us(row.integer(i));
}

Result<IncidentRecord> from_row(const state::Row& row) {
  IncidentRecord record;
  model::Incident& incident = record.incident;
  incident.id = row.text(0);
  incident.number = row.integer(1);
  incident.title = row.text(2);
  incident.status = model::parse_incident_status(row.text(3)).value_or(model::IncidentStatus::kOpen);
  incident.severity = static_cast<model::Severity>(row.integer(4));
  incident.assignee = row.text(5);
  incident.channel = row.text(6);
  SENTINEL_ASSIGN(incident.labels, text::decode_labels(row.text(7)));
  incident.group_key = row.text(8);
  incident.runbook_id = row.text(9);
  incident.root_cause = row.text(10);
  incident.resolution = row.text(11);
  incident.test_mode = row.integer(12) != 0;
  record.headline = {row.text(13), row.text(14), row.text(15)};
  incident.created_at = time_from_us(row.integer(16));
  incident.detected_at = time_from_us(row.integer(17));
  incident.impact_started_at = time_or_null(row, 18);
  incident.acknowledged_at = time_or_null(row, 19);
  incident.resolved_at = time_or_null(row, 20);
  incident.updated_at = time_from_us(row.integer(21));
  incident.version = row.integer(22);
  return record;
}

state::SqlParams to_params(const IncidentRecord& record) {
  const model::Incident& i = record.incident;
  return {i.id,
          i.number,
          i.title,
          std::string(model::incident_status_name(i.status)),
          static_cast<int64_t>(i.severity),
          i.assignee,
          i.channel,
          text::encode_labels(i.labels),
          i.group_key,
          i.runbook_id,
          i.root_cause,
          i.resolution,
          int64_t{i.test_mode},
          record.headline.what_failed,
          record.headline.why,
          record.headline.next_step,
          to_us(i.created_at),
          to_us(i.detected_at),
          optional_time(i.impact_started_at),
          optional_time(i.acknowledged_at),
          optional_time(i.resolved_at),
          to_us(i.updated_at),
          i.version};
}

}  // namespace

// #incident-YYYY-MM-DD, then -2, -3 ... for the day's later ones.
Result<std::string> channel_name(state::Tx& tx, TimePoint now) {
  const std::string day = fmt::format("#incident-{:%Y-%m-%d}", std::chrono::floor<std::chrono::seconds>(now));
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT COUNT(*) FROM incidents WHERE channel = ? OR channel LIKE ?", {day, day + "-%"}));
  const int64_t used = rows.front().integer(0);
  return used == 0 ? day : fmt::format("{}-{}", day, used + 1);
}

Result<int64_t> next_number(state::Tx& tx) {
  SENTINEL_ASSIGN(const state::Rows rows, tx.query("SELECT COALESCE(MAX(number), 0) + 1 FROM incidents"));
  return rows.front().integer(0);
}

constexpr std::string_view kDeadlinesTable = R"sql(
CREATE TABLE incident_deadlines (
  incident_id TEXT NOT NULL, kind TEXT NOT NULL, base_at INTEGER NOT NULL, due_at INTEGER NOT NULL, remind_at INTEGER,
  reminded_at INTEGER, missed_at INTEGER, PRIMARY KEY (incident_id, kind));
CREATE INDEX incident_deadlines_by_due ON incident_deadlines(missed_at, due_at);
)sql";
constexpr std::string_view kRatingsTable =
    "CREATE TABLE incident_ratings (incident_id TEXT PRIMARY KEY, useful INTEGER NOT NULL, at INTEGER NOT NULL, "
    "actor TEXT NOT NULL)";
constexpr std::string_view kLearningTables = R"sql(
CREATE TABLE incident_actions (
  id INTEGER PRIMARY KEY AUTOINCREMENT, incident_id TEXT NOT NULL, text TEXT NOT NULL, type INTEGER NOT NULL,
  owner TEXT NOT NULL, due_day INTEGER, state INTEGER NOT NULL, link TEXT NOT NULL, created_at INTEGER NOT NULL,
  created_by TEXT NOT NULL, closed_at INTEGER, reminded_at INTEGER);
CREATE INDEX incident_actions_by_incident ON incident_actions(incident_id);
CREATE INDEX incident_actions_by_due ON incident_actions(closed_at, due_day);
CREATE TABLE incident_postmortems (
  incident_id TEXT PRIMARY KEY, text TEXT NOT NULL, state INTEGER NOT NULL, authors TEXT NOT NULL,
  version INTEGER NOT NULL, saved_at INTEGER NOT NULL, saved_by TEXT NOT NULL);
)sql";
constexpr std::string_view kChangesTables = R"sql(
CREATE TABLE change_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, kind INTEGER NOT NULL, subject TEXT NOT NULL,
  text TEXT NOT NULL, link TEXT NOT NULL, labels TEXT NOT NULL, actor TEXT NOT NULL, once_key TEXT UNIQUE);
CREATE INDEX change_events_by_time ON change_events(at);
CREATE TABLE incident_summaries (
  incident_id TEXT PRIMARY KEY, text TEXT NOT NULL, model TEXT NOT NULL, of_why TEXT NOT NULL, at INTEGER NOT NULL);
)sql";

// What an alert says of its incident, so that nobody reads thousands of them for a title. Severity 0: a row of an older
// version, see fill_alert_words().
constexpr std::string_view kAlertWords = R"sql(
ALTER TABLE incident_alerts ADD COLUMN severity INTEGER NOT NULL DEFAULT 0;
ALTER TABLE incident_alerts ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE incident_alerts ADD COLUMN failing_calls TEXT NOT NULL DEFAULT '';
DROP INDEX incident_alerts_by_rule;
CREATE INDEX incident_alerts_by_rule ON incident_alerts(
  incident_id, rule, severity, starts_at, fingerprint, title, failing_calls);
CREATE INDEX incident_alerts_to_fill ON incident_alerts(incident_id) WHERE severity = 0;
)sql";

// What a diagnosis names first, and when it began: to find others that name the same.
constexpr std::string_view kCauses = R"sql(
ALTER TABLE incident_diagnoses ADD COLUMN cause TEXT NOT NULL DEFAULT '';
ALTER TABLE incident_diagnoses ADD COLUMN onset INTEGER NOT NULL DEFAULT 0;
CREATE INDEX incident_diagnoses_by_cause ON incident_diagnoses(cause, onset) WHERE cause <> '';
)sql";

// By rule: the first alert of each in one step. By lead: the most severe without reading the others.
constexpr std::string_view kAlertIndexes = R"sql(
DROP INDEX incident_alerts_by_rule;
CREATE INDEX incident_alerts_by_rule ON incident_alerts(
  incident_id, rule, starts_at, fingerprint, title, failing_calls);
CREATE INDEX incident_alerts_by_lead ON incident_alerts(incident_id, severity, starts_at, fingerprint, title);
)sql";

const std::vector<state::Migration>& migrations() {
  static const std::vector<state::Migration> list{{1, R"sql(
CREATE TABLE incidents (
  id TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, title TEXT NOT NULL, status TEXT NOT NULL,
  severity INTEGER NOT NULL, assignee TEXT NOT NULL, channel TEXT NOT NULL, labels TEXT NOT NULL,
  group_key TEXT NOT NULL, runbook_id TEXT NOT NULL, root_cause TEXT NOT NULL, resolution TEXT NOT NULL,
  test_mode INTEGER NOT NULL, what_failed TEXT NOT NULL, why TEXT NOT NULL, next_step TEXT NOT NULL,
  created_at INTEGER NOT NULL, detected_at INTEGER NOT NULL, impact_started_at INTEGER, acknowledged_at INTEGER,
  resolved_at INTEGER, updated_at INTEGER NOT NULL, version INTEGER NOT NULL);
CREATE INDEX incidents_by_status ON incidents(status, number);
CREATE INDEX incidents_by_group ON incidents(group_key, status);
CREATE TABLE incident_alerts (
  incident_id TEXT NOT NULL, fingerprint TEXT NOT NULL, starts_at INTEGER NOT NULL, ends_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL, firing INTEGER NOT NULL, labels TEXT NOT NULL, annotations TEXT NOT NULL,
  generator_url TEXT NOT NULL, PRIMARY KEY (incident_id, fingerprint));
CREATE INDEX incident_alerts_by_fingerprint ON incident_alerts(fingerprint, firing);
CREATE TABLE incident_timeline (
  incident_id TEXT NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, actor TEXT NOT NULL,
  source TEXT NOT NULL, text TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (incident_id, sequence));
CREATE INDEX incident_timeline_by_time ON incident_timeline(at);
CREATE TABLE incident_diagnoses (incident_id TEXT PRIMARY KEY, computed_at INTEGER NOT NULL, document TEXT NOT NULL);
)sql"},
                                                  {2, R"sql(
ALTER TABLE incident_alerts ADD COLUMN rule TEXT NOT NULL DEFAULT '';
CREATE INDEX incident_alerts_by_rule ON incident_alerts(incident_id, rule);
CREATE INDEX incident_alerts_by_firing ON incident_alerts(incident_id, firing, updated_at);
)sql"},
                                                  {3, R"sql(
CREATE INDEX incident_alerts_by_start ON incident_alerts(incident_id, firing, starts_at, fingerprint);
CREATE TABLE incident_roles (
  incident_id TEXT NOT NULL, role TEXT NOT NULL, person TEXT NOT NULL, since INTEGER NOT NULL, given_by TEXT NOT NULL,
  PRIMARY KEY (incident_id, role));
CREATE TABLE incident_fields (
  incident_id TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (incident_id, name));
CREATE TABLE incident_links (
  from_id TEXT NOT NULL, to_id TEXT NOT NULL, kind TEXT NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL,
  PRIMARY KEY (from_id, to_id, kind));
CREATE INDEX incident_links_by_end ON incident_links(to_id, kind);
CREATE INDEX incident_links_by_kind ON incident_links(kind);
CREATE TABLE incident_subscribers (
  incident_id TEXT NOT NULL, person TEXT NOT NULL, name TEXT NOT NULL, channel TEXT NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY (incident_id, person));
CREATE TABLE incident_updates (
  id INTEGER PRIMARY KEY AUTOINCREMENT, incident_id TEXT NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL,
  public INTEGER NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, status TEXT NOT NULL);
CREATE INDEX incident_updates_by_incident ON incident_updates(incident_id, at);
CREATE TABLE incident_attachments (
  id TEXT PRIMARY KEY, incident_id TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL, size_bytes INTEGER NOT NULL,
  sha256 TEXT NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL);
CREATE INDEX incident_attachments_by_incident ON incident_attachments(incident_id, at);
CREATE INDEX incident_attachments_by_content ON incident_attachments(sha256);
)sql"},
                                                  {4, std::string(kDeadlinesTable)},
                                                  {5, R"sql(
CREATE TABLE status_subscribers (
  id INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL UNIQUE, confirmed_at INTEGER, mailed_at INTEGER NOT NULL);
CREATE INDEX incident_updates_by_public ON incident_updates(public, incident_id);
CREATE INDEX incidents_by_resolved ON incidents(resolved_at);
)sql"},
                                                  {6, std::string(kLearningTables)},
                                                  {7, std::string(kRatingsTable)},
                                                  {8, std::string(kChangesTables)},
                                                  {9, std::string(kAlertWords)},
                                                  {10, std::string(kCauses)},
                                                  {11, std::string(kAlertIndexes)}};
  return list;
}

Result<std::vector<IncidentRecord>> load_where(state::Tx& tx, std::string_view where, const state::SqlParams& params) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query(fmt::format("SELECT {} FROM incidents {}", kColumns, where), params));
  std::vector<IncidentRecord> records;
  records.reserve(rows.size());
  for (const state::Row& row : rows) {
    SENTINEL_ASSIGN(records.emplace_back(), from_row(row));
  }
  return records;
}

Result<IncidentRecord> load(state::Tx& tx, std::string_view id) {
  std::string_view number = id;
  if (number.starts_with("INC-")) number.remove_prefix(4);
  const std::optional<int64_t> parsed = parse_int(number);
  SENTINEL_ASSIGN(std::vector<IncidentRecord> found, parsed ? load_where(tx, "WHERE number = ?", {*parsed})
                                                            : load_where(tx, "WHERE id = ?", {std::string(id)}));
  if (found.empty()) return fail(ErrorCode::kNotFound, fmt::format("no incident {}", id));
  return std::move(found.front());
}

Status insert(state::Tx& tx, const IncidentRecord& record) {
  return tx.exec(
      fmt::format("INSERT INTO incidents ({}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", kColumns),
      to_params(record));
}

Status update(state::Tx& tx, const IncidentRecord& record) {
  state::SqlParams params = to_params(record);
  params.emplace_back(record.incident.id);
  return tx.exec(
      "UPDATE incidents SET id=?, number=?, title=?, status=?, severity=?, assignee=?, channel=?, labels=?, "
      "group_key=?, "
      "runbook_id=?, root_cause=?, resolution=?, test_mode=?, what_failed=?, why=?, next_step=?, created_at=?, "
      "detected_at=?, impact_started_at=?, acknowledged_at=?, resolved_at=?, updated_at=?, version=? WHERE id=?",
      params);
}

namespace {

constexpr std::string_view kAlertColumns = "starts_at, ends_at, updated_at, firing, labels, annotations, generator_url";

Result<std::vector<IncidentAlert>> alerts_of(const state::Rows& rows) {
  std::vector<IncidentAlert> alerts;
  alerts.reserve(rows.size());
  for (const state::Row& row : rows) {
    IncidentAlert& entry = alerts.emplace_back();
    entry.alert.starts_at = time_from_us(row.integer(0));
    entry.alert.ends_at = time_from_us(row.integer(1));
    entry.alert.updated_at = time_from_us(row.integer(2));
    entry.firing = row.integer(3) != 0;
    SENTINEL_ASSIGN(entry.alert.labels, text::decode_labels(row.text(4)));
    SENTINEL_ASSIGN(entry.alert.annotations, text::decode_labels(row.text(5)));
    entry.alert.generator_url = row.text(6);
  }
  return alerts;
}

struct AlertPlace {
  int64_t firing = 0;
  int64_t starts_at = 0;
  std::string fingerprint;
};

Result<AlertPlace> place_of(std::string_view cursor) {
  const std::vector<std::string_view> parts = split(cursor, '.');
  const auto firing = parts.size() == 3 ? parse_int(parts[0]) : std::nullopt;
  const auto starts_at = parts.size() == 3 ? parse_int(parts[1]) : std::nullopt;
  if (!firing || !starts_at) return fail(ErrorCode::kInvalidArgument, "parameter \"cursor\" is not one we gave");
  return AlertPlace{*firing, *starts_at, std::string(parts[2])};
}

}  // namespace

Result<std::vector<IncidentAlert>> load_alerts(state::Tx& tx, std::string_view incident_id) {
  SENTINEL_ASSIGN(
      const state::Rows rows,
      tx.query(fmt::format("SELECT {} FROM incident_alerts WHERE incident_id = ? ORDER BY starts_at, fingerprint",
                           kAlertColumns),
               {std::string(incident_id)}));
  return alerts_of(rows);
}

std::string alert_cursor(const IncidentAlert& last) {
  return fmt::format("{}.{}.{}", int{last.firing}, to_us(last.alert.starts_at), last.alert.fingerprint_hex());
}

Result<std::vector<IncidentAlert>> load_alerts_page(state::Tx& tx, std::string_view incident_id,
                                                    std::optional<bool> firing, std::string_view cursor, size_t limit) {
  std::optional<AlertPlace> last;
  if (!cursor.empty()) {
    SENTINEL_ASSIGN(last, place_of(cursor));
  }
  std::vector<IncidentAlert> page;
  // One after the other, each in the order of its index: a sort would read all of them for the first fifty.
  for (const bool state : {true, false}) {
    if ((firing && *firing != state) || (last && last->firing < int{state}) || page.size() == limit) continue;
    const bool within = last && last->firing == int{state};
    state::SqlParams params{std::string(incident_id), int64_t{state}};
    if (within) {
      params.emplace_back(last->starts_at);
      params.emplace_back(last->fingerprint);
    }
    params.emplace_back(static_cast<int64_t>(limit - page.size()));
    SENTINEL_ASSIGN(const state::Rows rows,
                    tx.query(fmt::format("SELECT {} FROM incident_alerts WHERE incident_id = ? AND firing = ?{} "
                                         "ORDER BY starts_at, fingerprint LIMIT ?",
                                         kAlertColumns, within ? " AND (starts_at, fingerprint) > (?, ?)" : ""),
                             params));
    SENTINEL_ASSIGN(std::vector<IncidentAlert> part, alerts_of(rows));
    std::move(part.begin(), part.end(), std::back_inserter(page));
  }
  return page;
}

Result<AlertCounts> count_alerts(state::Tx& tx, std::string_view incident_id) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT COUNT(*), COALESCE(SUM(firing), 0) FROM incident_alerts WHERE incident_id = ?",
                           {std::string(incident_id)}));
  return AlertCounts{static_cast<size_t>(rows.front().integer(0)), static_cast<size_t>(rows.front().integer(1))};
}

Status copy_alerts(state::Tx& tx, std::string_view from, std::string_view into) {
  SENTINEL_TRY(tx.exec(
      "INSERT INTO incident_alerts (incident_id, fingerprint, starts_at, ends_at, updated_at, firing, labels, "
      "annotations, generator_url, rule, severity, title, failing_calls) SELECT ?, fingerprint, starts_at, ends_at, "
      "updated_at, firing, labels, annotations, generator_url, rule, severity, title, failing_calls "
      "FROM incident_alerts WHERE incident_id = ? ON CONFLICT (incident_id, "
      "fingerprint) DO UPDATE SET ends_at = excluded.ends_at, updated_at = excluded.updated_at, "
      "firing = excluded.firing, annotations = excluded.annotations, generator_url = excluded.generator_url, "
      "title = excluded.title, failing_calls = excluded.failing_calls",
      {std::string(into), std::string(from)}));
  return tx.exec("UPDATE incident_alerts SET firing = 0 WHERE incident_id = ?", {std::string(from)});
}

Result<std::optional<model::Alert>> load_lead(state::Tx& tx, std::string_view incident_id,
                                              std::optional<std::string_view> title) {
  state::SqlParams params{std::string(incident_id), std::string(incident_id)};
  if (title) params.emplace_back(std::string(*title));
  // Which one is told by the index alone; only that row is read.
  SENTINEL_ASSIGN(
      const state::Rows rows,
      tx.query(fmt::format("SELECT {} FROM incident_alerts WHERE incident_id = ? AND fingerprint = (SELECT fingerprint "
                           "FROM incident_alerts WHERE incident_id = ?{} ORDER BY severity, starts_at, fingerprint "
                           "LIMIT 1)",
                           kAlertColumns, title ? " AND title = ?" : ""),
               params));
  SENTINEL_ASSIGN(std::vector<IncidentAlert> found, alerts_of(rows));
  if (found.empty()) return std::optional<model::Alert>();
  return std::optional<model::Alert>(std::move(found.front().alert));
}

Result<std::vector<std::string>> load_other_rules(state::Tx& tx, std::string_view incident_id, std::string_view rule) {
  // From one rule to the next through the index, however many alerts each has.
  SENTINEL_ASSIGN(
      const state::Rows rows,
      tx.query("WITH RECURSIVE rules(rule) AS (SELECT MIN(rule) FROM incident_alerts WHERE incident_id = ?1 "
               "UNION ALL SELECT (SELECT MIN(rule) FROM incident_alerts WHERE incident_id = ?1 AND "
               "rule > rules.rule) FROM rules WHERE rules.rule IS NOT NULL) "
               "SELECT a.title FROM rules r JOIN incident_alerts a ON a.incident_id = ?1 AND "
               "a.fingerprint = (SELECT fingerprint FROM incident_alerts WHERE incident_id = ?1 AND "
               "rule = r.rule ORDER BY starts_at, fingerprint LIMIT 1) "
               "WHERE r.rule <> ?2 ORDER BY a.starts_at, a.rule",
               {std::string(incident_id), std::string(rule)}));
  std::vector<std::string> titles;
  titles.reserve(rows.size());
  for (const state::Row& row : rows) titles.push_back(row.text(0));
  return titles;
}

Result<std::map<std::string, TimePoint>> load_failing_since(state::Tx& tx, std::string_view incident_id) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT failing_calls, MIN(starts_at) FROM incident_alerts WHERE incident_id = ? "
                           "GROUP BY failing_calls",
                           {std::string(incident_id)}));
  std::map<std::string, TimePoint> since;
  for (const state::Row& row : rows) since.emplace(row.text(0), time_from_us(row.integer(1)));
  return since;
}

Status fill_alert_words(state::Database& database) {
  for (bool more = true; more;) {
    SENTINEL_TRY(database.write([&](state::Tx& tx) -> Status {
      SENTINEL_ASSIGN(const state::Rows rows,
                      tx.query("SELECT incident_id, fingerprint, labels, annotations FROM incident_alerts "
                               "WHERE severity = 0 LIMIT 1000"));
      more = !rows.empty();
      for (const state::Row& row : rows) {
        model::Alert alert;
        SENTINEL_ASSIGN(alert.labels, text::decode_labels(row.text(2)));
        SENTINEL_ASSIGN(alert.annotations, text::decode_labels(row.text(3)));
        SENTINEL_TRY(
            tx.exec("UPDATE incident_alerts SET severity = ?, title = ?, failing_calls = ? WHERE incident_id = ? AND "
                    "fingerprint = ?",
                    {static_cast<int64_t>(severity_of(alert)), title_of(alert),
                     std::string(alert.annotations.get("failing_calls")), row.text(0), row.text(1)}));
      }
      return {};
    }));
  }
  return {};
}

Result<bool> has_alert_named(state::Tx& tx, std::string_view incident_id, std::string_view name) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT 1 FROM incident_alerts WHERE incident_id = ? AND rule = ? LIMIT 1",
                           {std::string(incident_id), std::string(name)}));
  return !rows.empty();
}

Result<AlertsLeft> alerts_left(state::Tx& tx, std::string_view incident_id) {
  SENTINEL_ASSIGN(const state::Rows firing,
                  tx.query("SELECT 1 FROM incident_alerts WHERE incident_id = ? AND firing = 1 LIMIT 1",
                           {std::string(incident_id)}));
  SENTINEL_ASSIGN(
      const state::Rows last,
      tx.query("SELECT MAX(COALESCE((SELECT MAX(updated_at) FROM incident_alerts WHERE incident_id = ?1 AND "
               "firing = 0), 0), COALESCE((SELECT MAX(updated_at) FROM incident_alerts WHERE incident_id = "
               "?1 AND firing = 1), 0))",
               {std::string(incident_id)}));
  return AlertsLeft{!firing.empty(), time_from_us(last.front().integer(0))};
}

Status upsert_alert(state::Tx& tx, std::string_view incident_id, const IncidentAlert& entry) {
  const model::Alert& a = entry.alert;
  return tx.exec(
      "INSERT INTO incident_alerts (incident_id, fingerprint, starts_at, ends_at, updated_at, firing, labels, "
      "annotations, "
      "generator_url, rule, severity, title, failing_calls) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) "
      "ON CONFLICT (incident_id, fingerprint) DO UPDATE SET "
      "ends_at = excluded.ends_at, updated_at = excluded.updated_at, firing = excluded.firing, "
      "annotations = excluded.annotations, generator_url = excluded.generator_url, title = excluded.title, "
      "failing_calls = excluded.failing_calls",
      {std::string(incident_id), a.fingerprint_hex(), to_us(a.starts_at), to_us(a.ends_at), to_us(a.updated_at),
       int64_t{entry.firing}, text::encode_labels(a.labels), text::encode_labels(a.annotations), a.generator_url,
       std::string(a.name()), static_cast<int64_t>(severity_of(a)), title_of(a),
       std::string(a.annotations.get("failing_calls"))});
}

Result<std::vector<model::TimelineEntry>> load_timeline(state::Tx& tx, std::string_view incident_id) {
  SENTINEL_ASSIGN(
      const state::Rows rows,
      tx.query("SELECT sequence, at, kind, actor, source, text, data FROM incident_timeline WHERE incident_id = ? "
               "ORDER BY sequence",
               {std::string(incident_id)}));
  std::vector<model::TimelineEntry> entries;
  for (const state::Row& row : rows) {
    entries.push_back({std::string(incident_id), row.integer(0), time_from_us(row.integer(1)), row.text(2), row.text(3),
                       row.text(4), row.text(5), row.text(6)});
  }
  return entries;
}

Result<std::optional<Diagnosis>> load_diagnosis(state::Tx& tx, std::string_view incident_id) {
  SENTINEL_ASSIGN(const state::Rows rows, tx.query("SELECT document FROM incident_diagnoses WHERE incident_id = ?",
                                                   {std::string(incident_id)}));
  if (rows.empty()) return std::optional<Diagnosis>();
  SENTINEL_ASSIGN(Diagnosis diagnosis, diagnosis_from_json(rows.front().text(0)));
  return std::optional<Diagnosis>(std::move(diagnosis));
}

Result<std::optional<Summary>> load_summary(state::Tx& tx, std::string_view incident_id) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT text, model, of_why, at FROM incident_summaries WHERE incident_id = ?",
                           {std::string(incident_id)}));
  if (rows.empty()) return std::optional<Summary>();
  const state::Row& row = rows.front();
  return std::optional<Summary>({row.text(0), row.text(1), row.text(2), time_from_us(row.integer(3))});
}

}  // namespace sentinel::incident
