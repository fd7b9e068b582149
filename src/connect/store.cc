#include "connect/store.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "text/json.h"

namespace sentinel::connect {
namespace {

constexpr std::string_view kColumns =
    "connection, incident_id, remote, alias, title, url, memory, wanted, said, serial, pending, error, poll_at, "
    "updated_at";

Link read_link(const state::Row& row) {
  Link link;
  link.connection = row.text(0);
  link.incident = row.text(1);
  link.place = {row.text(2), row.text(3), row.text(4), row.text(5)};
  // What cannot be read is forgotten: an incident must not wait for it.
  if (auto memory = text::parse_json_object(row.text(6))) link.memory = std::move(*memory);
  link.wanted = row.integer(7);
  link.said = row.integer(8);
  link.serial = row.integer(9);
  link.pending = row.integer(10) != 0;
  link.error = row.text(11);
  link.poll_at = time_from_us(row.integer(12));
  link.updated_at = time_from_us(row.integer(13));
  return link;
}

Result<std::vector<Link>> read_links(state::Tx& tx, std::string_view where, const state::SqlParams& params) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query(fmt::format("SELECT {} FROM connect_links {}", kColumns, where), params));
  std::vector<Link> out;
  out.reserve(rows.size());
  for (const state::Row& row : rows) out.push_back(read_link(row));
  return out;
}

Result<std::optional<Link>> first_link(state::Tx& tx, std::string_view where, const state::SqlParams& params) {
  SENTINEL_ASSIGN(std::vector<Link> found, read_links(tx, where, params));
  if (found.empty()) return std::optional<Link>();
  return std::optional<Link>(std::move(found.front()));
}

}  // namespace

std::string Link::message_key() const { return fmt::format("connect/{}/{}/{}", connection, incident, serial); }

Status migrate_links(state::Database& database) {
  return database.migrate(
      "connect", {{1,
                   "CREATE TABLE connect_links ("
                   "  connection TEXT NOT NULL,"
                   "  incident_id TEXT NOT NULL,"
                   "  remote TEXT NOT NULL,"
                   "  alias TEXT NOT NULL,"
                   "  title TEXT NOT NULL,"
                   "  url TEXT NOT NULL,"
                   "  memory TEXT NOT NULL,"  // JSON, of the kind
                   "  wanted INTEGER NOT NULL,"
                   "  said INTEGER NOT NULL,"
                   "  serial INTEGER NOT NULL,"
                   "  pending INTEGER NOT NULL,"
                   "  error TEXT NOT NULL,"
                   "  poll_at INTEGER NOT NULL,"
                   "  updated_at INTEGER NOT NULL,"
                   "  PRIMARY KEY (connection, incident_id));"
                   "CREATE INDEX connect_links_incident ON connect_links (incident_id);"
                   "CREATE INDEX connect_links_remote ON connect_links (connection, remote) WHERE remote <> '';"
                   "CREATE INDEX connect_links_alias ON connect_links (connection, alias) WHERE alias <> '';"
                   "CREATE INDEX connect_links_unsettled ON connect_links (connection) WHERE pending = 1 OR "
                   "wanted > said OR error <> '';"
                   "CREATE INDEX connect_links_poll ON connect_links (poll_at) WHERE poll_at > 0;"
                   "CREATE TABLE connect_seen ("
                   "  connection TEXT NOT NULL,"
                   "  id TEXT NOT NULL,"
                   "  at INTEGER NOT NULL,"
                   "  PRIMARY KEY (connection, id));"
                   "CREATE INDEX connect_seen_at ON connect_seen (at);"}});
}

Result<std::optional<Link>> find_link(state::Tx& tx, std::string_view connection, std::string_view incident) {
  return first_link(tx, "WHERE connection = ? AND incident_id = ?", {std::string(connection), std::string(incident)});
}

Result<std::optional<Link>> find_remote(state::Tx& tx, std::string_view connection, std::string_view remote) {
  if (remote.empty()) return std::optional<Link>();
  for (const std::string_view column : {"remote", "alias"}) {
    SENTINEL_ASSIGN(
        std::optional<Link> found,
        first_link(tx, fmt::format("WHERE connection = ? AND {} = ? ORDER BY incident_id DESC LIMIT 1", column),
                   {std::string(connection), std::string(remote)}));
    if (found) return found;
  }
  return std::optional<Link>();
}

Status put_link(state::Tx& tx, const Link& l) {
  return tx.exec(
      fmt::format(
          "INSERT INTO connect_links ({}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) "
          "ON CONFLICT (connection, incident_id) DO UPDATE SET remote = excluded.remote, alias = excluded.alias, "
          "title = excluded.title, url = excluded.url, memory = excluded.memory, wanted = excluded.wanted, "
          "said = excluded.said, serial = excluded.serial, pending = excluded.pending, error = excluded.error, "
          "poll_at = excluded.poll_at, updated_at = excluded.updated_at",
          kColumns),
      {l.connection, l.incident, l.place.remote, l.place.alias, l.place.title, l.place.url,
       boost::json::serialize(l.memory), l.wanted, l.said, l.serial, static_cast<int64_t>(l.pending), l.error,
       to_us(l.poll_at), to_us(l.updated_at)});
}

Result<std::vector<Link>> links_of(state::Tx& tx, std::string_view incident) {
  return read_links(tx, "WHERE incident_id = ? ORDER BY connection", {std::string(incident)});
}

Result<std::vector<Link>> unsettled_links(state::Tx& tx) {
  return read_links(tx, "WHERE pending = 1 OR wanted > said OR error <> '' ORDER BY connection, incident_id", {});
}

Result<std::vector<Link>> links_to_poll(state::Tx& tx, TimePoint now, size_t limit) {
  return read_links(tx, "WHERE poll_at > 0 AND poll_at <= ? ORDER BY poll_at LIMIT ?",
                    {to_us(now), static_cast<int64_t>(limit)});
}

Result<std::optional<TimePoint>> next_poll(state::Tx& tx) {
  SENTINEL_ASSIGN(const state::Rows rows, tx.query("SELECT MIN(poll_at) FROM connect_links WHERE poll_at > 0"));
  if (rows.empty() || rows.front().is_null(0)) return std::optional<TimePoint>();
  return std::optional<TimePoint>(time_from_us(rows.front().integer(0)));
}

Result<bool> mark_seen(state::Tx& tx, std::string_view connection, std::string_view id, TimePoint now) {
  SENTINEL_TRY(tx.exec("INSERT INTO connect_seen (connection, id, at) VALUES (?,?,?) ON CONFLICT DO NOTHING",
                       {std::string(connection), std::string(id), to_us(now)}));
  return tx.rows_changed() > 0;
}

Result<bool> was_seen(state::Tx& tx, std::string_view connection, std::string_view id) {
  SENTINEL_ASSIGN(const state::Rows rows, tx.query("SELECT 1 FROM connect_seen WHERE connection = ? AND id = ?",
                                                   {std::string(connection), std::string(id)}));
  return !rows.empty();
}

Status prune_seen(state::Tx& tx, TimePoint before) {
  return tx.exec("DELETE FROM connect_seen WHERE at < ?", {to_us(before)});
}

}  // namespace sentinel::connect
