#include "detection/rule_testing.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <fmt/format.h>
#include <re2/re2.h>

#include "base/duration.h"
#include "base/scheduler.h"
#include "base/strings.h"
#include "detection/limits.h"
#include "detection/memory_store.h"
#include "detection/rule_group.h"
#include "promql/histogram_text.h"

namespace sentinel::detection {
namespace {

class NoStates final : public RuleStateStore {
 public:
  Result<std::vector<StoredAlert>> load() override { return std::vector<StoredAlert>{}; }
  Status save(const RuleStateBatch&) override { return {}; }
};

class NoSink final : public AlertSink {
 public:
  Status put(std::vector<model::Alert>) override { return {}; }
};

// A result of a query as both sides of a comparison have it.
struct Outcome {
  model::Labels labels;
  double value = 0;
  std::string histogram;
  std::string to_string() const {
    return (labels.empty() ? "{}" : labels.to_string()) + " " + (histogram.empty() ? format_double(value) : histogram);
  }
};

// NaN equals NaN here: promtool's own comparison can never be met by a test that expects it.
bool same_value(double a, double b, bool fuzzy) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return true;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return fuzzy && (std::nextafter(a, -kInfinity) == b || std::nextafter(a, kInfinity) == b);
}

// "- missing", "+ unexpected", "  as expected", in the order given. Takes each of `got` for one of `expected` only.
template <class T, class Same, class Text>
std::string difference(const std::vector<T>& expected, const std::vector<T>& got, const Same& same, const Text& text) {
  std::string out;
  bool differs = false;
  std::vector<bool> taken(got.size(), false);
  for (const T& wanted : expected) {
    size_t i = 0;
    while (i < got.size() && (taken[i] || !same(wanted, got[i]))) ++i;
    if (i < got.size()) taken[i] = true;
    differs |= i == got.size();
    out += (i < got.size() ? "\n        " : "\n      - ") + text(wanted);
  }
  for (size_t i = 0; i < got.size(); ++i) {
    if (taken[i]) continue;
    differs = true;
    out += "\n      + " + text(got[i]);
  }
  return differs ? out : "";
}

std::string alert_text(const ExpectedAlert& alert) {
  std::string out = alert.labels.to_string();
  for (const auto& annotation : alert.annotations) {
    out += fmt::format("\n            {}: {}", annotation.name, go_quote(annotation.value));
  }
  return out;
}

// One test: its own store, its own rules, its own time.
class TestRun {
 public:
  TestRun(const RuleTestFile& file, const RuleTestGroup& test, std::vector<RuleGroupSpec> groups)
      : file_(file), test_(test), engine_(store_, engine_options(file)) {
    for (RuleGroupSpec& spec : groups) {
      std::vector<RunningRule> rules;
      for (const RuleSpec& rule : spec.rules) rules.emplace_back(rule, rule.name(), context_.templates);
      groups_.push_back(std::make_unique<RuleGroup>(context_, std::move(spec), std::move(rules)));
    }
    context_.templates.query = template_query(engine_, context_.templates);
  }

  std::vector<std::string> run();

 private:
  static promql::EngineOptions engine_options(const RuleTestFile& file) {
    promql::EngineOptions options;
    options.default_step = file.evaluation_interval;
    return options;
  }
  std::string place(const Position& position) const { return fmt::format("{}:{}", file_.path, position.line); }
  std::string where(const Position& position) const {
    return test_.name.empty() ? place(position) : fmt::format("{}: test \"{}\"", place(position), test_.name);
  }

  Status read_input();
  void add_samples_till(TimePoint end);
  bool evaluate(TimePoint now);
  void check_alerts(const AlertCase& wanted);
  void check_expression(const ExpressionCase& wanted);
  Result<std::vector<Outcome>> ask(const ExpressionCase& wanted) const;
  Result<std::vector<Outcome>> expectation(const ExpressionCase& wanted) const;

