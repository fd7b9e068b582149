#include <algorithm>
#include <array>

#include "base/strings.h"
#include "oncall/config_read.h"
#include "oncall/limits.h"

namespace sentinel::oncall {

using text::YamlNode;

Result<std::vector<YamlNode>> list_of(const YamlNode& map, std::string_view key, size_t max) {
  const YamlNode node = map.get(key);
  if (node.is_null()) return std::vector<YamlNode>{};
  if (!node.is_list()) return fail(node.error(std::string(key) + " must be a list"));
  if (node.size() > max) return fail(node.error("more than " + std::to_string(max) + " " + std::string(key)));
  return node.items();
}

Result<std::string> read_id(const YamlNode& node, std::string_view what, std::set<std::string>& seen) {
  SENTINEL_ASSIGN(const YamlNode id_node, node.require(what, "id"));
  SENTINEL_ASSIGN(std::string id, id_node.string());
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == '@';
  };
  if (id.empty() || id.size() > 100 || !std::all_of(id.begin(), id.end(), fits)) {
    return fail(id_node.error("an id is letters, digits and _ - . @, at most 100"));
  }
  if (!seen.insert(id).second) return fail(id_node.error(std::string(what) + " \"" + id + "\" is there twice"));
  return id;
}

Result<Zone> read_zone(const YamlNode& map, const Zone& fallback) {
  const YamlNode node = map.get("time_zone");
  if (node.is_null()) return fallback;
  SENTINEL_ASSIGN(std::string name, node.string());
  return placed(node, Zone::load(std::move(name)));
}

namespace {

constexpr std::array<std::string_view, 7> kWeekdays = {"sunday",   "monday", "tuesday", "wednesday",
                                                       "thursday", "friday", "saturday"};

std::optional<unsigned> weekday_named(std::string_view text) {
  const std::string lower = to_lower(trim(text));
  for (unsigned i = 0; i < kWeekdays.size(); ++i) {
    if (lower == kWeekdays[i] || lower == kWeekdays[i].substr(0, 3)) return i;
  }
  return std::nullopt;
}

// "mon", "monday", "mon-fri", "fri-mon".
Status read_weekdays(const YamlNode& node, std::set<unsigned>& out) {
  SENTINEL_ASSIGN(const std::string written, node.string());
  const auto parts = split(written, '-');
  const auto first = weekday_named(parts.front());
  const auto last = weekday_named(parts.back());
  if (parts.size() > 2 || !first || !last) {
    return fail(node.error("\"" + written + "\" is not a weekday or a range of them, expected mon or mon-fri"));
  }
  for (unsigned day = *first;; day = (day + 1) % 7) {
    out.insert(day);
    if (day == *last) return {};
  }
}

Result<std::chrono::seconds> read_clock(const YamlNode& map, std::string_view key, std::chrono::seconds fallback) {
  const YamlNode node = map.get(key);
  if (node.is_null()) return fallback;
  SENTINEL_ASSIGN(const std::string written, node.string());
  return placed(node, parse_clock(written));
}

}  // namespace

Result<TimePoint> read_instant(const YamlNode& node, const Zone& zone, bool is_end) {
  SENTINEL_ASSIGN(const std::string written, node.string());
  if (written.size() > 16 && (written.back() == 'Z' || written.find_last_of("+-") > 10)) {
    return placed(node, sentinel::parse_time(written));
  }
  SENTINEL_ASSIGN(const WallTime wall, placed(node, parse_wall_time(written)));
  return is_end ? zone.last(wall) : zone.first(wall);
}

Result<Restriction> read_restriction(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("restriction", {"days", "from", "to"}));
  Restriction out;
  SENTINEL_ASSIGN(const std::vector<YamlNode> day_nodes, list_of(node, "days", 7));
  if (node.has("days") && day_nodes.empty()) return fail(node.get("days").error("no day is named: leave days out"));
  for (const YamlNode& day : day_nodes) SENTINEL_TRY(read_weekdays(day, out.weekdays));
  SENTINEL_ASSIGN(out.from, read_clock(node, "from", std::chrono::seconds(0)));
  SENTINEL_ASSIGN(out.to, read_clock(node, "to", std::chrono::hours(24)));
  if (out.from >= std::chrono::hours(24)) return fail(node.get("from").error("24:00 is no beginning, write 00:00"));
  return out;
}

Result<Span> read_span(const YamlNode& node, std::string_view what, const Zone& zone) {
  SENTINEL_ASSIGN(const YamlNode from, node.require(what, "from"));
  Span out;
  SENTINEL_ASSIGN(out.start, read_instant(from, zone, false));
  const YamlNode duration = node.get("duration");
  const YamlNode to = node.get("to");
  if (duration.is_null() == to.is_null()) return fail(node.error(std::string(what) + " needs either to or duration"));
  if (to.is_null()) {
    SENTINEL_ASSIGN(const Millis length, duration.duration());
    out.end = out.start + length;
  } else {
    SENTINEL_ASSIGN(out.end, read_instant(to, zone, true));
  }
  if (out.empty()) return fail((to.is_null() ? duration : to).error("the end must be after the start"));
  return out;
}

