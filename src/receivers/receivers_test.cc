// The pieces that all receivers share: judgement, secrets, templates, fields, mail texts, signatures, rates.

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

#include <boost/json.hpp>

#include "base/file.h"
#include "base/strings.h"
#include "receivers/digest.h"
#include "receivers/kinds.h"
#include "receivers/mime.h"
#include "receivers/payload.h"
#include "receivers/rate_limit.h"
#include "receivers/sigv4.h"
#include "receivers/test_notification.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;
using std::chrono::seconds;

TimePoint at(const char* time) { return parse_time(time).value(); }

text::YamlNode yaml(std::string_view text) { return text::parse_yaml(text, "x.yml").value(); }

TEST(Notification, survives_the_outbox) {
  const Notification n = test_notification();
  const auto back = decode_notification(encode_notification(n));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(encode_notification(*back), encode_notification(n));
  EXPECT_EQ(back->alerts.at(1).alert.ends_at, n.alerts[1].alert.ends_at);
  EXPECT_EQ(back->reason, "first notification");
  EXPECT_TRUE(back->firing());
  EXPECT_EQ(back->common_annotations(), (model::Labels{{"summary", "s <1>"}}));
  for (const char* bad : {"", "{}", "[]", R"({"receiver": 1})"}) EXPECT_FALSE(decode_notification(bad)) << bad;
}

TEST(Notification, of_an_older_version_can_still_be_sent) {
  json::object stored = json::parse(encode_notification(test_notification())).as_object();
  stored.erase("route_labels");
  stored.erase("reason");
  const auto back = decode_notification(json::serialize(stored));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_TRUE(back->route_labels.empty());
}

net::Response response(int status, std::string body = "", std::string retry_after = "") {
  net::Response r;
  r.status = status;
  r.body = std::move(body);
  if (!retry_after.empty()) r.headers.set("Retry-After", retry_after);
  return r;
}

TEST(Judge, what_is_retried_and_what_is_not) {
  using Kind = SendResult::Kind;
  const TimePoint now = at("2026-01-01T02:00:00Z");
  EXPECT_EQ(judge_status(response(200, "anything"), now).kind, Kind::kDelivered);
  EXPECT_EQ(judge_status(response(204), now).kind, Kind::kDelivered);
  EXPECT_EQ(judge_status(response(302), now).kind, Kind::kFailed);
  EXPECT_EQ(judge_status(response(403), now).kind, Kind::kFailed);
  EXPECT_EQ(judge_status(response(403), now, 403).kind, Kind::kRetry);
  EXPECT_EQ(judge_status(response(429), now).kind, Kind::kRetry);
  EXPECT_EQ(judge_status(response(503), now).kind, Kind::kRetry);
  EXPECT_EQ(judge_status(response(400, "bad\nrequest"), now).error, "unexpected status code 400: bad request");
  EXPECT_EQ(judge_status(response(400, "bad"), now, 0, "why").error, "unexpected status code 400: why");
  EXPECT_EQ(judge_status(response(503, "", "3"), now).retry_after, Micros(seconds(3)));
}

