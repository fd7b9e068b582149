// The streaming half of Call. Whole events are passed on as they arrive; nothing goes out before the first content, so
// that until then another provider can still take over without the client noticing.
#include <algorithm>

#include "base/strings.h"
#include "gateway/call.h"
#include "gateway/limits.h"
#include "net/sse.h"

namespace sentinel::gateway {

using net::Task;

namespace {

// Just behind the next event's empty line at or after `from`; npos while it has not come.
size_t find_event_end(std::string_view bytes, size_t from) {
  for (size_t at = bytes.find('\n', from); at != std::string_view::npos; at = bytes.find('\n', at + 1)) {
    if (at + 1 < bytes.size() && bytes[at + 1] == '\n') return at + 2;
    if (at + 2 < bytes.size() && bytes[at + 1] == '\r' && bytes[at + 2] == '\n') return at + 3;
  }
  return std::string_view::npos;
}

// The data of one raw event; nearly always it is a single line, alone or after the event's name.
std::string_view event_data(std::string_view raw, std::string& storage) {
  std::string_view body = trim(raw);
  if (body.starts_with("event:")) {
    const size_t line = body.find('\n');
    body = line == std::string_view::npos ? std::string_view() : trim(body.substr(line));
  }
  if (body.empty()) return {};
  if (body.starts_with("data:") && body.find('\n') == std::string_view::npos) return trim(body.substr(5));
  storage.clear();
  net::SseParser parser;
  (void)parser.feed(raw, [&](const net::SseEvent& event) { storage = event.data; });
  return storage;
}

Task<void> drain(std::unique_ptr<net::ClientResponse> upstream) {
  upstream->set_idle_timeout(Millis(500));
  (void)co_await upstream->next_chunk();  // the end of the body, so that the connection can be used again
}

}  // namespace

Millis Call::stream_patience(const Stream& stream) const {
  const TimeoutConfig& timeouts = route_->config.timeouts;
  const int64_t since_us = stream.content ? stream.last_content_us : attempt_started_us_;
  const Millis limit = stream.content || !info_.stream ? timeouts.inter_token : timeouts.first_token;
  return Millis(std::max<int64_t>(limit.count() - (monotonic_us() - since_us) / 1000, 1));
}

Task<Call::Outcome> Call::relay_stream(Upstream upstream) {
  Stream stream{StreamRelay(hop_, asked_, stream_facts())};
  while (!stream.done) {
    upstream->set_idle_timeout(stream_patience(stream));
    auto chunk = co_await upstream->next_chunk();
    const Stage stage = stream.started ? Stage::kSent : Stage::kBegun;
    if (!chunk) co_return co_await end_stream_early(&stream, transport_failure(chunk.error(), stage));
    if (chunk->empty()) break;
    stream.pending += *chunk;
    take_events(stream);
    if (stream.content || stream.done) {
      if (Outcome broken = co_await send_stream(&stream, &upstream)) co_return broken;
    }
    if (stream.failure) {
      Failure failure = std::move(*stream.failure);
      co_return co_await end_stream_early(&stream, std::move(failure));
    }
  }
  co_return co_await finish_stream(&stream, std::move(upstream));
}

void Call::take_events(Stream& stream) {
  size_t begin = 0;
  const std::string_view bytes = stream.pending;
  while (!stream.done && !stream.failure) {
    const size_t end = find_event_end(bytes, std::max(begin, stream.searched));
    if (end == std::string_view::npos) break;
    take_event(stream, bytes.substr(begin, end - begin));
    begin = end;
    stream.searched = 0;
  }
  stream.pending.erase(0, begin);
  // The empty line may be cut in two: look again at the last two bytes.
  stream.searched = stream.pending.size() > 2 ? stream.pending.size() - 2 : 0;
  if (stream.pending.size() > kStreamEventBytesMax || (!stream.content && stream.out.size() > kHeldBytesMax)) {
    stream.failure = make_failure(ErrorType::kProviderBadResponse,
                                  "provider " + interaction_.provider + ": an event of the stream is too large");
    stream.failure->next = stream.failure->unhealthy = true;
  }
}

void Call::take_event(Stream& stream, std::string_view raw) {
  thread_local std::string storage;
  const std::string_view data = event_data(raw, storage);
  if (data.empty()) {  // a comment that keeps the connection alive
    stream.relay.event(raw, data, stream.out);
    return;
  }
  const DeltaInfo delta = read_delta(hop_.upstream, data, answer_);
  const bool nothing = delta.valid && delta.done && !delta.content && !stream.content;
  if (!delta.valid || delta.error || nothing) {
    const ErrorType type = delta.error ? ErrorType::kProviderError : ErrorType::kProviderBadResponse;
    stream.failure = make_failure(type, "provider " + interaction_.provider + ": " +
                                            (delta.error ? delta.error_message
                                             : nothing   ? "the stream ended without an answer"
                                                         : "an event of the stream is not readable"));
    stream.failure->next = stream.failure->unhealthy = true;
    stream.failure->retry = route_->retry_5xx;
    return;
  }
  if (delta.usage_only && hop_.add_usage) return;
  stream.relay.event(raw, data, stream.out);
  stream.done = delta.done;
  if (!delta.content) return;
  stream.last_content_us = monotonic_us();
  if (!stream.content) interaction_.ttft_ms = elapsed_ms();
  stream.content = true;
}

Task<Call::Outcome> Call::send_stream(Stream* stream, const Upstream* upstream) {
  Status sent;
  if (!stream->started) {
    stream->started = true;
    interaction_.http_status = (*upstream)->status();
    const net::Headers& theirs = (*upstream)->headers();
    sent = co_await exchange_->begin_stream(
        (*upstream)->status(),
        answer_headers(stream->relay.rewrites() ? hop_answer_headers(theirs, stream->relay.content_type()) : theirs));
  }
  if (sent && !stream->out.empty()) sent = co_await exchange_->write(std::exchange(stream->out, {}));
  if (sent) co_return std::nullopt;
  Failure failure = canceled();
  failure.sent = true;
  co_return failure;
}

// Nothing sent: another attempt may begin afresh. Otherwise the client is told within the stream, and the connection is
// cut, so that no client can take the part it has for the whole.
Task<Call::Outcome> Call::end_stream_early(Stream* stream, Failure failure) {
  if (!stream->started) {
    interaction_.ttft_ms.reset();
    co_return failure;
  }
  failure.sent = true;
  failure.retry = failure.next = false;
  if (failure.type != ErrorType::kCallerDisconnected) {
    (void)co_await exchange_->write(stream->relay.failure(failure.type, failure.message));
  }
  exchange_->abort();
  co_return failure;
}

Task<Call::Outcome> Call::finish_stream(Stream* stream, Upstream upstream) {
  if (!stream->done) {
    // Some servers leave out [DONE], Gemini has nothing like it; a finish reason says as well that this was all.
    if (answer_.finish_reason.empty() || !trim(stream->pending).empty()) {
      Failure failure = make_failure(ErrorType::kProviderStreamCut,
                                     "provider " + interaction_.provider + ": the stream ended before the answer did");
      failure.next = failure.unhealthy = true;
      failure.retry = route_->retry_cut;
      co_return co_await end_stream_early(stream, std::move(failure));
    }
  }
  stream->relay.end(stream->done, stream->out);
  if (!stream->out.empty()) {
    if (Outcome broken = co_await send_stream(stream, &upstream)) co_return broken;
  }
  const Status ended = co_await exchange_->end_stream();
  if (stream->done) gateway_->runtime.spawn_owned(exchange_->core(), "drain", drain(std::move(upstream)));
  if (ended) co_return std::nullopt;
  Failure failure = canceled();
  failure.sent = true;
  co_return failure;
}

}  // namespace sentinel::gateway
