#include "oncall/changes.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "oncall/test_world.h"

namespace sentinel::oncall {
namespace {

constexpr const char* kConfig = R"(
users: [{id: ada, contacts: {sms: a}}, {id: bob, contacts: {sms: b}}]
schedules: [{id: s, time_zone: UTC, layers: [{start: '2026-01-01', every: week, participants: [ada]}]}]
policies: [{id: p, levels: [{notify: [{schedule: s}]}]}]
)";

TimePoint at(const char* text) { return parse_time(text).value(); }
const Span kDay{at("2026-03-02T00:00:00Z"), at("2026-03-03T00:00:00Z")};
const Span kNext{at("2026-03-03T00:00:00Z"), at("2026-03-04T00:00:00Z")};

ScheduleChange replaced(std::string id = "1") {
  return {id, "s", "eve", at("2026-02-01T00:00:00Z"), Override{id, Override::Kind::kReplace, kDay, "ada", "bob"}, {}};
}
ScheduleChange swapped(std::string id = "2") {
  return {id, "s", "eve", at("2026-02-01T00:00:00Z"), {}, Swap{id, "ada", kNext, "bob", kDay}};
}

TEST(Changes, are_kept_changed_and_removed) {
  World world(kConfig, at("2026-02-01T00:00:00Z"));
  ScheduleChange asked = swapped();
  asked.swap->taken_by.clear();
  asked.swap->in_return.reset();
  ASSERT_TRUE(world.database->write([&](state::Tx& tx) -> Status {
    SENTINEL_TRY(ChangeStore::put(tx, replaced()));
    SENTINEL_TRY(ChangeStore::put(tx, asked));
    return ChangeStore::put(tx, swapped());  // somebody has taken it
  }));
  world.restart();
  ASSERT_TRUE(world.database->write([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const std::vector<ScheduleChange> all, ChangeStore::list(tx));
    EXPECT_EQ(all.size(), 2u);
    EXPECT_EQ(all.at(0).over, replaced().over);
    EXPECT_EQ(all.at(1).swap, swapped().swap);
    EXPECT_EQ(all.at(1).by, "eve");
    EXPECT_FALSE(ChangeStore::remove(tx, "3").value());
    EXPECT_TRUE(ChangeStore::remove(tx, "1").value());
    SENTINEL_TRY(ChangeStore::prune(tx, kNext.end));
    EXPECT_EQ(ChangeStore::list(tx)->size(), 1u) << "it ends just then";
    SENTINEL_TRY(ChangeStore::prune(tx, kNext.end + Micros(1)));
    EXPECT_EQ(ChangeStore::list(tx)->size(), 0u);
    return {};
  }));
}

TEST(Changes, apply_after_those_of_the_configuration_and_go_with_their_people) {
  const Config config = *World::read(kConfig);
  const Config changed = with_changes(config, {replaced(), swapped()});
  EXPECT_EQ(who_is_on_call(changed.schedules.at("s"), kDay.start), std::vector<std::string>{"bob"});
  EXPECT_EQ(who_is_on_call(changed.schedules.at("s"), kNext.start), std::vector<std::string>{"bob"});
  Config without = config;
  remove_user(without, "bob", kDay.start);
  EXPECT_EQ(who_is_on_call(with_changes(without, {replaced(), swapped()}).schedules.at("s"), kDay.start),
            std::vector<std::string>{"ada"});
}

TEST(Changes, that_make_no_sense_are_refused) {
  const Config config = with_changes(*World::read(kConfig), {swapped("0")});
  const TimePoint now = at("2026-02-01T00:00:00Z");
  EXPECT_TRUE(check_change(config, replaced(), now));
  EXPECT_TRUE(check_change(config, swapped("0"), now)) << "itself is no conflict";
  const auto refused = [&](ScheduleChange c, const std::function<void(ScheduleChange&)>& spoil, ErrorCode code) {
    spoil(c);
    const Status s = check_change(config, c, now);
    ASSERT_FALSE(s);
    EXPECT_EQ(s.error().code(), code) << s.error().message();
  };
  refused(replaced(), [](auto& c) { c.schedule = "t"; }, ErrorCode::kNotFound);
  refused(replaced(), [](auto& c) { c.over->user = "x"; }, ErrorCode::kNotFound);
  refused(replaced(), [](auto& c) { c.over->with = ""; }, ErrorCode::kInvalidArgument);
  refused(replaced(), [](auto& c) { c.over->kind = Override::Kind::kAdd; }, ErrorCode::kInvalidArgument);
  refused(replaced(), [](auto& c) { c.over->span.end = c.over->span.start; }, ErrorCode::kInvalidArgument);
  refused(replaced(), [](auto& c) { c.over->span.start = at("2020-01-01T00:00:00Z"); }, ErrorCode::kInvalidArgument);
  refused(
      replaced(), [](auto& c) { c.over->span = {at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z")}; },
      ErrorCode::kInvalidArgument);
  refused(swapped(), [](auto&) {}, ErrorCode::kConflict);
  refused(swapped(), [](auto& c) { c.swap->taken_by = "ada"; }, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace sentinel::oncall
