// The whole way of a message, against a server in this process.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <condition_variable>
#include <mutex>

#include "base/file.h"
#include "base/strings.h"
#include "net/http_server.h"
#include "receivers/kinds.h"
#include "receivers/limits.h"
#include "receivers/memory.h"
#include "receivers/net_sender.h"
#include "receivers/test_notification.h"
#include "state/kv.h"

namespace sentinel::receivers {
namespace {

using Kind = SendResult::Kind;

struct Script {
  net::Response response = net::text_response(200, "ok");
  std::vector<net::Request> seen;
};

net::Task<void> play(net::Exchange* exchange, Script* script) {
  script->seen.push_back(exchange->request());
  (void)co_await exchange->respond(script->response);
}

class NetSenderTest : public testing::Test {
 protected:
  NetSenderTest() : runtime_({.cores = 1, .blocking_threads = 1, .blocking_queue_max = 16}) {}
  void SetUp() override {
    auto router = std::make_shared<net::Router>();
    for (const char* path : {"/hook", "/moved", "/down", "/token", "/api/chat.postMessage", "/api/chat.update"}) {
      for (const char* method : {"GET", "POST"})
        router->add(method, path, [this, path](net::Exchange* e) { return play(e, &scripts_[path]); });
    }
    auto server = net::HttpServer::start(runtime_, metrics_, {}, router);
    ASSERT_TRUE(server) << server.error().to_string();
    server_ = std::move(*server);
    base_ = "http://127.0.0.1:" + std::to_string(server_->port());
    client_ = std::make_unique<net::HttpClient>(runtime_, metrics_, net::ClientOptions{});
    scripts_["/moved"].response.status = 307;
    scripts_["/moved"].response.headers.set("Location", "/hook");
    scripts_["/down"].response.status = 503;
  }
  void TearDown() override {
    server_->stop(Millis(0));
    runtime_.stop();
  }
  void configure(const std::string& kind, const std::vector<std::string>& entries,
                 std::shared_ptr<Memory> memory = nullptr) {
    ReceiverConfig receiver{"team", {}, {}};
    for (const std::string& entry : entries) {
      for (const receivers::Kind& k : kinds()) {
        if (k.name != kind) continue;
        auto impl = k.read(text::parse_yaml(entry, "").value(), Globals());
        ASSERT_TRUE(impl) << impl.error().to_string();
        receiver.integrations.push_back({"team", k.name, receiver.integrations.size(), *impl});
      }
    }
    sender_ = std::make_unique<NetSender>(runtime_, *client_, clock_, std::move(memory));
    ASSERT_TRUE(sender_->configure({receiver}, {}));
  }
  SendResult send(const std::string& integration, const std::string& key,
                  const Notification& notification = test_notification()) {
    std::mutex mutex;
    std::condition_variable ready;
    std::optional<SendResult> result;
    sender_->send({key, integration, encode_notification(notification), 1}, [&](SendResult r) {
      const std::lock_guard lock(mutex);
      result = std::move(r);
      ready.notify_all();
    });
    std::unique_lock lock(mutex);
    ready.wait_for(lock, std::chrono::seconds(20), [&] { return result.has_value(); });
    return result.value_or(SendResult{Kind::kFailed, "no answer at all", std::nullopt, ""});
  }

