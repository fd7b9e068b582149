#include "text/json.h"
#include "text/json_text.h"

#include <cmath>

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

namespace sentinel::text {
namespace {

TEST(Json, NumbersAreTheShortestDecimalThatReadsBack) {
  const std::pair<double, const char*> cases[] = {
      {3625, "3625"},
      {0.96, "0.96"},
      {1.4999e-4, "0.00014999"},
      {1e-5, "0.00001"},
      {1e-6, "1e-6"},
      {1.5e-7, "1.5e-7"},
      {1e20, "100000000000000000000"},
      {1e21, "1e21"},
      {-2.5e300, "-2.5e300"},
      {0, "0"},
      {-0.1, "-0.1"},
      {0.1 + 0.2, "0.30000000000000004"},
      {5e-324, "5e-324"},
      {123456.789, "123456.789"},
      {INFINITY, "null"},
      {-INFINITY, "null"},
      {NAN, "null"},
  };
  for (const auto& [value, text] : cases) {
    EXPECT_EQ(number_text(value), text);
    if (std::isfinite(value)) EXPECT_EQ(boost::json::parse(number_text(value)).to_number<double>(), value) << text;
    std::string written;
    JsonWriter(written).number(value);
    EXPECT_EQ(written, text);
  }
}

TEST(Json, SerializeIsCompactAndReadsBackAsItWas) {
  const boost::json::value v = boost::json::parse(
      R"({"n": 3625.0, "small": 0.00015, "list": [1, -2, 18446744073709551615, 0.5, true, false, null, []], "s": "a\"\\\n\u0001ü", "o": {}})");
  EXPECT_EQ(
      text::serialize(v),
      R"({"n":3625,"small":0.00015,"list":[1,-2,18446744073709551615,0.5,true,false,null,[]],"s":"a\"\\\n\u0001ü","o":{}})");
  EXPECT_EQ(text::serialize(v.as_object()), text::serialize(v));
  EXPECT_EQ(text::serialize(v.at("list").as_array()), "[1,-2,18446744073709551615,0.5,true,false,null,[]]");
}

TEST(Json, ErrorsSayLineAndColumn) {
  struct Case {
    const char* text;
    int line, column;
    const char* message;
  };
  const Case cases[] = {
      {"{\"a\": 1,\n \"b\": x}", 2, 7, "not JSON: syntax error near 'x'"},
      {"[1, 2", 1, 6, "the JSON text ends too early"},
      {"{} {}", 1, 4, "more text after the JSON value"},
      {"", 1, 1, "the JSON text ends too early"},
      {"[1,]", 1, 4, "near ']'"},
      {"{\"a\" 1}", 1, 6, "near '1'"},
  };
  for (const Case& c : cases) {
    auto result = parse_json(c.text);
    ASSERT_FALSE(result) << c.text;
    ASSERT_TRUE(result.error().position()) << c.text;
    EXPECT_EQ(result.error().position()->line, c.line) << c.text;
    EXPECT_EQ(result.error().position()->column, c.column) << c.text;
    EXPECT_NE(result.error().message().find(c.message), std::string::npos)
        << c.text << ": " << result.error().message();
  }
}

TEST(Json, LimitsAreNamed) {
  auto deep = parse_json("[[[[1]]]]", {.depth_max = 3});
  ASSERT_FALSE(deep);
  EXPECT_EQ(deep.error().code(), ErrorCode::kTooLarge);
  EXPECT_EQ(deep.error().message(), "JSON nested deeper than 3 levels");
  auto large = parse_json("[1,2,3]", {.bytes_max = 3});
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code(), ErrorCode::kTooLarge);
}

TEST(Json, GettersNameFieldAndType) {
  auto object = parse_json_object(R"({"s":"x","n":1.5,"i":3.0,"b":true,"l":["a",1],"o":{},"z":null})");
  ASSERT_TRUE(object);
  EXPECT_EQ(*json_string(*object, "s"), "x");
  EXPECT_EQ(*json_int(*object, "i"), 3);
  EXPECT_EQ(*json_number(*object, "n"), 1.5);
  EXPECT_EQ(*json_bool(*object, "b"), true);
  EXPECT_EQ(json_string(*object, "n").error().message(), "field \"n\": expected string, got number");
  EXPECT_EQ(json_string(*object, "q").error().message(), "field \"q\" is missing");
  EXPECT_EQ(json_int(*object, "n").error().message(), "field \"n\": expected a whole number, got 1.5");
  EXPECT_EQ(json_strings(*object, "l").error().message(), "field \"l[1]\": expected string, got number");
  EXPECT_EQ(json_object(*object, "l").error().message(), "field \"l\": expected object, got array");
  EXPECT_EQ(*json_string_or(*object, "z", "d"), "d");
  EXPECT_EQ(*json_int_or(*object, "q", 7), 7);
  EXPECT_EQ(json_bool_or(*object, "s", true).error().message(), "field \"s\": expected boolean, got string");
  EXPECT_EQ(parse_json_object("[]").error().message(), "expected a JSON object, got array");
}

TEST(JsonWriter, WritesWhatTheParserReads) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("a", "q\"\n\xff").field("i", 1).field("d", 0.1).field("t", true).key("n").null();
  json.key("l").begin_array().integer(-5).number(std::nan("")).begin_object().end_object().raw("[1,2]").end_array();
  json.key("o").begin_object().field("x", 1e300).end_object().end_object();
  EXPECT_EQ(out,
            "{\"a\":\"q\\\"\\n\uFFFD\",\"i\":1,\"d\":0.1,\"t\":true,\"n\":null,\"l\":[-5,null,{},[1,2]],\"o\":{\"x\":"
            "1e300}}");
  EXPECT_TRUE(parse_json(out));
}

}  // namespace
}  // namespace sentinel::text