  const RuleTestFile& file_;
  const RuleTestGroup& test_;
  SimScheduler scheduler_;
  MetricRegistry metrics_;
  MemoryStore store_;
  promql::Engine engine_;
  NoStates states_;
  NoSink sink_;
  RuleContext context_{scheduler_,
                       engine_,
                       store_,
                       states_,
                       sink_,
                       RuleMetrics(metrics_),
                       std::chrono::minutes(1),
                       file_.evaluation_interval,
                       Millis(0),
                       false,
                       TemplateEnvironment{{}, test_.external_url, test_.external_labels, {}, {}}};
  std::vector<std::unique_ptr<RuleGroup>> groups_;
  std::map<model::Labels, std::vector<promql::SequenceValue>> input_;
  size_t next_sample_ = 0;  // index of the first values not yet in the store
  std::vector<std::string> failures_;
};

Status TestRun::read_input() {
  for (const InputSeries& series : test_.input) {
    auto parsed = promql::parse_series_description(series.series + " " + series.values);
    if (!parsed) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("{}: input_series {}: {}", where(series.position),
                                                           series.series, parsed.error().message()));
    }
    input_[parsed->labels] = std::move(parsed->values);
  }
  return {};
}

void TestRun::add_samples_till(TimePoint end) {
  const Millis interval = test_.interval.value_or(file_.evaluation_interval);
  size_t longest = 0;
  for (const auto& [labels, values] : input_) longest = std::max(longest, values.size());
  for (; next_sample_ < longest; ++next_sample_) {
    const TimePoint t = test_.start + interval * static_cast<int64_t>(next_sample_);
    if (t > end) return;
    for (const auto& [labels, values] : input_) {
      if (next_sample_ >= values.size() || values[next_sample_].omitted) continue;
      const promql::SequenceValue& value = values[next_sample_];
      value.h ? store_.samples().add(labels, to_ms(t), value.h) : store_.samples().add(labels, to_ms(t), value.v);
    }
  }
}

bool TestRun::evaluate(TimePoint now) {
  add_samples_till(now);
  bool good = true;
  for (const auto& group : groups_) {
    group->evaluate(now);
    for (const RunningRule& rule : group->rules()) {
      if (rule.last_error.empty()) continue;
      good = false;
      failures_.push_back(fmt::format("{}: rule {} of group {} ({}), time {}: {}", where(test_.position),
                                      rule.spec.name(), group->spec().name, group->spec().file,
                                      format_duration(std::chrono::floor<Millis>(now - test_.start)), rule.last_error));
    }
  }
  return good;
}

void TestRun::check_alerts(const AlertCase& wanted) {
  std::vector<ExpectedAlert> got;
  std::string groups;
  for (const auto& group : groups_) {
    for (const RunningRule& rule : group->rules()) {
      if (!rule.alerting || rule.spec.name() != wanted.alert) continue;
      groups += fmt::format("{}{} ({})", groups.empty() ? "" : ", ", group->spec().name, group->spec().file);
      for (const auto& [labels, alert] : rule.alerting->alerts()) {
        if (alert.state == model::AlertState::kFiring) got.push_back({alert.labels, alert.annotations});
      }
    }
  }
  const auto same = [](const ExpectedAlert& a, const ExpectedAlert& b) {
    return a.labels == b.labels && a.annotations == b.annotations;
  };
  const std::string diff = difference(wanted.expected, got, same, alert_text);
  if (diff.empty()) return;
  failures_.push_back(fmt::format("{}: alertname {}, time {}, {}: {} expected to fire, {} fire{}",
                                  where(wanted.position), wanted.alert, format_duration(wanted.eval_time),
                                  groups.empty() ? "in none of the rule files" : "group " + groups,
                                  wanted.expected.size(), got.size(), diff));
}

