#pragma once
// Rules and alerts: /api/v1/rules and /api/v1/alerts in Prometheus's form, /sentinel/v1/alerts, rules, events and
// notifications in ours.

#include <boost/json/object.hpp>

#include "alerting/alerting.h"
#include "api/handler.h"
#include "detection/rule_manager.h"
#include "incident/service.h"
#include "net/http_server.h"
#include "state/database.h"

namespace sentinel::api {

// {"monitors":{"ok","pending","firing","error"},"firing_alerts":n} for the overview.
boost::json::object monitor_counts(const detection::RuleManager& rules);

class AlertsApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    const Clock& clock;
    Scheduler& control;
    alerting::Alerting& alerting;         // on the control loop
    const detection::RuleManager& rules;  // groups() and alerts() from any thread
    incident::Service& incidents;         // on the control loop
    state::Database& database;
  };
  explicit AlertsApi(Parts parts) : parts_(parts) {}
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer prometheus_rules(net::Exchange* exchange);
  Answer prometheus_alerts(net::Exchange* exchange);
  Answer alerts(net::Exchange* exchange);
  Answer rules(net::Exchange* exchange);
  Answer events(net::Exchange* exchange);
  Answer notifications(net::Exchange* exchange);

  Parts parts_;
};

}  // namespace sentinel::api
