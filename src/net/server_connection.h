#pragma once
// Internal to net: one accepted connection. Lives on one core from accept to close; a coroutine (run) owns its life.

#include <boost/asio/ssl/stream.hpp>

#include <atomic>
#include <list>
#include <memory>
#include <optional>

#include "net/deadline.h"
#include "net/http1.h"
#include "net/http_server.h"
#include "net/socket.h"
#include "net/transport_impl.h"

namespace sentinel::net {

// What all connections of one server share. Outlives them.
struct ServerShared {
  // What a new connection is given: `tls` may be null, `head` is lines of headers.
  struct Front {
    std::shared_ptr<const ServerTls> tls;
    std::string head;
  };
  std::shared_ptr<const Front> front() const {
    MutexLock lock(mutex);
    return current;
  }

  ServerOptions options;
  std::shared_ptr<const Router> router;
  mutable Mutex mutex;
  std::shared_ptr<const Front> current GUARDED_BY(mutex);
  Counter* requests = nullptr;
  Counter* bad_requests = nullptr;
  std::atomic<bool> stopping{false};
};

// The read of the next bytes is always under way while a handler runs: it tells when the client goes away, and when the
// handler is done those bytes are the next request. `in_` is prepared only when no read is under way.
class ServerConnection final : public Exchange, private Deadline {
 public:
  ServerConnection(asio::io_context& core, TcpSocket socket, std::string peer, ServerShared* shared);

  // Ends when the connection has. After it the object may go.
  Task<void> run();
  // Breaks it off: the handler, if one runs, is told that its client has gone.
  void close();
  void close_if_idle();
  std::optional<HttpServer::ActiveRequest> active() const;

  Request& request() override { return request_; }
  Task<Status> respond(Response response) override;
  Task<Status> begin_stream(int status, Headers headers) override;
  Task<Status> write(std::string bytes) override;
  Task<Status> end_stream() override;
  void abort() override;
  bool client_gone() const override { return gone_; }
  void on_client_gone(std::function<void()> fn) override;
  asio::io_context& core() override { return core_; }

 private:
  using ReadWaiter = asio::async_result<asio::use_awaitable_t<Executor>, void()>::handler_type;

  Task<bool> shake_hands();
  Task<bool> read_head();
  Task<bool> read_body();
  Task<bool> read_sized_body(uint64_t length);
  Task<bool> read_chunked_body();
  Task<bool> send_continue();
  Task<void> serve();
  Task<void> refuse(int status, std::string_view why);
  Task<void> linger();
  Task<Status> flush(OutParts parts);
  void begin_head(int status, const Headers& headers);

  void start_read(size_t room);
  void on_read(const SysError& error, size_t count);
  Task<void> read_done();
  void on_deadline() override;
  void tell_gone();

  asio::io_context& core_;
  TcpSocket socket_;
  const std::shared_ptr<const ServerShared::Front> front_;
  std::unique_ptr<asio::ssl::stream<TcpSocket&>> tls_;  // null: plain
  ServerShared* const shared_;
  InBuffer in_;
  HeadScanner scanner_;
  MessageHead head_;
  Request request_;
  std::string out_;
  std::string peer_;
  std::optional<ReadWaiter> read_waiter_;
  std::function<void()> on_gone_;
  int64_t request_started_ms_ = 0;

  bool open_ = true;
  bool reading_ = false;
  bool read_ended_ = false;  // end of stream or error: no more bytes will come
  bool gone_ = false;
  bool timed_out_ = false;
  bool keep_alive_ = true;
  bool linger_ = false;
  bool handler_running_ = false;
  bool answer_started_ = false;
  bool answer_ended_ = false;
  bool chunked_out_ = false;
};

}  // namespace sentinel::net
