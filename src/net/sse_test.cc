#include "net/sse.h"

#include <gtest/gtest.h>

namespace sentinel::net {
namespace {

std::string show(const SseEvent& e) { return "[" + e.event + "|" + e.data + "|" + e.id + "]"; }

struct SseCase {
  const char* bytes;
  const char* events;
  bool mid_event;
};

// The examples of the specification and the forms providers send.
const SseCase kCases[] = {
    {"data: a\n\n", "[|a|]", false},
    {"data: YHOO\ndata: +2\ndata: 10\n\n", "[|YHOO\n+2\n10|]", false},
    {": comment\n\ndata: first\nid: 1\n\ndata:second\nid\n\ndata:  third\n\n", "[|first|1][|second|][| third|]", false},
    {"data\n\ndata\ndata\n\ndata:", "[||][|\n|]", true},
    {"data:test\n\ndata: test\n\n", "[|test|][|test|]", false},
    {"event: x\r\ndata: y\r\n\r\n", "[x|y|]", false},
    {"event: x\rdata: y\r\r", "[x|y|]", false},
    {"event: lost\n\ndata: d\n\n", "[|d|]", false},
    {"\xEF\xBB\xBF"
     "data: bom\n\n",
     "[|bom|]", false},
    {"data: {\"a\":1}\n\ndata: [DONE]\n\n", "[|{\"a\":1}|][|[DONE]|]", false},
    {"id: 7\ndata: a\n\ndata: b\n\n", "[|a|7][|b|7]", false},
    {"retry: 10\nunknown: z\ndata: a\n\n", "[|a|]", false},
    {"data: cut", "", true},
    {"data: cut\n", "", true},
};

TEST(SseParser, EverySplitGivesTheSameEvents) {
  for (const auto& c : kCases) {
    const std::string bytes = c.bytes;
    for (size_t first = 0; first <= bytes.size(); ++first) {
      for (size_t second = first; second <= bytes.size(); ++second) {
        SseParser parser;
        std::string seen;
        auto collect = [&](const SseEvent& e) { seen += show(e); };
        ASSERT_TRUE(parser.feed(bytes.substr(0, first), collect));
        ASSERT_TRUE(parser.feed(bytes.substr(first, second - first), collect));
        ASSERT_TRUE(parser.feed(bytes.substr(second), collect));
        ASSERT_EQ(seen, c.events) << c.bytes << " at " << first << "," << second;
        ASSERT_EQ(parser.mid_event(), c.mid_event) << c.bytes << " at " << first << "," << second;
      }
    }
  }
}

TEST(SseParser, RefusesAnEndlessEvent) {
  SseParser parser;
  const std::string piece = "data: " + std::string(1024 * 1024, 'x') + "\n";
  Status status;
  for (int i = 0; i < 5 && status; ++i) status = parser.feed(piece, [](const SseEvent&) { FAIL(); });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code(), ErrorCode::kTooLarge);
}

TEST(FormatSse, ReadsBackTheSame) {
  for (const std::string data : {"", "a", "a\nb", "\n", "a\r\nb", " lead", "x\n\ny"}) {
    SseParser parser;
    std::string seen;
    int events = 0;
    ASSERT_TRUE(parser.feed(format_sse({"e", data, "i"}), [&](const SseEvent& e) {
      ++events;
      seen = e.data;
      EXPECT_EQ(e.event, "e");
      EXPECT_EQ(e.id, "i");
    }));
    std::string expected = data;
    if (const size_t crlf = expected.find("\r\n"); crlf != std::string::npos) expected.erase(crlf, 1);
    EXPECT_EQ(events, 1) << data;
    EXPECT_EQ(seen, expected);
  }
}

}  // namespace
}  // namespace sentinel::net
