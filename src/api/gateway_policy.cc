#include "api/gateway_policy.h"

#include <algorithm>

#include <boost/json.hpp>

#include "alerting/audit.h"
#include "base/strings.h"
#include "gateway/policy/policies.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

json::object route_json(const gateway::RouteConfig& route, const gateway::RouteSwitches& switches) {
  json::object out{{"name", route.name}, {"models", json::value_from(route.models)}, {"disabled", route.disabled}};
  const gateway::RouteSwitch* off = switches.find(route.name);
  if (off == nullptr) {
    out["switched_off"] = nullptr;
  } else {
    out["switched_off"] = json::object{{"reason", off->reason}, {"by", off->by}, {"at", format_rfc3339(off->at)}};
  }
  return out;
}

// What a person has set; neither the secret nor its hash.
std::string audit_text(const gateway::VirtualKey& key) { return gateway::key_spec_json(key.spec); }

}  // namespace

void GatewayPolicyApi::add_routes(net::Router& router) {
  route(router, "GET", "/sentinel/v1/gateway/keys", this, &GatewayPolicyApi::list_keys);
  route(router, "POST", "/sentinel/v1/gateway/keys", this, &GatewayPolicyApi::create_key);
  route(router, "DELETE", "/sentinel/v1/gateway/keys/{id}", this, &GatewayPolicyApi::revoke_key);
  route(router, "GET", "/sentinel/v1/gateway/routes", this, &GatewayPolicyApi::list_routes);
  route(router, "POST", "/sentinel/v1/gateway/routes", this, &GatewayPolicyApi::set_route);
}

json::object GatewayPolicyApi::key_json(const gateway::VirtualKey& key) const {
  const TimePoint now = parts_.clock.now();
  json::object out = json::parse(gateway::key_spec_json(key.spec)).as_object();
  out["id"] = key.id;
  out["hint"] = std::string(gateway::kKeyPrefix) + "…" + key.hint;
  out["state"] = key.revoked_at ? "revoked" : key.expired(now) ? "expired" : "active";
  if (!key.spec.expires_at) out["expires_at"] = nullptr;
  out["created_at"] = format_rfc3339(key.created_at);
  out["created_by"] = key.created_by;
  out["revoked_at"] = key.revoked_at ? json::value(format_rfc3339(*key.revoked_at)) : json::value(nullptr);
  json::array& budgets = out["budgets"].as_array();
  for (size_t i = 0; i < budgets.size(); ++i) {
    const gateway::BudgetPeriod period = key.spec.budgets[i].period;
    const int64_t spent =
        parts_.gateway.policies().budgets.spent(gateway::key_budget_subject(key.id, period), period, now);
    budgets[i].as_object()["spent_usd"] = static_cast<double>(spent) / 1e6;
    budgets[i].as_object()["ends_at"] = format_rfc3339(gateway::period_end(period, now));
  }
  return out;
}

GatewayPolicyApi::Answer GatewayPolicyApi::list_keys(net::Exchange*) {
  json::array items;
  const auto ring = parts_.store.keys();
  for (const auto& key : ring->all()) items.push_back(key_json(*key));
  co_return net::json_response(200, text::serialize(json::object{{"items", std::move(items)}}));
}

GatewayPolicyApi::Answer GatewayPolicyApi::create_key(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  SENTINEL_CO_ASSIGN(const json::object body, json_body(request));
  const alerting::Actor by = alert_actor_of(request, body);
  // Written anew, because JSON may escape characters in a way that YAML does not read.
  SENTINEL_CO_ASSIGN(gateway::KeySpec spec, gateway::parse_key_spec(text::serialize(body), parts_.clock.now()));
  SENTINEL_CO_ASSIGN(const gateway::PolicyStore::Made made, co_await net::blocking(&parts_.runtime, [this, spec, by] {
                       return parts_.store.create_key(
                           spec, by.name, [this, by](state::Tx& tx, const gateway::VirtualKey& key) {
                             return alerting::Audit::add(
                                 tx, {0, parts_.clock.now(), by, "gateway_key.created", key.id, "", audit_text(key)});
                           });
                     }));
  co_return net::json_response(201,
                               text::serialize(json::object{{"key", key_json(*made.key)}, {"secret", made.secret}}));
}

GatewayPolicyApi::Answer GatewayPolicyApi::revoke_key(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const alerting::Actor by = alert_actor_of(request, {});
  const std::string id(request.path_params.get("id"));
  SENTINEL_CO_ASSIGN(
      const auto key, co_await net::blocking(&parts_.runtime, [this, id, by] {
        return parts_.store.revoke_key(id, [this, by](state::Tx& tx, const gateway::VirtualKey& revoked) {
          return alerting::Audit::add(
              tx, {0, parts_.clock.now(), by, "gateway_key.revoked", revoked.id, audit_text(revoked), ""});
        });
      }));
  co_return net::json_response(200, text::serialize(key_json(*key)));
}

GatewayPolicyApi::Answer GatewayPolicyApi::list_routes(net::Exchange*) {
  json::array items;
  const auto config = parts_.gateway.config();
  const auto switches = parts_.store.switches();
  for (const gateway::RouteConfig& route : config->routes) items.push_back(route_json(route, *switches));
  co_return net::json_response(200, text::serialize(json::object{{"items", std::move(items)}}));
}

GatewayPolicyApi::Answer GatewayPolicyApi::set_route(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const json::object body, json_body(exchange->request()));
  SENTINEL_CO_ASSIGN(const std::string name, required_string(body, "route"));
  SENTINEL_CO_ASSIGN(const std::string reason, string_field(body, "reason"));
  const json::value* off = body.if_contains("off");
  if (off == nullptr || !off->is_bool())
    co_return fail(ErrorCode::kInvalidArgument, "field \"off\": expected true (switch it off) or false (on again)");
  if (reason.size() > gateway::kReasonBytesMax)
    co_return fail(ErrorCode::kInvalidArgument, "field \"reason\": at most 500 bytes");
  const auto config = parts_.gateway.config();
  const auto found = std::find_if(config->routes.begin(), config->routes.end(),
                                  [&](const gateway::RouteConfig& each) { return each.name == name; });
  // One that the configuration no longer has can still be taken off the list.
  if (found == config->routes.end() && (off->get_bool() || parts_.store.switches()->find(name) == nullptr))
    co_return fail(ErrorCode::kNotFound, "no route is called \"" + name + "\"");
  const alerting::Actor by = alert_actor_of(exchange->request(), body);
  const gateway::RouteSwitch change{name, reason, by.name, parts_.clock.now()};
  const bool is_off = off->get_bool();
  SENTINEL_CO_TRY(co_await net::blocking(&parts_.runtime, [this, change, is_off, by] {
    return parts_.store.set_switch(change, is_off, [&](state::Tx& tx) {
      const std::string after = text::serialize(json::object{{"reason", change.reason}});
      return alerting::Audit::add(tx, {0, change.at, by, is_off ? "route.switched_off" : "route.switched_on",
                                       change.route, is_off ? "" : "{}", is_off ? after : ""});
    });
  }));
  const gateway::RouteConfig gone{.name = name};
  co_return net::json_response(
      200, text::serialize(route_json(found == config->routes.end() ? gone : *found, *parts_.store.switches())));
}

}  // namespace sentinel::api
