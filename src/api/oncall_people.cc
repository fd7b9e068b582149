// Users, teams and maintenance windows of on-call, changed while the server runs. Whose contacts somebody may see and
// change: his own, and everybody's with the role admin. Who is in a team is for the role admin: it decides who is
// paged.

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "api/auth.h"
#include "api/oncall.h"
#include "api/oncall_json.h"
#include "base/duration.h"
#include "base/strings.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

constexpr std::string_view kTeamsAreForAdmin = "teams are changed by the role admin";

// Where nobody is asked for a token, everybody is admin.
bool is_admin(const net::Request& request) {
  const auto& roles = request.roles;
  return roles.empty() || std::find(roles.begin(), roles.end(), "admin") != roles.end();
}

// The token's user is meant by id, name or e-mail address.
bool is_own(const net::Request& request, const oncall::User& user) {
  if (request.user.empty()) return false;
  return request.user == user.id || request.user == user.name ||
         std::any_of(user.contacts.begin(), user.contacts.end(),
                     [&](const auto& c) { return c.first == "email" && c.second == request.user; });
}

Error not_allowed(const std::string& id) {
  return {ErrorCode::kPermissionDenied,
          fmt::format("the contacts and rules of \"{}\" are for that person and for the role admin", id)};
}

json::array rules_json(const std::vector<oncall::NotificationRule>& rules) {
  json::array out;
  for (const oncall::NotificationRule& r : rules)
    out.push_back(
        json::object{{"after", format_duration(std::chrono::duration_cast<Millis>(r.after))}, {"by", r.channel}});
  return out;
}

// Whether the configuration says so, and else who does.
template <class Changes>
void add_source(json::object& out, const Changes& changes, const std::string& id) {
  const auto changed = changes.find(id);
  const bool is_changed = changed != changes.end();
  out["source"] = !is_changed ? "configuration" : changed->second.created ? "here" : "changed here";
  out["changed_by"] = is_changed ? json::value(changed->second.by) : json::value(nullptr);
  out["changed_at"] = is_changed ? json::value(format_rfc3339(changed->second.at)) : json::value(nullptr);
}

json::object user_json(const oncall::User& user, const oncall::Config& config, const oncall::People& people) {
  json::object contacts;
  for (const auto& [channel, address] : user.contacts) contacts[channel] = address;
  // A person is never told by a test channel, whoever is there for tests by nothing else.
  const bool is_test = !user.contacts.empty() && config.test_channels.contains(user.contacts.begin()->first);
  json::array available;
  for (const auto& [name, integration] : config.channels) {
    if (config.test_channels.contains(name) == is_test)
      available.push_back(json::object{{"name", name}, {"kind", integration.kind}});
  }
  json::object out{
      {"id", user.id},
      {"name", user.name},
      {"contacts", std::move(contacts)},
      {"rules", json::object{{"default", rules_json(user.default_rules)}, {"urgent", rules_json(user.urgent_rules)}}},
      {"available", std::move(available)}};
  add_source(out, people.users, user.id);
  return out;
}

json::object team_json(const oncall::Team& team, const oncall::Config& config, const oncall::People& people) {
  json::array members;
  for (const std::string& member : team.members) members.push_back(person_json(config, member));
  json::object out{{"id", team.id}, {"name", team.name}, {"members", std::move(members)}};
  add_source(out, people.teams, team.id);
  return out;
}

Result<std::vector<oncall::NotificationRule>> rules_of(const json::object& rules, std::string_view kind) {
  std::vector<oncall::NotificationRule> out;
  const json::value* list = rules.if_contains(kind);
  if (list == nullptr || list->is_null()) return out;
  if (!list->is_array())
    return fail(ErrorCode::kInvalidArgument, fmt::format("rules.{} is a list of {{after, by}}", kind));
  for (const json::value& v : list->as_array()) {
    if (!v.is_object())
      return fail(ErrorCode::kInvalidArgument, fmt::format("rules.{} is a list of {{after, by}}", kind));
    oncall::NotificationRule rule;
    SENTINEL_ASSIGN(const std::string after, string_field(v.as_object(), "after"));
    if (!after.empty()) {
      SENTINEL_ASSIGN(const Millis wait, parse_duration(after));
      rule.after = wait;
    }
    SENTINEL_ASSIGN(rule.channel, required_string(v.as_object(), "by"));
    out.push_back(std::move(rule));
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return std::tie(a.after, a.channel) < std::tie(b.after, b.channel); });
  return out;
}

