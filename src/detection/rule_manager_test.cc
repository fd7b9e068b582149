// Runs tests/data/detection/*.test: samples, rules and the clock in; alerts, states and series out. Commands:
//   interval D | resend D | offset D   options of the manager, before the first rules
//   external NAME=VALUE                an external label
//   load D                             indented `metric{label="value"} 0 1 _ stale 0+1x10`, one sample every D from now
//   feed D                             as load, but each sample is written when its time comes
//   arrival on                         alerting rules are evaluated on arrival too; before the first rules
//   rules [NAME]                       an indented rule file, which replaces the one of that name; then all are applied
//   drop NAME                          removes a rule file; then all are applied
//   bad rules                          an indented rule file that must be refused, then `error TEXT` with part of why
//   run D                              moves the clock
//   restart [D]                        ends the manager, waits D, starts another on the same stores
//   disk full | disk free              whether the series store can write
//   sink fails | sink works            what the alert sink answers from now on
//   sent                               the alerts since the last `sent`, indented, in order
//   state                              the pending and firing alerts, indented
//   history RULE [N]                   its newest evaluations, newest first, indented; N of them, else 5
//   query EXPR                         the result now, indented
// Times in the output are seconds since the start. `# …` is a comment.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/file.h"
#include "base/strings.h"
#include "detection/rule_manager.h"
#include "detection/sql_rule_state.h"
#include "promql/parser.h"

namespace sentinel::detection {
namespace {

const TimePoint kStart = time_from_ms(1'767'225'600'000);

std::string since_start(TimePoint t) {
  return fmt::format("{:g}", static_cast<double>(to_ms(t) - to_ms(kStart)) / 1000);
}

class RecordingSink final : public AlertSink {
 public:
  Status put(std::vector<model::Alert> alerts) override {
    if (fails) return fail(ErrorCode::kUnavailable, "the sink is down");
    for (auto& alert : alerts) got.push_back(std::move(alert));
    return {};
  }
  bool fails = false;
  std::vector<model::Alert> got;
};

struct Line {
  int number = 0;
  std::string text;
};

class Script {
 public:
  explicit Script(const std::string& path) : path_(path) {
    const std::string pattern = ::testing::TempDir() + "sentinel-detection-XXXXXX";
    dir_ = pattern;
    EXPECT_NE(::mkdtemp(dir_.data()), nullptr);
    auto store = tsdb::Store::open(env_, clock_, metrics_, store_options());
    EXPECT_TRUE(store);
    store_ = std::move(*store);
    auto database = state::open_sqlite(dir_ + "/state.db", metrics_);
    EXPECT_TRUE(database);
    database_ = std::move(*database);
    options_.external_url = "http://sentinel";
    options_.spread_groups = false;
  }
  ~Script() {
    manager_.reset();
    database_.reset();
    EXPECT_TRUE(posix_env().remove_tree(dir_));
  }

  void run() {
    read();
    while (at_ < lines_.size()) {
      SCOPED_TRACE(fmt::format("{}:{}: {}", path_, lines_[at_].number, lines_[at_].text));
      command();
      if (::testing::Test::HasFatalFailure()) return;
    }
  }

 private:
  static tsdb::StoreOptions store_options() {
    tsdb::StoreOptions options;
    options.dir = "/tsdb";
    options.sync_interval = Micros(0);
    options.retention = std::chrono::hours(24 * 365 * 100);
    return options;
  }

  void read() {
    std::ifstream in(path_);
    ASSERT_TRUE(in) << path_;
    std::string line;
    for (int number = 1; std::getline(in, line); ++number) {
      const std::string_view bare = trim(line);
      if (bare.starts_with("#") || (bare.empty() && (lines_.empty() || !line.starts_with(" ")))) continue;
      lines_.push_back({number, line});
    }
  }

  std::vector<Line> block() {
    std::vector<Line> out;
    while (at_ < lines_.size() && lines_[at_].text.starts_with("  ")) out.push_back(lines_[at_++]);
    return out;
  }
  std::string block_text() {
    std::string out;
    for (const Line& line : block()) out += line.text.substr(2) + "\n";
    return out;
  }

  Millis duration(std::string_view text) {
    auto d = parse_duration(text);
    EXPECT_TRUE(d) << text;
    return d.value_or(Millis(0));
  }

  void command();
  void load(Millis step);
  void load_series(const std::string& line, Millis step, bool feed);
  void put(const model::Labels& labels, model::Sample sample);
  void start();
  void apply();
  void expect(const std::vector<std::string>& got);
  std::vector<std::string> sent();
  std::vector<std::string> state();
  std::vector<std::string> query(const std::string& expression);
  std::vector<std::string> history(const std::string& name, size_t limit);

