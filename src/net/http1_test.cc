#include "net/http1.h"

#include <gtest/gtest.h>

#include "net/limits.h"

namespace sentinel::net {
namespace {

struct HeadCase {
  const char* name;
  std::string bytes;
  int status;  // 0: well formed
};

int judge(std::string_view bytes, Request& request, MessageHead& head, size_t max = 8192) {
  HeadScanner scanner;
  const HeadResult found = scanner.scan(bytes, max);
  if (found.state == HeadState::kBad) return found.status;
  if (found.state == HeadState::kNeedMore) return -1;
  int status = 0;
  parse_request_head(bytes.substr(0, found.size_bytes), request, head, &status);
  return status;
}

const std::string kHost = "Host: a\r\n";

TEST(RequestHead, StrictTable) {
  const HeadCase cases[] = {
      {"plain", "GET / HTTP/1.1\r\n" + kHost + "\r\n", 0},
      {"1.0 needs no host", "GET / HTTP/1.0\r\n\r\n", 0},
      {"absolute form", "GET http://a/x?y HTTP/1.1\r\n" + kHost + "\r\n", 0},
      {"unfinished", "GET / HTTP/1.1\r\nHost: a\r\n", -1},
      {"bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400},
      {"bare LF within", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
      {"bare CR within a value", "GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n", 400},
      {"folded line", "GET / HTTP/1.1\r\n" + kHost + "X: a\r\n b\r\n\r\n", 400},
      {"space before colon", "GET / HTTP/1.1\r\n" + kHost + "X : a\r\n\r\n", 400},
      {"no colon", "GET / HTTP/1.1\r\n" + kHost + "X\r\n\r\n", 400},
      {"empty name", "GET / HTTP/1.1\r\n" + kHost + ": x\r\n\r\n", 400},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", "GET / HTTP/1.1\r\n" + kHost + kHost + "\r\n", 400},
      {"two lengths", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
      {"list of lengths", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 1, 1\r\n\r\n", 400},
      {"signed length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: +1\r\n\r\n", 400},
      {"negative length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: -1\r\n\r\n", 400},
      {"huge length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 99999999999999999999\r\n\r\n", 400},
      {"empty length", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: \r\n\r\n", 400},
      {"both framings", "POST / HTTP/1.1\r\n" + kHost + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"chunked", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: Chunked\r\n\r\n", 0},
      {"chunked twice", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: chunked, chunked\r\n\r\n", 400},
      {"two encodings", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"unknown encoding", "POST / HTTP/1.1\r\n" + kHost + "Transfer-Encoding: gzip\r\n\r\n", 501},
      {"obscured encoding",
       "POST / HTTP/1.1\r\n" + kHost +
           "Transfer-Encoding: \x0b"
           "chunked\r\n\r\n",
       400},
      {"chunked in 1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 505},
      {"rubbish version", "GET / FTP/1\r\n\r\n", 400},
      {"no version", "GET /\r\n\r\n", 400},
      {"space in target", "GET /a b HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"method with bracket", "G[T / HTTP/1.1\r\n" + kHost + "\r\n", 400},
      {"NUL in value", std::string("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 29), 400},
      {"unknown expectation", "POST / HTTP/1.1\r\n" + kHost + "Expect: tea\r\n\r\n", 417},
      {"continue", "POST / HTTP/1.1\r\n" + kHost + "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\n", 0},
  };
  for (const auto& c : cases) {
    Request request;
    MessageHead head;
    EXPECT_EQ(judge(c.bytes, request, head), c.status) << c.name;
  }
}

TEST(RequestHead, FieldsAndFraming) {
  Request request;
  MessageHead head;
  ASSERT_EQ(judge("POST /v1/x?y=1 HTTP/1.1\r\nhost: h:1\r\nX-A:\t b \r\nConnection: foo, Close\r\ncontent-length: "
                  "12\r\n\r\nbody",
                  request, head),
            0);
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.target, "/v1/x?y=1");
  EXPECT_EQ(request.headers.get("x-a"), "b");
  EXPECT_FALSE(head.keep_alive);
  EXPECT_EQ(head.content_length, 12U);
  ASSERT_EQ(judge("GET http://other/p HTTP/1.1\r\nhost: h\r\n\r\n", request, head), 0);
  EXPECT_EQ(request.target, "/p");
}

TEST(RequestHead, TooLargeOrTooManyLinesIs431) {
  Request request;
  MessageHead head;
  EXPECT_EQ(judge("GET / HTTP/1.1\r\nX: " + std::string(9000, 'a'), request, head), 431);
  std::string many = "GET / HTTP/1.1\r\n" + kHost;
  for (size_t i = 0; i < kHeadersMax; ++i) many += "X: y\r\n";
  EXPECT_EQ(judge(many + "\r\n", request, head), 431);
}

TEST(RequestHead, AnySplitFindsTheSameEnd) {
  const std::string bytes = "POST /a HTTP/1.1\r\n" + kHost + "X: y\r\n\r\nBODY\r\n\r\n";
  const size_t expected = bytes.find("\r\n\r\n") + 4;
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    HeadScanner scanner;
    HeadResult found = scanner.scan(std::string_view(bytes).substr(0, cut), 8192);
    if (cut < expected) {
      EXPECT_EQ(found.state, HeadState::kNeedMore) << cut;
      found = scanner.scan(bytes, 8192);
    }
    EXPECT_EQ(found.state, HeadState::kDone) << cut;
    EXPECT_EQ(found.size_bytes, expected) << cut;
  }
}

TEST(ResponseHead, Table) {
  const std::pair<const char*, int> cases[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", 200},
      {"HTTP/1.1 204\r\n\r\n", 204},
      {"HTTP/1.0 301 Moved away\r\n\r\n", 301},
      {"HTTP/1.1 20 OK\r\n\r\n", 0},
      {"HTTP/1.1 2000 OK\r\n\r\n", 0},
      {"ICY 200 OK\r\n\r\n", 0},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 0},
      {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n", 0},
  };
  for (const auto& [text, status] : cases) {
    Headers headers;
    MessageHead head;
    int got = 0;
    const bool good = parse_response_head(text, &got, headers, head).empty();
    EXPECT_EQ(good, status != 0) << text;
    if (good) EXPECT_EQ(got, status) << text;
  }
}

struct ChunkCase {
  std::string bytes;
  std::string content;
  char end;  // d(one), f(ailed), m(ore)
};

TEST(Chunked, EverySplitDecodesTheSame) {
  const ChunkCase cases[] = {
      {"3\r\nabc\r\n0\r\n\r\n", "abc", 'd'},
      {"3;x=y\r\nabc\r\nA\r\n0123456789\r\n000\r\nTrailer: x\r\nT2: y\r\n\r\nNEXT", "abc0123456789", 'd'},
      {"3\r\nabc\r\n", "abc", 'm'},
      {"3\r\nabcd\r\n", "abc", 'f'},
      {"3\nabc\r\n", "", 'f'},
      {"\r\n", "", 'f'},
      {"-1\r\n", "", 'f'},
      {"0x3\r\nabc", "", 'f'},
      {"ffffffffffffffffff\r\n", "", 'f'},
      {"1;" + std::string(400, 'e') + "\r\n", "", 'f'},
      {"0\r\n" + std::string(9000, 't') + "\r\n", "", 'f'},
      {"0\r\nbad\ntrailer\r\n\r\n", "", 'f'},
  };
  for (const auto& c : cases) {
    for (size_t cut = 0; cut <= std::min<size_t>(c.bytes.size(), 64); ++cut) {
      ChunkedDecoder decoder;
      std::string out;
      size_t used = decoder.feed(std::string_view(c.bytes).substr(0, cut), out);
      if (used == cut) used += decoder.feed(std::string_view(c.bytes).substr(cut), out);
      EXPECT_EQ(out, c.content) << c.bytes.substr(0, 40) << " cut " << cut;
      const char end = decoder.failed() ? 'f' : decoder.done() ? 'd' : 'm';
      EXPECT_EQ(end, c.end) << c.bytes.substr(0, 40) << " cut " << cut;
      if (c.bytes.ends_with("NEXT")) EXPECT_EQ(c.bytes.substr(used), "NEXT");
    }
  }
}

}  // namespace
}  // namespace sentinel::net