TEST(RetryAfter, is_seconds_or_a_date) {
  const TimePoint now = at("1994-11-06T08:49:00Z");
  const std::pair<const char*, std::optional<Micros>> cases[] = {
      {"7", seconds(7)},
      {" 7 ", seconds(7)},
      {"99999999", std::chrono::hours(1)},
      {"Sun, 06 Nov 1994 08:49:37 GMT", seconds(37)},
      {"Sun, 06 Nov 1994 08:48:59 GMT", std::nullopt},
      {"Sun, 31 Feb 1994 08:49:37 GMT", std::nullopt},
      {"Sun, 06 Xxx 1994 08:49:37 GMT", std::nullopt},
      {"0", std::nullopt},
      {"-5", std::nullopt},
      {"soon", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& [text, wait] : cases) EXPECT_EQ(parse_retry_after(text, now), wait) << text;
}

TEST(Rates, a_bucket_lets_a_burst_through_and_then_its_rate) {
  RateLimiter limiter;
  const TimePoint start = at("2026-01-01T00:00:00Z");
  const Rate rate{2, 3};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(limiter.take("a", rate, start), std::nullopt) << i;
  const auto wait = limiter.take("a", rate, start);
  ASSERT_TRUE(wait);
  EXPECT_NEAR(static_cast<double>(wait->count()), 500'000, 10);
  EXPECT_EQ(limiter.take("b", rate, start), std::nullopt);  // another integration
  EXPECT_TRUE(limiter.take("a", rate, start + std::chrono::milliseconds(400)));
  EXPECT_EQ(limiter.take("a", rate, start + *wait), std::nullopt);
  EXPECT_TRUE(limiter.take("a", rate, start + *wait));
}

TEST(Rates, a_pause_holds_everybody_back) {
  RateLimiter limiter;
  const TimePoint start = at("2026-01-01T00:00:00Z");
  limiter.pause("a", start + seconds(10));
  limiter.pause("a", start + seconds(5));  // no earlier
  EXPECT_EQ(limiter.take("a", {1, 1}, start + seconds(4)), Micros(seconds(6)));
  EXPECT_EQ(limiter.take("a", {1, 1}, start + seconds(10)), std::nullopt);
}

class Folder : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(dir_.data()), nullptr); }
  void TearDown() override { EXPECT_TRUE(posix_env().remove_tree(dir_)); }
  std::string write(const std::string& name, std::string_view content) {
    EXPECT_TRUE(posix_env().write_file_atomic(dir_ + "/" + name, content));
    return dir_ + "/" + name;
  }
  std::string dir_ = ::testing::TempDir() + "sentinel-receivers-XXXXXX";
};

using Credentials = Folder;
using TemplateFiles = Folder;

TEST_F(Credentials, come_from_the_configuration_or_from_files) {
  write("token", "s3cret\n");
  write("header", " h \n");
  const auto headers_of = [&](std::string_view text) {
    const auto config = read_http_config(yaml(text), dir_ + "/", {});
    EXPECT_TRUE(config) << config.error().to_string();
    net::Headers headers;
    EXPECT_TRUE(authorize(headers, *config));
    return headers;
  };
  EXPECT_EQ(headers_of("bearer_token_file: token").get("Authorization"), "Bearer s3cret");
  EXPECT_EQ(headers_of("authorization: {type: ' Key ', credentials: x}").get("Authorization"), "Key x");
  EXPECT_EQ(headers_of("basic_auth: {username: u, password_file: token}").get("Authorization"),
            "Basic " + base64_encode("u:s3cret"));
  EXPECT_EQ(headers_of("http_headers: {X-A: {values: [v], secrets: [s], files: [header]}}").size(), 3u);
  const auto gone = read_http_config(yaml("bearer_token_file: gone"), dir_ + "/", {});
  net::Headers headers;
  EXPECT_FALSE(authorize(headers, *gone));
}

TEST(HttpConfig, mistakes_are_refused) {
  const char* bad[] = {
      "basic_auth: {username: u}\nbearer_token: t",
      "basic_auth: {username: u}\nauthorization: {credentials: t}",
      "basic_auth: {username: u, username_file: f}",
      "basic_auth: {username: u, password: p, password_file: f}",
      "bearer_token: t\nbearer_token_file: f",
      "bearer_token: t\nauthorization: {credentials: t}",
      "authorization: {type: Basic, credentials: t}",
      "authorization: {credentials: t, credentials_file: f}",
      "oauth2: {token_url: 'http://t'}",
      "oauth2: {client_id: i}",
      "oauth2: {client_id: i, token_url: 'http://t', client_secret: s, client_secret_file: f}",
      "oauth2: {client_id: i, token_url: 'http://t'}\nbasic_auth: {username: u}",
      "tls_config: {ca: x, ca_file: f}",
      "tls_config: {cert: x}",
      "tls_config: {key_file: x}",
      "tls_config: {min_version: TLS9}",
      "proxy_from_environment: true\nproxy_url: http://p",
      "proxy_from_environment: true\nno_proxy: x",
      "no_proxy: x",
      "proxy_connect_header: {A: [b]}",
      "http_headers: {content-type: {values: [x]}}",
      "http_headers: {X-A: {value: x}}",
      "follow_redirects: maybe",
      "follow_redirect: true",
  };
  for (const char* text : bad) EXPECT_FALSE(read_http_config(yaml(text), "", {})) << text;
  const auto good = read_http_config(
      yaml("follow_redirects: no\nenable_http2: off\nproxy_url: http://u:p@proxy:1\nno_proxy: a,b\n"
           "proxy_connect_header: {A: [b, c]}\ntls_config: {insecure_skip_verify: true, server_name: n, "
           "min_version: TLS12, max_version: TLS13}\noauth2: {client_id: i, token_url: 'http://t', scopes: [a, b], "
           "endpoint_params: {x: y}, tls_config: {ca_file: f}, proxy_url: 'http://q'}"),
      "/etc/am/", {});
  ASSERT_TRUE(good) << good.error().to_string();
  EXPECT_FALSE(good->follow_redirects);
  EXPECT_EQ(good->oauth2->tls.ca.file, "/etc/am/f");
  EXPECT_EQ(good->proxy.connect_headers.at("A").size(), 2u);
}

