#include "detection/rule_test_file.h"

#include <limits>
#include <set>

#include <fmt/format.h>

#include "base/strings.h"
#include "detection/limits.h"
#include "text/yaml.h"

namespace sentinel::detection {
namespace {

using text::YamlNode;

// Any scalar is a string here and null is empty, as Go's decoder has it.
Result<std::string> text_of(const YamlNode& node) {
  if (node.is_null()) return std::string();
  return node.string();
}

// YAML's own spellings of infinities and NaN too.
Result<double> number_of(const YamlNode& node) {
  if (node.is_null()) return 0.0;
  const std::string word = to_lower(node.string().value_or(""));
  if (word == ".inf" || word == "+.inf") return std::numeric_limits<double>::infinity();
  if (word == "-.inf") return -std::numeric_limits<double>::infinity();
  if (word == ".nan") return std::numeric_limits<double>::quiet_NaN();
  return node.number();
}

Status expect_list(const YamlNode& node, std::string_view what) {
  if (node.is_list() || node.is_null()) return {};
  return fail(node.error(fmt::format("{} must be a list", what)));
}

Result<model::Labels> labels_of(const YamlNode& node) {
  if (!node.is_map() && !node.is_null()) return fail(node.error("expected a map of names to texts"));
  model::Labels labels;
  for (const auto& entry : node.entries()) {
    SENTINEL_ASSIGN(const std::string value, text_of(entry.value));
    labels.set(entry.name(), value);
  }
  return labels;
}

Result<ExpectedAlert> expected_alert(const YamlNode& node, const std::string& alert) {
  SENTINEL_TRY(node.expect_keys("exp_alerts", {"exp_labels", "exp_annotations"}));
  ExpectedAlert out;
  SENTINEL_ASSIGN(out.labels, labels_of(node.get("exp_labels")));
  out.labels.set(model::kAlertNameLabel, alert);
  SENTINEL_ASSIGN(out.annotations, labels_of(node.get("exp_annotations")));
  return out;
}

Result<AlertCase> alert_case(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("alert_rule_test", {"eval_time", "alertname", "exp_alerts"}));
  AlertCase out;
  out.position = node.position();
  SENTINEL_ASSIGN(out.eval_time, node.duration_or("eval_time", Millis(0)));
  SENTINEL_ASSIGN(out.alert, text_of(node.get("alertname")));
  if (out.alert.empty()) return fail(node.error("an item under alert_rule_test needs a field \"alertname\""));
  const YamlNode alerts = node.get("exp_alerts");
  SENTINEL_TRY(expect_list(alerts, "exp_alerts"));
  for (const YamlNode& item : alerts.items()) {
    SENTINEL_ASSIGN(out.expected.emplace_back(), expected_alert(item, out.alert));
  }
  return out;
}

Result<ExpressionCase> expression_case(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("promql_expr_test", {"expr", "eval_time", "exp_samples"}));
  ExpressionCase out;
  out.position = node.position();
  SENTINEL_ASSIGN(out.expr, text_of(node.get("expr")));
  SENTINEL_ASSIGN(out.eval_time, node.duration_or("eval_time", Millis(0)));
  const YamlNode samples = node.get("exp_samples");
  SENTINEL_TRY(expect_list(samples, "exp_samples"));
  for (const YamlNode& item : samples.items()) {
    SENTINEL_TRY(item.expect_keys("exp_samples", {"labels", "value", "histogram"}));
    ExpectedSample& sample = out.expected.emplace_back();
    SENTINEL_ASSIGN(sample.labels, text_of(item.get("labels")));
    SENTINEL_ASSIGN(sample.value, number_of(item.get("value")));
    SENTINEL_ASSIGN(sample.histogram, text_of(item.get("histogram")));
  }
  return out;
}

Result<InputSeries> input_series(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("input_series", {"series", "values"}));
  InputSeries out;
  out.position = node.position();
  SENTINEL_ASSIGN(out.series, text_of(node.get("series")));
  SENTINEL_ASSIGN(out.values, text_of(node.get("values")));
  return out;
}

Result<RuleTestGroup> test_group(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("test", {"interval", "input_series", "alert_rule_test", "promql_expr_test",
                                         "external_labels", "external_url", "name", "start_timestamp"}));
  RuleTestGroup out;
  out.position = node.position();
  SENTINEL_ASSIGN(out.name, text_of(node.get("name")));
  SENTINEL_ASSIGN(const Millis interval, node.duration_or("interval", Millis(0)));
  if (interval.count() > 0) out.interval = interval;
  if (const YamlNode start = node.get("start_timestamp"); !start.is_null()) {
    SENTINEL_ASSIGN(const std::string text, start.string());
    auto time = parse_time(text);
    if (!time) return fail(start.error("start_timestamp: expected RFC 3339 or seconds since 1970, found " + text));
    out.start = *time;
  }
  const YamlNode input = node.get("input_series"), alerts = node.get("alert_rule_test"),
                 expressions = node.get("promql_expr_test");
  SENTINEL_TRY(expect_list(input, "input_series"));
  SENTINEL_TRY(expect_list(alerts, "alert_rule_test"));
  SENTINEL_TRY(expect_list(expressions, "promql_expr_test"));
  for (const YamlNode& item : input.items()) {
    SENTINEL_ASSIGN(out.input.emplace_back(), input_series(item));
  }
  for (const YamlNode& item : alerts.items()) {
    SENTINEL_ASSIGN(out.alerts.emplace_back(), alert_case(item));
  }
  for (const YamlNode& item : expressions.items()) {
    SENTINEL_ASSIGN(out.expressions.emplace_back(), expression_case(item));
  }
  SENTINEL_ASSIGN(out.external_labels, labels_of(node.get("external_labels")));
  SENTINEL_ASSIGN(out.external_url, text_of(node.get("external_url")));
  return out;
}

}  // namespace

Result<RuleTestFile> parse_rule_test_file(std::string_view text, const std::string& path) {
  SENTINEL_ASSIGN(const YamlNode root, text::parse_yaml(text, path, {.bytes_max = kRuleFileBytesMax}));
  SENTINEL_TRY(root.expect_keys("rule test file",
                                {"rule_files", "evaluation_interval", "group_eval_order", "tests", "fuzzy_compare"}));
  RuleTestFile out;
  out.path = path;
  SENTINEL_ASSIGN(out.rule_files, root.strings_or("rule_files", {}));
  SENTINEL_ASSIGN(const Millis interval, root.duration_or("evaluation_interval", Millis(0)));
  if (interval.count() > 0) out.evaluation_interval = interval;
  SENTINEL_ASSIGN(out.fuzzy_compare, root.boolean_or("fuzzy_compare", false));
  SENTINEL_ASSIGN(out.group_eval_order, root.strings_or("group_eval_order", {}));
  std::set<std::string> named;
  for (const std::string& group : out.group_eval_order) {
    if (!named.insert(group).second) {
      return fail(root.get("group_eval_order").error("group name repeated in evaluation order: " + group));
    }
  }
  const YamlNode tests = root.get("tests");
  SENTINEL_TRY(expect_list(tests, "tests"));
  for (const YamlNode& node : tests.items()) {
    SENTINEL_ASSIGN(out.tests.emplace_back(), test_group(node));
  }
  return out;
}

}  // namespace sentinel::detection
