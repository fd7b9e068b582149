#include "app/change_watch.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/metrics.h"
#include "state/kv.h"

namespace sentinel::app {
namespace {

using gateway::BreakerState;
using gateway::BreakerView;

class ChangeWatchTest : public testing::Test {
 protected:
  ChangeWatchTest()
      : dir_(testing::TempDir() + "/change-watch-" + testing::UnitTest::GetInstance()->current_test_info()->name() +
             std::to_string(getpid())) {
    std::filesystem::create_directories(dir_);
    database_ = state::open_sqlite(dir_ + "/state.db", metrics_).value();
    EXPECT_TRUE(state::KeyValue::migrate(*database_));
    EXPECT_TRUE(incident::Service::migrate(*database_));
    log_ = std::make_unique<incident::ChangeLog>(*database_);
    watch_ = std::make_unique<ChangeWatch>(*database_, *log_);
  }
  ~ChangeWatchTest() override { std::filesystem::remove_all(dir_); }

  // Oldest first.
  std::vector<std::string> told() {
    std::vector<std::string> out;
    const auto found =
        log_->list({.from = TimePoint{}, .to = clock_.now(), .kind = std::nullopt, .scope = {}, .limit = 100});
    for (const incident::ChangeEvent& e : found.value()) out.insert(out.begin(), e.describe());
    return out;
  }
  void see(BreakerState state, bool held = false) {
    clock_.advance(std::chrono::seconds(1));
    BreakerView view;
    view.provider = "openai";
    view.model = "gpt-4o";
    view.state = state;
    view.held = held;
    ASSERT_TRUE(watch_->breakers_seen({view}, clock_.now()));
  }

  const std::string dir_;
  FakeClock clock_;
  MetricRegistry metrics_;
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<incident::ChangeLog> log_;
  std::unique_ptr<ChangeWatch> watch_;
};

TEST_F(ChangeWatchTest, FilesThatDifferAreOneChangeAlsoAcrossARestart) {
  const incident::Actor ada{"ada", "api"};
  ASSERT_TRUE(watch_->files_in_force({{"/etc/s/sentinel.yml", "1"}, {"/etc/s/rules/a.yml", "1"}}, clock_.now(), ada));
  EXPECT_TRUE(told().empty());  // the first ever
  ASSERT_TRUE(watch_->files_in_force({{"/etc/s/sentinel.yml", "1"}, {"/etc/s/rules/a.yml", "1"}}, clock_.now(), ada));
  EXPECT_TRUE(told().empty());
  ASSERT_TRUE(watch_->files_in_force({{"/etc/s/sentinel.yml", "1"}, {"/etc/s/rules/a.yml", "2"}}, clock_.now(), ada));
  EXPECT_EQ(told(), std::vector<std::string>{"change of configuration a.yml (by ada)"});

  watch_ = std::make_unique<ChangeWatch>(*database_, *log_);
  ASSERT_TRUE(watch_->files_in_force({{"/etc/s/sentinel.yml", "3"}, {"/etc/s/prices.yml", "1"}}, clock_.now(),
                                     {"sentinel", "start"}));
  ASSERT_EQ(told().size(), 2u);
  EXPECT_EQ(told()[1], "change of configuration prices.yml added, sentinel.yml, a.yml removed (by sentinel)");
}

TEST_F(ChangeWatchTest, ManyFilesAreCounted) {
  FileHashes files;
  for (char c = 'a'; c < 'i'; ++c) files[std::string(1, c)] = "1";
  ASSERT_TRUE(watch_->files_in_force(files, clock_.now(), {"ada", "api"}));
  for (auto& [name, hash] : files) hash = "2";
  ASSERT_TRUE(watch_->files_in_force(files, clock_.now(), {"ada", "api"}));
  EXPECT_EQ(told(), std::vector<std::string>{"change of configuration a, b, c, d, e and 3 more (by ada)"});
}

TEST_F(ChangeWatchTest, ABreakerIsToldWhenItOpensAndWhenItClosesAndNotOfEachProbe) {
  see(BreakerState::kClosed);
  see(BreakerState::kOpen);
  see(BreakerState::kHalfOpen);
  see(BreakerState::kOpen);
  see(BreakerState::kHalfOpen);
  see(BreakerState::kClosed);
  see(BreakerState::kOpen, true);
  EXPECT_EQ(told(), (std::vector<std::string>{"circuit breaker of openai/gpt-4o opened",
                                              "circuit breaker of openai/gpt-4o closed",
                                              "circuit breaker of openai/gpt-4o was opened by hand"}));
}

}  // namespace
}  // namespace sentinel::app
