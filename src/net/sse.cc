#include "net/sse.h"

namespace sentinel::net {

Status SseParser::feed(std::string_view bytes, const std::function<void(const SseEvent&)>& on_event) {
  size_t at = 0;
  if (skip_lf_ && !bytes.empty()) {  // the LF of a CR LF that was split between two feeds
    skip_lf_ = false;
    if (bytes[0] == '\n') at = 1;
  }
  while (at < bytes.size()) {
    const size_t end = bytes.find_first_of("\r\n", at);
    const size_t stop = end == std::string_view::npos ? bytes.size() : end;
    if (line_.size() + current_.data.size() + (stop - at) > kSseEventBytesMax) {
      return fail(ErrorCode::kTooLarge, "a server-sent event is larger than 4 MiB");
    }
    line_.append(bytes.substr(at, stop - at));
    if (end == std::string_view::npos) return {};
    at = end + 1;
    if (bytes[end] == '\r') {
      if (at < bytes.size()) {
        if (bytes[at] == '\n') ++at;
      } else {
        skip_lf_ = true;
      }
    }
    end_line(on_event);
  }
  return {};
}

void SseParser::end_line(const std::function<void(const SseEvent&)>& on_event) {
  std::string_view line = line_;
  if (!started_) {
    started_ = true;
    if (line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
  }
  if (line.empty()) {
    // Without data nothing is dispatched, but the event type is forgotten; the id stays for the next events.
    if (has_data_) {
      current_.data.pop_back();
      on_event(current_);
    }
    current_.data.clear();
    current_.event.clear();
    has_data_ = false;
  } else if (line[0] != ':') {
    const size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (name == "data") {
      current_.data.append(value);
      current_.data += '\n';
      has_data_ = true;
    } else if (name == "event") {
      current_.event.assign(value);
    } else if (name == "id" && value.find('\0') == std::string_view::npos) {
      current_.id.assign(value);
    }
  }
  line_.clear();
}

std::string format_sse(const SseEvent& event) {
  std::string out;
  if (!event.event.empty()) out += "event: " + event.event + "\n";
  if (!event.id.empty()) out += "id: " + event.id + "\n";
  std::string_view rest = event.data;
  while (true) {
    const size_t end = rest.find_first_of("\r\n");
    out += "data: ";
    out += rest.substr(0, end);
    out += "\n";
    if (end == std::string_view::npos) break;
    const bool crlf = rest[end] == '\r' && end + 1 < rest.size() && rest[end + 1] == '\n';
    rest.remove_prefix(end + (crlf ? 2 : 1));
  }
  out += "\n";
  return out;
}

}  // namespace sentinel::net
