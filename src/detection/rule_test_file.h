#pragma once
// Unit tests of rules, as `promtool test rules` reads them: what is in a file, and the first thing wrong with it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "promql/series_description.h"

namespace sentinel::detection {

// Durations count from the test's start.
struct ExpectedAlert {
  model::Labels labels;  // with alertname
  model::Labels annotations;
};
struct AlertCase {
  Millis eval_time{0};
  std::string alert;
  std::vector<ExpectedAlert> expected;  // firing ones, in any order
  Position position;
};

struct ExpectedSample {
  std::string labels;  // as written; what is wrong with it fails this case only
  double value = 0;
  std::string histogram;  // as written; empty: a float
};
struct ExpressionCase {
  std::string expr;
  Millis eval_time{0};
  std::vector<ExpectedSample> expected;
  Position position;
};

struct InputSeries {
  std::string series;
  std::string values;
  Position position;
};

struct RuleTestGroup {
  std::string name;  // may be empty
  std::optional<Millis> interval;
  TimePoint start;
  std::vector<InputSeries> input;
  std::vector<AlertCase> alerts;
  std::vector<ExpressionCase> expressions;
  model::Labels external_labels;
  std::string external_url;
  Position position;
};

struct RuleTestFile {
  std::string path;
  std::vector<std::string> rule_files;  // patterns, as written
  Millis evaluation_interval = std::chrono::minutes(1);
  std::vector<std::string> group_eval_order;
  bool fuzzy_compare = false;
  std::vector<RuleTestGroup> tests;
};

// kInvalidArgument with file, line and column; unknown fields are errors.
Result<RuleTestFile> parse_rule_test_file(std::string_view text, const std::string& path);

}  // namespace sentinel::detection
