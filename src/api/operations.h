#pragma once
// /metrics, /-/healthy, /-/ready, /-/reload, /debug/diagnostics, /debug/active-requests, /sentinel/v1/status and
// /sentinel/v1/drift.

#include <functional>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "analysis/analyzer.h"
#include "api/handler.h"
#include "base/metrics.h"
#include "net/http_server.h"

namespace sentinel::api {

struct ComponentState {
  std::string name;
  std::string state = "ok";  // ok, degraded
  std::string detail;
};

enum class DriftChange : uint8_t { kReset, kAdopt };

class OperationsApi {
 public:
  // Callbacks come from app; all are safe to call on a pool thread.
  struct Parts {
    net::Runtime& runtime;
    const Clock& clock;
    MetricRegistry& metrics;
    std::function<bool()> ready;
    std::function<Status(const alerting::Actor&)> reload;
    std::function<std::vector<ComponentState>()> components;
    std::function<boost::json::object()> config_summary;
    std::function<std::vector<net::HttpServer::ActiveRequest>()> active_requests;
    TimePoint started_at;
    bool demo = false;
    // Both block. The count of references that were forgotten, and what is known of all.
    std::function<Result<size_t>(const analysis::DriftRoute&, DriftChange)> change_drift;
    std::function<Result<boost::json::object>()> drift_report;
  };
  explicit OperationsApi(Parts parts) : parts_(std::move(parts)) {}
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer metrics(net::Exchange* exchange);
  Answer healthy(net::Exchange* exchange);
  Answer ready(net::Exchange* exchange);
  Answer reload(net::Exchange* exchange);
  Answer diagnostics(net::Exchange* exchange);
  Answer active_requests(net::Exchange* exchange);
  Answer status(net::Exchange* exchange);
  Answer drift(net::Exchange* exchange);
  Answer reset_drift(net::Exchange* exchange) { return change_drift(exchange, DriftChange::kReset); }
  Answer adopt_drift(net::Exchange* exchange) { return change_drift(exchange, DriftChange::kAdopt); }
  Answer change_drift(net::Exchange* exchange, DriftChange change);

  Parts parts_;
};

}  // namespace sentinel::api
