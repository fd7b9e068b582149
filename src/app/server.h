#pragma once
// `sentinel serve`: builds every part, connects them, and takes them down in order. The only place that knows concrete
// types.
//
// Threads: I/O cores (net::Runtime), `control` (alerting, incidents, runbooks), `detection` (rules), `collector` (own
// series and upkeep of the stores), `telemetry` (analysis), and the runtime's pool for SQL and PromQL.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "app/config.h"
#include "base/result.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace sentinel::app {

struct ServerHooks {
  bool demo = false;
  // More routes on the same listener (the demo's).
  std::function<void(net::Router&)> add_routes;
};

class Server {
 public:
  // Returns when it serves. One clear error: a taken port, a data directory in use or not writable, a wrong file.
  static Result<std::unique_ptr<Server>> start(Config config, ServerHooks hooks = {});
  ~Server();  // stops
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const;
  std::string url() const;  // http://127.0.0.1:8080
  // Reads rules, routes, runbooks and sentinel.yml again. On an error everything stays as it was.
  Status reload();
  // Lets LLM calls end within `shutdown.drain` while /-/ready says 503, then the other requests; drains telemetry and
  // stores what is under way. Blocks. Idempotent.
  void stop();

  net::Runtime& runtime();
  net::HttpClient& client();
  MetricRegistry& metrics();

 private:
  Server();
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sentinel::app
