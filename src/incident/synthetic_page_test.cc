#include "incident/synthetic_page.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "incident/analytics.h"
#include "receivers/notification.h"
#include "state/kv.h"

namespace sentinel::incident {
namespace {

using alerting::AlertChange;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr const char* kConfig = R"(
channels:
  push: {kind: ntfy}
  probe: {kind: webhook, test: true}
users:
- {id: bob, name: Bob Fry, contacts: {push: bob-phone}}
- {id: probe, contacts: {probe: 'http://127.0.0.1/probe'}}
policies:
- {id: default, levels: [{notify: [{user: bob}]}]}
- {id: try, levels: [{notify: [{user: probe}]}]}
last_resort: [{user: bob}]
synthetic_page: {every: 6h, within: 1m, policy: try}
)";

class Outside final : public receivers::Sender {
 public:
  explicit Outside(SimScheduler& scheduler) : scheduler_(scheduler) {}
  void send(receivers::Outgoing message, Done done) override {
    told.push_back(message.integration);
    const bool broken = message.integration.find("probe") != std::string::npos && refuse;
    scheduler_.after(takes, [done = std::move(done), broken] {
      done(broken ? receivers::SendResult{receivers::SendResult::Kind::kRetry, "refused", std::nullopt}
                  : receivers::SendResult{});
    });
  }
  size_t told_by(std::string_view channel) const {
    size_t n = 0;
    for (const std::string& t : told) n += t.find(channel) != std::string::npos;
    return n;
  }
  std::vector<std::string> told;
  bool refuse = false;
  Micros takes = std::chrono::milliseconds(300);

 private:
  SimScheduler& scheduler_;
};

class SyntheticPageTest : public testing::Test {
 protected:
  SyntheticPageTest()
      : dir_(testing::TempDir() + "/synthetic-" + testing::UnitTest::GetInstance()->current_test_info()->name() + "-" +
             std::to_string(getpid())) {
    std::filesystem::create_directories(dir_);
    auto config = oncall::parse_config(kConfig, "oncall.yml");
    EXPECT_TRUE(config) << config.error().to_string();
    config_ = std::make_shared<const oncall::Config>(std::move(*config));
    open();
  }
  ~SyntheticPageTest() override {
    close();
    std::filesystem::remove_all(dir_);
  }
  void open() {
    database_ = state::open_sqlite(dir_ + "/state.db", metrics_).value();
    ASSERT_TRUE(state::KeyValue::migrate(*database_));
    ASSERT_TRUE(Service::migrate(*database_));
    ASSERT_TRUE(Pager::migrate(*database_));
    service_ = std::make_unique<Service>(scheduler_, *database_, metrics_, Options());
    auto pager = Pager::open(scheduler_, *database_, metrics_, outside_, *service_, config_, "http://s");
    ASSERT_TRUE(pager) << pager.error().to_string();
    pager_ = std::move(*pager);
    auto made = SyntheticPages::open(scheduler_, *database_, metrics_, *service_, *pager_,
                                     [this](std::vector<model::Alert> alerts) { return put(alerts); });
    ASSERT_TRUE(made) << made.error().to_string();
    synthetic_ = std::move(*made);
  }
  void close() {
    synthetic_.reset();
    pager_.reset();
    service_.reset();
    database_.reset();
  }
  // As alerting does it: one that is there is not fired again.
  Status put(const std::vector<model::Alert>& alerts) {
    std::vector<AlertChange> changes;
    for (const model::Alert& a : alerts) {
      const std::string key = a.labels.to_string();
      const bool over = a.ends_at <= scheduler_.now();
      if (over != firing_.contains(key)) continue;
      over ? (void)firing_.erase(key) : (void)firing_.insert(key);
      changes.push_back({over ? AlertChange::Kind::kResolved : AlertChange::Kind::kFired, a, scheduler_.now(), {}});
    }
    return database_->write([&](state::Tx& tx) { return service_->on_alerts(tx, changes); });
  }
  bool missing() const {
    for (const std::string& f : firing_) {
      if (f.find(oncall::kSyntheticMissing) != std::string::npos) return true;
    }
    return false;
  }
  double ended(const std::string& outcome) {
    return static_cast<double>(metrics_.counter("sentinel_synthetic_pages_total", "", {{"outcome", outcome}}).value());
  }
  double took() { return metrics_.gauge("sentinel_synthetic_page_seconds", "").value(); }
  size_t listed(bool tests) { return service_->list({.tests = tests, .limit = 500})->size(); }

