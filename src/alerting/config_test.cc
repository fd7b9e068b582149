#include "alerting/config.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <sstream>

#include "base/strings.h"
#include "receivers/receiver.h"

namespace sentinel::alerting {
namespace {

Result<Config> parse(std::string_view text) { return parse_config(text, "alertmanager.yml"); }

constexpr std::string_view kReceivers = "receivers:\n- name: a\n- name: b\n- name: c\n";

Config tree(std::string_view route) {
  auto config = parse(std::string(route) + std::string(kReceivers));
  EXPECT_TRUE(config) << config.error().to_string();
  return config ? *config : Config{};
}

TEST(Config, children_inherit_and_override) {
  const Config c = tree(R"(
route:
  receiver: a
  group_by: [x, b]
  group_wait: 1s
  routes:
  - matchers: [s="1"]
    repeat_interval: 2h
    routes:
    - match: {t: "2"}
      receiver: b
      group_by: ['...']
      group_interval: 90s
  - match_re: {s: "[34]"}
    group_by: []
)");
  const Route& first = c.route.routes.at(0);
  EXPECT_EQ(first.receiver, "a");
  EXPECT_EQ(first.group_by, (std::vector<std::string>{"b", "x"}));
  EXPECT_EQ(first.group_wait, std::chrono::seconds(1));
  EXPECT_EQ(first.group_interval, std::chrono::minutes(5));
  EXPECT_EQ(first.repeat_interval, std::chrono::hours(2));
  const Route& second = first.routes.at(0);
  EXPECT_TRUE(second.group_by_all);
  EXPECT_EQ(second.group_interval, std::chrono::seconds(90));
  EXPECT_EQ(second.repeat_interval, std::chrono::hours(2));
  EXPECT_EQ(second.key, R"({}/{s="1"}/{t="2"})");
  EXPECT_TRUE(c.route.routes.at(1).group_by.empty());
  EXPECT_EQ(c.route.routes.at(1).key, R"({}/{s=~"[34]"})");
}

TEST(Config, routes_with_the_same_matchers_have_ids_of_their_own) {
  const Config c = tree(R"(
route:
  receiver: a
  routes:
  - {matchers: ['x="1"'], continue: true}
  - {matchers: ['x="1"']}
  - {matchers: ['x="1"'], receiver: b}
)");
  std::set<std::string> ids;
  for (const Route& r : c.route.routes) ids.insert(r.id);
  EXPECT_EQ(ids.size(), 3u);
}

TEST(Config, the_deepest_match_wins_and_continue_goes_on) {
  const Config c = tree(R"(
route:
  receiver: a
  routes:
  - matchers: [s="1"]
    receiver: b
    continue: true
    routes:
    - matchers: [t="1"]
      receiver: c
  - matchers: [s=~"1|2"]
    receiver: c
)");
  const auto receivers = [&](const model::Labels& labels) {
    std::string out;
    for (const Route* r : match_routes(c.route, labels)) out += r->receiver;
    return out;
  };
  EXPECT_EQ(receivers({}), "a");
  EXPECT_EQ(receivers({{"s", "1"}}), "bc");
  EXPECT_EQ(receivers({{"s", "1"}, {"t", "1"}}), "cc");
  EXPECT_EQ(receivers({{"s", "2"}, {"t", "1"}}), "c");
}

// What a configured integration would ask for, without its answers.
receivers::Next first_step(const receivers::Integration& integration) {
  const FakeClock clock;
  receivers::Notification n;
  n.alerts.resize(1);
  receivers::TokenCache tokens;
  receivers::Expander expand(receivers::Templates::load({}, clock).value(), n);
  receivers::Attempt attempt{n, expand, tokens, clock.now(), "key", ""};
  return integration.impl->begin(attempt);
}

TEST(Config, receivers) {
  const auto c = parse(R"(
global:
  slack_api_url: https://hooks.slack.example/x
  http_config: {authorization: {credentials: global}}
route: {receiver: r}
templates: ['t/*.tmpl', '/abs/*.tmpl']
receivers:
- name: r
  labels: {team: x}
  webhook_configs:
  - {url: 'http://w/', max_alerts: 3, send_resolved: false, http_config: {basic_auth: {username: u, password_file: p}}}
  - {url_file: /f}
  slack_configs:
  - {channel: '#c', fields: [{title: t, value: v, short: true}], actions: [{type: button, text: t, url: u}]}
  - {app_token: xoxb, title: mine, http_config: {}}
)");
  ASSERT_TRUE(c) << c.error().to_string();
  EXPECT_EQ(c->receivers.at(0).labels, (std::map<std::string, std::string>{{"name", "r"}, {"team", "x"}}));
  ASSERT_EQ(c->receivers[0].integrations.size(), 4u);
  // In the order of Alertmanager's kinds.
  std::map<std::string, receivers::Integration> all;
  for (const receivers::Integration& i : c->receivers[0].integrations) all.emplace(i.id(), i);
  ASSERT_TRUE(all.contains("r/webhook/0") && all.contains("r/slack/1"));
  EXPECT_FALSE(all.at("r/webhook/0").send_resolved());
  EXPECT_EQ(all.at("r/webhook/0").impl->http().basic_password.file, "p");
  EXPECT_FALSE(all.at("r/webhook/0").impl->http().has_authorization);  // an own http_config replaces the global one
  EXPECT_EQ(all.at("r/webhook/1").impl->http().authorization.value, "global");
  EXPECT_TRUE(all.at("r/webhook/1").send_resolved());
  EXPECT_FALSE(all.at("r/slack/0").send_resolved());
  EXPECT_EQ(first_step(all.at("r/slack/0")).call->url, "https://hooks.slack.example/x");
  EXPECT_EQ(first_step(all.at("r/slack/1")).call->url, "https://slack.com/api/chat.postMessage");
  EXPECT_EQ(all.at("r/slack/1").impl->http().authorization.value, "xoxb");
  EXPECT_EQ(parse_config("route: {receiver: r}\nreceivers: [{name: r}]\ntemplates: [x.tmpl]", "/etc/am/a.yml")
                ->template_globs,
            std::vector<std::string>{"/etc/am/x.tmpl"});
}

TEST(Config, labels_of_routes_are_inherited_name_by_name) {
  const Config c = tree(R"(
route:
  receiver: a
  labels: {team: x, tier: '{{ .GroupLabels.env }}'}
  routes:
  - matchers: [s="1"]
    labels: {team: y}
)");
  EXPECT_EQ(c.route.routes.at(0).labels, (model::Labels{{"team", "y"}, {"tier", "{{ .GroupLabels.env }}"}}));
}

struct Bad {
  std::string text;
  std::string position;  // line:column
  std::string message;   // part of it
};

TEST(Config, mistakes_are_told_with_their_place) {
  const std::string end = "\n" + std::string(kReceivers);
  const Bad cases[] = {
      {"", "1:1", "needs a field \"route\""},
      {"receivers: [{name: a}]", "1:1", "needs a field \"route\""},
      {"route:\n  receiver: nobody" + end, "2:13", "undefined receiver \"nobody\""},
      {"route:\n  group_by: [a]" + end, "2:3", "needs a field \"receiver\""},
      {"route:\n  receiver: a\n  matchers: [x=y]" + end, "3:13", "must not have any matchers"},
      {"route:\n  receiver: a\n  continue: true" + end, "3:13", "continue"},
      {"route:\n  receiver: a\n  group_by: [x, x]" + end, "3:13", "twice"},
      {"route:\n  receiver: a\n  group_by: ['...', x]" + end, "3:13", "'...'"},
      {"route:\n  receiver: a\n  group_interval: 0s" + end, "3:19", "cannot be zero"},
      {"route:\n  receiver: a\n  repeat_interval: 0" + end, "3:20", "cannot be zero"},
      {"route:\n  receiver: a\n  group_wait: soon" + end, "3:15", "duration"},
      {"route:\n  receiver: a\n  grup_by: [x]" + end, "3:3", "did you mean \"group_by\""},
      {"route:\n  receiver: a\n  routes:\n  - matchers: ['x=~\"(\"']" + end, "4:16", "regular expression"},
      {"route:\n  receiver: a\n  routes:\n  - match_re: {x: }" + end, "4:16", "needs a regular expression"},
      {"route:\n  receiver: a\n  routes:\n  - mute_time_intervals: [night]" + end, "4:27", "undefined time interval"},
      {"route: {receiver: a}\nreceivers:\n- name: a\n- name: a", "4:3", "not unique"},
      {"route: {receiver: a}\nreceivers:\n- webhook_configs: []", "3:3", "needs a field \"name\""},
      {"route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs:\n  - {}", "5:5", "one of url or url_file"},
      {"route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs:\n  - url: ftp://x", "5:10", "not a URL"},
      {"route: {receiver: a}\nreceivers:\n- name: a\n  slack_configs:\n  - channel: c", "5:5", "no Slack address"},
      {"route: {receiver: a}\nreceivers:\n- name: a\n  jira_configs:\n  - project: c", "5:5", "missing issue_type"},
      {"route: {receiver: a}\nreceivers:\n- name: a\n  labels: {name: b}", "4:11", "must be the receiver's name"},
      {"route: {receiver: a}\nreceivers:\n- name: a\n  webhook_configs: [null]", "4:21", "must be a map"},
      {"route: {receiver: a}\ntime_intervals:\n- name: x\n- name: x" + end, "4:3", "not unique"},
      {"route: [1]" + end, "1:8", "must be a map"},
      {"route: {receiver: a}\nroute: {receiver: b}" + end, "2:1", "route"},
      {"route: {receiver: a", "", ""},
  };
  for (const Bad& bad : cases) {
    const auto config = parse(bad.text);
    ASSERT_FALSE(config) << bad.text;
    const Error& e = config.error();
    EXPECT_NE(e.message().find(bad.message), std::string::npos) << bad.text << "\n" << e.to_string();
    if (bad.position.empty()) continue;
    ASSERT_TRUE(e.position()) << e.to_string();
    EXPECT_EQ(e.position()->file, "alertmanager.yml");
    EXPECT_EQ(std::to_string(e.position()->line) + ":" + std::to_string(e.position()->column), bad.position)
        << bad.text << "\n"
        << e.to_string();
  }
}

TEST(Config, routes_too_deep_are_refused) {
  std::string text = "route:\n  receiver: a\n";
  for (int depth = 1; depth < 90; ++depth) {
    text += std::string(depth * 2, ' ') + "routes:\n" + std::string(depth * 2, ' ') + "- matchers: [a=b]\n";
  }
  EXPECT_FALSE(parse(text + std::string(kReceivers)));
}

// Alertmanager's own files. Their names say which of them it refuses.
bool should_be_refused(const std::string& name) {
  if (name == "conf.bad.yml" || name == "conf.sns-invalid.yml" || name == "conf.slack-update-message-and-webhook.yml")
    return true;
  for (const char* part : {"-both-", "-no-", ".nil-", "apikey-old-team", "opsgenie-no",
                           "mattermost-valid-receiver-both", "telegram-valid-receiver-both"}) {
    if (name.find(part) != std::string::npos && name != "conf.smtp-no-username-or-password.yml") return true;
  }
  return false;
}

TEST(Config, alertmanagers_own_files) {
  std::set<std::string> known;
  std::ifstream list(std::string(SENTINEL_SOURCE_DIR) + "/tests/data/alerting/known_failures.txt");
  for (std::string line; std::getline(list, line);) {
    if (!line.empty() && line.front() != '#') known.emplace(split(line, ' ').front());
  }
  const char* elsewhere = ::getenv("SENTINEL_SHARED_DIR");  // for a work tree that lies deeper
  size_t judged = 0;
  for (const std::string folder : {"alertmanager-config", "alertmanager-routing"}) {
    const std::string path =
        std::string(elsewhere != nullptr ? elsewhere : SENTINEL_SHARED_DIR) + "/conformance/" + folder;
    DIR* dir = ::opendir(path.c_str());
    if (dir == nullptr) GTEST_SKIP() << "no " << path;
    while (const dirent* entry = ::readdir(dir)) {
      const std::string name = entry->d_name;
      if (!name.ends_with(".yml")) continue;
      std::ifstream file(path + "/" + name);
      std::ostringstream text;
      text << file.rdbuf();
      const auto config = parse_config(text.str(), name);
      const bool right = config.has_value() != should_be_refused(name);
      const bool expected_wrong = known.erase(name) + known.erase(folder + "/" + name) > 0;
      EXPECT_NE(right, expected_wrong) << folder << "/" << name << ": "
                                       << (config ? std::string("accepted") : config.error().to_string());
      ++judged;
    }
    ::closedir(dir);
  }
  EXPECT_GE(judged, 50u);
  EXPECT_TRUE(known.empty()) << "not there any more: " << *known.begin();
}

}  // namespace
}  // namespace sentinel::alerting
