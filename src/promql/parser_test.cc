#include "promql/parser.h"

#include <string>

#include <gtest/gtest.h>

#include "promql/go_text.h"

namespace sentinel::promql {
namespace {

struct Printed {
  const char* query;
  const char* canonical;
};

TEST(Parser, prints_what_it_has_read_in_canonical_form) {
  const Printed cases[] = {
      {"1 + 2*3", "1 + 2 * 3"},
      {"2 ^ 3 ^ 2", "2 ^ 3 ^ 2"},
      {"-a ^ 2", "-a ^ 2"},
      {"0x1F + 1_000 + .5 + 1e3", "31 + 1000 + 0.5 + 1000"},
      {"foo{b='x',a=~\"y\"}", "foo{a=~\"y\",b=\"x\"}"},
      {"{\"foo.bar\", \"label name\"=\"v\"}", "{\"label name\"=\"v\",__name__=\"foo.bar\"}"},
      {"sum(x)by(a,b)", "sum by (a, b) (x)"},
      {"sum without (a) (x)", "sum without (a) (x)"},
      {"topk(5, x)", "topk(5, x)"},
      {"a + on(b) group_left(c) d", "a + on (b) group_left (c) d"},
      {"a == bool ignoring(x) b", "a == bool ignoring (x) b"},
      {"a + fill_left(1) fill_right(2) b", "a + fill_left (1) fill_right (2) b"},
      {"rate(x[5m] offset -1h30m)", "rate(x[5m] offset -1h30m)"},
      {"x @ 1.5 offset 90s", "x @ 1.500 offset 1m30s"},
      {"x[1h:5m] @ end()", "x[1h:5m] @ end()"},
      {"rate(x[step()+1m])", "rate(x[step() + 1m])"},
      {"x offset (2*3)", "x offset (2 * 3)"},
      {"increase(x[1m] anchored)", "increase(x[1m] anchored)"},
      {"sum # comment\n(x)", "sum(x)"},
      {"h </ 3", "h </ 3"},
      {"label_replace(a, `b`, '\\u00e9', \"\\\"\", \"\")", "label_replace(a, \"b\", \"é\", \"\\\"\", \"\")"},
      {"offset offset 5m", "offset offset 5m"},
      {"1h30m", "1h30m"},
  };
  for (const Printed& c : cases) {
    const auto parsed = parse_query(c.query);
    ASSERT_TRUE(parsed.has_value()) << c.query << ": " << parsed.error().to_string();
    EXPECT_EQ(parsed->expr->to_string(), c.canonical);
    const auto again = parse_query(c.canonical);
    ASSERT_TRUE(again.has_value()) << c.canonical << ": " << again.error().to_string();
    EXPECT_EQ(again->expr->to_string(), c.canonical);
  }
}

struct Refused {
  const char* query;
  int line;
  int column;
  const char* message;
};

TEST(Parser, refuses_with_the_position_and_what_was_expected) {
  const Refused cases[] = {
      {"1 +", 1, 4, "unexpected end of input"},
      {"a b", 1, 3, "unexpected identifier \"b\""},
      {"sum(a b)", 1, 7, "unexpected identifier \"b\" in aggregation"},
      {"sum by a (b)", 1, 8, "unexpected identifier \"a\" in grouping opts, expected \"(\""},
      {"sum by (1) (b)", 1, 9, "unexpected number \"1\" in grouping opts, expected label"},
      {"foo{a}", 1, 6, "unexpected \"}\" in label matching, expected label matching operator"},
      {"foo{a=b}", 1, 7, "unexpected identifier \"b\" in label matching, expected string"},
      {"foo{,}", 1, 5, "unexpected \",\" in label matching, expected identifier or \"}\""},
      {"foo[]", 1, 5, "unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()"},
      {"foo[5m", 1, 7, "unclosed left bracket"},
      {"foo[0s]", 1, 5, "duration must be greater than 0"},
      {"foo[5m] offset", 1, 15, "unexpected end of input in offset, expected number, duration, step(), or range()"},
      {"foo @", 1, 6, "unexpected end of input in @, expected timestamp"},
      {"(1", 1, 3, "unclosed left parenthesis"},
      {"1)", 1, 3, "unexpected right parenthesis ')'"},
      {"\n\n  nope(1)", 3, 3, "unknown function with name \"nope\""},
      {"rate(foo)", 1, 6, "expected type range vector in call to function \"rate\", got instant vector"},
      {"rate(foo[1m], 1)", 1, 1, "expected 1 argument(s) in call to \"rate\", got 2"},
      {"abs(a,)", 1, 6, "trailing commas not allowed in function call args"},
      {"sum()", 1, 1, "no arguments for aggregate expression provided"},
      {"topk(a, b)", 1, 6, "expected type scalar in aggregation parameter, got instant vector"},
      {"1 == 2", 1, 3, "comparisons between scalars must use BOOL modifier"},
      {"a + bool b", 1, 3, "bool modifier can only be used on comparison operators"},
      {"1 and a", 1, 1, "set operator \"and\" not allowed in binary scalar expression"},
      {"a and on(x) group_left() b", 1, 1, "no grouping allowed for \"and\" operation"},
      {"a + on(x) group_left(x) b", 1, 3, "label \"x\" must not occur in ON and GROUP clause at once"},
      {"{a=~\".*\"}", 1, 1, "vector selector must contain at least one non-empty matcher"},
      {"foo{__name__=\"bar\"}", 1, 1, "metric name must not be set twice: \"foo\" or \"bar\""},
      {"(a + b)[5m]", 1, 8, "ranges only allowed for vector selectors"},
      {"a offset 1m offset 2m", 1, 1, "offset may not be set multiple times"},
      {"a @ 1 @ 2", 1, 1, "@ <timestamp> may not be set multiple times"},
      {"'a", 1, 1, "unterminated quoted string"},
      {"'\\z'", 1, 1, "unknown escape sequence U+007A 'z'"},
      {"5y1hs", 1, 1, "unknown unit \"hs\" in duration \"5y1hs\""},
      {"1 !~ 2", 1, 3, "unexpected character after '!': '~'"},
      {"# only a comment", 1, 1, "no expression found in input"},
  };
  for (const Refused& c : cases) {
    const auto parsed = parse_query(c.query);
    ASSERT_FALSE(parsed.has_value()) << c.query;
    EXPECT_EQ(parsed.error().message(), std::string("parse error: ") + c.message) << c.query;
    ASSERT_TRUE(parsed.error().position().has_value()) << c.query;
    EXPECT_EQ(parsed.error().position()->line, c.line) << c.query;
    EXPECT_EQ(parsed.error().position()->column, c.column) << c.query;
  }
}

TEST(Parser, refuses_nesting_and_length_past_its_limits) {
  EXPECT_FALSE(parse_query(std::string(2000, '(') + "1" + std::string(2000, ')')).has_value());
  EXPECT_FALSE(parse_query(std::string(2000, '-') + "a").has_value());
  std::string chain = "a";
  for (int i = 0; i < 2000; ++i) chain += "+a";
  EXPECT_FALSE(parse_query(chain).has_value());
  const auto parsed = parse_query(std::string((1 << 20) + 1, 'a'));
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().code(), ErrorCode::kTooLarge);
}

TEST(Parser, remembers_the_first_experimental_function) {
  EXPECT_FALSE(parse_query("rate(a[1m])")->experimental.has_value());
  const auto parsed = parse_query("1 + mad_over_time(a[1m])");
  ASSERT_TRUE(parsed.has_value());
  ASSERT_TRUE(parsed->experimental.has_value());
  EXPECT_EQ(parsed->experimental->to_string(), "1:5: parse error: function \"mad_over_time\" is not enabled");
}

TEST(GoText, quotes_numbers_and_durations_as_go_does) {
  EXPECT_EQ(go_quote("a\"\\\n\x01\xff\u00e9"), "\"a\\\"\\\\\\n\\x01\\xff\u00e9\"");
  EXPECT_EQ(go_unquote("'\\x41\\101\\u00e9\\''"), "AA\u00e9'");
  EXPECT_EQ(go_unquote("\"a"), std::nullopt);
  EXPECT_EQ(format_go_g(1e6), "1e+06");
  EXPECT_EQ(format_go_g(123456), "123456");
  EXPECT_EQ(format_go_g(0.0001), "0.0001");
  EXPECT_EQ(format_go_g(0.00001), "1e-05");
  EXPECT_EQ(format_go_f(1e21), "1000000000000000000000");
  EXPECT_EQ(parse_number_literal("010"), 8);
  EXPECT_EQ(parse_duration_ms("1h30m").value(), 5'400'000);
  EXPECT_FALSE(parse_duration_ms("30m1h").has_value());
  EXPECT_FALSE(parse_duration_ms("300y").has_value());
  EXPECT_EQ(duration_text(90'061'001), "1d1h1m1s1ms");
  EXPECT_EQ(duration_text(7 * 86'400'000), "1w");
}

}  // namespace
}  // namespace sentinel::promql
