#include "alerting/shown_config.h"

#include <gtest/gtest.h>

namespace sentinel::alerting {
namespace {

TEST(ShownConfig, hides_secrets_and_keeps_the_rest) {
  const char* config = R"(# a comment
global:
  resolve_timeout: 5m
  smtp_auth_password: hunter2
  smtp_auth_password_file: /etc/pw
  slack_api_url: "https://hooks.slack.com/services/T/B/X"
route:
  receiver: "team: a"
  group_by: ['...']
  routes: []
receivers:
- name: "team: a"
  webhook_configs:
  - url: http://user:pw@127.0.0.1:29999/hook?token=abc
    http_config:
      authorization: {credentials: abc}
  - url: http://127.0.0.1:1/
  pagerduty_configs:
  - {routing_key: abc, details: {a: "{{ .Status }}"}}
)";
  EXPECT_EQ(shown_config(config), R"(global:
  resolve_timeout: 5m
  smtp_auth_password: <secret>
  smtp_auth_password_file: /etc/pw
  slack_api_url: "https://hooks.slack.com/<secret>"
route:
  receiver: "team: a"
  group_by:
  - "..."
  routes: []
receivers:
- name: "team: a"
  webhook_configs:
  - url: "http://127.0.0.1:29999/<secret>"
    http_config:
      authorization:
        credentials: <secret>
  - url: "http://127.0.0.1:1/"
  pagerduty_configs:
  - routing_key: <secret>
    details:
      a: "{{ .Status }}"
)");
  EXPECT_EQ(shown_config(": ["), "");
}

}  // namespace
}  // namespace sentinel::alerting