Result<std::vector<Outcome>> TestRun::ask(const ExpressionCase& wanted) const {
  SENTINEL_ASSIGN(const auto query, promql::parse(wanted.expr));
  SENTINEL_ASSIGN(promql::QueryResult result, engine_.instant(*query, to_ms(test_.start + wanted.eval_time)));
  if (const auto* scalar = std::get_if<promql::Scalar>(&result.value)) return std::vector<Outcome>{{{}, scalar->v, ""}};
  auto* vector = std::get_if<promql::Vector>(&result.value);
  if (!vector) return fail(ErrorCode::kUnprocessable, "the result is not a vector or scalar");
  std::vector<Outcome> out;
  for (promql::VectorSample& sample : *vector) {
    out.push_back({std::move(sample.labels), sample.v, sample.h ? promql::histogram_test_text(*sample.h) : ""});
  }
  return out;
}

Result<std::vector<Outcome>> TestRun::expectation(const ExpressionCase& wanted) const {
  std::vector<Outcome> out;
  for (const ExpectedSample& sample : wanted.expected) {
    Outcome& outcome = out.emplace_back();
    if (!sample.labels.empty()) {
      auto labels = promql::parse_series_labels(sample.labels);
      if (!labels) return fail(labels.error().with_context(fmt::format("labels {}", go_quote(sample.labels))));
      outcome.labels = std::move(*labels);
    }
    outcome.value = sample.value;
    if (sample.histogram.empty()) continue;
    SENTINEL_ASSIGN(const auto values, promql::parse_series_values(sample.histogram));
    if (values.size() != 1 || !values[0].h)
      return fail(ErrorCode::kInvalidArgument, "expected one histogram, got " + sample.histogram);
    outcome.histogram = promql::histogram_test_text(*values[0].h);
  }
  return out;
}

void TestRun::check_expression(const ExpressionCase& wanted) {
  const std::string what = fmt::format("{}: expr {}, time {}", where(wanted.position), go_quote(wanted.expr),
                                       format_duration(wanted.eval_time));
  auto got = ask(wanted);
  if (!got) return failures_.push_back(what + ": " + got.error().to_string());
  auto expected = expectation(wanted);
  if (!expected) return failures_.push_back(what + ": " + expected.error().to_string());
  const auto by_labels = [](const Outcome& a, const Outcome& b) { return a.labels < b.labels; };
  std::sort(got->begin(), got->end(), by_labels);
  std::sort(expected->begin(), expected->end(), by_labels);
  const auto same = [&](const Outcome& a, const Outcome& b) {
    return a.labels == b.labels && a.histogram == b.histogram &&
           (!a.histogram.empty() || same_value(a.value, b.value, file_.fuzzy_compare));
  };
  const std::string diff = difference(*expected, *got, same, [](const Outcome& o) { return o.to_string(); });
  if (diff.empty()) return;
  failures_.push_back(fmt::format("{}: {} samples expected, {} found{}", what, expected->size(), got->size(), diff));
}

// Alerts of `eval_time` are those of the last evaluation at or before it; expressions see all that was written till the
// last evaluation of all.
std::vector<std::string> TestRun::run() {
  if (auto status = read_input(); !status) return {status.error().message()};
  Millis end{0};
  for (const AlertCase& alert : test_.alerts) end = std::max(end, alert.eval_time);
  for (const ExpressionCase& expression : test_.expressions) end = std::max(end, expression.eval_time);
  if (end / file_.evaluation_interval > kRuleTestEvaluationsMax) {
    return {fmt::format("{}: more than {} evaluations till {}", where(test_.position), kRuleTestEvaluationsMax,
                        format_duration(end))};
  }
  std::multimap<Millis, const AlertCase*> alerts;
  for (const AlertCase& alert : test_.alerts) alerts.emplace(alert.eval_time, &alert);
  auto next = alerts.begin();
  for (Millis at{0}; at <= end; at += file_.evaluation_interval) {
    if (!evaluate(test_.start + at)) return std::move(failures_);
    for (; next != alerts.end() && next->first < at + file_.evaluation_interval; ++next) check_alerts(*next->second);
  }
  for (const ExpressionCase& expression : test_.expressions) check_expression(expression);
  return std::move(failures_);
}

