#pragma once
// Prometheus rule files: what is in them, and everything that is wrong with them, by line and column.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "promql/engine.h"

namespace sentinel::detection {

using NamedTexts = std::vector<std::pair<std::string, std::string>>;  // sorted by name, each name once

// One alerting or recording rule. Exactly one of `alert` and `record` is set.
struct RuleSpec {
  std::string alert;
  std::string record;
  std::string expr;  // as written
  std::shared_ptr<const promql::Query> query;
  // Ours, beyond Prometheus: what has to be true for a firing alert to end; "": that `expr` no longer is.
  std::string resolve_expr;
  std::shared_ptr<const promql::Query> resolve_truth;  // 1 or 0 for each alert; null without it
  Millis for_duration{0};
  Millis keep_firing_for{0};
  NamedTexts labels;  // with the group's, which the rule's override; templates in alerting rules
  NamedTexts annotations;
  Position position;

  bool is_alert() const { return !alert.empty(); }
  const std::string& name() const { return is_alert() ? alert : record; }
};

struct RuleGroupSpec {
  std::string name;
  std::string file;
  std::optional<Millis> interval;  // none: the server's evaluation_interval
  std::optional<Millis> query_offset;
  int64_t limit = 0;  // series or alerts a rule may yield; 0: any number
  std::vector<RuleSpec> rules;
  Position position;
};

enum class NameScheme { kUtf8, kLegacy };  // which label and metric names are allowed

struct RuleFileOptions {
  NameScheme names = NameScheme::kUtf8;
  bool ignore_unknown_fields = false;
};

struct RuleFile {
  std::string path;
  std::vector<RuleGroupSpec> groups;
  std::vector<std::string> warnings;
};

// The file, or all that Prometheus would refuse in it. `errors` is empty exactly when `file` may be used.
struct RuleFileCheck {
  RuleFile file;
  std::vector<Error> errors;
};
RuleFileCheck check_rule_file(std::string_view text, const std::string& path, const RuleFileOptions& options = {});

// The same with the first error only; its message counts the others.
Result<RuleFile> parse_rule_file(std::string_view text, const std::string& path, const RuleFileOptions& options = {});

// What is allowed but hardly meant, each with its place: rules of one name with the same labels (their series or alerts
// get in each other's way).
std::vector<std::string> lint_rules(const RuleFile& file);

// The paths a pattern with * ? [a-z] in any of its parts names, sorted; a plain path is itself, there or not.
Result<std::vector<std::string>> expand_rule_pattern(Env& env, const std::string& pattern);

// Reads the files that `patterns` name. A pattern that matches nothing
// is fine, as in Prometheus; a plain path that is not there is kNotFound. In the order of the patterns, each file once.
Result<std::vector<RuleFile>> load_rule_files(Env& env, const std::vector<std::string>& patterns,
                                              const RuleFileOptions& options = {});

}  // namespace sentinel::detection
