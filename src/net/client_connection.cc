#include "net/client_connection.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/write.hpp>

#include <algorithm>
#include <array>
#include <tuple>

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
  if (transport != nullptr && transport->proxy) SENTINEL_CO_TRY(co_await pass_proxy(url, transport));
  if (url->tls) {
    const bool named = transport != nullptr && !transport->options.server_name.empty();
    SENTINEL_CO_TRY(co_await handshake(url->origin(), named ? transport->options.server_name : url->host,
                                       transport != nullptr ? &transport->tls : tls, offers_http2_));
  }
  disarm();
  co_return Status();
}

// Afterwards what is written goes to the target, or, plainly, to the proxy that reads the request.
Task<Status> ClientConnection::pass_proxy(const Url* url, const Transport* transport) {
  if (transport->socks) co_return co_await open_socks(url, transport);
  if (transport->proxy->tls) {
    const std::string& name = transport->options.server_name;
    SENTINEL_CO_TRY(co_await handshake(transport->proxy->origin(), name.empty() ? transport->proxy->host : name,
                                       &transport->tls, false));
  }
  if (url->tls) co_return co_await open_tunnel(url, transport);
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
  SENTINEL_CO_TRY(co_await write_all(head));
  int status = 0;
  Headers headers;
  SENTINEL_CO_TRY(co_await read_head(&status, &headers, "CONNECT"));
  if (status / 100 != 2) {
    co_return fail(ErrorCode::kIo, "the proxy refuses a tunnel with status " + std::to_string(status));
  }
  if (in_.size() > 0) co_return fail(ErrorCode::kIo, "the proxy speaks before the tunnel's client");
  co_return Status();
}

namespace {

// RFC 1928: version 5, then the address as the client has it; names are for the proxy to resolve.
std::string socks_connect(const Url& url) {
  std::string out("\x05\x01\x00", 3);
  SysError error;
  const auto literal = asio::ip::make_address(url.host, error);
  if (error) {
    out += '\x03';
    out += static_cast<char>(url.host.size());
    out += url.host;
  } else if (literal.is_v4()) {
    const auto bytes = literal.to_v4().to_bytes();
    out += '\x01';
    out.append(bytes.begin(), bytes.end());
  } else {
    const auto bytes = literal.to_v6().to_bytes();
    out += '\x04';
    out.append(bytes.begin(), bytes.end());
  }
  out += static_cast<char>(url.port >> 8);
  out += static_cast<char>(url.port & 0xff);
  return out;
}

const char* socks_refusal(char code) {
  static constexpr const char* kWhy[] = {"",
                                         "general failure",
                                         "not allowed by its rules",
                                         "network unreachable",
                                         "host unreachable",
                                         "connection refused",
                                         "TTL expired",
                                         "command not supported",
                                         "address type not supported"};
  const auto index = static_cast<unsigned char>(code);
  return index > 0 && index < std::size(kWhy) ? kWhy[index] : "unknown reason";
}

}  // namespace

Task<Status> ClientConnection::open_socks(const Url* url, const Transport* transport) {
  if (url->host.size() > 255) co_return fail(ErrorCode::kInvalidArgument, "a host name is too long for SOCKS");
  SENTINEL_CO_TRY(co_await socks_login(transport));
  SENTINEL_CO_TRY(co_await write_all(socks_connect(*url)));
  SENTINEL_CO_ASSIGN(const std::string head, co_await read_exactly(4));
  if (head[0] != '\x05') co_return fail(ErrorCode::kIo, "the proxy does not speak SOCKS 5");
  if (head[1] != '\x00')
    co_return fail(ErrorCode::kIo, std::string("the SOCKS proxy refuses to connect: ") + socks_refusal(head[1]));
  size_t address = 0;
  if (head[3] == '\x03') {
    SENTINEL_CO_ASSIGN(const std::string size, co_await read_exactly(1));
    address = static_cast<unsigned char>(size[0]);
  } else {
    address = head[3] == '\x01' ? 4 : 16;
  }
  SENTINEL_CO_ASSIGN([[maybe_unused]] const std::string bound, co_await read_exactly(address + 2));
  if (in_.size() > 0) co_return fail(ErrorCode::kIo, "the proxy speaks before the tunnel's client");
  co_return Status();
}

