// The streaming half of Attempt. Whole events are passed on as they arrive; nothing goes out before the first content,
// so that until then another provider can still take over without the client noticing.
#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "gateway/attempt.h"
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

Millis Attempt::stream_patience(const Stream& stream) const {
  const TimeoutConfig& timeouts = call_.route->config.timeouts;
  const int64_t since_us = stream.content ? stream.last_content_us : started_us_;
  const Millis limit = stream.content || !call_.info.stream ? timeouts.inter_token : timeouts.first_token;
  return Millis(std::max<int64_t>(limit.count() - (monotonic_us() - since_us) / 1000, 1));
}

Task<Outcome> Attempt::relay_stream(Upstream upstream) {
  Stream stream{StreamRelay(hop_, call_.asked, stream_facts())};
  stream.guard = make_guard();
  gaps_ = {};
  while (!stream.done) {
    upstream->set_idle_timeout(stream_patience(stream));
    auto chunk = co_await upstream->next_chunk();
    const Stage stage = stream.content ? Stage::kSent : Stage::kBegun;
    if (!chunk) co_return co_await end_stream_early(&stream, broken(chunk.error(), stage));
    if (chunk->empty()) break;
    stream.pending += *chunk;
    take_events(stream);
    const bool may_begin = (stream.content || stream.done) && !call_.hold_stream;
    if (may_begin && (stream.guard == nullptr || !stream.out.empty())) {
      if (Outcome broken = co_await send_stream(&stream, &upstream)) co_return broken;
    }
    if (stream.stalls) {
      co_await wait_on(&leg_, stream_patience(stream));
      const ErrorCode why = leg_.cancel->canceled() ? ErrorCode::kCanceled : ErrorCode::kTimeout;
      stream.failure = broken(Error(why, "idle timeout"), stream.content ? Stage::kSent : Stage::kBegun);
    }
    if (stream.failure) {
      Failure failure = std::move(*stream.failure);
      co_return co_await end_stream_early(&stream, std::move(failure));
    }
  }
  co_return co_await finish_stream(&stream, std::move(upstream));
}

std::unique_ptr<StreamGuard> Attempt::make_guard() {
  if (call_.hold_stream) return nullptr;
  for (CallStage* const stage : call_.gateway->stages) {
    if (auto guard = stage->guard_stream(call_)) return guard;
  }
  return nullptr;
}

void Attempt::relay_event(Stream& stream, std::string_view raw, std::string_view data) {
  if (stream.guard == nullptr) return stream.relay.event(raw, data, stream.out);
  std::string events;
  stream.relay.event(raw, data, events);
  stream.failure = stream.guard->add(events, stream.out);
}

void Attempt::take_events(Stream& stream) {
  size_t begin = 0;
  const std::string_view bytes = stream.pending;
  while (!stream.done && !stream.failure && !stream.stalls) {
    const size_t end = find_event_end(bytes, std::max(begin, stream.searched));
    if (end == std::string_view::npos) break;
    take_event(stream, bytes.substr(begin, end - begin));
    begin = end;
    stream.searched = 0;
  }
  stream.pending.erase(0, begin);
  // The empty line may be cut in two: look again at the last two bytes.
  stream.searched = stream.pending.size() > 2 ? stream.pending.size() - 2 : 0;
  const size_t held_max = stream.content ? kAnswerBytesMax : kHeldBytesMax;
  if (stream.pending.size() > kStreamEventBytesMax || stream.out.size() > held_max)
    stream.failure = unwell(ErrorType::kProviderBadResponse, "an event of the stream is too large");
}

void Attempt::take_event(Stream& stream, std::string_view raw) {
  thread_local std::string storage;
  const std::string_view data = event_data(raw, storage);
  if (data.empty()) {  // a comment that keeps the connection alive
    return relay_event(stream, raw, data);
  }
  const DeltaInfo delta = read_delta(hop_.upstream, data, answer_);
  const bool nothing = delta.valid && delta.done && !delta.content && !stream.content;
  if (!delta.valid || delta.error || nothing) {
    const ErrorType type = delta.error ? ErrorType::kProviderError : ErrorType::kProviderBadResponse;
    stream.failure = unwell(type, delta.error ? std::string_view(delta.error_message)
                                  : nothing   ? "the stream ended without an answer"
                                              : "an event of the stream is not readable");
    stream.failure->retry = call_.route->retry_5xx;
    return;
  }
  if (fault_ != nullptr && delta.content && inject_into_stream(stream)) return;
  if (delta.usage_only && hop_.add_usage) return;
  relay_event(stream, raw, data);
  stream.done = delta.done;
  if (!delta.content) return;
  const int64_t before_us = std::exchange(stream.last_content_us, monotonic_us());
  ++stream.contents;
  if (stream.content) return gaps_.add(static_cast<double>(stream.last_content_us - before_us) / 1e6);
  stream.content = true;
  answered_us_ = stream.last_content_us;
  ttft_ms_ = call_.elapsed_ms();
}

