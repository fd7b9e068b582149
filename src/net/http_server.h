#pragma once
// HTTP/1.1 server on all cores of a Runtime: keep-alive, pipelining refused politely, chunked bodies both ways, limits,
// graceful stop.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "net/http.h"
#include "net/server_tls.h"
#include "net/task.h"

namespace sentinel::net {

// One request and the answer to it. Lives on one core; owned by the connection for as long as the handler runs.
// Exactly one of: respond(), or begin_stream() + write()* + end_stream(). A handler that returns without either gives
// 500.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual Request& request() = 0;
  // kCanceled: the client has gone.
  virtual Task<Status> respond(Response response) = 0;
  virtual Task<Status> begin_stream(int status, Headers headers) = 0;  // chunked
  virtual Task<Status> write(std::string bytes) = 0;                   // sent at once, not gathered
  virtual Task<Status> end_stream() = 0;
  // Closes the connection without the final chunk, so that the client sees a cut stream.
  virtual void abort() = 0;
  virtual bool client_gone() const = 0;
  // Called on this core when the client goes away while the handler runs; replaces the last one.
  virtual void on_client_gone(std::function<void()> fn) = 0;
  virtual asio::io_context& core() = 0;
};

// The Exchange outlives the returned task.
using Handler = std::function<Task<void>(Exchange*)>;

// Method and path pattern to handler. HEAD is served by GET's route where it has none of its own. Patterns: "/a/b",
// "/a/{id}/c", "/a/{rest...}" (the tail). Literals win over parameters. Immutable once the server has it.
class Router {
 public:
  void add(std::string_view method, std::string_view pattern, Handler handler);
  void add_any(std::string_view pattern, Handler handler);
  void set_fallback(Handler handler);
  // Fills request.path_params. Null: not found (`allowed` then lists the methods the path has, for a 405).
  const Handler* find(Request& request, std::vector<std::string>* allowed) const;
  // Runs the handler that find() gives, else the fallback, else answers 404 or 405.
  Task<void> serve(Exchange* exchange) const;
  // "GET /a/{id}" of every route, for the test that holds the OpenAPI file against the handlers.
  std::vector<std::string> routes() const;

 private:
  struct Route {
    std::string method;
    std::string pattern;
    std::vector<std::string> parts;
    Handler handler;
    bool matches(const std::vector<std::string_view>& path, Params* params) const;
    std::string rank() const;  // orders patterns: literal before parameter before tail, part by part
  };
  std::vector<Route> routes_;
  Handler fallback_;  // empty: 404
};

// Of the connections that are accepted from now on.
struct ConnectionOptions {
  std::shared_ptr<const ServerTls> tls{};  // null: plain
  Headers headers{};                       // go with every answer
};

struct ServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;  // 0: any free one
  size_t header_bytes_max = 64 * 1024;
  size_t body_bytes_max = 32 * 1024 * 1024;
  size_t connections_max = 20'000;
  Millis idle_timeout = std::chrono::seconds(120);
  Millis request_timeout = std::chrono::seconds(30);  // to read one request
  ConnectionOptions connections{};
};

class HttpServer {
 public:
  // kUnavailable with a clear line when the address is taken.
  static Result<std::unique_ptr<HttpServer>> start(Runtime& runtime, MetricRegistry& metrics, ServerOptions options,
                                                   std::shared_ptr<const Router> router);
  virtual ~HttpServer() = default;
  virtual uint16_t port() const = 0;
  // From any thread. A certificate is renewed without a restart; connections that are open stay as they are.
  virtual void set_connection_options(ConnectionOptions options) = 0;
  // Stops accepting, lets open requests finish for at most `grace`, then closes. Blocks.
  virtual void stop(Millis grace) = 0;
  struct ActiveRequest {
    std::string method, target, peer;
    int64_t age_ms = 0;
  };
  virtual std::vector<ActiveRequest> active_requests() const = 0;  // posts to each core and waits; not from a core
};

}  // namespace sentinel::net
