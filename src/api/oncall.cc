#include "api/oncall.h"

#include <algorithm>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "api/oncall_json.h"
#include "base/hash.h"
#include "base/strings.h"
#include "oncall/ical.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

using oncall::Span;

constexpr Micros kShownDefault = std::chrono::days(14);
constexpr size_t kListedMax = 500;
constexpr size_t kEventsMax = 1000;
constexpr Micros kCalendarBack = std::chrono::days(30);
constexpr Micros kCalendarAhead = std::chrono::days(180);
constexpr std::string_view kCalendarPurpose = "calendar";

net::Response answer(const json::value& body, int status = 200) {
  return net::json_response(status, text::serialize(body));
}

json::object items(json::array list) { return {{"items", std::move(list)}}; }

Result<const oncall::Schedule*> find_schedule(const oncall::Config& config, std::string_view id) {
  const auto it = config.schedules.find(id);
  if (it == config.schedules.end()) return fail(ErrorCode::kNotFound, fmt::format("no schedule \"{}\"", id));
  return &it->second;
}

// RFC 3339, or what a clock in the schedule's zone shows. An end is the last instant of its clock time.
Result<TimePoint> instant(const json::object& body, std::string_view name, const oncall::Zone& zone, bool is_end) {
  SENTINEL_ASSIGN(const std::string text, required_string(body, name));
  if (const auto wall = oncall::parse_wall_time(text)) return is_end ? zone.last(*wall) : zone.first(*wall);
  const auto time = parse_time(text);
  if (!time)
    return fail(
        ErrorCode::kInvalidArgument,
        fmt::format("field \"{}\": expected \"2026-03-02 09:00\" in the schedule's time zone, or RFC 3339", name));
  return *time;
}

Result<Span> span_field(const json::object& body, const oncall::Zone& zone) {
  Span out;
  SENTINEL_ASSIGN(out.start, instant(body, "from", zone, false));
  SENTINEL_ASSIGN(out.end, instant(body, "to", zone, true));
  if (out.empty()) return fail(ErrorCode::kInvalidArgument, "the end must be after the start");
  return out;
}

Result<oncall::Override> override_from(const json::object& body, const oncall::Zone& zone) {
  oncall::Override out;
  SENTINEL_ASSIGN(const std::string add, string_field(body, "add"));
  SENTINEL_ASSIGN(const std::string remove, string_field(body, "remove"));
  SENTINEL_ASSIGN(const std::string replace, string_field(body, "replace"));
  SENTINEL_ASSIGN(out.with, string_field(body, "with"));
  if (add.empty() + remove.empty() + replace.empty() != 2)
    return fail(ErrorCode::kInvalidArgument, "an override is one of add, remove, and replace with with");
  using Kind = oncall::Override::Kind;
  out.kind = !add.empty() ? Kind::kAdd : !remove.empty() ? Kind::kRemove : Kind::kReplace;
  out.user = add + remove + replace;
  SENTINEL_ASSIGN(out.span, span_field(body, zone));
  return out;
}

Result<std::optional<Span>> in_return(const json::object& body, const oncall::Zone& zone) {
  const json::value* value = body.if_contains("in_return");
  if (value == nullptr || value->is_null()) return std::optional<Span>();
  if (!value->is_object()) return fail(ErrorCode::kInvalidArgument, "field \"in_return\" is {from, to}");
  SENTINEL_ASSIGN(const Span span, span_field(value->as_object(), zone));
  return std::optional<Span>(span);
}

}  // namespace

