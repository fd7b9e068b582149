#pragma once
// What Alertmanager's API lacks: the history of alerts, and what a silence would mute before it is made.

#include <string>

#include "alerting/alerting.h"
#include "api/handler.h"
#include "net/http_server.h"

namespace sentinel::api {

class AlertToolsApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    const Clock& clock;
    Scheduler& control;
    alerting::Alerting& alerting;  // on the control loop
  };
  explicit AlertToolsApi(Parts parts) : parts_(parts) {}
  // GET /sentinel/v1/alerts/history, POST /sentinel/v1/silences/preview.
  void add_routes(net::Router& router, const std::string& prefix = "");

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer history(net::Exchange* exchange);
  Answer preview(net::Exchange* exchange);

  Parts parts_;
};

}  // namespace sentinel::api
