#pragma once
// Runs unit tests of rules as `promtool test rules` does, on the rules and the query engine that production runs, with
// time moved by hand over a store in memory.

#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "detection/rule_test_file.h"

namespace sentinel::detection {

struct RuleTestOptions {
  std::vector<std::string> run;  // regular expressions; only tests whose name one of them matches somewhere. None: all
  bool ignore_unknown_fields = false;  // in rule files
};

// One test of a file. Each failure is a text of one or more lines that names the place and shows what was expected
// ("-", missing) and what came instead ("+").
struct RuleTestResult {
  std::string name;  // unnamed#N, N its index in the file, where it has none
  double seconds = 0;
  std::vector<std::string> failures;
};

struct RuleTestReport {
  std::string file;
  std::vector<std::string> warnings;
  std::string error;  // the file could not be read: no test ran
  std::vector<RuleTestResult> tests;

  bool passed() const;
};

// kInvalidArgument: one of options.run is no regular expression. What is wrong with the file is in the report. Rule
// files are looked for beside it.
Result<RuleTestReport> run_rule_tests(Env& env, const std::string& path, const RuleTestOptions& options = {});

// As promtool prints it, with what failed in full.
std::string to_text(const RuleTestReport& report);
// {"passed": …, "files": [{"file", "passed", "error", "warnings", "tests": [{"name", "passed", "seconds",
// "failures"}]}]}
std::string to_json(const std::vector<RuleTestReport>& reports);
// What promtool's --junit writes.
std::string to_junit_xml(const std::vector<RuleTestReport>& reports);

}  // namespace sentinel::detection
