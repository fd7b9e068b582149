#include "oncall/people.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <boost/json.hpp>

#include "base/strings.h"
#include "oncall/limits.h"
#include "state/kv.h"
#include "text/json.h"

namespace sentinel::oncall {
namespace {

constexpr std::string_view kUserPrefix = "oncall/user/";
constexpr std::string_view kTeamPrefix = "oncall/team/";
constexpr std::string_view kWindowPrefix = "oncall/maintenance/";
constexpr size_t kContactsMax = 50;
constexpr size_t kTextMax = 500;

void write_rules(text::JsonWriter& json, std::string_view name, const std::vector<NotificationRule>& rules) {
  json.key(name).begin_array();
  for (const NotificationRule& r : rules)
    json.begin_object().field("after", r.after.count()).field("by", r.channel).end_object();
  json.end_array();
}

std::string shortened(const std::string& address) {
  if (address.size() <= 4) return "…";
  return std::string(utf8_prefix(address, 2)) + "…" + address.substr(address.size() - 2);
}

void write_user(text::JsonWriter& json, const User& user, bool shorten) {
  json.field("name", user.name).key("contacts").begin_object();
  for (const auto& [channel, address] : user.contacts)
    json.field(channel, shorten ? to_valid_utf8(shortened(address)) : address);
  json.end_object();
  write_rules(json, "default", user.default_rules);
  write_rules(json, "urgent", user.urgent_rules);
}

Result<std::vector<NotificationRule>> read_rules(const boost::json::object& json, std::string_view name) {
  std::vector<NotificationRule> out;
  SENTINEL_ASSIGN(const boost::json::array* list, text::json_array(json, name));
  for (const boost::json::value& v : *list) {
    if (!v.is_object()) return fail(ErrorCode::kInternal, "a rule of a user is no object");
    NotificationRule rule;
    SENTINEL_ASSIGN(const int64_t after, text::json_int(v.as_object(), "after"));
    rule.after = Micros(after);
    SENTINEL_ASSIGN(rule.channel, text::json_string(v.as_object(), "by"));
    out.push_back(std::move(rule));
  }
  return out;
}

Result<UserChange> read_user(std::string_view id, const std::string& document) {
  SENTINEL_ASSIGN(const auto json, text::parse_json_object(document));
  UserChange out;
  out.user.id = std::string(id);
  SENTINEL_ASSIGN(out.user.name, text::json_string(json, "name"));
  SENTINEL_ASSIGN(const boost::json::object* contacts, text::json_object(json, "contacts"));
  for (const auto& [channel, address] : *contacts) {
    SENTINEL_ASSIGN(std::string text, text::json_string(*contacts, std::string_view(channel)));
    out.user.contacts.emplace(std::string(channel), std::move(text));
  }
  SENTINEL_ASSIGN(out.user.default_rules, read_rules(json, "default"));
  SENTINEL_ASSIGN(out.user.urgent_rules, read_rules(json, "urgent"));
  SENTINEL_ASSIGN(out.created, text::json_bool(json, "created"));
  SENTINEL_ASSIGN(out.by, text::json_string(json, "by"));
  SENTINEL_ASSIGN(const int64_t at, text::json_int(json, "at"));
  out.at = time_from_us(at);
  return out;
}

void write_strings(text::JsonWriter& json, std::string_view name, const std::vector<std::string>& list) {
  json.key(name).begin_array();
  for (const std::string& one : list) json.string(one);
  json.end_array();
}

Result<TeamChange> read_team(std::string_view id, const std::string& document) {
  SENTINEL_ASSIGN(const auto json, text::parse_json_object(document));
  TeamChange out;
  out.team.id = std::string(id);
  SENTINEL_ASSIGN(out.team.name, text::json_string(json, "name"));
  SENTINEL_ASSIGN(out.team.members, text::json_strings(json, "members"));
  SENTINEL_ASSIGN(out.created, text::json_bool(json, "created"));
  SENTINEL_ASSIGN(out.by, text::json_string(json, "by"));
  SENTINEL_ASSIGN(const int64_t at, text::json_int(json, "at"));
  out.at = time_from_us(at);
  return out;
}

void write_window(text::JsonWriter& json, const MaintenanceWindow& w) {
  json.field("from", format_rfc3339(w.span.start)).field("to", format_rfc3339(w.span.end));
  json.field("repeat", !w.repeat ? "" : *w.repeat == RotationUnit::kDay ? "day" : "week");
  json.field("time_zone", w.zone.name()).field("until", w.until ? format_rfc3339(*w.until) : "");
  json.field("reason", w.reason);
  write_strings(json, "policies", w.policies);
  write_strings(json, "components", w.components);
  json.field("public_reason", w.public_reason);
}

Result<WindowChange> read_window(std::string_view id, const std::string& document) {
  SENTINEL_ASSIGN(const auto json, text::parse_json_object(document));
  WindowChange out;
  MaintenanceWindow& w = out.window;
  w.id = std::string(id);
  SENTINEL_ASSIGN(const std::string from, text::json_string(json, "from"));
  SENTINEL_ASSIGN(const std::string to, text::json_string(json, "to"));
  SENTINEL_ASSIGN(w.span.start, parse_time(from));
  SENTINEL_ASSIGN(w.span.end, parse_time(to));
  SENTINEL_ASSIGN(const std::string repeat, text::json_string(json, "repeat"));
  if (!repeat.empty()) w.repeat = repeat == "day" ? RotationUnit::kDay : RotationUnit::kWeek;
  SENTINEL_ASSIGN(const std::string zone, text::json_string(json, "time_zone"));
  SENTINEL_ASSIGN(w.zone, Zone::load(zone));
  SENTINEL_ASSIGN(const std::string until, text::json_string(json, "until"));
  if (!until.empty()) {
    SENTINEL_ASSIGN(w.until, parse_time(until));
  }
  SENTINEL_ASSIGN(w.reason, text::json_string(json, "reason"));
  SENTINEL_ASSIGN(w.policies, text::json_strings(json, "policies"));
  if (json.contains("components")) {  // rows of earlier versions have none
    SENTINEL_ASSIGN(w.components, text::json_strings(json, "components"));
    SENTINEL_ASSIGN(w.public_reason, text::json_string(json, "public_reason"));
  }
  SENTINEL_ASSIGN(out.by, text::json_string(json, "by"));
  SENTINEL_ASSIGN(const int64_t at, text::json_int(json, "at"));
  out.at = time_from_us(at);
  return out;
}

std::string key_of(std::string_view prefix, std::string_view id) { return std::string(prefix) + std::string(id); }

Status check_name(std::string_view id, std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == '@';
  };
  if (id.empty() || id.size() > 100 || !std::all_of(id.begin(), id.end(), fits))
    return fail(ErrorCode::kInvalidArgument, "an id is letters, digits and _ - . @, at most 100");
  if (name.empty() || name.size() > kTextMax) return fail(ErrorCode::kInvalidArgument, "a name is 1 to 500 bytes");
  return {};
}

Status check_rules(const User& user, const std::vector<NotificationRule>& rules) {
  if (rules.size() > kRulesMax) return fail(ErrorCode::kTooLarge, "too many rules");
  for (const NotificationRule& r : rules) {
    if (!user.contacts.contains(r.channel))
      return fail(ErrorCode::kInvalidArgument, "a rule is by \"" + r.channel + "\", which is no contact");
    if (r.after < Micros(0) || r.after > std::chrono::days(7))
      return fail(ErrorCode::kInvalidArgument, "a rule waits between nothing and a week");
  }
  return {};
}

}  // namespace

