#include "alerting/notification_log.h"

#include <algorithm>
#include <iterator>

namespace sentinel::alerting {
namespace {

bool is_subset(const Fingerprints& part, const Fingerprints& whole) {
  return std::includes(whole.begin(), whole.end(), part.begin(), part.end());
}

Fingerprints common(const Fingerprints& a, const Fingerprints& b) {
  Fingerprints out;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::inserter(out, out.end()));
  return out;
}

void append(state::SqlParams& params, const std::optional<Told>& told) {
  if (!told) {
    params.insert(params.end(), {std::monostate{}, std::monostate{}, std::monostate{}, std::monostate{}});
    return;
  }
  params.insert(params.end(), {to_us(told->at), encode_fingerprints(told->firing), encode_fingerprints(told->resolved),
                               encode_fingerprints(told->maybe_firing)});
}

std::optional<Told> read_told(const state::Row& row, size_t i) {
  if (row.is_null(i)) return std::nullopt;
  return Told{time_from_us(row.integer(i)), decode_fingerprints(row.text(i + 1)), decode_fingerprints(row.text(i + 2)),
              decode_fingerprints(row.text(i + 3))};
}

}  // namespace

std::string_view notification_reason(const std::optional<Told>& told, const Fingerprints& firing,
                                     const Fingerprints& resolved, bool send_resolved, Micros repeat_interval,
                                     TimePoint now) {
  if (!told) return firing.empty() ? "" : "first notification";
  if (!is_subset(firing, told->firing)) return told->firing.empty() ? "first notification" : "new alerts added";
  // Also when resolved ones are not sent: the log must forget that they fire.
  if (firing.empty()) return told->firing.empty() && told->maybe_firing.empty() ? "" : "all alerts resolved";
  if (send_resolved && !is_subset(resolved, told->resolved)) return "some alerts resolved";
  return told->at < now - repeat_interval ? kRepeatReason : "";
}

Status NotificationLog::load(state::Tx& tx) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT group_key, integration, told_at, told_firing, told_resolved, told_maybe, telling_at,"
                           " telling_firing, telling_resolved, telling_maybe, message_key, group_id, generation, "
                           "expires_at FROM alert_notification_log"));
  for (const state::Row& row : rows) {
    LogEntry e;
    e.group_key = row.text(0);
    e.integration = row.text(1);
    e.told = read_told(row, 2);
    e.telling = read_told(row, 6);
    e.message_key = row.text(10);
    e.group_id = row.text(11);
    e.generation = row.integer(12);
    e.expires_at = time_from_us(row.integer(13));
    put(std::move(e));
  }
  return {};
}

const LogEntry* NotificationLog::find(std::string_view group_key, std::string_view integration) const {
  const auto it = entries_.find(Key(group_key, integration));
  return it == entries_.end() ? nullptr : &it->second;
}

const LogEntry* NotificationLog::find_message(std::string_view message_key) const {
  const auto it = by_message_.find(message_key);
  return it == by_message_.end() ? nullptr : &entries_.at(it->second);
}

std::vector<const LogEntry*> NotificationLog::waiting() const {
  std::vector<const LogEntry*> out;
  for (const auto& [message, key] : by_message_) out.push_back(&entries_.at(key));
  return out;
}

Status NotificationLog::write(state::Tx& tx, const LogEntry& e) {
  state::SqlParams params = {e.group_key, e.integration};
  append(params, e.told);
  append(params, e.telling);
  params.insert(params.end(), {e.message_key, e.group_id, e.generation, to_us(e.expires_at)});
  return tx.exec(
      "INSERT INTO alert_notification_log (group_key, integration, told_at, told_firing, told_resolved, told_maybe,"
      " telling_at, telling_firing, telling_resolved, telling_maybe, message_key, group_id, generation, expires_at)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (group_key, integration) DO UPDATE SET"
      " told_at = excluded.told_at, told_firing = excluded.told_firing, told_resolved = excluded.told_resolved,"
      " told_maybe = excluded.told_maybe, telling_at = excluded.telling_at, telling_firing = excluded.telling_firing,"
      " telling_resolved = excluded.telling_resolved, telling_maybe = excluded.telling_maybe, message_key = "
      "excluded.message_key, group_id = excluded.group_id,"
      " generation = excluded.generation, expires_at = excluded.expires_at",
      params);
}

void NotificationLog::put(LogEntry entry) {
  Key key(entry.group_key, entry.integration);
  if (const auto old = entries_.find(key); old != entries_.end()) by_message_.erase(old->second.message_key);
  if (!entry.message_key.empty()) by_message_[entry.message_key] = key;
  entries_.insert_or_assign(std::move(key), std::move(entry));
}

LogEntry NotificationLog::delivered(LogEntry entry) {
  entry.told = std::move(entry.telling);
  entry.telling.reset();
  entry.message_key.clear();
  entry.group_id.clear();
  ++entry.generation;
  return entry;
}

// The generation stays: the same news tried again later has the same key.
LogEntry NotificationLog::failed(LogEntry entry) {
  Told sure = entry.told.value_or(Told{});
  const Told tried = entry.telling.value_or(Told{});
  sure.maybe_firing.insert(sure.firing.begin(), sure.firing.end());
  sure.maybe_firing.insert(tried.firing.begin(), tried.firing.end());
  sure.firing = common(sure.firing, tried.firing);
  sure.resolved = common(sure.resolved, tried.resolved);
  entry.told = std::move(sure);
  entry.telling.reset();
  entry.message_key.clear();
  entry.group_id.clear();
  return entry;
}

Status NotificationLog::prune(state::Database& database, TimePoint now) {
  SENTINEL_TRY(database.write([&](state::Tx& tx) {
    return tx.exec("DELETE FROM alert_notification_log WHERE expires_at < ? AND message_key = ''", {to_us(now)});
  }));
  std::erase_if(entries_, [&](const auto& e) { return e.second.expires_at < now && e.second.message_key.empty(); });
  return {};
}

}  // namespace sentinel::alerting
