// The policies on the way of real calls, between a client and scripted providers; time is the fake clock's.
#include <gtest/gtest.h>

#include <cmath>

#include "base/hash.h"
#include "base/strings.h"
#include "gateway/gateway_fixture.h"
#include "gateway/policy/policies.h"
#include "text/yaml.h"

namespace sentinel::gateway {
namespace {

constexpr const char* kAnswer =
    R"({"id":"c","object":"chat.completion","model":"m-1","choices":[{"index":0,"message":{"role":"assistant",)"
    R"("content":"It is blue."},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":50}})";
constexpr const char* kEvents[] = {
    R"(data: {"id":"c","model":"m-1","choices":[{"index":0,"delta":{"content":"call me at a"}}]})",
    R"(data: {"id":"c","model":"m-1","choices":[{"index":0,"delta":{"content":"@b now"},"finish_reason":"stop"}]})",
    "data: [DONE]"};
std::string event(size_t index) { return std::string(kEvents[index]) + "\n\n"; }

// "@" is personal data, "attack" an injection; texts of the same letters are near each other.
class FakeInspector final : public TextInspector {
 public:
  TextRisks risks(std::string_view text) const override {
    return {text.find("attack") != std::string_view::npos ? 0.9 : 0.1, 0, 0};
  }
  std::vector<TextSpan> personal_data(std::string_view text) const override {
    const size_t at = text.find('@');
    if (at == std::string_view::npos || at == 0) return {};
    return {{at - 1, at + 2, "EMAIL"}};
  }
  std::vector<float> embed(std::string_view text) const override {
    std::vector<float> out(26);
    float sum = 0;
    for (const char c : text) {
      if (c >= 'a' && c <= 'z') out[static_cast<size_t>(c - 'a')] += 1;
    }
    for (const float v : out) sum += v * v;
    for (float& v : out) v /= std::sqrt(sum);
    return out;
  }
};

class PolicyStageTest : public GatewayTest {
 protected:
  PolicyStageTest() { a_.add({200, kAnswer}); }

  RoutePolicy policy(const char* yaml) {
    auto read = read_route_policy(*text::parse_yaml(yaml, "t.yml"));
    EXPECT_TRUE(read) << read.error().to_string();
    return *read;
  }
  void start_with(const char* yaml) {
    route().policy = policy(yaml);
    route().name = "chat";
    begin();
  }
  void begin() {
    start();
    gateway_->policies().inspector = &inspector_;
    gateway_->policies().cost_of = [](const model::Interaction& i) -> std::optional<int64_t> {
      return i.tokens_input.value_or(0) * 1000 + i.tokens_output.value_or(0) * 2000;  // $1 and $2 a thousand tokens
    };
  }
  std::string add_key(const char* json) {
    const std::string secret = new_key_secret();
    auto key = std::make_shared<VirtualKey>();
    key->id = "key" + std::to_string(keys_.size());
    key->hash = key_hash_of(secret);
    key->spec = *parse_key_spec(json, clock_.now());
    keys_.push_back(key);
    gateway_->policies().keys.publish(std::make_shared<const VirtualKeys>(keys_));
    return secret;
  }
  ClientRequest with_key(const std::string& secret, ClientRequest request) {
    request.headers.set("authorization", "Bearer " + secret);
    return request;
  }
  ClientRequest say(const std::string& text, bool stream = false) {
    return chat(R"({"model":"m","max_tokens":20,)" + std::string(stream ? R"("stream":true,)" : "") +
                R"("messages":[{"role":"user","content":")" + text + R"("}]})");
  }
  double counted(const char* name, MetricLabels labels) {
    return metrics_.counter(name, "", std::move(labels)).value();
  }

  FakeInspector inspector_;
  std::vector<std::shared_ptr<const VirtualKey>> keys_;
  size_t asked_ = 0;
};

TEST_F(PolicyStageTest, WithoutPoliciesNothingIsAdded) {
  begin();
  const auto response = ok(chat());
  EXPECT_EQ(response.status, 200);
  for (const char* name : {"x-ratelimit-limit-requests", "x-sentinel-cache", "retry-after-ms", "age"})
    EXPECT_FALSE(response.headers.has(name)) << name;
  EXPECT_EQ(a_.request(0).headers.get("authorization"), "Bearer secret-a");
}

