#pragma once
// /sentinel/v1/gateway/keys and /routes: virtual keys and the kill switch. What changes something is durable, and in
// the audit, when it is answered. Runs on the blocking pool.

#include <memory>
#include <string>

#include "api/handler.h"
#include "gateway/gateway.h"
#include "gateway/policy/policy_store.h"
#include "net/http_server.h"

namespace sentinel::api {

class GatewayPolicyApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    const Clock& clock;
    gateway::Gateway& gateway;
    gateway::PolicyStore& store;
  };
  explicit GatewayPolicyApi(Parts parts) : parts_(parts) {}
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer list_keys(net::Exchange* exchange);
  Answer create_key(net::Exchange* exchange);
  Answer revoke_key(net::Exchange* exchange);
  Answer list_routes(net::Exchange* exchange);
  Answer set_route(net::Exchange* exchange);
  boost::json::object key_json(const gateway::VirtualKey& key) const;

  Parts parts_;
};

}  // namespace sentinel::api
