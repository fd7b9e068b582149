#pragma once
// HTTP/1.1 and HTTP/2 client with connections kept per core and origin, TLS, and a deadline for each phase.

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/result.h"
#include "net/http.h"
#include "net/task.h"
#include "net/transport.h"

namespace sentinel::net {

struct ClientTimeouts {
  Millis connect = std::chrono::seconds(5);
  Millis first_byte = std::chrono::seconds(60);  // from the request sent to the response's head
  Millis idle = std::chrono::seconds(60);        // between chunks of the body
  Millis total = std::chrono::minutes(10);
};

// Breaks off one exchange, from before it is sent until its last byte. Used on the core of the exchange only.
class CancelToken {
 public:
  // The exchange ends with kCanceled. Idempotent; also before send().
  void cancel() {
    canceled_ = true;
    if (!fn_) return;
    auto fn = std::move(fn_);
    fn_ = nullptr;
    fn();
  }
  bool canceled() const { return canceled_; }
  // For the client: what to do at cancel; replaces the last. An empty one takes back only what `owner` has set.
  void on_cancel(std::function<void()> fn, const void* owner) {
    if (!fn && owner != owner_) return;
    fn_ = std::move(fn);
    owner_ = owner;
  }

 private:
  std::function<void()> fn_;
  const void* owner_ = nullptr;
  bool canceled_ = false;
};

struct ClientRequest {
  std::string method = "GET";
  std::string url = {};  // http:// or https://, with host
  Headers headers = {};
  std::string body = {};
  ClientTimeouts timeouts = {};
  size_t body_bytes_max = 64 * 1024 * 1024;
  std::shared_ptr<CancelToken> cancel = {};         // one token may serve exchanges that follow each other
  std::shared_ptr<const Transport> transport = {};  // null: as the client's options say, without a proxy
  bool http2 = false;  // over TLS, without a transport of its own: HTTP/2 where the server offers it
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
  // Replaces ClientTimeouts::idle from the next next_chunk() on.
  virtual void set_idle_timeout(Millis idle) = 0;
  // Closes now; a pending next_chunk ends with kCanceled. Callable on the core only.
  virtual void cancel() = 0;
};

struct ClientOptions {
  size_t idle_connections_per_origin = 256;
  Millis idle_connection_max_age = std::chrono::seconds(55);
  bool verify_tls = true;
  std::string ca_file;  // PEM; empty: the system's
};

// One for the process; inside, a pool for each core. Callable from tasks on any core of the runtime.
// REQUIRES: the runtime is stopped, or all exchanges have ended, before it is destroyed.
class HttpClient {
 public:
  HttpClient(Runtime& runtime, MetricRegistry& metrics, ClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
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