TEST_F(PolicyStageTest, AKeyIsNeededKnownInForceAndGoesNoFurther) {
  config_.policy.require_key = true;
  begin();
  EXPECT_EQ(ok(chat()).status, 401);
  EXPECT_EQ(sink_.at(0).error_type, "caller_unauthorized");
  EXPECT_EQ(ok(with_key("sk-sentinel-unknown", chat())).status, 401);
  const std::string secret =
      add_key(R"({"name":"shop","user":"ada","team":"checkout","tags":{"a":"b"},"expires_in":"1h"})");
  const auto good = ok(with_key(secret, chat()));
  EXPECT_EQ(good.status, 200) << good.body;
  EXPECT_EQ(a_.request(0).headers.get("authorization"), "Bearer secret-a");
  const auto row = sink_.at(2);
  EXPECT_EQ(row.key_hash, "key0");
  EXPECT_EQ(row.tags,
            (std::vector<std::pair<std::string, std::string>>{{"a", "b"}, {"key", "shop"}, {"team", "checkout"}}));
  EXPECT_EQ(row.user_hash, hex_encode(sha256("ada").substr(0, 8)));
  auto other_header = chat();
  other_header.headers.remove("authorization");
  other_header.headers.set("x-api-key", secret);
  EXPECT_EQ(ok(std::move(other_header)).status, 200);
  EXPECT_FALSE(a_.request(1).headers.has("x-api-key"));
  clock_.advance(std::chrono::hours(1));
  const auto expired = ok(with_key(secret, chat()));
  EXPECT_EQ(expired.status, 401);
  EXPECT_NE(expired.body.find("expired at 2026-01-01T01:00:00"), std::string::npos) << expired.body;
  EXPECT_EQ(a_.requests(), 2U);
}

TEST_F(PolicyStageTest, AKeyThatGoesThroughToAProviderOfTheCallersOwnIsNotShownToIt) {
  config_.providers[0].api_key.clear();
  begin();
  const std::string secret = add_key(R"({"name":"a"})");
  (void)ok(with_key(secret, chat()));
  EXPECT_FALSE(a_.request(0).headers.has("authorization"));
  (void)ok(chat());
  EXPECT_EQ(a_.request(1).headers.get("authorization"), "Bearer caller-key");
}

TEST_F(PolicyStageTest, AKeyNamesItsModelsAndRoutes) {
  route().name = "chat";
  begin();
  const std::string models = add_key(R"({"name":"a","models":["gpt-*"]})");
  const std::string routes = add_key(R"({"name":"b","routes":["other"]})");
  const std::string both = add_key(R"({"name":"c","models":["m"],"routes":["chat"]})");
  EXPECT_EQ(ok(with_key(models, chat())).status, 403);
  EXPECT_EQ(sink_.at(0).error_type, "policy_not_allowed");
  EXPECT_EQ(ok(with_key(routes, chat())).status, 403);
  EXPECT_EQ(ok(with_key(both, chat())).status, 200);
}

