#include "detection/rule_testing.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "text/json.h"

namespace sentinel::detection {
namespace {

const std::string kConformance = SENTINEL_SHARED_DIR "/conformance/rule-unit-tests";
const std::string kData = SENTINEL_SOURCE_DIR "/tests/data/detection/rule_tests";

// A file of promtool's own tests, how promtool is called on it, and whether it then ends with 0.
struct Conformance {
  const char* file;
  std::vector<std::string> run;
  bool ignore_unknown_fields;
  bool passes;
  const char* failure;  // part of the first failure
};

const Conformance kConformanceCases[] = {
    {"at-modifier-test", {}, false, true, ""},
    {"bad-input-series", {}, false, false, "input_series up{job="},
    {"bad-promql", {}, false, false, "many-to-many matching not allowed"},
    {"bad-rules-error-test", {}, false, false, "rule joined of group bad-example"},
    {"bad-rules-syntax-test", {}, false, false, "could not parse expression"},
    {"failing", {}, false, false, "failing.yml:20: test \"Failing test\": alertname Test, time 0s, in none of"},
    {"long-period", {}, false, true, ""},
    {"negative-offset-test", {}, false, true, ""},
    {"no-test-group-interval", {}, false, true, ""},
    {"rules_run", {}, false, false, "test \"wrong test\": expr \"test\", time 0s: 1 samples expected, 1 found"},
    {"rules_run", {"correct"}, false, true, ""},
    {"rules_run", {"wrong"}, false, false, "\n      - test 1\n      + test 0"},
    {"rules_run", {"nothing", "correct.*t"}, false, true, ""},
    {"rules_run_extrafields", {}, true, true, ""},
    {"rules_run_extrafields", {}, false, false, "unknown field \"namespace\""},
    {"rules_run_fuzzy", {"correct"}, false, true, ""},
    {"rules_run_fuzzy", {"wrong"}, false, false, "- test_low 3"},
    {"rules_run_no_fuzzy", {"correct"}, false, false, "- test_low 3"},
    {"start-time-test", {}, false, true, ""},
    {"unittest", {}, false, true, ""},
};

class RuleTestConformance : public ::testing::TestWithParam<Conformance> {};

TEST_P(RuleTestConformance, EndsAsInPrometheus) {
  const Conformance& c = GetParam();
  if (!posix_env().exists(kConformance)) GTEST_SKIP() << "no conformance files at " << kConformance;
  const auto report = run_rule_tests(posix_env(), fmt::format("{}/{}.yml", kConformance, c.file),
                                     {.run = c.run, .ignore_unknown_fields = c.ignore_unknown_fields});
  ASSERT_TRUE(report);
  EXPECT_EQ(report->passed(), c.passes) << to_text(*report);
  std::string first = report->error;
  for (const RuleTestResult& test : report->tests) {
    if (first.empty() && !test.failures.empty()) first = test.failures[0];
  }
  EXPECT_NE(first.find(c.failure), std::string::npos) << first;
}

std::string case_name(const ::testing::TestParamInfo<Conformance>& info) {
  std::string name = info.param.file;
  for (const std::string& run : info.param.run) name += "_run_" + run;
  if (info.param.ignore_unknown_fields) name += "_ignoring";
  std::erase_if(name, [](char c) { return !isalnum(static_cast<unsigned char>(c)) && c != '_'; });
  return name;
}
INSTANTIATE_TEST_SUITE_P(Files, RuleTestConformance, ::testing::ValuesIn(kConformanceCases), case_name);

// What is in the folder is in the table: a test file has `tests`, a rule file `groups`.
TEST(RuleTest, EveryConformanceFileIsRun) {
  if (!posix_env().exists(kConformance)) GTEST_SKIP() << "no conformance files at " << kConformance;
  for (const auto& entry : std::filesystem::directory_iterator(kConformance)) {
    const auto text = posix_env().read_file(entry.path());
    ASSERT_TRUE(text);
    if (!text->starts_with("tests:") && text->find("\ntests:") == std::string::npos) continue;
    const std::string name = entry.path().stem();
    EXPECT_TRUE(std::any_of(std::begin(kConformanceCases), std::end(kConformanceCases), [&](const Conformance& c) {
      return c.file == name;
    })) << name;
  }
}

TEST(RuleTest, RunsEverythingAFileMaySay) {
  const auto report = run_rule_tests(posix_env(), kData + "/good.yml");
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->passed()) << to_text(*report);
  EXPECT_TRUE(report->warnings.empty());
  ASSERT_EQ(report->tests.size(), 4u);
  EXPECT_EQ(report->tests[0].name, "groups run in the given order");
  EXPECT_EQ(report->tests[3].name, "unnamed#3");
}

Result<RuleTestReport> run_text(const std::string& text, const RuleTestOptions& options = {}) {
  FaultEnv env;
  EXPECT_TRUE(env.make_dirs("/t/deep"));
  EXPECT_TRUE(env.write_file_atomic("/t/test.yml", text));
  EXPECT_TRUE(env.write_file_atomic("/t/deep/r.yml",
                                    "groups:\n- name: g\n  rules:\n  - alert: Down\n    expr: up == 0\n"
                                    "    annotations: {why: '{{ $labels.i }} is down'}\n"));
  return run_rule_tests(env, "/t/test.yml", options);
}

struct FileCase {
  const char* name;
  const char* text;
  const char* shown;  // part of what is printed
};
const FileCase kFileCases[] = {
    {"unknown field", "test: []\n",
     "/t/test.yml:1:1: unknown field \"test\" in rule test file; did you mean \"tests\"?"},
    {"unknown field of a test", "tests:\n- intervall: 1m\n", "/t/test.yml:2:3: unknown field \"intervall\" in test"},
    {"no alertname", "tests:\n- alert_rule_test:\n  - eval_time: 1m\n",
     "/t/test.yml:3:5: an item under alert_rule_test needs a field \"alertname\""},
    {"order names a group twice", "group_eval_order: [a, a]\n", "group name repeated in evaluation order: a"},
    {"bad start", "tests:\n- start_timestamp: noon\n", "/t/test.yml:2:20: start_timestamp: expected RFC 3339"},
    {"no such rule file", "rule_files: [x.yml]\ntests: [{}]\n", "WARNING: no file matches pattern /t/x.yml"},
    {"pattern of folders",
     "rule_files: ['d*/?.yml']\ntests:\n- input_series: [{series: 'up{i=\"1\"}', values: '0'}]\n"
     "  alert_rule_test: [{alertname: Down, exp_alerts: []}]\n",
     "/t/test.yml:4: alertname Down, time 0s, group g (/t/deep/r.yml): 0 expected to fire, 1 fire\n"
     "          + {alertname=\"Down\", i=\"1\"}\n                why: \"1 is down\"\n"},
    {"bad labels", "tests:\n- promql_expr_test: [{expr: '1', exp_samples: [{labels: '{', value: 1}]}]\n",
     "labels \"{\": "},
    {"bad histogram", "tests:\n- promql_expr_test: [{expr: '1', exp_samples: [{histogram: '1'}]}]\n",
     "expected one histogram, got 1"},
    {"bad expression", "tests:\n- name: n\n  promql_expr_test: [{expr: 'up ==', exp_samples: []}]\n",
     "/t/test.yml:3: test \"n\": expr \"up ==\", time 0s: 1:6: parse error: "},
    {"too long", "evaluation_interval: 1ms\ntests:\n- promql_expr_test: [{expr: '1', eval_time: 10y}]\n",
     "more than 10000000 evaluations"},
};

TEST(RuleTest, SaysWhatIsWrong) {
  for (const FileCase& c : kFileCases) {
    SCOPED_TRACE(c.name);
    const auto report = run_text(c.text);
    ASSERT_TRUE(report);
    EXPECT_NE(to_text(*report).find(c.shown), std::string::npos) << to_text(*report);
  }
  EXPECT_FALSE(run_text("tests: []", {.run = {"("}}));
}

TEST(RuleTest, ReportsAreXmlAndJson) {
  auto report = run_text("tests:\n- {name: 'a<b'}\n- promql_expr_test: [{expr: '1', exp_samples: [{value: 2}]}]\n");
  ASSERT_TRUE(report);
  EXPECT_EQ(to_junit_xml({*report}),
            "<testsuites><testsuite name=\"/t/test.yml\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"0\" "
            "timestamp=\"\"><testcase name=\"a&lt;b\"></testcase><testcase name=\"unnamed#1\"><failure>/t/test.yml:3: "
            "expr &#34;1&#34;, time 0s: 1 samples expected, 1 found&#xA;      - {} 2&#xA;      + {} 1</failure>"
            "</testcase></testsuite></testsuites>");
  const auto json = text::parse_json_object(to_json({*report}));
  ASSERT_TRUE(json);
  EXPECT_FALSE(json->at("passed").as_bool());
  EXPECT_EQ(json->at("files").at(0).at("tests").at(1).at("failures").as_array().size(), 1u);
}

}  // namespace
}  // namespace sentinel::detection
