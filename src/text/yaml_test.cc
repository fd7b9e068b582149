#include "text/yaml.h"

#include <cstdlib>

#include <gtest/gtest.h>

namespace sentinel::text {
namespace {

std::string error_of(std::string_view text, const YamlLimits& limits = {}) {
  auto parsed = parse_yaml(text, "f.yml", limits);
  return parsed ? "accepted" : parsed.error().to_string();
}

TEST(Yaml, RefusesWithPosition) {
  struct Case {
    const char* text;
    const char* error;
  };
  const Case cases[] = {
      {"a: 1\na: 2\n", "f.yml:2:1: YAML: field \"a\" is already set in this map"},
      {"a: [1, 2\n", "f.yml:2:1"},
      {"a: \"x\nb: 1", "f.yml:"},
      {"a: b: c\n", "f.yml:1:"},
      {"- a\nb: 1\n", "f.yml:2:"},
      {"a: *nope\n", "f.yml:1:4"},
      {"[x]: 1\n", "f.yml:1:1: YAML: a key must be a scalar"},
      {"a: 1\n---\nb: 2\n", "f.yml:3:1: a second document; one is expected"},
      {"\ta: 1\n", "f.yml:1:"},
  };
  for (const Case& c : cases) EXPECT_EQ(error_of(c.text).substr(0, std::string(c.error).size()), c.error) << c.text;
}

TEST(Yaml, LimitsHold) {
  EXPECT_NE(error_of("[[[[1]]]]", {.depth_max = 2}).find("nested deeper than 2"), std::string::npos);
  EXPECT_NE(error_of("[1,2,3,4]", {.nodes_max = 3}).find("more than 3 nodes"), std::string::npos);
  EXPECT_NE(error_of("a: 1", {.bytes_max = 3}).find("larger than 3 bytes"), std::string::npos);
  // Each level doubles the one before: a billion nodes in ten lines.
  std::string laughs = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string previous = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + previous + ", " + previous + "]\n";
  }
  EXPECT_NE(error_of(laughs).find("more than"), std::string::npos);
}

// yaml-cpp reads each of the first as documents without end, which cost a second and half a gigabyte.
TEST(Yaml, NodesAreBoundedByTheBytesThatHoldThem) {
  for (const char* text : {",", "a: 1\n,\n", "groups:\n- name: x\n  , y\n"}) {
    auto parsed = parse_yaml_documents(text, "f.yml", {.nodes_max = 1000});
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().to_string().find("more than"), std::string::npos) << parsed.error().to_string();
    EXPECT_TRUE(parsed.error().position()) << text;
  }
  EXPECT_EQ(error_of(","), "f.yml:1:1: YAML: nothing can begin with what stands here");
  // The densest there are.
  std::string flow = "[";
  for (int i = 0; i < 1000; ++i) flow += ":,";
  for (const std::string& dense : {flow + "]", "{" + std::string(1, 'a') + "}", std::string(":"), std::string("? "),
                                   std::string("-"), std::string("[]"), std::string("[,]")}) {
    const std::string error = error_of(dense);
    EXPECT_EQ(error.find("nothing can begin"), std::string::npos) << dense.substr(0, 20) << ": " << error;
  }
}

TEST(Yaml, AliasesDoNotDeepenPastTheLimit) {
  std::string text = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n";
  for (int i = 1; i < 30; ++i)
    text +=
        "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [[[[[[[[[[*a" + std::to_string(i - 1) + "]]]]]]]]]]\n";
  EXPECT_NE(error_of(text).find("nested deeper than 100"), std::string::npos);
}

TEST(Yaml, MergeKeysAndAnchors) {
  auto parsed = parse_yaml("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\nmany:\n  <<: [*b, {z: 9}]\n", "f.yml");
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  EXPECT_EQ(*parsed->get("use").get("x").integer(), 1);
  EXPECT_EQ(*parsed->get("use").get("y").integer(), 3);
  EXPECT_EQ(*parsed->get("many").get("z").integer(), 9);
  EXPECT_EQ(parsed->get("use").entries().front().name(), "y");
}

TEST(Yaml, GettersSayWhatTheyExpected) {
  auto parsed =
      parse_yaml("s: text\ni: 12\nf: 1.5\nb: true\nd: 1h30m\nq: \"12\"\nl: [a, b]\nn: ~\nm: {exprr: 1}\n", "f.yml");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed->get("s").string(), "text");
  EXPECT_EQ(*parsed->get("i").integer(), 12);
  EXPECT_EQ(*parsed->get("f").number(), 1.5);
  EXPECT_EQ(*parsed->get("b").boolean(), true);
  EXPECT_EQ(parsed->get("d").duration()->count(), 5'400'000);
  EXPECT_EQ(*parsed->get("l").strings(), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(parsed->get("q").integer().error().to_string(), "f.yml:6:4: expected a whole number, found \"12\"");
  EXPECT_EQ(parsed->get("s").boolean().error().to_string(), "f.yml:1:4: expected true or false, found \"text\"");
  EXPECT_EQ(*parsed->string_or("n", "fallback"), "fallback");
  EXPECT_EQ(parsed->get("m").expect_keys("rule", {"expr", "for"}).error().to_string(),
            "f.yml:9:5: unknown field \"exprr\" in rule; did you mean \"expr\"?");
  EXPECT_EQ(parsed->require("file", "groups").error().message(), "file needs a field \"groups\"");
}

TEST(Yaml, DocumentsAndEmptyTexts) {
  EXPECT_TRUE(parse_yaml("", "f")->is_null());
  EXPECT_TRUE(parse_yaml("# nothing\n", "f")->is_null());
  EXPECT_EQ(parse_yaml_documents("---\na: 1\n---\nb: 2\n...\n", "f")->size(), 2u);
}

TEST(Yaml, EnvironmentIsExpandedOnlyWhenAsked) {
  ::setenv("SENTINEL_YAML_TEST", "v", 1);
  EXPECT_EQ(*expand_environment("a ${SENTINEL_YAML_TEST} $$ ${SENTINEL_NOT_SET:-d} $x"), "a v $ d $x");
  EXPECT_FALSE(expand_environment("${SENTINEL_NOT_SET}"));
  EXPECT_FALSE(expand_environment("${open"));
  EXPECT_EQ(*parse_yaml("a: ${X}\n", "f")->get("a").string(), "${X}");
}

}  // namespace
}  // namespace sentinel::text