  net::Runtime runtime_;
  MetricRegistry metrics_;
  FakeClock clock_;
  std::map<std::string, Script> scripts_;
  std::unique_ptr<net::HttpServer> server_;
  std::unique_ptr<net::HttpClient> client_;
  std::unique_ptr<NetSender> sender_;
  std::string base_;
};

// As Go's client: the older ones turn into a GET of the answer, 307 and 308 repeat the request.
TEST_F(NetSenderTest, a_redirect_says_by_its_status_what_is_asked_next) {
  configure("webhook",
            {"url: " + base_ + "/moved", "{url: " + base_ + "/moved, http_config: {follow_redirects: false}}",
             "{url: " + base_ + "/moved, http_config: {basic_auth: {username: u, password: p}}}"});
  std::vector<net::Request>& seen = scripts_["/hook"].seen;
  for (const int status : {301, 302, 303, 307, 308}) {
    seen.clear();
    scripts_["/moved"].response.status = status;
    ASSERT_EQ(send("team/webhook/0", "key").kind, Kind::kDelivered) << status;
    ASSERT_EQ(seen.size(), 1u) << status;
    const bool again = status >= 307;
    EXPECT_EQ(seen[0].method, again ? "POST" : "GET") << status;
    EXPECT_EQ(seen[0].body.empty(), !again) << status;
    EXPECT_EQ(seen[0].headers.has("Content-Type"), again) << status;
    EXPECT_EQ(seen[0].headers.get("Idempotency-Key"), "key") << status;
    const SendResult stays = send("team/webhook/1", "key");
    EXPECT_EQ(stays.kind, Kind::kFailed) << "a redirect that is not followed is no 2xx";
    EXPECT_EQ(seen.size(), 1u) << status;
  }
  // Credentials go along where the host stays the same, and nowhere else.
  scripts_["/moved"].response.status = 302;
  ASSERT_EQ(send("team/webhook/2", "key").kind, Kind::kDelivered);
  EXPECT_EQ(seen.back().headers.get("Authorization"), "Basic " + base64_encode("u:p"));
  const std::string other = "http://localhost:" + std::to_string(server_->port()) + "/hook";
  scripts_["/moved"].response.headers.set("Location", other);
  ASSERT_EQ(send("team/webhook/2", "key").kind, Kind::kDelivered);
  EXPECT_FALSE(seen.back().headers.has("Authorization"));
  // Without a place to go, or to one that is no web address, the answer is what it is.
  for (const char* location : {"", "ftp://localhost/x", "mailto:me"}) {
    scripts_["/moved"].response.headers.set("Location", location);
    EXPECT_EQ(send("team/webhook/0", "key").kind, Kind::kFailed) << location;
  }
}

TEST_F(NetSenderTest, redirects_in_a_circle_end_and_are_tried_again_later) {
  configure("webhook", {"url: " + base_ + "/moved"});
  scripts_["/moved"].response.status = 302;
  scripts_["/moved"].response.headers.set("Location", "/moved");
  const SendResult result = send("team/webhook/0", "key");
  EXPECT_EQ(result.kind, Kind::kRetry);
  EXPECT_NE(result.error.find("stopped after 10 redirects"), std::string::npos) << result.error;
  EXPECT_EQ(scripts_["/moved"].seen.size(), 11u);
}

TEST_F(NetSenderTest, delivers_with_its_key_and_follows_redirects) {
  configure("webhook", {"url: " + base_ + "/hook", "url: " + base_ + "/moved", "url: " + base_ + "/down",
                        "url: http://127.0.0.1:1/", "url: http://u:p%40@" + base_.substr(7) + "/hook"});
  EXPECT_EQ(send("team/webhook/0", "key-1").kind, Kind::kDelivered);
  std::vector<net::Request>& seen = scripts_["/hook"].seen;
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].headers.get("Idempotency-Key"), "key-1");
  EXPECT_NE(seen[0].body.find(R"("notification_reason":"first notification")"), std::string::npos) << seen[0].body;
  EXPECT_EQ(send("team/webhook/1", "key-2").kind, Kind::kDelivered);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[1].headers.get("Idempotency-Key"), "key-2");
  EXPECT_EQ(send("team/webhook/2", "key-3").kind, Kind::kRetry);
  EXPECT_EQ(send("team/webhook/3", "key-4").kind, Kind::kRetry);  // nobody listens there
  EXPECT_EQ(send("team/webhook/4", "key-5").kind, Kind::kDelivered);
  EXPECT_EQ(seen.back().headers.get("Authorization"), "Basic " + base64_encode("u:p@"));
  EXPECT_EQ(send("team/webhook/9", "key-6").kind, Kind::kFailed);
}

