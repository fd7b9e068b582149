// What requests of each service ask for.

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "connect/jira_words.h"
#include "connect/pagerduty_webhook.h"
#include "connect/slack_requests.h"
#include "connect/slack_words.h"

namespace sentinel::connect {
namespace {

// "acknowledge 17 |text", with what it goes by.
std::string shown(const Command& c) {
  static constexpr const char* kVerbs[] = {"remember", "acknowledge", "resolve",  "reopen", "status", "severity",
                                           "assign",   "note",        "escalate", "list",   "oncall"};
  std::string out = kVerbs[static_cast<size_t>(c.verb)];
  if (!c.incident.empty()) out += " " + c.incident;
  if (!c.remote.empty()) out += " @" + c.remote;
  if (c.severity) out += " " + std::string(model::severity_name(*c.severity));
  if (!c.text.empty() && !c.severity) out += " |" + c.text;
  if (!c.remember.empty()) out += " " + boost::json::serialize(c.remember);
  return out;
}
std::string shown(const Result<Received>& received) {
  if (!received) return "error: " + received.error().message();
  if (received->answer) return "answer " + received->answer->body;
  std::string out;
  for (const Command& c : received->commands) out += (out.empty() ? "" : "; ") + shown(c);
  return out;
}

TEST(SlackCommand, WordsMeanWhatTheySay) {
  struct Case {
    std::string_view text, means;
  };
  for (const Case& c :
       {Case{"list", "list"}, Case{"  LIST ", "list"}, Case{"oncall", "oncall"}, Case{"ack 17", "acknowledge 17"},
        Case{"ack INC-17 on it", "acknowledge INC-17 |on it"}, Case{"ack", "acknowledge @C1"},
        Case{"resolve 3 rolled back", "resolve 3 |rolled back"},
        Case{"resolve rolled back", "resolve @C1 |rolled back"}, Case{"note 3 500 errors", "note 3 |500 errors"},
        Case{"note look here", "note @C1 |look here"}, Case{"note 3", "none"}, Case{"sev 4 P1", "severity 4 SEV1"},
        Case{"severity SEV3", "severity @C1 SEV3"}, Case{"sev 4 dire", "none"}, Case{"escalate 9", "escalate 9"},
        Case{"", "none"}, Case{"help", "none"}, Case{"ack 1234567890123", "acknowledge @C1 |1234567890123"},
        Case{"ack INC-", "acknowledge @C1 |INC-"}}) {
    const auto command = slack_command(c.text, "C1");
    EXPECT_EQ(command ? shown(*command) : "none", c.means) << c.text;
  }
}

TEST(SlackRequest, ButtonsMenusAndMessagesOfAThread) {
  struct Case {
    std::string_view payload, means;
  };
  const auto pressed = [](std::string_view actions) {
    return R"({"type":"block_actions","user":{"id":"U1","username":"ada"},"response_url":"https://hooks.slack.com/1","actions":)" +
           std::string(actions) + "}";
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {pressed(R"([{"action_id":"sentinel_acknowledge","value":"01X"}])"), "acknowledge 01X"},
      {pressed(R"([{"action_id":"sentinel_resolve","value":"01X"}])"), "resolve 01X"},
      {pressed(R"([{"action_id":"sentinel_escalate","value":"01X"}])"), "escalate 01X"},
      {pressed(R"([{"action_id":"sentinel_severity","block_id":"sentinel:01X","selected_option":{"value":"SEV2"}}])"),
       "severity 01X SEV2"},
      {pressed(R"([{"action_id":"sentinel_severity","block_id":"sentinel:01X","selected_option":{"value":"?"}}])"),
       "answer "},
      {pressed(R"([{"action_id":"sentinel_severity","block_id":"b1","selected_option":{"value":"SEV2"}}])"), "answer "},
      {pressed(R"([{"action_id":"sentinel_open","value":"01X"}])"), "answer "},
      {pressed(R"([{"action_id":"of_another_app","value":"01X"}])"), "answer "},
      {pressed("7"), "answer "},
      {"[]", "answer "}};
  for (const auto& [payload, means] : cases) {
    net::Request request;
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    std::string encoded;
    for (const char c : payload) encoded += c == '&' ? "%26" : c == '+' ? "%2B" : std::string(1, c);
    request.body = "payload=" + encoded;
    EXPECT_EQ(shown(read_slack_request(request, true)), means) << payload;
  }
  const std::vector<std::pair<std::string, std::string>> events = {
      {R"({"type":"url_verification","challenge":"c1"})", R"(answer {"challenge":"c1"})"},
      {R"({"event_id":"E","event":{"type":"message","channel":"C1","thread_ts":"1.2","user":"U1","text":"a &lt; b"}})",
       "note @C1/1.2 |a < b"},
      {R"({"event":{"type":"message","channel":"C1","user":"U1","text":"not in a thread"}})", "answer {}"},
      {R"({"event":{"type":"message","channel":"C1","thread_ts":"1.2","bot_id":"B1","text":"of a bot"}})", "answer {}"},
      {R"({"event":{"type":"message","subtype":"message_changed","channel":"C1","thread_ts":"1.2","text":"x"}})",
       "answer {}"},
      {"nonsense", "error: "}};
  for (const auto& [body, means] : events) {
    net::Request request;
    request.headers.set("Content-Type", "application/json");
    request.body = body;
    EXPECT_EQ(shown(read_slack_request(request, true)).substr(0, means.size()), means) << body;
  }
}

TEST(SlackWords, EscapesAndNames) {
  EXPECT_EQ(slack_escaped("<!here> & co"), "&lt;!here&gt; &amp; co");
  EXPECT_EQ(slack_unescaped("&lt;a&gt; &amp;amp;"), "<a> &amp;");
  EXPECT_EQ(slack_channel_name("#Incident 2026/11"), "incident-2026-11");
  EXPECT_EQ(slack_channel_name(std::string(200, 'x')).size(), 70u);
  for (const char* good : {"C0123456789", "G1", "D9X"}) EXPECT_TRUE(is_slack_id(good)) << good;
  for (const char* bad : {"general", "#general", "C", "", "c0123", "U0123"}) EXPECT_FALSE(is_slack_id(bad)) << bad;
}

TEST(PagerDutyWebhook, EachKindOfEvent) {
  const auto event = [](std::string_view type, std::string_view data) {
    return R"({"event":{"id":"01E","event_type":")" + std::string(type) +
           R"(","agent":{"id":"PUSER","summary":"Ada","type":"user_reference"},"data":)" + std::string(data) + "}}";
  };
  const std::string incident =
      R"({"id":"PGR0VU2","type":"incident","html_url":"https://acme.pagerduty.com/incidents/PGR0VU2","incident_key":"sentinel/01X",)"
      R"("assignees":[{"id":"P1","summary":"Bob Fry"},{"id":"P2","summary":"Eve"}],"priority":{"summary":"P2"}})";
  const std::string known = R"("id":"PGR0VU2","url":"https://acme.pagerduty.com/incidents/PGR0VU2"})";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {event("incident.triggered", incident), "remember @sentinel/01X {" + known},
      {event("incident.acknowledged", incident), R"(acknowledge @sentinel/01X {"state":"acknowledged",)" + known},
      {event("incident.resolved", incident),
       R"(resolve @sentinel/01X |resolved in PagerDuty {"state":"resolved",)" + known},
      {event("incident.reopened", incident), R"(reopen @sentinel/01X {"state":"triggered",)" + known},
      {event("incident.reassigned", incident), "assign @sentinel/01X |Bob Fry, Eve {" + known},
      {event("incident.priority_updated", incident), "severity @sentinel/01X SEV2 {" + known},
      {event("incident.annotated",
             R"({"id":"N1","type":"incident_note","content":"cold","incident":{"id":"PGR0VU2"}})"),
       "note @PGR0VU2 |cold"},
      {event("incident.priority_updated", R"({"id":"P","priority":null})"), "answer {}"},
      {event("service.updated", R"({"id":"S"})"), "answer {}"},
      {R"({"event":{"id":"1","event_type":"pagey.ping"}})", "answer {}"},
      {R"({"event":7})", "error: the webhook has no event"},
      {"{}", "error: the webhook has no event"}};
  for (const auto& [body, means] : cases) EXPECT_EQ(shown(read_pagerduty_webhook(body)), means) << body;
}

