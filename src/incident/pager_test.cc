#include "incident/pager.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/strings.h"
#include "incident/casework.h"
#include "incident/page_links.h"
#include "receivers/notification.h"
#include "state/crashing_database.h"
#include "state/kv.h"

namespace sentinel::incident {
namespace {

using alerting::AlertChange;
using model::IncidentStatus;
using receivers::SendResult;
using std::chrono::minutes;
using std::chrono::seconds;

const Actor kAda{"Ada Lovelace", "page"};

constexpr const char* kConfig = R"(
channels:
  push: {kind: ntfy}
  sms: {kind: twilio_sms, account_sid: AC, auth_token: t, from: '+1'}
users:
- {id: ada, name: Ada Lovelace, contacts: {push: ada-phone, sms: '+2'}, rules: {default: [{by: push}], urgent: [{by: push}, {after: 2m, by: sms}]}}
- {id: bob, name: Bob Fry, contacts: {sms: '+3'}}
policies:
- {id: default, levels: [{notify: [{user: ada}], timeout: 5m}, {notify: [{user: bob}], timeout: 5m}], last_resort: [{user: bob}]}
- {id: expiring, acknowledge_timeout: 30m, levels: [{notify: [{user: bob}], timeout: 5m}]}
routes:
- {match: {service: expiring}, policy: expiring}
- {match: {service: shop-test}, policy: none}
)";

struct Sent {
  std::string key;
  std::string integration;
  std::string address;
  std::string summary;
  std::string acknowledge_url;
  bool operator==(const Sent&) const = default;
};

// Takes what is sent, and answers as it is told to.
class Outside final : public receivers::Sender {
 public:
  explicit Outside(SimScheduler& scheduler) : scheduler_(scheduler) {}
  void send(receivers::Outgoing message, Done done) override {
    const auto n = receivers::decode_notification(message.payload).value();
    const auto annotations = n.common_annotations();
    sent.push_back({message.key, message.integration, std::string(n.group_labels.get("address")),
                    std::string(annotations.get("summary")), std::string(annotations.get("acknowledge_url"))});
    const auto refused = refuse.find(message.integration);
    SendResult result = refused == refuse.end() ? SendResult{} : refused->second;
    scheduler_.post([done = std::move(done), result] { done(result); });
  }
  std::vector<std::string> told() {
    std::vector<std::string> out;
    for (const Sent& s : std::exchange(sent, {})) out.push_back(s.integration + " " + s.address);
    return out;
  }
  std::vector<Sent> sent;
  std::map<std::string, SendResult> refuse;

 private:
  SimScheduler& scheduler_;
};

class PagerTest : public testing::Test {
 protected:
  PagerTest()
      : dir_(testing::TempDir() + "/pager-" + testing::UnitTest::GetInstance()->current_test_info()->name() + "-" +
             std::to_string(getpid())) {
    std::filesystem::create_directories(dir_);
    open();
  }
  ~PagerTest() override {
    close();
    std::filesystem::remove_all(dir_);
  }

  static std::shared_ptr<const oncall::Config> read(std::string_view text) {
    auto config = oncall::parse_config(text, "oncall.yml");
    EXPECT_TRUE(config) << config.error().to_string();
    return std::make_shared<const oncall::Config>(std::move(*config));
  }
  void open() {
    database_ =
        std::make_unique<state::CrashingDatabase>(state::open_sqlite(dir_ + "/state.db", metrics_).value(), crash_);
    ASSERT_TRUE(state::KeyValue::migrate(*database_));
    ASSERT_TRUE(Service::migrate(*database_));
    ASSERT_TRUE(Pager::migrate(*database_));
    Options options;
    options.deadlines.by_severity.clear();  // their messages would be among what is counted
    service_ = std::make_unique<Service>(scheduler_, *database_, metrics_, options);
    auto made = Pager::open(scheduler_, *database_, metrics_, outside_, *service_, read(kConfig), "http://s");
    ASSERT_TRUE(made || crash_.dead) << made.error().to_string();
    if (made) pager_ = std::move(*made);
  }
  void close() {
    pager_.reset();
    service_.reset();
    database_.reset();
  }
  void restart() {
    close();
    crash_ = {};
    open();
    scheduler_.run_ready();
  }

