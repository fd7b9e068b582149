#include <gtest/gtest.h>
#include <stdlib.h>

#include <condition_variable>
#include <mutex>

#include <boost/json.hpp>

#include "base/file.h"
#include "base/strings.h"
#include "net/http_server.h"
#include "receivers/net_sender.h"
#include "receivers/receiver.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;

NotifiedAlert alert(model::Labels labels, model::Labels annotations, bool resolved = false) {
  NotifiedAlert a;
  a.alert.labels = std::move(labels);
  a.alert.annotations = std::move(annotations);
  a.alert.starts_at = parse_time("2026-01-01T00:00:00.500Z").value();
  if (resolved) a.alert.ends_at = parse_time("2026-01-01T01:00:00Z").value();
  a.alert.generator_url = "http://prom/graph";
  a.resolved = resolved;
  return a;
}

Notification two_alerts() {
  Notification n;
  n.receiver = "team X";
  n.group_key = R"({}/{a="b"}:{alertname="High"})";
  n.group_labels = {{"alertname", "High"}};
  n.alerts = {alert({{"alertname", "High"}, {"env", "prod"}, {"i", "1"}}, {{"summary", "s"}, {"only", "1"}}),
              alert({{"alertname", "High"}, {"env", "prod"}, {"i", "2"}}, {{"summary", "s"}}, true)};
  n.external_url = "http://sentinel";
  n.created_at = parse_time("2026-01-01T02:00:00Z").value();
  n.expires_at = parse_time("2026-01-01T02:05:00Z").value();
  return n;
}

std::shared_ptr<const Templates> default_templates() {
  static const FakeClock clock;
  return Templates::load({}, clock).value();
}

TEST(Notification, survives_the_outbox) {
  const Notification n = two_alerts();
  const auto back = decode_notification(encode_notification(n));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(encode_notification(*back), encode_notification(n));
  EXPECT_EQ(back->alerts.at(1).alert.ends_at, n.alerts[1].alert.ends_at);
  EXPECT_TRUE(back->firing());
  EXPECT_EQ(back->common_labels(), (model::Labels{{"alertname", "High"}, {"env", "prod"}}));
  EXPECT_EQ(back->common_annotations(), (model::Labels{{"summary", "s"}}));
  for (const char* bad : {"", "{}", "[]", R"({"receiver": 1})"}) EXPECT_FALSE(decode_notification(bad)) << bad;
}

TEST(Webhook, sends_version_4) {
  WebhookConfig config;
  config.url.value = "http://127.0.0.1:9/hook";
  const auto post = make_webhook(config)->post(two_alerts());
  ASSERT_TRUE(post);
  EXPECT_EQ(post->url, "http://127.0.0.1:9/hook");
  EXPECT_EQ(post->headers.get("content-type"), "application/json");
  const std::string first = two_alerts().alerts[0].alert.fingerprint_hex();
  const std::string second = two_alerts().alerts[1].alert.fingerprint_hex();
  EXPECT_EQ(
      post->body,
      R"({"receiver":"team X","status":"firing","alerts":[)"
      R"({"status":"firing","labels":{"alertname":"High","env":"prod","i":"1"},"annotations":{"only":"1","summary":"s"},)"
      R"("startsAt":"2026-01-01T00:00:00.5Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prom/graph",)"
      R"("fingerprint":")" +
          first +
          R"("},)"
          R"({"status":"resolved","labels":{"alertname":"High","env":"prod","i":"2"},"annotations":{"summary":"s"},)"
          R"("startsAt":"2026-01-01T00:00:00.5Z","endsAt":"2026-01-01T01:00:00Z","generatorURL":"http://prom/graph",)"
          R"("fingerprint":")" +
          second +
          R"("}],)"
          R"("groupLabels":{"alertname":"High"},"commonLabels":{"alertname":"High","env":"prod"},)"
          R"("commonAnnotations":{"summary":"s"},"externalURL":"http://sentinel","version":"4",)"
          R"("groupKey":"{}/{a=\"b\"}:{alertname=\"High\"}","truncatedAlerts":0})");
}

