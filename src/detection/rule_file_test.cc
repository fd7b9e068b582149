#include "detection/rule_file.h"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>

#include "base/file.h"

namespace sentinel::detection {
namespace {

const std::string kConformance = SENTINEL_SHARED_DIR "/conformance/rules";

// Files that are refused on purpose, whatever they are called.
bool must_fail(const std::string& name) {
  return name.find(".bad.") != std::string::npos || name.starts_with("invalid_");
}

class RuleFileConformance : public ::testing::TestWithParam<std::string> {};

TEST_P(RuleFileConformance, IsTakenOrRefused) {
  const std::string& name = GetParam();
  if (name == "none") GTEST_SKIP() << "no conformance files at " << kConformance;
  RuleFileOptions options;
  if (name.starts_with("legacy_")) options.names = NameScheme::kLegacy;
  auto text = posix_env().read_file(kConformance + "/" + name);
  ASSERT_TRUE(text);
  auto parsed = parse_rule_file(*text, name, options);
  EXPECT_EQ(parsed.has_value(), !must_fail(name)) << (parsed ? "accepted" : parsed.error().to_string());
}

std::vector<std::string> conformance_files() {
  if (!posix_env().exists(kConformance)) return {"none"};
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(kConformance)) out.push_back(entry.path().filename());
  std::sort(out.begin(), out.end());
  return out;
}
std::string file_case_name(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param.substr(0, info.param.rfind('.'));
  std::erase_if(name, [](char c) { return !isalnum(static_cast<unsigned char>(c)) && c != '_'; });
  return name;
}
INSTANTIATE_TEST_SUITE_P(Files, RuleFileConformance, ::testing::ValuesIn(conformance_files()), file_case_name);

struct BadCase {
  const char* name;
  const char* text;
  const char* error;
};

const BadCase kBad[] = {
    {"unknown field", "groups:\n  - name: g\n    rules:\n      - alert: A\n        exprr: up\n",
     "f.yml:5:9: unknown field \"exprr\" in rule; did you mean \"expr\"?"},
    {"no expression", "groups:\n- name: g\n  rules:\n  - alert: A\n",
     "f.yml:4:5: group \"g\", rule 1, \"A\": field 'expr' must be set in rule"},
    {"expression on one line", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: rate(up\n", "f.yml:5:"},
    {"expression in a block", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |\n      up and\n      rate(up)\n",
     "f.yml:7:12: group \"g\", rule 1, \"A\": could not parse expression: "},
    {"duplicate group", "groups:\n- name: g\n- name: g\n", "f.yml:3:3: groupname: \"g\" is repeated in the same file"},
    {"empty group name", "groups:\n- rules: []\n", "f.yml:2:3: a group must have a name"},
    {"template that does not parse",
     "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    annotations:\n      a: \"{{ $labels.x\"\n",
     "f.yml:7:10: group \"g\", rule 1, \"A\": annotation \"a\": template: __alert_A:1: unclosed action"},
    {"unknown template function",
     "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    labels:\n      a: '{{ nope }}'\n",
     "f.yml:7:10: group \"g\", rule 1, \"A\": label \"a\": template: __alert_A:1: function \"nope\" not defined"},
    {"bad duration", "groups:\n- name: g\n  interval: 5x\n", "f.yml:3:13: "},
    {"interval too short", "groups:\n- name: g\n  interval: 1ms\n", "f.yml:3:13: an interval must be at least 100 ms"},
    {"bad limit", "groups:\n- name: g\n  limit: many\n", "f.yml:3:10: expected a whole number, found \"many\""},
    {"groups is no list", "groups: {}\n", "f.yml:1:9: groups must be a list"},
    {"not a map", "- a\n", "f.yml:1:1: rule file must be a map, found a list"},
    {"metric name as a label", "groups:\n- name: g\n  labels: {__name__: x}\n",
     "f.yml:3:22: invalid label name: __name__"},
    {"broken YAML", "groups: [\n", "f.yml:2:1: YAML: "},
    {"resolve condition that compares nothing",
     "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up > 1\n    resolve_expr: absent(up)\n",
     "f.yml:6:19: group \"g\", rule 1, \"A\": resolve_expr: expected a comparison of series, such as errors < 5"},
    {"resolve condition of numbers",
     "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up > 1\n    resolve_expr: 1 < bool 2\n",
     "f.yml:6:19: group \"g\", rule 1, \"A\": resolve_expr: expected a comparison of series"},
    {"resolve condition that does not parse",
     "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up > 1\n    resolve_expr: up <\n", "f.yml:6:"},
    {"resolve condition of a recording rule",
     "groups:\n- name: g\n  rules:\n  - record: r\n    expr: up\n    resolve_expr: up < 1\n",
     "f.yml:6:19: group \"g\", rule 1, \"r\": invalid field 'resolve_expr' in recording rule"},
    {"several errors", "groups:\n- name: g\n  rules:\n  - alert: A\n  - record: B\n",
     "f.yml:4:5: group \"g\", rule 1, \"A\": field 'expr' must be set in rule (and 1 more)"},
};

TEST(RuleFile, ErrorsSayFileLineColumn) {
  for (const BadCase& c : kBad) {
    SCOPED_TRACE(c.name);
    auto parsed = parse_rule_file(c.text, "f.yml");
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().to_string().substr(0, std::string(c.error).size()), c.error) << parsed.error().to_string();
  }
}

TEST(RuleFile, DuplicateRulesAreReported) {
  const auto file = parse_rule_file(
      "groups:\n- name: a\n  labels: {team: x}\n  rules:\n  - record: r\n    expr: up\n  - record: r\n    expr: up\n"
      "    labels: {team: y}\n- name: b\n  rules:\n  - record: r\n    expr: down\n    labels: {team: x}\n",
      "f.yml");
  ASSERT_TRUE(file);
  EXPECT_EQ(lint_rules(*file),
            std::vector<std::string>{"f.yml:12:5: duplicate rule r{team=\"x\"}: first at line 5; it might cause "
                                     "inconsistency while recording expressions"});
}

TEST(RuleFile, ReadsEveryField) {
  auto parsed = parse_rule_file(R"(
groups:
  - name: g
    interval: 250ms
    query_offset: 1m
    limit: 7
    labels: {team: llm, tier: "1"}
    rules:
      - alert: A
        expr: |
          up == 0
        for: 5m
        keep_firing_for: 10m
        labels: {tier: "2"}
        annotations: {summary: "{{ $value }}"}
      - record: a:b
        expr: 1
)",
                                "f.yml");
  ASSERT_TRUE(parsed) << parsed.error().to_string();
  ASSERT_EQ(parsed->groups.size(), 1u);
  const RuleGroupSpec& group = parsed->groups[0];
  EXPECT_EQ(group.interval, Millis(250));
  EXPECT_EQ(group.query_offset, Millis(60'000));
  EXPECT_EQ(group.limit, 7);
  ASSERT_EQ(group.rules.size(), 2u);
  EXPECT_EQ(group.rules[0].for_duration, Millis(300'000));
  EXPECT_EQ(group.rules[0].keep_firing_for, Millis(600'000));
  EXPECT_EQ(group.rules[0].labels, (NamedTexts{{"team", "llm"}, {"tier", "2"}}));
  EXPECT_EQ(group.rules[0].annotations, (NamedTexts{{"summary", "{{ $value }}"}}));
  EXPECT_EQ(group.rules[0].position.line, 9);
  EXPECT_EQ(group.rules[1].record, "a:b");
  EXPECT_EQ(group.rules[1].labels, (NamedTexts{{"team", "llm"}, {"tier", "1"}}));
}

TEST(RuleFile, TheRulesWeShipAreGood) {
  const std::string config = SENTINEL_SOURCE_DIR "/config";
  auto files = load_rule_files(posix_env(), {config + "/rules/*.yml", config + "/demo/rules.yml"});
  ASSERT_TRUE(files) << files.error().to_string();
  EXPECT_GE(files->size(), 2u);
}

TEST(RuleFile, PatternsNameEachFileOnceAndAMissingFileIsAnError) {
  FaultEnv env;
  ASSERT_TRUE(env.make_dirs("/r"));
  for (const char* name : {"/r/a.yml", "/r/ab.yml", "/r/c.yaml"}) {
    ASSERT_TRUE(env.write_file_atomic(name, "groups: [{name: g}]\n"));
  }
  const auto count = [&](std::vector<std::string> patterns) {
    auto files = load_rule_files(env, patterns);
    return files ? static_cast<int>(files->size()) : -1;
  };
  EXPECT_EQ(count({"/r/*.yml"}), 2);
  EXPECT_EQ(count({"/r/a*", "/r/a.yml", "/r/?.ya?l"}), 3);
  EXPECT_EQ(count({"/r/x*"}), 0);
  EXPECT_EQ(count({"/nowhere/*.yml"}), 0);
  EXPECT_EQ(count({"/r/missing.yml"}), -1);
  ASSERT_TRUE(env.write_file_atomic("/r/bad.yml", "groups:\n- {name: g, rules: [{alert: A}]}\n"));
  auto bad = load_rule_files(env, {"/r/*.yml"});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().to_string(), "/r/bad.yml:2:21: group \"g\", rule 1, \"A\": field 'expr' must be set in rule");
}

TEST(RuleFile, EmptyFilesAndSecondDocumentsAreFine) {
  EXPECT_TRUE(parse_rule_file("", "f.yml"));
  EXPECT_TRUE(parse_rule_file("# nothing\n", "f.yml"));
  EXPECT_TRUE(parse_rule_file("groups:\n", "f.yml"));
  auto two = parse_rule_file("groups: []\n---\nnonsense: 1\n", "f.yml");
  ASSERT_TRUE(two);
  EXPECT_EQ(two->warnings.size(), 1u);
}

}  // namespace
}  // namespace sentinel::detection