void OncallApi::add_routes(net::Router& router) {
  route(router, "GET", "/sentinel/v1/oncall", this, &OncallApi::who);
  route(router, "GET", "/sentinel/v1/oncall/schedules", this, &OncallApi::schedules);
  route(router, "GET", "/sentinel/v1/oncall/schedules/{schedule}", this, &OncallApi::schedule);
  route(router, "POST", "/sentinel/v1/oncall/schedules/{schedule}/overrides", this, &OncallApi::add_override);
  route(router, "POST", "/sentinel/v1/oncall/schedules/{schedule}/swaps", this, &OncallApi::add_swap);
  route(router, "POST", "/sentinel/v1/oncall/swaps/{id}/take", this, &OncallApi::take_swap);
  route(router, "DELETE", "/sentinel/v1/oncall/changes/{id}", this, &OncallApi::remove_change);
  route(router, "GET", "/sentinel/v1/oncall/users", this, &OncallApi::users);
  route(router, "GET", "/sentinel/v1/oncall/users/{user}", this, &OncallApi::user);
  route(router, "PUT", "/sentinel/v1/oncall/users/{user}", this, &OncallApi::change_user);
  route(router, "DELETE", "/sentinel/v1/oncall/users/{user}", this, &OncallApi::reset_user);
  route(router, "GET", "/sentinel/v1/oncall/teams", this, &OncallApi::teams);
  route(router, "PUT", "/sentinel/v1/oncall/teams/{team}", this, &OncallApi::change_team);
  route(router, "DELETE", "/sentinel/v1/oncall/teams/{team}", this, &OncallApi::reset_team);
  route(router, "GET", "/sentinel/v1/oncall/maintenance", this, &OncallApi::windows);
  route(router, "POST", "/sentinel/v1/oncall/maintenance", this, &OncallApi::add_window);
  route(router, "DELETE", "/sentinel/v1/oncall/maintenance/{id}", this, &OncallApi::remove_window);
  route(router, "GET", "/sentinel/v1/oncall/escalations", this, &OncallApi::escalations);
  route(router, "GET", "/sentinel/v1/oncall/escalations/{id}", this, &OncallApi::escalation);
  route(router, "POST", "/sentinel/v1/oncall/escalations/{id}/escalate", this, &OncallApi::escalate);
  route(router, "POST", "/sentinel/v1/oncall/escalations/{id}/reassign", this, &OncallApi::reassign);
  route(router, "POST", "/sentinel/v1/oncall/pages", this, &OncallApi::test_page);
  route(router, "GET", "/sentinel/v1/oncall/pages/{id}", this, &OncallApi::page);
  route(router, "GET", "/sentinel/v1/oncall/calendars", this, &OncallApi::calendars);
  route(router, "GET", "/oncall/calendar/{token}/{kind}/{name}", this, &OncallApi::calendar);
}

net::Task<OncallApi::Config> OncallApi::config() {
  co_return co_await net::on_loop(&parts_.control, [this] { return parts_.pager.shared_config(); });
}

// ---- who, and when ----

OncallApi::Answer OncallApi::who(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const TimePoint at, time_param(exchange->request().query, "at", parts_.control.now()));
  const std::string wanted(exchange->request().query.get("schedule"));
  const Config in_force = co_await config();
  co_return co_await net::blocking(&parts_.runtime, [in_force, at, wanted]() -> Result<net::Response> {
    json::array list;
    if (!wanted.empty()) {
      SENTINEL_ASSIGN(const oncall::Schedule* found, find_schedule(*in_force, wanted));
      list.push_back(now_json(*in_force, *found, at));
    } else {
      for (const auto& [id, schedule] : in_force->schedules) list.push_back(now_json(*in_force, schedule, at));
    }
    return answer(json::object{{"at", format_rfc3339(at)}, {"schedules", std::move(list)}});
  });
}

OncallApi::Answer OncallApi::schedules(net::Exchange*) {
  const Config in_force = co_await config();
  json::array list;
  for (const auto& [id, schedule] : in_force->schedules)
    list.push_back(json::object{{"id", id}, {"name", schedule.name}, {"time_zone", schedule.zone.name()}});
  co_return answer(items(std::move(list)));
}