  Status fire(std::string severity = "SEV1", std::string service = "shop") {
    AlertChange c;
    c.at = scheduler_.now();
    c.alert.labels = model::Labels{{"alertname", "Broken" + severity}, {"service", service}, {"severity", severity}};
    c.alert.annotations = model::Labels{{"summary", "it broke"}, {"description", "It broke badly."}};
    c.alert.starts_at = c.alert.updated_at = scheduler_.now();
    c.alert.ends_at = scheduler_.now() + minutes(4);
    fired_.push_back(c);
    const Status written = database_->write([&](state::Tx& tx) { return service_->on_alerts(tx, {c}); });
    scheduler_.run_ready();
    return written;
  }
  void end_all() {
    for (AlertChange c : std::exchange(fired_, {})) {
      c.kind = AlertChange::Kind::kResolved;
      c.at = c.alert.ends_at = scheduler_.now();
      ASSERT_TRUE(database_->write([&](state::Tx& tx) { return service_->on_alerts(tx, {c}); }));
    }
    scheduler_.run_ready();
  }
  std::vector<std::string> timeline(std::string_view id = "1") {
    std::vector<std::string> out;
    const auto detail = service_->get(id).value();
    for (const auto& e : detail.timeline) {
      if (e.kind == "page" || e.kind == "escalation" || e.kind == "assignee" || e.kind == "status")
        out.push_back(e.kind + ": " + e.text);
    }
    return out;
  }

