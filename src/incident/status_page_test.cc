#include "incident/status_page.h"

#include "incident/status_mail.h"
#include "incident/test_desk.h"

namespace sentinel::incident {
namespace {

using model::IncidentStatus;
using model::Severity;
using std::chrono::hours;

const Actor kAda{"ada", "page"};

class StatusPageTest : public DeskTest {
 protected:
  StatusPageTest() {
    scheduler_.run_for(hours(24 * 100));  // a store that is older than what is shown
    page_.components = {{"checkout", "Checkout", "", model::Labels{{"service", "shop"}}},
                        {"search", "Search", "", model::Labels{{"service", "search"}}}};
  }
  std::string open(std::string service, Severity severity, bool test_mode = false) {
    (void)test_mode;
    const auto made =
        service_->create({"private title", severity, model::Labels{{"service", std::move(service)}, {"key", "secret"}},
                          "", "private note"},
                         kAda);
    return made->incident.id;
  }
  StatusView view() { return status_view(*database_, page_, windows_, scheduler_.now()).value(); }
  std::string states() {
    std::string out;
    const StatusView v = view();
    for (const PublicComponent& c : v.components) out += std::string(component_state_name(c.state)) + " ";
    return out;
  }
  StatusPageOptions page_;
  std::vector<oncall::MaintenanceWindow> windows_;
};

TEST_F(StatusPageTest, components_follow_the_worst_of_their_open_incidents) {
  EXPECT_EQ(states(), "operational operational ");
  const std::string slow = open("shop", Severity::kSev3);
  EXPECT_EQ(states(), "degraded operational ");
  const std::string down = open("shop", Severity::kSev1);
  EXPECT_EQ(states(), "major_outage operational ");
  EXPECT_EQ(view().worst, ComponentState::kMajorOutage);
  ASSERT_TRUE(service_->set_status(down, IncidentStatus::kMonitoring, "", kAda));
  EXPECT_EQ(states(), "degraded operational ") << "it is over, and watched";
  ASSERT_TRUE(service_->resolve(down, {}, kAda));
  ASSERT_TRUE(service_->resolve(slow, {}, kAda));
  open("search", Severity::kSev4);
  EXPECT_EQ(states(), "operational operational ") << "less severe than what the page tells of";
  open("elsewhere", Severity::kSev1);
  EXPECT_EQ(states(), "operational operational ");
}

TEST_F(StatusPageTest, without_automatic_only_what_somebody_told_of_counts) {
  page_.automatic = false;
  const std::string id = open("shop", Severity::kSev2);
  ASSERT_TRUE(casework_->add_update(id, {"private", false, "", {}}, kAda));
  EXPECT_EQ(states(), "operational operational ");
  ASSERT_TRUE(casework_->add_update(id, {"We know.", true, "", {}}, kAda));
  EXPECT_EQ(states(), "partial_outage operational ");
}

TEST_F(StatusPageTest, only_public_updates_are_told_and_nothing_else) {
  const std::string id = open("shop", Severity::kSev1);
  EXPECT_TRUE(view().open.empty());
  ASSERT_TRUE(casework_->add_update(id, {"private one", false, "", {}}, kAda));
  EXPECT_TRUE(view().open.empty());
  ASSERT_TRUE(service_->acknowledge(id, "private", kAda));
  ASSERT_TRUE(casework_->add_update(id, {"We know.", true, "", {}}, kAda));
  ASSERT_EQ(view().open.size(), 1u);
  EXPECT_EQ(view().open[0].title, "Incident");
  EXPECT_EQ(view().open[0].status, "investigating") << "who has acknowledged is nobody's business";
  ASSERT_TRUE(casework_->add_update(id, {"Half is back.", true, "Checkout fails", IncidentStatus::kMonitoring}, kAda));
  const StatusView v = view();
  EXPECT_EQ(v.open[0].title, "Checkout fails");
  EXPECT_EQ(v.open[0].components, (std::vector<std::string>{"Checkout"}));
  ASSERT_EQ(v.open[0].updates.size(), 2u);
  EXPECT_EQ(v.open[0].updates[0].text, "Half is back.");
  EXPECT_EQ(v.open[0].updates[0].status, "monitoring");
  EXPECT_EQ(v.open[0].id.size(), 16u);
  ASSERT_TRUE(service_->resolve(id, {"private cause", "private end"}, kAda));
  EXPECT_TRUE(view().open.empty());
  EXPECT_EQ(view().past[0].status, "resolved");
  scheduler_.run_for(hours(24 * 91));
  EXPECT_TRUE(view().past.empty());
}

TEST_F(StatusPageTest, history_has_the_worst_of_each_day_and_what_outages_took_once) {
  const std::string first = open("shop", Severity::kSev1);
  const std::string second = open("shop", Severity::kSev2);  // at the same time: counted once
  scheduler_.run_for(hours(36));
  ASSERT_TRUE(service_->resolve(first, {}, kAda));
  ASSERT_TRUE(service_->resolve(second, {}, kAda));
  const std::string slow = open("shop", Severity::kSev3);
  scheduler_.run_for(hours(1));
  ASSERT_TRUE(service_->resolve(slow, {}, kAda));
  scheduler_.run_for(hours(24 * 5));
  const PublicComponent c = view().components[0];
  std::string days;
  for (size_t i = kStatusDays - 9; i < kStatusDays; ++i) days += std::to_string(static_cast<int>(c.days[i]));
  EXPECT_EQ(days, "004400000");
  EXPECT_EQ(c.state, ComponentState::kOperational);
  const double window = std::chrono::duration<double>(scheduler_.now() - (view().today - hours(24 * 89))).count();
  EXPECT_NEAR(c.uptime, 1 - 36 * 3600 / window, 1e-9);
  EXPECT_EQ(view().components[1].uptime, 1);
}

TEST_F(StatusPageTest, maintenance_is_announced_for_its_components_with_what_the_public_may_know) {
  const TimePoint start = scheduler_.now() + hours(24 * 20);
  oncall::MaintenanceWindow w{.id = "upgrade", .span = {start, start + hours(2)}, .policies = {}};
  w.reason = "private reason";
  windows_ = {w};
  EXPECT_TRUE(view().maintenance.empty()) << "it names no component";
  windows_[0].components = {"gone"};
  EXPECT_TRUE(view().maintenance.empty()) << "nor one that there is";
  windows_[0].components = {"gone", "checkout"};
  EXPECT_TRUE(view().maintenance.empty()) << "it is far ahead";
  scheduler_.run_for(hours(24 * 6));
  ASSERT_EQ(view().maintenance.size(), 1u);
  const PublicMaintenance m = view().maintenance[0];
  EXPECT_EQ(m.components, std::vector<std::string>{"Checkout"});
  EXPECT_EQ(m.text, "");
  EXPECT_FALSE(m.in_force);
  EXPECT_EQ(m.from, start);
  EXPECT_LE(m.announced_at, scheduler_.now());
  EXPECT_EQ(states(), "operational operational ");
  windows_[0].public_reason = "New machines.";
  scheduler_.run_for(start - scheduler_.now());
  EXPECT_EQ(states(), "under_maintenance operational ");
  EXPECT_EQ(view().worst, ComponentState::kMaintenance);
  EXPECT_TRUE(view().maintenance[0].in_force);
  EXPECT_EQ(view().maintenance[0].text, "New machines.");
  EXPECT_EQ(view().maintenance[0].id, m.id);
  const std::string down = open("shop", Severity::kSev2);
  EXPECT_EQ(states(), "partial_outage operational ") << "worse than meant";
  ASSERT_TRUE(service_->resolve(down, {}, kAda));
  scheduler_.run_for(hours(2));
  EXPECT_TRUE(view().maintenance.empty());
  EXPECT_EQ(states(), "operational operational ");
  EXPECT_EQ(view().components[0].days.back(), ComponentState::kPartialOutage) << "and no day is one of maintenance";
}

TEST_F(StatusPageTest, of_a_window_that_repeats_the_next_time_is_announced_as_one_of_its_own) {
  const TimePoint start = scheduler_.now() + hours(1);
  oncall::MaintenanceWindow w{.id = "weekly", .span = {start, start + hours(1)}, .policies = {}};
  w.components = {"search"};
  w.repeat = oncall::RotationUnit::kWeek;
  w.made_at = scheduler_.now();
  windows_ = {w};
  const PublicMaintenance first = view().maintenance.at(0);
  EXPECT_EQ(first.from, start);
  EXPECT_EQ(first.announced_at, scheduler_.now()) << "not before it was made";
  scheduler_.run_for(hours(3));
  const PublicMaintenance second = view().maintenance.at(0);
  EXPECT_EQ(second.from, start + hours(24 * 7));
  EXPECT_NE(second.id, first.id);
}

TEST(MailAddresses, are_one_plain_address) {
  const std::vector<std::pair<std::string, bool>> cases{
      {"ada@example.org", true},
      {"a.b+c@mail.example.co", true},
      {"ada", false},
      {"@example.org", false},
      {"ada@", false},
      {"a@b@c", false},
      {"a b@example.org", false},
      {"a\r\nBcc: x@y.z", false},
      {"a@example.org,b@example.org", false},
      {"\"a\"@example.org", false},
      {"a..b@example.org", false},
      {".a@example.org", false},
      {"a@-example.org", false},
      {"-a@example.org", false},
      {"a@example.org.", false},
      {"<a@example.org>", false},
      {std::string(250, 'a') + "@b.org", false},
  };
  for (const auto& [address, good] : cases) EXPECT_EQ(is_mail_address(address), good) << address;
}

}  // namespace
}  // namespace sentinel::incident
