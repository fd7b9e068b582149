#include "alerting/matcher_parser.h"

#include <gtest/gtest.h>

namespace sentinel::alerting {
namespace {

std::string shown(const Result<model::Matchers>& matchers) {
  if (!matchers) return "error";
  std::string out;
  for (const model::Matcher& m : *matchers) out += (out.empty() ? "" : ", ") + m.to_string();
  return out;
}

struct Case {
  std::string text;
  std::string fallback;
  std::string utf8;
  std::string classic;
};

TEST(MatcherParser, both_grammars_and_the_choice_between_them) {
  const Case cases[] = {
      {R"({foo="bar"})", R"(foo="bar")", R"(foo="bar")", R"(foo="bar")"},
      {R"(foo=bar)", R"(foo="bar")", R"(foo="bar")", R"(foo="bar")"},
      {R"( { foo = "bar" , a!~"b|c" , } )", R"(foo="bar", a!~"b|c")", R"(foo="bar", a!~"b|c")", "error"},
      {R"({foo!="a", bar=~"x.*"})", R"(foo!="a", bar=~"x.*")", R"(foo!="a", bar=~"x.*")", R"(foo!="a", bar=~"x.*")"},
      {"", "", "", ""},
      {"{}", "", "", ""},
      {R"("two words"="b")", R"("two words"="b")", R"("two words"="b")", "error"},
      {"föö=ü", R"("föö"="ü")", R"("föö"="ü")", "error"},
      {R"(foo="a,b\"c\n")", R"(foo="a,b\"c\n")", R"(foo="a,b\"c\n")", R"(foo="a,b\"c\n")"},
      {R"(foo=a b)", R"(foo="a b")", "error", R"(foo="a b")"},
      {R"(foo="\d")", R"(foo="\\d")", "error", R"(foo="\\d")"},
      {R"(foo="\x41")", R"(foo="\\x41")", R"(foo="A")", R"(foo="\\x41")"},  // they disagree: classic wins
      {R"(foo="\u00e9")", R"(foo="\\u00e9")", R"(foo="é")", R"(foo="\\u00e9")"},
      {R"(foo=)", R"(foo="")", "error", R"(foo="")"},
      {R"({foo="bar")", R"(foo="bar")", "error", R"(foo="bar")"},
      {R"(foo="bar"})", R"(foo="bar")", "error", R"(foo="bar")"},
      {R"(foo="bar)", "error", "error", "error"},
      {R"(foo)", "error", "error", "error"},
      {R"(="bar")", "error", "error", "error"},
      {R"(foo=~"(")", "error", "error", "error"},
      {R"(foo=="x")", "error", "error", "error"},
      {R"(a="b",,c="d")", "error", "error", "error"},
      {R"(""="b")", "error", "error", "error"},
      {"a\x95=b", "error", "error", "error"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(shown(parse_matchers(c.text)), c.fallback) << c.text;
    EXPECT_EQ(shown(parse_matchers(c.text, MatcherSyntax::kUtf8)), c.utf8) << c.text;
    EXPECT_EQ(shown(parse_matchers(c.text, MatcherSyntax::kClassic)), c.classic) << c.text;
  }
}

TEST(MatcherParser, one_matcher_takes_no_list) {
  EXPECT_TRUE(parse_matcher("a=b"));
  EXPECT_FALSE(parse_matcher(R"(a="b",c="d")"));
  EXPECT_FALSE(parse_matcher(R"({a="b"})"));
}

TEST(MatcherParser, errors_have_the_column_and_what_was_expected) {
  const auto m = parse_matchers(R"({foo?"bar"})", MatcherSyntax::kUtf8);
  ASSERT_FALSE(m);
  EXPECT_EQ(m.error().position()->column, 6);
  EXPECT_NE(m.error().message().find("expected one of '=', '!=', '=~' or '!~'"), std::string::npos)
      << m.error().message();
}

TEST(MatcherParser, too_many_matchers_are_refused) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "a=b,";
  EXPECT_FALSE(parse_matchers(text));
}

}  // namespace
}  // namespace sentinel::alerting
