// A restart changes nothing: the same series and rules, once through without a break and once with restarts at random
// moments, must send the same alerts at the same times and end in the same state.
#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/random.h"
#include "base/strings.h"
#include "detection/rule_manager.h"

namespace sentinel::detection {
namespace {

const TimePoint kStart = time_from_ms(1'767'225'600'000);
constexpr int kMinutes = 90;

class MemoryStates final : public RuleStateStore {
 public:
  Result<std::vector<StoredAlert>> load() override {
    std::vector<StoredAlert> out;
    for (const auto& [key, stored] : rows) out.push_back(stored);
    return out;
  }
  Status save(const RuleStateBatch& batch) override {
    if (saves_left == 0) return fail(ErrorCode::kUnavailable, "the store is down");
    if (saves_left > 0) --saves_left;
    for (const auto& [key, labels] : batch.erase) rows.erase({key, labels});
    for (const auto& stored : batch.put) rows[{stored.rule_key, stored.alert.labels}] = stored;
    return {};
  }
  std::map<std::pair<std::string, model::Labels>, StoredAlert> rows;
  int saves_left = -1;  // none left: writes fail, as after a crash; -1: all work
};

class TextSink final : public AlertSink {
 public:
  Status put(std::vector<model::Alert> alerts) override {
    for (const auto& a : alerts) {
      const std::string line = fmt::format("{} {} {} {} {}", to_ms(a.updated_at), a.labels.to_string(),
                                           to_ms(a.starts_at), to_ms(a.ends_at), a.annotations.to_string());
      lines.push_back(line);
    }
    return {};
  }
  std::vector<std::string> lines;
};

const char* const kRules = R"(groups:
  - name: a
    rules:
      - alert: Now
        expr: m > 5
        annotations: {v: "{{ $value }}"}
      - alert: Later
        expr: m > 3
        for: 4m
        keep_firing_for: 3m
      - record: m:sum
        expr: sum(m)
  - name: b
    interval: 30s
    rules:
      - alert: Sum
        expr: m:sum > 12
        for: 90s
        labels: {severity: "{{ if gt $value 20.0 }}high{{ else }}low{{ end }}"}
)";

class World {
 public:
  explicit World(uint64_t data_seed) {
    tsdb::StoreOptions options;
    options.dir = "/tsdb";
    options.sync_interval = Micros(0);
    store_ = *tsdb::Store::open(env_, clock_, metrics_, options);
    engine_ = std::make_unique<promql::Engine>(*store_, promql::EngineOptions{});
    Random random(data_seed);
    auto appender = store_->appender();
    for (const char* instance : {"a", "b", "c"}) {
      auto ref = appender->ref(model::Labels{{"__name__", "m"}, {"i", instance}});
      double value = 4;
      for (int minute = 0; minute < kMinutes; ++minute) {
        if (random.chance(0.3)) value = std::floor(random.uniform() * 10);
        if (random.chance(0.9)) EXPECT_TRUE(appender->append(*ref, {to_ms(kStart) + minute * 60'000, value}));
      }
    }
    EXPECT_TRUE(appender->commit());
    start(kStart);
  }

  void start(TimePoint now) {
    manager_.reset();
    scheduler_ = std::make_unique<SimScheduler>(now);
    RuleManagerOptions options;
    manager_ = std::make_unique<RuleManager>(*scheduler_, *engine_, *store_, states, sink, metrics_, options);
    ASSERT_TRUE(manager_->apply({*parse_rule_file(kRules, "r.yml")}));
  }
  void run_until(TimePoint t) { scheduler_->run_until(t); }

  std::vector<std::string> state() const {
    std::vector<std::string> out;
    for (const auto& listed : manager_->alerts()) {
      out.push_back(fmt::format("{} {} {}", listed.alert.labels.to_string(),
                                model::alert_state_name(listed.alert.state), to_ms(listed.alert.active_at)));
    }
    return out;
  }

  MemoryStates states;
  TextSink sink;

 private:
  FaultEnv env_;
  FakeClock clock_{kStart};
  MetricRegistry metrics_;
  std::unique_ptr<tsdb::Store> store_;
  std::unique_ptr<promql::Engine> engine_;
  std::unique_ptr<SimScheduler> scheduler_;
  std::unique_ptr<RuleManager> manager_;
};

TEST(Restart, AtAnyMomentChangesNothing) {
  for (uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    World whole(seed);
    World broken(seed);
    Random random(seed * 7919);
    TimePoint now = kStart;
    const TimePoint end = kStart + std::chrono::minutes(kMinutes);
    while (now < end) {
      now = std::min(end, now + std::chrono::seconds(1 + random.below(600)));
      broken.run_until(now);
      broken.start(now);
    }
    whole.run_until(end);
    EXPECT_FALSE(whole.sink.lines.empty());
    const size_t same = std::mismatch(whole.sink.lines.begin(), whole.sink.lines.end(), broken.sink.lines.begin(),
                                      broken.sink.lines.end())
                            .first -
                        whole.sink.lines.begin();
    const auto line = [same](const World& w) { return same < w.sink.lines.size() ? w.sink.lines[same] : "nothing"; };
    EXPECT_EQ(line(broken), line(whole)) << "first difference at line " << same;
    EXPECT_EQ(broken.state(), whole.state());
  }
}

// The process dies at some write to the state store: nothing after it is stored, and it starts again at once.
TEST(Restart, AfterACrashAtAnyWriteEveryAlertIsSentAtLeastOnce) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    World whole(seed % 5 + 1);
    World broken(seed % 5 + 1);
    const TimePoint end = kStart + std::chrono::minutes(kMinutes);
    const TimePoint crash = kStart + std::chrono::minutes(10 + seed * 2 % 60);
    broken.run_until(crash);
    broken.states.saves_left = static_cast<int>(seed % 6);
    broken.run_until(crash + std::chrono::seconds(90));
    broken.states.saves_left = -1;
    broken.start(crash + std::chrono::seconds(90));
    broken.run_until(end);
    whole.run_until(end);
    // Each alert that fired or was resolved in the whole run was told of, with the same labels.
    const auto identities = [](const std::vector<std::string>& lines, TimePoint from) {
      std::set<std::string> out;
      for (const std::string& line : lines) {
        if (*parse_int(line.substr(0, line.find(' '))) > to_ms(from))
          out.insert(line.substr(line.find('{'), line.find('}') - line.find('{')));
      }
      return out;
    };
    EXPECT_EQ(identities(broken.sink.lines, kStart), identities(whole.sink.lines, kStart));
    EXPECT_EQ(broken.state(), whole.state());
  }
}

}  // namespace
}  // namespace sentinel::detection
