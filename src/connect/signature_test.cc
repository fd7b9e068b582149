#include "connect/signature.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/strings.h"

namespace sentinel::connect {
namespace {

// Slack's own example, from its page on verifying requests.
constexpr std::string_view kSlackSecret = "8f742231b10e8888abcd99yyyzzz85a5";
constexpr std::string_view kSlackBody =
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&"
    "user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack."
    "com%"
    "2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121."
    "803a0bc887a14d10d2c447fce8b6703c";
constexpr std::string_view kSlackSignature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
constexpr int64_t kSlackSeconds = 1531420618;

TimePoint at(int64_t seconds) { return time_from_us(seconds * 1'000'000); }

net::Request request(std::string_view body,
                     std::initializer_list<std::pair<std::string_view, std::string_view>> headers) {
  net::Request out;
  out.method = "POST";
  out.body = std::string(body);
  for (const auto& [name, value] : headers) out.headers.set(name, value);
  return out;
}

TEST(SlackSignature, ItsOwnExampleHoldsForFiveMinutesEitherWay) {
  const net::Request good =
      request(kSlackBody, {{"X-Slack-Request-Timestamp", "1531420618"}, {"X-Slack-Signature", kSlackSignature}});
  EXPECT_TRUE(check_slack(good, kSlackSecret, at(kSlackSeconds)));
  EXPECT_TRUE(check_slack(good, kSlackSecret, at(kSlackSeconds + 300)));
  EXPECT_TRUE(check_slack(good, kSlackSecret, at(kSlackSeconds - 300)));
  EXPECT_FALSE(check_slack(good, kSlackSecret, at(kSlackSeconds + 301)));
  EXPECT_FALSE(check_slack(good, kSlackSecret, at(kSlackSeconds - 301)));
  EXPECT_FALSE(check_slack(good, "another", at(kSlackSeconds)));
  EXPECT_FALSE(check_slack(good, "", at(kSlackSeconds)));
}

TEST(SlackSignature, WhatIsMissingOrChangedIsRefused) {
  const std::string changed = std::string(kSlackBody) + "x";
  struct Case {
    std::string_view body, stamp, signature;
  };
  for (const Case& c :
       {Case{changed, "1531420618", kSlackSignature}, Case{kSlackBody, "1531420619", kSlackSignature},
        Case{kSlackBody, "", kSlackSignature}, Case{kSlackBody, "1531420618", ""},
        Case{kSlackBody, "1531420618", kSlackSignature.substr(0, 40)},
        Case{kSlackBody, "1531420618", kSlackSignature.substr(3)}, Case{kSlackBody, "soon", kSlackSignature},
        Case{kSlackBody, "99999999999999999999", kSlackSignature},
        Case{kSlackBody, "-9223372036854775808", kSlackSignature}}) {
    const auto refused =
        check_slack(request(c.body, {{"X-Slack-Request-Timestamp", c.stamp}, {"X-Slack-Signature", c.signature}}),
                    kSlackSecret, at(kSlackSeconds));
    ASSERT_FALSE(refused) << c.stamp << " " << c.signature;
    EXPECT_EQ(refused.error().code(), ErrorCode::kUnauthenticated);
  }
}

TEST(PagerDutySignature, OneOfSeveralIsEnoughWhileASecretIsChanged) {
  const std::string body = R"({"event":{"id":"1"}})";
  const std::string good = "v1=" + hex_encode(hmac_sha256("secret", body));
  const std::string other = "v1=" + std::string(64, 'a');
  struct Case {
    std::string header;
    bool good;
  };
  for (const Case& c : {Case{good, true}, Case{other + "," + good, true}, Case{good + "," + other, true},
                        Case{other + ", " + good, true}, Case{other, false}, Case{"", false}, Case{",", false},
                        Case{good.substr(3), false}, Case{"v2" + good.substr(2), false}}) {
    const net::Request asked = request(body, {{"X-PagerDuty-Signature", c.header}});
    EXPECT_EQ(check_pagerduty(asked, "secret").has_value(), c.good) << c.header;
    EXPECT_FALSE(check_pagerduty(asked, "other"));
    EXPECT_FALSE(check_pagerduty(asked, ""));
  }
}

TEST(HubSignature, IsOfTheBody) {
  const std::string good = "sha256=" + hex_encode(hmac_sha256("It's a Secret to Everybody", "Hello World!"));
  // The example of Jira's page on webhooks.
  EXPECT_EQ(good, "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9");
  EXPECT_TRUE(check_hub(request("Hello World!", {{"X-Hub-Signature", good}}), "It's a Secret to Everybody"));
  EXPECT_FALSE(check_hub(request("Hello World?", {{"X-Hub-Signature", good}}), "It's a Secret to Everybody"));
  EXPECT_FALSE(check_hub(request("Hello World!", {}), "It's a Secret to Everybody"));
}

}  // namespace
}  // namespace sentinel::connect
