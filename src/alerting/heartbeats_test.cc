#include "alerting/heartbeats.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/strings.h"
#include "state/kv.h"

namespace sentinel::alerting {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr int64_t kBegin = 1'770'000'000'000'000;

HeartbeatDefinition job(Micros every = hours(1), Micros grace = minutes(5)) {
  return {.name = "backup", .every = every, .grace = grace, .labels = model::Labels{{"service", "store"}}};
}

// Both clocks go together until a test says otherwise.
class World {
 public:
  explicit World(std::vector<HeartbeatDefinition> definitions, TimePoint begin = time_from_us(kBegin))
      : scheduler(begin), definitions_(std::move(definitions)) {
    const std::string base = posix_env().exists("/dev/shm") ? "/dev/shm/" : ::testing::TempDir();
    dir_ = base + "sentinel-heartbeats-XXXXXX";
    EXPECT_NE(::mkdtemp(dir_.data()), nullptr);
    start();
  }
  ~World() {
    stop();
    EXPECT_TRUE(posix_env().remove_tree(dir_));
  }
  void start() {
    auto opened = state::open_sqlite(dir_ + "/state.db", metrics);
    ASSERT_TRUE(opened);
    database = std::move(*opened);
    ASSERT_TRUE(state::KeyValue::migrate(*database));
    auto made = Heartbeats::open(
        scheduler, *database, metrics, [this](std::vector<model::Alert> given) { return put(std::move(given)); },
        definitions_, [this] { return to_us(scheduler.now()) - set_by.count(); });
    ASSERT_TRUE(made) << made.error().to_string();
    beats = std::move(*made);
    scheduler.run_ready();
  }
  void stop() {
    beats.reset();
    database.reset();
  }
  void restart(Micros down) {
    stop();
    scheduler.fake_clock().advance(down);
    start();
  }
  void run(Micros time) { scheduler.run_for(time); }
  // The process stands still: no timer runs, both clocks go on.
  void pause(Micros time) {
    scheduler.fake_clock().advance(time);
    scheduler.run_ready();
  }
  // Somebody sets the clock.
  void set_clock(Micros by) {
    set_by += by;
    scheduler.fake_clock().advance(by);
    run(seconds(2));
  }
  void beat(Beat::Kind kind = Beat::Kind::kSuccess, std::string detail = "") {
    ASSERT_TRUE(beats->beat("backup", {kind, std::move(detail)}));
  }
  TimePoint expected() { return beats->list().at(0).expected_at; }
  void run_until(std::string_view t) { run(parse_time(t).value() - scheduler.now()); }
  std::string state() { return std::string(heartbeat_state_name(beats->list().at(0).state)); }
  size_t firing() const { return alerts.size(); }

  SimScheduler scheduler;
  MetricRegistry metrics;
  std::unique_ptr<state::Database> database;
  std::unique_ptr<Heartbeats> beats;
  std::map<std::string, model::Alert> alerts;  // those that fire, by labels
  int puts = 0;
  bool refuse = false;
  Micros set_by{0};
  std::vector<HeartbeatDefinition> definitions_;

