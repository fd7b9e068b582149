#pragma once
// /integrations/NAME: where other services send what people do there; no bearer token is asked for, since each request
// is signed by its service. /sentinel/v1/integrations: how each integration is.

#include "api/handler.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "connect/hub.h"
#include "net/http_server.h"

namespace sentinel::api {

inline constexpr std::string_view kInboundPrefix = "/integrations/";

class IntegrationsApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    Scheduler& control;
    connect::Hub& hub;
    MetricRegistry& metrics;
    std::string external_url;
  };
  explicit IntegrationsApi(Parts parts) : parts_(std::move(parts)) {}
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer receive(net::Exchange* exchange);
  Answer list(net::Exchange* exchange);

  Parts parts_;
};

}  // namespace sentinel::api
