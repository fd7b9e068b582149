#include "api/integrations.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/log.h"
#include "base/strings.h"
#include "connect/limits.h"
#include "text/json_text.h"

namespace sentinel::api {
namespace json = boost::json;

void IntegrationsApi::add_routes(net::Router& router) {
  route(router, "POST", "/integrations/{name}", this, &IntegrationsApi::receive);
  route(router, "GET", "/sentinel/v1/integrations", this, &IntegrationsApi::list);
}

// The signature is checked on the pool, since its secret is read from a file; then the desk does what is asked for.
IntegrationsApi::Answer IntegrationsApi::receive(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const std::string name(request.path_params.get("name"));
  if (request.body.size() > connect::kInboundBytesMax)
    co_return fail(ErrorCode::kTooLarge, fmt::format("at most {} bytes are read", connect::kInboundBytesMax));
  const auto connection =
      co_await net::on_loop(&parts_.control, [this, name] { return parts_.hub.config()->find(name); });
  if (connection == nullptr) co_return fail(ErrorCode::kNotFound, fmt::format("there is no integration \"{}\"", name));
  const TimePoint now = parts_.control.now();
  const auto received = co_await net::blocking(
      &parts_.runtime, [&request, connection, now] { return connection->receive(request, now); });
  auto answer =
      received ? co_await net::on_loop(&parts_.control,
                                       [this, connection, &received] { return parts_.hub.act(*connection, *received); })
               : fail(received.error());
  const bool ok = answer.has_value();
  parts_.metrics
      .counter("sentinel_integration_requests_total", "Requests from other services, by whether they were taken.",
               {{"integration", name}, {"result", ok ? "ok" : "refused"}})
      .add();
  if (!ok) {
    log_warn("connect", "a request was refused",
             {{"integration", name}, {"peer", request.peer}, {"error", answer.error().message()}});
  }
  co_return answer;
}

IntegrationsApi::Answer IntegrationsApi::list(net::Exchange*) {
  SENTINEL_CO_ASSIGN(const auto views,
                     co_await net::on_loop(&parts_.control, [this] { return parts_.hub.connections(); }));
  json::array items;
  for (const connect::ConnectionView& view : views) {
    items.push_back(json::object{
        {"name", view.name},
        {"kind", view.kind},
        {"request_url", fmt::format("{}{}{}", parts_.external_url, kInboundPrefix, view.name)},
        {"incidents", view.incidents},
        {"pending", view.pending},
        {"last_request_at", view.last_request ? json::value(format_rfc3339(*view.last_request)) : json::value(nullptr)},
        {"error", view.error.empty() ? json::value(nullptr) : json::value(view.error)}});
  }
  co_return net::json_response(200, text::serialize(json::object{{"items", std::move(items)}}));
}

}  // namespace sentinel::api
