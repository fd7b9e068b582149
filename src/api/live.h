#pragma once
// /sentinel/v1/live: server-sent events. Publishers never wait: a subscriber that does not read loses events and is
// told so by `event: gap`.

#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/handler.h"
#include "base/clock.h"
#include "base/thread_annotations.h"
#include "net/http_server.h"
#include "net/sse.h"

namespace sentinel::api {

inline constexpr size_t kLiveSubscribersMax = 200;
inline constexpr size_t kLiveBacklogMax = 256;  // events waiting for one subscriber

class LiveApi {
 public:
  explicit LiveApi(const Clock& clock) : clock_(clock) {}
  void add_routes(net::Router& router);

  // Thread-safe. `data_json` is one line of JSON.
  void publish(std::string_view event, std::string data_json);
  // At most `per_second` events of a kind get through publish_sampled; the rest are dropped silently.
  void publish_sampled(std::string_view event, std::string data_json, int per_second);
  // An event that says how things stand: sent when it differs from the last of its name, and to each newcomer.
  void publish_state(std::string_view event, std::string data_json);
  bool has_subscribers() const;
  // Ends all streams; new ones get 503. For a graceful stop.
  void close();

 private:
  struct Subscriber;
  net::Task<void> stream(net::Exchange* exchange);

  const Clock& clock_;
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<Subscriber>> subscribers_ GUARDED_BY(mutex_);
  std::map<std::string, std::string, std::less<>> states_ GUARDED_BY(mutex_);  // by event
  bool closed_ GUARDED_BY(mutex_) = false;
  int64_t sample_second_ GUARDED_BY(mutex_) = 0;
  int sampled_ GUARDED_BY(mutex_) = 0;
};

}  // namespace sentinel::api
