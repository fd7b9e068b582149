#pragma once
// For tests: alerting on a simulated scheduler over a database in a temporary folder, with receivers that record what
// they get and fail when told. `restart` closes and reopens everything but the disk and the clock.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "alerting/alerting.h"
#include "alerting/crashing_database.h"
#include "base/file.h"
#include "base/scheduler.h"
#include "receivers/digest.h"
#include "receivers/notification.h"
#include "state/outbox.h"
#include "state/refusing_disk.h"

namespace sentinel::alerting {

struct Sent {
  TimePoint at;
  std::string key;
  std::string integration;
  receivers::SendResult::Kind result = receivers::SendResult::Kind::kDelivered;
  receivers::Notification notification;
};

class FakeSender final : public receivers::Sender {
 public:
  FakeSender(const Scheduler& scheduler, const Crash& crash) : scheduler_(scheduler), crash_(crash) {}
  void send(receivers::Outgoing message, Done done) override {
    if (crash_.dead) return;
    const auto notification = receivers::decode_notification(message.payload);
    ASSERT_TRUE(notification) << notification.error().to_string();
    receivers::SendResult result;
    if (const auto it = failing.find(message.integration); it != failing.end() && it->second.second != 0) {
      if (it->second.second > 0) --it->second.second;
      result = {it->second.first, "told to fail", retry_after};
    }
    if (const auto it = held.find(message.integration); it != held.end() && it->second > scheduler_.now()) {
      return done({receivers::SendResult::Kind::kRetry, "held back", it->second - scheduler_.now(), "", true});
    }
    if (notification->group_labels.has(receivers::kDigestLabel) && refuses_digests)
      result = {receivers::SendResult::Kind::kFailed, "too large", std::nullopt};
    sent.push_back({scheduler_.now(), message.key, message.integration, result.kind, *notification});
    if (on_sent) on_sent(sent.back());
    if (lost) return;  // the answer never comes: the process dies before
    done(result);
  }

  std::vector<Sent> sent;
  std::map<std::string, std::pair<receivers::SendResult::Kind, int>> failing;  // how, and how often (-1: always)
  std::map<std::string, TimePoint> held;                                       // may not be asked before
  bool refuses_digests = false;
  std::optional<Micros> retry_after;
  bool lost = false;
  std::function<void(const Sent&)> on_sent;

 private:
  const Scheduler& scheduler_;
  const Crash& crash_;
};

class RecordingListener final : public AlertListener {
 public:
  Status on_alerts(state::Tx&, const std::vector<AlertChange>& changes) override {
    if (refuse) return fail(ErrorCode::kUnavailable, "listener refuses");
    all.insert(all.end(), changes.begin(), changes.end());
    return {};
  }
  std::vector<AlertChange> all;
  bool refuse = false;
};

class World {
 public:
  explicit World(std::string config_text)
      : config_text_(std::move(config_text)), sender(scheduler, crash), start_(scheduler.now()) {
    // In memory where there is such a folder: what a disk keeps is the test of the state module.
    const std::string base = posix_env().exists("/dev/shm") ? "/dev/shm/" : ::testing::TempDir();
    dir_ = base + "sentinel-alerting-XXXXXX";
    EXPECT_NE(::mkdtemp(dir_.data()), nullptr);
    open();
  }
  ~World() {
    close();
    EXPECT_TRUE(posix_env().remove_tree(dir_));
  }

  void open() {
    auto opened =
        state::open_sqlite(dir_ + "/state.db", metrics, {.busy_timeout = Millis(1), .retry_interval = Millis(0)});
    ASSERT_TRUE(opened) << opened.error().to_string();
    database = std::make_unique<CrashingDatabase>(std::move(*opened), crash);
    ASSERT_TRUE(Alerting::migrate(*database));
    auto config = parse_config(config_text_, "test.yml");
    ASSERT_TRUE(config) << config.error().to_string();
    auto made =
        Alerting::open(scheduler, *database, metrics, sender, {&listener}, std::move(*config), {"http://sentinel"});
    ASSERT_TRUE(made) << made.error().to_string();
    alerting = std::move(*made);
  }
  void close() {
    alerting.reset();
    database.reset();
  }
  // The old process's timers and answers may still be in the simulated queue; they must do no harm.
  void restart(Micros down = Micros(0)) {
    close();
    crash.dead = false;
    scheduler.fake_clock().advance(down);
    open();
  }
  Status reload(std::string text) {
    SENTINEL_ASSIGN(Config config, parse_config(text, "test.yml"));
    SENTINEL_TRY(alerting->reload(std::move(config)));
    config_text_ = std::move(text);
    return {};
  }
  // The state database cannot be written from now on, until it can.
  void refuse_disk(bool refuse) {
    if (refuse == refusing_.has_value()) return;
    refuse ? (void)refusing_.emplace() : refusing_.reset();
  }
  std::vector<state::OutboxMessage> outbox(std::optional<state::OutboxStatus> status) {
    std::vector<state::OutboxMessage> out;
    EXPECT_TRUE(database->read([&](state::Tx& tx) -> Status {
      SENTINEL_ASSIGN(out, state::Outbox::list(tx, status, 1000));
      return {};
    }));
    return out;
  }
  TimePoint start() const { return start_; }

  SimScheduler scheduler;
  Crash crash;

 private:
  std::string config_text_;
  std::string dir_;
  std::optional<state::RefusingDisk> refusing_;

 public:
  MetricRegistry metrics;
  FakeSender sender;
  RecordingListener listener;
  std::unique_ptr<state::Database> database;
  std::unique_ptr<Alerting> alerting;

 private:
  TimePoint start_;
};

}  // namespace sentinel::alerting