// Fields that are given replace those of `user`.
Status take_fields(const json::object& body, oncall::User& user) {
  for (const auto& field : body) {
    if (field.key() != "name" && field.key() != "contacts" && field.key() != "rules" && field.key() != "actor")
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("unknown field \"{}\"; known are name, contacts, rules", std::string_view(field.key())));
  }
  SENTINEL_ASSIGN(const std::string name, string_field(body, "name"));
  if (!name.empty()) user.name = name;
  if (const json::value* contacts = body.if_contains("contacts"); contacts != nullptr && !contacts->is_null()) {
    if (!contacts->is_object()) return fail(ErrorCode::kInvalidArgument, "contacts is a map of channels to addresses");
    user.contacts.clear();
    for (const auto& [channel, address] : contacts->as_object()) {
      SENTINEL_ASSIGN(std::string text, required_string(contacts->as_object(), std::string_view(channel)));
      user.contacts.emplace(std::string(channel), std::move(text));
    }
  }
  const json::value* rules = body.if_contains("rules");
  if (rules == nullptr || rules->is_null()) return {};
  if (!rules->is_object()) return fail(ErrorCode::kInvalidArgument, "rules is {default, urgent}");
  SENTINEL_ASSIGN(user.default_rules, rules_of(rules->as_object(), "default"));
  SENTINEL_ASSIGN(user.urgent_rules, rules_of(rules->as_object(), "urgent"));
  return {};
}

json::object window_json(const oncall::MaintenanceWindow& w, const oncall::People& people, TimePoint now) {
  const auto made = people.windows.find(w.id);
  const bool here = made != people.windows.end();
  const auto lasts = w.occurrence(now);
  const auto next = w.next(now);
  return {{"id", w.id},
          {"from", format_rfc3339(w.span.start)},
          {"to", format_rfc3339(w.span.end)},
          {"repeat", !w.repeat                                 ? json::value(nullptr)
                     : *w.repeat == oncall::RotationUnit::kDay ? "day"
                                                               : "week"},
          {"time_zone", w.zone.name()},
          {"until", w.until ? json::value(format_rfc3339(*w.until)) : json::value(nullptr)},
          {"policies", json::value_from(w.policies)},
          {"reason", w.reason},
          {"components", json::value_from(w.components)},
          {"public_reason", w.public_reason},
          {"next",
           next ? json::value(json::object{{"start", format_rfc3339(next->start)}, {"end", format_rfc3339(next->end)}})
                : json::value(nullptr)},
          {"active_until", lasts ? json::value(format_rfc3339(lasts->end)) : json::value(nullptr)},
          {"by", here ? json::value(made->second.by) : json::value(nullptr)}};
}

Result<TimePoint> instant_of(const json::object& body, std::string_view name, const oncall::Zone& zone, bool is_end) {
  SENTINEL_ASSIGN(const std::string text, required_string(body, name));
  if (const auto wall = oncall::parse_wall_time(text)) return is_end ? zone.last(*wall) : zone.first(*wall);
  const auto time = parse_time(text);
  if (time) return *time;
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("field \"{}\": expected \"2026-03-02 09:00\" in `time_zone`, or RFC 3339", name));
}

Result<oncall::MaintenanceWindow> window_from(const json::object& body) {
  oncall::MaintenanceWindow out;
  SENTINEL_ASSIGN(const std::string zone, string_field(body, "time_zone"));
  if (!zone.empty()) {
    SENTINEL_ASSIGN(out.zone, oncall::Zone::load(zone));
  }
  SENTINEL_ASSIGN(out.span.start, instant_of(body, "from", out.zone, false));
  SENTINEL_ASSIGN(out.span.end, instant_of(body, "to", out.zone, true));
  SENTINEL_ASSIGN(const std::string repeat, string_field(body, "repeat"));
  if (!repeat.empty() && repeat != "day" && repeat != "week")
    return fail(ErrorCode::kInvalidArgument, "field \"repeat\" is day or week");
  if (!repeat.empty()) out.repeat = repeat == "day" ? oncall::RotationUnit::kDay : oncall::RotationUnit::kWeek;
  SENTINEL_ASSIGN(const std::string until, string_field(body, "until"));
  if (!until.empty()) {
    SENTINEL_ASSIGN(out.until, instant_of(body, "until", out.zone, true));
  }
  SENTINEL_ASSIGN(out.reason, string_field(body, "reason"));
  if (body.contains("policies") && !body.at("policies").is_null()) {
    SENTINEL_ASSIGN(out.policies, text::json_strings(body, "policies"));
  }
  if (body.contains("components") && !body.at("components").is_null()) {
    SENTINEL_ASSIGN(out.components, text::json_strings(body, "components"));
  }
  SENTINEL_ASSIGN(out.public_reason, string_field(body, "public_reason"));
  return out;
}

