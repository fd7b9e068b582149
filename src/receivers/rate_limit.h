#pragma once
// How often each integration may be asked: a token bucket, and a pause when a server says that it is asked too often.
// What has to wait is handed back with the time to wait, so that nothing is held in memory. Thread-safe.

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/thread_annotations.h"

namespace sentinel::receivers {

struct Rate {
  double per_second;
  double burst;
};
// What the services of this kind bear, as far as they say; generous where they do not.
Rate rate_of(std::string_view kind);

class RateLimiter {
 public:
  // Takes one token; the time until there is one when there is none.
  std::optional<Micros> take(const std::string& integration, Rate rate, TimePoint now);
  // Nothing is sent before `until`; the pause ends early for nobody.
  void pause(const std::string& integration, TimePoint until);
  void forget(const std::string& integration);

 private:
  struct Bucket {
    double tokens = 0;
    TimePoint filled_at;
    TimePoint paused_until;
  };
  Mutex mutex_;
  std::map<std::string, Bucket> buckets_ GUARDED_BY(mutex_);
};

}  // namespace sentinel::receivers
