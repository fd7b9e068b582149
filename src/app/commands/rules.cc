// sentinel test rules, sentinel check rules: Prometheus rule files and their unit tests, without a server.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "app/builtin_files.h"
#include "app/commands/commands.h"
#include "base/file.h"
#include "base/log.h"
#include "detection/rule_file.h"
#include "detection/rule_testing.h"

namespace sentinel::app {
namespace {

struct TestOptions {
  std::vector<std::string> files;
  detection::RuleTestOptions options;
  std::string output = "text";
  std::string junit;
};

// 0 when all pass, 1 when a test fails, 2 when a filter is wrong.
int test_rules(const TestOptions& o) {
  log_configure({.level = LogLevel::kError});  // a rule that fails is in the report
  std::vector<detection::RuleTestReport> reports;
  bool passed = true;
  for (const std::string& file : o.files) {
    auto result = detection::run_rule_tests(posix_env(), file, o.options);
    if (!result) return report(result.error());
    passed &= result->passed();
    if (o.output == "text") fmt::print("{}", to_text(*result));
    reports.push_back(std::move(*result));
  }
  if (o.output == "json") fmt::print("{}\n", to_json(reports));
  if (!o.junit.empty()) {
    const Status written = posix_env().write_file_atomic(o.junit, to_junit_xml(reports));
    if (!written) return report(written.error());
  }
  return passed ? 0 : 1;
}

struct CheckOptions {
  std::vector<std::string> files;
  detection::RuleFileOptions options;
  std::string lint = "duplicate-rules";
  bool lint_fatal = false;
};

// 2 when a file is refused, 1 when only --lint-fatal finds something.
int check_rules(const CheckOptions& o) {
  int exit = 0;
  for (const std::string& path : o.files) {
    const auto text = read_config(posix_env(), path);
    if (!text) {
      exit = report(text.error());
      continue;
    }
    const detection::RuleFileCheck check = detection::check_rule_file(text->text, text->path, o.options);
    for (const Error& error : check.errors) fmt::print(stderr, "{}\n", error.to_string());
    if (!check.errors.empty()) {
      exit = 2;
      continue;
    }
    std::vector<std::string> warnings = check.file.warnings;
    const auto lint = o.lint == "none" ? std::vector<std::string>{} : lint_rules(check.file);
    warnings.insert(warnings.end(), lint.begin(), lint.end());
    for (const std::string& warning : warnings) fmt::print(stderr, "warning: {}\n", warning);
    if (o.lint_fatal && !lint.empty() && exit == 0) exit = 1;
    size_t rules = 0;
    for (const auto& group : check.file.groups) rules += group.rules.size();
    fmt::print("{}: ok, {} rule{}\n", path, rules, rules == 1 ? "" : "s");
  }
  return exit;
}

}  // namespace

void add_test_command(CLI::App& cli, int& exit_code) {
  CLI::App* command = cli.add_subcommand("test", "Run unit tests that you wrote, without a server");
  command->require_subcommand(1);
  CLI::App* rules = command->add_subcommand("rules", "Unit tests of rules, files as `promtool test rules` reads them");
  rules->footer(
      "Exit codes: 0 all pass, 1 a test failed, 2 wrong usage.\n"
      "Examples:\n  sentinel test rules rules/*_test.yml\n"
      "  sentinel test rules --run 'drift' --junit report.xml rules_test.yml");
  auto o = std::make_shared<TestOptions>();
  rules->add_option("files", o->files, "test files")->required();
  rules->add_option("--run", o->options.run, "only tests whose name this regular expression matches; repeatable")
      ->allow_extra_args(false);
  rules->add_option("--output", o->output, "text, json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  rules->add_option("--junit", o->junit, "write a JUnit XML report to this file");
  rules->add_flag("--ignore-unknown-fields", o->options.ignore_unknown_fields, "in rule files");
  rules->callback([o, &exit_code] { exit_code = test_rules(*o); });
}

void add_check_rules_command(CLI::App& check, int& exit_code) {
  CLI::App* rules = check.add_subcommand("rules", "Prometheus rule files");
  auto o = std::make_shared<CheckOptions>();
  rules->add_option("files", o->files, "rule files")->required();
  rules->add_option("--lint", o->lint, "duplicate-rules, all, none: what is warned about")
      ->check(CLI::IsMember({"duplicate-rules", "all", "none"}))
      ->capture_default_str();
  rules->add_flag("--lint-fatal", o->lint_fatal, "exit with 1 when lint warns");
  rules->add_flag("--ignore-unknown-fields", o->options.ignore_unknown_fields, "fields Prometheus does not know");
  auto legacy = std::make_shared<bool>(false);
  rules->add_flag("--legacy-names", *legacy, "refuse label and metric names beyond [a-zA-Z0-9_:]");
  rules->callback([o, legacy, &exit_code] {
    if (*legacy) o->options.names = detection::NameScheme::kLegacy;
    exit_code = check_rules(*o);
  });
}

}  // namespace sentinel::app