TEST_F(NetSenderTest, what_is_prepared_is_not_in_force_before_it_is_installed) {
  configure("webhook", {"url: " + base_ + "/hook"});
  ReceiverConfig down{"team", {}, {}};
  down.integrations.push_back(
      {"team", "webhook", 0, read_webhook(text::parse_yaml("url: " + base_ + "/down", "").value(), Globals()).value()});
  const auto prepared = sender_->prepare({down}, {});
  ASSERT_TRUE(prepared) << prepared.error().to_string();
  EXPECT_EQ(send("team/webhook/0", "a").kind, Kind::kDelivered);
  sender_->install(*prepared);
  EXPECT_EQ(send("team/webhook/0", "b").kind, Kind::kRetry);
}

TEST_F(NetSenderTest, a_server_that_asks_for_patience_is_left_alone) {
  configure("webhook", {"url: " + base_ + "/hook"});
  Script& hook = scripts_["/hook"];
  hook.response = net::text_response(429, "slow down");
  hook.response.headers.set("Retry-After", "30");
  const SendResult first = send("team/webhook/0", "a");
  EXPECT_EQ(first.kind, Kind::kRetry);
  EXPECT_EQ(first.retry_after, Micros(std::chrono::seconds(30)));
  hook.response = net::text_response(200, "ok");
  clock_.advance(std::chrono::seconds(10));
  const SendResult other = send("team/webhook/0", "b");  // another message to the same receiver
  EXPECT_EQ(other.kind, Kind::kRetry);
  EXPECT_EQ(other.retry_after, Micros(std::chrono::seconds(20)));
  EXPECT_EQ(hook.seen.size(), 1u);
  clock_.advance(std::chrono::seconds(20));
  EXPECT_EQ(send("team/webhook/0", "b").kind, Kind::kDelivered);
}

TEST_F(NetSenderTest, a_talkative_answer_is_an_answer) {
  configure("webhook", {"url: " + base_ + "/hook"});
  scripts_["/hook"].response = net::text_response(200, std::string(kResponseBytesMax * 3, 'x'));
  EXPECT_EQ(send("team/webhook/0", "a").kind, Kind::kDelivered);
  scripts_["/hook"].response = net::text_response(400, std::string(kResponseBytesMax * 3, 'x'));
  const SendResult refused = send("team/webhook/0", "b");
  EXPECT_EQ(refused.kind, Kind::kFailed);
  EXPECT_LT(refused.error.size(), 1000u);
}

TEST_F(NetSenderTest, oauth2_tokens_are_kept_and_thrown_away_when_refused) {
  configure("webhook", {"url: " + base_ +
                        "/hook\nhttp_config: {oauth2: {client_id: i, client_secret: s, scopes: [a, b], "
                        "token_url: '" +
                        base_ + "/token', endpoint_params: {audience: x}}}"});
  scripts_["/token"].response =
      net::json_response(200, R"({"access_token":"T1","token_type":"bearer","expires_in":60})");
  EXPECT_EQ(send("team/webhook/0", "a").kind, Kind::kDelivered);
  EXPECT_EQ(send("team/webhook/0", "b").kind, Kind::kDelivered);
  const std::vector<net::Request>& asked = scripts_["/token"].seen;
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].body, "audience=x&grant_type=client_credentials&scope=a+b");
  EXPECT_EQ(asked[0].headers.get("Authorization"), "Basic " + base64_encode("i:s"));
  EXPECT_EQ(scripts_["/hook"].seen.back().headers.get("Authorization"), "Bearer T1");
  clock_.advance(std::chrono::seconds(51));  // ten seconds before its end
  EXPECT_EQ(send("team/webhook/0", "c").kind, Kind::kDelivered);
  EXPECT_EQ(asked.size(), 2u);
  scripts_["/hook"].response = net::text_response(401, "no");
  EXPECT_EQ(send("team/webhook/0", "d").kind, Kind::kFailed);
  scripts_["/hook"].response = net::text_response(200, "ok");
  EXPECT_EQ(send("team/webhook/0", "e").kind, Kind::kDelivered);
  EXPECT_EQ(asked.size(), 3u);
  scripts_["/token"].response = net::text_response(400, "invalid_client");
  clock_.advance(std::chrono::hours(1));
  EXPECT_EQ(send("team/webhook/0", "f").kind, Kind::kFailed);
  ASSERT_EQ(asked.size(), 5u);  // once with the header, once with the form
  EXPECT_EQ(asked[4].body, "audience=x&client_id=i&client_secret=s&grant_type=client_credentials&scope=a+b");
  scripts_["/token"].response = net::text_response(503, "later");
  EXPECT_EQ(send("team/webhook/0", "g").kind, Kind::kRetry);
}