  const std::string path_;
  std::string dir_;
  std::vector<Line> lines_;
  size_t at_ = 0;
  FaultEnv env_;
  FakeClock clock_{kStart};
  MetricRegistry metrics_;
  std::unique_ptr<tsdb::Store> store_;
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<SqlRuleStateStore> states_;
  RecordingSink sink_;
  RuleManagerOptions options_;
  std::unique_ptr<SimScheduler> scheduler_ = std::make_unique<SimScheduler>(kStart);
  std::unique_ptr<promql::Engine> engine_;
  std::unique_ptr<RuleManager> manager_;
  std::map<std::string, std::string> files_;
};

void Script::start() {
  auto states = SqlRuleStateStore::open(*database_);
  ASSERT_TRUE(states) << states.error().to_string();
  states_ = std::move(*states);
  engine_ = std::make_unique<promql::Engine>(*store_, promql::EngineOptions{});
  manager_ = std::make_unique<RuleManager>(*scheduler_, *engine_, *store_, *states_, sink_, metrics_, options_);
}

void Script::apply() {
  if (!manager_) start();
  ASSERT_TRUE(env_.make_dirs("/rules"));
  for (const auto& [name, text] : files_) ASSERT_TRUE(env_.write_file_atomic("/rules/" + name, text));
  std::vector<std::string> paths;
  for (const auto& [name, text] : files_) paths.push_back("/rules/" + name);
  auto status = manager_->reload(env_, paths);
  ASSERT_TRUE(status) << status.error().to_string();
}

// "0+1x3" is 0 1 2 3; "5x2" is 5 5 5; "_x2" two gaps.
std::vector<std::optional<double>> values_of(const std::string& word) {
  const size_t times = word.rfind('x');
  const std::string_view text = word;
  if (word == "_") return {std::nullopt};
  if (word == "stale") return {model::stale_nan()};
  if (times == std::string::npos) return {parse_double(text)};
  const auto count = parse_int(text.substr(times + 1));
  EXPECT_TRUE(count) << word;
  if (text.starts_with('_')) return std::vector<std::optional<double>>(static_cast<size_t>(*count), std::nullopt);
  const size_t sign = text.find_first_of("+-", 1);
  const double first = *parse_double(text.substr(0, std::min(sign, times)));
  const double by = sign < times ? *parse_double(text.substr(sign, times - sign)) : 0;
  std::vector<std::optional<double>> out;
  for (int64_t i = 0; i <= *count; ++i) out.emplace_back(first + by * static_cast<double>(i));
  return out;
}

void Script::put(const model::Labels& labels, model::Sample sample) {
  auto appender = store_->appender();
  auto ref = appender->ref(labels);
  ASSERT_TRUE(ref);
  ASSERT_TRUE(appender->append(*ref, sample));
  ASSERT_TRUE(appender->commit());
}

void Script::load_series(const std::string& line, Millis step, bool feed) {
  const std::string_view text = trim(line);
  const size_t close = text.find('}');
  const size_t space = text.find(' ', close == std::string_view::npos ? 0 : close);
  auto matchers = promql::parse_metric_selector(text.substr(0, space));
  ASSERT_TRUE(matchers) << matchers.error().to_string();
  model::Labels labels;
  for (const auto& matcher : *matchers) labels.set(matcher.name(), matcher.value());
  auto appender = store_->appender();
  auto ref = appender->ref(labels);
  ASSERT_TRUE(ref);
  int64_t t = to_ms(scheduler_->now());
  for (std::string_view word : split(text.substr(space + 1), ' ')) {
    if (word.empty()) continue;
    for (const auto& value : values_of(std::string(word))) {
      const model::Sample sample{t, value.value_or(0)};
      if (value && feed) scheduler_->at(time_from_ms(t), [this, labels, sample] { put(labels, sample); });
      if (value && !feed) ASSERT_TRUE(appender->append(*ref, sample)) << text;
      t += step.count();
    }
  }
  ASSERT_TRUE(appender->commit());
}

void Script::command() {
  const std::string line = std::string(trim(lines_[at_++].text));
  const size_t space = std::min(line.find(' '), line.size());
  const std::string word = line.substr(0, space);
  const std::string rest(trim(std::string_view(line).substr(space)));
  if (word == "interval")
    options_.evaluation_interval = duration(rest);
  else if (word == "resend")
    options_.resend_delay = duration(rest);
  else if (word == "offset")
    options_.query_offset = duration(rest);
  else if (word == "external")
    options_.external_labels.set(rest.substr(0, rest.find('=')), rest.substr(rest.find('=') + 1));
  else if (word == "arrival")
    options_.arrival = {.enabled = true, .rest_factor = 0, .slice = std::chrono::minutes(1)};
  else if (word == "load" || word == "feed") {
    for (const Line& series : block()) load_series(series.text, duration(rest), word == "feed");
  } else if (word == "rules") {
    files_[rest.empty() ? "f.yml" : rest] = block_text();
    apply();
  } else if (word == "drop") {
    ASSERT_EQ(files_.erase(rest), 1u);
    apply();
  } else if (line == "bad rules") {
    const std::string text = block_text();
    ASSERT_TRUE(env_.write_file_atomic("/rules/bad.yml", text));
    auto status = manager_->reload(env_, {"/rules/bad.yml"});
    ASSERT_FALSE(status);
    ASSERT_TRUE(lines_[at_].text.starts_with("error "));
    EXPECT_NE(status.error().to_string().find(lines_[at_].text.substr(6)), std::string::npos)
        << status.error().to_string();
    ++at_;
  } else if (word == "run") {
    scheduler_->run_for(duration(rest));
  } else if (word == "restart") {
    const TimePoint now = scheduler_->now() + (rest.empty() ? Millis(0) : duration(rest));
    manager_.reset();
    scheduler_ = std::make_unique<SimScheduler>(now);
    apply();
  } else if (word == "disk")
    env_.disk_full(rest == "full");
  else if (word == "sink")
    sink_.fails = rest == "fails";
  else if (word == "sent")
    expect(sent());
  else if (word == "state")
    expect(state());
  else if (word == "history") {
    const size_t end = std::min(rest.find(' '), rest.size());
    expect(history(rest.substr(0, end), static_cast<size_t>(parse_int(trim(rest.substr(end))).value_or(5))));
  } else if (word == "query")
    expect(query(rest));
  else
    FAIL() << "unknown command " << word;
}

void Script::expect(const std::vector<std::string>& got) {
  std::vector<std::string> wanted;
  for (const Line& line : block()) wanted.emplace_back(trim(line.text));
  EXPECT_EQ(got, wanted) << "got:\n  " << join(got, "\n  ");
}

std::vector<std::string> Script::sent() {
  std::vector<std::string> out;
  for (const model::Alert& alert : sink_.got) {
    const bool resolved = alert.ends_at <= alert.updated_at;
    std::string line =
        fmt::format("{} {} {} starts {} ends {}", since_start(alert.updated_at), resolved ? "resolved" : "firing",
                    alert.labels.to_string(), since_start(alert.starts_at), since_start(alert.ends_at));
    if (!alert.annotations.empty()) line += " " + alert.annotations.to_string();
    out.push_back(line);
  }
  sink_.got.clear();
  return out;
}

std::vector<std::string> Script::state() {
  std::vector<std::string> out;
  for (const ListedAlert& listed : manager_->alerts()) {
    const ActiveAlert& a = listed.alert;
    out.push_back(fmt::format("{} {} since {} value {}", model::alert_state_name(a.state), a.labels.to_string(),
                              since_start(a.active_at), format_double(a.value)));
  }
  for (const GroupStatusPtr& group : manager_->groups()) {
    for (const RuleStatus& rule : group->rules) {
      if (!rule.last_error.empty()) out.push_back(fmt::format("error {}: {}", rule.name, rule.last_error));
    }
  }
  return out;
}

std::vector<std::string> Script::query(const std::string& expression) {
  auto parsed = promql::parse(expression);
  EXPECT_TRUE(parsed) << parsed.error().to_string();
  auto result = engine_->instant(**parsed, to_ms(scheduler_->now()));
  EXPECT_TRUE(result) << result.error().to_string();
  std::vector<std::string> out;
  if (auto* vector = std::get_if<promql::Vector>(&result->value)) {
    for (const auto& sample : *vector) out.push_back(sample.labels.to_string() + " " + format_double(sample.v));
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<std::string> Script::history(const std::string& name, size_t limit) {
  std::vector<std::string> out;
  for (const GroupStatusPtr& group : manager_->groups()) {
    for (const RuleStatus& rule : group->rules) {
      if (rule.name != name) continue;
      for (const Evaluation& e : rule.history->newest(limit)) {
        std::string line = fmt::format("{} {} {} samples", since_start(e.at), occasion_name(e.occasion), e.samples);
        if (!e.error.empty()) line += " error " + e.error;
        for (const AlertChange& change : e.changes) {
          line += fmt::format(" {} {}→{} at {}", change.labels.to_string(), model::alert_state_name(change.from),
                              model::alert_state_name(change.to), format_double(change.value));
        }
        out.push_back(line);
      }
    }
  }
  return out;
}

TEST(RuleManager, DoesWhatTheScriptsSay) {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(SENTINEL_SOURCE_DIR "/tests/data/detection")) {
    if (entry.path().extension() != ".test") continue;
    SCOPED_TRACE(entry.path().filename().string());
    Script script(entry.path());
    script.run();
    ++count;
    if (HasFatalFailure()) return;
  }
  EXPECT_GE(count, 8u);
}

}  // namespace
}  // namespace sentinel::detection
