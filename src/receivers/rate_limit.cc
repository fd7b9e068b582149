#include "receivers/rate_limit.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sentinel::receivers {

Rate rate_of(std::string_view kind) {
  static constexpr std::array<std::pair<std::string_view, Rate>, 7> kKnown = {{
      {"slack", {1, 20}},     // one a second and channel, short bursts
      {"discord", {2, 5}},    // five in two seconds for a webhook
      {"telegram", {1, 20}},  // one a second and chat, twenty a minute in groups
      {"msteams", {2, 4}},    // four in a second
      {"msteamsv2", {2, 4}},
      {"pagerduty", {2, 120}},  // 120 a minute for a routing key
      {"webhook", {200, 2000}},
  }};
  const auto it = std::find_if(kKnown.begin(), kKnown.end(), [kind](const auto& k) { return k.first == kind; });
  return it == kKnown.end() ? Rate{10, 100} : it->second;
}

std::optional<Micros> RateLimiter::take(const std::string& integration, Rate rate, TimePoint now) {
  const MutexLock lock(mutex_);
  const auto [it, fresh] = buckets_.try_emplace(integration, Bucket{rate.burst, now, {}});
  Bucket& bucket = it->second;
  if (bucket.paused_until > now) return bucket.paused_until - now;
  const double elapsed = std::max(0.0, std::chrono::duration<double>(now - bucket.filled_at).count());
  bucket.tokens = std::min(rate.burst, bucket.tokens + elapsed * rate.per_second);
  bucket.filled_at = now;
  if (bucket.tokens >= 1) {
    bucket.tokens -= 1;
    return std::nullopt;
  }
  return Micros(static_cast<int64_t>((1 - bucket.tokens) / rate.per_second * 1e6) + 1);
}

void RateLimiter::pause(const std::string& integration, TimePoint until) {
  const MutexLock lock(mutex_);
  Bucket& bucket = buckets_[integration];
  bucket.paused_until = std::max(bucket.paused_until, until);
}

void RateLimiter::forget(const std::string& integration) {
  const MutexLock lock(mutex_);
  buckets_.erase(integration);
}

}  // namespace sentinel::receivers