TEST(Proxy, is_chosen_by_url_and_exemption) {
  ProxyConfig config;
  EXPECT_EQ(proxy_for("http://a.example", config), "");
  config.url = "http://proxy:3128";
  EXPECT_EQ(proxy_for("http://127.0.0.1:9", config), "http://proxy:3128");  // nothing is exempt without no_proxy
  config.no_proxy = "b.example, 10.0.0.0/8, c.example:8443, .d.example, *.e.example";
  const std::pair<const char*, bool> cases[] = {
      {"http://a.example", true},        {"http://b.example/x", false}, {"http://sub.b.example", false},
      {"http://xb.example", true},       {"http://10.1.2.3", false},    {"http://11.1.2.3", true},
      {"https://c.example:8443", false}, {"https://c.example", true},   {"http://d.example", true},
      {"http://x.d.example", false},     {"http://x.e.example", false}, {"http://localhost", false},
      {"http://127.0.0.9", false},
  };
  for (const auto& [url, proxied] : cases) EXPECT_EQ(!proxy_for(url, config).empty(), proxied) << url;
}

TEST(Proxy, comes_from_the_environment) {
  ::setenv("HTTPS_PROXY", "http://secure:1", 1);
  ::setenv("no_proxy", "inside.example", 1);
  ProxyConfig config;
  config.from_environment = true;
  EXPECT_EQ(proxy_for("https://a.example", config), "http://secure:1");
  EXPECT_EQ(proxy_for("https://inside.example", config), "");
  ::unsetenv("HTTPS_PROXY");
  ::unsetenv("no_proxy");
}

TEST_F(TemplateFiles, override_the_defaults_and_report_mistakes) {
  write("a.tmpl", R"({{ define "slack.default.text" }}mine {{ .Status }}{{ end }})");
  const FakeClock clock;
  const auto templates = Templates::load({dir_ + "/*.tmpl", dir_ + "/none*"}, clock);
  ASSERT_TRUE(templates) << templates.error().to_string();
  Expander expand(*templates, test_notification());
  EXPECT_EQ(expand(R"({{ template "slack.default.text" . }})"), "mine firing");
  EXPECT_EQ(expand.html("<b>{{ .CommonAnnotations.summary }}</b>"), "<b>s &lt;1&gt;</b>");
  EXPECT_EQ(expand("{{ routeLabels \"team\" }} {{ .RouteLabels.team }}"), "High-team High-team");
  EXPECT_EQ(expand("{{ .Nope }}"), "");
  EXPECT_TRUE(expand.error());
  EXPECT_EQ(expand("plain"), "");  // the first mistake sticks
  write("b.tmpl", "{{ define }}");
  const auto bad = Templates::load({dir_ + "/*.tmpl"}, clock);
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().to_string().find("b.tmpl"), std::string::npos);
}

