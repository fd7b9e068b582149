#pragma once
// What Alertmanager's API lacks: the history of alerts, acknowledgements, and what a silence would mute before it is
// made.

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
  // Under /sentinel/v1: alerts/history, alerts/acknowledge, alerts/unacknowledge, alerts/acknowledgements,
  // alerts/flapping,   // silences/preview, silences/ending, silences/recurring, audit.
  void add_routes(net::Router& router, const std::string& prefix = "");

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer history(net::Exchange* exchange);
  Answer preview(net::Exchange* exchange);
  Answer ending(net::Exchange* exchange);
  Answer acknowledge(net::Exchange* exchange);
  Answer unacknowledge(net::Exchange* exchange);
  Answer acknowledgements(net::Exchange* exchange);
  Answer flapping(net::Exchange* exchange);
  Answer audit(net::Exchange* exchange);  // audit.cc
  // recurring_silences.cc
  Answer recurring(net::Exchange* exchange);
  Answer add_recurring(net::Exchange* exchange);
  Answer remove_recurring(net::Exchange* exchange);

  Parts parts_;
};

}  // namespace sentinel::api
