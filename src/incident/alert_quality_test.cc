#include "incident/alert_quality.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "incident/test_desk.h"

namespace sentinel::incident {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

// Monday, 5 January 2026, 00:00 UTC.
const TimePoint kMonday = time_from_us(1'767'571'200'000'000);

TEST(AlertQuality, HoursAreBySomebodysClock) {
  const oncall::Zone utc;
  const oncall::Zone berlin = oncall::Zone::load("Europe/Berlin").value();
  EXPECT_EQ(hour_class(kMonday + hours(8), utc), HourClass::kBusiness);
  EXPECT_EQ(hour_class(kMonday + hours(7), utc), HourClass::kSleep);
  EXPECT_EQ(hour_class(kMonday + hours(7), berlin), HourClass::kBusiness);
  EXPECT_EQ(hour_class(kMonday + hours(18), utc), HourClass::kOffHours);
  EXPECT_EQ(hour_class(kMonday + hours(22), utc), HourClass::kSleep);
  EXPECT_EQ(hour_class(kMonday + hours(5 * 24 + 12), utc), HourClass::kOffHours) << "Saturday";
}

// A week worked out by hand. Ada is on call throughout (14 shifts of 12 hours, 7 nights).
//   noise  Monday 03:00 and 03:20, each over after 2 minutes by itself, nobody did anything
//   real   Tuesday 10:00, acknowledged, resolved by her after an hour
//   late   Wednesday 20:00, over by itself after an hour, acknowledged by Bob, told to the next level
//   rated  Thursday 10:00, over by itself, rated useful
class Week : public testing::Test {
 protected:
  Week() {
    in_.window = {kMonday, kMonday + hours(7 * 24)};
    in_.on_call["ada"] = {in_.window};
    add("n1", "noise", hours(3), minutes(2), true);
    add("n2", "noise", hours(3) + minutes(20), minutes(2), true);
    PagedIncident& real = add("r", "real", hours(34), hours(1), false);
    real.acknowledged = real.touched = true;
    PagedIncident& late = add("l", "late", hours(68), hours(1), true);
    late.acknowledged = late.escalated = true;
    add("u", "rated", hours(82), minutes(10), true).useful = true;
    for (const auto& [id, i] : in_.incidents) page(id, "ada", i.created);
    page("l", "bob", kMonday + hours(68) + minutes(10));
    std::sort(in_.pages.begin(), in_.pages.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  }
  PagedIncident& add(const char* id, const char* rule, Micros at, Micros lasts, bool by_itself) {
    PagedIncident i;
    i.rule = rule;
    i.created = kMonday + at;
    i.resolved = i.created + lasts;
    i.resolved_by_itself = by_itself;
    return in_.incidents[id] = i;
  }
  void page(const std::string& incident, const char* user, TimePoint at) { in_.pages.push_back({incident, user, at}); }
  static const PageQuality& of(const std::vector<std::pair<std::string, PageQuality>>& all, std::string_view name) {
    return std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.first == name; })->second;
  }
  QualityInput in_;
};

TEST_F(Week, APersonsFigures) {
  const AlertQuality q = measure_quality(in_);
  EXPECT_EQ(q.incidents, 5U);
  const PageQuality& ada = of(q.people, "ada");
  EXPECT_EQ(ada.pages, 5U);
  EXPECT_EQ(ada.sleep, 2U);
  EXPECT_EQ(ada.business, 2U);
  EXPECT_EQ(ada.off_hours, 1U);
  EXPECT_EQ(ada.transient, 2U);
  EXPECT_EQ(ada.flapping, 1U) << "the second came 18 minutes after the end of the first";
  EXPECT_EQ(ada.noisy, 2U) << "either, once";
  EXPECT_EQ(ada.unattended, 4U) << "two never acknowledged, one escalated, the rated one not acknowledged either";
  EXPECT_DOUBLE_EQ(ada.actionable, 0.6) << "real, late and the rated one";
  EXPECT_NEAR(ada.actionable_low, 0.2307, 1e-4);
  // Pages by shift: 2,0, 0,1, 0... : 2 | 1 | 1 | 1 of 14, ninetieth percentile at rank 11.7 of the sorted list = 1.
  EXPECT_DOUBLE_EQ(ada.load, 1);
  EXPECT_NEAR(ada.sleep_per_week, 2, 1e-9);
  ASSERT_TRUE(ada.fatigue);
  // 100 (0.30 * 0 + 0.25 * 0.4 + 0.20 * 0.4 + 0.15 * 0.4 + 0.10 * 0.8)
  EXPECT_NEAR(*ada.fatigue, 32, 1e-9);
  EXPECT_EQ(ada.band(), "watch");
  const PageQuality& bob = of(q.people, "bob");
  EXPECT_EQ(bob.pages, 1U);
  EXPECT_FALSE(bob.fatigue) << "not enough to say";
  EXPECT_EQ(bob.band(), "");
}

TEST_F(Week, ByDayAndByTeamAndWithOtherWeights) {
  in_.step = hours(24);
  in_.teams = {{"sre", {"ada", "eve"}}, {"both", {"ada", "bob"}}, {"nobody", {"eve"}}};
  in_.weights = {0, 50, 0, 50, 0};
  const AlertQuality q = measure_quality(in_);
  ASSERT_EQ(q.periods.size(), 7U);
  EXPECT_EQ(q.periods[0].start, kMonday);
  EXPECT_EQ(q.periods[0].sleep, 2U);
  EXPECT_EQ(q.periods[0].useless, 2U);
  EXPECT_EQ(q.periods[1].business, 1U);
  EXPECT_EQ(q.periods[2].off_hours, 2U) << "Ada and Bob";
  EXPECT_EQ(q.periods[3].business, 1U);
  EXPECT_EQ(q.periods[3].useless, 0U);
  ASSERT_EQ(q.teams.size(), 2U) << "one whose members were not paged is not there";
  EXPECT_EQ(of(q.teams, "sre").pages, 5U);
  EXPECT_EQ(of(q.teams, "both").pages, 6U);
  EXPECT_NEAR(*of(q.people, "ada").fatigue, 50 * 0.4 + 50 * 0.4, 1e-9);
}

TEST_F(Week, TheDearestRuleIsFirst) {
  const AlertQuality q = measure_quality(in_);
  EXPECT_EQ(q.rules.front().first, "noise");
  EXPECT_DOUBLE_EQ(of(q.rules, "noise").cost, 6) << "two pages at night, neither of use";
  EXPECT_DOUBLE_EQ(of(q.rules, "real").cost, 0);
  EXPECT_DOUBLE_EQ(q.top_three, 5.0 / 6) << "noise, late, and one of the others";
  in_.incidents["r"].useful = false;
  EXPECT_DOUBLE_EQ(of(measure_quality(in_).rules, "real").cost, 1) << "what people say counts";
}

TEST_F(Week, WhatComesWithinAMinuteIsOneInterruption) {
  page("r", "ada", kMonday + hours(34) + seconds(30));
  page("r", "ada", kMonday + hours(34) + seconds(80));
  page("r", "ada", kMonday + hours(34) + minutes(20));
  std::sort(in_.pages.begin(), in_.pages.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
  EXPECT_EQ(of(measure_quality(in_).people, "ada").pages, 6U);
  page("of another window", "ada", kMonday);
  EXPECT_EQ(measure_quality(in_).all.pages, 7U);
}

TEST(AlertQuality, NothingIsNothing) {
  const AlertQuality q = measure_quality({});
  EXPECT_EQ(q.all.pages, 0U);
  EXPECT_EQ(q.all.actionable, 0);
  EXPECT_FALSE(q.all.fatigue);
  EXPECT_EQ(q.top_three, 0);
}

// From the rows that an incident leaves.
class QualityRows : public DeskTest {
 protected:
  QualityInput read(const std::vector<std::string>& quiet = {}) {
    QualityInput out;
    out.window = {scheduler_.now() - hours(24 * 28), scheduler_.now() + hours(1)};
    EXPECT_TRUE(database_->read([&](state::Tx& tx) { return load_quality(tx, quiet, out); }));
    return out;
  }
  void paged(const std::string& id, const char* event, const char* user, const char* channel, const char* level) {
    ASSERT_TRUE(database_->write([&](state::Tx& tx) {
      return service_->add_timeline(tx, id, "page", "x",
                                    fmt::format(R"({{"event":"{}","level":"{}","user":"{}","name":"","detail":"{}"}})",
                                                event, level, user, channel),
                                    {});
    }));
  }
};

TEST_F(QualityRows, SayWhatBecameOfEachPage) {
  ASSERT_TRUE(fire({{"alertname", "Slow"}, {"severity", "SEV2"}}));
  const std::string id = service_->list({})->front().incident.id;
  paged(id, "paged", "ada", "push", "L1");
  paged(id, "delivered", "ada", "push", "L1");
  paged(id, "paged", "bob", "email", "L2");
  paged(id, "delivered", "bob", "email", "L2");
  QualityInput in = read({"email"});
  ASSERT_EQ(in.incidents.size(), 1U);
  EXPECT_EQ(in.pages.size(), 1U) << "mail wakes nobody";
  EXPECT_EQ(in.pages.front().user, "ada");
  PagedIncident i = in.incidents.at(id);
  EXPECT_EQ(i.rule, "Slow");
  EXPECT_TRUE(i.escalated);
  EXPECT_FALSE(i.acknowledged || i.touched || i.resolved || i.useful);
  ASSERT_TRUE(service_->add_note(id, "looking", {"ada", "page"}));
  ASSERT_TRUE(service_->resolve(id, {}, {"ada", "page"}));
  ASSERT_TRUE(casework_->rate(id, false, "noise", {"ada", "page"}));
  i = read().incidents.at(id);
  EXPECT_TRUE(i.touched && i.resolved);
  EXPECT_FALSE(i.resolved_by_itself);
  EXPECT_EQ(i.useful, false);
  EXPECT_EQ(casework_->get(id)->useful, false);
  EXPECT_THAT(timeline(id, "rating"), testing::ElementsAre("rating: rated not useful by ada: noise"));
}

}  // namespace
}  // namespace sentinel::incident
