#pragma once
// What an Alertmanager serves beside its API: /-/healthy, /-/ready, /-/reload, /metrics.

#include <functional>
#include <string>

#include "api/alertmanager_metrics.h"
#include "api/handler.h"
#include "base/metrics.h"
#include "net/http_server.h"

namespace sentinel::api {

class AlertmanagerOperations {
 public:
  // Both are called on a pool thread.
  AlertmanagerOperations(net::Runtime& runtime, MetricRegistry& metrics,
                         std::function<Status(const alerting::Actor&)> reload, std::function<AlertmanagerFacts()> facts)
      : runtime_(runtime), metrics_(metrics), reload_(std::move(reload)), facts_(std::move(facts)) {}
  void add_routes(net::Router& router, const std::string& prefix);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer ok(net::Exchange* exchange);
  Answer reload(net::Exchange* exchange);
  Answer metrics(net::Exchange* exchange);

  net::Runtime& runtime_;
  MetricRegistry& metrics_;
  const std::function<Status(const alerting::Actor&)> reload_;
  const std::function<AlertmanagerFacts()> facts_;
};

}  // namespace sentinel::api
