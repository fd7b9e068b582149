// The hub with PagerDuty as the kind, a script of answers in place of the network, and deaths at every write.

#include "connect/hub.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "base/hash.h"
#include "connect/pagerduty_webhook.h"
#include "incident/test_desk.h"
#include "state/kv.h"
#include "state/outbox.h"

namespace sentinel::connect {
namespace {

using incident::Actor;
using incident::DeskTest;

// A service that keeps what it was told: "trigger sentinel/01X error", newest last.
class Service final : public Caller {
 public:
  void call(std::shared_ptr<const Connection>, receivers::HttpCall call, std::string, bool bare, Done done) override {
    if (bare) {
      asides.push_back(call.url + " " + call.body);
      return done(net::Response{200, {}, "ok"});
    }
    const boost::json::value body = boost::json::parse(call.body);
    std::string said = string_at(body, {"event_action"}) + " " + string_at(body, {"payload", "severity"});
    if (answers) calls.push_back(said);
    keys.push_back(string_at(body, {"dedup_key"}));
    if (!answers) return;
    const int status = statuses.empty() ? 202 : statuses.front();
    if (!statuses.empty()) statuses.erase(statuses.begin());
    if (status == 0) return done(fail(ErrorCode::kIo, "connection refused"));
    net::Response response{status, {}, "{}"};
    if (status == 429) response.headers.set("Retry-After", "30");
    done(std::move(response));
  }
  std::vector<std::string> heard() { return std::exchange(calls, {}); }

  std::vector<std::string> calls;
  std::vector<std::string> keys;
  std::vector<std::string> asides;
  std::vector<int> statuses;  // of the next answers; 0: none comes
  bool answers = true;
};

class HubTest : public DeskTest {
 protected:
  ~HubTest() override { hub_.reset(); }

  std::shared_ptr<const Config> config(std::string_view yaml) {
    const auto parsed = parse_integrations(text::parse_yaml(yaml, "sentinel.yml").value(), "");
    EXPECT_TRUE(parsed) << parsed.error().to_string();
    return std::make_shared<const Config>(parsed ? *parsed : Config());
  }
  void open(std::string_view yaml = "- {kind: pagerduty, routing_key: R, webhook_secret: s}") {
    hub_.reset();
    ASSERT_TRUE(state::KeyValue::migrate(*database_));
    ASSERT_TRUE(state::Outbox::migrate(*database_));
    ASSERT_TRUE(Hub::migrate(*database_));
    hub_ = std::make_unique<Hub>(Hub::Parts{scheduler_,
                                            *database_,
                                            metrics_,
                                            *service_,
                                            pd_,
                                            "https://s.example.org",
                                            [] { return "primary: Ada"; },
                                            {}},
                                 config(yaml));
    settle();
  }
  // As after a kill.
  void die() {
    hub_.reset();
    restart();
    open();
  }
  void settle(Micros time = std::chrono::seconds(2)) { scheduler_.run_for(time); }
  Link link(const std::string& id) {
    std::optional<Link> found;
    EXPECT_TRUE(database_->read([&](state::Tx& tx) -> Status {
      SENTINEL_ASSIGN(found, find_link(tx, "pagerduty", id));
      return {};
    }));
    return found.value_or(Link{});
  }
  Result<net::Response> webhook(std::string_view type, const std::string& key, std::string_view event = "E1",
                                std::string_view more = "") {
    net::Request request;
    request.method = "POST";
    request.body = fmt::format(
        R"({{"event":{{"id":"{}","event_type":"incident.{}","agent":{{"id":"PU","summary":"Ada L."}},"data":{{"id":"PX","incident_key":"{}"{}}}}}}})",
        event, type, key, more);
    request.headers.set("X-PagerDuty-Signature", "v1=" + hex_encode(hmac_sha256("s", request.body)));
    const auto by = hub_->config()->connections.front();
    SENTINEL_ASSIGN(const Received received, by->receive(request, scheduler_.now()));
    auto answer = hub_->act(*by, received);
    settle();
    return answer;
  }

