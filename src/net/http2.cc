#include "net/http2.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <deque>

#include "base/strings.h"
#include "net/limits.h"

namespace sentinel::net {
namespace {

// Fields of HTTP/1 that say something of its connection.
bool is_for_http1_only(std::string_view name) {
  return is_hop_by_hop(name) || header_name_equals(name, "host") || header_name_equals(name, "content-length");
}

// A head as nghttp2 wants it: the views stay valid while this lives.
class Fields {
 public:
  void add(std::string_view name, std::string_view value) {
    names_.push_back(to_lower(name));
    values_.emplace_back(value);
  }
  std::vector<nghttp2_nv> list() {
    std::vector<nghttp2_nv> out;
    for (size_t i = 0; i < names_.size(); ++i) {
      out.push_back({reinterpret_cast<uint8_t*>(names_[i].data()), reinterpret_cast<uint8_t*>(values_[i].data()),
                     names_[i].size(), values_[i].size(), NGHTTP2_NV_FLAG_NONE});
    }
    return out;
  }

 private:
  std::deque<std::string> names_, values_;
};

Fields request_fields(const ClientRequest& request, const Url& url) {
  Fields fields;
  fields.add(":method", request.method);
  fields.add(":scheme", "https");
  const std::string_view host = request.headers.get("host");
  fields.add(":authority", host.empty() ? url.authority() : std::string(host));
  fields.add(":path", url.target);
  for (const auto& [name, value] : request.headers.all()) {
    if (!is_for_http1_only(name)) fields.add(name, value);
  }
  if (!request.body.empty()) fields.add("content-length", std::to_string(request.body.size()));
  return fields;
}

Http2Stream* stream_of(nghttp2_session* session, int32_t id) {
  return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
}

std::string_view view_of(const uint8_t* bytes, size_t size) { return {reinterpret_cast<const char*>(bytes), size}; }

}  // namespace

// What nghttp2 calls while it reads; `user` is the connection.
struct Http2Connection::Callbacks {
  static int on_header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name, size_t name_size,
                       const uint8_t* value, size_t value_size, uint8_t, void*) {
    Http2Stream* const stream = stream_of(session, frame->hd.stream_id);
    if (stream == nullptr || stream->head_done) return 0;  // trailers
    stream->header_bytes += name_size + value_size;
    if (stream->header_bytes > kClientHeadBytesMax || stream->headers.size() > kHeadersMax)
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::string_view key = view_of(name, name_size);
    if (key == ":status") {
      stream->status = static_cast<int>(parse_int(view_of(value, value_size)).value_or(0));
    } else {
      stream->headers.add(key, view_of(value, value_size));
    }
    return 0;
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    auto* const self = static_cast<Http2Connection*>(user);
    if (frame->hd.type == NGHTTP2_GOAWAY) self->retired_ = true;
    Http2Stream* const stream = stream_of(session, frame->hd.stream_id);
    if (stream == nullptr || frame->hd.stream_id == 0) return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && !stream->head_done) {
      if (stream->status >= 200) {
        stream->head_done = true;
      } else {  // 100 Continue, 103 Early Hints
        stream->headers.clear();
      }
    }
    const bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (last && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)) stream->ended = true;
    stream->news.set();
    return 0;
  }

  static int on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* data, size_t size, void*) {
    Http2Stream* const stream = stream_of(session, id);
    if (stream == nullptr) {
      nghttp2_session_consume_connection(session, size);
      return 0;
    }
    stream->data.append(view_of(data, size));
    stream->news.set();
    return 0;
  }

  static int on_close(nghttp2_session* session, int32_t id, uint32_t error_code, void* user) {
    auto* const self = static_cast<Http2Connection*>(user);
    if (Http2Stream* const stream = stream_of(session, id); stream != nullptr) self->drop(*stream, error_code);
    return 0;
  }

  static ssize_t read_body(nghttp2_session* session, int32_t id, uint8_t* out, size_t room, uint32_t* flags,
                           nghttp2_data_source*, void*) {
    Http2Stream* const stream = stream_of(session, id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const size_t take = std::min(room, stream->body.size() - stream->body_sent);
    std::copy_n(stream->body.data() + stream->body_sent, take, out);
    stream->body_sent += take;
    if (stream->body_sent == stream->body.size()) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(take);
  }
};

