#include "api/automation.h"

#include <algorithm>

#include <boost/json.hpp>

#include "base/duration.h"
#include "base/strings.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

using automation::Automation;
using automation::Execution;

constexpr size_t kExecutionsMax = 500;
constexpr size_t kAuditMax = 1000;
constexpr Micros kWaitMax = std::chrono::seconds(60);
constexpr Micros kWaitStep = std::chrono::milliseconds(100);

json::value time_or_null(const std::optional<TimePoint>& at) {
  return at ? json::value(format_rfc3339(*at)) : json::value();
}

double seconds(Micros duration) { return static_cast<double>(duration.count()) / 1e6; }

// Who asks, with what the token says of him; where nobody is asked for a token, everybody is admin.
automation::Who who_of(const net::Request& request, const json::object& body) {
  const incident::Actor actor = actor_of(request, body);
  return {actor.name, actor.source, request.peer,
          request.roles.empty() ? std::vector<std::string>{"admin"} : request.roles};
}

json::object automation_json(const Automation& a) {
  json::array parameters;
  for (const automation::Parameter& p : a.parameters) {
    parameters.push_back(json::object{{"name", p.name},
                                      {"description", p.description},
                                      {"pattern", p.pattern_text},
                                      {"default", p.fallback ? json::value(*p.fallback) : json::value()},
                                      {"from_label", p.from_label}});
  }
  json::array triggers;
  for (const automation::Trigger& t : a.triggers) {
    json::object match;
    for (const model::Label& l : t.match) match[l.name] = l.value;
    triggers.push_back(json::object{{"match", std::move(match)}, {"at_most", t.at_most}, {"per_s", seconds(t.per)}});
  }
  return {{"id", a.id},
          {"description", a.description},
          {"argv", json::value_from(a.argv)},
          {"parameters", std::move(parameters)},
          {"network", a.limits.network},
          {"timeout_s", seconds(a.limits.timeout)},
          {"approval_role", a.approval ? json::value(a.approval->role) : json::value()},
          {"idempotent", a.idempotent},
          {"retries", a.retries},
          {"rollback", a.rollback.empty() ? json::value() : json::value(a.rollback)},
          {"triggers", std::move(triggers)}};
}

}  // namespace

json::object execution_json(const Execution& e) {
  json::object parameters;
  for (const auto& [name, value] : e.parameters) parameters[name] = value;
  return {{"id", e.id},
          {"incident", e.incident_id},
          {"step", e.step_id},
          {"automation", e.automation_id},
          {"dry_run", e.dry_run},
          {"rollback_of", e.rollback_of.empty() ? json::value() : json::value(e.rollback_of)},
          {"parameters", std::move(parameters)},
          {"state", automation::execution_state_name(e.state)},
          {"attempt", e.attempt},
          {"requested_by", e.requested_by.name},
          {"requested_source", e.requested_by.source},
          {"requested_at", format_rfc3339(e.requested_at)},
          {"approval_role", e.approval_role.empty() ? json::value() : json::value(e.approval_role)},
          {"approve_until", time_or_null(e.approve_until)},
          {"approved_by", e.approved_by.empty() ? json::value() : json::value(e.approved_by)},
          {"started_at", time_or_null(e.started_at)},
          {"ended_at", time_or_null(e.ended_at)},
          {"exit_code", e.exit_code ? json::value(*e.exit_code) : json::value()},
          {"reason", e.reason},
          {"output", e.output},
          {"output_bytes", e.output_bytes}};
}

void AutomationApi::add_routes(net::Router& router) {
  route(router, "GET", "/sentinel/v1/automations", this, &AutomationApi::catalogue);
  route(router, "GET", "/sentinel/v1/executions", this, &AutomationApi::list);
  route(router, "POST", "/sentinel/v1/executions", this, &AutomationApi::request);
  route(router, "GET", "/sentinel/v1/executions/{id}", this, &AutomationApi::show);
  route(router, "POST", "/sentinel/v1/executions/{id}/{action}", this, &AutomationApi::act);
  route(router, "GET", "/sentinel/v1/automation/audit", this, &AutomationApi::audit);
}

AutomationApi::Answer AutomationApi::catalogue(net::Exchange*) {
  const auto catalogue = parts_.catalogue();
  json::array items;
  for (const Automation& a : catalogue->all()) items.push_back(automation_json(a));
  co_return net::json_response(
      200, text::serialize(json::object{{"enabled", parts_.enabled()}, {"items", std::move(items)}}));
}

AutomationApi::Answer AutomationApi::list(net::Exchange* exchange) {
  const net::Params params = request_params(exchange->request());
  SENTINEL_CO_ASSIGN(const size_t limit, limit_param(params, 50, kExecutionsMax));
  const std::string wanted(params.get("incident"));
  co_return co_await net::on_loop(&parts_.control, [=, this]() -> Result<net::Response> {
    std::string incident = wanted;
    if (!wanted.empty()) {
      SENTINEL_ASSIGN(const incident::IncidentDetail detail, parts_.incidents.get(wanted, 0));
      incident = detail.record.incident.id;
    }
    SENTINEL_ASSIGN(const std::vector<Execution> found, parts_.executions.list(incident, limit));
    json::array items;
    for (const Execution& e : found) items.push_back(execution_json(e));
    return net::json_response(200, text::serialize(json::object{{"items", std::move(items)}}));
  });
}

