#pragma once
// For tests: escalations on a simulated scheduler over a database in a temporary folder. `restart` closes and reopens
// everything but the disk and the clock; a crash can be set at any write.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/scheduler.h"
#include "oncall/escalation.h"
#include "state/crashing_database.h"
#include "state/outbox.h"

namespace sentinel::oncall {

class World {
 public:
  World(std::string config_text, TimePoint start) : scheduler(start), start_(start), config_(read(config_text)) {
    const std::string base = posix_env().exists("/dev/shm") ? "/dev/shm/" : ::testing::TempDir();
    dir_ = base + "sentinel-oncall-XXXXXX";
    EXPECT_NE(::mkdtemp(dir_.data()), nullptr);
    open();
  }
  ~World() {
    close();
    EXPECT_TRUE(posix_env().remove_tree(dir_));
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void open() {
    auto opened =
        state::open_sqlite(dir_ + "/state.db", metrics, {.busy_timeout = Millis(1), .retry_interval = Millis(0)});
    ASSERT_TRUE(opened) << opened.error().to_string();
    database = std::make_unique<state::CrashingDatabase>(std::move(*opened), crash);
    ASSERT_TRUE(Escalations::migrate(*database));
    auto made = Escalations::open(scheduler, *database, metrics, nullptr, config_);
    // A crash may hit the opening too; then there is no process until the next start.
    ASSERT_TRUE(made || crash.dead) << made.error().to_string();
    if (made) escalations = std::move(*made);
  }
  void close() {
    escalations.reset();
    database.reset();
  }
  void restart(Micros down = Micros(0)) {
    close();
    crash.dead = false;
    scheduler.fake_clock().advance(down);
    open();
  }
  Status reload(std::string_view text) {
    config_ = read(text);
    return escalations->reload(config_);
  }
  // The outbox, oldest first.
  std::vector<state::OutboxMessage> outbox() {
    std::vector<state::OutboxMessage> out;
    EXPECT_TRUE(database->read([&](state::Tx& tx) -> Status {
      SENTINEL_ASSIGN(out, state::Outbox::list(tx, std::nullopt, 100'000));
      return {};
    }));
    std::reverse(out.begin(), out.end());
    return out;
  }
  bool wanted(const state::OutboxMessage& message) {
    bool out = false;
    EXPECT_TRUE(database->read([&](state::Tx& tx) -> Status {
      SENTINEL_ASSIGN(out, page_wanted(tx, message));
      return {};
    }));
    return out;
  }
  TimePoint start() const { return start_; }

  static std::shared_ptr<const Config> read(std::string_view text) {
    auto config = parse_config(text, "oncall.yml");
    EXPECT_TRUE(config) << config.error().to_string();
    return std::make_shared<const Config>(config ? std::move(*config) : Config());
  }

  SimScheduler scheduler;
  state::Crash crash;
  MetricRegistry metrics;
  std::unique_ptr<state::Database> database;
  std::unique_ptr<Escalations> escalations;

 private:
  const TimePoint start_;
  std::shared_ptr<const Config> config_;
  std::string dir_;
};

}  // namespace sentinel::oncall
