#pragma once
// What every handler family shares: a Result becomes the answer or a problem document, bodies are JSON objects, the
// acting person comes from the request.

#include <optional>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "alerting/actor.h"
#include "base/result.h"
#include "incident/service.h"
#include "net/http_server.h"
#include "net/task.h"

namespace sentinel::api {

net::Task<void> respond_with(net::Exchange* exchange, net::Task<Result<net::Response>> answer);

// Registers a handler that returns a Result<Response>; an Error becomes a problem document. `self` outlives the router.
template <class Api>
void route(net::Router& router, std::string_view method, std::string_view pattern, Api* self,
           net::Task<Result<net::Response>> (Api::*handler)(net::Exchange*)) {
  router.add(method, pattern, [self, handler](net::Exchange* exchange) -> net::Task<void> {
    return respond_with(exchange, (self->*handler)(exchange));
  });
}
// Registers a handler that writes the answer itself (streams).
template <class Api>
void route(net::Router& router, std::string_view method, std::string_view pattern, Api* self,
           net::Task<void> (Api::*handler)(net::Exchange*)) {
  router.add(method, pattern, [self, handler](net::Exchange* exchange) { return (self->*handler)(exchange); });
}

// An empty body is an empty object. kInvalidArgument with line and column.
Result<boost::json::object> json_body(const net::Request& request);
// "" when absent or null; kInvalidArgument when it is something else than a string.
Result<std::string> string_field(const boost::json::object& body, std::string_view name);
Result<std::string> required_string(const boost::json::object& body, std::string_view name);

// Parameters of the query, then of a form body (Prometheus's API takes both).
net::Params request_params(const net::Request& request);
Result<TimePoint> time_param(const net::Params& params, std::string_view name, TimePoint fallback);
Result<size_t> limit_param(const net::Params& params, size_t fallback, size_t max);

// Whose token it is; where tokens have no name, X-Sentinel-User or "actor" of the body, else "someone"; the source is
// X-Sentinel-Source (page, cli), else "api".
incident::Actor actor_of(const net::Request& request, const boost::json::object& body);
// The same with the address of the client.
alerting::Actor alert_actor_of(const net::Request& request, const boost::json::object& body);

}  // namespace sentinel::api
