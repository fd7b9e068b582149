#include "oncall/config_text.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/duration.h"
#include "base/strings.h"

namespace sentinel::oncall {
namespace {

using std::chrono::duration_cast;

constexpr std::array<std::string_view, 7> kDays = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

std::string duration_text(Micros d) { return format_duration(duration_cast<Millis>(d)); }

std::string clock_text(std::chrono::seconds s) {
  const int64_t n = s.count();
  std::string out = fmt::format("{:02}:{:02}", n / 3600, n / 60 % 60);
  if (n % 60 != 0) out += fmt::format(":{:02}", n % 60);
  return "'" + out + "'";
}

std::string list_text(const std::vector<std::string>& items) {
  std::vector<std::string> written;
  for (const std::string& item : items) written.push_back(yaml_scalar(item));
  return "[" + join(written, ", ") + "]";
}

std::string span_text(const Span& s) {
  return fmt::format("from: '{}', to: '{}'", format_rfc3339(s.start), format_rfc3339(s.end));
}

std::string rules_text(const std::vector<NotificationRule>& rules) {
  std::vector<std::string> out;
  for (const NotificationRule& r : rules)
    out.push_back(fmt::format("{{after: {}, by: {}}}", duration_text(r.after), yaml_scalar(r.channel)));
  return "[" + join(out, ", ") + "]";
}

void write_user(std::string& out, const User& user) {
  out += fmt::format("- id: {}\n  name: {}\n", yaml_scalar(user.id), yaml_scalar(user.name));
  std::vector<std::string> contacts;
  for (const auto& [channel, address] : user.contacts)
    contacts.push_back(yaml_scalar(channel) + ": " + yaml_scalar(address));
  if (!contacts.empty()) out += "  contacts: {" + join(contacts, ", ") + "}\n";
  if (user.default_rules.empty() && user.urgent_rules.empty()) return;
  out += "  rules:\n";
  if (!user.default_rules.empty()) out += "    default: " + rules_text(user.default_rules) + "\n";
  if (!user.urgent_rules.empty()) out += "    urgent: " + rules_text(user.urgent_rules) + "\n";
}

std::string restriction_text(const Restriction& r) {
  std::string out = "{";
  if (!r.weekdays.empty()) {
    std::vector<std::string> days;
    // From Monday on, as people write them.
    for (unsigned i = 1; i <= 7; ++i) {
      if (r.weekdays.contains(i % 7)) days.emplace_back(kDays[i % 7]);
    }
    out += "days: [" + join(days, ", ") + "], ";
  }
  return out + "from: " + clock_text(r.from) + ", to: " + clock_text(r.to) + "}";
}

std::string every_text(const Rotation& r) {
  constexpr std::array<std::string_view, 4> kUnits = {"hour", "day", "week", "month"};
  return fmt::format("{} {}{}", r.length, kUnits[static_cast<size_t>(r.unit)], r.length == 1 ? "" : "s");
}

std::string slots_text(const Rotation& r) {
  std::vector<std::string> out;
  for (const std::vector<std::string>& slot : r.slots)
    out.push_back(slot.empty() ? "null" : slot.size() == 1 ? yaml_scalar(slot[0]) : list_text(slot));
  return "[" + join(out, ", ") + "]";
}

void write_layer(std::string& out, const Layer& layer) {
  out += fmt::format("  - name: {}\n    priority: {}\n", yaml_scalar(layer.name), layer.priority);
  if (layer.zone) out += "    time_zone: " + yaml_scalar(layer.zone->name()) + "\n";
  const Rotation& r = layer.rotation;
  out += fmt::format("    start: '{}'\n    every: {}\n", format_wall_time(r.start), every_text(r));
  if (r.first_slot != 0) out += fmt::format("    first: {}\n", r.first_slot + 1);
  if (r.active_from) out += "    active_from: '" + format_rfc3339(*r.active_from) + "'\n";
  if (layer.end) out += "    end: '" + format_rfc3339(*layer.end) + "'\n";
  out += "    participants: " + slots_text(r) + "\n";
  if (layer.on_holidays == OnHolidays::kOff) out += "    on_holidays: 'off'\n";
  if (layer.on_holidays == OnHolidays::kOnly) out += "    on_holidays: only\n";
  if (!layer.restrictions.empty()) out += "    restrictions:\n";
  for (const Restriction& x : layer.restrictions) out += "    - " + restriction_text(x) + "\n";
}

void write_changes(std::string& out, const Schedule& s) {
  if (!s.temporary.empty()) out += "  temporary:\n";
  for (const TemporarySchedule& t : s.temporary) {
    std::vector<std::string> shifts;
    for (const auto& [span, user] : t.shifts)
      shifts.push_back(fmt::format("{{user: {}, {}}}", yaml_scalar(user), span_text(span)));
    out += fmt::format("  - id: {}\n    from: '{}'\n    to: '{}'\n    shifts: [{}]\n", yaml_scalar(t.id),
                       format_rfc3339(t.span.start), format_rfc3339(t.span.end), join(shifts, ", "));
  }
  if (!s.swaps.empty()) out += "  swaps:\n";
  for (const Swap& w : s.swaps) {
    out += fmt::format("  - {{id: {}, user: {}, {}", yaml_scalar(w.id), yaml_scalar(w.user), span_text(w.span));
    if (!w.taken_by.empty()) out += ", taken_by: " + yaml_scalar(w.taken_by);
    if (w.in_return) out += ", in_return: {" + span_text(*w.in_return) + "}";
    out += "}\n";
  }
  constexpr std::array<std::string_view, 3> kKinds = {"add", "remove", "replace"};
  if (!s.overrides.empty()) out += "  overrides:\n";
  for (const Override& o : s.overrides) {
    out += fmt::format("  - {{id: {}, {}: {}, {}", yaml_scalar(o.id), kKinds[static_cast<size_t>(o.kind)],
                       yaml_scalar(o.user), span_text(o.span));
    out += o.with.empty() ? "}\n" : ", with: " + yaml_scalar(o.with) + "}\n";
  }
}

void write_schedule(std::string& out, const Schedule& s) {
  out += fmt::format("- id: {}\n  name: {}\n  time_zone: {}\n", yaml_scalar(s.id), yaml_scalar(s.name),
                     yaml_scalar(s.zone.name()));
  std::vector<std::string> holidays;
  for (const WallDay day : s.holidays) holidays.push_back("'" + format_wall_day(day) + "'");
  if (!holidays.empty()) out += "  holidays: [" + join(holidays, ", ") + "]\n";
  if (!s.layers.empty()) out += "  layers:\n";
  for (const Layer& layer : s.layers) write_layer(out, layer);
  write_changes(out, s);
}

std::string recipients_text(const std::vector<Recipient>& recipients) {
  constexpr std::array<std::string_view, 3> kKinds = {"user", "schedule", "team"};
  std::vector<std::string> out;
  for (const Recipient& r : recipients) {
    out.push_back(r.kind == Recipient::Kind::kRoundRobin
                      ? "{round_robin: " + list_text(r.users) + "}"
                      : fmt::format("{{{}: {}}}", kKinds[static_cast<size_t>(r.kind)], yaml_scalar(r.id)));
  }
  return "[" + join(out, ", ") + "]";
}

void write_policy(std::string& out, const Policy& p) {
  out += fmt::format("- id: {}\n  name: {}\n", yaml_scalar(p.id), yaml_scalar(p.name));
  if (!p.levels.empty()) out += "  levels:\n";
  for (const Level& level : p.levels) {
    out += fmt::format("  - id: {}\n    notify: {}\n    timeout: {}\n", yaml_scalar(level.id),
                       recipients_text(level.recipients), duration_text(level.timeout));
    if (!level.channels.empty()) out += "    by: " + list_text(level.channels) + "\n";
    if (!level.gate) continue;
    std::vector<std::string> open;
    for (const Restriction& r : level.gate->restrictions) open.push_back(restriction_text(r));
    out += fmt::format("    when: {{time_zone: {}, outside: {}, restrictions: [{}]}}\n",
                       yaml_scalar(level.gate->zone.name()), level.gate->wait ? "wait" : "skip", join(open, ", "));
  }
  if (p.repeats != 0) out += fmt::format("  repeat: {}\n", p.repeats);
  if (p.acknowledge_timeout) out += "  acknowledge_timeout: " + duration_text(*p.acknowledge_timeout) + "\n";
  if (!p.last_resort.empty()) out += "  last_resort: " + recipients_text(p.last_resort) + "\n";
}

}  // namespace

std::string yaml_scalar(std::string_view text) {
  constexpr std::array<std::string_view, 10> kWords = {"null", "true", "false", "yes", "no",
                                                       "on",   "off",  "y",     "n",   "nan"};
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto inside = [&](char c) {
    return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '@' || c == '/' || c == '-' || c == ' ';
  };
  const bool plain = !text.empty() && letter(text.front()) && text.back() != ' ' &&
                     std::all_of(text.begin(), text.end(), inside) &&
                     std::find(kWords.begin(), kWords.end(), to_lower(text)) == kWords.end();
  if (plain) return std::string(text);
  const bool printable = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
  return printable ? "'" + replace_all(std::string(text), "'", "''") + "'" : json_quote(to_valid_utf8(text));
}

std::string config_text(const Config& config) {
  std::string out;
  const auto section = [&out](const char* name, const auto& items, auto write) {
    if (items.empty()) return;
    out += fmt::format("{}{}:\n", out.empty() ? "" : "\n", name);
    for (const auto& [id, item] : items) write(out, item);
  };
  section("users", config.users, write_user);
  section("teams", config.teams, [](std::string& to, const Team& t) {
    to += fmt::format("- {{id: {}, name: {}, members: {}}}\n", yaml_scalar(t.id), yaml_scalar(t.name),
                      list_text(t.members));
  });
  section("schedules", config.schedules, write_schedule);
  section("policies", config.policies, write_policy);
  if (!config.maintenance.empty()) out += "\nmaintenance:\n";
  for (const MaintenanceWindow& w : config.maintenance) {
    out += fmt::format("- {{id: {}, {}", yaml_scalar(w.id), span_text(w.span));
    if (w.repeat) {
      out += fmt::format(", repeat: {}, time_zone: {}", *w.repeat == RotationUnit::kDay ? "day" : "week",
                         yaml_scalar(w.zone.name()));
    }
    if (w.until) out += ", until: '" + format_rfc3339(*w.until) + "'";
    if (!w.reason.empty()) out += ", reason: " + yaml_scalar(w.reason);
    if (!w.components.empty()) out += ", components: " + list_text(w.components);
    if (!w.public_reason.empty()) out += ", public_reason: " + yaml_scalar(w.public_reason);
    out += w.policies.empty() ? "}\n" : ", policies: " + list_text(w.policies) + "}\n";
  }
  if (!config.last_resort.empty()) out += "\nlast_resort: " + recipients_text(config.last_resort) + "\n";
  const std::string& fallback = config.routing.default_policy;
  if (!fallback.empty() && fallback != "default") out += "\ndefault_policy: " + yaml_scalar(fallback) + "\n";
  return out;
}

}  // namespace sentinel::oncall
