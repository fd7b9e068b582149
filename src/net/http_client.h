#pragma once
// HTTP/1.1 client with keep-alive pools per core and origin, TLS, and a deadline for each phase.

#include <memory>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/result.h"
#include "net/http.h"
#include "net/task.h"

namespace sentinel::net {

struct ClientTimeouts {
  Millis connect = std::chrono::seconds(5);
  Millis first_byte = std::chrono::seconds(60);  // from the request sent to the response's head
  Millis idle = std::chrono::seconds(60);        // between chunks of the body
  Millis total = std::chrono::minutes(10);
};

struct ClientRequest {
  std::string method = "GET";
  std::string url;  // http:// or https://, with host
  Headers headers;
  std::string body;
  ClientTimeouts timeouts;
  size_t body_bytes_max = 64 * 1024 * 1024;
};

// The head has arrived; the body is read piece by piece. Dropping it before the end closes the connection.
// Lives on the core that sent the request.
class ClientResponse {
 public:
  virtual ~ClientResponse() = default;
  virtual int status() const = 0;
  virtual const Headers& headers() const = 0;
  // The next piece as it arrived; empty at the regular end. kIo: cut off. kTimeout: idle or total.
  virtual Task<Result<std::string>> next_chunk() = 0;
  virtual Task<Result<std::string>> read_all() = 0;
  // Closes now; a pending next_chunk ends with kCanceled. Callable on the core only.
  virtual void cancel() = 0;
};

struct ClientOptions {
  size_t idle_connections_per_origin = 256;
  Millis idle_connection_max_age = std::chrono::seconds(55);
  bool verify_tls = true;
};

// One for the process; inside, a pool for each core. Thread-safe.
class HttpClient {
 public:
  HttpClient(Runtime& runtime, MetricRegistry& metrics, ClientOptions options);
  ~HttpClient();
  // kIo: could not connect or the connection broke; kTimeout: which phase is in the message.
  // A request that fails on a reused connection before any byte came back is sent once more on a new one.
  Task<Result<std::unique_ptr<ClientResponse>>> send(ClientRequest request);
  // Whole exchange.
  Task<Result<Response>> fetch(ClientRequest request);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// For the command line and tests: blocks, with a small runtime of its own.
Result<Response> fetch_blocking(ClientRequest request);

}  // namespace sentinel::net