std::vector<std::string> beside(const std::string& path, const std::vector<std::string>& patterns) {
  const size_t slash = path.rfind('/');
  std::vector<std::string> out;
  for (const std::string& pattern : patterns) {
    const bool relative = !pattern.empty() && pattern[0] != '/' && slash != std::string::npos;
    out.push_back(relative ? path.substr(0, slash + 1) + pattern : pattern);
  }
  return out;
}

// The groups of all rule files, those named in group_eval_order in that order; one that is not named counts as first.
Result<std::vector<RuleGroupSpec>> load_groups(Env& env, const RuleTestFile& file, const RuleTestOptions& options,
                                               std::vector<std::string>& warnings) {
  std::vector<std::string> paths;
  for (const std::string& pattern : beside(file.path, file.rule_files)) {
    SENTINEL_ASSIGN(std::vector<std::string> found, expand_rule_pattern(env, pattern));
    std::erase_if(found, [&](const std::string& path) { return !env.exists(path); });
    if (found.empty()) warnings.push_back("no file matches pattern " + pattern);
    paths.insert(paths.end(), found.begin(), found.end());
  }
  SENTINEL_ASSIGN(std::vector<RuleFile> files,
                  load_rule_files(env, paths, {.ignore_unknown_fields = options.ignore_unknown_fields}));
  std::map<std::string, size_t> order;
  for (const std::string& name : file.group_eval_order) order.emplace(name, order.size());
  std::multimap<size_t, RuleGroupSpec> groups;  // of one number in the order of the files
  for (RuleFile& rule_file : files) {
    for (RuleGroupSpec& group : rule_file.groups) {
      const auto place = order.find(group.name);
      groups.emplace(place == order.end() ? 0 : place->second, std::move(group));
    }
  }
  std::vector<RuleGroupSpec> out;
  for (auto& [place, group] : groups) out.push_back(std::move(group));
  return out;
}

Result<std::vector<std::unique_ptr<re2::RE2>>> compile(const std::vector<std::string>& patterns) {
  std::vector<std::unique_ptr<re2::RE2>> out;
  for (const std::string& pattern : patterns) {
    out.push_back(std::make_unique<re2::RE2>(pattern, re2::RE2::Quiet));
    if (!out.back()->ok())
      return fail(ErrorCode::kInvalidArgument, fmt::format("run: {}: {}", go_quote(pattern), out.back()->error()));
  }
  return out;
}

}  // namespace

Result<RuleTestReport> run_rule_tests(Env& env, const std::string& path, const RuleTestOptions& options) {
  SENTINEL_ASSIGN(const auto filters, compile(options.run));
  RuleTestReport report;
  report.file = path;
  auto text = env.read_file(path);
  auto file = text ? parse_rule_test_file(*text, path) : Result<RuleTestFile>(fail(text.error()));
  if (!file) {
    report.error = file.error().to_string();
    return report;
  }
  const auto groups = load_groups(env, *file, options, report.warnings);
  for (size_t i = 0; i < file->tests.size(); ++i) {
    const RuleTestGroup& test = file->tests[i];
    const auto wanted = [&](const auto& filter) { return re2::RE2::PartialMatch(test.name, *filter); };
    if (!filters.empty() && std::none_of(filters.begin(), filters.end(), wanted)) continue;
    RuleTestResult& result = report.tests.emplace_back();
    result.name = test.name.empty() ? fmt::format("unnamed#{}", i) : test.name;
    const int64_t started = monotonic_us();
    if (groups)
      result.failures = TestRun(*file, test, *groups).run();
    else
      result.failures = {groups.error().to_string()};
    result.seconds = static_cast<double>(monotonic_us() - started) / 1e6;
  }
  return report;
}

}  // namespace sentinel::detection