TEST(Templates, every_default_name_exists_and_runs) {
  const FakeClock clock;
  const auto templates = Templates::load({}, clock).value();
  const char* names[] = {"slack.default.title",
                         "slack.default.username",
                         "slack.default.fallback",
                         "slack.default.callbackid",
                         "slack.default.pretext",
                         "slack.default.titlelink",
                         "slack.default.iconemoji",
                         "slack.default.iconurl",
                         "slack.default.text",
                         "slack.default.footer",
                         "slack.default.color",
                         "pagerduty.default.description",
                         "pagerduty.default.client",
                         "pagerduty.default.clientURL",
                         "opsgenie.default.message",
                         "opsgenie.default.description",
                         "opsgenie.default.source",
                         "wechat.default.message",
                         "wechat.default.to_user",
                         "wechat.default.to_party",
                         "wechat.default.to_tag",
                         "wechat.default.agent_id",
                         "victorops.default.state_message",
                         "victorops.default.entity_display_name",
                         "victorops.default.monitoring_tool",
                         "pushover.default.title",
                         "pushover.default.message",
                         "pushover.default.url",
                         "sns.default.subject",
                         "sns.default.message",
                         "telegram.default.message",
                         "discord.default.content",
                         "discord.default.title",
                         "discord.default.message",
                         "webex.default.message",
                         "msteams.default.summary",
                         "msteams.default.title",
                         "msteams.default.text",
                         "msteamsv2.default.title",
                         "msteamsv2.default.text",
                         "jira.default.summary",
                         "jira.default.description",
                         "jira.default.priority",
                         "rocketchat.default.title",
                         "rocketchat.default.alias",
                         "rocketchat.default.titlelink",
                         "rocketchat.default.emoji",
                         "rocketchat.default.iconurl",
                         "rocketchat.default.text",
                         "mattermost.default.color",
                         "mattermost.default.username",
                         "mattermost.default.title",
                         "mattermost.default.titlelink",
                         "mattermost.default.fallback",
                         "mattermost.default.text",
                         "email.default.subject",
                         "email.default.html",
                         "__subject",
                         "__description",
                         "__alertmanager",
                         "__alertmanagerURL"};
  for (const char* name : names) {
    for (const char* alerts : {"both", "firing", "resolved"}) {
      Expander expand(templates, test_notification(alerts));
      const std::string text = std::string("{{ template \"") + name + "\" . }}";
      (void)expand(text);
      (void)expand.html(text);
      EXPECT_FALSE(expand.error()) << name << ": " << expand.error()->to_string();
    }
  }
  Expander expand(templates, test_notification());
  for (const char* list : {"__text_alert_list", "__text_alert_list_markdown", "pagerduty.default.instances"}) {
    EXPECT_NE(expand("{{ template \"" + std::string(list) + "\" .Alerts }}").find("http://prom/graph"),
              std::string::npos);
  }
}

// What Go made of Alertmanager's own default templates: amtool template render, for the group of test_notification.h.
TEST(Templates, default_ones_give_what_alertmanagers_give) {
  const FakeClock clock;
  const auto templates = Templates::load({}, clock).value();
  std::ifstream file(std::string(SENTINEL_SOURCE_DIR) + "/tests/data/receivers/default_templates.jsonl");
  size_t compared = 0;
  for (std::string line; std::getline(file, line); ++compared) {
    const json::object expected = json::parse(line).as_object();
    const std::string name(expected.at("name").as_string());
    Expander expand(templates, test_notification(expected.at("alerts").as_string()));
    EXPECT_EQ(expand("{{ template \"" + name + "\" . }}"), expected.at("text").as_string()) << name;
  }
  EXPECT_EQ(compared, 177u);
}