TEST(JiraWebhook, StatusByCategoryAndCommentsButOurOwn) {
  const auto moved = [](std::string_view category, std::string_view field = "status") {
    return R"({"webhookEvent":"jira:issue_updated","user":{"accountId":"a1","displayName":"Ada"},"issue":{"key":"OPS-1","fields":{"status":{"name":"S","statusCategory":{"key":")" +
           std::string(category) + R"("}}}},"changelog":{"items":[{"field":"labels"},{"field":")" + std::string(field) +
           R"("}]}})";
  };
  const auto said = [](std::string_view body) {
    return R"({"webhookEvent":"comment_created","comment":{"author":{"accountId":"a1","displayName":"Ada"},"body":)" +
           std::string(body) + R"(},"issue":{"key":"OPS-1"}})";
  };
  const std::string document =
      R"({"type":"doc","version":1,"content":[{"type":"paragraph","content":[{"type":"text","text":"cold "},)"
      R"({"type":"mention","attrs":{"text":"@ada"}}]},{"type":"paragraph","content":[{"type":"text","text":"cache"}]}]})";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {moved("done"), R"(resolve @OPS-1 |S in Jira {"category":"done"})"},
      {moved("indeterminate"), R"(acknowledge @OPS-1 |S in Jira {"category":"indeterminate"})"},
      {moved("new"), R"(reopen @OPS-1 |S in Jira {"category":"new"})"},
      {moved("undefined"), "answer {}"},
      {moved("done", "summary"), "answer {}"},
      {said(R"("the cache is cold")"), "note @OPS-1 |the cache is cold"},
      {said(document), "note @OPS-1 |cold @ada\ncache"},
      {said(R"("Sentinel: Eve: rolling back")"), "answer {}"},
      {said(R"("  ")"), "answer {}"},
      {said("7"), "answer {}"},
      {R"({"webhookEvent":"jira:issue_deleted","issue":{"key":"OPS-1"}})", R"(remember @OPS-1 {"gone":true})"},
      {R"({"webhookEvent":"jira:issue_deleted"})", "answer {}"},
      {R"({"webhookEvent":"sprint_started"})", "answer {}"},
      {"[]", "error: "}};
  for (const auto& [body, means] : cases) {
    net::Request request;
    request.body = body;
    const size_t compared = means == "error: " ? means.size() : std::string::npos;
    EXPECT_EQ(shown(read_jira_webhook(request)).substr(0, compared), means) << body;
  }
}

TEST(AdfDocument, HasNoEmptyTextAndReadsBack) {
  const auto document = adf_document({{"Why", "a\n\nb"}, {"Nothing", "  "}, {"", "plain"}}, "https://x/1");
  const std::string text = boost::json::serialize(document);
  EXPECT_EQ(text.find(R"("text":"")"), std::string::npos) << text;
  EXPECT_EQ(adf_text(document), "Why\na\nb\nplain\nhttps://x/1");
  EXPECT_EQ(document.at("version"), boost::json::value(1));
  boost::json::value deep = boost::json::object{{"type", "text"}, {"text", "far"}};
  for (int i = 0; i < 100; ++i) deep = boost::json::object{{"type", "x"}, {"content", boost::json::array{deep}}};
  EXPECT_EQ(adf_text(deep), "") << "what is nested too deep is left out";
}

}  // namespace
}  // namespace sentinel::connect
