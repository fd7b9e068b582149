#include "oncall/import/kit.h"

#include <algorithm>
#include <numeric>

#include "base/strings.h"
#include "oncall/limits.h"
#include "oncall/turns.h"

namespace sentinel::oncall::import {
namespace {

constexpr int64_t kDay = 86400;
constexpr int64_t kWeek = 7 * kDay;
constexpr size_t kIdMax = 60;

// A list that says the same over and over is said once.
void shorten(std::vector<std::vector<std::string>>& slots) {
  for (size_t period = 1; period < slots.size(); ++period) {
    if (slots.size() % period != 0) continue;
    bool same = true;
    for (size_t i = period; i < slots.size() && same; ++i) same = slots[i] == slots[i - period];
    if (!same) continue;
    slots.resize(period);
    return;
  }
}

}  // namespace

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* v = object.if_contains(key);
  if (v == nullptr) return "";
  if (const auto* s = v->if_string()) return std::string(*s);
  if (const auto* i = v->if_int64()) return std::to_string(*i);
  return "";
}

int64_t int_at(const json::object& object, std::string_view key, int64_t fallback) {
  const json::value* v = object.if_contains(key);
  if (v == nullptr) return fallback;
  if (const auto* i = v->if_int64()) return *i;
  if (const auto* s = v->if_string()) return parse_int(*s).value_or(fallback);
  return fallback;
}

bool bool_at(const json::object& object, std::string_view key, bool fallback) {
  const json::value* v = object.if_contains(key);
  return v != nullptr && v->is_bool() ? v->as_bool() : fallback;
}

const json::array& array_at(const json::object& object, std::string_view key) {
  static const json::array kNone;
  const json::value* v = object.if_contains(key);
  return v != nullptr && v->is_array() ? v->as_array() : kNone;
}

const json::object& object_at(const json::object& object, std::string_view key) {
  static const json::object kNone;
  const json::value* v = object.if_contains(key);
  return v != nullptr && v->is_object() ? v->as_object() : kNone;
}

std::vector<const json::object*> objects_in(const json::array& array) {
  std::vector<const json::object*> out;
  for (const json::value& v : array) {
    if (v.is_object()) out.push_back(&v.as_object());
  }
  return out;
}

std::optional<TimePoint> time_at(const json::object& object, std::string_view key) {
  const std::string text = text_at(object, key);
  if (text.size() < 16) return std::nullopt;  // a bare number is no time here
  const auto time = parse_time(text);
  return time ? std::optional(*time) : std::nullopt;
}

void Draft::note(std::string what, std::string why) {
  const bool known = std::any_of(out.notes.begin(), out.notes.end(),
                                 [&](const ImportNote& n) { return n.what == what && n.why == why; });
  if (!known) out.notes.push_back({std::move(what), std::move(why)});
}

std::string Draft::new_id(std::string_view kind, std::string_view name) {
  std::string id;
  for (const char c : to_lower(name)) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    if (fits) {
      id += c;
    } else if (!id.empty() && id.back() != '-') {
      id += '-';
    }
  }
  id.resize(std::min(id.size(), kIdMax));
  while (id.ends_with('-') || id.ends_with('.')) id.pop_back();
  if (id.empty()) id = kind;
  std::string unique = id;
  for (int n = 2; !taken.insert(std::string(kind) + "/" + unique).second; ++n) unique = id + "-" + std::to_string(n);
  return unique;
}

std::string Draft::user(const std::string& id, const std::string& where) {
  const auto found = users.find(id);
  if (found != users.end()) return found->second;
  note(where, "it names the user " + id + ", who is not in the files");
  return "";
}

std::string_view local_part(std::string_view address) { return address.substr(0, address.find('@')); }

User* Draft::add_user(const std::string& their_id, std::string_view id_from, std::string name) {
  if (their_id.empty() || users.contains(their_id) || out.config.users.size() >= kUsersMax) return nullptr;
  User user;
  user.id = new_id("user", id_from);
  user.name = name.empty() ? user.id : std::move(name);
  users.emplace(their_id, user.id);
  return &out.config.users.emplace(user.id, std::move(user)).first->second;
}