TEST_F(PolicyStageTest, AListOfModelsHasOnlyWhatTheKeyMayUse) {
  config_.providers[0].kind = ProviderKind::kOpenAi;
  RouteConfig own = route();
  own.name = "own";
  own.models = {"house-model"};
  config_.routes.insert(config_.routes.begin(), own);
  config_.routes.back().name = "rest";
  a_.drop_first();
  for (int i = 0; i < 6; ++i) {
    a_.add({200, R"({"object":"list","data":[{"id":"gpt-4o","object":"model","owned_by":"x","extra":1},)"
                 R"({"id":"o3","object":"model"},{"id":"gpt-4o-mini","object":"model"}]})"});
  }
  begin();
  const auto ask = [&](const std::string& secret, const std::string& path = "/v1/models", bool anthropic = false) {
    auto request = chat();
    request.method = "GET";
    request.body.clear();
    request.url = request.url.substr(0, request.url.find("/v1/")) + path;
    request.headers.remove("authorization");
    request.headers.set(anthropic ? "x-api-key" : "authorization", anthropic ? secret : "Bearer " + secret);
    return ok(std::move(request));
  };
  EXPECT_NE(ask("caller").body.find("o3"), std::string::npos);
  const std::string any = add_key(R"({"name":"any"})");
  EXPECT_NE(ask(any).body.find(R"({"id":"o3","object":"model"})"), std::string::npos);
  const std::string models = add_key(R"({"name":"m","models":["gpt-4o*","o4"]})");
  EXPECT_EQ(ask(models).body, R"({"object":"list","data":[{"id":"gpt-4o","object":"model","owned_by":"x","extra":1},)"
                              R"({"id":"gpt-4o-mini","object":"model"},)"
                              R"({"id":"o4","object":"model","created":0,"owned_by":"provider"}]})");
  const std::string routes = add_key(R"({"name":"r","routes":["own"]})");
  EXPECT_EQ(ask(routes).body,
            R"({"object":"list","data":[{"id":"house-model","object":"model","created":0,"owned_by":"provider"}]})");
  const auto hidden = ask(routes, "/v1/models/o3");
  EXPECT_EQ(hidden.status, 403);
  EXPECT_NE(hidden.body.find("policy_not_allowed"), std::string::npos);
  const auto anthropic = ask(routes, "/v1/models", true);
  EXPECT_NE(anthropic.body.find(R"("first_id":"house-model","last_id":"house-model")"), std::string::npos)
      << anthropic.body;
  EXPECT_EQ(anthropic.body.find("gpt-4o"), std::string::npos);
}

TEST_F(PolicyStageTest, ALimitOfRequestsRefusesWithWhatClientsNeedToKnow) {
  start_with("limits: [{by: key, requests: 2, per: 1m}]");
  const auto first = ok(chat());
  EXPECT_EQ(first.headers.get("x-ratelimit-limit-requests"), "2");
  EXPECT_EQ(first.headers.get("x-ratelimit-remaining-requests"), "1");
  EXPECT_EQ(first.headers.get("x-ratelimit-reset-requests"), "30s");
  EXPECT_EQ(ok(chat()).status, 200);
  const auto refused = ok(chat());
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.get("retry-after"), "30");
  EXPECT_EQ(refused.headers.get("retry-after-ms"), "30000");
  EXPECT_EQ(refused.headers.get("x-ratelimit-remaining-requests"), "0");
  EXPECT_NE(refused.body.find(R"("type":"policy_rate_limited")"), std::string::npos);
  EXPECT_EQ(sink_.at(2).error_type, "policy_rate_limited");
  EXPECT_EQ(a_.requests(), 2U);
  EXPECT_EQ(ok(with_key("someone-else", chat())).status, 200) << "another key";
  clock_.advance(std::chrono::seconds(30));
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_EQ(counted("sentinel_gateway_policy_refusals_total", {{"policy", "rate_limit"}, {"route", "chat"}}), 1);
}

TEST_F(PolicyStageTest, EachFamilyReadsItsOwnHeadersAndErrors) {
  start_with("limits: [{requests: 1, per: 1m}]");
  const auto ask = [&](const char* path, const char* body) {
    auto request = chat(body);
    request.url = request.url.substr(0, request.url.find("/v1/")) + path;
    return ok(std::move(request));
  };
  (void)ok(chat());
  const auto anthropic =
      ask("/v1/messages", R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"hi"}]})");
  EXPECT_EQ(anthropic.status, 429);
  EXPECT_NE(anthropic.body.find(R"("type":"rate_limit_error")"), std::string::npos);
  EXPECT_EQ(anthropic.headers.get("anthropic-ratelimit-requests-limit"), "1");
  EXPECT_EQ(anthropic.headers.get("anthropic-ratelimit-requests-reset"), "2026-01-01T00:01:00.000Z");
  EXPECT_FALSE(anthropic.headers.has("x-ratelimit-limit-requests"));
  const auto gemini = ask("/v1beta/models/m:generateContent", R"({"contents":[{"parts":[{"text":"hi"}]}]})");
  EXPECT_EQ(gemini.status, 429);
  EXPECT_NE(gemini.body.find("RESOURCE_EXHAUSTED"), std::string::npos);
}

