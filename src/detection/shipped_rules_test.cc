// Every rule of config/rules has tests in tests/data/detection/rule_tests/shipped (a file of the same name) that make
// it fire and not fire, and what the people it wakes need. docs/rules.md lists the rules; SENTINEL_UPDATE_GOLDEN=1
// rewrites it.
#include <algorithm>
#include <cstdlib>
#include <fstream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/duration.h"
#include "base/strings.h"
#include "detection/rule_file.h"
#include "detection/rule_testing.h"

namespace sentinel::detection {
namespace {

const std::string kRules = SENTINEL_SOURCE_DIR "/config/rules/";
const std::string kTests = SENTINEL_SOURCE_DIR "/tests/data/detection/rule_tests/shipped/";

constexpr std::string_view kQuiet = "no traffic";  // the name of the test in which nothing but Watchdog may fire

std::vector<std::string> rule_file_names() {
  auto names = posix_env().list(kRules);
  EXPECT_TRUE(names);
  return names ? *names : std::vector<std::string>{};
}

RuleFile read_rules(const std::string& name) {
  const auto text = posix_env().read_file(kRules + name);
  EXPECT_TRUE(text) << name;
  auto file = parse_rule_file(text ? *text : "", name);
  EXPECT_TRUE(file) << file.error().to_string();
  return file ? std::move(*file) : RuleFile{};
}

std::string text_of(const NamedTexts& texts, std::string_view name) {
  for (const auto& [key, value] : texts) {
    if (key == name) return value;
  }
  return "";
}

// Several rules may share a name; the labels they set tell their alerts apart.
bool is_of(const ExpectedAlert& alert, const RuleSpec& rule) {
  return std::all_of(rule.labels.begin(), rule.labels.end(), [&](const auto& label) {
    return label.second.find("{{") != std::string::npos || alert.labels.get(label.first) == label.second;
  });
}

std::string describe(const RuleSpec& rule) {
  return fmt::format("{} ({})", rule.name(), text_of(rule.labels, "severity"));
}

// What tests lack: for an alerting rule one that fires, one that does not, one of the kind kQuiet; for a recording rule
// one that expects its series.
std::vector<std::string> missing_tests(const RuleFile& rules, const RuleTestFile& tests) {
  std::vector<std::string> out;
  for (const RuleGroupSpec& group : rules.groups) {
    for (const RuleSpec& rule : group.rules) {
      bool fires = false, calm = false, quiet = false;
      for (const RuleTestGroup& test : tests.tests) {
        for (const ExpressionCase& c : test.expressions) {
          for (const ExpectedSample& s : c.expected)
            fires |= !rule.is_alert() && s.labels.starts_with(rule.record + "{");
        }
        for (const AlertCase& c : test.alerts) {
          if (!rule.is_alert() || c.alert != rule.alert) continue;
          const bool fired = std::any_of(c.expected.begin(), c.expected.end(),
                                         [&](const ExpectedAlert& alert) { return is_of(alert, rule); });
          if (fired)
            fires = true;
          else
            (test.name == kQuiet ? quiet : calm) = true;
        }
      }
      const bool always = rule.expr == "vector(1)";
      if (!fires) out.push_back(describe(rule) + ": no test that it fires");
      if (!calm && rule.is_alert() && !always) out.push_back(describe(rule) + ": no test that it does not fire");
      if (!quiet && rule.is_alert() && !always) out.push_back(describe(rule) + ": not in the test \"no traffic\"");
    }
  }
  return out;
}

class ShippedRules : public ::testing::TestWithParam<std::string> {};

TEST_P(ShippedRules, FireWhenTheyMustAndOnlyThen) {
  const RuleFile rules = read_rules(GetParam());
  EXPECT_EQ(lint_rules(rules), std::vector<std::string>{});
  const std::string path = kTests + GetParam();
  const auto report = run_rule_tests(posix_env(), path);
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->passed()) << to_text(*report);
  EXPECT_EQ(report->warnings, std::vector<std::string>{});
  const auto text = posix_env().read_file(path);
  ASSERT_TRUE(text) << "no tests of " << GetParam();
  const auto tests = parse_rule_test_file(*text, path);
  ASSERT_TRUE(tests);
  EXPECT_EQ(missing_tests(rules, *tests), std::vector<std::string>{});
}

// From labels and annotations of its own; what the expression gives (service, mostly) is in the tests' expectations.
TEST_P(ShippedRules, SayWhatHappenedAndWhatToDoNext) {
  for (const RuleGroupSpec& group : read_rules(GetParam()).groups) {
    for (const RuleSpec& rule : group.rules) {
      if (!rule.is_alert()) continue;
      SCOPED_TRACE(describe(rule));
      for (const char* label : {"severity", "category", "team"}) EXPECT_NE(text_of(rule.labels, label), "") << label;
      for (const char* name : {"summary", "description", "action", "runbook"})
        EXPECT_NE(text_of(rule.annotations, name), "") << name;
      EXPECT_NE(text_of(rule.annotations, "description").find("$value"), std::string::npos);
      const std::string book = SENTINEL_SOURCE_DIR "/config/runbooks/" + text_of(rule.annotations, "runbook") + ".yml";
      EXPECT_TRUE(posix_env().exists(book)) << book;
    }
  }
}

TEST_P(ShippedRules, NameTheServiceInEveryAlertTheyAreTestedWith) {
  const auto text = posix_env().read_file(kTests + GetParam());
  ASSERT_TRUE(text);
  const auto tests = parse_rule_test_file(*text, GetParam());
  ASSERT_TRUE(tests);
  for (const RuleTestGroup& test : tests->tests) {
    for (const AlertCase& c : test.alerts) {
      for (const ExpectedAlert& alert : c.expected) EXPECT_NE(alert.labels.get("service"), "") << c.alert;
    }
  }
}

std::string file_case(const ::testing::TestParamInfo<std::string>& info) {
  return info.param.substr(0, info.param.find('.'));
}
INSTANTIATE_TEST_SUITE_P(Files, ShippedRules, ::testing::ValuesIn(rule_file_names()), file_case);

TEST(ShippedRuleTests, AreMissedWhenARuleHasNone) {
  const auto rules = parse_rule_file(
      "groups: [{name: g, rules: [{alert: A, expr: up == 0, labels: {severity: SEV1}}, {alert: A, expr: up == 1, "
      "labels: {severity: SEV2}}, {record: 'a:b', expr: up}]}]",
      "r.yml");
  ASSERT_TRUE(rules);
  const auto tests = parse_rule_test_file(
      "tests: [{name: t, alert_rule_test: [{alertname: A, eval_time: 1m, exp_alerts: [{exp_labels: {severity: "
      "SEV1}}]}]},"
      "{name: no traffic, alert_rule_test: [{alertname: A, eval_time: 1m}]}]",
      "t.yml");
  ASSERT_TRUE(tests);
  EXPECT_EQ(missing_tests(*rules, *tests),
            (std::vector<std::string>{"A (SEV1): no test that it does not fire", "A (SEV2): no test that it fires",
                                      "a:b (): no test that it fires"}));
}

// ---- the page that lists them ----

std::string one_line(std::string_view text) {
  std::vector<std::string_view> words;
  for (const std::string_view line : split(text, '\n')) {
    for (const std::string_view word : split(line, ' ')) {
      if (!word.empty()) words.push_back(word);
    }
  }
  std::string out;
  for (const char c : join({words.begin(), words.end()}, " ")) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string page() {
  std::string out =
      "# The rules that ship\n\nWritten from `config/rules` by a test (`SENTINEL_UPDATE_GOLDEN=1 "
      "build/dev/src/detection/"
      "detection_test --gtest_filter='*Docs*'`); do not edit.\nEach has unit tests in "
      "`tests/data/detection/rule_tests/shipped`; `sentinel test rules` runs them. What the series mean: "
      "[metrics.md](metrics.md).\n";
  for (const std::string& name : rule_file_names()) {
    for (const RuleGroupSpec& group : read_rules(name).groups) {
      out += fmt::format(
          "\n## {} ([{}](../config/rules/{}))\n\n| Rule | Severity | When | For | Runbook |\n| --- | --- | "
          "--- | --- | --- |\n",
          group.name, name, name);
      for (const RuleSpec& rule : group.rules) {
        const std::string book = text_of(rule.annotations, "runbook");
        out += fmt::format("| {} | {} | `{}` | {} | {} |\n", rule.name(),
                           rule.is_alert() ? text_of(rule.labels, "severity") : "records", one_line(rule.expr),
                           rule.for_duration.count() == 0 ? "" : format_duration(rule.for_duration),
                           book.empty() ? "" : fmt::format("[{}](../config/runbooks/{}.yml)", book, book));
      }
    }
  }
  return out;
}

TEST(ShippedRuleDocs, ListTheRulesAsTheyAre) {
  const std::string path = SENTINEL_SOURCE_DIR "/docs/rules.md";
  const std::string wanted = page();
  if (std::getenv("SENTINEL_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << wanted;
  const auto found = posix_env().read_file(path);
  ASSERT_TRUE(found) << path;
  EXPECT_EQ(*found, wanted);
}

}  // namespace
}  // namespace sentinel::detection
