#include "base/strings.h"

#include <bit>
#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace sentinel {
namespace {

using testing::ElementsAre;

constexpr double kInf = std::numeric_limits<double>::infinity();

TEST(Strings, SplitKeepsEmptyParts) {
  EXPECT_THAT(split("a,,b,", ','), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(split("", ','), ElementsAre(""));
  EXPECT_THAT(split("abc", ','), ElementsAre("abc"));
}

TEST(Strings, TrimsAndComparesAsciiOnly) {
  EXPECT_EQ(trim(" \t\r\n x y \v\f"), "x y");
  EXPECT_EQ(trim("   "), "");
  EXPECT_EQ(to_lower("ABCÄz"), "abcÄz");
  EXPECT_TRUE(iequals("Content-Type", "content-TYPE"));
  EXPECT_FALSE(iequals("abc", "abcd"));
}

TEST(Strings, ReplacesWithoutLookingAtWhatItWrote) {
  EXPECT_EQ(replace_all("aaa", "a", "aa"), "aaaaaa");
  EXPECT_EQ(replace_all("a.b.c", ".", ""), "abc");
  EXPECT_EQ(replace_all("abc", "", "x"), "abc");
  EXPECT_EQ(join({"a", "b", "c"}, ", "), "a, b, c");
  EXPECT_EQ(join({}, ", "), "");
}

TEST(Strings, ParseIntTakesTheWholeTextOrNothing) {
  EXPECT_EQ(parse_int("0"), 0);
  EXPECT_EQ(parse_int("-17"), -17);
  EXPECT_EQ(parse_int("+17"), 17);
  EXPECT_EQ(parse_int("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(parse_int("-9223372036854775808"), INT64_MIN);
  for (const char* bad : {"", "+", "-", "+-1", " 1", "1 ", "1.0", "0x10", "9223372036854775808", "1e3"}) {
    EXPECT_EQ(parse_int(bad), std::nullopt) << bad;
  }
}

TEST(ParseDouble, ReadsWhatGoReads) {
  struct Case {
    const char* text;
    double value;
  };
  // The hexadecimal and underscore forms are from the language definition of Go.
  const Case cases[] = {{"0", 0},           {"1", 1},
                        {"+1.5", 1.5},      {".5", 0.5},
                        {"5.", 5},          {"1e3", 1000},
                        {"1E-3", 0.001},    {"1_000.5", 1000.5},
                        {"0x1p4", 16},      {"0X1.8p1", 3},
                        {"0x_1p-2", 0.25},  {"inf", kInf},
                        {"-Inf", -kInf},    {"+INFINITY", kInf},
                        {"1e-400", 0},      {"0x1p-2000", 0},
                        {"5e-324", 5e-324}, {"1.7976931348623157e308", 1.7976931348623157e308}};
  for (const Case& c : cases) {
    const auto parsed = parse_double(c.text);
    ASSERT_TRUE(parsed) << c.text;
    EXPECT_EQ(*parsed, c.value) << c.text;
  }
  EXPECT_TRUE(std::signbit(*parse_double("-0")));
  EXPECT_TRUE(std::signbit(*parse_double("-1e-999999999999999999999")));
  EXPECT_TRUE(std::isnan(*parse_double("NaN")));
  EXPECT_TRUE(std::isnan(*parse_double("nan")));
}

TEST(ParseDouble, RefusesWhatGoRefuses) {
  for (const char* bad : {"",         "+",
                          "-",        ".",
                          "e5",       "1e",
                          "1e+",      " 1",
                          "1 ",       "1..2",
                          "--1",      "+-1",
                          "1__0",     "_1",
                          "1_",       "1_.5",
                          "1._5",     "0x10",
                          "0x",       "0xp1",
                          "+nan",     "infin",
                          "1e400",    "-1e400",
                          "0x1p2000", "1e99999999999999999999",
                          "1,5",      "0b1",
                          "one"}) {
    EXPECT_EQ(parse_double(bad), std::nullopt) << bad;
  }
}

TEST(FormatDouble, WritesTheShortestDigitsWithoutExponent) {
  struct Case {
    double value;
    const char* fixed;
    const char* general;
  };
  const Case cases[] = {
      {0, "0", "0"},
      {-0.0, "-0", "-0"},
      {1, "1", "1"},
      {-1.5, "-1.5", "-1.5"},
      {0.1, "0.1", "0.1"},
      {0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"},
      {100, "100", "100"},
      {123456, "123456", "123456"},
      {999999.5, "999999.5", "999999.5"},
      {1e6, "1000000", "1e+06"},
      {1234567, "1234567", "1.234567e+06"},
      {1e20, "100000000000000000000", "1e+20"},
      {1e21, "1000000000000000000000", "1e+21"},
      {1e23, "100000000000000000000000", "1e+23"},  // the nearest double is 99999999999999991611392
      {1234567890123456789.0, "1234567890123456800", "1.2345678901234568e+18"},
      {0.0001, "0.0001", "0.0001"},
      {0.00001, "0.00001", "1e-05"},
      {0.000012345, "0.000012345", "1.2345e-05"},
      {1e-100, nullptr, "1e-100"},
      {kInf, "+Inf", "+Inf"},
      {-kInf, "-Inf", "-Inf"},
      {std::nan(""), "NaN", "NaN"},
      {-std::nan(""), "NaN", "NaN"},
  };
  for (const Case& c : cases) {
    if (c.fixed != nullptr) EXPECT_EQ(format_double(c.value), c.fixed);
    EXPECT_EQ(format_double_g(c.value), c.general);
  }
  EXPECT_EQ(format_double(5e-324), "0." + std::string(323, '0') + "5");
  EXPECT_EQ(format_double(std::numeric_limits<double>::max()), "17976931348623157" + std::string(292, '0'));
}

TEST(FormatDouble, ReadsBackTheSameForAnyBits) {
  Random random(7);
  for (int i = 0; i < 20000; ++i) {
    const auto v = std::bit_cast<double>(random.next());
    if (!std::isfinite(v)) continue;
    for (const std::string& text : {format_double(v), format_double_g(v)}) {
      const auto back = parse_double(text);
      ASSERT_TRUE(back) << text;
      ASSERT_EQ(std::bit_cast<uint64_t>(*back), std::bit_cast<uint64_t>(v)) << text;
    }
  }
}

struct Utf8Case {
  std::string_view text;
  bool valid;
  std::string_view repaired;
};
const Utf8Case kUtf8Cases[] = {
    {"", true, ""},
    {"plain", true, "plain"},
    {"grüße 你好 🙂", true, "grüße 你好 🙂"},
    {"\xF4\x8F\xBF\xBF", true, "\xF4\x8F\xBF\xBF"},           // U+10FFFF
    {"\xF4\x90\x80\x80", false, "\uFFFD\uFFFD\uFFFD\uFFFD"},  // beyond it
    {"\xED\xA0\x80", false, "\uFFFD\uFFFD\uFFFD"},            // a surrogate
    {"\xC0\x80", false, "\uFFFD\uFFFD"},                      // overlong
    {"\xE0\x80\xAF", false, "\uFFFD\uFFFD\uFFFD"},            // overlong
    {"a\x80z", false, "a\uFFFDz"},                            // a continuation alone
    {"12345678\xE4\xBD", false, "12345678\uFFFD\uFFFD"},      // cut short
    {"\xFF", false, "\uFFFD"},
    {"ok\xC3(", false, "ok\uFFFD("},
};

TEST(Utf8, ValidatesAndRepairs) {
  for (const Utf8Case& c : kUtf8Cases) {
    EXPECT_EQ(is_valid_utf8(c.text), c.valid) << hex_encode(c.text);
    EXPECT_EQ(to_valid_utf8(c.text), c.repaired) << hex_encode(c.text);
    EXPECT_TRUE(is_valid_utf8(to_valid_utf8(c.text)));
  }
}

TEST(Utf8, PrefixNeverCutsASequence) {
  const std::string text = "aé你🙂z";  // 1 + 2 + 3 + 4 + 1 bytes
  const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
  for (size_t max = 0; max < std::size(expected); ++max) {
    EXPECT_EQ(utf8_prefix(text, max).size(), expected[max]) << max;
    EXPECT_TRUE(is_valid_utf8(utf8_prefix(text, max)));
  }
  EXPECT_EQ(utf8_prefix(std::string(10, '\x80'), 5).size(), 5u) << "malformed text is still cut near the limit";
}

TEST(Utf8, EveryCodePointRoundTripsAndSurrogatesAreReplaced) {
  for (uint32_t c = 0; c <= 0x110000; c += c < 0x3000 ? 1 : 251) {
    std::string out;
    append_utf8(out, c);
    EXPECT_TRUE(is_valid_utf8(out)) << c;
    if (c > 0x10FFFF) EXPECT_EQ(out, "\uFFFD");
  }
  std::string out;
  append_utf8(out, 0xD800);
  EXPECT_EQ(out, "\uFFFD");
}

TEST(JsonQuote, EscapesOnlyWhatItMust) {
  EXPECT_EQ(json_quote(""), "\"\"");
  EXPECT_EQ(json_quote("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(json_quote("\b\f\n\r\t\v\a"), R"("\b\f\n\r\t\u000b\u0007")");
  EXPECT_EQ(json_quote(std::string_view("\0x\x1f\x7f", 4)), "\"\\u0000x\\u001f\x7f\"");
  EXPECT_EQ(json_quote("你好\xFF!"), "\"你好\uFFFD!\"");
  std::string out = "[";
  append_json_quoted(out, "x");
  EXPECT_EQ(out, "[\"x\"");
}

TEST(GoQuote, WritesWhatStrconvQuoteWrites) {
  EXPECT_EQ(go_quote("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(go_quote("\a\b\f\n\r\t\v"), R"("\a\b\f\n\r\t\v")");
  EXPECT_EQ(go_quote(std::string_view("\0\x1f\x7f\xff", 4)), R"("\x00\x1f\x7f\xff")");
  EXPECT_EQ(go_quote("grüße 🙂"), "\"grüße 🙂\"");
  EXPECT_EQ(go_quote("\u00a0\u200b\ufeff\U000e0001"), R"("\u00a0\u200b\ufeff\U000e0001")");
}

TEST(Base64, RoundTripsTheRfc4648Vectors) {
  const std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                         {"f", "Zg=="},
                                                         {"fo", "Zm8="},
                                                         {"foo", "Zm9v"},
                                                         {"foob", "Zm9vYg=="},
                                                         {"fooba", "Zm9vYmE="},
                                                         {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, encoded] : vectors) {
    EXPECT_EQ(base64_encode(plain), encoded);
    EXPECT_EQ(base64_decode(encoded), plain);
    EXPECT_EQ(base64_decode(replace_all(encoded, "=", "")), plain) << "padding is optional";
  }
  EXPECT_EQ(base64_decode("-_8"), base64_decode("+/8="));
  for (const char* bad : {"A", "Zg=", "Zg===", "Z g=", "Zm9v\n", "Zm9vA", "=", "Zg==Zg=="}) {
    EXPECT_EQ(base64_decode(bad), std::nullopt) << bad;
  }
}

TEST(Url, EncodesAllButTheUnreserved) {
  EXPECT_EQ(url_encode("aZ09-._~ /?&=ü"), "aZ09-._~%20%2F%3F%26%3D%C3%BC");
  EXPECT_EQ(url_decode("a%20b+c%C3%BC", false), "a b+cü");
  EXPECT_EQ(url_decode("a%20b+c", true), "a b c");
  for (const char* bad : {"%", "%2", "%zz", "abc%4"}) EXPECT_EQ(url_decode(bad, true), std::nullopt) << bad;
}

TEST(Html, EscapesWhatCouldEndATextOrAnAttribute) {
  EXPECT_EQ(html_escape("<a href=\"x\">'&'</a>"), "&lt;a href=&#34;x&#34;&gt;&#39;&amp;&#39;&lt;/a&gt;");
}

TEST(Rfc3339, FormatsMillisecondsAndMicrosecondsOnlyWhereNeeded) {
  EXPECT_EQ(format_rfc3339(time_from_us(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_rfc3339(time_from_ms(1'795'227'897'123)), "2026-11-21T02:24:57.123Z");
  EXPECT_EQ(format_rfc3339(time_from_us(1'795'227'897'123'456)), "2026-11-21T02:24:57.123456Z");
  EXPECT_EQ(format_rfc3339(time_from_us(-1)), "1969-12-31T23:59:59.999999Z");
}

TEST(ParseTime, ReadsRfc3339WithAnyZone) {
  const TimePoint t = time_from_ms(1'795'227'897'123);
  for (const char* text :
       {"2026-11-21T02:24:57.123Z", "2026-11-21t02:24:57.123z", "2026-11-21T02:24:57.1230000004Z",
        "2026-11-21T04:24:57.123+02:00", "2026-11-20T20:54:57.123-05:30", "1795227897.123", "1795227897123e-3"}) {
    const auto parsed = parse_time(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, t) << text;
  }
  EXPECT_EQ(*parse_time("2024-02-29T00:00:00Z"), time_from_ms(1'709'164'800'000));
  EXPECT_EQ(*parse_time("-0.5"), time_from_us(-500'000));
}

TEST(ParseTime, RefusesTheRestWithAMessage) {
  for (const char* bad :
       {"", "now", "2026-11-21", "2026-11-21T02:24:57", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z",
        "2026-11-21T24:00:00Z", "2026-11-21T02:60:00Z", "2026-11-21T02:24:57.Z", "2026-11-21T02:24:57Zx",
        "2026-11-21T02:24:57+0200", "NaN", "Inf", "1e300", "1795227897 "}) {
    const auto parsed = parse_time(bad);
    ASSERT_FALSE(parsed) << bad;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_THAT(parsed.error().message(), testing::HasSubstr("time"));
  }
}

TEST(ParseTime, RoundTripsAnyInstantOfFourDigitYears) {
  Random random(11);
  for (int i = 0; i < 5000; ++i) {
    const TimePoint t =
        time_from_us(static_cast<int64_t>(random.below(315'537'897'599'000'000ULL)) - 62'135'596'800'000'000LL);
    const auto parsed = parse_time(format_rfc3339(t));
    ASSERT_TRUE(parsed) << format_rfc3339(t);
    ASSERT_EQ(*parsed, t);
  }
}

}  // namespace
}  // namespace sentinel
