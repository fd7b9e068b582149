#pragma once
// GET /sentinel/v1/analytics/alerts: whether pages were worth an interruption. See docs/api.md.

#include "api/handler.h"
#include "incident/alert_quality.h"
#include "incident/pager.h"
#include "net/http_server.h"

namespace sentinel::api {

class AlertQualityApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    Scheduler& control;
    state::Database& database;
    incident::Pager& pager;
    incident::Service& incidents;
  };
  explicit AlertQualityApi(Parts parts) : parts_(parts) {}
  void add_routes(net::Router& router);

 private:
  net::Task<Result<net::Response>> get(net::Exchange* exchange);
  Parts parts_;
};

}  // namespace sentinel::api