TEST(Templates, every_function_of_alertmanager_exists) {
  const FakeClock clock(at("2026-01-01T02:00:00Z"));
  const auto templates = Templates::load({}, clock).value();
  const std::pair<const char*, const char*> cases[] = {
      {R"({{ "aB" | toUpper }}{{ "aB" | toLower }}{{ "a b" | title }})", "ABabA B"},
      {R"({{ trimSpace " a " }}{{ join "," (stringSlice "a" "b") }})", "aa,b"},
      {R"({{ match "^a.c$" "abc" }}{{ reReplaceAll "b+" "x" "abbc" }})", "trueaxc"},
      {R"({{ safeHtml "<" }}{{ safeUrl "a b" }}{{ urlUnescape "a%20b" }})", "<a ba b"},
      {R"({{ routeLabels "team" }})", "High-team"},
      {R"({{ now | date "2006-01-02" }} {{ (now | tz "Europe/Paris") | date "15:04" }})", "2026-01-01 03:00"},
      {R"({{ since (toDate "2006-01-02" "2026-01-01") | humanizeDuration }})", "2h 0m 0s"},
      {R"({{ (mustToDate "2006-01-02" "2026-01-01").Year }})", "2026"},
      {R"({{ dict "a" (list 1 2) | toJson }}{{ append (list 1) 2 | toJson }})", R"({"a":[1,2]}[1,2])"},
      {R"({{ base64encode "a?>" }}{{ base64decode "YT8-" }})", "YT8-a?>"},
      {R"({{ .NotificationReason }} {{ .GroupLabels.Names.Join "," }} {{ .CommonLabels.Remove (stringSlice "env") }})",
       "first notification alertname alertname=High, severity=critical"},
  };
  for (const auto& [text, result] : cases) {
    Expander expand(templates, test_notification());
    EXPECT_EQ(expand(text), result) << text << (expand.error() ? expand.error()->to_string() : "");
  }
}

TEST(Fields, go_durations) {
  const std::pair<const char*, int64_t> good[] = {
      {"0", 0}, {"10s", 10'000}, {"1m30s", 90'000}, {"1.5h", 5'400'000}, {"250ms", 250}, {"-1s", -1000}, {"1500us", 2}};
  for (const auto& [text, ms] : good) EXPECT_EQ(parse_go_duration(text).value_or(Millis(-1)), Millis(ms)) << text;
  for (const char* bad : {"", "10", "1d", "s", "1x", "1.2.3s", "99999999999h"})
    EXPECT_FALSE(parse_go_duration(bad)) << bad;
}

TEST(Fields, mistakes_have_a_place) {
  std::string text;
  bool flag = false;
  Secret secret;
  size_t count = 0;
  const Fields fields = {{"text", &text}, {"flag", &flag}, {"secret", &secret}, {"count", &count}};
  ASSERT_TRUE(read_fields(yaml("text: 1\nflag: on\nsecret_file: f\ncount: 3"), "it", fields));
  EXPECT_EQ(text, "1");
  EXPECT_TRUE(flag);
  EXPECT_EQ(secret.file, "f");
  ASSERT_TRUE(read_fields(yaml("text:\nsecret: ''"), "it", fields));
  EXPECT_EQ(text, "1");  // null leaves it as it is
  EXPECT_EQ(secret.file, "f");
  const std::pair<const char*, const char*> bad[] = {{"texts: x", "x.yml:1:1: unknown field \"texts\" in it; did you"},
                                                     {"secret: a\nsecret_file: b", "x.yml:2:14: at most one of"},
                                                     {"flag: 2", "x.yml:1:7: expected true or false"},
                                                     {"count: -1", "x.yml:1:8: count must not be negative"},
                                                     {"text: [a]", "x.yml:1:7:"}};
  for (const auto& [document, message] : bad) {
    const Status s = read_fields(yaml(document), "it", fields);
    ASSERT_FALSE(s) << document;
    EXPECT_TRUE(s.error().to_string().starts_with(message)) << s.error().to_string();
  }
}

TEST(Payload, cuts_never_split_a_character) {
  EXPECT_EQ(truncate_runes("äöü", 3), "äöü");
  EXPECT_EQ(truncate_runes("äöüß", 3), "äöü");
  EXPECT_EQ(truncate_runes("abcdef", 5), "abcd…");
  EXPECT_EQ(truncate_runes(std::string(2000, 'x'), 1024), std::string(1023, 'x') + "…");
  EXPECT_EQ(truncate_bytes("abcdefg", 7), "abcdefg");
  EXPECT_EQ(truncate_bytes("abcdefgh", 7), "abcd…");
  EXPECT_EQ(truncate_bytes("äääää", 6), "ä…");
  EXPECT_EQ(truncate_bytes("abcdefgh", 2), "..");
}

