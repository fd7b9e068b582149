#pragma once
// Server-sent events (WHATWG HTML §9.2), in and out. Feed bytes in any split; get whole events.

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sentinel::net {

struct SseEvent {
  std::string event;  // "" means "message"
  std::string data;   // lines joined by \n
  std::string id;
};

inline constexpr size_t kSseEventBytesMax = 4 * 1024 * 1024;

class SseParser {
 public:
  // Calls `on_event` for each event completed by these bytes. kTooLarge: one event exceeds kSseEventBytesMax.
  Status feed(std::string_view bytes, const std::function<void(const SseEvent&)>& on_event);
  // Bytes of an unfinished event are pending (a stream that ends here was cut).
  bool mid_event() const { return !line_.empty() || has_data_; }

 private:
  void end_line(const std::function<void(const SseEvent&)>& on_event);
  std::string line_;
  SseEvent current_;
  bool has_data_ = false;
  bool skip_lf_ = false;
  bool started_ = false;
};

std::string format_sse(const SseEvent& event);

}  // namespace sentinel::net
