#include "ingest/relabel.h"

#include <gtest/gtest.h>

namespace sentinel::ingest {
namespace {

struct Case {
  const char* rules;
  model::Labels in;
  const char* out;  // null: dropped
};

RelabelRules rules_of(const std::string& yaml) {
  const auto node = text::parse_yaml(yaml, "rules.yml");
  EXPECT_TRUE(node) << yaml;
  auto rules = parse_relabel_rules(*node);
  EXPECT_TRUE(rules) << (rules ? "" : rules.error().to_string());
  return rules ? *rules : RelabelRules();
}

TEST(Relabel, DoesAsPrometheusDoes) {
  const model::Labels abc{{"a", "foo"}, {"b", "bar"}, {"c", "baz"}};
  const Case cases[] = {
      {"[{source_labels: [a], regex: 'f(.*)', target_label: d, separator: ';', replacement: 'ch${1}-ch${1}'}]", abc,
       R"({a="foo", b="bar", c="baz", d="choo-choo"})"},
      {"[{source_labels: [a, b], regex: 'f(.*);(.*)r', target_label: a, replacement: 'b${1}${2}m'},"
       " {source_labels: [c, a], regex: '(b).*b(.*)ba(.*)', target_label: d, replacement: '$1$2$2$3'}]",
       abc, R"({a="boobam", b="bar", c="baz", d="boooom"})"},
      {"[{source_labels: [a], regex: '.*o.*', action: drop}]", abc, nullptr},
      {"[{source_labels: [a], regex: 'f', action: drop}]", abc, R"({a="foo", b="bar", c="baz"})"},
      {"[{source_labels: [a], regex: 'no-match', action: keep}]", abc, nullptr},
      {"[{source_labels: [a], regex: 'f.*', action: Keep}]", abc, R"({a="foo", b="bar", c="baz"})"},
      {"[{source_labels: [a], regex: 'no-match', target_label: a, replacement: x}]", abc,
       R"({a="foo", b="bar", c="baz"})"},
      {"[{source_labels: [a], regex: '(f).*', target_label: 'x_$1', replacement: '$$${2}$'}]", abc,
       R"({a="foo", b="bar", c="baz", x_f="$$"})"},
      {"[{source_labels: [a], target_label: b, replacement: ''}]", abc, R"({a="foo", c="baz"})"},
      {"[{target_label: new, replacement: fixed}]", abc, R"({a="foo", b="bar", c="baz", new="fixed"})"},
      {"[{source_labels: [c], target_label: d, separator: ';', action: hashmod, modulus: 1000}]", abc,
       R"({a="foo", b="bar", c="baz", d="976"})"},
      {"[{regex: '(b.*)', replacement: 'bar_${1}', action: labelmap}]",
       {{"a", "1"}, {"b1", "2"}, {"b2", "3"}},
       R"({a="1", b1="2", b2="3", bar_b1="2", bar_b2="3"})"},
      {"[{regex: '(b.*)', action: labeldrop}]", {{"a", "1"}, {"b1", "2"}, {"b2", "3"}}, R"({a="1"})"},
      {"[{regex: '(b.*)', action: labelkeep}]", {{"a", "1"}, {"b1", "2"}, {"b2", "3"}}, R"({b1="2", b2="3"})"},
      {"[{source_labels: [a], target_label: up, action: uppercase}, {source_labels: [a], target_label: low, action: "
       "lowercase}]",
       {{"a", "FoO"}},
       R"({a="FoO", low="foo", up="FOO"})"},
      {"[{source_labels: [x], target_label: y, action: keepequal}]", {{"x", "1"}, {"y", "1"}}, R"({x="1", y="1"})"},
      {"[{source_labels: [x], target_label: y, action: keepequal}]", {{"x", "1"}, {"y", "2"}}, nullptr},
      {"[{source_labels: [x], target_label: y, action: dropequal}]", {{"x", "1"}, {"y", "1"}}, nullptr},
      {"[{source_labels: [x], regex: 'a.b', action: keep}]", {{"x", "a\nb"}}, "{x=\"a\\nb\"}"},
      {"[{source_labels: [x], regex: '(?P<first>.)(?P<rest>.*)', target_label: y, replacement: '${rest}${first}'}]",
       {{"x", "abc"}},
       R"({x="abc", y="bca"})"},
  };
  for (const Case& c : cases) {
    model::Labels labels = c.in;
    const bool kept = relabel(rules_of(c.rules), labels);
    EXPECT_EQ(kept, c.out != nullptr) << c.rules;
    if (kept && c.out != nullptr) EXPECT_EQ(labels.to_string(), c.out) << c.rules;
  }
}

TEST(Relabel, RefusesWhatPrometheusRefuses) {
  const std::pair<const char*, const char*> cases[] = {
      {"[{source_labels: [a], regex: '('}]", "error parsing regexp"},
      {"[{action: explode}]", "unknown relabel action \"explode\""},
      {"[{action: replace}]", "relabel configuration for replace action requires 'target_label' value"},
      {"[{action: hashmod, target_label: a}]", "relabel configuration for hashmod requires non-zero modulus"},
      {"[{action: labeldrop, regex: a, target_label: b}]",
       "labeldrop action requires only 'regex', and no other fields"},
      {"[{action: keepequal, source_labels: [a], target_label: b, regex: c}]", "keepequal action requires only"},
      {"[{sauce_labels: [a]}]", "did you mean \"source_labels\""},
      {"{a: b}", "expected a list"},
  };
  for (const auto& [yaml, message] : cases) {
    const auto rules = parse_relabel_rules(*text::parse_yaml(yaml, "rules.yml"));
    ASSERT_FALSE(rules.has_value()) << yaml;
    EXPECT_NE(rules.error().to_string().find(message), std::string::npos) << rules.error().to_string();
    EXPECT_TRUE(rules.error().position().has_value()) << yaml;
  }
}

}  // namespace
}  // namespace sentinel::ingest
