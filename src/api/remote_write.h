#pragma once
// POST /api/v1/write: Prometheus remote write 1.0 and 2.0 in.

#include "api/handler.h"
#include "ingest/remote_write.h"
#include "net/http_server.h"

namespace sentinel::api {

class RemoteWriteApi {
 public:
  RemoteWriteApi(net::Runtime& runtime, ingest::RemoteWriter& writer) : runtime_(runtime), writer_(writer) {}
  void add_routes(net::Router& router);

 private:
  net::Task<void> write(net::Exchange* exchange);

  net::Runtime& runtime_;
  ingest::RemoteWriter& writer_;
};

}  // namespace sentinel::api
