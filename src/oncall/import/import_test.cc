// tests/data/oncall/import/TOOL: what the tool's API answers, the configuration that comes of it, and the tool's own
// final schedules: at each quarter of an hour of six weeks, over a change of the clocks, the same people are on call.
// SENTINEL_UPDATE_GOLDEN=1 rewrites expected.yml; the diff is for review.

#include "oncall/import/import.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/file.h"
#include "base/random.h"
#include "base/strings.h"
#include "oncall/config_text.h"
#include "oncall/test_schedules.h"
#include "text/json.h"

namespace sentinel::oncall {
namespace {

namespace json = boost::json;

const std::string kFolder = std::string(SENTINEL_SOURCE_DIR) + "/tests/data/oncall/import/";
const char* const kNow = "2026-03-02T00:00:00Z";
const char* const kUntil = "2026-04-13T00:00:00Z";

void read_folder(const std::string& folder, std::vector<ImportFile>& out) {
  const auto names = posix_env().list(folder);
  ASSERT_TRUE(names) << folder;
  for (const std::string& name : *names) {
    if (name.ends_with(".json")) out.push_back({name, posix_env().read_file(folder + "/" + name).value_or("")});
    if (name.find('.') == std::string::npos) read_folder(folder + "/" + name, out);
  }
}

struct Case {
  ImportSource source;
  std::string folder;
  // Which list of which file is the tool's final schedule of which of ours.
  struct Final {
    std::string file, pointer, start, end, user, ours;
  };
  std::vector<Final> finals;
};

std::vector<Case> cases() {
  return {{ImportSource::kPagerDuty,
           "pagerduty",
           {{"schedule-PSCHED1.json", "/schedule/final_schedule/rendered_schedule_entries", "start", "end", "/user/id",
             "primary"}}},
          {ImportSource::kOpsgenie,
           "opsgenie",
           {{"timeline-s-ops.json", "/data/finalTimeline/rotations/0/periods", "startDate", "endDate", "/recipient/id",
             "ops-schedule"}}},
          {ImportSource::kGrafanaOnCall,
           "grafana",
           {{"final_shifts-SWEB.json", "/results", "shift_start", "shift_end", "/user_pk", "web-rotation"},
            {"final_shifts-SAPI.json", "/results", "shift_start", "shift_end", "/user_pk", "as-code"}}}};
}

Imported imported(const Case& c) {
  std::vector<ImportFile> files;
  read_folder(kFolder + c.folder, files);
  EXPECT_FALSE(files.empty());
  auto made = import_oncall(c.source, files, at(kNow));
  EXPECT_TRUE(made) << made.error().to_string();
  return made.value_or(Imported());
}

TEST(Import, gives_the_configuration_that_is_written_down) {
  for (const Case& c : cases()) {
    const std::string path = kFolder + c.folder + "/expected.yml";
    const std::string text = imported_text(c.source, imported(c), at(kNow));
    if (::getenv("SENTINEL_UPDATE_GOLDEN") != nullptr) ASSERT_TRUE(posix_env().write_file_atomic(path, text));
    EXPECT_EQ(text, posix_env().read_file(path).value_or("")) << c.folder;
    const auto config = parse_config(text, path);
    ASSERT_TRUE(config) << config.error().to_string();
    EXPECT_TRUE(check_reachable(*config));
  }
}

TEST(Import, who_is_on_call_is_whom_the_tool_says) {
  for (const Case& c : cases()) {
    const Imported made = imported(c);
    for (const Case::Final& f : c.finals) {
      const json::value file =
          text::parse_json(posix_env().read_file(kFolder + c.folder + "/" + f.file).value()).value();
      // Their ids lead to ours by the address that both have.
      std::map<std::string, std::string> names;
      const json::value users =
          text::parse_json(posix_env().read_file(kFolder + c.folder + "/users.json").value()).value();
      for (const char* list : {"users", "data", "results"}) {
        if (!users.as_object().contains(list)) continue;
        for (const json::value& u : users.at(list).as_array()) {
          const json::object& o = u.as_object();
          const std::string mail(o.contains("email") ? o.at("email").as_string() : o.at("username").as_string());
          names[std::string(o.at("id").as_string())] = mail.substr(0, mail.find('@'));
        }
      }
      std::vector<Shift> theirs;
      for (const json::value& e : file.at_pointer(f.pointer).as_array()) {
        theirs.push_back({{at(std::string(e.at(f.start).as_string())), at(std::string(e.at(f.end).as_string()))},
                          names.at(std::string(e.at_pointer(f.user).as_string())),
                          ""});
      }
      ASSERT_GT(theirs.size(), 20u);
      const Schedule& ours = made.config.schedules.at(f.ours);
      for (TimePoint t = at(kNow); t < at(kUntil); t += std::chrono::minutes(15)) {
        std::set<std::string> who;
        for (const Shift& s : theirs) {
          if (s.span.contains(t)) who.insert(s.user);
        }
        ASSERT_EQ(join(who_is_on_call(ours, t), "+"), join({who.begin(), who.end()}, "+"))
            << c.folder << " " << f.ours << " " << format_rfc3339(t);
      }
    }
  }
}

TEST(Import, what_is_no_export_is_refused_with_its_file) {
  const auto error = [](const std::string& text) {
    const auto made = import_oncall(ImportSource::kPagerDuty, {{"a.json", text}}, at(kNow));
    return made ? "accepted" : made.error().to_string();
  };
  EXPECT_EQ(error("{}"), "nothing in these files is of PagerDuty: no users, schedules or escalation policies");
  EXPECT_TRUE(error("{\"users\": [").starts_with("a.json:1:")) << error("{\"users\": [");
}

TEST(Import, one_page_of_several_is_noted) {
  const auto made =
      import_oncall(ImportSource::kPagerDuty,
                    {{"users.json", R"({"users": [{"id": "P1", "email": "a@b.c"}], "more": true})"}}, at(kNow));
  ASSERT_TRUE(made);
  ASSERT_EQ(made->notes.size(), 2u);
  EXPECT_EQ(made->notes[0].what, "users.json");
}

// A layer that has turns of a day and weekdays off keeps the tool's count, whatever the number of people.
TEST(Import, every_turn_counts_for_any_number_of_people) {
  for (int people = 1; people <= 12; ++people) {
    std::string users;
    std::string slots;
    for (int i = 0; i < people; ++i) {
      users += fmt::format("{}{{\"id\": \"P{}\", \"email\": \"u{}@x.y\"}}", i == 0 ? "" : ",", i, i);
      slots += fmt::format("{}{{\"user\": {{\"id\": \"P{}\"}}}}", i == 0 ? "" : ",", i);
    }
    const std::string text = fmt::format(
        R"({{"users": [{}], "schedules": [{{"id": "S", "name": "s", "time_zone": "UTC", "schedule_layers": [
        {{"name": "l", "start": "2026-03-02T00:00:00Z", "rotation_virtual_start": "2026-03-02T00:00:00Z",
         "rotation_turn_length_seconds": 86400, "users": [{}], "restrictions": [
         {{"type": "weekly_restriction", "start_day_of_week": 1, "start_time_of_day": "06:00:00", "duration_seconds": 403200}}]}}]}}]}})",
        users, slots);
    const auto made = import_oncall(ImportSource::kPagerDuty, {{"a.json", text}}, at(kNow));
    ASSERT_TRUE(made) << made.error().to_string();
    for (int day = 0; day < 200; ++day) {
      const TimePoint noon = at("2026-03-02T12:00:00Z") + std::chrono::days(day);
      // 403200 s from Monday 06:00 end on Friday 22:00.
      const std::string expected = day % 7 < 5 ? fmt::format("u{}", day % people) : "";
      ASSERT_EQ(join(who_is_on_call(made->config.schedules.at("s"), noon), "+"), expected) << people << " day " << day;
    }
  }
}