TEST(Webhook, cuts_at_max_alerts_and_says_so) {
  WebhookConfig config;
  config.url.value = "http://x";
  config.max_alerts = 1;
  const json::value body = json::parse(make_webhook(config)->post(two_alerts())->body);
  EXPECT_EQ(body.at("alerts").as_array().size(), 1u);
  EXPECT_EQ(body.at("truncatedAlerts").as_int64(), 1);
}

TEST(Slack, default_message) {
  SlackConfig config;
  config.api_url.value = "http://slack";
  config.channel = "#ops";
  const auto post = make_slack(config, default_templates())->post(two_alerts());
  ASSERT_TRUE(post) << post.error().to_string();
  EXPECT_EQ(post->body,
            R"x({"channel":"#ops","username":"Alertmanager","attachments":[{"title":"[FIRING:1] High (prod)",)x"
            R"x("title_link":"http://sentinel/#/alerts?receiver=team+X","text":"",)x"
            R"x("fallback":"[FIRING:1] High (prod) | http://sentinel/#/alerts?receiver=team+X","callback_id":"",)x"
            R"x("footer":"","color":"danger","mrkdwn_in":["fallback","pretext","text"]}]})x");
}

TEST(Slack, every_field_is_a_template) {
  SlackConfig config;
  config.api_url.value = "http://slack";
  config.app_token.value = "xoxb-1";
  config.channel = "#{{ .CommonLabels.env }}";
  config.username = "u";
  config.title = "{{ range .Alerts.Firing }}{{ .Labels.i }}{{ end }}";
  config.title_link = "l";
  config.text = "{{ .CommonAnnotations.summary | toUpper }}";
  config.pretext = "p";
  config.message_text = "m";
  config.icon_emoji = ":fire:";
  config.image_url = "i";
  config.link_names = true;
  config.short_fields = true;
  config.fields = {{"a", "{{ .Status }}", std::nullopt}, {"b", "c", false}};
  config.actions = {{"button", "Open", "http://{{ .GroupLabels.alertname }}", "primary", "", "",
                     SlackConfirm{"sure?", "t", "y", "n"}}};
  config.mrkdwn_in = {"text"};
  const auto post = make_slack(config, default_templates())->post(two_alerts());
  ASSERT_TRUE(post) << post.error().to_string();
  EXPECT_EQ(post->headers.get("Authorization"), "Bearer xoxb-1");
  const json::value m = json::parse(post->body);
  EXPECT_EQ(m.at("channel"), "#prod");
  EXPECT_EQ(m.at("text"), "m");
  EXPECT_EQ(m.at("link_names"), true);
  const json::value& a = m.at("attachments").at(0);
  EXPECT_EQ(a.at("title"), "1");
  EXPECT_EQ(a.at("text"), "S");
  EXPECT_EQ(json::serialize(a.at("fields")),
            R"([{"title":"a","value":"firing","short":true},{"title":"b","value":"c","short":false}])");
  EXPECT_EQ(json::serialize(a.at("actions")),
            R"([{"type":"button","text":"Open","url":"http://High","style":"primary",)"
            R"("confirm":{"title":"t","text":"sure?","ok_text":"y","dismiss_text":"n"}}])");
}

TEST(Slack, a_failing_template_is_a_final_error_and_a_long_title_is_cut) {
  SlackConfig config;
  config.api_url.value = "http://slack";
  config.title = "{{ .Nope }}";
  EXPECT_FALSE(make_slack(config, default_templates())->post(two_alerts()));
  config.title = std::string(2000, 'x');
  const json::value m = json::parse(make_slack(config, default_templates())->post(two_alerts())->body);
  EXPECT_EQ(m.at("attachments").at(0).at("title").as_string(), std::string(1023, 'x') + "…");
}

net::Response response(int status, std::string body = "", std::string content_type = "", std::string retry_after = "") {
  net::Response r;
  r.status = status;
  r.body = std::move(body);
  if (!content_type.empty()) r.headers.set("Content-Type", content_type);
  if (!retry_after.empty()) r.headers.set("Retry-After", retry_after);
  return r;
}