TEST(Payload, plain_scalars_have_the_types_of_yaml) {
  const auto value =
      json_from_yaml(yaml("[1, -0x1F, 0o17, 010, 1_000, 1.5, 1e3, yes, Off, ~, null, 2026-01-01, '1', a, .5, 1.2.3]"));
  ASSERT_TRUE(value);
  EXPECT_EQ(json::serialize(*value),
            R"([1,-31,15,8,1000,1.5E0,1E3,true,false,null,null,"2026-01-01","1","a",5E-1,"1.2.3"])");
}

TEST(Mail, headers_are_encoded_in_words) {
  EXPECT_EQ(q_encode_header("plain [x] = 1"), "plain [x] = 1");
  EXPECT_EQ(q_encode_header("Grüße"), "=?utf-8?q?Gr=C3=BC=C3=9Fe?=");
  EXPECT_EQ(q_encode_header("a\r\nBcc: x"), "=?utf-8?q?a=0D=0ABcc:_x?=");
  const std::string folded = q_encode_header(std::string(100, 'x') + "ü");  // split() returns views of it
  for (const std::string_view line : split(folded, '\n')) {
    EXPECT_LE(line.size(), 77u);
  }
}

TEST(Mail, bodies_are_quoted_printable) {
  EXPECT_EQ(quoted_printable("a = b\nü \n\t"), "a =3D b\r\n=C3=BC=20\r\n=09");
  EXPECT_EQ(quoted_printable("a\r\nb"), "a\r\nb");
  const std::string line = quoted_printable(std::string(76, 'x') + "\n" + std::string(77, 'y'));
  EXPECT_EQ(line, std::string(76, 'x') + "\r\n" + std::string(75, 'y') + "=\r\nyy");
}

TEST(Mail, addresses) {
  const auto good = parse_address_list(R"(a@x.org, Jo <b@x.org>, "Doe, \"A\"" <c@x.org> )");
  ASSERT_TRUE(good);
  EXPECT_EQ(*good, (std::vector<std::string>{"a@x.org", "b@x.org", "c@x.org"}));
  for (const char* bad : {"", "a", "a@", "@b", "a@x.org,", "<a@x.org", "a@x.org>", "a b@x.org", "a@x.org\r\nRCPT"}) {
    EXPECT_FALSE(parse_address_list(bad)) << bad;
  }
  EXPECT_EQ(mail_date(at("2026-01-02T03:04:05Z")), "Fri, 02 Jan 2026 03:04:05 +0000");
  EXPECT_EQ(canonical_header("message-ID"), "Message-Id");
}