  const std::string dir_;
  SimScheduler scheduler_;
  MetricRegistry metrics_;
  Outside outside_{scheduler_};
  std::shared_ptr<const oncall::Config> config_;
  std::set<std::string> firing_;
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<Pager> pager_;
  std::unique_ptr<SyntheticPages> synthetic_;
};

TEST_F(SyntheticPageTest, goes_the_whole_way_every_few_hours_and_is_measured) {
  scheduler_.run_for(minutes(1));
  EXPECT_EQ(outside_.told_by("probe"), 1u) << "the first at once";
  EXPECT_EQ(ended("delivered"), 1);
  EXPECT_GT(took(), 0.2);
  EXPECT_LT(took(), 2);
  scheduler_.run_for(hours(24));
  EXPECT_EQ(ended("delivered"), 5);
  EXPECT_EQ(outside_.told_by("push"), 0u) << "no person is told";
  EXPECT_TRUE(firing_.empty());
}

TEST_F(SyntheticPageTest, is_in_no_list_and_in_no_statistics) {
  scheduler_.run_for(hours(7));
  EXPECT_EQ(listed(false), 0u);
  ASSERT_EQ(listed(true), 2u);
  const auto all = service_->list({.tests = true});
  for (const IncidentRecord& r : *all) {
    EXPECT_TRUE(r.incident.test_mode);
    EXPECT_EQ(r.incident.status, model::IncidentStatus::kResolved);
  }
  EXPECT_EQ(analyze(*all).incidents, 0u);
}

TEST_F(SyntheticPageTest, one_that_does_not_arrive_is_an_alert_that_pages_the_last_resort) {
  outside_.refuse = true;
  scheduler_.run_for(seconds(59));
  EXPECT_FALSE(missing());
  scheduler_.run_for(seconds(5));
  EXPECT_TRUE(missing());
  EXPECT_EQ(listed(false), 1u) << "an incident of its own";
  EXPECT_EQ(outside_.told_by("push"), 1u) << "bob, by no test channel";
  scheduler_.run_for(minutes(15));
  EXPECT_EQ(ended("missing"), 1);
  EXPECT_TRUE(missing());
  // The next one arrives: the way is open again.
  outside_.refuse = false;
  scheduler_.run_for(hours(6));
  EXPECT_FALSE(missing());
  EXPECT_EQ(ended("delivered"), 1);
}

TEST_F(SyntheticPageTest, one_that_is_late_is_told_too) {
  outside_.takes = seconds(90);
  scheduler_.run_for(minutes(3));
  EXPECT_TRUE(missing());
  EXPECT_EQ(ended("late"), 1);
  EXPECT_NEAR(took(), 90, 2);
}

TEST_F(SyntheticPageTest, a_restart_or_a_pause_in_the_middle_is_not_the_channels_fault) {
  outside_.takes = seconds(20);
  scheduler_.run_for(seconds(5));
  close();
  scheduler_.fake_clock().advance(hours(2));
  open();
  scheduler_.run_for(minutes(3));
  EXPECT_FALSE(missing());
  EXPECT_EQ(ended("delivered"), 1);
  EXPECT_EQ(listed(true), 1u) << "the same one went on";
  scheduler_.run_for(hours(6) - minutes(2) - seconds(5));
  scheduler_.fake_clock().advance(minutes(30));
  scheduler_.run_for(minutes(3));
  EXPECT_FALSE(missing());
}

TEST(SyntheticPageConfig, only_test_channels_and_a_last_resort) {
  const auto error = [](std::string text, const std::string& from, const std::string& to) {
    const size_t at = text.find(from);
    text.replace(at, from.size(), to);
    const auto config = oncall::parse_config(text, "o.yml");
    return config ? std::string("accepted") : config.error().message();
  };
  EXPECT_EQ(error(kConfig, "policy: try}", "policy: default}"),
            "level \"L1\" of policy \"default\" tells others than users whose channels are marked `test: true`");
  EXPECT_EQ(error(kConfig, "last_resort: [{user: bob}]\n", ""),
            "whoever is told when a synthetic page does not arrive is the last_resort: there is none");
  EXPECT_TRUE(error(kConfig, "{push: bob-phone}", "{push: bob-phone, probe: 'http://x'}")
                  .starts_with("user \"bob\" has contacts by test"));
  EXPECT_EQ(error(kConfig, "every: 6h", "every: 1m"), "`every` is longer than twice `within`, which is above 0");
}

}  // namespace
}  // namespace sentinel::incident
