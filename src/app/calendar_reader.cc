#include "app/calendar_reader.h"

#include <fmt/format.h>

#include "base/log.h"
#include "oncall/calendars.h"
#include "oncall/limits.h"

namespace sentinel::app {
namespace {

constexpr Micros kTick = std::chrono::seconds(5);
constexpr Millis kReadTimeout = std::chrono::seconds(30);

}  // namespace

CalendarReader::CalendarReader(net::Runtime& runtime, net::HttpClient& client, Scheduler& control,
                               incident::Pager& pager, MetricRegistry& metrics)
    : runtime_(runtime), client_(client), control_(control), pager_(pager), metrics_(metrics) {}

void CalendarReader::start() { tick(); }

void CalendarReader::tick() {
  const TimePoint now = control_.now();
  for (const oncall::Subscription& s : pager_.config().calendars) {
    TimePoint& next = next_[oncall::calendar_name(s)];
    // A shorter interval of a reload counts at once.
    if (now < next && next <= now + s.every) continue;
    next = now + s.every;
    runtime_.spawn(runtime_.any_core(), "calendar", read(s));
  }
  control_.after(kTick, [this] { tick(); });
}

net::Task<void> CalendarReader::read(oncall::Subscription subscription) {
  net::ClientRequest request;
  request.url = subscription.url;
  request.headers.set("Accept", "text/calendar");
  request.headers.set("User-Agent", "Sentinel");
  request.body_bytes_max = oncall::kICalBytesMax;
  request.timeouts.total = kReadTimeout;
  const Result<net::Response> answer = co_await client_.fetch(std::move(request));
  co_await net::on_loop(&control_, [this, subscription, answer] {
    take(subscription, answer);
    return true;
  });
}

void CalendarReader::take(const oncall::Subscription& s, const Result<net::Response>& answer) {
  if (!answer) return failed(s, answer.error().message());
  if (answer->status != 200) return failed(s, fmt::format("status {}", answer->status));
  if (const Status taken = pager_.follow(s, answer->body); !taken) failed(s, taken.error().to_string());
}

// The address is left out: it is often a secret.
void CalendarReader::failed(const oncall::Subscription& s, const std::string& why) {
  metrics_
      .counter("sentinel_oncall_calendar_failures_total", "Times that an outside calendar could not be taken over.",
               {{"schedule", s.schedule}, {"calendar", s.id}})
      .add();
  log_warn("oncall", "a calendar was not taken over, the last good one stays",
           {{"schedule", s.schedule}, {"calendar", s.id}, {"error", why}});
}

}  // namespace sentinel::app