Http2Connection::Http2Connection(asio::io_context& core, std::unique_ptr<ClientConnection> connection, Millis idle_max)
    : Deadline(DeadlineWheel::of(core)),
      connection_(std::move(connection)),
      core_(core),
      idle_max_(idle_max),
      heard_ms_(now_ms()) {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &Callbacks::on_header);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Callbacks::on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Callbacks::on_close);
  nghttp2_option* options = nullptr;
  nghttp2_option_new(&options);
  nghttp2_option_set_no_auto_window_update(options, 1);  // who reads slowly is sent slowly
  nghttp2_session_client_new2(&session_, callbacks, this, options);
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kHttp2StreamWindowBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(kClientHeadBytesMax)},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kHttp2ConnectionWindowBytes);
}

Http2Connection::~Http2Connection() { nghttp2_session_del(session_); }

void Http2Connection::start(Runtime& runtime) {
  runtime_ = &runtime;
  runtime.spawn(core_, "http2 read", read_loop(shared_from_this()));
  flush();
  arm(idle_max_);
}

bool Http2Connection::usable() const {
  const size_t allowed = nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return !closed_ && !retired_ && streams_.size() < std::min(allowed, kHttp2StreamsMax) &&
         nghttp2_session_check_request_allowed(session_) != 0;
}

Status Http2Connection::submit(Http2Stream* stream, const ClientRequest& request, const Url& url) {
  if (closed_) return fail(ErrorCode::kIo, "the connection was closed");
  Fields fields = request_fields(request, url);
  const std::vector<nghttp2_nv> list = fields.list();
  stream->body = request.body;
  nghttp2_data_provider body{};
  body.read_callback = &Callbacks::read_body;
  const int32_t id = nghttp2_submit_request(session_, nullptr, list.data(), list.size(),
                                            stream->body.empty() ? nullptr : &body, stream);
  if (id < 0) return fail(ErrorCode::kIo, std::string("HTTP/2: ") + nghttp2_strerror(id));
  stream->id = id;
  streams_.push_back(stream);
  disarm();
  flush();
  return {};
}

void Http2Connection::taken(Http2Stream& stream, size_t count) {
  if (closed_) return;
  if (stream.id >= 0) {
    nghttp2_session_consume(session_, stream.id, count);
  } else {
    nghttp2_session_consume_connection(session_, count);
  }
  flush();
}

// The stream has ended, one way or the other; what has arrived of it can still be taken.
void Http2Connection::drop(Http2Stream& stream, uint32_t error_code) {
  nghttp2_session_set_stream_user_data(session_, stream.id, nullptr);
  stream.id = -1;
  std::erase(streams_, &stream);
  if (!stream.ended && !stream.error) {
    stream.refused = error_code == NGHTTP2_REFUSED_STREAM;
    stream.error =
        Error(ErrorCode::kIo, std::string("the server broke the stream off: ") + nghttp2_http2_strerror(error_code));
  }
  stream.news.set();
  if (streams_.empty()) arm(retired_ ? Millis(1) : idle_max_);
}

void Http2Connection::forget(Http2Stream& stream) {
  if (!stream.data.empty() && !closed_) {
    nghttp2_session_consume_connection(session_, stream.data.size());
    flush();
  }
  if (stream.id < 0) return;
  if (!closed_) nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_CANCEL);
  stream.ended = true;
  drop(stream, NGHTTP2_NO_ERROR);
  flush();
}

void Http2Connection::doubt(int64_t since_ms) {
  if (heard_ms_ < since_ms) retired_ = true;
}

void Http2Connection::on_deadline() {
  if (!streams_.empty() || closed_) return;
  close(Error(ErrorCode::kIo, "the connection was idle"));
}

void Http2Connection::close(const Error& why) {
  if (closed_) return;
  closed_ = true;
  disarm();
  connection_->cancel();
  while (!streams_.empty()) {
    Http2Stream& stream = *streams_.back();
    if (!stream.ended) stream.error = why;
    drop(stream, NGHTTP2_NO_ERROR);
  }
  disarm();
}

void Http2Connection::flush() {
  if (writing_ || closed_ || nghttp2_session_want_write(session_) == 0) return;
  writing_ = true;
  runtime_->spawn(core_, "http2 write", write_loop(shared_from_this()));
}

