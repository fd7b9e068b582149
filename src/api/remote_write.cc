#include "api/remote_write.h"

namespace sentinel::api {

void RemoteWriteApi::add_routes(net::Router& router) {
  route(router, "POST", "/api/v1/write", this, &RemoteWriteApi::write);
}

// The store may wait for its log, so that the work is done on the pool; the request lives until the answer is sent.
net::Task<void> RemoteWriteApi::write(net::Exchange* exchange) {
  const net::Request* request = &exchange->request();
  ingest::WriteAnswer answer = co_await net::blocking(&runtime_, [this, request] {
    return writer_.write(request->headers.get("Content-Type"), request->headers.get("Content-Encoding"), request->body);
  });
  net::Response response;
  response.status = answer.status;
  if (answer.protocol == ingest::WriteProtocol::kV2) {
    response.headers.set("X-Prometheus-Remote-Write-Samples-Written", std::to_string(answer.samples));
    response.headers.set("X-Prometheus-Remote-Write-Histograms-Written", std::to_string(answer.histograms));
    response.headers.set("X-Prometheus-Remote-Write-Exemplars-Written", std::to_string(answer.exemplars));
  }
  if (!answer.message.empty()) {
    response.headers.set("Content-Type", "text/plain; charset=utf-8");
    response.headers.set("X-Content-Type-Options", "nosniff");
    response.body = answer.message + "\n";
  }
  // A client that has gone does not read the answer; there is nobody to tell.
  (void)co_await exchange->respond(std::move(response));
}

}  // namespace sentinel::api