// Amazon's published test suite: "post-x-www-form-urlencoded" and "get-vanilla" of aws-sig-v4-test-suite.
TEST(SigV4, signs_as_amazons_examples) {
  const AwsCredentials credentials = {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", ""};
  const TimePoint time = at("2015-08-30T12:36:00Z");
  net::Headers get;
  sign_v4({"GET", "example.amazonaws.com", "/", "", ""}, credentials, "us-east-1", "service", time, get);
  EXPECT_EQ(
      get.get("Authorization"),
      "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
      "SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  net::Headers post;
  post.set("Content-Type", "application/x-www-form-urlencoded");
  sign_v4({"POST", "example.amazonaws.com", "/", "", "Param1=value1"}, credentials, "us-east-1", "service", time, post);
  EXPECT_EQ(post.get("Authorization"),
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a");
}

// Alertmanager's resolver: labels see each other's values, no reason, and a circle is left out, not run through.
TEST(RouteLabels, see_each_other_and_no_notification) {
  FakeClock clock;
  const auto templates = Templates::load({}, clock);
  ASSERT_TRUE(templates);
  Notification n = test_notification();
  n.group_labels = {{"alertname", "Disk"}};
  n.reason = "first notification";
  n.route_labels = {{"plain", "as it is"},
                    {"reason", "{{ .GroupLabels.alertname }}"},
                    {"description", "{{ routeLabels \"reason\" }} on {{ len .Alerts }} ({{ routeLabels \"none\" }})"},
                    {"why", "{{ .NotificationReason }}"},
                    {"raw", "{{ .RouteLabels.reason }}"},
                    {"a", "{{ routeLabels \"b\" }}"},
                    {"b", "{{ routeLabels \"a\" }}"},
                    {"bad", "{{ nope }}"},
                    {"fails", "{{ index .Alerts 99 }}"}};
  Expander expand(*templates, n);
  const model::Labels& got = expand.data().route_labels;
  EXPECT_EQ(got.get("plain"), "as it is");
  EXPECT_EQ(got.get("reason"), "Disk");
  EXPECT_EQ(got.get("description"), "Disk on " + std::to_string(n.alerts.size()) + " ()");
  EXPECT_EQ(got.get("why"), "unknown");
  EXPECT_EQ(got.get("raw"), "{{ .GroupLabels.alertname }}");
  for (const char* left_out : {"a", "b", "bad", "fails"}) EXPECT_FALSE(got.has(left_out)) << left_out;
  EXPECT_EQ(expand("{{ routeLabels \"description\" }}, {{ .NotificationReason }}"),
            std::string(got.get("description")) + ", first notification");
}

TEST(Digest, tells_of_the_alerts_of_all_groups_and_what_the_last_message_says_of_each) {
  const auto message = [](std::string group, std::vector<std::pair<std::string, bool>> alerts, int minute) {
    Notification n;
    n.receiver = "chat";
    n.group_key = std::move(group);
    n.route_labels = {{"team", "x"}, {"tier", std::to_string(minute)}};
    n.external_url = "http://s";
    n.created_at = time_from_us(0) + std::chrono::minutes(minute);
    n.expires_at = n.created_at + std::chrono::minutes(5);
    for (auto& [host, resolved] : alerts) n.alerts.push_back({{.labels = {{"host", host}}}, resolved});
    return n;
  };
  const Notification d = digest_of({message("g1", {{"a", false}, {"b", false}}, 1), message("g2", {{"c", true}}, 3),
                                    message("g1", {{"a", true}}, 2)},
                                   "k");
  EXPECT_EQ(d.receiver, "chat");
  EXPECT_EQ(d.group_labels.to_string(), R"({digest="2 groups"})");
  EXPECT_EQ(d.route_labels.to_string(), R"({team="x"})");
  EXPECT_EQ(d.created_at, time_from_us(0) + std::chrono::minutes(3));
  EXPECT_EQ(d.expires_at, time_from_us(0) + std::chrono::minutes(6)) << "none of them is told too late";
  ASSERT_EQ(d.alerts.size(), 3u);
  EXPECT_TRUE(d.alerts[0].resolved) << "the later message ends it";
  EXPECT_EQ(d.status(), "firing");
  EXPECT_NE(d.group_key, digest_of({message("g1", {{"a", false}}, 1)}, "other").group_key);
}

TEST(Digest, is_for_receivers_that_people_read_at_one_place) {
  const auto digestible = [](std::string_view kind, const std::string& entry) {
    for (const Kind& k : kinds()) {
      if (k.name != kind) continue;
      Globals globals;
      globals.smtp_smarthost = "mail:25";
      globals.smtp_from = "s@x";
      const auto impl = k.read(text::parse_yaml(entry, "").value(), globals);
      EXPECT_TRUE(impl) << entry << ": " << (impl ? "" : impl.error().to_string());
      return impl && (*impl)->digestible();
    }
    ADD_FAILURE() << kind;
    return false;
  };
  EXPECT_TRUE(digestible("slack", "{api_url: 'http://s/', channel: '#ops', title: '{{ .Status }}'}"));
  EXPECT_FALSE(digestible("slack", "{api_url: 'http://s/', channel: '#{{ .GroupLabels.team }}'}"));
  EXPECT_TRUE(digestible("email", "{to: ops@x, headers: {Subject: '{{ .Status }}'}}"));
  EXPECT_FALSE(digestible("email", "{to: '{{ .GroupLabels.team }}@x'}"));
  EXPECT_FALSE(digestible("email", "{to: ops@x, headers: {Cc: '{{ .GroupLabels.team }}@x'}}"));
  EXPECT_TRUE(digestible("discord", "{webhook_url: 'http://d/'}"));
  EXPECT_FALSE(digestible("webhook", "{url: 'http://w/'}")) << "a program folds groups by their key";
  EXPECT_FALSE(digestible("pagerduty", "{routing_key: k}"));
}

}  // namespace
}  // namespace sentinel::receivers