net::Response answer(const json::value& body, int status = 200) {
  return net::json_response(status, text::serialize(body));
}

}  // namespace

OncallApi::Answer OncallApi::users(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const Config in_force = co_await config();
  const TimePoint now = parts_.control.now();
  co_return co_await net::blocking(&parts_.runtime, [in_force, now, &request]() -> Result<net::Response> {
    std::map<std::string, json::array> serving;
    for (const auto& [id, schedule] : in_force->schedules) {
      for (const std::string& user : oncall::who_is_on_call(schedule, now)) serving[user].emplace_back(id);
    }
    json::array list;
    for (const auto& [id, user] : in_force->users) {
      json::array channels;
      for (const auto& [channel, address] : user.contacts) channels.emplace_back(channel);
      json::object one = person_json(*in_force, id);
      one["channels"] = std::move(channels);
      one["on_call"] = std::move(serving[id]);
      one["own"] = is_own(request, user);
      one["may_change"] = is_admin(request) || (is_own(request, user) && may_act(request));
      list.push_back(std::move(one));
    }
    return answer(json::object{{"items", std::move(list)}, {"may_add", is_admin(request)}});
  });
}

OncallApi::Answer OncallApi::user(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const std::string id(request.path_params.get("user"));
  co_return co_await net::on_loop(&parts_.control, [this, id, &request]() -> Result<net::Response> {
    const auto known = parts_.pager.config().users.find(id);
    if (known == parts_.pager.config().users.end())
      return fail(ErrorCode::kNotFound, fmt::format("no user \"{}\"", id));
    if (!is_admin(request) && !is_own(request, known->second)) return fail(not_allowed(id));
    return answer(user_json(known->second, parts_.pager.config(), parts_.pager.people()));
  });
}

OncallApi::Answer OncallApi::change_user(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  const std::string id(request.path_params.get("user"));
  const alerting::Actor by = alert_actor_of(request, body);
  co_return co_await net::on_loop(&parts_.control, [this, id, body, by, &request]() -> Result<net::Response> {
    const auto known = parts_.pager.config().users.find(id);
    const bool there = known != parts_.pager.config().users.end();
    if (!is_admin(request) && !(there && is_own(request, known->second))) return fail(not_allowed(id));
    oncall::User user = there ? known->second : oncall::User{.id = id, .name = id};
    SENTINEL_TRY(take_fields(body, user));
    // Who a token belongs to is known by name and address: these are not one's own to change.
    if (!is_admin(request) && user.name != known->second.name)
      return fail(ErrorCode::kPermissionDenied, "a name is changed by the role admin");
    SENTINEL_TRY(parts_.pager.change_user(user, by));
    const oncall::Config& changed = parts_.pager.config();
    return answer(user_json(changed.users.at(id), changed, parts_.pager.people()), there ? 200 : 201);
  });
}

OncallApi::Answer OncallApi::reset_user(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const std::string id(request.path_params.get("user"));
  const alerting::Actor by = alert_actor_of(request, {});
  co_return co_await net::on_loop(&parts_.control, [this, id, by, &request]() -> Result<net::Response> {
    const auto known = parts_.pager.config().users.find(id);
    const bool own = known != parts_.pager.config().users.end() && is_own(request, known->second);
    if (!is_admin(request) && !own) return fail(not_allowed(id));
    SENTINEL_TRY(parts_.pager.reset_user(id, by));
    return answer(json::object{{"id", id}});
  });
}