TEST_F(PolicyStageTest, TokensAreReservedByEstimateAndSettledByUse) {
  start_with("limits: [{tokens: 160, per: 1m}]");
  EXPECT_EQ(ok(say("hi")).status, 200);  // reserves 21, uses 150
  (void)sink_.at(0);
  const auto refused = ok(say("hi"));
  EXPECT_EQ(refused.status, 429) << refused.body;
  EXPECT_EQ(refused.headers.get("x-ratelimit-remaining-tokens"), "10");
  clock_.advance(std::chrono::minutes(1));
  EXPECT_EQ(ok(say(std::string(1000, 'x'))).status, 429) << "a prompt of 250 tokens fits no empty window either";
  EXPECT_EQ(ok(chat(R"({"model":"m","max_tokens":100000,"messages":[]})")).status, 200)
      << "an answer that could be long has to wait for an empty one, no more";
}

TEST_F(PolicyStageTest, WhatFailsUsesNoTokens) {
  a_.drop_first();
  a_.add({500, R"({"error":{"message":"no"}})"});
  route().retries.attempts = 1;
  start_with("limits: [{tokens: 100, per: 1m}]");
  EXPECT_EQ(ok(say("hi")).status, 500);
  (void)sink_.at(0);
  EXPECT_EQ(ok(say("hi")).headers.get("x-ratelimit-remaining-tokens"), "79") << "only the second one's estimate";
}

TEST_F(PolicyStageTest, ABudgetRefusesOnceSpentAndTellsClientsNotToRetry) {
  start_with("budgets: [{by: team, usd: 0.3, per: day}]");
  const std::string ada = add_key(R"({"name":"ada","team":"x"})");
  const std::string bo = add_key(R"({"name":"bo","team":"x"})");
  const std::string cy = add_key(R"({"name":"cy","team":"y"})");
  EXPECT_EQ(ok(with_key(ada, chat())).status, 200);  // costs $0.20
  (void)sink_.at(0);
  EXPECT_EQ(ok(with_key(bo, chat())).status, 200);
  (void)sink_.at(1);
  const auto refused = ok(with_key(ada, chat()));
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.get("x-should-retry"), "false");
  EXPECT_EQ(refused.headers.get("retry-after"), "86400");
  EXPECT_EQ(sink_.at(2).error_type, "policy_budget_exceeded");
  EXPECT_EQ(ok(with_key(cy, chat())).status, 200);
  clock_.advance(std::chrono::hours(24));
  EXPECT_EQ(ok(with_key(bo, chat())).status, 200);
}

