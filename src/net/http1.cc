#include "net/http1.h"

#include <array>
#include <charconv>
#include <cstring>
#include <limits>

#include "base/strings.h"
#include "net/limits.h"

namespace sentinel::net {
namespace {

constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (int c = '0'; c <= '9'; ++c) table[static_cast<size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) table[static_cast<size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) table[static_cast<size_t>(c)] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}
constexpr auto kToken = make_token_table();

bool is_token(std::string_view text) {
  if (text.empty()) return false;
  for (char c : text) {
    if (!kToken[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

bool is_field_value(std::string_view text) {
  for (char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if ((u < 0x20 && c != '\t') || u == 0x7f) return false;
  }
  return true;
}

bool is_target(std::string_view text) {
  for (char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (u <= 0x20 || u == 0x7f) return false;
  }
  return !text.empty();
}

std::string_view trim_blank(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::string_view take_line(std::string_view head, size_t& at) {
  const size_t end = head.find("\r\n", at);
  const std::string_view line = head.substr(at, end - at);
  at = end + 2;
  return line;
}

// What the framing headers of one head say, gathered while its lines go by.
struct Framing {
  int content_lengths = 0;
  int transfer_encodings = 0;
  int hosts = 0;
  std::string_view content_length, transfer_encoding, connection, expect;
  bool connection_close = false;
  bool connection_keep_alive = false;

  void see(std::string_view name, std::string_view value) {
    switch (name.size()) {
      case 4:
        if (header_name_equals(name, "host")) ++hosts;
        break;
      case 6:
        if (header_name_equals(name, "expect")) expect = value;
        break;
      case 10:
        if (header_name_equals(name, "connection")) {
          connection_close = connection_close || has_token(value, "close");
          connection_keep_alive = connection_keep_alive || has_token(value, "keep-alive");
        }
        break;
      case 14:
        if (header_name_equals(name, "content-length")) {
          ++content_lengths;
          content_length = value;
        }
        break;
      case 17:
        if (header_name_equals(name, "transfer-encoding")) {
          ++transfer_encodings;
          transfer_encoding = value;
        }
        break;
      default: break;
    }
  }
};

std::string_view read_fields(std::string_view head, size_t at, Headers& headers, Framing& framing, int* status) {
  std::array<Headers::Slot, kHeadersMax> slots;
  size_t count = 0;
  const char* base = head.data();
  while (at + 2 < head.size()) {
    const std::string_view line = take_line(head, at);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return "header line without a colon";
    const std::string_view name = line.substr(0, colon);
    if (!is_token(name)) return "malformed header name";
    const std::string_view value = trim_blank(line.substr(colon + 1));
    if (!is_field_value(value)) return "control character in a header value";
    if (count == kHeadersMax) {
      *status = 431;
      return "too many header lines";
    }
    slots[count++] = {static_cast<uint32_t>(name.data() - base), static_cast<uint32_t>(name.size()),
                      static_cast<uint32_t>(value.data() - base), static_cast<uint32_t>(value.size())};
    framing.see(name, value);
  }
  headers.assign(head, slots.data(), count);
  return {};
}

// Fills the framing part of `out`. REQUIRES: out.http_1_0 is set.
std::string_view judge_framing(const Framing& framing, MessageHead& out, int* status) {
  if (framing.content_lengths > 1) return "more than one Content-Length";
  if (framing.transfer_encodings > 0 && framing.content_lengths > 0) return "both Content-Length and Transfer-Encoding";
  if (framing.transfer_encodings > 1) return "more than one Transfer-Encoding";
  if (framing.transfer_encodings == 1) {
    if (out.http_1_0) return "Transfer-Encoding in HTTP/1.0";
    if (!header_name_equals(framing.transfer_encoding, "chunked")) {
      *status = framing.transfer_encoding.find(',') == std::string_view::npos ? 501 : 400;
      return "only the transfer encoding `chunked` is understood";
    }
    out.chunked = true;
  }
  if (framing.content_lengths == 1) {
    uint64_t length = 0;
    const std::string_view text = framing.content_length;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (error != std::errc() || end != text.data() + text.size() || text.empty()) return "malformed Content-Length";
    out.content_length = length;
  }
  out.keep_alive = !framing.connection_close && (!out.http_1_0 || framing.connection_keep_alive);
  return {};
}

// Absolute form (http://host/path) is allowed by RFC 9112; only the path is kept.
std::string_view origin_form(std::string_view target) {
  const size_t scheme = target.find("://");
  if (target.front() == '/' || scheme == std::string_view::npos) return target;
  const size_t slash = target.find('/', scheme + 3);
  return slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
}

}  // namespace

HeadResult HeadScanner::scan(std::string_view bytes, size_t head_bytes_max) {
  const size_t limit = std::min(bytes.size(), head_bytes_max);
  while (scanned_ < limit) {
    const void* hit = std::memchr(bytes.data() + scanned_, '\n', limit - scanned_);
    if (hit == nullptr) {
      scanned_ = limit;
      break;
    }
    const size_t at = static_cast<size_t>(static_cast<const char*>(hit) - bytes.data());
    if (at == 0 || bytes[at - 1] != '\r') return {HeadState::kBad, 0, 400, "line ends without a carriage return"};
    scanned_ = at + 1;
    const bool empty_line = at - line_start_ == 1;
    line_start_ = at + 1;
    if (empty_line) return {HeadState::kDone, at + 1, 0, {}};
  }
  if (bytes.size() >= head_bytes_max) return {HeadState::kBad, 0, 431, "the head is too large"};
  return {};
}

std::string_view parse_request_head(std::string_view head, Request& request, MessageHead& out, int* status) {
  *status = 400;
  out = MessageHead();
  size_t at = 0;
  const std::string_view line = take_line(head, at);
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return "malformed request line";
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (!is_token(method)) return "malformed method";
  if (!is_target(target)) return "malformed request target";
  if (version == "HTTP/1.0") {
    out.http_1_0 = true;
  } else if (version != "HTTP/1.1") {
    if (version.starts_with("HTTP/")) *status = 505;
    return "unknown HTTP version";
  }
  request.method.assign(method);
  request.target.assign(origin_form(target));
  Framing framing;
  if (auto bad = read_fields(head, at, request.headers, framing, status); !bad.empty()) return bad;
  if (framing.hosts > 1 || (framing.hosts == 0 && !out.http_1_0)) return "needs exactly one Host header";
  if (auto bad = judge_framing(framing, out, status); !bad.empty()) return bad;
  if (!framing.expect.empty() && !out.http_1_0) {
    if (!header_name_equals(framing.expect, "100-continue")) {
      *status = 417;
      return "unknown expectation";
    }
    out.expect_continue = true;
  }
  *status = 0;
  return {};
}

std::string_view parse_response_head(std::string_view head, int* response_status, Headers& headers, MessageHead& out) {
  out = MessageHead();
  size_t at = 0;
  const std::string_view line = take_line(head, at);
  if (line.starts_with("HTTP/1.0 ")) {
    out.http_1_0 = true;
  } else if (!line.starts_with("HTTP/1.1 ")) {
    return "malformed status line";
  }
  int status = 0;
  const auto [end, error] = std::from_chars(line.data() + 9, line.data() + line.size(), status);
  if (error != std::errc() || end != line.data() + 12 || status < 100) return "malformed status code";
  if (line.size() > 12 && line[12] != ' ') return "malformed status line";
  *response_status = status;
  Framing framing;
  int ignored = 0;
  if (auto bad = read_fields(head, at, headers, framing, &ignored); !bad.empty()) return bad;
  return judge_framing(framing, out, &ignored);
}

void ChunkedDecoder::size_char(char c) {
  if (++line_bytes_ > kChunkLineBytesMax) {
    state_ = State::kFailed;
    return;
  }
  if (state_ == State::kSizeLf) {
    if (c != '\n') {
      state_ = State::kFailed;
      return;
    }
    line_bytes_ = 0;
    any_digit_ = false;
    state_ = remaining_ > 0 ? State::kData : State::kTrailer;
    trailer_line_empty_ = true;
    return;
  }
  if (c == '\r') {
    state_ = any_digit_ ? State::kSizeLf : State::kFailed;
    return;
  }
  if (state_ == State::kExtension) {
    if (c == '\n' || c == '\0') state_ = State::kFailed;
    return;
  }
  int digit = -1;
  if (c >= '0' && c <= '9') digit = c - '0';
  if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
  if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
  if (digit < 0) {
    state_ = any_digit_ && (c == ';' || c == ' ' || c == '\t') ? State::kExtension : State::kFailed;
    return;
  }
  if (remaining_ > (std::numeric_limits<uint64_t>::max() >> 8)) {
    state_ = State::kFailed;
    return;
  }
  any_digit_ = true;
  remaining_ = remaining_ * 16 + static_cast<uint64_t>(digit);
}

void ChunkedDecoder::trailer_char(char c) {
  if (++trailer_bytes_ > kTrailerBytesMax) {
    state_ = State::kFailed;
    return;
  }
  if (state_ == State::kTrailerLf) {
    if (c != '\n') {
      state_ = State::kFailed;
    } else {
      state_ = trailer_line_empty_ ? State::kDone : State::kTrailer;
      trailer_line_empty_ = true;
    }
    return;
  }
  if (c == '\r') {
    state_ = State::kTrailerLf;
  } else if (c == '\n' || c == '\0') {
    state_ = State::kFailed;
  } else {
    trailer_line_empty_ = false;
  }
}

size_t ChunkedDecoder::feed(std::string_view bytes, std::string& out) {
  size_t at = 0;
  while (at < bytes.size()) {
    switch (state_) {
      case State::kSize:
      case State::kExtension:
      case State::kSizeLf: size_char(bytes[at++]); break;
      case State::kData: {
        const size_t take = static_cast<size_t>(std::min<uint64_t>(remaining_, bytes.size() - at));
        out.append(bytes.substr(at, take));
        at += take;
        remaining_ -= take;
        if (remaining_ == 0) state_ = State::kDataCr;
        break;
      }
      case State::kDataCr: state_ = bytes[at++] == '\r' ? State::kDataLf : State::kFailed; break;
      case State::kDataLf: state_ = bytes[at++] == '\n' ? State::kSize : State::kFailed; break;
      case State::kTrailer:
      case State::kTrailerLf: trailer_char(bytes[at++]); break;
      case State::kDone:
      case State::kFailed: return at;
    }
  }
  return at;
}

void append_status_line(std::string& out, int status) {
  if (status == 200) {
    out += "HTTP/1.1 200 OK\r\n";
    return;
  }
  out += "HTTP/1.1 ";
  out += std::to_string(status);
  out += ' ';
  out += reason_phrase(status);
  out += "\r\n";
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  out += value;
  out += "\r\n";
}

bool is_hop_by_hop(std::string_view name) {
  switch (name.size()) {
    case 2: return header_name_equals(name, "te");
    case 7: return header_name_equals(name, "trailer") || header_name_equals(name, "upgrade");
    case 10: return header_name_equals(name, "connection") || header_name_equals(name, "keep-alive");
    case 14: return header_name_equals(name, "content-length");
    case 16: return header_name_equals(name, "proxy-connection");
    case 17: return header_name_equals(name, "transfer-encoding");
    default: return false;
  }
}

void append_headers(std::string& out, const Headers& headers) {
  for (const auto& [name, value] : headers.all()) {
    if (!is_hop_by_hop(name)) append_header(out, name, value);
  }
}

}  // namespace sentinel::net
