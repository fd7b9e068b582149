#include "oncall/config.h"

#include <gtest/gtest.h>

#include "oncall/test_schedules.h"

namespace sentinel::oncall {
namespace {

std::string error_of(std::string_view yaml) {
  const auto config = parse_config(yaml, "oncall.yml");
  return config ? "accepted" : config.error().to_string();
}

TEST(Config, errors_say_where_and_what) {
  const std::pair<std::string, std::string> cases[] = {
      {"usres: []",
       "oncall.yml:1:1: unknown field \"usres\" in on-call configuration; known are global, channels, users, teams, "
       "schedules, policies, maintenance, last_resort, page_for, urgent_for, routes, default_policy, synthetic_page"},
      {"users:\n- {id: ada}\n- {id: ada}", "oncall.yml:3:8: user \"ada\" is there twice"},
      {"users: [{id: 'a b'}]", "oncall.yml:1:14: an id is letters, digits and _ - . @, at most 100"},
      {"users: [{id: a, rules: {default: [{by: sms}]}}]", "oncall.yml:1:40: user \"a\" has no contact \"sms\""},
      {"teams: [{id: t, members: [x]}]", "oncall.yml:1:27: user \"x\" is not defined"},
      {"schedules: [{id: s, time_zone: Mars/Base}]",
       "oncall.yml:1:32: \"Mars/Base\" is not a time zone of this machine's database"},
      {"schedules: [{id: s, layers: [{start: '2026-02-30 09:00', every: day, participants: [null]}]}]",
       "oncall.yml:1:38: \"2026-02-30\" is not a date, expected YYYY-MM-DD"},
      {"schedules: [{id: s, layers: [{start: '2026-02-03 09:00', every: fortnight, participants: [null]}]}]",
       "oncall.yml:1:65: \"fortnight\" is not a length, expected \"12 hours\", \"1 day\", \"week\", \"2 months\""},
      {"schedules: [{id: s, layers: [{start: '2026-02-03 09:00', every: day, participants: [ada]}]}]",
       "oncall.yml:1:85: user \"ada\" is not defined"},
      {"schedules: [{id: s, layers: [{start: '2026-02-03 09:00', every: day}]}]",
       "oncall.yml:1:30: a layer needs participants"},
      {"users: [{id: a}]\nschedules: [{id: s, overrides: [{id: o, add: a, from: '2026-01-02', to: '2026-01-01'}]}]",
       "oncall.yml:2:73: the end must be after the start"},
      {"users: [{id: a}]\nschedules: [{id: s, overrides: [{id: o, add: a, from: '2026-01-02'}]}]",
       "oncall.yml:2:33: override needs either to or duration"},
      {"users: [{id: a}]\nschedules: [{id: s, overrides: [{id: o, replace: a, from: '2026-01-02', duration: 1h}]}]",
       "oncall.yml:2:33: replace needs with, and only it"},
      {"policies: [{id: p, levels: [{notify: []}]}]", "oncall.yml:1:29: a level needs somebody to notify"},
      // E8: a level whose name is wrong is refused; it must not become everybody.
      {"policies: [{id: p, levels: [{notify: [{schedule: sre}]}]}]",
       "oncall.yml:1:50: schedule \"sre\" is not defined"},
      {"users: [{id: a}]\npolicies: [{id: p, levels: [{id: x, notify: [{user: a}]}, {id: x, notify: [{user: a}]}]}]",
       "oncall.yml:2:64: level \"x\" is there twice"},
      {"maintenance: [{id: m, from: '2026-01-01', duration: 1h, policies: [q]}]",
       "oncall.yml:1:15: policy \"q\" is not defined"},
  };
  for (const auto& [yaml, error] : cases) EXPECT_EQ(error_of(yaml), error) << yaml;
}

TEST(Config, errors_of_channels_and_routes_say_where_and_what) {
  const std::pair<std::string, std::string> cases[] = {
      {"channels: {sms: {kind: telegram}}",
       "oncall.yml:1:24: a page cannot be sent by \"telegram\"; expected one of email, slack, pagerduty, webhook, "
       "ntfy, "
       "twilio_sms, twilio_call, pushover, mattermost, msteamsv2"},
      {"channels: {sms: {from: '+1'}}", "oncall.yml:1:17: channel needs a field \"kind\""},
      {"channels: {sms: {kind: twilio_sms, from: '+1', auth_token: t}}",
       "oncall.yml:1:17: channel \"sms\": missing account_sid in Twilio configuration"},
      {"channels: {push: {kind: ntfy, topics: a}}",
       "oncall.yml:1:18: channel \"push\": unknown field \"topics\" in ntfy_configs; did you mean \"topic\"?"},
      {"channels: {a/b: {kind: ntfy}}", "oncall.yml:1:12: a channel's name has no slash and is not empty"},
      {"page_for: [SEV9]",
       "oncall.yml:1:12: unknown severity \"SEV9\"; expected SEV1..SEV4, P1..P4 or critical, high, medium, low"},
      {"routes: [{policy: p}]", "oncall.yml:1:19: policy \"p\" is not defined"},
      {"routes: [{match_re: {service: '('}, policy: none}]",
       "oncall.yml:1:31: bad regular expression \"(\" for label service: missing ): ^(?s:()$"},
      {"default_policy: p", "oncall.yml:1:17: policy \"p\" is not defined"},
  };
  for (const auto& [yaml, error] : cases) EXPECT_EQ(error_of(yaml), error) << yaml;
}

constexpr const char* kRouted = R"(
users: [{id: a, contacts: {push: x}}]
policies:
- {id: default, levels: [{notify: [{user: a}]}]}
- {id: pay, levels: [{notify: [{user: a}], by: [sms]}]}
page_for: [SEV1, SEV2, SEV3]
urgent_for: [P1]
routes:
- {match: {service: payments}, severities: [critical, high], policy: pay}
- {match_re: {service: 'test-.*'}, policy: none}
)";

TEST(Config, the_first_route_that_matches_has_the_policy) {
  using model::Severity;
  const Config config = parse_config(kRouted, "oncall.yml").value();
  const struct {
    Severity severity;
    model::Labels labels;
    std::string policy;
  } cases[] = {
      {Severity::kSev1, {{"service", "payments"}}, "pay"},
      {Severity::kSev2, {{"service", "payments"}}, "pay"},
      {Severity::kSev3, {{"service", "payments"}}, "default"},
      {Severity::kSev4, {{"service", "payments"}}, ""},
      {Severity::kSev1, {{"service", "test-1"}}, ""},
      {Severity::kSev1, {{"service", "a test-1"}}, "default"},
      {Severity::kSev3, {}, "default"},
  };
  for (const auto& c : cases) EXPECT_EQ(config.routing.policy_of(c.severity, c.labels), c.policy);
  EXPECT_TRUE(config.routing.urgent(Severity::kSev1));
  EXPECT_FALSE(config.routing.urgent(Severity::kSev2));
  EXPECT_EQ(parse_config("page_for: [SEV1]", "").value().routing.policy_of(Severity::kSev1, {}), "");
}

TEST(Config, what_nobody_could_be_reached_by_is_named) {
  const auto missing = check_reachable(parse_config(kRouted, "oncall.yml").value());
  ASSERT_FALSE(missing);
  EXPECT_EQ(
      missing.error().message(),
      "user \"a\" has a contact \"push\" that is not under channels; level \"L1\" of policy \"pay\" tells by \"sms\", "
      "which is not under channels");
  const std::string channels = "channels: {push: {kind: ntfy}, sms: {kind: webhook}}\n";
  const auto complete = parse_config(channels + kRouted, "oncall.yml");
  ASSERT_TRUE(complete) << complete.error().to_string();
  EXPECT_TRUE(check_reachable(*complete));
}

TEST(Config, an_empty_text_is_an_empty_configuration) { EXPECT_EQ(error_of(""), "accepted"); }

TEST(Config, weekdays_may_go_around_the_week) {
  const Schedule s = schedule(
      "{id: s, layers: [{start: '2026-01-01', every: day, participants: [a], restrictions: [{days: [Fri-mon]}]}]}");
  EXPECT_EQ(s.layers[0].restrictions[0].weekdays, (std::set<unsigned>{0, 1, 5, 6}));
}

TEST(Config, clock_times_that_come_twice_make_an_override_longer_never_shorter) {
  const Schedule s = schedule(
      "{id: s, time_zone: Europe/Berlin, overrides: [{id: o, add: a, from: '2026-10-25 02:30', to: '2026-10-25 02:45'},"
      " {id: i, add: b, from: '2026-10-25T02:30:00+01:00', to: '2026-10-25T01:45:00Z'}]}");
  EXPECT_EQ(show(s.overrides[0].span), "2026-10-25 00:30..2026-10-25 01:45");
  EXPECT_EQ(show(s.overrides[1].span), "2026-10-25 01:30..2026-10-25 01:45");
}

// S10: an override belongs to its schedule and to no other.
TEST(Config, an_override_does_not_leak_into_another_schedule) {
  const auto config = parse_config(R"(
users: [{id: ada}, {id: bob}]
schedules:
- id: one
  layers: [{start: '2026-01-01', every: day, participants: [ada]}]
  overrides: [{id: o, replace: ada, with: bob, from: '2026-01-02', to: '2026-01-03'}]
- {id: two, layers: [{start: '2026-01-01', every: day, participants: [ada]}]}
)",
                                   "oncall.yml");
  ASSERT_TRUE(config);
  EXPECT_EQ(on_call(config->schedules.at("one"), "2026-01-02T12:00:00Z"), "bob");
  EXPECT_EQ(on_call(config->schedules.at("two"), "2026-01-02T12:00:00Z"), "ada");
}

}  // namespace
}  // namespace sentinel::oncall