Task<Outcome> Attempt::send_stream(Stream* stream, const Upstream* upstream) {
  Status sent;
  if (!stream->started) {
    if (!claim()) co_return canceled();
    const net::Headers& theirs = (*upstream)->headers();
    net::Response head;
    head.status = (*upstream)->status();
    head.headers =
        answer_headers(stream->relay.rewrites() ? hop_answer_headers(theirs, stream->relay.content_type()) : theirs);
    if (call_.hold_stream) {
      if (Outcome refused = show_held_stream(*stream, head)) co_return refused;
    }
    if (call_.keep_answer) call_.kept = std::make_unique<net::Response>(head);
    stream->started = true;
    call_.interaction.http_status = head.status;
    sent = co_await call_.exchange->begin_stream(head.status, std::move(head.headers));
  }
  if (stream->guard != nullptr) stream->guard->tell(call_);
  if (call_.kept != nullptr) call_.kept->body += stream->out;
  if (sent && !stream->out.empty()) sent = co_await call_.exchange->write(std::exchange(stream->out, {}));
  if (sent) co_return std::nullopt;
  co_return gone();
}

Outcome Attempt::show_held_stream(Stream& stream, net::Response& response) {
  response.body = std::move(stream.out);
  for (CallStage* const stage : call_.gateway->stages) {
    if (Outcome refused = stage->on_answer(call_, response)) return refused;
  }
  stream.out = std::move(response.body);
  response.body.clear();
  return std::nullopt;
}

// Nothing sent: another attempt may begin afresh. Otherwise the client is told within the stream, and the connection is
// cut, so that no client can take the part it has for the whole.
Task<Outcome> Attempt::end_stream_early(Stream* stream, Failure failure) {
  call_.kept.reset();
  if (stream->guard != nullptr && !leg_.lost) stream->guard->tell(call_);
  if (!stream->started) {
    ttft_ms_.reset();
    co_return failure;
  }
  failure.sent = true;
  failure.retry = failure.next = false;
  if (failure.type != ErrorType::kCallerDisconnected) {
    (void)co_await call_.exchange->write(stream->relay.failure(failure.type, failure.message));
  }
  call_.exchange->abort();
  co_return failure;
}

Task<Outcome> Attempt::finish_stream(Stream* stream, Upstream upstream) {
  if (!stream->done) {
    // Some servers leave out [DONE], Gemini has nothing like it; a finish reason says as well that this was all.
    if (answer_.finish_reason.empty() || !trim(stream->pending).empty()) {
      Failure failure = unwell(ErrorType::kProviderStreamCut, "the stream ended before the answer did");
      failure.retry = call_.route->retry_cut;
      co_return co_await end_stream_early(stream, std::move(failure));
    }
  }
  if (stream->guard != nullptr) {
    std::string end;
    stream->relay.end(stream->done, end);
    stream->failure = stream->guard->add(end, stream->out);
    if (!stream->failure) stream->failure = stream->guard->finish(stream->out);
    if (stream->failure) {
      Failure failure = std::move(*stream->failure);
      co_return co_await end_stream_early(stream, std::move(failure));
    }
  } else {
    stream->relay.end(stream->done, stream->out);
  }
  if (!stream->out.empty()) {
    if (Outcome broken = co_await send_stream(stream, &upstream)) co_return broken;
  }
  const Status ended = co_await call_.exchange->end_stream();
  if (stream->done) call_.gateway->runtime.spawn_owned(call_.exchange->core(), "drain", drain(std::move(upstream)));
  if (ended) co_return std::nullopt;
  co_return gone();
}

}  // namespace sentinel::gateway
