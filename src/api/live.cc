#include "api/live.h"

#include <algorithm>

#include <fmt/format.h>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include "api/version.h"
#include "base/strings.h"

namespace sentinel::api {

// The queue is filled by any thread and drained on the subscriber's core; the timer doubles as its wake-up.
struct LiveApi::Subscriber {
  explicit Subscriber(net::asio::io_context& io) : core(io), wake(io.get_executor()) {}
  net::asio::io_context& core;
  net::asio::basic_waitable_timer<std::chrono::steady_clock, net::asio::wait_traits<std::chrono::steady_clock>,
                                  net::Executor>
      wake;
  Mutex mutex;
  std::deque<std::string> events GUARDED_BY(mutex);
  bool gap GUARDED_BY(mutex) = false;
  bool closed GUARDED_BY(mutex) = false;

  void push(const std::string& text) {
    MutexLock lock(mutex);
    if (events.size() >= kLiveBacklogMax) {
      events.pop_front();
      gap = true;
    }
    events.push_back(text);
  }
  std::string take(bool* ended) {
    MutexLock lock(mutex);
    std::string out;
    if (std::exchange(gap, false)) out += net::format_sse({"gap", "{}", ""});
    for (const std::string& event : events) out += event;
    events.clear();
    *ended = closed;
    return out;
  }
};

void LiveApi::add_routes(net::Router& router) { route(router, "GET", "/sentinel/v1/live", this, &LiveApi::stream); }

bool LiveApi::has_subscribers() const {
  MutexLock lock(mutex_);
  return !subscribers_.empty();
}

void LiveApi::publish(std::string_view event, std::string data_json) {
  const std::string text = net::format_sse({std::string(event), std::move(data_json), ""});
  MutexLock lock(mutex_);
  for (const auto& subscriber : subscribers_) {
    subscriber->push(text);
    net::asio::post(subscriber->core, [subscriber] { subscriber->wake.cancel(); });
  }
}

void LiveApi::publish_state(std::string_view event, std::string data_json) {
  {
    MutexLock lock(mutex_);
    std::string& last = states_[std::string(event)];
    if (last == data_json) return;
    last = data_json;
  }
  publish(event, std::move(data_json));
}

void LiveApi::publish_sampled(std::string_view event, std::string data_json, int per_second) {
  {
    MutexLock lock(mutex_);
    if (subscribers_.empty()) return;
    const int64_t second = monotonic_us() / 1'000'000;
    if (second != sample_second_) {
      sample_second_ = second;
      sampled_ = 0;
    }
    if (++sampled_ > per_second) return;
  }
  publish(event, std::move(data_json));
}

void LiveApi::close() {
  MutexLock lock(mutex_);
  closed_ = true;
  for (const auto& subscriber : subscribers_) {
    {
      MutexLock inner(subscriber->mutex);
      subscriber->closed = true;
    }
    net::asio::post(subscriber->core, [subscriber] { subscriber->wake.cancel(); });
  }
}

net::Task<void> LiveApi::stream(net::Exchange* exchange) {
  auto self = std::make_shared<Subscriber>(exchange->core());
  bool refused = false;
  {
    MutexLock lock(mutex_);
    refused = closed_ || subscribers_.size() >= kLiveSubscribersMax;
    if (!refused) {
      subscribers_.push_back(self);
      for (const auto& [event, data] : states_) self->push(net::format_sse({event, data, ""}));
    }
  }
  if (refused) {
    (void)co_await exchange->respond(
        net::problem_response(Error(ErrorCode::kUnavailable, "too many live streams, or stopping")));
    co_return;
  }
  net::Headers headers;
  headers.set("Content-Type", "text/event-stream");
  headers.set("Cache-Control", "no-store");
  exchange->on_client_gone([self] { self->wake.cancel(); });
  Status status = co_await exchange->begin_stream(200, headers);
  if (status) {
    status = co_await exchange->write(net::format_sse(
        {"hello", fmt::format(R"({{"version":"{}","now":"{}"}})", kVersion, format_rfc3339(clock_.now())), ""}));
  }
  while (status && !exchange->client_gone()) {
    bool ended = false;
    std::string out = self->take(&ended);
    if (ended) break;
    if (out.empty()) {
      self->wake.expires_after(std::chrono::seconds(15));
      boost::system::error_code ec;
      co_await self->wake.async_wait(net::asio::redirect_error(net::use_task, ec));
      if (!ec) out = net::format_sse({"ping", "{}", ""});
    }
    if (!out.empty()) status = co_await exchange->write(std::move(out));
  }
  {
    MutexLock lock(mutex_);
    std::erase(subscribers_, self);
  }
  if (status && !exchange->client_gone()) (void)co_await exchange->end_stream();
}

}  // namespace sentinel::api