OncallApi::Answer OncallApi::schedule(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const std::string id(request.path_params.get("schedule"));
  Span range;
  SENTINEL_CO_ASSIGN(range.start, time_param(request.query, "from", parts_.control.now()));
  SENTINEL_CO_ASSIGN(range.end, time_param(request.query, "to", range.start + kShownDefault));
  if (range.empty()) co_return fail(ErrorCode::kInvalidArgument, "\"to\" must be after \"from\"");
  const auto state = co_await net::on_loop(
      &parts_.control, [this] { return std::pair(parts_.pager.shared_config(), parts_.pager.changes()); });
  co_return co_await net::blocking(
      &parts_.runtime, [in_force = state.first, changes = state.second, id, range]() -> Result<net::Response> {
        SENTINEL_ASSIGN(const oncall::Schedule* found, find_schedule(*in_force, id));
        return answer(schedule_json(*in_force, *found, range, changes));
      });
}

// ---- changes ----

Result<net::Response> OncallApi::changed(oncall::ScheduleChange change, const alerting::Actor& by) {
  SENTINEL_ASSIGN(const oncall::ScheduleChange stored, parts_.pager.change_schedule(std::move(change), by));
  return answer(change_json(parts_.pager.config(), stored), 201);
}

OncallApi::Answer OncallApi::add_override(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  const std::string id(request.path_params.get("schedule"));
  const alerting::Actor by = alert_actor_of(request, body);
  co_return co_await net::on_loop(&parts_.control, [this, id, by, body]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const oncall::Schedule* found, find_schedule(parts_.pager.config(), id));
    SENTINEL_ASSIGN(oncall::Override made, override_from(body, found->zone));
    return changed({"", id, by.name, {}, std::move(made), std::nullopt}, by);
  });
}

OncallApi::Answer OncallApi::add_swap(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  const std::string id(request.path_params.get("schedule"));
  const alerting::Actor by = alert_actor_of(request, body);
  co_return co_await net::on_loop(&parts_.control, [this, id, by, body]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const oncall::Schedule* found, find_schedule(parts_.pager.config(), id));
    oncall::Swap swap;
    SENTINEL_ASSIGN(swap.user, required_string(body, "user"));
    SENTINEL_ASSIGN(swap.taken_by, string_field(body, "taken_by"));
    SENTINEL_ASSIGN(swap.span, span_field(body, found->zone));
    SENTINEL_ASSIGN(swap.in_return, in_return(body, found->zone));
    return changed({"", id, by.name, {}, std::nullopt, std::move(swap)}, by);
  });
}

OncallApi::Answer OncallApi::take_swap(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  SENTINEL_CO_ASSIGN(const std::string user, required_string(body, "user"));
  const std::string id(request.path_params.get("id"));
  const alerting::Actor by = alert_actor_of(request, body);
  co_return co_await net::on_loop(&parts_.control, [this, id, user, body, by]() -> Result<net::Response> {
    const auto& all = parts_.pager.changes();
    const auto known = std::find_if(all.begin(), all.end(), [&](const auto& c) { return c.id == id && c.swap; });
    if (known == all.end()) return fail(ErrorCode::kNotFound, fmt::format("no swap \"{}\" was asked for here", id));
    if (!known->swap->taken_by.empty() && known->swap->taken_by != user)
      return fail(ErrorCode::kConflict, fmt::format("{} has taken it already", known->swap->taken_by));
    oncall::ScheduleChange change = *known;
    SENTINEL_ASSIGN(const oncall::Schedule* found, find_schedule(parts_.pager.config(), change.schedule));
    change.swap->taken_by = user;
    SENTINEL_ASSIGN(const std::optional<Span> back, in_return(body, found->zone));
    if (back) change.swap->in_return = back;
    return changed(std::move(change), by);
  });
}