OncallApi::Answer OncallApi::teams(net::Exchange* exchange) {
  const bool may_change = is_admin(exchange->request());
  co_return co_await net::on_loop(&parts_.control, [this, may_change]() -> Result<net::Response> {
    json::array list;
    const oncall::Config& in_force = parts_.pager.config();
    for (const auto& [id, team] : in_force.teams) list.push_back(team_json(team, in_force, parts_.pager.people()));
    return answer(json::object{{"items", std::move(list)}, {"may_change", may_change}});
  });
}

OncallApi::Answer OncallApi::change_team(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  if (!is_admin(request)) co_return fail(ErrorCode::kPermissionDenied, std::string(kTeamsAreForAdmin));
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  for (const auto& field : body) {
    if (field.key() != "name" && field.key() != "members" && field.key() != "actor")
      co_return fail(ErrorCode::kInvalidArgument,
                     fmt::format("unknown field \"{}\"; known are name, members", std::string_view(field.key())));
  }
  const std::string id(request.path_params.get("team"));
  const alerting::Actor by = alert_actor_of(request, body);
  co_return co_await net::on_loop(&parts_.control, [this, id, body, by]() -> Result<net::Response> {
    const auto known = parts_.pager.config().teams.find(id);
    const bool there = known != parts_.pager.config().teams.end();
    oncall::Team team = there ? known->second : oncall::Team{.id = id, .name = id, .members = {}};
    SENTINEL_ASSIGN(const std::string name, string_field(body, "name"));
    if (!name.empty()) team.name = name;
    if (body.contains("members") && !body.at("members").is_null()) {
      SENTINEL_ASSIGN(team.members, text::json_strings(body, "members"));
    }
    SENTINEL_TRY(parts_.pager.change_team(std::move(team), by));
    const oncall::Config& changed = parts_.pager.config();
    return answer(team_json(changed.teams.at(id), changed, parts_.pager.people()), there ? 200 : 201);
  });
}

OncallApi::Answer OncallApi::reset_team(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  if (!is_admin(request)) co_return fail(ErrorCode::kPermissionDenied, std::string(kTeamsAreForAdmin));
  const std::string id(request.path_params.get("team"));
  const alerting::Actor by = alert_actor_of(request, {});
  co_return co_await net::on_loop(&parts_.control, [this, id, by]() -> Result<net::Response> {
    SENTINEL_TRY(parts_.pager.reset_team(id, by));
    return answer(json::object{{"id", id}});
  });
}

OncallApi::Answer OncallApi::windows(net::Exchange*) {
  co_return co_await net::on_loop(&parts_.control, [this]() -> Result<net::Response> {
    json::array list;
    const TimePoint now = parts_.control.now();
    for (const oncall::MaintenanceWindow& w : parts_.pager.config().maintenance) {
      if (w.next(now)) list.push_back(window_json(w, parts_.pager.people(), now));
    }
    json::array policies;
    for (const auto& [id, policy] : parts_.pager.config().policies) policies.emplace_back(id);
    json::array components;
    const auto page = parts_.status_page();
    for (const incident::StatusComponent& c : page->components)
      components.push_back(json::object{{"id", c.id}, {"name", c.name}});
    return answer(json::object{
        {"items", std::move(list)}, {"policies", std::move(policies)}, {"components", std::move(components)}});
  });
}

OncallApi::Answer OncallApi::add_window(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  const alerting::Actor by = alert_actor_of(request, body);
  co_return co_await net::on_loop(&parts_.control, [this, body, by]() -> Result<net::Response> {
    SENTINEL_ASSIGN(oncall::MaintenanceWindow window, window_from(body));
    const auto page = parts_.status_page();
    for (const std::string& id : window.components) {
      if (std::none_of(page->components.begin(), page->components.end(), [&](const auto& c) { return c.id == id; }))
        return fail(ErrorCode::kNotFound, fmt::format("no component \"{}\" on the status page", id));
    }
    SENTINEL_ASSIGN(const oncall::WindowChange made, parts_.pager.add_window(std::move(window), by));
    return answer(window_json(made.window, parts_.pager.people(), parts_.control.now()), 201);
  });
}

OncallApi::Answer OncallApi::remove_window(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  const alerting::Actor by = alert_actor_of(exchange->request(), {});
  co_return co_await net::on_loop(&parts_.control, [this, id, by]() -> Result<net::Response> {
    SENTINEL_TRY(parts_.pager.remove_window(id, by));
    return answer(json::object{{"id", id}});
  });
}

}  // namespace sentinel::api
