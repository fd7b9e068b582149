#include "api/operations.h"

#include <boost/json.hpp>

#include "api/version.h"
#include "base/log.h"
#include "base/strings.h"
#include "ingest/exposition.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;

void OperationsApi::add_routes(net::Router& router) {
  route(router, "GET", "/metrics", this, &OperationsApi::metrics);
  route(router, "GET", "/-/healthy", this, &OperationsApi::healthy);
  route(router, "GET", "/-/ready", this, &OperationsApi::ready);
  route(router, "POST", "/-/reload", this, &OperationsApi::reload);
  route(router, "PUT", "/-/reload", this, &OperationsApi::reload);
  route(router, "GET", "/debug/diagnostics", this, &OperationsApi::diagnostics);
  route(router, "GET", "/debug/active-requests", this, &OperationsApi::active_requests);
  route(router, "GET", "/sentinel/v1/status", this, &OperationsApi::status);
  route(router, "GET", "/sentinel/v1/drift", this, &OperationsApi::drift);
  route(router, "POST", "/sentinel/v1/drift/reset", this, &OperationsApi::reset_drift);
  route(router, "POST", "/sentinel/v1/drift/adopt", this, &OperationsApi::adopt_drift);
}

OperationsApi::Answer OperationsApi::metrics(net::Exchange*) {
  net::Response response = net::text_response(200, ingest::write_text_format(parts_.metrics.collect()));
  response.headers.set("Content-Type", ingest::kTextFormatContentType);
  co_return response;
}

OperationsApi::Answer OperationsApi::healthy(net::Exchange*) {
  co_return net::text_response(200, "Sentinel is healthy.\n");
}

OperationsApi::Answer OperationsApi::ready(net::Exchange*) {
  if (!parts_.ready()) co_return net::text_response(503, "Sentinel is starting or shutting down.\n");
  co_return net::text_response(200, "Sentinel is ready.\n");
}

OperationsApi::Answer OperationsApi::reload(net::Exchange* exchange) {
  const alerting::Actor by = alert_actor_of(exchange->request(), {});
  const Status status = co_await net::blocking(&parts_.runtime, [this, by] { return parts_.reload(by); });
  if (!status) {
    log_error("server", "reload refused, the old configuration stays", {{"error", status.error().to_string()}});
    co_return fail(status.error());
  }
  co_return net::text_response(200, "Configuration reloaded.\n");
}

OperationsApi::Answer OperationsApi::diagnostics(net::Exchange*) {
  json::object out{{"version", kVersion},
                   {"now", format_rfc3339(parts_.clock.now())},
                   {"started_at", format_rfc3339(parts_.started_at)}};
  // Gauges about process and machine are what an operator asks for first.
  json::object system, gpus, own;
  for (const MetricFamily& family : parts_.metrics.collect()) {
    if (family.type == MetricType::kHistogram || family.points.empty()) continue;
    json::object* into = family.name.starts_with("gpu_")                                           ? &gpus
                         : family.name.starts_with("node_") || family.name.starts_with("process_") ? &system
                         : family.name.starts_with("sentinel_")                                    ? &own
                                                                                                   : nullptr;
    if (into == nullptr) continue;
    double sum = 0;
    for (const MetricPoint& point : family.points) sum += point.value;
    (*into)[family.name] = sum;
  }
  out["system"] = std::move(system);
  out["gpus"] = std::move(gpus);
  out["sentinel"] = std::move(own);
  co_return net::json_response(200, text::serialize(out));
}

OperationsApi::Answer OperationsApi::active_requests(net::Exchange*) {
  const auto requests = co_await net::blocking(&parts_.runtime, [this] { return parts_.active_requests(); });
  json::array items;
  for (const auto& r : requests)
    items.push_back(json::object{{"method", r.method}, {"target", r.target}, {"peer", r.peer}, {"age_ms", r.age_ms}});
  co_return net::json_response(200, text::serialize(json::object{{"items", std::move(items)}}));
}

OperationsApi::Answer OperationsApi::drift(net::Exchange*) {
  SENTINEL_CO_ASSIGN(const json::object report,
                     co_await net::blocking(&parts_.runtime, [this] { return parts_.drift_report(); }));
  co_return net::json_response(200, text::serialize(report));
}

OperationsApi::Answer OperationsApi::change_drift(net::Exchange* exchange, DriftChange change) {
  SENTINEL_CO_ASSIGN(const json::object body, json_body(exchange->request()));
  analysis::DriftRoute which;
  SENTINEL_CO_ASSIGN(which.endpoint, string_field(body, "endpoint"));
  SENTINEL_CO_ASSIGN(which.model, string_field(body, "model"));
  SENTINEL_CO_ASSIGN(which.prompt_template, string_field(body, "prompt_template"));
  if (which.endpoint.empty() && which.model.empty() && which.prompt_template.empty())
    co_return fail(ErrorCode::kInvalidArgument, "name an endpoint, a model or a prompt_template, or several of them");
  const incident::Actor actor = actor_of(exchange->request(), body);
  SENTINEL_CO_ASSIGN(const size_t count, co_await net::blocking(&parts_.runtime, [this, which, change] {
                       return parts_.change_drift(which, change);
                     }));
  log_info("audit", change == DriftChange::kReset ? "drift references reset" : "drift references adopted",
           {{"actor", actor.name},
            {"source", actor.source},
            {"endpoint", which.endpoint},
            {"model", which.model},
            {"prompt_template", which.prompt_template},
            {"references", count}});
  co_return net::json_response(200, text::serialize(json::object{{"references", count}}));
}

OperationsApi::Answer OperationsApi::status(net::Exchange*) {
  const auto components = co_await net::blocking(&parts_.runtime, [this] { return parts_.components(); });
  json::array list;
  for (const ComponentState& c : components)
    list.push_back(json::object{{"name", c.name}, {"state", c.state}, {"detail", c.detail}});
  co_return net::json_response(200, text::serialize(json::object{{"version", kVersion},
                                                                 {"started_at", format_rfc3339(parts_.started_at)},
                                                                 {"now", format_rfc3339(parts_.clock.now())},
                                                                 {"ready", parts_.ready()},
                                                                 {"components", std::move(list)},
                                                                 {"demo", parts_.demo},
                                                                 {"config", parts_.config_summary()}}));
}

}  // namespace sentinel::api