Task<void> Http2Connection::write_loop(std::shared_ptr<Http2Connection> self) {
  std::string out;
  while (!self->closed_) {
    out.clear();
    while (out.size() < kBodyReadBytes) {
      const uint8_t* bytes = nullptr;
      const ssize_t size = nghttp2_session_mem_send(self->session_, &bytes);
      if (size <= 0) break;
      out.append(view_of(bytes, static_cast<size_t>(size)));
    }
    if (out.empty()) break;
    if (const Status sent = co_await self->connection_->write_bytes(&out); !sent) self->close(sent.error());
  }
  self->writing_ = false;
}

Task<void> Http2Connection::read_loop(std::shared_ptr<Http2Connection> self) {
  while (!self->closed_) {
    auto bytes = co_await self->connection_->read_bytes();
    if (!bytes) {
      self->close(bytes.error());
      break;
    }
    self->heard_ms_ = now_ms();
    const ssize_t read =
        nghttp2_session_mem_recv(self->session_, reinterpret_cast<const uint8_t*>(bytes->data()), bytes->size());
    self->connection_->consume_bytes();
    if (read < 0) {
      self->close(Error(ErrorCode::kIo,
                        std::string("the server's answer is not HTTP/2: ") + nghttp2_strerror(static_cast<int>(read))));
      break;
    }
    self->flush();
    if (nghttp2_session_want_read(self->session_) == 0 && nghttp2_session_want_write(self->session_) == 0)
      self->close(Error(ErrorCode::kIo, "the server closed the connection"));
  }
}

// --- the exchange

Http2Exchange::Http2Exchange(asio::io_context& core, std::shared_ptr<Http2Connection> connection,
                             const ClientRequest& request, int64_t total_due_ms)
    : connection_(std::move(connection)),
      cancel_(request.cancel),
      stream_(core),
      timeouts_(request.timeouts),
      total_due_ms_(total_due_ms),
      body_left_(request.body_bytes_max) {
  if (cancel_ != nullptr) cancel_->on_cancel([this] { cancel(); }, this);
}

Http2Exchange::~Http2Exchange() {
  if (cancel_ != nullptr) cancel_->on_cancel(nullptr, this);
  connection_->forget(stream_);
}

void Http2Exchange::cancel() {
  canceled_ = true;
  connection_->forget(stream_);
  stream_.news.set();
}

Task<Status> Http2Exchange::wait(const char* phase, Millis limit, bool (*done)(const Http2Stream&)) {
  const int64_t begun_ms = Deadline::now_ms();
  const int64_t due_ms = std::min(begun_ms + limit.count(), total_due_ms_);
  while (true) {
    if (canceled_) co_return fail(ErrorCode::kCanceled, "canceled");
    if (done(stream_)) co_return Status();
    if (stream_.error) co_return fail(*stream_.error);
    const int64_t left = due_ms - Deadline::now_ms();
    if (left <= 0) break;
    stream_.news.clear();
    (void)co_await stream_.news.wait_for(Millis(left));
  }
  timed_out_ = true;
  connection_->doubt(begun_ms);
  connection_->forget(stream_);
  co_return fail(ErrorCode::kTimeout, std::string(due_ms == total_due_ms_ ? "total" : phase) + " timeout");
}

Task<Status> Http2Exchange::begin(const ClientRequest* request, const Url* url) {
  SENTINEL_CO_TRY(connection_->submit(&stream_, *request, *url));
  co_return co_await wait("first byte", timeouts_.first_byte, [](const Http2Stream& s) { return s.head_done; });
}

Task<Result<std::string>> Http2Exchange::next_chunk() {
  const Status good =
      co_await wait("idle", timeouts_.idle, [](const Http2Stream& s) { return !s.data.empty() || s.ended; });
  if (!good) co_return fail(good.error());
  std::string out = std::exchange(stream_.data, {});
  connection_->taken(stream_, out.size());
  if (out.size() > body_left_) {
    connection_->forget(stream_);
    stream_.error = Error(ErrorCode::kTooLarge, "the server's answer is too large");
    stream_.ended = false;
    co_return fail(*stream_.error);
  }
  body_left_ -= out.size();
  co_return out;
}

Task<Result<std::string>> Http2Exchange::read_all() {
  std::string body;
  while (true) {
    auto chunk = co_await next_chunk();
    if (!chunk) co_return chunk;
    if (chunk->empty()) co_return body;
    body += *chunk;
  }
}

}  // namespace sentinel::net