TEST_F(NetSenderTest, a_proxy_gets_the_whole_address) {
  ASSERT_FALSE(base_.empty());
  configure("webhook",
            {"url: http://far.example:99/hook\nhttp_config: {proxy_url: 'http://u:p@" + base_.substr(7) + "'}"});
  EXPECT_EQ(send("team/webhook/0", "a").kind, Kind::kDelivered);
  const net::Request& seen = scripts_["/hook"].seen.at(0);
  EXPECT_EQ(seen.headers.get("Host"), "far.example:99");
  EXPECT_EQ(seen.headers.get("Proxy-Authorization"), "Basic " + base64_encode("u:p"));
}

TEST_F(NetSenderTest, a_slack_message_is_edited_also_after_a_restart) {
  std::string dir = ::testing::TempDir() + "sentinel-memory-XXXXXX";
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  const std::string entry = "{app_token: x, app_url: '" + base_ +
                            "/api/chat.postMessage', update_message: true, "
                            "send_resolved: true, channel: '#ops'}";
  scripts_["/api/chat.postMessage"].response = net::json_response(200, R"({"ok":true,"channel":"C1","ts":"1.5"})");
  scripts_["/api/chat.update"].response = net::json_response(200, R"({"ok":true,"channel":"C1","ts":"1.5"})");
  Notification changed = test_notification("resolved");
  changed.reason = "all alerts resolved";
  {
    auto database = state::open_sqlite(dir + "/state.db", metrics_).value();
    ASSERT_TRUE(state::KeyValue::migrate(*database));
    configure("slack", {entry}, std::make_shared<StateMemory>(*database, clock_));
    EXPECT_EQ(send("team/slack/0", "a", test_notification("firing")).kind, Kind::kDelivered);
    sender_.reset();
  }
  {
    auto database = state::open_sqlite(dir + "/state.db", metrics_).value();
    configure("slack", {entry}, std::make_shared<StateMemory>(*database, clock_));
    EXPECT_EQ(send("team/slack/0", "b", changed).kind, Kind::kDelivered);
    EXPECT_EQ(scripts_["/api/chat.postMessage"].seen.size(), 1u);
    ASSERT_EQ(scripts_["/api/chat.update"].seen.size(), 1u);
    const std::string& body = scripts_["/api/chat.update"].seen[0].body;
    EXPECT_NE(body.find(R"("ts":"1.5")"), std::string::npos) << body;
    EXPECT_NE(body.find(R"("channel":"C1")"), std::string::npos) << body;
    Notification other = changed;
    other.group_key = "another group";
    EXPECT_EQ(send("team/slack/0", "c", other).kind, Kind::kDelivered);
    EXPECT_EQ(scripts_["/api/chat.postMessage"].seen.size(), 2u);
    sender_.reset();
    runtime_.stop();
  }
  EXPECT_TRUE(posix_env().remove_tree(dir));
}

}  // namespace
}  // namespace sentinel::receivers
