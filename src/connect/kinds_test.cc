// Each kind's mapping: what it says next of an incident, given what it remembers, and what an answer means.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "connect/config.h"
#include "text/yaml.h"

namespace sentinel::connect {
namespace {

using model::IncidentStatus;
using model::Severity;
using Kind = receivers::SendResult::Kind;

std::shared_ptr<const Connection> made(std::string_view entry) {
  const auto parsed = parse_integrations(text::parse_yaml(fmt::format("- {}", entry), "f.yml").value(), "");
  EXPECT_TRUE(parsed) << parsed.error().to_string();
  return parsed->connections.front();
}

View view_of(IncidentStatus status, Severity severity = Severity::kSev2) {
  View view;
  model::Incident& i = view.record.incident;
  i.id = "01X";
  i.number = 7;
  i.title = "it broke";
  i.channel = "#incident-2026-11-21";
  i.status = status;
  i.severity = severity;
  i.assignee = "Ada";
  i.labels = model::Labels{{"service", "shop"}};
  i.created_at = i.detected_at = i.updated_at = view.now = time_from_us(1'763'700'000'000'000);
  view.record.headline = {"Everything.", "The cache.", "Warm it."};
  view.link = "https://s.example.org/#/incidents/INC-7";
  view.paged = {"ada", "bob"};
  const auto add = [&view](std::string kind, std::string source, std::string text) {
    const auto sequence = static_cast<int64_t>(view.timeline.size()) + 1;
    view.timeline.push_back({"01X", sequence, view.now, std::move(kind), "Eve", std::move(source), std::move(text)});
  };
  add("created", "rule", "opened");
  add("note", "page", "look here");
  add("note", "slack", "said in Slack");
  add("note", "jira", "said in Jira");
  add("update", "page", "we are on it");
  return view;
}

Memory memory_of(std::string_view text) { return text.empty() ? Memory() : boost::json::parse(text).as_object(); }

// Says and hears until there is nothing left to say: the names of the calls. Every call gets `answer`.
std::string conversation(const Connection& by, const View& view, Memory& memory, std::string_view answer) {
  std::string out;
  for (int i = 0; i < 20; ++i) {
    const auto step = by.next(view, memory, false);
    if (!step) return out;
    out += (out.empty() ? "" : ", ") + step->name;
    std::vector<Command> asks;
    const auto result = by.heard(*step, net::Response{200, {}, std::string(answer)}, view.now, memory, asks);
    if (result.kind != Kind::kDelivered) return out + " -> " + result.error;
  }
  return out + " and so on without an end";
}

struct Mistake {
  std::string_view entry, error;
};
class ConfigMistake : public testing::TestWithParam<Mistake> {};
TEST_P(ConfigMistake, SaysWhereAndWhat) {
  const auto parsed = parse_integrations(text::parse_yaml(fmt::format("- {}", GetParam().entry), "f.yml").value(), "");
  ASSERT_FALSE(parsed) << GetParam().entry;
  EXPECT_EQ(parsed.error().to_string(), GetParam().error);
}
INSTANTIATE_TEST_SUITE_P(
    All, ConfigMistake,
    testing::Values(
        Mistake{"{name: x}", "f.yml:1:3: integration needs a field \"kind\""},
        Mistake{"{kind: pagerduty}", "f.yml:1:3: pagerduty needs routing_key or routing_key_file"},
        Mistake{"{kind: pagerduty, routing_key: R, name: 'My PD'}",
                "f.yml:1:43: expected small letters, digits, - and _, at most 40"},
        Mistake{"{kind: pagerduty, routing_key: R, severities: [SEV9]}",
                "f.yml:1:50: unknown severity \"SEV9\"; expected SEV1..SEV4"},
        Mistake{"{kind: pagerduty, routing_key: R, unknown_people: maybe}", "f.yml:1:53: expected allow or refuse"},
        Mistake{"{kind: pagerduty, routing_key: R, routing_key_file: f}",
                "f.yml:1:55: at most one of routing_key and routing_key_file must be given"},
        Mistake{"{kind: jira, project: OPS}", "f.yml:1:3: jira needs url, such as https://example.atlassian.net"},
        Mistake{"{kind: jira, url: 'https://x', project: OPS, user: a}",
                "f.yml:1:3: jira needs both user and token, or http_config"},
        Mistake{"{kind: jira, url: 'https://x', project: OPS, transitions: {closed: Done}}",
                "f.yml:1:61: expected transitions of open, acknowledged and resolved"},
        Mistake{"{kind: jira, url: 'https://x', project: OPS, comments: some}",
                "f.yml:1:58: expected none, updates or all"},
        Mistake{"{kind: jira, url: 'https://x', project: OPS, poll: 100ms}", "f.yml:1:54: expected 0s or at least 1s"},
        Mistake{"{kind: slack, bot_token: x, channel: C12, archive_after: 1h}",
                "f.yml:1:60: a channel of many incidents is not archived: leave channel out"},
        Mistake{"{kind: datadog, api_key: k, incidents: true}",
                "f.yml:1:3: incidents in Datadog need app_key or app_key_file"}));

TEST(Kinds, WhatEachSaysOfANewIncidentAndThenOfNothingNew) {
  struct Case {
    std::string_view entry, answer, calls;
  };
  const std::vector<Case> cases = {
      {"{kind: slack, bot_token: x, people: {U1: ada}}", R"({"ok":true,"channel":{"id":"C1"}})",
       "conversations.create, chat.postMessage -> the answer names no message"},
      {"{kind: slack, bot_token: x, channel: C1}", R"({"ok":true,"channel":"C1","ts":"1.2"})",
       "chat.postMessage, chat.postMessage"},
      {"{kind: pagerduty, routing_key: R}", "{}", "events v2 trigger"},
      {"{kind: jira, url: 'https://x', project: OPS}", R"({"key":"OPS-1"})", "create issue, remote link, comment"},
      {"{kind: jira, url: 'https://x', project: OPS, comments: none}", R"({"key":"OPS-1"})",
       "create issue, remote link"},
      {"{kind: datadog, api_key: k}", "{}", "event"},
      {"{kind: datadog, api_key: k, app_key: a, incidents: true}", R"({"data":{"id":"i1"}})",
       "create incident, event"}};
  for (const Case& c : cases) {
    const auto by = made(c.entry);
    Memory memory;
    const View view = view_of(IncidentStatus::kOpen);
    EXPECT_EQ(conversation(*by, view, memory, c.answer), c.calls) << c.entry;
    if (c.calls.find("->") != std::string_view::npos) continue;
    EXPECT_EQ(by->next(view, memory, false), std::nullopt) << c.entry;
    Memory none;
    EXPECT_EQ(by->next(view_of(IncidentStatus::kResolved), none, false), std::nullopt)
        << c.entry << ": what is over before it was said is not said";
  }
}

TEST(Slack, AChannelIsDressedAndItsThreadLeavesOutWhatWasSaidThere) {
  const auto by = made("{kind: slack, bot_token: x, signing_secret: s, people: {U1: ada, U9: nobody}}");
  Memory memory = memory_of(R"({"channel":"C1","ts":"1.2","print":"old"})");
  const View view = view_of(IncidentStatus::kAcknowledged);
  EXPECT_EQ(conversation(*by, view, memory, R"({"ok":true})"),
            "chat.update, pins.add, conversations.setTopic, conversations.invite, chat.postMessage");
  memory["told"] = 0;
  const auto thread = by->next(view, memory, false);
  ASSERT_TRUE(thread);
  const auto body = boost::json::parse(thread->call.body);
  EXPECT_EQ(string_at(body, {"text"}), "Eve: look here\nEve: said in Jira\nEve: we are on it");
  EXPECT_EQ(string_at(body, {"thread_ts"}), "1.2");
}

TEST(Slack, WhatRefusalsMean) {
  const auto by = made("{kind: slack, bot_token: x, people: {U1: ada}}");
  struct Case {
    std::string_view memory, error;
    bool doubtful;
    std::string_view result, then;  // then: the call after it
  };
  const std::string_view posted = R"({"channel":"C1","ts":"1.2","print":"old"})";
  for (const Case& c : {
           Case{"", "name_taken", false, "ok", "conversations.create"},
           Case{"", "name_taken", true, "ok", "conversations.list"},
           Case{"", "restricted_action", false, "never", "conversations.create"},
           Case{R"({"channel":"C1"})", "channel_not_found", false, "ok", "conversations.create"},
           Case{R"({"channel":"C1"})", "ratelimited", false, "retry", "chat.postMessage"},
           Case{R"({"channel":"C1"})", "missing_scope", true, "ok", "chat.postMessage"},  // the search was refused
           Case{posted, "message_not_found", false, "ok", "chat.postMessage"},
           Case{posted, "edit_window_closed", false, "ok", "chat.postMessage"},
           Case{posted, "msg_too_long", false, "never", "chat.update"},
           Case{posted, "internal_error", false, "retry", "chat.update"},
       }) {
    Memory memory = memory_of(c.memory);
    const View view = view_of(IncidentStatus::kOpen);
    const auto step = by->next(view, memory, c.doubtful);
    ASSERT_TRUE(step);
    std::vector<Command> asks;
    const auto result = by->heard(*step, net::Response{200, {}, fmt::format(R"({{"ok":false,"error":"{}"}})", c.error)},
                                  view.now, memory, asks);
    const std::string_view shown = result.kind == Kind::kDelivered ? "ok"
                                   : result.kind == Kind::kRetry   ? "retry"
                                                                   : "never";
    EXPECT_EQ(shown, c.result) << step->name << " " << c.error;
    const auto after = by->next(view, memory, false);
    EXPECT_EQ(after ? after->name : "", c.then) << step->name << " " << c.error;
  }
}

TEST(Slack, AMessageThatIsAlwaysDeletedIsNotPostedForEver) {
  const auto by = made("{kind: slack, bot_token: x, channel: C1}");
  Memory memory = memory_of(R"({"channel":"C1","reposts":4})");
  EXPECT_EQ(by->next(view_of(IncidentStatus::kOpen), memory, false), std::nullopt);
}

TEST(PagerDuty, StatusAndSeverityAsEvents) {
  const auto by = made("{kind: pagerduty, routing_key: R}");
  struct Case {
    std::string_view memory;
    IncidentStatus status;
    Severity severity;
    std::string_view says;  // action, key, severity
  };
  for (const Case& c : {
           Case{"", IncidentStatus::kOpen, Severity::kSev1, "trigger sentinel/01X critical"},
           Case{"", IncidentStatus::kMonitoring, Severity::kSev2, "trigger sentinel/01X error"},
           Case{"", IncidentStatus::kOpen, Severity::kSev3, "trigger sentinel/01X warning"},
           Case{"", IncidentStatus::kOpen, Severity::kSev4, "trigger sentinel/01X info"},
           Case{R"({"state":"triggered","severity":"error"})", IncidentStatus::kIdentified, Severity::kSev2,
                "acknowledge sentinel/01X "},
           Case{R"({"state":"triggered","severity":"error"})", IncidentStatus::kOpen, Severity::kSev1,
                "trigger sentinel/01X critical"},
           Case{R"({"state":"acknowledged","severity":"error"})", IncidentStatus::kMonitoring, Severity::kSev2, ""},
           Case{R"({"state":"acknowledged","severity":"error"})", IncidentStatus::kOpen, Severity::kSev2,
                "resolve sentinel/01X "},
           Case{R"({"state":"acknowledged","severity":"error"})", IncidentStatus::kResolved, Severity::kSev1,
                "resolve sentinel/01X "},
           Case{R"({"state":"resolved","round":1})", IncidentStatus::kResolved, Severity::kSev2, ""},
           Case{R"({"state":"resolved","round":1})", IncidentStatus::kOpen, Severity::kSev2,
                "trigger sentinel/01X/2 error"},
       }) {
    const auto step = by->next(view_of(c.status, c.severity), memory_of(c.memory), false);
    const auto body = step ? boost::json::parse(step->call.body) : boost::json::value();
    const std::string says = step
                                 ? fmt::format("{} {} {}", string_at(body, {"event_action"}),
                                               string_at(body, {"dedup_key"}), string_at(body, {"payload", "severity"}))
                                 : "";
    EXPECT_EQ(says, c.says) << c.memory;
  }
}

TEST(Jira, TheWayToAStatusIsAskedForAndOneThatIsMissingIsLeft) {
  const auto by = made("{kind: jira, url: 'https://x', project: OPS, comments: none, transitions: {resolved: close}}");
  const View busy = view_of(IncidentStatus::kInvestigating);
  const View over = view_of(IncidentStatus::kResolved);
  constexpr std::string_view kWays =
      R"({"transitions":[{"id":"5","name":"Start","to":{"name":"Doing","statusCategory":{"key":"indeterminate"}}},)"
      R"({"id":"9","name":"Close","to":{"name":"Closed","statusCategory":{"key":"done"}}}]})";
  std::vector<Command> asks;
  const auto begin = [&] {
    Memory memory = memory_of(R"({"key":"OPS-1","linked":true,"category":"new"})");
    const auto edit = by->next(busy, memory, false);
    (void)by->heard(*edit, net::Response{204, {}, ""}, busy.now, memory, asks);  // the summary is as it is now
    return memory;
  };
  for (const auto& [view, id, category] : {std::tuple(&busy, "5", "indeterminate"), std::tuple(&over, "9", "done")}) {
    Memory memory = begin();
    auto step = by->next(*view, memory, false);
    ASSERT_TRUE(step);
    EXPECT_EQ(step->name, "transitions");
    (void)by->heard(*step, net::Response{200, {}, std::string(kWays)}, view->now, memory, asks);
    step = by->next(*view, memory, false);
    ASSERT_TRUE(step);
    EXPECT_EQ(step->call.body, fmt::format(R"({{"transition":{{"id":"{}"}}}})", id));
    (void)by->heard(*step, net::Response{204, {}, ""}, view->now, memory, asks);
    EXPECT_EQ(memory_text(memory, "category"), category);
    EXPECT_EQ(by->next(*view, memory, false), std::nullopt);
  }
  Memory memory = begin();
  const auto step = by->next(over, memory, false);
  (void)by->heard(*step, net::Response{200, {}, R"({"transitions":[]})"}, over.now, memory, asks);
  EXPECT_EQ(by->next(over, memory, false), std::nullopt) << "no way leads there: a person has to";
}

TEST(Jira, ADoubtfulTicketIsLookedForTwiceBeforeItIsMade) {
  const auto by = made("{kind: jira, url: 'https://x', project: OPS}");
  const View view = view_of(IncidentStatus::kOpen);
  Memory memory;
  std::vector<Command> asks;
  const auto search = by->next(view, memory, true);
  ASSERT_TRUE(search);
  EXPECT_EQ(string_at(boost::json::parse(search->call.body), {"jql"}),
            R"(project = "OPS" AND labels = "sentinel-01x")");
  const auto first = by->heard(*search, net::Response{200, {}, R"({"issues":[]})"}, view.now, memory, asks);
  EXPECT_EQ(first.kind, Kind::kRetry);
  EXPECT_TRUE(first.retry_after);
  const auto second = by->heard(*search, net::Response{200, {}, R"({"issues":[]})"}, view.now, memory, asks);
  EXPECT_EQ(second.kind, Kind::kDelivered);
  EXPECT_EQ(by->next(view, memory, false)->name, "create issue");
  (void)by->heard(*search, net::Response{200, {}, R"({"issues":[{"key":"OPS-3"}]})"}, view.now, memory, asks);
  EXPECT_EQ(by->place(memory).remote, "OPS-3");
}

TEST(Jira, ALookThatFindsAnotherStatusAsksForItHere) {
  const auto by = made("{kind: jira, url: 'https://x', project: OPS, poll: 1m}");
  Memory memory = memory_of(R"({"key":"OPS-1","category":"new","look":true})");
  const View view = view_of(IncidentStatus::kOpen);
  const auto look = by->next(view, memory, false);
  ASSERT_TRUE(look);
  std::vector<Command> asks;
  (void)by->heard(*look,
                  net::Response{200, {}, R"({"fields":{"status":{"name":"Fixed","statusCategory":{"key":"done"}}}})"},
                  view.now, memory, asks);
  ASSERT_EQ(asks.size(), 1u);
  EXPECT_EQ(asks.front().verb, Verb::kResolve);
  EXPECT_EQ(asks.front().text, "Fixed in Jira");
  EXPECT_TRUE(memory_flag(memory, kLook)) << "its comments are not read yet";
}

TEST(Jira, ALookTakesCommentsOfPeopleInTheirOrderAndNoneOfOurs) {
  const auto by = made("{kind: jira, url: 'https://x', project: OPS, poll: 1m}");
  const View view = view_of(IncidentStatus::kOpen);
  Memory memory = memory_of(R"({"key":"OPS-1","category":"new","look":true,"status_read":true})");
  const auto look = by->next(view, memory, false);
  ASSERT_TRUE(look);
  EXPECT_EQ(look->call.url,
            "https://x/rest/api/3/issue/OPS-1/comment?orderBy=-created&maxResults=100&expand=properties");
  constexpr std::string_view kNewestFirst =
      R"({"comments":[{"id":"13","author":{"accountId":"a1","displayName":"Grace"},"body":"warm now"},)"
      R"({"id":"12","author":{"accountId":"b"},"body":"of us","properties":[{"key":"sentinel","value":{"last":4}}]},)"
      R"({"id":"11","author":{"accountId":"a2"},"body":"Sentinel: of us too"},{"id":"10","body":"cold"},)"
      R"({"id":"9","body":"  "},7]})";
  std::vector<Command> asks;
  (void)by->heard(*look, net::Response{200, {}, std::string(kNewestFirst)}, view.now, memory, asks);
  ASSERT_EQ(asks.size(), 2u);
  EXPECT_EQ(asks[0].text + asks[0].mark, "cold10");
  EXPECT_EQ(asks[1].text + asks[1].mark + asks[1].person + asks[1].person_name, "warm now13a1Grace");
  EXPECT_EQ(asks[1].verb, Verb::kNote);
  EXPECT_FALSE(memory.contains(kLook) || memory.contains("status_read"));
  // Without the right to read them the rest goes on.
  memory = memory_of(R"({"key":"OPS-1","look":true,"status_read":true})");
  EXPECT_EQ(by->heard(*look, net::Response{403, {}, "{}"}, view.now, memory, asks).kind, Kind::kDelivered);
  EXPECT_FALSE(memory_flag(memory, kLook));
  memory = memory_of(R"({"key":"OPS-1","look":true,"status_read":true})");
  EXPECT_EQ(by->heard(*look, net::Response{429, {}, "{}"}, view.now, memory, asks).kind, Kind::kRetry);
  EXPECT_TRUE(memory_flag(memory, kLook));
}

TEST(Slack, AChannelIsArchivedWhenItsTimeHasComeAndOpenedWithTheIncident) {
  const auto by = made("{kind: slack, bot_token: x, archive_after: 24h}");
  View over = view_of(IncidentStatus::kResolved);
  over.record.incident.resolved_at = over.now;
  Memory memory = memory_of(R"({"channel":"C1","ts":"1.2"})");
  EXPECT_EQ(conversation(*by, over, memory, R"({"ok":true})"),
            "chat.update, pins.add, conversations.setTopic, chat.postMessage");
  EXPECT_EQ(by->again_at(over, memory), over.now + std::chrono::hours(24));
  over.now += std::chrono::hours(24) - Micros(1);
  EXPECT_EQ(by->next(over, memory, false), std::nullopt);
  over.now += Micros(1);
  EXPECT_EQ(conversation(*by, over, memory, R"({"ok":true})"), "conversations.archive");
  EXPECT_EQ(by->again_at(over, memory), std::nullopt);
  over.record.incident.severity = Severity::kSev1;
  EXPECT_EQ(by->next(over, memory, false), std::nullopt) << "what changes in it now waits";
  View again = view_of(IncidentStatus::kOpen);
  auto step = by->next(again, memory, false);
  ASSERT_TRUE(step);
  EXPECT_EQ(step->name, "conversations.unarchive");
  std::vector<Command> asks;
  // No bot may: another channel.
  Memory lost = memory;
  (void)by->heard(*step, net::Response{200, {}, R"({"ok":false,"error":"not_in_channel"})"}, again.now, lost, asks);
  EXPECT_EQ(by->next(again, lost, false)->call.body, R"({"name":"incident-2026-11-21-x1","is_private":false})");
  EXPECT_EQ(conversation(*by, again, memory, R"({"ok":true})").substr(0, 36), "conversations.unarchive, chat.update");
  // One that may not be archived is left, and asked for no more.
  memory = memory_of(R"({"channel":"C1","ts":"1.2"})");
  over = view_of(IncidentStatus::kResolved);
  over.record.incident.resolved_at = over.now - std::chrono::hours(30);
  (void)conversation(*by, over, memory, R"({"ok":false,"error":"restricted_action"})");
  step = Step{"conversations.archive", {}, {}};
  (void)by->heard(*step, net::Response{200, {}, R"({"ok":false,"error":"restricted_action"})"}, over.now, memory, asks);
  EXPECT_EQ(by->again_at(over, memory), std::nullopt);
}

}  // namespace
}  // namespace sentinel::connect