OncallApi::Answer OncallApi::remove_change(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  const alerting::Actor by = alert_actor_of(exchange->request(), {});
  SENTINEL_CO_TRY(
      co_await net::on_loop(&parts_.control, [this, id, by] { return parts_.pager.remove_change(id, by); }));
  co_return answer(json::object{{"id", id}});
}

// ---- who is being told ----

json::object OncallApi::escalation_json(const oncall::Escalation& e) {
  const oncall::Config& in_force = parts_.pager.config();
  const auto record = parts_.pager.incident(e.key);
  return {{"incident", record ? json::value(fmt::format("INC-{}", record->incident.number)) : json::value(nullptr)},
          {"id", e.key},
          {"title", e.title},
          {"policy", e.policy},
          {"urgent", e.urgent},
          {"state", oncall::escalation_state_name(e.state)},
          {"level", e.level_id},
          {"cycle", e.cycle},
          {"waiting_for", e.waiting},
          {"due_at", e.due_at ? json::value(format_rfc3339(*e.due_at)) : json::value(nullptr)},
          {"next", next_level_json(in_force, e)},
          {"created_at", format_rfc3339(e.created_at)},
          {"acknowledged_by", e.acknowledged_by}};
}

OncallApi::Answer OncallApi::escalations(net::Exchange* exchange) {
  const net::Params& query = exchange->request().query;
  const bool all = query.get("state") == "all";
  SENTINEL_CO_ASSIGN(const size_t limit, limit_param(query, 50, kListedMax));
  const std::string of(query.get("incident"));
  co_return co_await net::on_loop(&parts_.control, [this, all, limit, of]() -> Result<net::Response> {
    json::array list;
    if (!of.empty()) {
      SENTINEL_ASSIGN(const incident::IncidentRecord record, parts_.pager.incident(of));
      SENTINEL_ASSIGN(const auto one, parts_.pager.escalations().find(record.incident.id));
      if (one) list.push_back(escalation_json(*one));
      return answer(items(std::move(list)));
    }
    SENTINEL_ASSIGN(const auto found, parts_.pager.escalations().list(all, limit));
    for (const oncall::Escalation& e : found) list.push_back(escalation_json(e));
    return answer(items(std::move(list)));
  });
}

Result<net::Response> OncallApi::escalation_detail(std::string_view id) {
  SENTINEL_ASSIGN(const incident::IncidentRecord record, parts_.pager.incident(id));
  const std::string& key = record.incident.id;
  oncall::Escalations& engine = parts_.pager.escalations();
  SENTINEL_ASSIGN(const auto e, engine.find(key));
  if (!e)
    return fail(ErrorCode::kNotFound,
                fmt::format("nobody was told of INC-{}: no policy is for it", record.incident.number));
  SENTINEL_ASSIGN(const auto pages, engine.pages(key, kEventsMax));
  SENTINEL_ASSIGN(const auto events, engine.events(key, kEventsMax));
  json::object out = escalation_json(*e);
  json::array told;
  for (const oncall::PageRecord& p : pages) told.push_back(page_json(parts_.pager.config(), p));
  json::array happened;
  for (const oncall::EscalationEvent& v : events)
    happened.push_back(json::object{
        {"at", format_rfc3339(v.at)}, {"kind", v.kind}, {"level", v.level}, {"user", v.user}, {"detail", v.detail}});
  out["pages"] = std::move(told);
  out["events"] = std::move(happened);
  return answer(out);
}

OncallApi::Answer OncallApi::escalation(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  co_return co_await net::on_loop(&parts_.control, [this, id] { return escalation_detail(id); });
}

OncallApi::Answer OncallApi::escalate(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  const std::string id(request.path_params.get("id"));
  const std::string by = actor_of(request, body).name;
  co_return co_await net::on_loop(&parts_.control, [this, id, by]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const incident::IncidentRecord record, parts_.pager.incident(id));
    SENTINEL_TRY(parts_.pager.escalations().escalate(record.incident.id, by));
    return escalation_detail(id);
  });
}

