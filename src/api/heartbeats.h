#pragma once
// Heartbeats of jobs. /sentinel/v1/heartbeats lists them and takes beats with a token; /heartbeat/SECRET/NAME takes
// them from whoever knows the address (a cron job with curl): the secret is good for that one heartbeat.

#include <functional>
#include <string>
#include <string_view>

#include "alerting/heartbeats.h"
#include "api/handler.h"
#include "base/scheduler.h"
#include "net/http_server.h"

namespace sentinel::api {

inline constexpr std::string_view kHeartbeatPrefix = "/heartbeat/";

class HeartbeatApi {
 public:
  struct Parts {
    Scheduler& control;
    alerting::Heartbeats& heartbeats;
    std::function<std::string(std::string_view name)> secret_of;  // on the control loop
  };
  explicit HeartbeatApi(Parts parts) : parts_(std::move(parts)) {}
  void add_routes(net::Router& router);

 private:
  using Answer = net::Task<Result<net::Response>>;
  Answer list(net::Exchange* exchange);
  Answer show(net::Exchange* exchange);
  Answer beat(net::Exchange* exchange);
  Answer open_beat(net::Exchange* exchange);

  Parts parts_;
};

}  // namespace sentinel::api
