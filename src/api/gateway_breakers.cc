#include "api/gateway_breakers.h"

#include <boost/json.hpp>

#include "alerting/audit.h"
#include "base/log.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;
namespace {

json::object write(const gateway::BreakerView& view) {
  return {{"provider", view.provider},
          {"model", view.model},
          {"state", gateway::breaker_state_name(view.state)},
          {"held", view.held},
          {"open_until", view.open_until ? json::value(format_rfc3339(*view.open_until)) : json::value()},
          {"failures_in_a_row", view.counts.in_a_row},
          {"window_attempts", view.counts.attempts},
          {"window_failures", view.counts.failures},
          {"under_way", view.under_way}};
}

json::object write_all(const gateway::Gateway& gateway) {
  json::array items;
  for (const auto& view : gateway.breakers()) items.push_back(write(view));
  return {{"items", std::move(items)}};
}

// {"model": "state"} of those that a change is about.
json::object state_of(const gateway::Gateway& gateway, std::string_view provider, std::string_view model) {
  json::object out;
  for (const auto& view : gateway.breakers()) {
    if (view.provider == provider && (model.empty() || view.model == model))
      out[view.model] = std::string(gateway::breaker_state_name(view.state)) + (view.held ? ", held" : "");
  }
  return out;
}

}  // namespace

void GatewayBreakersApi::add_routes(net::Router& router) {
  route(router, "GET", "/sentinel/v1/gateway/breakers", this, &GatewayBreakersApi::list);
  route(router, "POST", "/sentinel/v1/gateway/breakers", this, &GatewayBreakersApi::set);
}

GatewayBreakersApi::Answer GatewayBreakersApi::list(net::Exchange*) {
  co_return net::json_response(200, text::serialize(write_all(parts_.gateway)));
}

GatewayBreakersApi::Answer GatewayBreakersApi::set(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const json::object body, json_body(exchange->request()));
  SENTINEL_CO_ASSIGN(const std::string provider, required_string(body, "provider"));
  SENTINEL_CO_ASSIGN(const std::string model, string_field(body, "model"));
  SENTINEL_CO_ASSIGN(const std::string name, required_string(body, "state"));
  const auto state = gateway::parse_breaker_state(name);
  if (!state && name != "auto")
    co_return fail(ErrorCode::kInvalidArgument, "state must be closed, half_open, open or auto, not \"" + name + "\"");
  const json::object before = state_of(parts_.gateway, provider, model);
  if (const Status done = parts_.gateway.force_breaker(provider, model, state); !done) co_return fail(done.error());
  alerting::AuditEntry entry;
  entry.at = parts_.clock.now();
  entry.by = alert_actor_of(exchange->request(), body);
  entry.action = "breaker.set";
  entry.target = model.empty() ? provider : provider + "/" + model;
  entry.before = text::serialize(before);
  entry.after = text::serialize(json::object{{"state", name}});
  log_info("audit", "circuit breaker set",
           {{"actor", entry.by.name},
            {"source", entry.by.source},
            {"provider", provider},
            {"model", model},
            {"state", name}});
  SENTINEL_CO_TRY(co_await net::blocking(&parts_.runtime, [this, entry] {
    return parts_.database.write([&](state::Tx& tx) { return alerting::Audit::add(tx, entry); });
  }));
  co_return net::json_response(200, text::serialize(write_all(parts_.gateway)));
}

}  // namespace sentinel::api