namespace {

Status read_every(const YamlNode& node, Rotation& out) {
  SENTINEL_ASSIGN(const std::string written, node.string());
  const auto parts = split(trim(written), ' ');
  const auto count = parts.size() == 2 ? parse_int(parts[0]) : std::optional<int64_t>(1);
  std::string unit = to_lower(parts.back());
  if (unit.ends_with('s')) unit.pop_back();
  constexpr std::array<std::string_view, 4> kUnits = {"hour", "day", "week", "month"};
  const auto it = std::find(kUnits.begin(), kUnits.end(), unit);
  if (parts.size() > 2 || !count || *count < 1 || *count > kRotationLengthMax || it == kUnits.end()) {
    return fail(
        node.error("\"" + written + "\" is not a length, expected \"12 hours\", \"1 day\", \"week\", \"2 months\""));
  }
  out.length = static_cast<int>(*count);
  out.unit = static_cast<RotationUnit>(it - kUnits.begin());
  return {};
}

Status read_slots(const YamlNode& layer, Rotation& out) {
  SENTINEL_ASSIGN(const std::vector<YamlNode> slots, list_of(layer, "participants", kParticipantsMax));
  if (slots.empty()) return fail(layer.error("a layer needs participants"));
  for (const YamlNode& slot : slots) {
    std::vector<std::string> users;
    if (slot.is_list()) {
      SENTINEL_ASSIGN(users, slot.strings());
    } else if (!slot.is_null()) {
      SENTINEL_ASSIGN(const std::string user, slot.string());
      users = {user};
    }
    if (users.size() > kSlotUsersMax) return fail(slot.error("too many share one turn"));
    out.slots.push_back(std::move(users));
  }
  return {};
}

Result<Layer> read_layer(const YamlNode& node, const Zone& schedule_zone, int priority) {
  SENTINEL_TRY(node.expect_keys("layer", {"name", "priority", "time_zone", "start", "end", "every", "participants",
                                          "first", "active_from", "restrictions", "on_holidays"}));
  Layer out;
  if (node.has("time_zone")) {
    SENTINEL_ASSIGN(out.zone, read_zone(node, schedule_zone));
  }
  const Zone& zone = out.zone ? *out.zone : schedule_zone;
  SENTINEL_ASSIGN(out.name, node.string_or("name", std::to_string(priority)));
  SENTINEL_ASSIGN(const int64_t given, node.integer_or("priority", priority));
  if (given < 0 || given > 1000) return fail(node.get("priority").error("a priority is between 0 and 1000"));
  out.priority = static_cast<int>(given);
  SENTINEL_ASSIGN(const YamlNode start, node.require("layer", "start"));
  SENTINEL_ASSIGN(const std::string start_text, start.string());
  SENTINEL_ASSIGN(out.rotation.start, placed(start, parse_wall_time(start_text)));
  SENTINEL_ASSIGN(const YamlNode every, node.require("layer", "every"));
  SENTINEL_TRY(read_every(every, out.rotation));
  SENTINEL_TRY(read_slots(node, out.rotation));
  SENTINEL_ASSIGN(const int64_t first, node.integer_or("first", 1));
  if (first < 1 || first > static_cast<int64_t>(out.rotation.slots.size())) {
    return fail(node.get("first").error("first is the number of a participant, from 1"));
  }
  out.rotation.first_slot = first - 1;
  if (node.has("active_from")) {
    SENTINEL_ASSIGN(out.rotation.active_from, read_instant(node.get("active_from"), zone, false));
  }
  if (node.has("end")) {
    SENTINEL_ASSIGN(out.end, read_instant(node.get("end"), zone, true));
  }
  SENTINEL_ASSIGN(const std::vector<YamlNode> restrictions, list_of(node, "restrictions", kRestrictionsMax));
  for (const YamlNode& r : restrictions) {
    SENTINEL_ASSIGN(Restriction restriction, read_restriction(r));
    out.restrictions.push_back(std::move(restriction));
  }
  SENTINEL_ASSIGN(const std::string holidays, node.string_or("on_holidays", "serve"));
  constexpr std::array<std::string_view, 3> kUses = {"serve", "off", "only"};
  const auto use = std::find(kUses.begin(), kUses.end(), holidays);
  if (use == kUses.end()) return fail(node.get("on_holidays").error("on_holidays is serve, off or only"));
  out.on_holidays = static_cast<OnHolidays>(use - kUses.begin());
  return out;
}

Result<Override> read_override(const YamlNode& node, const Zone& zone, std::set<std::string>& seen) {
  SENTINEL_TRY(node.expect_keys("override", {"id", "from", "to", "duration", "add", "remove", "replace", "with"}));
  Override out;
  SENTINEL_ASSIGN(out.id, read_id(node, "override", seen));
  SENTINEL_ASSIGN(out.span, read_span(node, "override", zone));
  constexpr std::array<std::string_view, 3> kKinds = {"add", "remove", "replace"};
  int given = 0;
  for (size_t i = 0; i < kKinds.size(); ++i) {
    if (!node.has(kKinds[i])) continue;
    ++given;
    out.kind = static_cast<Override::Kind>(i);
    SENTINEL_ASSIGN(out.user, node.get(kKinds[i]).string());
  }
  if (given != 1) return fail(node.error("an override needs one of add, remove and replace"));
  if ((out.kind == Override::Kind::kReplace) != node.has("with"))
    return fail(node.error("replace needs with, and only it"));
  SENTINEL_ASSIGN(out.with, node.string_or("with", ""));
  return out;
}

Result<TemporarySchedule> read_temporary(const YamlNode& node, const Zone& zone, std::set<std::string>& seen) {
  SENTINEL_TRY(node.expect_keys("temporary schedule", {"id", "from", "to", "duration", "shifts"}));
  TemporarySchedule out;
  SENTINEL_ASSIGN(out.id, read_id(node, "temporary schedule", seen));
  SENTINEL_ASSIGN(out.span, read_span(node, "temporary schedule", zone));
  SENTINEL_ASSIGN(const std::vector<YamlNode> shifts, list_of(node, "shifts", kChangesMax));
  for (const YamlNode& shift : shifts) {
    SENTINEL_TRY(shift.expect_keys("shift", {"user", "from", "to", "duration"}));
    SENTINEL_ASSIGN(const YamlNode user_node, shift.require("shift", "user"));
    SENTINEL_ASSIGN(std::string user, user_node.string());
    SENTINEL_ASSIGN(const Span span, read_span(shift, "shift", zone));
    if (intersect(span, out.span) != span) return fail(shift.error("a shift lies within its temporary schedule"));
    out.shifts.emplace_back(span, std::move(user));
  }
  return out;
}

Result<Swap> read_swap(const YamlNode& node, const Zone& zone, std::set<std::string>& seen) {
  SENTINEL_TRY(node.expect_keys("swap", {"id", "user", "from", "to", "duration", "taken_by", "in_return"}));
  Swap out;
  SENTINEL_ASSIGN(out.id, read_id(node, "swap", seen));
  SENTINEL_ASSIGN(const YamlNode user, node.require("swap", "user"));
  SENTINEL_ASSIGN(out.user, user.string());
  SENTINEL_ASSIGN(out.span, read_span(node, "swap", zone));
  SENTINEL_ASSIGN(out.taken_by, node.string_or("taken_by", ""));
  if (!node.has("in_return")) return out;
  if (out.taken_by.empty()) return fail(node.get("in_return").error("in_return needs taken_by"));
  SENTINEL_TRY(node.get("in_return").expect_keys("in_return", {"from", "to", "duration"}));
  SENTINEL_ASSIGN(out.in_return, read_span(node.get("in_return"), "in_return", zone));
  return out;
}

Status read_changes(const YamlNode& node, Schedule& out) {
  std::set<std::string> seen;
  SENTINEL_ASSIGN(const std::vector<YamlNode> overrides, list_of(node, "overrides", kChangesMax));
  for (const YamlNode& item : overrides) {
    SENTINEL_ASSIGN(Override o, read_override(item, out.zone, seen));
    out.overrides.push_back(std::move(o));
  }
  SENTINEL_ASSIGN(const std::vector<YamlNode> temporary, list_of(node, "temporary", kChangesMax));
  for (const YamlNode& item : temporary) {
    SENTINEL_ASSIGN(TemporarySchedule t, read_temporary(item, out.zone, seen));
    out.temporary.push_back(std::move(t));
  }
  SENTINEL_ASSIGN(const std::vector<YamlNode> swaps, list_of(node, "swaps", kChangesMax));
  for (const YamlNode& item : swaps) {
    SENTINEL_ASSIGN(Swap swap, read_swap(item, out.zone, seen));
    out.swaps.push_back(std::move(swap));
    const Status fits = check_swaps(out.swaps);
    if (!fits) return fail(item.error(fits.error().message()));
  }
  return {};
}

}  // namespace

