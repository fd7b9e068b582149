#pragma once
// Alertmanager's API v2 (/api/v2/…), and the 410 of its v1. What clients see is Alertmanager 0.34's: fields, defaults,
// status codes, wording of errors.

#include <functional>
#include <string>

#include "alerting/alerting.h"
#include "api/alertmanager_json.h"
#include "api/handler.h"
#include "api/version.h"
#include "net/http_server.h"
#include "receivers/templates.h"

namespace sentinel::api {

class AlertmanagerApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    const Clock& clock;
    Scheduler& control;
    alerting::Alerting& alerting;                        // on the control loop
    std::function<alerting::ClusterStatus()> cluster{};  // on the control loop; empty: no cluster
    TimePoint started_at;
    // What route labels are expanded with; from any thread. Empty: they are shown as they are.
    std::function<std::shared_ptr<const receivers::Templates>()> templates{};
    // What clients are told; amtool warns when it is not its own.
    std::string version = kAlertmanagerCompatibleVersion;
  };
  explicit AlertmanagerApi(Parts parts) : parts_(std::move(parts)) {}
  // `prefix` is "" or "/foo".
  void add_routes(net::Router& router, const std::string& prefix = "");

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer status(net::Exchange* exchange);
  Answer receivers(net::Exchange* exchange);
  Answer get_alerts(net::Exchange* exchange);
  Answer post_alerts(net::Exchange* exchange);
  Answer get_groups(net::Exchange* exchange);
  Answer get_silences(net::Exchange* exchange);
  Answer post_silence(net::Exchange* exchange);
  Answer get_silence(net::Exchange* exchange);
  Answer delete_silence(net::Exchange* exchange);
  Answer unknown(net::Exchange* exchange);
  Answer gone(net::Exchange* exchange);
  void expand_route_labels(std::vector<alerting::GroupView>& groups) const;

  Parts parts_;
};

}  // namespace sentinel::api
