#pragma once
// The HTTP/1.1 wire format: heads, chunked bodies, and writing them. Strict where looseness lets two parties disagree
// about where a message ends: bare LF, folded lines, space before a colon, both lengths, repeated lengths are refused.
// Pure functions and small state machines; no I/O.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http.h"

namespace sentinel::net {

struct MessageHead {
  bool http_1_0 = false;
  bool keep_alive = true;
  bool chunked = false;
  bool expect_continue = false;  // requests only
  std::optional<uint64_t> content_length;
};

enum class HeadState { kNeedMore, kDone, kBad };

struct HeadResult {
  HeadState state = HeadState::kNeedMore;
  size_t size_bytes = 0;  // of the head, with its empty line; set when done
  int status = 0;         // what to answer when bad
  std::string_view why;   // a literal
};

// Looks for a whole head at the start of some bytes. Call again with the same bytes and more; what was looked at is not
// looked at twice.
class HeadScanner {
 public:
  HeadResult scan(std::string_view bytes, size_t head_bytes_max);
  void reset() { scanned_ = line_start_ = 0; }

 private:
  size_t scanned_ = 0;
  size_t line_start_ = 0;
};

// `head` is what HeadScanner found. Fills method, target, headers (not path, query, body). Empty: well formed; else
// what is wrong, with *status the answer to give.
std::string_view parse_request_head(std::string_view head, Request& request, MessageHead& out, int* status);
// The same for a response.
std::string_view parse_response_head(std::string_view head, int* response_status, Headers& headers, MessageHead& out);

// Takes the framing off a chunked body, fed in any split.
class ChunkedDecoder {
 public:
  // Appends content to `out`; returns how many bytes were used (all, unless done). Check failed() after each call.
  size_t feed(std::string_view bytes, std::string& out);
  bool done() const { return state_ == State::kDone; }
  bool failed() const { return state_ == State::kFailed; }
  void reset() { *this = ChunkedDecoder(); }

 private:
  enum class State { kSize, kExtension, kSizeLf, kData, kDataCr, kDataLf, kTrailer, kTrailerLf, kDone, kFailed };
  void size_char(char c);
  void trailer_char(char c);
  State state_ = State::kSize;
  uint64_t remaining_ = 0;
  size_t line_bytes_ = 0;
  size_t trailer_bytes_ = 0;
  bool any_digit_ = false;
  bool trailer_line_empty_ = true;
};

// "HTTP/1.1 200 OK\r\n" and all headers but those that frame the message, which the caller adds.
void append_status_line(std::string& out, int status);
void append_header(std::string& out, std::string_view name, std::string_view value);
void append_headers(std::string& out, const Headers& headers);  // leaves out hop-by-hop and framing headers
bool is_hop_by_hop(
    std::string_view name);  // connection, keep-alive, te, trailer, transfer-encoding, upgrade, content-length, ...

}  // namespace sentinel::net