Status set_length(Rotation& rotation, int64_t seconds) {
  const std::pair<RotationUnit, int64_t> kUnits[] = {
      {RotationUnit::kWeek, kWeek}, {RotationUnit::kDay, kDay}, {RotationUnit::kHour, 3600}};
  for (const auto& [unit, size] : kUnits) {
    if (seconds <= 0 || seconds % size != 0 || seconds / size > kRotationLengthMax) continue;
    rotation.unit = unit;
    rotation.length = static_cast<int>(seconds / size);
    return {};
  }
  return fail(ErrorCode::kInvalidArgument,
              "a turn of " + std::to_string(seconds) + " s is not a whole number of hours, at most 1000 of a unit");
}

void allow_span(std::vector<Restriction>& to, unsigned weekday, int64_t from_s, int64_t length_s) {
  const auto put = [&to](unsigned day, int64_t from, int64_t until) {
    const std::chrono::seconds begin(from), end(until);
    const auto known = std::find_if(to.begin(), to.end(), [&](const Restriction& r) {
      return r.from == begin && r.to == end && !r.weekdays.empty();
    });
    if (known != to.end()) {
      known->weekdays.insert(day % 7);
    } else {
      to.push_back({{day % 7}, begin, end});
    }
  };
  length_s = std::min(length_s, kWeek);
  if (length_s <= 0) return;
  if (length_s <= kDay)
    return put(weekday, from_s, (from_s + length_s) > kDay ? from_s + length_s - kDay : from_s + length_s);
  for (unsigned day = weekday; length_s > 0; ++day) {
    const int64_t part = std::min(kDay - from_s, length_s);
    put(day, from_s, from_s + part);
    length_s -= part;
    from_s = 0;
  }
}

void allow_daily(std::vector<Restriction>& to, int64_t from_s, int64_t length_s) {
  if (length_s <= 0 || length_s >= kDay) return;
  const int64_t until = from_s + length_s;
  to.push_back({{}, std::chrono::seconds(from_s), std::chrono::seconds(until > kDay ? until - kDay : until)});
}

bool count_every_turn(Layer& layer, const Zone& zone) {
  Rotation& r = layer.rotation;
  const Turns turns(layer, zone);
  if (r.slots.empty() || turns.counted(7) == 7) return true;
  const auto size = static_cast<int64_t>(r.slots.size());
  std::vector<std::vector<std::string>> slots;
  for (int64_t n = 0; n < std::lcm(size, int64_t{7}); ++n) {
    if (turns.slot(n) != nullptr) slots.push_back(r.slots[static_cast<size_t>((r.first_slot + n) % size)]);
  }
  shorten(slots);
  if (slots.empty() || slots.size() > kParticipantsMax) return false;
  r.slots = std::move(slots);
  r.first_slot = 0;
  return true;
}

void silent_before(Layer& layer, const Zone& zone, TimePoint from) {
  Rotation& r = layer.rotation;
  if (r.slots.empty() || from <= zone.first(r.start)) return;
  const Turns turns(layer, zone);
  const int64_t next = turns.at(from) + 1;
  const TimePoint handover = turns.span(next).start;
  const auto size = static_cast<int64_t>(r.slots.size());
  r.first_slot = (r.first_slot + turns.counted(next)) % size;
  r.start = zone.wall(handover);
  r.active_from = from;
}

void add_temporary(Draft& draft, Schedule& schedule, const std::string& id, const Span& span,
                   const std::vector<std::string>& users) {
  const Span left{std::max(span.start, draft.now), span.end};
  if (left.empty() || users.empty() || schedule.temporary.size() >= kChangesMax) return;
  TemporarySchedule out;
  out.id = draft.new_id("change-of-" + schedule.id, id);
  out.span = left;
  for (const std::string& user : users) out.shifts.emplace_back(left, user);
  schedule.temporary.push_back(std::move(out));
}

}  // namespace sentinel::oncall::import