  using Lines = std::vector<std::string>;
  const std::string dir_;
  SimScheduler scheduler_;
  state::Crash crash_;
  MetricRegistry metrics_;
  Outside outside_{scheduler_};
  std::unique_ptr<state::Database> database_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<Pager> pager_;
  std::vector<AlertChange> fired_;
};

TEST_F(PagerTest, an_incident_tells_one_level_after_the_other_until_somebody_acknowledges) {
  ASSERT_TRUE(fire());
  ASSERT_EQ(outside_.sent.size(), 1u);
  EXPECT_EQ(outside_.sent[0].summary, "[SEV1] INC-1: it broke");
  EXPECT_EQ(outside_.told(), Lines{"page:push/ntfy/0 ada-phone"});
  EXPECT_EQ(service_->get("1")->record.incident.assignee, "Ada Lovelace");
  scheduler_.run_for(minutes(2));
  EXPECT_EQ(outside_.told(), Lines{"page:sms/twilio_sms/0 +2"});
  scheduler_.run_for(minutes(3));
  EXPECT_EQ(outside_.told(), Lines{"page:sms/twilio_sms/0 +3"});
  const auto acknowledged = service_->acknowledge("1", "", {"Bob Fry", "api"});
  ASSERT_TRUE(acknowledged);
  scheduler_.run_for(std::chrono::hours(2));
  EXPECT_EQ(outside_.told(), Lines{});
  EXPECT_EQ(timeline(),
            (Lines{"page: Ada Lovelace is paged by push (level L1)", "assignee: assigned to Ada Lovelace, who is told",
                   "page: page delivered: push to Ada Lovelace", "page: Ada Lovelace is paged by sms (level L1)",
                   "page: page delivered: sms to Ada Lovelace", "page: Bob Fry is paged by sms (level L2)",
                   "page: page delivered: sms to Bob Fry", "status: acknowledged by Bob Fry"}));
}

TEST_F(PagerTest, who_is_told_follows_severity_and_labels) {
  ASSERT_TRUE(fire("SEV3"));
  EXPECT_EQ(outside_.told(), Lines{"page:push/ntfy/0 ada-phone"});
  scheduler_.run_for(minutes(4));
  EXPECT_EQ(outside_.told(), Lines{}) << "not urgent: no SMS";
  ASSERT_TRUE(fire("SEV2", "shop-test"));
  ASSERT_TRUE(service_->create({.title = "by hand", .severity = model::Severity::kSev4}, kAda));
  scheduler_.run_for(seconds(1));
  EXPECT_EQ(outside_.told(), Lines{});
  // Worse than it looked: told anew, urgently; and what was not worth telling is now.
  ASSERT_TRUE(service_->set_severity("1", model::Severity::kSev1, kAda));
  ASSERT_TRUE(service_->set_severity("3", model::Severity::kSev1, kAda));
  scheduler_.run_ready();
  EXPECT_EQ(outside_.told(), (Lines{"page:push/ntfy/0 ada-phone", "page:push/ntfy/0 ada-phone"}));
}

TEST_F(PagerTest, every_way_to_move_an_incident_stops_or_restarts_the_pages) {
  ASSERT_TRUE(fire());
  EXPECT_EQ(outside_.told().size(), 1u);
  ASSERT_TRUE(service_->set_status("1", IncidentStatus::kInvestigating, "", kAda));
  scheduler_.run_for(minutes(30));
  EXPECT_EQ(outside_.told(), Lines{});
  ASSERT_TRUE(service_->set_status("1", IncidentStatus::kOpen, "", kAda));
  scheduler_.run_ready();
  EXPECT_EQ(outside_.told(), Lines{"page:push/ntfy/0 ada-phone"});
  ASSERT_TRUE(service_->resolve("1", {}, kAda));
  scheduler_.run_for(minutes(30));
  EXPECT_EQ(outside_.told(), Lines{});
  ASSERT_TRUE(service_->reopen("1", "", kAda));
  scheduler_.run_ready();
  EXPECT_EQ(outside_.told(), Lines{"page:push/ntfy/0 ada-phone"});
  // Resolved by itself, and an acknowledgement that meets it (E4).
  end_all();
  ASSERT_EQ(service_->get("1")->record.incident.status, IncidentStatus::kResolved);
  ASSERT_TRUE(service_->acknowledge("1", "", kAda));
  EXPECT_EQ(service_->get("1")->record.incident.status, IncidentStatus::kResolved);
  scheduler_.run_for(minutes(30));
  EXPECT_EQ(outside_.told(), Lines{});
  // Merged into another: told of no more.
  ASSERT_TRUE(fire());
  ASSERT_TRUE(fire("SEV1", "search"));
  EXPECT_EQ(outside_.told().size(), 2u);
  ASSERT_TRUE(service_->merge("3", "2", kAda));
  ASSERT_TRUE(service_->acknowledge("2", "", kAda));
  scheduler_.run_for(minutes(30));
  EXPECT_EQ(outside_.told(), Lines{});
}

TEST_F(PagerTest, what_cannot_be_delivered_goes_another_way_at_once_and_is_seen) {
  outside_.refuse["page:push/ntfy/0"] = {SendResult::Kind::kFailed, "410: gone", std::nullopt};
  ASSERT_TRUE(fire());
  scheduler_.run_ready();
  EXPECT_EQ(outside_.told(), (Lines{"page:push/ntfy/0 ada-phone", "page:sms/twilio_sms/0 +2"}));
  const Lines seen = timeline();
  EXPECT_EQ(seen[2], "page: page undelivered: push to Ada Lovelace: 410: gone");
  EXPECT_EQ(metrics_.counter("sentinel_oncall_pages_undelivered_total", "").value(), 1);
  // Nobody of the level: the next one at once.
  outside_.refuse["page:sms/twilio_sms/0"] = {SendResult::Kind::kRetry, "connection refused", std::nullopt};
  ASSERT_TRUE(service_->resolve("1", {}, kAda));
  ASSERT_TRUE(service_->reopen("1", "", kAda));
  scheduler_.run_for(seconds(9));
  EXPECT_EQ(outside_.told().back(), "page:sms/twilio_sms/0 +2") << "an attempt that may work yet";
  scheduler_.run_for(seconds(10));
  const Lines told = outside_.told();
  EXPECT_NE(std::find(told.begin(), told.end(), "page:sms/twilio_sms/0 +3"), told.end());
  // It goes on being tried, and arrives when it can; each address is told once.
  outside_.refuse.clear();
  scheduler_.run_for(minutes(2));
  const Lines late = outside_.told();
  EXPECT_EQ(std::count(late.begin(), late.end(), "page:sms/twilio_sms/0 +2"), 1);
  EXPECT_EQ(std::count(late.begin(), late.end(), "page:sms/twilio_sms/0 +3"), 1);
}

TEST_F(PagerTest, a_page_of_the_backlog_does_not_go_out_for_what_is_over) {
  outside_.refuse["page:push/ntfy/0"] = {SendResult::Kind::kRetry, "down", std::nullopt};
  ASSERT_TRUE(fire());
  (void)outside_.told();
  ASSERT_TRUE(service_->acknowledge("1", "", kAda));
  outside_.refuse.clear();
  restart();
  scheduler_.run_for(minutes(10));
  EXPECT_EQ(outside_.told(), Lines{});
  const auto pages = pager_->escalations().pages(service_->get("1")->record.incident.id, 10).value();
  ASSERT_EQ(pages.size(), 1u);
  EXPECT_EQ(pages[0].outcome, "unwanted");
}

TEST_F(PagerTest, the_link_of_a_page_acknowledges_it_and_no_other_does) {
  ASSERT_TRUE(fire());
  const std::string url = outside_.sent.at(0).acknowledge_url;
  const std::string token = url.substr(url.rfind('/') + 1);
  for (const std::string& wrong :
       {std::string("1.AAAAAAAAAAAAAAAAAAAA"), std::string("x"), "2" + token.substr(1), token + "A"}) {
    EXPECT_FALSE(pager_->page_of(wrong)) << wrong;
  }
  restart();  // the secret is kept
  const auto page = pager_->page_of(token);
  ASSERT_TRUE(page);
  ASSERT_TRUE(pager_->acknowledge(*page));
  const auto detail = service_->get("1").value();
  EXPECT_EQ(detail.record.incident.status, IncidentStatus::kAcknowledged);
  EXPECT_EQ(detail.timeline.back().actor, "Ada Lovelace");
  EXPECT_EQ(detail.timeline.back().source, "push");
}

TEST_F(PagerTest, what_is_told_anew_is_open_again_until_somebody_acknowledges) {
  ASSERT_TRUE(fire());
  ASSERT_TRUE(service_->acknowledge("1", "", kAda));
  const std::string id = service_->get("1")->record.incident.id;
  ASSERT_TRUE(pager_->escalations().reassign(id, "default", "Bob Fry"));
  scheduler_.run_ready();
  EXPECT_EQ(outside_.told().size(), 2u);
  EXPECT_EQ(service_->get("1")->record.incident.status, IncidentStatus::kOpen);
  const auto first = service_->get("1")->record.incident.acknowledged_at;
  scheduler_.run_for(seconds(10));
  ASSERT_TRUE(service_->acknowledge("1", "", kAda));
  EXPECT_EQ(service_->get("1")->record.incident.status, IncidentStatus::kAcknowledged);
  EXPECT_EQ(service_->get("1")->record.incident.acknowledged_at, first) << "the first is what is measured";
  scheduler_.run_for(minutes(30));
  EXPECT_EQ(outside_.told(), Lines{});
}

TEST_F(PagerTest, an_acknowledgement_that_would_expire_is_renewed_by_the_next) {
  ASSERT_TRUE(fire("SEV1", "expiring"));
  EXPECT_EQ(outside_.told().size(), 1u);
  ASSERT_TRUE(service_->acknowledge("1", "", kAda));
  scheduler_.run_for(minutes(20));
  ASSERT_TRUE(service_->acknowledge("1", "", kAda));
  scheduler_.run_for(minutes(29));
  EXPECT_EQ(outside_.told(), Lines{});
  EXPECT_EQ(service_->get("1")->record.incident.status, IncidentStatus::kAcknowledged);
  scheduler_.run_for(minutes(1));
  EXPECT_EQ(outside_.told().size(), 1u);
  EXPECT_EQ(service_->get("1")->record.incident.status, IncidentStatus::kOpen);
  const auto entries = timeline();
  EXPECT_TRUE(std::any_of(entries.begin(), entries.end(), [](const std::string& line) {
    return line.find("open again: the acknowledgement has expired") != std::string::npos;
  }));
}

TEST_F(PagerTest, news_and_mentions_go_by_the_contacts_of_on_call_in_lanes_of_their_own) {
  ASSERT_TRUE(fire());
  Casework casework(*service_);
  (void)outside_.told();
  ASSERT_TRUE(casework.subscribe("1", "Ada Lovelace", "", {"bob", "page"}));
  ASSERT_TRUE(casework.subscribe("1", "bob", "sms", {"bob", "page"}));
  EXPECT_FALSE(casework.subscribe("1", "ada", "fax", {"bob", "page"}));
  ASSERT_TRUE(service_->acknowledge("1", "on it", {"Bob Fry", "page"}));
  scheduler_.run_ready();
  ASSERT_EQ(outside_.sent.size(), 1u) << "who did it is not told of it";
  EXPECT_EQ(outside_.sent[0].integration, "message:push/ntfy/0");
  EXPECT_EQ(outside_.sent[0].summary, "INC-1 acknowledged: it broke");
  EXPECT_EQ(outside_.sent[0].acknowledge_url, "");
  (void)outside_.told();
  ASSERT_TRUE(service_->add_note("1", "@bob look", kAda));
  scheduler_.run_ready();
  EXPECT_EQ(outside_.told(), (std::vector<std::string>{"message:sms/twilio_sms/0 +3"}));
}

TEST_F(PagerTest, a_missed_acknowledgement_tells_the_next_level_at_once) {
  Options options;
  options.deadlines.by_severity = {{model::Severity::kSev1, {minutes(2), std::nullopt, std::nullopt}}};
  service_->set_options(options);
  ASSERT_TRUE(fire());
  (void)outside_.told();
  scheduler_.run_for(minutes(2));
  const auto told = outside_.told();
  EXPECT_NE(std::find(told.begin(), told.end(), "page:sms/twilio_sms/0 +3"), told.end()) << join(told, ", ");
}

TEST_F(PagerTest, a_change_that_is_rolled_back_tells_nobody) {
  const Status refused = database_->write([&](state::Tx& tx) -> Status {
    AlertChange c;
    c.at = scheduler_.now();
    c.alert.labels = model::Labels{{"alertname", "A"}, {"severity", "SEV1"}};
    SENTINEL_TRY(service_->on_alerts(tx, {c}));
    return fail(ErrorCode::kInternal, "no");
  });
  EXPECT_FALSE(refused);
  scheduler_.run_for(minutes(10));
  EXPECT_EQ(outside_.told(), Lines{});
}

// Death at every write from the alert to the acknowledgement: no level is missed, what is sent twice has the same key.
TEST_F(PagerTest, death_at_any_write_misses_nobody_and_repeats_only_with_the_same_key) {
  const auto everybody = [](const std::vector<Sent>& sent) {
    std::map<std::string, std::set<std::string>> keys;  // by address
    for (const Sent& s : sent) keys[s.address].insert(s.key);
    return keys;
  };
  std::vector<Sent> all;
  bool reached_the_end = false;
  for (int64_t at = 1; !reached_the_end; ++at) {
    ASSERT_LT(at, 60);
    for (const bool after : {false, true}) {
      close();
      std::filesystem::remove_all(dir_);
      std::filesystem::create_directories(dir_);
      crash_ = {};
      open();
      outside_.sent.clear();
      crash_ = {.at = at, .after = after};
      (void)fire();
      reached_the_end = true;
      for (int i = 0; i < 24; ++i) {  // ten minutes to the last resort, and two to spare
        if (crash_.dead) {
          reached_the_end = false;
          restart();
          if (service_->list({})->empty()) ASSERT_TRUE(fire());  // its sender says it again
        }
        scheduler_.run_for(seconds(30));
      }
      const auto told = everybody(outside_.sent);
      ASSERT_EQ(told.size(), 3u) << "death at write " << at << (after ? " after" : " before");
      for (const auto& [address, keys] : told) {
        // The second level's number is the last resort's too.
        EXPECT_EQ(keys.size(), address == "+3" ? 2u : 1u) << address << " at write " << at;
      }
    }
  }
}

}  // namespace
}  // namespace sentinel::incident
