#pragma once
// Internal to net: the client's side of one HTTP/2 connection, shared by the exchanges of its core. It is made of a
// ClientConnection whose server chose h2 in its TLS handshake; nghttp2 does the framing.

#include <memory>
#include <string>
#include <string_view>

#include "net/client_connection.h"
#include "net/event.h"
#include "net/http_client.h"

struct nghttp2_session;

namespace sentinel::net {

// One request and its answer on such a connection. Owned by its exchange; the connection knows it until it is
// forgotten.
struct Http2Stream {
  explicit Http2Stream(asio::io_context& core) : news(core) {}

  std::string body;  // of the request
  size_t body_sent = 0;
  int32_t id = -1;
  int status = 0;
  Headers headers;
  size_t header_bytes = 0;
  std::string data;  // arrived and not yet taken
  bool head_done = false;
  bool ended = false;    // the whole answer has arrived
  bool refused = false;  // the server has done nothing with it: it may be sent again elsewhere
  std::optional<Error> error;
  Event news;  // something above has changed
};

// Lives on one core. Its tasks keep it alive while the connection is open.
class Http2Connection final : public std::enable_shared_from_this<Http2Connection>, private Deadline {
 public:
  // REQUIRES: connected and speaks_http2().
  Http2Connection(asio::io_context& core, std::unique_ptr<ClientConnection> connection, Millis idle_max);
  ~Http2Connection() override;
  void start(Runtime& runtime);

  // Whether one more stream may begin.
  bool usable() const;
  bool closed() const { return closed_; }
  // Sends the request. `stream` must be forgotten before it dies.
  Status submit(Http2Stream* stream, const ClientRequest& request, const Url& url);
  // Room for more of the answer: `count` bytes of it were taken.
  void taken(Http2Stream& stream, size_t count);
  // No longer wanted; what has not ended is reset.
  void forget(Http2Stream& stream);
  // Nothing has come since `ms`: nobody should begin anything here any more.
  void doubt(int64_t since_ms);
  void close(const Error& why);

 private:
  struct Callbacks;
  static Task<void> read_loop(std::shared_ptr<Http2Connection> self);
  static Task<void> write_loop(std::shared_ptr<Http2Connection> self);
  void flush();
  void on_deadline() override;
  void drop(Http2Stream& stream, uint32_t error_code);

  std::unique_ptr<ClientConnection> connection_;
  nghttp2_session* session_ = nullptr;
  Runtime* runtime_ = nullptr;
  asio::io_context& core_;
  const Millis idle_max_;
  int64_t heard_ms_ = 0;
  std::vector<Http2Stream*> streams_;  // that have not ended
  bool writing_ = false;
  bool retired_ = false;  // ends with its last stream
  bool closed_ = false;
};

// The answer to one request. Failures of the connection before the head may be tried again elsewhere (`may_retry`).
class Http2Exchange final : public ClientResponse {
 public:
  Http2Exchange(asio::io_context& core, std::shared_ptr<Http2Connection> connection, const ClientRequest& request,
                int64_t total_due_ms);
  ~Http2Exchange() override;

  // Sends it and waits for the head.
  Task<Status> begin(const ClientRequest* request, const Url* url);
  bool may_retry() const { return !stream_.head_done && !canceled_ && !timed_out_; }

  int status() const override { return stream_.status; }
  const Headers& headers() const override { return stream_.headers; }
  Task<Result<std::string>> next_chunk() override;
  Task<Result<std::string>> read_all() override;
  void set_idle_timeout(Millis idle) override { timeouts_.idle = idle; }
  void cancel() override;

 private:
  // Until `done` of the stream, or an error.
  Task<Status> wait(const char* phase, Millis limit, bool (*done)(const Http2Stream&));

  std::shared_ptr<Http2Connection> connection_;
  std::shared_ptr<CancelToken> cancel_;
  Http2Stream stream_;
  ClientTimeouts timeouts_;
  const int64_t total_due_ms_;
  size_t body_left_;
  bool canceled_ = false;
  bool timed_out_ = false;
};

}  // namespace sentinel::net