// Without user information no login is offered; with it (RFC 1929), both.
Task<Status> ClientConnection::socks_login(const Transport* transport) {
  const bool known = !transport->socks_user.empty();
  SENTINEL_CO_TRY(co_await write_all(known ? std::string("\x05\x02\x00\x02", 4) : std::string("\x05\x01\x00", 3)));
  SENTINEL_CO_ASSIGN(const std::string chosen, co_await read_exactly(2));
  if (chosen[0] != '\x05') co_return fail(ErrorCode::kIo, "the proxy does not speak SOCKS 5");
  if (chosen[1] == '\x00') co_return Status();
  if (!known || chosen[1] != '\x02') co_return fail(ErrorCode::kIo, "the SOCKS proxy wants another way to log in");
  std::string login("\x01");
  login += static_cast<char>(transport->socks_user.size());
  login += transport->socks_user;
  login += static_cast<char>(transport->socks_password.size());
  login += transport->socks_password;
  SENTINEL_CO_TRY(co_await write_all(login));
  SENTINEL_CO_ASSIGN(const std::string verdict, co_await read_exactly(2));
  if (verdict[1] != '\x00') co_return fail(ErrorCode::kIo, "the SOCKS proxy refuses the user and password");
  co_return Status();
}

Task<Status> ClientConnection::write_all(std::string_view bytes) {
  SysError error;
  size_t count = 0;
  if (inner_) {
    std::tie(error, count) = co_await asio::async_write(*inner_, asio::buffer(bytes), use_tuple);
  } else if (tls_) {
    std::tie(error, count) = co_await asio::async_write(*tls_, asio::buffer(bytes), use_tuple);
  } else {
    std::tie(error, count) = co_await asio::async_write(socket_, asio::buffer(bytes), use_tuple);
  }
  if (error) co_return fail(broken(error));
  co_return Status();
}

Task<Result<std::string>> ClientConnection::read_exactly(size_t size) {
  while (in_.size() < size) SENTINEL_CO_TRY(co_await fill(kReadBytes));
  std::string out(in_.view().substr(0, size));
  in_.consume(size);
  co_return out;
}

namespace {

// Server name, verification, and which protocols are offered.
template <class Stream>
Status prepare_handshake(Stream& stream, const std::string& host, bool http2) {
  SysError error;
  const bool is_ip = !asio::ip::make_address(host, error).is_unspecified() && !error;
  if (!is_ip && SSL_set_tlsext_host_name(stream.native_handle(), host.c_str()) != 1) {
    return fail(ErrorCode::kIo, "cannot set the TLS server name");
  }
  stream.set_verify_callback(asio::ssl::host_name_verification(host), error);
  constexpr unsigned char kBoth[] = "\x02h2\x08http/1.1";
  if (http2) SSL_set_alpn_protos(stream.native_handle(), kBoth, sizeof kBoth - 1);
  return {};
}

}  // namespace

Task<Status> ClientConnection::handshake(std::string origin, std::string host, asio::ssl::context* tls, bool http2) {
  SysError failed;
  SSL* handle = nullptr;
  if (tls_) {
    inner_ = std::make_unique<TunnelledTlsStream>(*tls_, *tls);
    handle = inner_->native_handle();
    SENTINEL_CO_TRY(prepare_handshake(*inner_, host, http2));
    std::tie(failed) = co_await inner_->async_handshake(TunnelledTlsStream::client, use_tuple);
  } else {
    tls_ = std::make_unique<TlsStream>(socket_, *tls);
    handle = tls_->native_handle();
    SENTINEL_CO_TRY(prepare_handshake(*tls_, host, http2));
    std::tie(failed) = co_await tls_->async_handshake(TlsStream::client, use_tuple);
  }
  if (!failed) {
    const unsigned char* chosen = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(handle, &chosen, &size);
    speaks_http2_ = std::string_view(reinterpret_cast<const char*>(chosen), size) == "h2";
    co_return Status();
  }
  if (timed_out_ || canceled_) co_return fail(broken(failed));
  const long verdict = SSL_get_verify_result(handle);
  std::string why = failed.message();
  if (verdict != X509_V_OK) why += std::string(" (") + X509_verify_cert_error_string(verdict) + ")";
  co_return fail(ErrorCode::kIo, "TLS handshake with " + origin + " failed: " + why);
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
    co_return co_await write_all(*head);
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
  SysError error;
  size_t count = 0;
  if (inner_) {
    std::tie(error, count) = co_await inner_->async_read_some(asio::buffer(data, size), use_tuple);
  } else if (tls_) {
    std::tie(error, count) = co_await tls_->async_read_some(asio::buffer(data, size), use_tuple);
  } else {
    std::tie(error, count) = co_await socket_.async_read_some(asio::buffer(data, size), use_tuple);
  }
  if (error) co_return fail(broken(error));
  in_.commit(count);
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
  co_return co_await write_all(*bytes);
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
