#pragma once
// GET and POST /sentinel/v1/gateway/breakers: the state of the gateway's circuit breakers, and setting it by hand.

#include "api/handler.h"
#include "gateway/gateway.h"

namespace sentinel::api {

class GatewayBreakersApi {
 public:
  // The gateway outlives it.
  explicit GatewayBreakersApi(gateway::Gateway& gateway) : gateway_(gateway) {}
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer list(net::Exchange* exchange);
  Answer set(net::Exchange* exchange);

  gateway::Gateway& gateway_;
};

}  // namespace sentinel::api
