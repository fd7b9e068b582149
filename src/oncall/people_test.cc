#include "oncall/people.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/metrics.h"
#include "oncall/test_schedules.h"
#include "state/kv.h"

namespace sentinel::oncall {
namespace {

constexpr const char* kConfig = R"(
channels: {push: {kind: ntfy}, probe: {kind: webhook, test: true}}
users:
- {id: ada, name: Ada, contacts: {push: old}}
policies: [{id: p, levels: [{notify: [{user: ada}]}]}, {id: q, levels: [{notify: [{user: ada}]}]}]
)";

Config config(std::string_view text = kConfig) {
  auto made = parse_config(text, "oncall.yml");
  EXPECT_TRUE(made) << made.error().to_string();
  return made.value_or(Config());
}

UserChange change(std::string id, std::string address, bool created = false) {
  UserChange c;
  c.user = {
      .id = id, .name = "Name", .contacts = {{"push", std::move(address)}}, .default_rules = {{Micros(0), "push"}}};
  c.created = created;
  c.by = "eve";
  c.at = at("2026-03-02T00:00:00Z");
  return c;
}

MaintenanceWindow window(std::string_view from, std::string_view to) {
  MaintenanceWindow w;
  w.id = "w";
  w.span = {at(from), at(to)};
  return w;
}

TEST(People, what_was_changed_here_wins_over_the_file_and_a_reload) {
  People people;
  people.users.emplace("ada", change("ada", "new"));
  EXPECT_EQ(with_people(config(), people).users.at("ada").contacts.at("push"), "new");
  // The file says something new about her: still what was changed here.
  const std::string file = "channels: {push: {kind: ntfy}}\nusers: [{id: ada, contacts: {push: newest}}]";
  EXPECT_EQ(with_people(config(file), people).users.at("ada").contacts.at("push"), "new");
  EXPECT_EQ(with_people(config(file), {}).users.at("ada").contacts.at("push"), "newest");
}

TEST(People, who_leaves_the_file_is_gone_but_who_was_made_here_stays) {
  People people;
  people.users.emplace("bob", change("bob", "b"));
  people.users.emplace("eve", change("eve", "e", true));
  const Config made = with_people(config(), people);
  EXPECT_FALSE(made.users.contains("bob"));
  EXPECT_TRUE(made.users.contains("eve"));
}

TeamChange team(std::string id, std::vector<std::string> members, bool created = false) {
  return {{.id = id, .name = "Team", .members = std::move(members)}, created, "eve", at("2026-03-02T00:00:00Z")};
}

TEST(People, a_team_that_was_changed_here_wins_and_has_no_member_who_is_gone) {
  const std::string file = std::string(kConfig) + "teams: [{id: sre, members: [ada]}]\n";
  People people;
  people.users.emplace("eve", change("eve", "e", true));
  people.teams.emplace("sre", team("sre", {"eve", "ada"}));
  people.teams.emplace("own", team("own", {"eve"}, true));
  people.teams.emplace("left", team("left", {"ada"}));
  const Config made = with_people(config(file), people);
  EXPECT_EQ(made.teams.at("sre").members, (std::vector<std::string>{"eve", "ada"}));
  EXPECT_EQ(made.teams.at("own").members, std::vector<std::string>{"eve"});
  EXPECT_FALSE(made.teams.contains("left")) << "it has left the file";
  people.users.clear();
  EXPECT_EQ(with_people(config(file), people).teams.at("sre").members, std::vector<std::string>{"ada"});
  EXPECT_TRUE(with_people(config(file), people).teams.at("own").members.empty());
  people.teams.clear();
  EXPECT_EQ(with_people(config(file), people).teams.at("sre").members, std::vector<std::string>{"ada"});
}

TEST(People, a_window_for_policies_that_are_gone_is_not_for_all) {
  People people;
  WindowChange c{window("2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z"), "eve", {}};
  c.window.policies = {"gone"};
  people.windows.emplace("w", c);
  EXPECT_FALSE(with_people(config(), people).maintenance_until("p", at("2026-03-02T12:00:00Z")));
  people.windows.at("w").window.policies = {"gone", "p"};
  EXPECT_TRUE(with_people(config(), people).maintenance_until("p", at("2026-03-02T12:00:00Z")));
  EXPECT_FALSE(with_people(config(), people).maintenance_until("q", at("2026-03-02T12:00:00Z")));
}

// Over the change of the clocks in Berlin, 29 March 2026, the clock time stays.
TEST(People, a_window_comes_again_at_the_same_clock_time_and_ends_exactly) {
  MaintenanceWindow w = window("2026-03-22T02:00:00Z", "2026-03-22T03:00:00Z");  // Sunday 03:00 in Berlin
  w.zone = Zone::load("Europe/Berlin").value();
  w.repeat = RotationUnit::kWeek;
  const std::pair<const char*, const char*> cases[] = {
      {"2026-03-22T01:59:59Z", ""},
      {"2026-03-22T02:00:00Z", "2026-03-22T03:00:00.000Z"},
      {"2026-03-22T03:00:00Z", ""},
      {"2026-03-29T00:59:59Z", ""},
      {"2026-03-29T01:00:00Z", "2026-03-29T02:00:00.000Z"},
      {"2026-03-29T02:00:00Z", ""},
      {"2026-04-05T01:30:00Z", "2026-04-05T02:00:00.000Z"},
      {"2026-04-04T01:30:00Z", ""},
  };
  for (const auto& [when, ends] : cases) {
    const auto lasts = w.occurrence(at(when));
    EXPECT_EQ(lasts ? format_rfc3339(lasts->end) : "", ends) << when;
  }
  const std::pair<const char*, const char*> next[] = {
      {"2026-03-01T00:00:00Z", "2026-03-22T02:00:00.000Z"}, {"2026-03-22T02:59:59Z", "2026-03-22T02:00:00.000Z"},
      {"2026-03-22T03:00:00Z", "2026-03-29T01:00:00.000Z"}, {"2026-03-29T02:00:00Z", "2026-04-05T01:00:00.000Z"},
      {"2026-10-20T00:00:00Z", "2026-10-25T02:00:00.000Z"},
  };
  for (const auto& [when, starts] : next) {
    const auto comes = w.next(at(when));
    EXPECT_EQ(comes ? format_rfc3339(comes->start) : "", starts) << when;
  }
  w.until = at("2026-04-01T00:00:00Z");
  EXPECT_FALSE(w.next(at("2026-03-29T02:00:00Z")));
  EXPECT_TRUE(w.occurrence(at("2026-03-29T01:30:00Z")));
  EXPECT_FALSE(w.occurrence(at("2026-04-05T01:30:00Z")));
  w.repeat = RotationUnit::kDay;
  EXPECT_TRUE(w.occurrence(at("2026-03-25T02:30:00Z")));
}

TEST(People, is_kept) {
  std::string dir = ::testing::TempDir() + "sentinel-people-XXXXXX";
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  MetricRegistry metrics;
  WindowChange w{window("2026-03-22T02:00:00Z", "2026-03-22T03:00:00Z"), "eve", at("2026-03-01T00:00:00Z")};
  w.window.repeat = RotationUnit::kDay;
  w.window.zone = Zone::load("Europe/Berlin").value();
  w.window.until = at("2026-05-01T00:00:00Z");
  w.window.policies = {"p"};
  w.window.reason = "an \"upgrade\"";
  w.window.components = {"checkout"};
  w.window.public_reason = "new machines";
  for (const bool reopened : {false, true}) {
    auto database = state::open_sqlite(dir + "/state.db", metrics);
    ASSERT_TRUE(database);
    ASSERT_TRUE(state::KeyValue::migrate(**database));
    ASSERT_TRUE((*database)->write([&](state::Tx& tx) -> Status {
      if (reopened) return {};
      SENTINEL_TRY(PeopleStore::put(tx, change("ada", "new")));
      SENTINEL_TRY(PeopleStore::put(tx, team("sre", {"ada"}, true)));
      return PeopleStore::put(tx, w);
    }));
    ASSERT_TRUE((*database)->write([&](state::Tx& tx) -> Status {
      SENTINEL_ASSIGN(const People people, PeopleStore::list(tx));
      EXPECT_EQ(people.users.size(), 1u);
      EXPECT_EQ(people.users.at("ada").user.contacts.at("push"), "new");
      EXPECT_EQ(people.users.at("ada").user.default_rules.size(), 1u);
      EXPECT_EQ(people.users.at("ada").by, "eve");
      EXPECT_EQ(people.teams.at("sre").team.members, std::vector<std::string>{"ada"});
      EXPECT_TRUE(people.teams.at("sre").created);
      EXPECT_EQ(people.teams.at("sre").by, "eve");
      EXPECT_EQ(audit_json(people.windows.at("w").window), audit_json(w.window));
      if (!reopened) return {};
      SENTINEL_TRY(PeopleStore::remove_user(tx, "ada"));
      SENTINEL_TRY(PeopleStore::remove_team(tx, "sre"));
      SENTINEL_TRY(PeopleStore::remove_window(tx, "w"));
      SENTINEL_ASSIGN(const People none, PeopleStore::list(tx));
      EXPECT_TRUE(none.users.empty() && none.teams.empty() && none.windows.empty());
      return {};
    }));
  }
  EXPECT_TRUE(posix_env().remove_tree(dir));
}

TEST(People, what_is_wrong_is_said) {
  const Config c = config();
  User user = change("ada", "x").user;
  EXPECT_TRUE(check_user(c, user));
  user.contacts["sms"] = "+1";
  EXPECT_EQ(check_user(c, user).error().message(), "there is no channel \"sms\" in the configuration");
  user = change("ada", "x").user;
  user.urgent_rules = {{Micros(0), "probe"}};
  EXPECT_EQ(check_user(c, user).error().message(), "a rule is by \"probe\", which is no contact");
  user.contacts["probe"] = "http://x";
  EXPECT_EQ(check_user(c, user).error().message(), "a page for a person never goes by a test channel");
  user = change("a b", "x").user;
  EXPECT_FALSE(check_user(c, user));
  EXPECT_TRUE(check_team(c, team("sre", {"ada"}).team));
  EXPECT_EQ(check_team(c, team("sre", {}).team).error().message(), "a team without members would be told nothing");
  EXPECT_EQ(check_team(c, team("sre", {"ada", "zoe"}).team).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(check_team(c, team("sre", {"ada", "ada"}).team).error().message(), "\"ada\" is there twice");
  EXPECT_FALSE(check_team(c, team("s r e", {"ada"}).team));
  const TimePoint now = at("2026-03-02T00:00:00Z");
  MaintenanceWindow w = window("2026-03-01T00:00:00Z", "2026-03-01T01:00:00Z");
  EXPECT_EQ(check_window(c, w, now).error().message(), "that is over already");
  w.repeat = RotationUnit::kDay;
  EXPECT_TRUE(check_window(c, w, now));
  w.span.end = at("2026-03-02T00:00:00Z");
  EXPECT_FALSE(check_window(c, w, now)) << "a day each day";
  w = window("2026-03-03T00:00:00Z", "2026-03-03T01:00:00Z");
  w.policies = {"none"};
  EXPECT_EQ(check_window(c, w, now).error().code(), ErrorCode::kNotFound);
}

TEST(People, the_audit_has_no_whole_addresses) {
  User user = change("ada", "+491701234567").user;
  EXPECT_EQ(audit_json(user).find("1701234"), std::string::npos);
  EXPECT_NE(audit_json(user).find("67"), std::string::npos);
}

}  // namespace
}  // namespace sentinel::oncall
