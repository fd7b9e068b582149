#pragma once
// GET /sentinel/v1/changes, POST /sentinel/v1/changes: what was done to the system that calls go through. See
// docs/api.md.

#include "api/handler.h"
#include "incident/changes.h"
#include "net/http_server.h"

namespace sentinel::api {

// Thread-safe: handlers run on I/O cores and read and write on the pool.
class ChangesApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    const Clock& clock;
    incident::ChangeLog& log;
  };
  explicit ChangesApi(Parts parts) : parts_(parts) {}
  void add_routes(net::Router& router);

 private:
  net::Task<Result<net::Response>> list(net::Exchange* exchange);
  net::Task<Result<net::Response>> add(net::Exchange* exchange);

  Parts parts_;
};

}  // namespace sentinel::api