Result<Schedule> parse_schedule(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys(
      "schedule", {"id", "name", "time_zone", "holidays", "layers", "overrides", "temporary", "swaps", "calendars"}));
  Schedule out;
  std::set<std::string> seen;
  SENTINEL_ASSIGN(out.id, read_id(node, "schedule", seen));
  SENTINEL_ASSIGN(out.name, node.string_or("name", out.id));
  SENTINEL_ASSIGN(out.zone, read_zone(node, Zone()));
  SENTINEL_ASSIGN(const std::vector<YamlNode> holidays, list_of(node, "holidays", kChangesMax));
  for (const YamlNode& item : holidays) {
    SENTINEL_ASSIGN(const std::string written, item.string());
    SENTINEL_ASSIGN(const WallDay day, placed(item, parse_wall_day(written)));
    out.holidays.insert(day);
  }
  SENTINEL_ASSIGN(const std::vector<YamlNode> layers, list_of(node, "layers", kLayersMax));
  for (const YamlNode& item : layers) {
    SENTINEL_ASSIGN(Layer layer, read_layer(item, out.zone, static_cast<int>(out.layers.size()) + 1));
    out.layers.push_back(std::move(layer));
  }
  SENTINEL_TRY(read_changes(node, out));
  return out;
}

}  // namespace sentinel::oncall