  Service pd_;
  std::unique_ptr<Hub> hub_;
};

using Calls = std::vector<std::string>;

TEST_F(HubTest, AnIncidentIsSaidAsItChangesAndNothingTwice) {
  open();
  const std::string id = declared().incident.id;
  settle();
  EXPECT_EQ(pd_.heard(), Calls{"trigger error"});
  EXPECT_EQ(pd_.keys.back(), "sentinel/" + id);
  ASSERT_TRUE(service_->add_note(id, "cold", {"ada", "page"}));
  settle();
  EXPECT_EQ(pd_.heard(), Calls{}) << "a note is nothing to PagerDuty";
  ASSERT_TRUE(service_->set_severity(id, model::Severity::kSev1, {"ada", "page"}));
  ASSERT_TRUE(service_->acknowledge(id, "", {"ada", "page"}));
  settle();
  EXPECT_EQ(pd_.heard(), (Calls{"trigger critical", "acknowledge "}));
  ASSERT_TRUE(service_->set_status(id, model::IncidentStatus::kMonitoring, "", {"ada", "page"}));
  settle();
  EXPECT_EQ(pd_.heard(), Calls{});
  ASSERT_TRUE(service_->resolve(id, {"", "done"}, {"ada", "page"}));
  settle();
  EXPECT_EQ(pd_.heard(), Calls{"resolve "});
  ASSERT_TRUE(service_->reopen(id, "", {"ada", "page"}));
  settle();
  EXPECT_EQ(pd_.heard(), Calls{"trigger critical"});
  EXPECT_EQ(pd_.keys.back(), "sentinel/" + id + "/1") << "what was resolved over there is not opened again";
  const Link now = link(id);
  EXPECT_FALSE(now.pending);
  EXPECT_EQ(now.said, now.wanted);
}

TEST_F(HubTest, ChangesWhileTheServiceIsDownAreSaidOnceAsTheyAreThen) {
  open();
  pd_.statuses = {0, 503, 503};
  const std::string id = declared().incident.id;
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(service_->add_note(id, "note " + std::to_string(i), {"ada", "page"}));
  ASSERT_TRUE(service_->acknowledge(id, "", {"ada", "page"}));
  EXPECT_EQ(hub_->waiting(), 0u);
  scheduler_.run_ready();
  EXPECT_EQ(hub_->waiting(), 1u) << "one message, however many changes";
  settle(std::chrono::minutes(5));
  EXPECT_EQ(pd_.heard(), (Calls{"trigger error", "trigger error", "trigger error", "trigger error", "acknowledge "}));
  EXPECT_EQ(hub_->waiting(), 0u);
}

TEST_F(HubTest, ThreeHundredIncidentsWhileItIsDownAndResolvedMeanwhileAreNoCallAtAll) {
  open();
  pd_.statuses.assign(10, 429);
  std::vector<std::string> ids;
  for (int i = 0; i < 300; ++i) ids.push_back(declared("i" + std::to_string(i)).incident.id);
  for (const std::string& id : ids) ASSERT_TRUE(service_->resolve(id, {"", ""}, {"ada", "page"}));
  settle(std::chrono::minutes(20));
  EXPECT_EQ(hub_->waiting(), 0u);
  EXPECT_LT(pd_.heard().size(), 20u);
}

TEST_F(HubTest, RetryAfterHoldsBackTheWholeConnection) {
  open();
  pd_.statuses = {429};
  const std::string first = declared("one").incident.id;
  settle(std::chrono::seconds(1));
  const std::string second = declared("two").incident.id;
  settle(std::chrono::seconds(28));
  EXPECT_EQ(pd_.heard().size(), 1u);
  settle(std::chrono::seconds(30));
  EXPECT_EQ(pd_.heard().size(), 2u);
}

TEST_F(HubTest, WhatIsRefusedIsSeenAndTriedAgainWithTheNextChange) {
  open();
  pd_.statuses = {400};
  const std::string id = declared().incident.id;
  settle(std::chrono::minutes(10));
  EXPECT_EQ(pd_.heard().size(), 1u);
  const auto shown = hub_->links(id);
  ASSERT_TRUE(shown);
  ASSERT_EQ(shown->size(), 1u);
  EXPECT_EQ(shown->front().error.substr(0, 47), "events v2 trigger: unexpected status code 400: ");
  ASSERT_TRUE(service_->add_note(id, "look", {"ada", "page"}));
  settle();
  EXPECT_EQ(pd_.heard(), Calls{"trigger error"});
  EXPECT_EQ(hub_->links(id)->front().error, "");
  // The same after a reload.
  pd_.statuses = {401};
  const std::string other = declared("other").incident.id;
  settle();
  EXPECT_EQ(pd_.heard().size(), 1u);
  hub_->reload(hub_->config());
  settle();
  EXPECT_EQ(pd_.heard(), Calls{"trigger error"});
}

TEST_F(HubTest, AnAcknowledgementOverThereIsOneHereAndIsNotSaidBack) {
  open();
  const std::string id = declared().incident.id;
  settle();
  pd_.calls.clear();
  const std::string key = "sentinel/" + id;
  ASSERT_TRUE(webhook("triggered", key, "E0", R"(,"html_url":"https://acme.pagerduty.com/i/PX")"));
  EXPECT_EQ(hub_->links(id)->front().url, "https://acme.pagerduty.com/i/PX");
  ASSERT_TRUE(webhook("acknowledged", key));
  EXPECT_EQ(now(id).status, model::IncidentStatus::kAcknowledged);
  EXPECT_EQ(timeline(id, "status"), Calls{"status: acknowledged by Ada L."});
  EXPECT_EQ(pd_.heard(), Calls{});
  ASSERT_TRUE(webhook("annotated", "", "E2", R"(,"content":"cold","incident":{"id":"PX"})"));
  ASSERT_TRUE(webhook("annotated", "", "E2", R"(,"content":"cold","incident":{"id":"PX"})"));
  EXPECT_EQ(timeline(id, "note"), Calls{"note: cold"}) << "once, though it was sent twice";
  ASSERT_TRUE(webhook("reassigned", key, "E3", R"(,"assignees":[{"summary":"Bob Fry"}])"));
  EXPECT_EQ(now(id).assignee, "Bob Fry");
  ASSERT_TRUE(webhook("resolved", key, "E4"));
  EXPECT_EQ(now(id).status, model::IncidentStatus::kResolved);
  EXPECT_EQ(pd_.heard(), Calls{});
}

TEST_F(HubTest, WhatWeSaidOurselvesIsNotDoneAgainWhenItComesBack) {
  open();
  const std::string id = declared().incident.id;
  const std::string key = "sentinel/" + id;
  settle();
  ASSERT_TRUE(service_->resolve(id, {"", ""}, {"ada", "page"}));
  settle();
  ASSERT_TRUE(service_->reopen(id, "", {"ada", "page"}));
  settle();
  EXPECT_EQ(pd_.heard(), (Calls{"trigger error", "resolve ", "trigger error"}));
  // The webhook of the first round's end arrives late.
  ASSERT_TRUE(webhook("resolved", key, "E1"));
  EXPECT_EQ(now(id).status, model::IncidentStatus::kOpen);
  ASSERT_TRUE(service_->acknowledge(id, "", {"ada", "page"}));
  settle();
  const int64_t version = now(id).version;
  ASSERT_TRUE(webhook("acknowledged", key + "/1", "E2"));
  EXPECT_EQ(now(id).version, version);
  EXPECT_EQ(pd_.heard(), Calls{"acknowledge "});
}

TEST_F(HubTest, AnEventOfSomethingUnknownOrUnsignedChangesNothing) {
  open();
  const auto unknown = webhook("resolved", "sentinel/nothing");
  ASSERT_TRUE(unknown);
  EXPECT_EQ(unknown->status, 200) << "asking again would not help";
  net::Request request;
  request.body = "{}";
  const auto unsigned_one = hub_->config()->connections.front()->receive(request, scheduler_.now());
  ASSERT_FALSE(unsigned_one);
  EXPECT_EQ(unsigned_one.error().code(), ErrorCode::kUnauthenticated);
}

TEST_F(HubTest, WhoIsNotWantedIsNotSaid) {
  open("- {kind: pagerduty, routing_key: R, severities: [SEV1], match: {service: shop}}");
  declared("mild", model::Severity::kSev2);
  const std::string elsewhere = declared("elsewhere", model::Severity::kSev1).incident.id;
  const auto here = service_->create({"here", model::Severity::kSev2, {{"service", "shop"}}, "", ""}, {"ada", "page"});
  ASSERT_TRUE(here);
  settle();
  EXPECT_EQ(pd_.heard(), Calls{});
  ASSERT_TRUE(service_->set_severity(here->incident.id, model::Severity::kSev1, {"ada", "page"}));
  settle();
  EXPECT_EQ(pd_.heard(), Calls{"trigger critical"});
  // What was begun is ended, though it is not wanted any more.
  ASSERT_TRUE(service_->set_severity(here->incident.id, model::Severity::kSev3, {"ada", "page"}));
  ASSERT_TRUE(service_->resolve(here->incident.id, {"", ""}, {"ada", "page"}));
  settle();
  EXPECT_EQ(pd_.heard(), Calls{"resolve "});
  open("[]");
  ASSERT_TRUE(service_->reopen(here->incident.id, "", {"ada", "page"}));
  settle();
  EXPECT_EQ(pd_.heard(), Calls{}) << "a connection that was taken out says nothing";
}

// Dies before each write in turn, and after it, when the answer is on disk and nobody has heard so; the other side
// always ends as the incident does.
TEST_F(HubTest, ADeathAtAnyWriteLosesNothing) {
  for (int death = 0; death < 24; ++death) {
    SCOPED_TRACE(death);
    open();
    pd_ = {};
    const std::string id = declared("at " + std::to_string(death)).incident.id;
    crash_ = {.at = death / 2 + 1, .after = death % 2 == 1};
    settle();
    (void)service_->acknowledge(id, "", {"ada", "page"});
    settle();
    (void)service_->resolve(id, {"", ""}, {"ada", "page"});
    settle();
    die();
    if (now(id).status != model::IncidentStatus::kResolved) {
      ASSERT_TRUE(service_->resolve(id, {"", ""}, {"ada", "page"}));
    }
    settle(std::chrono::minutes(1));
    EXPECT_EQ(memory_text(link(id).memory, "state").empty() ? "resolved" : memory_text(link(id).memory, "state"),
              "resolved");
    if (!pd_.calls.empty()) EXPECT_EQ(pd_.calls.back(), "resolve ");
    EXPECT_EQ(hub_->waiting(), 0u);
    for (const std::string& key : pd_.keys) EXPECT_EQ(key, "sentinel/" + id) << "a repeated event folds";
  }
}

}  // namespace
}  // namespace sentinel::connect
