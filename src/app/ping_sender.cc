#include "app/ping_sender.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel::app {
namespace {

constexpr Millis kPingTimeout = std::chrono::seconds(10);
constexpr size_t kAnswerMax = 64 * 1024;

}  // namespace

void PingSender::set_urls(std::vector<std::string> urls) {
  const MutexLock guard(mutex_);
  urls_ = std::move(urls);
}

void PingSender::send(receivers::Outgoing message, Done done) {
  const auto number = parse_int(std::string_view(message.integration).substr(message.integration.find('/') + 1));
  std::string url;
  {
    const MutexLock guard(mutex_);
    if (number && *number >= 0 && *number < static_cast<int64_t>(urls_.size()))
      url = urls_[static_cast<size_t>(*number)];
  }
  if (url.empty())
    return done({receivers::SendResult::Kind::kFailed, "this address is configured no more", std::nullopt});
  runtime_.spawn(runtime_.any_core(), "ping", ask(std::move(url), std::move(done)));
}

net::Task<void> PingSender::ask(std::string url, Done done) {
  net::ClientRequest request;
  request.url = std::move(url);
  request.headers.set("User-Agent", "Sentinel");
  request.body_bytes_max = kAnswerMax;
  request.timeouts.total = kPingTimeout;
  const Result<net::Response> answer = co_await client_.fetch(std::move(request));
  receivers::SendResult result;
  if (!answer) {
    // The address is left out: it is a secret.
    result = {receivers::SendResult::Kind::kRetry, std::string(error_code_name(answer.error().code())), std::nullopt};
  } else if (answer->status < 200 || answer->status > 299) {
    result = {receivers::SendResult::Kind::kRetry, fmt::format("status {}", answer->status), std::nullopt};
  }
  done(std::move(result));
}

}  // namespace sentinel::app
