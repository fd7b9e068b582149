#pragma once
// Internal to net: one connection to an origin, plain or TLS, and the exchange on it. Lives on one core.

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/deadline.h"
#include "net/http1.h"
#include "net/http_client.h"
#include "net/socket.h"
#include "net/transport_impl.h"
#include "net/url.h"

namespace sentinel::net {

using TlsStream = asio::ssl::stream<TcpSocket&>;

class ClientConnection final : private Deadline {
 public:
  ClientConnection(asio::io_context& core, std::string origin);
  ~ClientConnection() override;

  // `transport` may be null; else its TLS is used instead of `tls`, and `endpoints` are those of its proxy if it has
  // one.
  Task<Status> connect(std::vector<asio::ip::tcp::endpoint> endpoints, const Url* url, asio::ssl::context* tls,
                       const Transport* transport, Millis timeout);
  // Before connect(): the TLS handshake offers HTTP/2 as well.
  void offer_http2() { offers_http2_ = true; }
  // The server chose it: from then on only the three below, for Http2Connection.
  bool speaks_http2() const { return speaks_http2_; }
  Task<Result<std::string_view>> read_bytes();  // at least one; valid until consume_bytes()
  void consume_bytes() { in_.consume(in_.size()); }
  Task<Status> write_bytes(const std::string* bytes);

  // The exchange. `head` is complete, with its empty line.
  void begin(const ClientTimeouts& timeouts, int64_t total_due_ms);
  Task<Status> send(std::string* head, const std::string* body);
  Task<Status> read_head(int* status, Headers* headers, std::string_view method);
  // The next bytes of the body; empty: the end.
  Task<Result<std::string>> next_chunk();
  void set_idle_timeout(Millis idle) { timeouts_.idle = idle; }

  void cancel();  // ends what is pending with kCanceled
  bool body_done() const { return body_done_; }
  // The exchange is over, and another may follow.
  bool reusable() const { return body_done_ && keep_alive_ && open_ && in_.size() == 0; }
  bool any_byte_received() const { return any_byte_received_; }

  // In the pool.
  void park(std::function<void()> on_expired, Millis max_age);
  void unpark();
  bool still_good();                                     // REQUIRES: unparked
  const std::string& origin() const { return origin_; }  // and the transport: the key of the pool

 private:
  Task<Status> handshake(const Url* url, std::string host, asio::ssl::context* tls);
  Task<Status> open_tunnel(const Url* url, const Transport* transport);
  Task<Status> fill(size_t room);
  Error broken(const SysError& error) const;
  void enter(const char* phase, Millis limit);
  void on_deadline() override;
  void set_framing(int status, std::string_view method, const MessageHead& head);
  bool take_body(std::string& out);

  enum class Framing { kNone, kSized, kChunked, kUntilClose };
  std::string origin_;
  TcpSocket socket_;
  std::unique_ptr<TlsStream> tls_;
  InBuffer in_;
  HeadScanner scanner_;
  ChunkedDecoder chunked_;
  std::function<void()> on_expired_;
  ClientTimeouts timeouts_;
  int64_t total_due_ms_ = 0;
  int64_t parked_ms_ = 0;
  uint64_t body_left_ = 0;
  Framing framing_ = Framing::kNone;
  const char* phase_ = "";
  bool phase_is_total_ = false;
  bool offers_http2_ = false;
  bool speaks_http2_ = false;
  bool open_ = true;
  bool timed_out_ = false;
  bool canceled_ = false;
  bool keep_alive_ = false;
  bool body_done_ = false;
  bool any_byte_received_ = false;
};

}  // namespace sentinel::net