Result<People> PeopleStore::list(state::Tx& tx) {
  People out;
  SENTINEL_ASSIGN(const auto users, state::KeyValue::list(tx, kUserPrefix, 2 * kUsersMax));
  for (const auto& [key, document] : users) {
    const std::string id = key.substr(kUserPrefix.size());
    SENTINEL_ASSIGN(UserChange change, read_user(id, document));
    out.users.emplace(id, std::move(change));
  }
  SENTINEL_ASSIGN(const auto teams, state::KeyValue::list(tx, kTeamPrefix, 2 * kUsersMax));
  for (const auto& [key, document] : teams) {
    const std::string id = key.substr(kTeamPrefix.size());
    SENTINEL_ASSIGN(TeamChange change, read_team(id, document));
    out.teams.emplace(id, std::move(change));
  }
  SENTINEL_ASSIGN(const auto windows, state::KeyValue::list(tx, kWindowPrefix, 2 * kChangesMax));
  for (const auto& [key, document] : windows) {
    const std::string id = key.substr(kWindowPrefix.size());
    SENTINEL_ASSIGN(WindowChange change, read_window(id, document));
    out.windows.emplace(id, std::move(change));
  }
  return out;
}

Status PeopleStore::put(state::Tx& tx, const UserChange& c) {
  std::string document;
  text::JsonWriter json(document);
  json.begin_object();
  write_user(json, c.user, false);
  json.field("created", c.created).field("by", c.by).field("at", to_us(c.at)).end_object();
  return state::KeyValue::put(tx, key_of(kUserPrefix, c.user.id), document, c.at);
}

Status PeopleStore::put(state::Tx& tx, const TeamChange& c) {
  std::string document;
  text::JsonWriter json(document);
  json.begin_object().field("name", c.team.name);
  write_strings(json, "members", c.team.members);
  json.field("created", c.created).field("by", c.by).field("at", to_us(c.at)).end_object();
  return state::KeyValue::put(tx, key_of(kTeamPrefix, c.team.id), document, c.at);
}

