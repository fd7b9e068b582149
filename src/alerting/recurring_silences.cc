#include "alerting/recurring_silences.h"

#include <algorithm>

#include "alerting/limits.h"
#include "base/hash.h"
#include "base/strings.h"
#include "text/labels_json.h"
#include "text/yaml.h"

namespace sentinel::alerting {

Result<std::vector<TimeInterval>> parse_schedule(std::string_view text) {
  SENTINEL_ASSIGN(const text::YamlNode root, text::parse_yaml(text, "time_intervals"));
  if (!root.is_list()) return fail(root.error("time_intervals must be a list"));
  std::vector<TimeInterval> out;
  for (const text::YamlNode& item : root.items()) {
    if (out.size() == kScheduleIntervalsMax)
      return fail(item.error("more than " + std::to_string(kScheduleIntervalsMax) + " time intervals"));
    SENTINEL_ASSIGN(TimeInterval interval, TimeInterval::parse(item));
    out.push_back(std::move(interval));
  }
  if (out.empty()) return fail(root.error("at least one time interval is needed"));
  return out;
}

std::vector<TimeSpan> RecurringSilence::spans(TimePoint from, size_t count) const {
  std::vector<TimeSpan> out;
  from = std::max(from, instance.starts_at);
  const TimePoint horizon = from + kRecurringHorizon;
  while (out.size() < count) {
    auto span = next_span(schedule, from, horizon, kRecurringSpanMax);
    if (!span || (ends_at && span->start >= *ends_at)) break;
    if (ends_at) span->end = std::min(span->end, *ends_at);
    from = span->end;
    out.push_back(*span);
  }
  return out;
}

std::string recurring_instance_id(const std::string& recurring_id, TimePoint start) {
  std::string bytes = sha256(recurring_id + "@" + std::to_string(to_us(start))).substr(0, 16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x80);  // a UUID of version 8: made as its maker likes
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  std::string out = hex_encode(bytes);
  for (const size_t at : {8, 13, 18, 23}) out.insert(at, "-");
  return out;
}

Status RecurringSilences::load(state::Tx& tx) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT id, matchers, schedule, starts_at, ends_at, updated_at, created_by, comment,"
                           " annotations, next_from, removed_at FROM alert_recurring_silences"));
  for (const state::Row& row : rows) {
    RecurringSilence r;
    r.id = row.text(0);
    SENTINEL_ASSIGN(r.instance.matcher_sets, decode_matcher_sets(row.text(1)));
    r.schedule_text = row.text(2);
    SENTINEL_ASSIGN(r.schedule, parse_schedule(r.schedule_text));
    r.instance.starts_at = time_from_us(row.integer(3));
    if (!row.is_null(4)) r.ends_at = time_from_us(row.integer(4));
    r.instance.updated_at = time_from_us(row.integer(5));
    r.instance.created_by = row.text(6);
    r.instance.comment = row.text(7);
    SENTINEL_ASSIGN(r.instance.annotations, text::decode_labels(row.text(8)));
    r.next_from = time_from_us(row.integer(9));
    if (!row.is_null(10)) r.removed_at = time_from_us(row.integer(10));
    put(std::move(r));
  }
  return {};
}

const RecurringSilence* RecurringSilences::find(std::string_view id) const {
  const auto it = all_.find(id);
  return it == all_.end() ? nullptr : &it->second;
}

std::optional<TimePoint> RecurringSilences::next_due() const {
  std::optional<TimePoint> next;
  for (const auto& [id, r] : all_) {
    if (goes_on(r) && (!next || r.next_from < *next)) next = r.next_from;
  }
  return next;
}

std::vector<std::string> RecurringSilences::due(TimePoint now) const {
  std::vector<std::string> out;
  for (const auto& [id, r] : all_) {
    if (goes_on(r) && r.next_from <= now) out.push_back(id);
  }
  return out;
}

Status RecurringSilences::write(state::Tx& tx, const RecurringSilence& r) {
  const auto or_null = [](const std::optional<TimePoint>& time) {
    return time ? state::SqlValue(to_us(*time)) : state::SqlValue(std::monostate{});
  };
  return tx.exec(
      "INSERT INTO alert_recurring_silences (id, matchers, schedule, starts_at, ends_at, updated_at, created_by,"
      " comment, annotations, next_from, removed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO"
      " UPDATE SET next_from = excluded.next_from, removed_at = excluded.removed_at",
      {r.id, encode_matcher_sets(r.instance.matcher_sets), r.schedule_text, to_us(r.instance.starts_at),
       or_null(r.ends_at), to_us(r.instance.updated_at), r.instance.created_by, r.instance.comment,
       text::encode_labels(r.instance.annotations), to_us(r.next_from), or_null(r.removed_at)});
}

Status RecurringSilences::prune(state::Database& database, TimePoint removed_before) {
  const auto old = [&](const auto& entry) {
    return entry.second.removed_at && *entry.second.removed_at < removed_before;
  };
  if (std::none_of(all_.begin(), all_.end(), old)) return {};
  SENTINEL_TRY(database.write([&](state::Tx& tx) {
    return tx.exec("DELETE FROM alert_recurring_silences WHERE removed_at < ?", {to_us(removed_before)});
  }));
  std::erase_if(all_, old);
  return {};
}

void RecurringSilences::put(RecurringSilence recurring) {
  const std::string id = recurring.id;
  all_.insert_or_assign(id, std::move(recurring));
}

}  // namespace sentinel::alerting