AutomationApi::Answer AutomationApi::request(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const json::object body, json_body(exchange->request()));
  automation::Request wanted;
  SENTINEL_CO_ASSIGN(wanted.automation_id, required_string(body, "automation"));
  SENTINEL_CO_ASSIGN(wanted.incident_id, required_string(body, "incident"));
  SENTINEL_CO_ASSIGN(wanted.step_id, string_field(body, "step"));
  SENTINEL_CO_ASSIGN(wanted.dry_run, text::json_bool_or(body, "dry_run", false));
  if (const json::value* given = body.if_contains("parameters"); given != nullptr && !given->is_null()) {
    if (!given->is_object()) co_return fail(ErrorCode::kInvalidArgument, "parameters must be an object of strings");
    for (const auto& [name, value] : given->as_object()) {
      if (!value.is_string())
        co_return fail(ErrorCode::kInvalidArgument, "parameter \"" + std::string(name) + "\" must be a string");
      wanted.parameters[std::string(name)] = std::string(value.as_string());
    }
  }
  const automation::Who who = who_of(exchange->request(), body);
  co_return co_await net::on_loop(&parts_.control, [=, this]() mutable -> Result<net::Response> {
    SENTINEL_ASSIGN(const incident::IncidentDetail detail, parts_.incidents.get(wanted.incident_id, 0));
    wanted.incident_id = detail.record.incident.id;
    if (detail.lead) wanted.alert_labels = detail.lead->labels;
    SENTINEL_ASSIGN(const Execution e, parts_.executions.request(wanted, who));
    parts_.incidents.notify_changed(e.incident_id);
    return net::json_response(202, text::serialize(execution_json(e)));
  });
}

AutomationApi::Answer AutomationApi::show(net::Exchange* exchange) {
  const std::string id(exchange->request().path_params.get("id"));
  const std::string_view wait = request_params(exchange->request()).get("wait");
  Micros left{0};
  if (!wait.empty()) {
    SENTINEL_CO_ASSIGN(left, parse_duration(std::string(wait)));
    left = std::min<Micros>(left, kWaitMax);
  }
  while (true) {
    SENTINEL_CO_ASSIGN(const Execution e,
                       co_await net::blocking(&parts_.runtime, [=, this] { return parts_.executions.get(id); }));
    if (left <= Micros(0) || automation::has_ended(e.state) || exchange->client_gone())
      co_return net::json_response(200, text::serialize(execution_json(e)));
    co_await net::sleep_for(kWaitStep);
    left -= kWaitStep;
  }
}

AutomationApi::Answer AutomationApi::act(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const json::object body, json_body(exchange->request()));
  SENTINEL_CO_ASSIGN(const std::string why, string_field(body, "note"));
  const std::string id(exchange->request().path_params.get("id"));
  const std::string action(exchange->request().path_params.get("action"));
  const automation::Who who = who_of(exchange->request(), body);
  co_return co_await net::on_loop(&parts_.control, [=, this]() -> Result<net::Response> {
    automation::Executions& executions = parts_.executions;
    const auto done = action == "approve"  ? executions.approve(id, who)
                      : action == "reject" ? executions.reject(id, who, why)
                      : action == "cancel" ? executions.cancel(id, who)
                      : action == "rollback"
                          ? executions.roll_back(id, who)
                          : Result<Execution>(fail(ErrorCode::kNotFound,
                                                   "actions are approve, reject, cancel and rollback, not " + action));
    if (!done) return fail(done.error());
    parts_.incidents.notify_changed(done->incident_id);
    return net::json_response(action == "rollback" ? 202 : 200, text::serialize(execution_json(*done)));
  });
}

AutomationApi::Answer AutomationApi::audit(net::Exchange* exchange) {
  const net::Params params = request_params(exchange->request());
  SENTINEL_CO_ASSIGN(const size_t limit, limit_param(params, 100, kAuditMax));
  const int64_t after = parse_int(params.get("after")).value_or(0);
  co_return co_await net::blocking(&parts_.runtime, [=, this]() -> Result<net::Response> {
    SENTINEL_ASSIGN(const auto lines, parts_.executions.audit(after, limit));
    SENTINEL_ASSIGN(const std::optional<int64_t> broken, parts_.executions.verify_audit());
    json::array items;
    for (const automation::AuditLine& line : lines) {
      items.push_back(json::object{{"id", line.id},
                                   {"at", format_rfc3339(line.at)},
                                   {"actor", line.actor},
                                   {"source", line.source},
                                   {"address", line.address},
                                   {"action", line.action},
                                   {"execution", line.execution},
                                   {"data", text::parse_json(line.data_json).value_or(json::value())},
                                   {"hash", line.hash}});
    }
    return net::json_response(
        200, text::serialize(json::object{{"verified", !broken},
                                          {"first_broken", broken ? json::value(*broken) : json::value()},
                                          {"items", std::move(items)}}));
  });
}

}  // namespace sentinel::api