 private:
  Status put(std::vector<model::Alert> given) {
    if (refuse) return fail(ErrorCode::kUnavailable, "refused");
    for (model::Alert& a : given) {
      ++puts;
      const std::string key = a.labels.to_string();
      if (a.ends_at <= scheduler.now()) {
        alerts.erase(key);
      } else {
        alerts[key] = std::move(a);
      }
    }
    return {};
  }
  std::string dir_;
};

TEST(Heartbeats, late_is_an_alert_that_the_next_beat_ends) {
  World w({job()});
  w.run(minutes(30));
  w.beat();
  EXPECT_EQ(w.state(), "ok");
  w.run(hours(1) + minutes(5) - seconds(1));
  EXPECT_EQ(w.firing(), 0u);
  w.run(seconds(2));
  ASSERT_EQ(w.firing(), 1u);
  const model::Alert& alert = w.alerts.begin()->second;
  EXPECT_EQ(alert.labels.get("alertname"), "HeartbeatMissed");
  EXPECT_EQ(alert.labels.get("heartbeat"), "backup");
  EXPECT_EQ(alert.labels.get("service"), "store");
  EXPECT_EQ(alert.labels.get("severity"), "high");
  EXPECT_EQ(alert.starts_at, time_from_us(kBegin) + minutes(95));
  EXPECT_NE(alert.annotations.get("description").find("expected every 1h"), std::string::npos);
  EXPECT_EQ(w.state(), "late");
  w.run(hours(5));
  EXPECT_EQ(w.puts, 1) << "it is said once";
  w.beat();
  EXPECT_EQ(w.firing(), 0u);
  EXPECT_EQ(w.state(), "ok");
}

TEST(Heartbeats, one_that_never_came_is_late_too) {
  World w({job()});
  EXPECT_EQ(w.state(), "waiting");
  w.run(hours(1) + minutes(5) + seconds(1));
  ASSERT_EQ(w.firing(), 1u);
  EXPECT_NE(w.alerts.begin()->second.annotations.get("description").find("never heard of"), std::string::npos);
}

TEST(Heartbeats, a_failure_is_told_at_once_and_a_success_ends_it) {
  World w({job()});
  w.beat(Beat::Kind::kFail, "exit code 3: no space left");
  ASSERT_EQ(w.firing(), 1u);
  EXPECT_NE(w.alerts.begin()->second.annotations.get("description").find("no space left"), std::string::npos);
  EXPECT_EQ(w.state(), "failed");
  w.restart(minutes(1));
  EXPECT_EQ(w.state(), "failed");
  w.beat();
  EXPECT_EQ(w.firing(), 0u);
}

TEST(Heartbeats, a_run_that_does_not_end_is_late) {
  World w({job()});
  w.beat();
  w.run(minutes(50));
  w.beat(Beat::Kind::kStart);
  EXPECT_EQ(w.state(), "running");
  w.run(minutes(5) + seconds(1));
  EXPECT_EQ(w.state(), "late");
  EXPECT_EQ(w.firing(), 1u);
  w.beat();
  EXPECT_EQ(w.firing(), 0u);
}

TEST(Heartbeats, what_is_told_survives_a_restart_and_is_not_told_again) {
  World w({job()});
  w.run(hours(2));
  ASSERT_EQ(w.firing(), 1u);
  w.restart(minutes(3));
  w.run(minutes(10));
  EXPECT_EQ(w.puts, 1);
  EXPECT_EQ(w.state(), "late");
  w.beat();
  EXPECT_EQ(w.firing(), 0u);
}

// The note that we were here is up to a quarter of a minute old: it must not take back what was told since.
TEST(Heartbeats, what_was_told_a_moment_before_a_restart_stays_told) {
  World w({job(seconds(2), seconds(1))});
  w.beat();
  w.run(seconds(5));
  ASSERT_EQ(w.firing(), 1u);
  w.restart(seconds(1));
  w.run(seconds(5));
  EXPECT_EQ(w.state(), "late");
  EXPECT_EQ(w.puts, 1);
}

// A crash between the beat on disk and the end of the alert.
TEST(Heartbeats, an_end_that_alerting_refused_is_said_again) {
  World w({job()});
  w.run(hours(2));
  ASSERT_EQ(w.firing(), 1u);
  w.refuse = true;
  w.beat();
  w.restart(seconds(1));
  EXPECT_EQ(w.firing(), 1u);
  w.refuse = false;
  w.run(seconds(2));
  EXPECT_EQ(w.firing(), 0u);
}

// The job went on, and what it said while nobody listened is taken as said.
TEST(Heartbeats, neither_a_restart_nor_a_pause_nor_the_clock_page_for_a_job_that_lives) {
  for (const char* const kind : {"restart", "pause", "clock on", "clock back"}) {
    for (const int length_min : {1, 7, 64, 700}) {
      for (int offset_min = 0; offset_min < 60; offset_min += 10) {
        World w({job()});
        const auto live = [&w](Micros time) {  // a beat at every full hour of the world outside
          for (Micros left = time; left > Micros(0); left -= minutes(1)) {
            w.run(minutes(1));
            if ((w.scheduler.now() - w.set_by - time_from_us(kBegin)) % hours(1) == Micros(0)) w.beat();
          }
        };
        live(hours(2) + minutes(offset_min));
        const std::string what =
            std::string(kind) + " " + std::to_string(length_min) + " at " + std::to_string(offset_min);
        if (kind == std::string("restart")) w.restart(minutes(length_min));
        if (kind == std::string("pause")) w.pause(minutes(length_min));
        if (kind == std::string("clock on")) w.set_clock(minutes(length_min) - seconds(2)), w.run(seconds(58));
        if (kind == std::string("clock back")) w.set_clock(-minutes(length_min) - seconds(2)), w.run(seconds(58));
        // To the full minute again, which the loop above counts by.
        while ((w.scheduler.now() - w.set_by - time_from_us(kBegin)) % minutes(1) != Micros(0)) w.run(seconds(1));
        live(hours(5));
        EXPECT_EQ(w.puts, 0) << what;
        // And who dies now is still told of.
        w.run(hours(2) + minutes(10));
        EXPECT_EQ(w.firing(), 1u) << what;
      }
    }
  }
}

// Restarts at any time but when a beat is expected put nothing off.
TEST(Heartbeats, restarts_again_and_again_do_not_hide_a_dead_job) {
  World w({job()});
  w.beat();
  for (int i = 0; i < 6; ++i) {
    w.run(minutes(7));
    w.restart(seconds(5));
  }
  w.run(minutes(24));
  EXPECT_EQ(w.firing(), 1u);
}

TEST(Heartbeats, reload_ends_what_is_gone_and_changes_what_is_told) {
  World w({job()});
  w.run(hours(2));
  ASSERT_EQ(w.firing(), 1u);
  HeartbeatDefinition other = job();
  other.labels.set("service", "warehouse");
  ASSERT_TRUE(w.beats->reload({other}));
  w.run(seconds(2));
  ASSERT_EQ(w.firing(), 1u);
  EXPECT_EQ(w.alerts.begin()->second.labels.get("service"), "warehouse");
  ASSERT_TRUE(w.beats->reload({}));
  w.run(seconds(2));
  EXPECT_EQ(w.firing(), 0u);
  EXPECT_TRUE(w.beats->list().empty());
  EXPECT_FALSE(w.beats->beat("backup", {}));
  // Back again it counts from now, not from long ago.
  ASSERT_TRUE(w.beats->reload({job()}));
  w.run(minutes(1));
  EXPECT_EQ(w.state(), "waiting");
}

TEST(Heartbeats, words_of_an_address) {
  EXPECT_EQ(parse_beat("", "")->kind, Beat::Kind::kSuccess);
  EXPECT_EQ(parse_beat("0", "log")->kind, Beat::Kind::kSuccess);
  EXPECT_EQ(parse_beat("start", "")->kind, Beat::Kind::kStart);
  EXPECT_EQ(parse_beat("fail", " disk full \n")->detail, "disk full");
  EXPECT_EQ(parse_beat("3", "")->detail, "exit code 3");
  EXPECT_EQ(parse_beat("7", std::string(5000, 'x'))->detail.size(), kBeatDetailMax + 13);
  EXPECT_FALSE(parse_beat("256", ""));
  EXPECT_FALSE(parse_beat("stop", ""));
}

// ---- by the runs of a crontab ----

TimePoint at(std::string_view text) { return parse_time(text).value(); }

HeartbeatDefinition nightly(std::string_view schedule = "30 2 * * *", Micros grace = minutes(30)) {
  return {.name = "backup", .schedule = CronSchedule::parse(schedule, "Europe/Berlin").value(), .grace = grace};
}

TEST(HeartbeatsBySchedule, where_the_clock_leaps_over_the_run_it_is_expected_right_after) {
  World w({nightly()}, at("2026-03-28T01:00:00Z"));
  EXPECT_EQ(w.expected(), at("2026-03-28T01:30:00Z")) << "the first since it is configured";
  w.run_until("2026-03-28T01:40:00Z");
  w.beat();
  EXPECT_EQ(w.expected(), at("2026-03-29T01:00:00Z"));
  w.run_until("2026-03-29T01:29:59Z");
  EXPECT_EQ(w.firing(), 0u);
  w.run(seconds(2));
  ASSERT_EQ(w.firing(), 1u);
  const model::Alert& alert = w.alerts.begin()->second;
  EXPECT_EQ(alert.starts_at, at("2026-03-29T01:30:00Z"));
  EXPECT_NE(alert.annotations.get("description")
                .find("was expected at 2026-03-29 03:00 in Europe/Berlin (30 2 * * *) (and 30m later at most)"),
            std::string::npos)
      << alert.annotations.get("description");
  w.run(hours(1));
  w.beat();
  EXPECT_EQ(w.firing(), 0u);
  EXPECT_EQ(w.expected(), at("2026-03-30T00:30:00Z"));
}

TEST(HeartbeatsBySchedule, where_the_hour_comes_twice_one_run_is_expected) {
  World w({nightly()}, at("2026-10-24T12:00:00Z"));
  EXPECT_EQ(w.expected(), at("2026-10-25T00:30:00Z"));
  w.run_until("2026-10-25T00:35:00Z");
  w.beat();
  w.run_until("2026-10-26T01:59:59Z");
  EXPECT_EQ(w.puts, 0);
  EXPECT_EQ(w.expected(), at("2026-10-26T01:30:00Z"));
  w.run(seconds(2));
  EXPECT_EQ(w.firing(), 1u);
}

TEST(HeartbeatsBySchedule, a_beat_a_little_early_counts_and_one_of_the_evening_before_does_not) {
  World w({nightly()}, at("2026-06-01T12:00:00Z"));
  w.run_until("2026-06-02T00:29:30Z");
  w.beat();
  EXPECT_EQ(w.expected(), at("2026-06-03T00:30:00Z")) << "the job's clock is half a minute fast";
  w.run_until("2026-06-02T18:00:00Z");
  w.beat();
  w.run_until("2026-06-03T01:00:01Z");
  EXPECT_EQ(w.firing(), 1u) << "by hand";
}

TEST(HeartbeatsBySchedule, a_run_that_we_could_not_hear_is_taken_as_heard_and_the_next_is_not) {
  World w({nightly()}, at("2026-06-01T12:00:00Z"));
  w.run_until("2026-06-02T00:25:00Z");
  w.restart(minutes(50));
  w.run(hours(20));
  EXPECT_EQ(w.puts, 0);
  EXPECT_EQ(w.expected(), at("2026-06-03T00:30:00Z"));
  w.restart(hours(24 * 400));
  EXPECT_EQ(w.puts, 0);
  w.run(hours(25));
  EXPECT_EQ(w.firing(), 1u);
  World away({nightly()}, at("2026-06-01T12:00:00Z"));
  away.restart(hours(8));
  away.run_until("2026-06-02T01:00:01Z");
  EXPECT_EQ(away.firing(), 1u) << "at noon nothing could be missed";
}

TEST(HeartbeatsBySchedule, a_clock_that_is_set_over_a_run_or_back_before_it_pages_for_no_job) {
  World w({nightly()}, at("2026-06-01T12:00:00Z"));
  w.run_until("2026-06-02T00:20:00Z");
  w.set_clock(hours(1));
  w.run(hours(20));
  EXPECT_EQ(w.puts, 0) << "whether it ran is not known";
  World back({nightly()}, at("2026-06-01T12:00:00Z"));
  back.run_until("2026-06-02T00:31:00Z");
  back.beat();
  back.set_clock(-minutes(10));
  back.run(hours(3));
  EXPECT_EQ(back.puts, 0) << "cron does not run it again";
  back.run_until("2026-06-03T01:00:01Z");
  EXPECT_EQ(back.firing(), 1u);
}

}  // namespace
}  // namespace sentinel::alerting