Status PeopleStore::put(state::Tx& tx, const WindowChange& c) {
  std::string document;
  text::JsonWriter json(document);
  json.begin_object();
  write_window(json, c.window);
  json.field("by", c.by).field("at", to_us(c.at)).end_object();
  return state::KeyValue::put(tx, key_of(kWindowPrefix, c.window.id), document, c.at);
}

Status PeopleStore::remove_user(state::Tx& tx, std::string_view id) {
  return state::KeyValue::remove(tx, key_of(kUserPrefix, id));
}
Status PeopleStore::remove_team(state::Tx& tx, std::string_view id) {
  return state::KeyValue::remove(tx, key_of(kTeamPrefix, id));
}
Status PeopleStore::remove_window(state::Tx& tx, std::string_view id) {
  return state::KeyValue::remove(tx, key_of(kWindowPrefix, id));
}

Config with_people(Config config, const People& people) {
  for (const auto& [id, change] : people.users) {
    if (change.created || config.users.contains(id)) config.users.insert_or_assign(id, change.user);
  }
  for (const auto& [id, change] : people.teams) {
    if (!change.created && !config.teams.contains(id)) continue;
    Team& team = config.teams.insert_or_assign(id, change.team).first->second;
    std::erase_if(team.members, [&](const std::string& m) { return !config.users.contains(m); });
  }
  for (const auto& [id, change] : people.windows) {
    MaintenanceWindow window = change.window;
    window.made_at = change.at;
    std::erase_if(window.policies, [&](const std::string& p) { return !config.policies.contains(p); });
    // For policies that are all gone is not for all.
    if (window.policies.empty() && !change.window.policies.empty()) continue;
    config.maintenance.push_back(std::move(window));
  }
  return config;
}

Status check_user(const Config& config, const User& user) {
  SENTINEL_TRY(check_name(user.id, user.name));
  if (user.contacts.size() > kContactsMax) return fail(ErrorCode::kTooLarge, "too many contacts");
  size_t tests = 0;
  for (const auto& [channel, address] : user.contacts) {
    if (!config.channels.contains(channel))
      return fail(ErrorCode::kInvalidArgument, "there is no channel \"" + channel + "\" in the configuration");
    if (address.empty() || address.size() > kTextMax || !is_valid_utf8(address))
      return fail(ErrorCode::kInvalidArgument, "the address for \"" + channel + "\" is empty, too long or no UTF-8");
    tests += config.test_channels.contains(channel);
  }
  if (tests != 0 && tests != user.contacts.size())
    return fail(ErrorCode::kInvalidArgument, "a page for a person never goes by a test channel");
  SENTINEL_TRY(check_rules(user, user.default_rules));
  return check_rules(user, user.urgent_rules);
}

Status check_team(const Config& config, const Team& team) {
  SENTINEL_TRY(check_name(team.id, team.name));
  if (team.members.empty()) return fail(ErrorCode::kInvalidArgument, "a team without members would be told nothing");
  if (team.members.size() > kParticipantsMax) return fail(ErrorCode::kTooLarge, "too many members");
  std::set<std::string_view> seen;
  for (const std::string& member : team.members) {
    if (!config.users.contains(member)) return fail(ErrorCode::kNotFound, "no user \"" + member + "\"");
    if (!seen.insert(member).second) return fail(ErrorCode::kInvalidArgument, "\"" + member + "\" is there twice");
  }
  return {};
}

Status check_window(const Config& config, const MaintenanceWindow& window, TimePoint now) {
  SENTINEL_TRY(check_window(window));
  if (window.span.end - window.span.start > kRangeMax)
    return fail(ErrorCode::kInvalidArgument, "that is longer than three years");
  if (window.reason.size() > kTextMax || window.public_reason.size() > kTextMax)
    return fail(ErrorCode::kInvalidArgument, "a reason has at most 500 bytes");
  for (const std::string& policy : window.policies) {
    if (!config.policies.contains(policy)) return fail(ErrorCode::kNotFound, "no policy \"" + policy + "\"");
  }
  if (!window.repeat && window.span.end <= now) return fail(ErrorCode::kInvalidArgument, "that is over already");
  if (window.until && *window.until <= now) return fail(ErrorCode::kInvalidArgument, "that is over already");
  if (config.maintenance.size() >= kChangesMax) return fail(ErrorCode::kTooLarge, "too many maintenance windows");
  return {};
}

std::string audit_json(const User& user) {
  std::string out;
  text::JsonWriter json(out);
  json.begin_object();
  write_user(json, user, true);
  json.end_object();
  return out;
}

std::string audit_json(const Team& team) {
  std::string out;
  text::JsonWriter json(out);
  json.begin_object().field("name", team.name);
  write_strings(json, "members", team.members);
  json.end_object();
  return out;
}

std::string audit_json(const MaintenanceWindow& window) {
  std::string out;
  text::JsonWriter json(out);
  json.begin_object();
  write_window(json, window);
  json.end_object();
  return out;
}

}  // namespace sentinel::oncall