OncallApi::Answer OncallApi::reassign(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  SENTINEL_CO_ASSIGN(const std::string policy, required_string(body, "policy"));
  const std::string id(request.path_params.get("id"));
  const std::string by = actor_of(request, body).name;
  co_return co_await net::on_loop(&parts_.control, [this, id, by, policy]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const incident::IncidentRecord record, parts_.pager.incident(id));
    SENTINEL_TRY(parts_.pager.escalations().reassign(record.incident.id, policy, by));
    return escalation_detail(id);
  });
}

OncallApi::Answer OncallApi::test_page(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  SENTINEL_CO_ASSIGN(const std::string user, required_string(body, "user"));
  SENTINEL_CO_ASSIGN(const std::string channel, required_string(body, "channel"));
  const std::string by = actor_of(request, body).name;
  co_return co_await net::on_loop(&parts_.control, [=, this]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const std::string key, parts_.pager.escalations().test_page(user, channel, by));
    return answer(json::object{{"id", key.substr(oncall::kTestPrefix.size())}}, 202);
  });
}

OncallApi::Answer OncallApi::page(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  co_return co_await net::on_loop(&parts_.control, [this, id]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const auto pages, parts_.pager.escalations().pages(std::string(oncall::kTestPrefix) + id, 1));
    if (pages.empty()) return fail(ErrorCode::kNotFound, fmt::format("no test page \"{}\"", id));
    return answer(page_json(parts_.pager.config(), pages.front()));
  });
}

// ---- calendars ----

OncallApi::Answer OncallApi::calendars(net::Exchange*) {
  co_return co_await net::on_loop(&parts_.control, [this]() -> Result<net::Response> {
    json::array list;
    const auto add = [&](std::string_view kind, const std::string& id, const std::string& name) {
      const std::string secret = parts_.pager.links().signature(kCalendarPurpose, fmt::format("{}/{}", kind, id));
      list.push_back(
          json::object{{"kind", kind},
                       {"id", id},
                       {"name", name},
                       {"path", fmt::format("{}{}/{}/{}.ics", kCalendarPrefix, secret, kind, url_encode(id))}});
    };
    const oncall::Config& in_force = parts_.pager.config();
    for (const auto& [id, schedule] : in_force.schedules) add("schedule", id, schedule.name);
    for (const auto& [id, user] : in_force.users) add("user", id, user.name);
    return answer(items(std::move(list)));
  });
}

OncallApi::Answer OncallApi::calendar(net::Exchange* exchange) {
  const net::Params& path = exchange->request().path_params;
  const std::string kind(path.get("kind"));
  std::string name(path.get("name"));
  if (name.ends_with(".ics")) name.resize(name.size() - 4);
  const std::string token(path.get("token"));
  const auto state = co_await net::on_loop(&parts_.control, [this, kind, name] {
    return std::pair(parts_.pager.shared_config(),
                     parts_.pager.links().signature(kCalendarPurpose, fmt::format("{}/{}", kind, name)));
  });
  const Config in_force = state.first;
  const bool known =
      kind == "schedule" ? in_force->schedules.contains(name) : kind == "user" && in_force->users.contains(name);
  if (!known || !constant_time_equals(token, state.second))
    co_return fail(ErrorCode::kNotFound, "no such calendar, or the secret in its address is another");
  const TimePoint now = parts_.control.now();
  const Span range{now - kCalendarBack, now + kCalendarAhead};
  net::Response response;
  response.body = co_await net::blocking(&parts_.runtime, [in_force, kind, name, range, now] {
    return kind == "user" ? oncall::write_user_ical(*in_force, name, range, now)
                          : oncall::write_ical(in_force->schedules.find(name)->second, range, in_force->users, now);
  });
  response.headers.set("Content-Type", "text/calendar; charset=utf-8");
  response.headers.set("Cache-Control", "private, max-age=300");
  co_return response;
}

}  // namespace sentinel::api
