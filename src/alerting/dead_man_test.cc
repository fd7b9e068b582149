#include "alerting/dead_man.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/file.h"
#include "state/outbox.h"

namespace sentinel::alerting {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class FakeWatcher final : public receivers::Sender {
 public:
  void send(receivers::Outgoing message, Done done) override {
    if (!up) return done({receivers::SendResult::Kind::kRetry, "refused", std::nullopt});
    pings.push_back(message.integration);
    done({});
  }
  std::vector<std::string> pings;
  bool up = true;
};

struct World {
  World() {
    dir = ::testing::TempDir() + "sentinel-dead-man-XXXXXX";
    EXPECT_NE(::mkdtemp(dir.data()), nullptr);
    auto opened = state::open_sqlite(dir + "/state.db", metrics);
    EXPECT_TRUE(opened);
    database = std::move(*opened);
    EXPECT_TRUE(state::Outbox::migrate(*database));
    open();
  }
  ~World() {
    dead_man.reset();
    database.reset();
    EXPECT_TRUE(posix_env().remove_tree(dir));
  }
  void open() {
    dead_man = std::make_unique<DeadMan>(
        scheduler, *database, metrics, watcher, [this](const std::string&) { return heard; },
        DeadManOptions{.urls = {"https://one", "https://two"}});
  }
  // Rules are evaluated: the alert is handed over each minute.
  void live(Micros time) {
    for (Micros done(0); done < time; done += seconds(30)) {
      heard = scheduler.now();
      scheduler.run_for(seconds(30));
    }
  }
  SimScheduler scheduler;
  MetricRegistry metrics;
  std::string dir;
  std::unique_ptr<state::Database> database;
  FakeWatcher watcher;
  std::optional<TimePoint> heard;
  std::unique_ptr<DeadMan> dead_man;
};

TEST(DeadMan, pings_each_address_while_the_alert_is_handed_on) {
  World w;
  w.scheduler.run_for(minutes(5));
  EXPECT_TRUE(w.watcher.pings.empty()) << "nothing was evaluated yet";
  w.live(minutes(10));
  EXPECT_EQ(w.watcher.pings.size(), 20u);
  EXPECT_EQ(w.watcher.pings[0], "dead_man/0");
  EXPECT_EQ(w.watcher.pings[1], "dead_man/1");
}

TEST(DeadMan, falls_silent_when_rules_are_evaluated_no_more) {
  World w;
  w.live(minutes(10));
  w.watcher.pings.clear();
  w.scheduler.run_for(minutes(30));
  EXPECT_LE(w.watcher.pings.size(), 6u) << "three minutes at most";
  EXPECT_FALSE(w.dead_man->alive());
  w.watcher.pings.clear();
  w.live(minutes(1));
  EXPECT_FALSE(w.watcher.pings.empty()) << "back within seconds";
}

TEST(DeadMan, an_alert_of_the_last_life_is_no_sign_of_this_one) {
  World w;
  w.live(minutes(2));
  w.dead_man.reset();
  w.watcher.pings.clear();
  w.scheduler.fake_clock().advance(seconds(5));
  w.open();
  w.scheduler.run_for(minutes(2));
  EXPECT_TRUE(w.watcher.pings.empty());
}

TEST(DeadMan, pings_that_were_not_taken_are_not_sent_late) {
  World w;
  w.live(minutes(2));
  w.watcher.up = false;
  w.live(minutes(20));
  w.watcher.up = true;
  w.watcher.pings.clear();
  w.live(minutes(3));
  EXPECT_GE(w.watcher.pings.size(), 4u);
  EXPECT_LE(w.watcher.pings.size(), 10u) << "no backlog of twenty minutes";
}

TEST(DeadMan, without_an_address_nothing_is_written) {
  World w;
  w.dead_man->reload({});
  w.live(minutes(5));
  EXPECT_TRUE(w.watcher.pings.empty());
}

}  // namespace
}  // namespace sentinel::alerting