TEST(Judge, what_is_retried_and_what_is_not) {
  using Kind = SendResult::Kind;
  const auto webhook = make_webhook({});
  const auto slack = make_slack({}, default_templates());
  EXPECT_EQ(webhook->judge(response(200, "anything")).kind, Kind::kDelivered);
  EXPECT_EQ(webhook->judge(response(204)).kind, Kind::kDelivered);
  EXPECT_EQ(webhook->judge(response(400, "bad\nrequest")).kind, Kind::kFailed);
  EXPECT_EQ(webhook->judge(response(400, "bad\nrequest")).error, "unexpected status code 400: bad request");
  EXPECT_EQ(webhook->judge(response(302)).kind, Kind::kFailed);
  EXPECT_EQ(webhook->judge(response(503)).kind, Kind::kRetry);
  EXPECT_EQ(webhook->judge(response(503)).retry_after, std::nullopt);
  EXPECT_EQ(webhook->judge(response(429, "", "", "7")).retry_after, Micros(std::chrono::seconds(7)));
  EXPECT_EQ(webhook->judge(response(429, "", "", "99999999")).retry_after, Micros(std::chrono::hours(1)));
  EXPECT_EQ(webhook->judge(response(429, "", "", "soon")).retry_after, std::nullopt);
  EXPECT_EQ(slack->judge(response(200, "ok")).kind, Kind::kDelivered);
  EXPECT_EQ(slack->judge(response(200, R"({"ok":true})", "application/json")).kind, Kind::kDelivered);
  EXPECT_EQ(slack->judge(response(200, R"({"ok":false,"error":"channel_not_found"})", "application/json")).kind,
            Kind::kFailed);
  EXPECT_EQ(slack->judge(response(200, "no_text")).kind, Kind::kFailed);
  EXPECT_EQ(slack->judge(response(500, "rollup_error")).kind, Kind::kRetry);
}

TEST(Credentials, come_from_the_configuration_or_from_files) {
  std::string dir = ::testing::TempDir() + "sentinel-receivers-XXXXXX";
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  ASSERT_TRUE(posix_env().write_file_atomic(dir + "/token", "s3cret\n"));
  HttpConfig config;
  net::Headers headers;
  config.authorization.file = dir + "/token";
  ASSERT_TRUE(authorize(headers, config));
  EXPECT_EQ(headers.get("Authorization"), "Bearer s3cret");
  config = {};
  config.basic_username = "u";
  config.basic_password.value = "p";
  ASSERT_TRUE(authorize(headers, config));
  EXPECT_EQ(headers.get("Authorization"), "Basic dTpw");
  config.basic_password = {"", dir + "/gone"};
  EXPECT_FALSE(authorize(headers, config));
  EXPECT_TRUE(posix_env().remove_tree(dir));
}

TEST(TemplateFiles, override_the_defaults_and_report_mistakes) {
  std::string dir = ::testing::TempDir() + "sentinel-receivers-XXXXXX";
  ASSERT_NE(::mkdtemp(dir.data()), nullptr);
  ASSERT_TRUE(posix_env().write_file_atomic(dir + "/a.tmpl",
                                            R"({{ define "slack.default.text" }}mine {{ .Status }}{{ end }})"));
  const FakeClock clock;
  const auto templates = Templates::load({dir + "/*.tmpl", dir + "/none*"}, clock);
  ASSERT_TRUE(templates) << templates.error().to_string();
  const text::Value data = text::to_value(template_data(two_alerts()));
  EXPECT_EQ((*templates)->expand(R"({{ template "slack.default.text" . }})", data).value(), "mine firing");
  EXPECT_EQ((*templates)->expand(R"({{ template "__text_alert_list" .Alerts.Resolved }})", data).value(),
            "Labels:\n - alertname = High\n - env = prod\n - i = 2\nAnnotations:\n - summary = s\nSource: "
            "http://prom/graph\n");
  ASSERT_TRUE(posix_env().write_file_atomic(dir + "/b.tmpl", "{{ define }}"));
  const auto bad = Templates::load({dir + "/*.tmpl"}, clock);
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().to_string().find("b.tmpl"), std::string::npos);
  EXPECT_TRUE(posix_env().remove_tree(dir));
}

