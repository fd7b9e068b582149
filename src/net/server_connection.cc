#include "net/server_connection.h"

#include <ctime>

#include <fmt/format.h>
#include <boost/asio/write.hpp>

#include "base/log.h"
#include "base/strings.h"
#include "net/limits.h"

namespace sentinel::net {
namespace {

// The Date header, made once a second on each core.
std::string_view date_header() {
  thread_local std::time_t made_for = 0;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != made_for) {
    made_for = now;
    static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    std::tm tm{};
    ::gmtime_r(&now, &tm);
    text = fmt::format("date: {}, {:02} {} {} {:02}:{:02}:{:02} GMT\r\n", kDays[tm.tm_wday], tm.tm_mday,
                       kMonths[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
  }
  return text;
}

bool has_no_body(int status) { return status == 204 || status == 304 || (status >= 100 && status < 200); }

Error gone_error() { return {ErrorCode::kCanceled, "the client has gone"}; }

}  // namespace

ServerConnection::ServerConnection(asio::io_context& core, TcpSocket socket, std::string peer, ServerShared* shared)
    : Deadline(DeadlineWheel::of(core)),
      core_(core),
      socket_(std::move(socket)),
      front_(shared->front()),
      shared_(shared),
      peer_(std::move(peer)) {
  SysError ignored;
  socket_.non_blocking(true, ignored);
  set_no_delay(socket_.native_handle());
  if (front_->tls) tls_ = std::make_unique<asio::ssl::stream<TcpSocket&>>(socket_, front_->tls->context);
}

Task<bool> ServerConnection::shake_hands() {
  if (!tls_) co_return true;
  arm(shared_->options.request_timeout);
  const auto [failed] = co_await tls_->async_handshake(asio::ssl::stream_base::server, use_tuple);
  disarm();
  if (failed) shared_->bad_requests->add();
  co_return !failed && !timed_out_;
}

Task<void> ServerConnection::run() {
  if (!co_await shake_hands()) keep_alive_ = false;
  while (open_ && keep_alive_) {
    if (!co_await read_head()) break;
    if (!co_await read_body()) break;
    co_await serve();
  }
  if (linger_ && open_) co_await linger();
  disarm();
  close();
  if (reading_) co_await read_done();
}

void ServerConnection::close() {
  if (!open_) return;
  open_ = false;
  SysError ignored;
  socket_.shutdown(TcpSocket::shutdown_both, ignored);
  socket_.close(ignored);
  if (handler_running_) tell_gone();
}

void ServerConnection::close_if_idle() {
  if (!handler_running_ && in_.size() == 0) close();
}

std::optional<HttpServer::ActiveRequest> ServerConnection::active() const {
  if (!handler_running_) return std::nullopt;
  return HttpServer::ActiveRequest{request_.method, request_.target, request_.peer, now_ms() - request_started_ms_};
}

void ServerConnection::start_read(size_t room) {
  reading_ = true;
  const auto [data, size] = in_.prepare(room);
  const auto done = [this](const SysError& error, size_t count) { on_read(error, count); };
  if (tls_)
    tls_->async_read_some(asio::buffer(data, size), done);
  else
    socket_.async_read_some(asio::buffer(data, size), done);
}

void ServerConnection::on_read(const SysError& error, size_t count) {
  reading_ = false;
  if (error) {
    read_ended_ = true;
  } else {
    in_.commit(count);
  }
  if (read_waiter_) {
    auto waiter = std::move(*read_waiter_);
    read_waiter_.reset();
    std::move(waiter)();  // may end this connection
  } else if (read_ended_ && handler_running_) {
    tell_gone();
  }
}

Task<void> ServerConnection::read_done() {
  return asio::async_initiate<const asio::use_awaitable_t<Executor>, void()>(
      [this](auto handler) { read_waiter_.emplace(std::move(handler)); }, use_task);
}

void ServerConnection::on_deadline() {
  timed_out_ = true;
  SysError ignored;
  socket_.cancel(ignored);
}

void ServerConnection::tell_gone() {
  gone_ = true;
  if (!on_gone_) return;
  auto fn = std::move(on_gone_);
  on_gone_ = nullptr;
  fn();
}

void ServerConnection::on_client_gone(std::function<void()> fn) {
  on_gone_ = std::move(fn);
  if (gone_ && on_gone_) tell_gone();
}

Task<bool> ServerConnection::read_head() {
  scanner_.reset();
  bool request_begun = false;
  while (true) {
    if (!request_begun) {
      // Some clients end a body with an extra line; RFC 9112 §2.2 asks to ignore it before a request.
      while (in_.view().starts_with("\r\n")) in_.consume(2);
    }
    HeadResult found;
    if (in_.size() > 0 && in_.view() != "\r") {
      found = scanner_.scan(in_.view(), shared_->options.header_bytes_max);
    }
    if (found.state == HeadState::kBad) {
      co_await refuse(found.status, found.why);
      co_return false;
    }
    if (found.state == HeadState::kDone) {
      int status = 0;
      const auto why = parse_request_head(in_.view().substr(0, found.size_bytes), request_, head_, &status);
      in_.consume(found.size_bytes);
      if (!why.empty()) co_await refuse(status, why);
      co_return why.empty();
    }
    if (!request_begun) {
      request_begun = in_.size() > 0;
      arm(request_begun ? shared_->options.request_timeout : shared_->options.idle_timeout);
      if (!request_begun && shared_->stopping.load(std::memory_order_relaxed)) co_return false;
    }
    if (read_ended_) co_return false;
    if (!reading_) start_read(kReadBytes / 2);
    co_await read_done();
    if (timed_out_ && request_begun) co_await refuse(408, "the request did not arrive in time");
    if (timed_out_ || !open_) co_return false;
  }
}

Task<bool> ServerConnection::send_continue() {
  if (!head_.expect_continue || in_.size() > 0) co_return true;
  OutParts parts;
  parts.add("HTTP/1.1 100 Continue\r\n\r\n");
  const Status sent = co_await flush(parts);
  co_return sent.has_value();
}

Task<bool> ServerConnection::read_body() {
  request_.body.clear();
  keep_alive_ = head_.keep_alive;
  if (head_.chunked) co_return co_await read_chunked_body();
  if (!head_.content_length || *head_.content_length == 0) co_return true;
  if (*head_.content_length > shared_->options.body_bytes_max) {
    co_await refuse(413, "the request body is too large");
    co_return false;
  }
  if (in_.size() >= *head_.content_length) {
    request_.body.assign(in_.view().substr(0, *head_.content_length));
    in_.consume(*head_.content_length);
    co_return true;
  }
  co_return co_await read_sized_body(*head_.content_length);
}

Task<bool> ServerConnection::read_sized_body(uint64_t length) {
  arm(shared_->options.request_timeout);
  if (!co_await send_continue()) co_return false;
  request_.body.reserve(static_cast<size_t>(std::min<uint64_t>(length, kBodyReserveMax)));
  while (true) {
    const size_t take = std::min<size_t>(in_.size(), length - request_.body.size());
    request_.body.append(in_.view().substr(0, take));
    in_.consume(take);
    if (request_.body.size() == length) co_return true;
    if (read_ended_) co_return false;
    if (!reading_) start_read(length - request_.body.size() > kReadBytes ? kBodyReadBytes : kReadBytes);
    co_await read_done();
    if (timed_out_) co_await refuse(408, "the request body did not arrive in time");
    if (timed_out_ || !open_) co_return false;
  }
}

Task<bool> ServerConnection::read_chunked_body() {
  arm(shared_->options.request_timeout);
  if (!co_await send_continue()) co_return false;
  ChunkedDecoder decoder;
  while (true) {
    in_.consume(decoder.feed(in_.view(), request_.body));
    if (decoder.failed()) {
      co_await refuse(400, "malformed chunked body");
      co_return false;
    }
    if (request_.body.size() > shared_->options.body_bytes_max) {
      co_await refuse(413, "the request body is too large");
      co_return false;
    }
    if (decoder.done()) co_return true;
    if (read_ended_) co_return false;
    if (!reading_) start_read(kReadBytes);
    co_await read_done();
    if (timed_out_) co_await refuse(408, "the request body did not arrive in time");
    if (timed_out_ || !open_) co_return false;
  }
}

Task<void> ServerConnection::serve() {
  disarm();
  request_.peer = peer_;
  request_.path_params.clear();
  answer_started_ = answer_ended_ = chunked_out_ = false;
  on_gone_ = nullptr;
  handler_running_ = true;
  request_started_ms_ = now_ms();
  shared_->requests->add();
  if (!reading_ && !read_ended_ && in_.size() < shared_->options.header_bytes_max) start_read(kReadBytes / 2);
  std::string failure;
  try {
    if (const Status good = split_target(request_); !good) {
      (void)co_await respond(problem_response(good.error()));
    } else {
      co_await shared_->router->serve(this);
    }
  } catch (const std::exception& e) {
    failure = e.what();
    log_error("net", "handler failed", {{"method", request_.method}, {"path", request_.path}, {"error", e.what()}});
  }
  if (!answer_started_ && open_) {
    (void)co_await respond(problem_response(Error(ErrorCode::kInternal, "the request was not answered")));
  } else if (!answer_ended_) {
    close();  // a stream that was not ended must look cut
  }
  handler_running_ = false;
  on_gone_ = nullptr;
  if (request_.body.capacity() > kBodyReserveMax) std::string().swap(request_.body);
}

void ServerConnection::begin_head(int status, const Headers& headers) {
  if (shared_->stopping.load(std::memory_order_relaxed)) keep_alive_ = false;
  out_.clear();
  append_status_line(out_, status);
  append_headers(out_, headers);
  out_ += front_->head;
  out_ += date_header();
  if (!keep_alive_) {
    out_ += "connection: close\r\n";
  } else if (head_.http_1_0) {
    out_ += "connection: keep-alive\r\n";
  }
}

Task<Status> ServerConnection::respond(Response response) {
  if (answer_started_) co_return fail(ErrorCode::kInternal, "the request has been answered already");
  answer_started_ = answer_ended_ = true;
  begin_head(response.status, response.headers);
  const bool body_allowed = !has_no_body(response.status);
  if (body_allowed) {
    char digits[24];
    const auto end = fmt::format_to(digits, "{}", response.body.size());
    append_header(out_, "content-length", {digits, static_cast<size_t>(end - digits)});
  }
  out_ += "\r\n";
  OutParts parts;
  const bool send_body = body_allowed && request_.method != "HEAD";
  if (send_body && response.body.size() <= kGatherBytesMax) out_ += response.body;
  parts.add(out_);
  if (send_body && response.body.size() > kGatherBytesMax) parts.add(response.body);
  if (open_ && !tls_ && send_some(socket_.native_handle(), parts) && parts.left == 0) co_return Status();
  co_return co_await flush(parts);
}

Task<Status> ServerConnection::begin_stream(int status, Headers headers) {
  if (answer_started_) co_return fail(ErrorCode::kInternal, "the request has been answered already");
  answer_started_ = true;
  chunked_out_ = !head_.http_1_0;
  if (!chunked_out_) keep_alive_ = false;
  begin_head(status, headers);
  if (chunked_out_) out_ += "transfer-encoding: chunked\r\n";
  out_ += "\r\n";
  OutParts parts;
  parts.add(out_);
  co_return co_await flush(parts);
}

Task<Status> ServerConnection::write(std::string bytes) {
  if (!answer_started_ || answer_ended_) co_return fail(ErrorCode::kInternal, "write outside a stream");
  if (bytes.empty() || request_.method == "HEAD") co_return Status();
  OutParts parts;
  char size_line[24];
  if (chunked_out_) {
    const auto end = fmt::format_to(size_line, "{:x}\r\n", bytes.size());
    parts.add({size_line, static_cast<size_t>(end - size_line)});
  }
  parts.add(bytes);
  if (chunked_out_) parts.add("\r\n");
  if (open_ && !tls_ && send_some(socket_.native_handle(), parts) && parts.left == 0) co_return Status();
  co_return co_await flush(parts);
}

Task<Status> ServerConnection::end_stream() {
  if (!answer_started_ || answer_ended_) co_return fail(ErrorCode::kInternal, "end outside a stream");
  answer_ended_ = true;
  if (!chunked_out_ || request_.method == "HEAD") co_return Status();
  OutParts parts;
  parts.add("0\r\n\r\n");
  co_return co_await flush(parts);
}

Task<Status> ServerConnection::flush(OutParts parts) {
  if (tls_ && open_) {
    std::string all;
    all.reserve(parts.left);
    for (size_t i = 0; i < parts.count; ++i)
      all.append(static_cast<const char*>(parts.parts[i].iov_base), parts.parts[i].iov_len);
    arm(kWriteStallMax);
    const auto [error, count] = co_await asio::async_write(*tls_, asio::buffer(all), use_tuple);
    disarm();
    if (!error) co_return Status();
    keep_alive_ = false;
    close();
    co_return fail(gone_error());
  }
  while (open_ && send_some(socket_.native_handle(), parts)) {
    if (parts.left == 0) co_return Status();
    arm(kWriteStallMax);
    const auto [error] = co_await socket_.async_wait(TcpSocket::wait_write, use_tuple);
    disarm();
    if (error) break;
  }
  keep_alive_ = false;
  close();
  co_return fail(gone_error());
}

void ServerConnection::abort() {
  answer_started_ = answer_ended_ = true;
  keep_alive_ = false;
  close();
}

Task<void> ServerConnection::refuse(int status, std::string_view why) {
  shared_->bad_requests->add();
  timed_out_ = false;
  keep_alive_ = false;
  linger_ = true;
  answer_started_ = answer_ended_ = chunked_out_ = false;
  request_.method.clear();  // not a HEAD, whatever was sent
  Response response = problem_response(Error(ErrorCode::kInvalidArgument, std::string(why)));
  const std::string title = fmt::format("\"title\":\"{}\",\"status\":{}", reason_phrase(status), status);
  response.status = status;
  response.body = replace_all(response.body, "\"title\":\"Bad Request\",\"status\":400", title);
  (void)co_await respond(std::move(response));
}

// After an early refusal the client may still be sending: closing at once would reset the connection and could destroy
// the answer before it is read.
Task<void> ServerConnection::linger() {
  SysError ignored;
  socket_.shutdown(TcpSocket::shutdown_send, ignored);
  timed_out_ = false;
  arm(kLingerTime);
  size_t discarded = 0;
  while (open_ && !read_ended_ && !timed_out_ && discarded < kLingerBytesMax) {
    if (!reading_) start_read(kReadBytes);
    co_await read_done();
    discarded += in_.size();
    in_.consume(in_.size());
  }
}

}  // namespace sentinel::net