TEST(ConfigText, reads_back_equal) {
  const std::string yaml = R"(
users:
- {id: ada, name: "it's \"Ada\": yes", contacts: {email: a@b.c, sms: '+491'}, rules: {default: [{after: 5m, by: sms}], urgent: [{by: email}]}}
- {id: bob, name: 'null'}
teams: [{id: t, members: [ada, bob]}]
schedules:
- id: s
  time_zone: Europe/Berlin
  holidays: [2026-12-25]
  layers:
  - {name: a, start: '2026-01-05 09:00', every: 2 weeks, first: 2, participants: [ada, [bob, ada], null], on_holidays: 'off', priority: 7,
     active_from: '2026-01-01', end: '2027-01-01', time_zone: America/New_York}
  - {start: '2026-01-05 09:00:30', every: month, participants: [ada], restrictions: [{days: [mon-fri], from: '22:00', to: '06:00'}, {from: '00:00', to: '24:00'}]}
  temporary: [{id: x, from: '2026-03-02', to: '2026-03-04', shifts: [{user: bob, from: '2026-03-02 09:00', duration: 24h}]}]
  swaps: [{id: s1, user: ada, from: '2026-03-09', to: '2026-03-10', taken_by: bob, in_return: {from: '2026-03-16', to: '2026-03-17'}}]
  overrides: [{id: o1, replace: ada, with: bob, from: '2026-03-11T08:00:00Z', to: '2026-03-11T12:00:00Z'}, {id: o2, add: bob, from: '2026-03-12', duration: 90m}]
policies:
- {id: p, levels: [{notify: [{schedule: s}, {team: t}, {user: ada}, {round_robin: [ada, bob]}], by: [sms], timeout: 7m,
   when: {time_zone: Europe/Berlin, restrictions: [{days: [sat], from: '09:00', to: '17:00'}], outside: skip}}], repeat: 3, acknowledge_timeout: 1h, last_resort: [{user: bob}]}
maintenance: [{id: m, from: '2026-03-02T01:00:00Z', duration: 2h, policies: [p]}]
last_resort: [{team: t}]
default_policy: p
)";
  const auto first = parse_config(yaml, "a.yml");
  ASSERT_TRUE(first) << first.error().to_string();
  const std::string written = config_text(*first);
  const auto second = parse_config(written, "b.yml");
  ASSERT_TRUE(second) << second.error().to_string() << "\n" << written;
  EXPECT_EQ(second->schedules, first->schedules) << written;
  EXPECT_EQ(config_text(*second), written);
  for (const auto& [id, user] : first->users) {
    EXPECT_EQ(second->users.at(id).name, user.name);
    EXPECT_EQ(second->users.at(id).contacts, user.contacts);
    EXPECT_EQ(second->users.at(id).default_rules, user.default_rules);
    EXPECT_EQ(second->users.at(id).urgent_rules, user.urgent_rules);
  }
  EXPECT_EQ(second->policies.at("p").levels[0].timeout, std::chrono::minutes(7));
  EXPECT_EQ(second->maintenance[0].span, first->maintenance[0].span);
  EXPECT_EQ(second->routing.default_policy, "p");
}

TEST(ConfigText, any_text_is_a_scalar_that_reads_back) {
  constexpr std::string_view kLetters = " aA1:#'\"-?{}[],&*!|>%@`~\\yn.e+0\xc3\xa4";
  Random random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    const auto length = random.below(12);
    for (uint64_t c = 0; c < length; ++c) text += kLetters[random.below(kLetters.size())];
    text = to_valid_utf8(text);
    const auto node = text::parse_yaml("a: " + yaml_scalar(text), "x");
    ASSERT_TRUE(node) << yaml_scalar(text);
    EXPECT_EQ(node->get("a").string().value_or(""), text) << yaml_scalar(text);
  }
}

}  // namespace
}  // namespace sentinel::oncall