// Sends one message and waits for its end.
SendResult send_and_wait(NetSender& sender, const std::string& integration, const std::string& key) {
  std::mutex mutex;
  std::condition_variable ready;
  std::optional<SendResult> result;
  sender.send({key, integration, encode_notification(two_alerts()), 1}, [&](SendResult r) {
    const std::lock_guard lock(mutex);
    result = std::move(r);
    ready.notify_all();
  });
  std::unique_lock lock(mutex);
  ready.wait_for(lock, std::chrono::seconds(20), [&] { return result.has_value(); });
  return result.value_or(SendResult{SendResult::Kind::kFailed, "no answer at all", std::nullopt});
}

net::Task<void> receive(net::Exchange* exchange, net::Request* seen, int status, std::string location) {
  *seen = exchange->request();
  net::Response r = net::text_response(status, status == 200 ? "ok" : "no");
  if (!location.empty()) r.headers.set("Location", location);
  (void)co_await exchange->respond(std::move(r));
}

TEST(NetSender, delivers_over_http_with_its_key_and_follows_redirects) {
  net::RuntimeOptions runtime_options;
  runtime_options.cores = 1;
  net::Runtime runtime(runtime_options);
  MetricRegistry metrics;
  net::Request seen;
  auto router = std::make_shared<net::Router>();
  router->add("POST", "/hook", [&seen](net::Exchange* e) { return receive(e, &seen, 200, ""); });
  router->add("POST", "/moved", [&seen](net::Exchange* e) { return receive(e, &seen, 307, "/hook"); });
  router->add("POST", "/down", [&seen](net::Exchange* e) { return receive(e, &seen, 503, ""); });
  auto server = net::HttpServer::start(runtime, metrics, {}, router);
  ASSERT_TRUE(server) << server.error().to_string();
  const std::string base = "http://127.0.0.1:" + std::to_string((*server)->port());
  net::HttpClient client(runtime, metrics, {});
  const SystemClock clock;
  NetSender sender(runtime, client, clock);

  ReceiverConfig receiver{"team", {}};
  for (const std::string path : {"/hook", "/moved", "/down", ""}) {
    WebhookConfig webhook;
    webhook.url.value = path.empty() ? "http://127.0.0.1:1/" : base + path;
    receiver.integrations.push_back({"team", receiver.integrations.size(), webhook});
  }
  ASSERT_TRUE(sender.configure({receiver}, {}));
  using Kind = SendResult::Kind;
  EXPECT_EQ(send_and_wait(sender, "team/webhook/0", "key-1").kind, Kind::kDelivered);
  EXPECT_EQ(seen.headers.get("Idempotency-Key"), "key-1");
  EXPECT_EQ(seen.body,
            make_webhook(std::get<WebhookConfig>(receiver.integrations[0].config))->post(two_alerts())->body);
  EXPECT_EQ(send_and_wait(sender, "team/webhook/1", "key-2").kind, Kind::kDelivered);
  EXPECT_EQ(seen.path, "/hook");
  EXPECT_EQ(seen.headers.get("Idempotency-Key"), "key-2");
  EXPECT_EQ(send_and_wait(sender, "team/webhook/2", "key-3").kind, Kind::kRetry);
  EXPECT_EQ(send_and_wait(sender, "team/webhook/3", "key-4").kind, Kind::kRetry);  // nobody listens there
  EXPECT_EQ(send_and_wait(sender, "team/webhook/9", "key-5").kind, Kind::kFailed);

  // What was prepared is not in force before it is installed.
  std::swap(receiver.integrations[0].config, receiver.integrations[2].config);
  const auto prepared = sender.prepare({receiver}, {});
  ASSERT_TRUE(prepared) << prepared.error().to_string();
  EXPECT_EQ(send_and_wait(sender, "team/webhook/0", "key-6").kind, Kind::kDelivered);
  sender.install(*prepared);
  EXPECT_EQ(send_and_wait(sender, "team/webhook/0", "key-7").kind, Kind::kRetry);
  (*server)->stop(Millis(0));
  runtime.stop();
}

}  // namespace
}  // namespace sentinel::receivers