TEST_F(PolicyStageTest, AKeysOwnLimitsAndBudgetAreItsOwn) {
  begin();
  const std::string a = add_key(R"({"name":"a","limits":[{"requests":1,"per":"1m"}]})");
  const std::string b = add_key(R"({"name":"b","budgets":[{"usd":0.1,"per":"month"}]})");
  EXPECT_EQ(ok(with_key(a, chat())).status, 200);
  EXPECT_EQ(ok(with_key(a, chat())).status, 429);
  EXPECT_EQ(ok(with_key(b, chat())).status, 200);
  (void)sink_.at(2);
  EXPECT_EQ(ok(with_key(b, chat())).status, 429);
  EXPECT_EQ(gateway_->policies().budgets.spent(key_budget_subject("key1", BudgetPeriod::kMonth), BudgetPeriod::kMonth,
                                               clock_.now()),
            200'000);
}

TEST_F(PolicyStageTest, TheKillSwitchWorksAtOnceAndBack) {
  start_with("{}");
  EXPECT_EQ(ok(chat()).status, 200);
  auto off = std::make_shared<RouteSwitches>();
  off->off["chat"] = {"chat", "leaks", "ada", clock_.now()};
  gateway_->policies().switches.publish(off);
  const auto refused = ok(chat());
  EXPECT_EQ(refused.status, 503);
  EXPECT_NE(refused.body.find("leaks"), std::string::npos);
  EXPECT_EQ(sink_.at(1).error_type, "policy_route_disabled");
  gateway_->policies().switches.publish(std::make_shared<RouteSwitches>());
  EXPECT_EQ(ok(chat()).status, 200);
}

TEST_F(PolicyStageTest, APromptOfTooManyTokensIsRefused) {
  start_with("max_prompt_tokens: 10");
  EXPECT_EQ(ok(say("short")).status, 200);
  EXPECT_EQ(ok(say(std::string(100, 'x'))).status, 400);
  EXPECT_EQ(sink_.at(1).error_type, "policy_prompt_too_long");
}

TEST_F(PolicyStageTest, TheSameQuestionIsAnsweredFromTheCache) {
  start_with("cache: {ttl: 10m}");
  const auto first = ok(say("sky?"));
  EXPECT_EQ(first.headers.get("x-sentinel-cache"), "miss");
  (void)sink_.at(0);
  clock_.advance(std::chrono::seconds(90));
  const auto second = ok(say("sky?"));
  EXPECT_EQ(second.headers.get("x-sentinel-cache"), "hit");
  EXPECT_EQ(second.headers.get("age"), "90");
  EXPECT_EQ(second.headers.get("x-sentinel-provider"), "a");
  EXPECT_EQ(second.headers.get("content-type"), first.headers.get("content-type"));
  EXPECT_NE(second.headers.get("x-request-id"), first.headers.get("x-request-id"));
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(a_.requests(), 1U);
  const auto row = sink_.at(1);
  EXPECT_TRUE(row.cache_hit);
  EXPECT_EQ(row.response, "It is blue.");
  EXPECT_EQ(row.model_version, "m-1");
  EXPECT_EQ(row.tokens_output, 0);
  EXPECT_EQ(ok(say("sea?")).headers.get("x-sentinel-cache"), "miss");
  EXPECT_EQ(ok(with_key("other", say("sky?"))).headers.get("x-sentinel-cache"), "miss") << "never across tenants";
  clock_.advance(std::chrono::minutes(9));
  EXPECT_EQ(ok(say("sky?")).headers.get("x-sentinel-cache"), "miss") << "its time is over";
  EXPECT_EQ(counted("sentinel_gateway_cache_requests_total", {{"cache", "exact"}, {"result", "hit"}}), 1);
}

TEST_F(PolicyStageTest, TheClientSaysWhetherTheCacheIsWanted) {
  start_with("cache: {ttl: 10m}");
  const auto ask = [&](const char* wish) {
    auto request = say("sky?");
    if (*wish != 0) request.headers.set("cache-control", wish);
    auto response = ok(std::move(request));
    (void)sink_.at(asked_++);
    return std::string(response.headers.get("x-sentinel-cache"));
  };
  EXPECT_EQ(ask("no-store"), "");
  EXPECT_EQ(ask(""), "miss") << "nothing was stored";
  EXPECT_EQ(ask("no-store"), "");
  EXPECT_EQ(ask("no-cache"), "miss");
  EXPECT_EQ(ask(""), "hit");
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(ask("max-age=59"), "miss");
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(ask("max-age=60"), "hit");
}

TEST_F(PolicyStageTest, AStreamIsKeptAndGivenAgainAsAStream) {
  a_.drop_first();
  a_.add({200, "", {event(0), event(1), event(2)}});
  start_with("cache: {ttl: 10m}");
  const auto first = ok(say("sky?", true));
  (void)sink_.at(0);
  const auto second = ok(say("sky?", true));
  EXPECT_EQ(second.body, first.body);
  EXPECT_EQ(second.headers.get("content-type"), first.headers.get("content-type"));
  EXPECT_EQ(second.headers.get("x-sentinel-cache"), "hit");
  EXPECT_TRUE(sink_.at(1).ttft_ms.has_value());
  EXPECT_EQ(a_.requests(), 1U);
}

TEST_F(PolicyStageTest, ErrorsAndHalfAnswersAreNeverKept) {
  a_.drop_first();
  route().retries.attempts = 1;
  a_.add({500, "{}"});
  a_.add({200, "", {event(0), "CUT"}});
  std::string cut_off = kAnswer;
  cut_off.replace(cut_off.find("stop"), 4, "length");
  a_.add({200, cut_off});
  a_.add({200, kAnswer});
  start_with("cache: {ttl: 10m}");
  EXPECT_EQ(ok(say("sky?")).status, 500);
  EXPECT_FALSE(exchange(say("sky?", true)).result);
  (void)sink_.at(1);
  EXPECT_EQ(ok(say("sky?")).status, 200);
  (void)sink_.at(2);
  EXPECT_EQ(ok(say("sky?")).headers.get("x-sentinel-cache"), "miss");
  (void)sink_.at(3);
  EXPECT_EQ(ok(say("sky?")).headers.get("x-sentinel-cache"), "hit");
}

TEST_F(PolicyStageTest, ANearQuestionIsAnsweredOnlyInTheSameSetting) {
  start_with("cache: {exact: false, semantic: true, threshold: 0.9}");
  EXPECT_EQ(ok(say("what is the colour of the sky")).headers.get("x-sentinel-cache"), "miss");
  (void)sink_.at(0);
  const auto near = ok(say("what is the colour of the skies"));
  EXPECT_EQ(near.headers.get("x-sentinel-cache"), "hit");
  EXPECT_TRUE(near.headers.get("x-sentinel-cache-similarity").starts_with("0.9"));
  EXPECT_EQ(ok(say("bzz jkq")).headers.get("x-sentinel-cache"), "miss");
  EXPECT_EQ(ok(with_key("other", say("what is the colour of the sky"))).headers.get("x-sentinel-cache"), "miss");
  EXPECT_EQ(
      ok(chat(
             R"({"model":"m","temperature":1,"messages":[{"role":"user","content":"what is the colour of the sky"}]})"))
          .headers.get("x-sentinel-cache"),
      "miss");
  EXPECT_EQ(counted("sentinel_gateway_cache_requests_total", {{"cache", "semantic"}, {"result", "hit"}}), 1);
}

TEST_F(PolicyStageTest, APromptIsRedactedBeforeTheProviderSeesIt) {
  start_with("guards: {before: [{check: pii, action: redact}]}");
  EXPECT_EQ(ok(say("I am a@b, ok?")).status, 200);
  EXPECT_NE(a_.request(0).body.find("I am [EMAIL], ok?"), std::string::npos) << a_.request(0).body;
  const auto row = sink_.at(0);
  EXPECT_EQ(row.guard_action, "redact");
  EXPECT_EQ(row.prompt, "I am [EMAIL], ok?");
}

TEST_F(PolicyStageTest, ABlockedPromptReachesNoProviderAndCostsNothing) {
  start_with(
      "{guards: {before: [{check: injection, action: block, message: not here}]}, limits: [{tokens: 100, per: 1m}]}");
  const auto refused = ok(say("attack"));
  EXPECT_EQ(refused.status, 400);
  EXPECT_NE(refused.body.find("not here"), std::string::npos);
  const auto row = sink_.at(0);
  EXPECT_EQ(row.error_type, "policy_prompt_blocked");
  EXPECT_EQ(row.guard_action, "block");
  EXPECT_EQ(row.prompt_injection_risk, 0.9);
  EXPECT_EQ(a_.requests(), 0U);
  EXPECT_EQ(ok(say("ok")).headers.get("x-ratelimit-remaining-tokens"), "79");
  EXPECT_EQ(
      counted("sentinel_gateway_guard_actions_total", {{"rule", "injection"}, {"action", "block"}, {"when", "before"}}),
      1);
}

TEST_F(PolicyStageTest, AnAnswerIsRedactedOrWithheldAlsoWithinAStream) {
  a_.drop_first();
  a_.add({200, "", {event(0), event(1), event(2)}});
  start_with("guards: {after: [{check: pii, action: redact}]}");
  const auto stream = ok(say("sky?", true));
  EXPECT_NE(stream.body.find("call me at [EMAIL]"), std::string::npos) << stream.body;
  EXPECT_EQ(stream.body.find("@b"), std::string::npos);
  EXPECT_TRUE(stream.body.ends_with("data: [DONE]\n\n"));
  EXPECT_EQ(sink_.at(0).guard_action, "redact");

  auto fresh = config_;
  fresh.routes[0].policy = policy("guards: {after: [{check: keyword, words: [call], action: block}]}");
  ASSERT_TRUE(gateway_->configure(fresh));
  const auto withheld = ok(say("sky?", true));
  EXPECT_EQ(withheld.status, 400);
  EXPECT_EQ(withheld.body.find("call me"), std::string::npos);
  const auto row = sink_.at(1);
  EXPECT_EQ(row.error_type, "policy_answer_blocked");
  EXPECT_EQ(row.guard_action, "block");
}

TEST_F(PolicyStageTest, AStreamUnderGuardsFlowsSentenceBySentenceAndABlockEndsIt) {
  const auto words = [](const char* text, const char* more = "") {
    return R"(data: {"id":"c","model":"m-1","choices":[{"index":0,"delta":{"content":")" + std::string(text) + R"("})" +
           more + "}]}\n\n";
  };
  a_.drop_first();
  a_.add({200,
          "",
          {words("One. "), words("Two call"), words(" me. "), words("No", R"(,"finish_reason":"stop")"), event(2)}});
  start_with(
      "{guards: {after: [{check: keyword, words: [call], action: block, message: no calls}]}, cache: {ttl: 10m}}");
  const auto cut = exchange(say("sky?", true));
  EXPECT_FALSE(cut.result) << "the connection is cut";
  EXPECT_NE(cut.partial.find("One. "), std::string::npos) << cut.partial;
  EXPECT_EQ(cut.partial.find("call me"), std::string::npos);
  EXPECT_EQ(cut.partial.find("Two"), std::string::npos);
  EXPECT_NE(cut.partial.find("policy_answer_blocked"), std::string::npos);
  EXPECT_NE(cut.partial.find("no calls"), std::string::npos);
  EXPECT_EQ(cut.partial.find("[DONE]"), std::string::npos);
  const auto row = sink_.at(0);
  EXPECT_EQ(row.error_type, "policy_answer_blocked");
  EXPECT_EQ(row.guard_action, "block");
  EXPECT_EQ(row.http_status, 200);
  EXPECT_EQ(
      counted("sentinel_gateway_guard_actions_total", {{"rule", "keyword"}, {"action", "block"}, {"when", "after"}}),
      1);
  EXPECT_EQ(counted("sentinel_gateway_policy_refusals_total", {{"policy", "guard"}, {"route", "chat"}}), 1);
  EXPECT_EQ(gateway_->breakers().at(0).state, BreakerState::kClosed) << "the provider is well";
}

TEST_F(PolicyStageTest, UntilTheFirstSentenceIsOutAnotherTargetCanStillTakeOver) {
  const auto words = [](const char* text) {
    return R"(data: {"id":"c","model":"m-1","choices":[{"index":0,"delta":{"content":")" + std::string(text) +
           R"("}}]})" + "\n\n";
  };
  a_.drop_first();
  a_.add({200, "", {words("Half a sent"), "CUT"}});
  a_.add({200, "", {words("A whole one. "), event(0), event(1), event(2)}});
  route().retries.attempts = 2;
  route().retries.backoff_base = Millis(1);
  start_with("guards: {after: [{check: pii, action: redact}]}");
  const auto whole = ok(say("sky?", true));
  EXPECT_EQ(whole.body.find("Half"), std::string::npos) << whole.body;
  EXPECT_NE(whole.body.find("A whole one. "), std::string::npos);
  EXPECT_NE(whole.body.find("[EMAIL]"), std::string::npos);
  EXPECT_EQ(sink_.at(0).retry_count, 1);
}

}  // namespace
}  // namespace sentinel::gateway
