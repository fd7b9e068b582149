#include "net/client_connection.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>

#include "net/limits.h"

namespace sentinel::net {

ClientConnection::ClientConnection(asio::io_context& core, std::string origin)
    : Deadline(DeadlineWheel::of(core)), origin_(std::move(origin)), socket_(core.get_executor()) {}

ClientConnection::~ClientConnection() {
  SysError ignored;
  socket_.close(ignored);
}

void ClientConnection::cancel() {
  canceled_ = true;
  open_ = false;
  SysError ignored;
  socket_.close(ignored);
}

void ClientConnection::on_deadline() {
  if (on_expired_) {
    auto fn = std::move(on_expired_);
    on_expired_ = nullptr;
    fn();  // destroys this
    return;
  }
  timed_out_ = true;
  open_ = false;
  SysError ignored;
  socket_.close(ignored);
}

void ClientConnection::enter(const char* phase, Millis limit) {
  phase_ = phase;
  const int64_t due = now_ms() + limit.count();
  phase_is_total_ = total_due_ms_ != 0 && total_due_ms_ < due;
  arm_until(phase_is_total_ ? total_due_ms_ : due);
}

Error ClientConnection::broken(const SysError& error) const {
  if (canceled_) return {ErrorCode::kCanceled, "canceled"};
  if (timed_out_) return {ErrorCode::kTimeout, std::string(phase_is_total_ ? "total" : phase_) + " timeout"};
  if (error == asio::error::eof) return {ErrorCode::kIo, "the server closed the connection"};
  return {ErrorCode::kIo, "connection broken: " + error.message()};
}

Task<Status> ClientConnection::connect(std::vector<asio::ip::tcp::endpoint> endpoints, const Url* url,
                                       asio::ssl::context* tls, const Transport* transport, Millis timeout) {
  enter("connect", timeout);
  SysError last = asio::error::host_not_found;
  for (const auto& endpoint : endpoints) {
    SysError ignored;
    if (socket_.is_open()) socket_.close(ignored);
    auto [error] = co_await socket_.async_connect(endpoint, use_tuple);
    if (timed_out_ || canceled_) co_return fail(broken(error));
    last = error;
    if (!error) break;
  }
  if (last) co_return fail(ErrorCode::kIo, "cannot connect to " + url->origin() + ": " + last.message());
  SysError ignored;
  socket_.non_blocking(true, ignored);
  set_no_delay(socket_.native_handle());
  if (url->tls) {
    if (transport != nullptr && transport->proxy) SENTINEL_CO_TRY(co_await open_tunnel(url, transport));
    const bool named = transport != nullptr && !transport->options.server_name.empty();
    SENTINEL_CO_TRY(co_await handshake(url, named ? transport->options.server_name : url->host,
                                       transport != nullptr ? &transport->tls : tls));
  }
  disarm();
  co_return Status();
}

// Asks the proxy for a tunnel; what follows on the socket is the target's.
Task<Status> ClientConnection::open_tunnel(const Url* url, const Transport* transport) {
  const std::string host = url->host.find(':') == std::string::npos ? url->host : "[" + url->host + "]";
  const std::string target = host + ":" + std::to_string(url->port);
  std::string head = "CONNECT " + target + " HTTP/1.1\r\n";
  append_header(head, "host", target);
  if (!transport->proxy_authorization.empty()) {
    append_header(head, "proxy-authorization", transport->proxy_authorization);
  }
  for (const auto& [name, value] : transport->options.connect_headers) append_header(head, name, value);
  head += "\r\n";
  auto [error, count] = co_await asio::async_write(socket_, asio::buffer(head), use_tuple);
  if (error) co_return fail(broken(error));
  int status = 0;
  Headers headers;
  SENTINEL_CO_TRY(co_await read_head(&status, &headers, "CONNECT"));
  if (status / 100 != 2) {
    co_return fail(ErrorCode::kIo, "the proxy refuses a tunnel with status " + std::to_string(status));
  }
  if (in_.size() > 0) co_return fail(ErrorCode::kIo, "the proxy speaks before the tunnel's client");
  co_return Status();
}

Task<Status> ClientConnection::handshake(const Url* url, std::string host, asio::ssl::context* tls) {
  tls_ = std::make_unique<TlsStream>(socket_, *tls);
  SysError error;
  const bool is_ip = !asio::ip::make_address(host, error).is_unspecified() && !error;
  if (!is_ip && SSL_set_tlsext_host_name(tls_->native_handle(), host.c_str()) != 1) {
    co_return fail(ErrorCode::kIo, "cannot set the TLS server name");
  }
  tls_->set_verify_callback(asio::ssl::host_name_verification(host), error);
  constexpr unsigned char kBoth[] = "\x02h2\x08http/1.1";
  if (offers_http2_) SSL_set_alpn_protos(tls_->native_handle(), kBoth, sizeof kBoth - 1);
  auto [failed] = co_await tls_->async_handshake(TlsStream::client, use_tuple);
  if (!failed) {
    const unsigned char* chosen = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(tls_->native_handle(), &chosen, &size);
    speaks_http2_ = std::string_view(reinterpret_cast<const char*>(chosen), size) == "h2";
    co_return Status();
  }
  if (timed_out_ || canceled_) co_return fail(broken(failed));
  const long verdict = SSL_get_verify_result(tls_->native_handle());
  std::string why = failed.message();
  if (verdict != X509_V_OK) why += std::string(" (") + X509_verify_cert_error_string(verdict) + ")";
  co_return fail(ErrorCode::kIo, "TLS handshake with " + url->origin() + " failed: " + why);
}

void ClientConnection::begin(const ClientTimeouts& timeouts, int64_t total_due_ms) {
  timeouts_ = timeouts;
  total_due_ms_ = total_due_ms;
  body_done_ = any_byte_received_ = keep_alive_ = false;
  scanner_.reset();
  chunked_.reset();
}

Task<Status> ClientConnection::send(std::string* head, const std::string* body) {
  enter("first byte", timeouts_.first_byte);
  if (tls_) {
    head->append(*body);
    auto [error, count] = co_await asio::async_write(*tls_, asio::buffer(*head), use_tuple);
    if (error) co_return fail(broken(error));
    co_return Status();
  }
  OutParts parts;
  if (body->size() <= kGatherBytesMax) head->append(*body);
  parts.add(*head);
  if (body->size() > kGatherBytesMax) parts.add(*body);
  while (open_ && send_some(socket_.native_handle(), parts)) {
    if (parts.left == 0) co_return Status();
    auto [error] = co_await socket_.async_wait(TcpSocket::wait_write, use_tuple);
    if (error) co_return fail(broken(error));
  }
  co_return fail(broken(asio::error::broken_pipe));
}

Task<Status> ClientConnection::fill(size_t room) {
  const auto [data, size] = in_.prepare(room);
  if (!open_) co_return fail(broken(asio::error::operation_aborted));
  if (tls_) {
    auto [error, count] = co_await tls_->async_read_some(asio::buffer(data, size), use_tuple);
    if (error) co_return fail(broken(error));
    in_.commit(count);
  } else {
    auto [error, count] = co_await socket_.async_read_some(asio::buffer(data, size), use_tuple);
    if (error) co_return fail(broken(error));
    in_.commit(count);
  }
  any_byte_received_ = true;
  co_return Status();
}

Task<Result<std::string_view>> ClientConnection::read_bytes() {
  const Status filled = co_await fill(kBodyReadBytes);
  if (!filled) co_return fail(filled.error());
  co_return in_.view();
}

Task<Status> ClientConnection::write_bytes(const std::string* bytes) {
  if (!open_) co_return fail(broken(asio::error::operation_aborted));
  auto [error, count] = co_await asio::async_write(*tls_, asio::buffer(*bytes), use_tuple);
  if (error) co_return fail(broken(error));
  co_return Status();
}

Task<Status> ClientConnection::read_head(int* status, Headers* headers, std::string_view method) {
  while (true) {
    const HeadResult found = in_.size() > 0 ? scanner_.scan(in_.view(), kClientHeadBytesMax) : HeadResult();
    if (found.state == HeadState::kBad) {
      co_return fail(ErrorCode::kIo, "the server's answer is not HTTP: " + std::string(found.why));
    }
    if (found.state == HeadState::kDone) {
      MessageHead head;
      const auto why = parse_response_head(in_.view().substr(0, found.size_bytes), status, *headers, head);
      if (!why.empty()) co_return fail(ErrorCode::kIo, "the server's answer is not HTTP: " + std::string(why));
      in_.consume(found.size_bytes);
      scanner_.reset();
      if (*status < 200 && *status != 101) continue;  // 100 Continue, 103 Early Hints
      set_framing(*status, method, head);
      co_return Status();
    }
    SENTINEL_CO_TRY(co_await fill(kReadBytes));
  }
}

void ClientConnection::set_framing(int status, std::string_view method, const MessageHead& head) {
  keep_alive_ = head.keep_alive;
  body_left_ = 0;
  if (method == "HEAD" || status == 204 || status == 304 || status == 101) {
    framing_ = Framing::kNone;
  } else if (head.chunked) {
    framing_ = Framing::kChunked;
  } else if (head.content_length) {
    framing_ = *head.content_length == 0 ? Framing::kNone : Framing::kSized;
    body_left_ = *head.content_length;
  } else {
    framing_ = Framing::kUntilClose;
    keep_alive_ = false;
  }
  body_done_ = framing_ == Framing::kNone;
}

// Moves what has arrived of the body into `out`. False: the framing is broken.
bool ClientConnection::take_body(std::string& out) {
  switch (framing_) {
    case Framing::kNone: break;
    case Framing::kSized: {
      const size_t take = static_cast<size_t>(std::min<uint64_t>(in_.size(), body_left_));
      out.append(in_.view().substr(0, take));
      in_.consume(take);
      body_left_ -= take;
      body_done_ = body_left_ == 0;
      break;
    }
    case Framing::kChunked:
      in_.consume(chunked_.feed(in_.view(), out));
      body_done_ = chunked_.done();
      return !chunked_.failed();
    case Framing::kUntilClose:
      out.append(in_.view());
      in_.consume(in_.size());
      break;
  }
  return true;
}

Task<Result<std::string>> ClientConnection::next_chunk() {
  std::string out;
  while (!body_done_) {
    if (in_.size() > 0) {
      if (!take_body(out)) {
        keep_alive_ = false;
        co_return fail(ErrorCode::kIo, "malformed chunked body");
      }
      if (!out.empty() || body_done_) break;
    }
    enter("idle", timeouts_.idle);
    const Status filled = co_await fill(body_left_ > kReadBytes ? kBodyReadBytes : kReadBytes);
    if (filled) continue;
    const bool closed =
        filled.error().code() == ErrorCode::kIo && filled.error().message().ends_with("closed the connection");
    if (framing_ != Framing::kUntilClose || !closed) co_return fail(filled.error());
    body_done_ = true;
  }
  co_return out;
}

void ClientConnection::park(std::function<void()> on_expired, Millis max_age) {
  on_expired_ = std::move(on_expired);
  parked_ms_ = now_ms();
  arm_until(parked_ms_ + max_age.count());
}

void ClientConnection::unpark() {
  on_expired_ = nullptr;
  total_due_ms_ = 0;
}

bool ClientConnection::still_good() {
  if (!open_) return false;
  if (now_ms() - parked_ms_ < kPeekAfterIdle.count()) return true;
  return is_quiet_and_open(socket_.native_handle());
}

}  // namespace sentinel::net
