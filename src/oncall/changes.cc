#include "oncall/changes.h"

#include <algorithm>
#include <array>

#include "oncall/limits.h"
#include "text/json.h"

namespace sentinel::oncall {
namespace {

constexpr std::array<std::string_view, 3> kKinds = {"add", "remove", "replace"};

std::string document_of(const ScheduleChange& c) {
  std::string out;
  text::JsonWriter json(out);
  json.begin_object();
  const auto span = [&json](std::string_view from, std::string_view to, const Span& s) {
    json.field(from, to_us(s.start)).field(to, to_us(s.end));
  };
  if (c.over) {
    json.field("kind", kKinds[static_cast<size_t>(c.over->kind)]).field("user", c.over->user);
    json.field("with", c.over->with);
    span("from", "to", c.over->span);
  } else {
    json.field("kind", "swap").field("user", c.swap->user).field("taken_by", c.swap->taken_by);
    span("from", "to", c.swap->span);
    if (c.swap->in_return) span("return_from", "return_to", *c.swap->in_return);
  }
  json.end_object();
  return out;
}

Result<Span> span_of(const boost::json::object& json, std::string_view from, std::string_view to) {
  SENTINEL_ASSIGN(const int64_t start, text::json_int(json, from));
  SENTINEL_ASSIGN(const int64_t end, text::json_int(json, to));
  return Span{time_from_us(start), time_from_us(end)};
}

Status read_document(std::string_view document, ScheduleChange& c) {
  SENTINEL_ASSIGN(const auto json, text::parse_json_object(document));
  SENTINEL_ASSIGN(const std::string kind, text::json_string(json, "kind"));
  SENTINEL_ASSIGN(const std::string user, text::json_string(json, "user"));
  SENTINEL_ASSIGN(const Span span, span_of(json, "from", "to"));
  if (kind == "swap") {
    c.swap = Swap{c.id, user, span, "", std::nullopt};
    SENTINEL_ASSIGN(c.swap->taken_by, text::json_string(json, "taken_by"));
    if (!json.contains("return_from")) return {};
    SENTINEL_ASSIGN(c.swap->in_return, span_of(json, "return_from", "return_to"));
    return {};
  }
  const auto known = std::find(kKinds.begin(), kKinds.end(), kind);
  if (known == kKinds.end()) return fail(ErrorCode::kInternal, "a change of a schedule is \"" + kind + "\"");
  c.over = Override{c.id, static_cast<Override::Kind>(known - kKinds.begin()), span, user, ""};
  SENTINEL_ASSIGN(c.over->with, text::json_string(json, "with"));
  return {};
}

bool all_known(const Config& config, const ScheduleChange& c) {
  const auto known = [&config](const std::string& user) { return user.empty() || config.users.contains(user); };
  return config.schedules.contains(c.schedule) &&
         (c.over ? known(c.over->user) && known(c.over->with) : known(c.swap->user) && known(c.swap->taken_by));
}

Status check_span(const Span& span) {
  if (span.empty()) return fail(ErrorCode::kInvalidArgument, "the end must be after the start");
  if (span.end - span.start > kRangeMax) return fail(ErrorCode::kInvalidArgument, "that is longer than three years");
  return {};
}

}  // namespace

TimePoint ScheduleChange::ends() const {
  if (over) return over->span.end;
  return swap->in_return ? std::max(swap->span.end, swap->in_return->end) : swap->span.end;
}

Result<std::vector<ScheduleChange>> ChangeStore::list(state::Tx& tx) {
  SENTINEL_ASSIGN(const state::Rows rows,
                  tx.query("SELECT id, schedule, changed_by, at, document FROM oncall_changes ORDER BY at, id"));
  std::vector<ScheduleChange> out;
  for (const state::Row& row : rows) {
    ScheduleChange c{row.text(0), row.text(1), row.text(2), time_from_us(row.integer(3)), std::nullopt, std::nullopt};
    SENTINEL_TRY(read_document(row.text(4), c));
    out.push_back(std::move(c));
  }
  return out;
}

Status ChangeStore::put(state::Tx& tx, const ScheduleChange& c) {
  return tx.exec(
      "INSERT INTO oncall_changes (id, schedule, changed_by, at, ends_at, document) VALUES (?, ?, ?, ?, ?, ?)"
      " ON CONFLICT (id) DO UPDATE SET ends_at = excluded.ends_at, document = excluded.document",
      {c.id, c.schedule, c.by, to_us(c.at), to_us(c.ends()), document_of(c)});
}

Result<bool> ChangeStore::remove(state::Tx& tx, std::string_view id) {
  SENTINEL_TRY(tx.exec("DELETE FROM oncall_changes WHERE id = ?", {std::string(id)}));
  return tx.rows_changed() > 0;
}

Status ChangeStore::prune(state::Tx& tx, TimePoint ended_before) {
  return tx.exec("DELETE FROM oncall_changes WHERE ends_at < ?", {to_us(ended_before)});
}

Config with_changes(Config config, const std::vector<ScheduleChange>& changes) {
  for (const ScheduleChange& c : changes) {
    if (!all_known(config, c)) continue;
    Schedule& schedule = config.schedules.find(c.schedule)->second;
    if (c.over) schedule.overrides.push_back(*c.over);
    if (!c.swap) continue;
    // The configuration may have got a swap of the same days since.
    schedule.swaps.push_back(*c.swap);
    if (!check_swaps(schedule.swaps)) schedule.swaps.pop_back();
  }
  return config;
}

Status check_change(const Config& config, const ScheduleChange& change, TimePoint now) {
  const auto schedule = config.schedules.find(change.schedule);
  if (schedule == config.schedules.end()) return fail(ErrorCode::kNotFound, "no schedule \"" + change.schedule + "\"");
  const auto check_user = [&config](const std::string& user) -> Status {
    if (user.empty() || config.users.contains(user)) return {};
    return fail(ErrorCode::kNotFound, "no user \"" + user + "\"");
  };
  if (change.over) {
    const Override& o = *change.over;
    SENTINEL_TRY(check_span(o.span));
    SENTINEL_TRY(check_user(o.user));
    SENTINEL_TRY(check_user(o.with));
    if ((o.kind == Override::Kind::kReplace) == o.with.empty())
      return fail(ErrorCode::kInvalidArgument, "replace needs with, and only it");
    if (schedule->second.overrides.size() >= kChangesMax)
      return fail(ErrorCode::kTooLarge, "the schedule has too many overrides");
  } else {
    const Swap& s = *change.swap;
    SENTINEL_TRY(check_span(s.span));
    if (s.in_return) SENTINEL_TRY(check_span(*s.in_return));
    SENTINEL_TRY(check_user(s.user));
    SENTINEL_TRY(check_user(s.taken_by));
    if (s.user == s.taken_by) return fail(ErrorCode::kInvalidArgument, "nobody swaps with himself");
    if (schedule->second.swaps.size() >= kChangesMax)
      return fail(ErrorCode::kTooLarge, "the schedule has too many swaps");
    std::vector<Swap> swaps = schedule->second.swaps;
    std::erase_if(swaps, [&](const Swap& other) { return other.id == s.id; });
    swaps.push_back(s);
    SENTINEL_TRY(check_swaps(swaps));
  }
  if (change.ends() <= now) return fail(ErrorCode::kInvalidArgument, "that is over already");
  return {};
}

}  // namespace sentinel::oncall
