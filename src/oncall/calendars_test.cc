#include "oncall/calendars.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "oncall/test_world.h"
#include "state/kv.h"

namespace sentinel::oncall {
namespace {

constexpr const char* kConfig = R"(
users: [{id: ada, contacts: {sms: a}}, {id: bob, name: Bob Fry, contacts: {sms: b}}]
schedules:
- id: s
  calendars: [{id: rota, url: 'https://example.org/rota.ics', every: 5m}]
  layers: [{start: '2026-01-01', every: week, participants: [ada]}]
)";

std::string calendar(const std::string& summary) {
  return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260302T000000Z\r\nDTEND:"
         "20260303T000000Z\r\n"
         "SUMMARY:" +
         summary + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
}

TimePoint at(const char* text) { return parse_time(text).value(); }

std::vector<std::string> who(const Config& config, const char* when) {
  return who_is_on_call(config.schedules.at("s"), at(when));
}

TEST(Calendars, what_a_calendar_says_is_the_schedule_as_far_as_it_is_looked_at) {
  const Config config = *World::read(kConfig);
  const TimePoint now = at("2026-03-01T12:00:00Z");
  const Config followed = with_calendars(config, {{"s/rota", calendar("Bob Fry")}}, now);
  EXPECT_EQ(who(followed, "2026-03-02T12:00:00Z"), std::vector<std::string>{"bob"});
  EXPECT_TRUE(who(followed, "2026-03-04T12:00:00Z").empty()) << "the calendar names nobody then";
  EXPECT_EQ(who(followed, "2026-06-01T12:00:00Z"), std::vector<std::string>{"ada"}) << "beyond what is taken over";
  // What cannot be used changes nothing.
  for (const std::string& text : {calendar("A Stranger"), std::string("no calendar"), std::string()}) {
    EXPECT_EQ(who(with_calendars(config, {{"s/rota", text}}, now), "2026-03-02T12:00:00Z"),
              std::vector<std::string>{"ada"});
  }
  EXPECT_EQ(who(with_calendars(config, {}, now), "2026-03-02T12:00:00Z"), std::vector<std::string>{"ada"});
}

TEST(Calendars, are_kept) {
  World world(kConfig, at("2026-03-01T12:00:00Z"));
  ASSERT_TRUE(state::KeyValue::migrate(*world.database));
  ASSERT_TRUE(world.database->write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(store_calendar(tx, "s/rota", "old", world.scheduler.now()));
    return store_calendar(tx, "s/rota", "new", world.scheduler.now());
  }));
  world.restart();
  ASSERT_TRUE(world.database->read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const CalendarTexts texts, stored_calendars(tx));
    EXPECT_EQ(texts, (CalendarTexts{{"s/rota", "new"}}));
    return {};
  }));
}

TEST(Calendars, wrong_subscriptions_are_refused_with_their_place) {
  const auto error_of = [](const std::string& fields) {
    const auto config = parse_config("schedules: [{id: s, calendars: [" + fields + "]}]", "oncall.yml");
    return config ? "accepted" : config.error().to_string();
  };
  EXPECT_EQ(error_of("{id: a, url: 'https://x/y.ics'}"), "accepted");
  EXPECT_EQ(error_of("{id: a}"), "oncall.yml:1:33: calendar needs a field \"url\"");
  EXPECT_NE(error_of("{id: a, url: 'ftp://x'}").find("oncall.yml:1:46: "), std::string::npos);
  EXPECT_EQ(error_of("{id: a, url: 'https://x', every: 10ms}"), "oncall.yml:1:66: expected at least 1s");
}

}  // namespace
}  // namespace sentinel::oncall
