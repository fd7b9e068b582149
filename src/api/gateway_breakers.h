#pragma once
// GET and POST /sentinel/v1/gateway/breakers: the state of the gateway's circuit breakers, and setting it by hand,
// which is in the audit when it is answered.

#include "api/handler.h"
#include "gateway/gateway.h"
#include "state/database.h"

namespace sentinel::api {

class GatewayBreakersApi {
 public:
  // They outlive it.
  struct Parts {
    net::Runtime& runtime;
    const Clock& clock;
    gateway::Gateway& gateway;
    state::Database& database;
  };
  explicit GatewayBreakersApi(Parts parts) : parts_(parts) {}
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer list(net::Exchange* exchange);
  Answer set(net::Exchange* exchange);

  Parts parts_;
};

}  // namespace sentinel::api
