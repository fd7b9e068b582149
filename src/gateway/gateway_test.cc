// The gateway against a scripted upstream: what the client gets, what the upstream saw, and the Interaction.
#include "gateway/gateway.h"

#include <gtest/gtest.h>

#include <map>
#include <thread>

#include "base/hash.h"
#include "base/strings.h"
#include "gateway/attributes.h"
#include "gateway/gateway_fixture.h"

namespace sentinel::gateway {
namespace {

constexpr const char* kAnswer =
    R"({"id":"c1","object":"chat.completion","model":"m-2026-01","choices":[{"index":0,"message":{"role":"assistant","content":"Blue."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4}}})";

std::string delta(std::string_view content) {
  return "data: {\"model\":\"m-2026-01\",\"choices\":[{\"index\":0,\"delta\":{\"content\":" + json_quote(content) +
         "},\"finish_reason\":null}]}\n\n";
}
const std::string kRole =
    "data: "
    "{\"model\":\"m-2026-01\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_"
    "reason\":null}]}\n\n";
const std::string kStop =
    "data: {\"model\":\"m-2026-01\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const std::string kUsage =
    "data: {\"model\":\"m-2026-01\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n";
const std::string kDone = "data: [DONE]\n\n";

TEST_F(GatewayTest, PassesBothWaysByteForByteAndRecordsTheCall) {
  a_.add({.body = kAnswer, .headers = {{"x-request-id", "up-1"}, {"openai-version", "2020"}, {"set-cookie", "c=1"}}});
  start();
  const std::string body =
      R"({ "model" : "m", "x_unknown":{"a":[1.50]}, "user":"ann","messages":[{"role":"user","content":"What colour is the sky?"}]})";
  auto request = chat(body);
  request.headers.add("x-sentinel-endpoint", "/qa");
  request.headers.add("x-sentinel-service", "shop");
  request.headers.add("X-Sentinel-Env", "staging");
  request.headers.add("x-sentinel-prompt-id", "p1");
  request.headers.add("x-sentinel-prompt-template", "t1");
  request.headers.add("x-sentinel-session", "s1");
  request.headers.add("x-sentinel-test", "1");
  request.headers.add("x-sentinel-tags", "team=core, region=eu");
  request.headers.add("x-sentinel-simulate", "simulate_latency");
  request.headers.add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  request.headers.add("cookie", "x=y");
  request.headers.add("openai-organization", "org");
  const auto got = ok(std::move(request));
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.body, kAnswer);
  EXPECT_EQ(got.headers.get("x-sentinel-provider"), "a");
  EXPECT_EQ(got.headers.get("x-sentinel-model"), "m-2026-01");
  EXPECT_EQ(got.headers.get("x-sentinel-retries"), "0");
  EXPECT_EQ(got.headers.get("x-sentinel-upstream-request-id"), "up-1");
  EXPECT_EQ(got.headers.get("openai-version"), "2020");
  EXPECT_FALSE(got.headers.has("set-cookie"));

  const auto seen = a_.request(0);
  EXPECT_EQ(seen.body, body);
  EXPECT_EQ(seen.path, "/v1/chat/completions");
  EXPECT_EQ(seen.headers.get("authorization"), "Bearer secret-a");
  EXPECT_EQ(seen.headers.get("openai-organization"), "org");
  EXPECT_FALSE(seen.headers.has("cookie"));
  EXPECT_TRUE(seen.headers.get("traceparent").starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
  EXPECT_FALSE(seen.headers.get("traceparent").find("b7ad6b7169203331") != std::string_view::npos);
  for (const auto& [name, value] : seen.headers.all()) EXPECT_FALSE(to_lower(name).starts_with("x-sentinel")) << name;

  const auto row = sink_.at(0);
  EXPECT_EQ(row.request_id, got.headers.get("x-request-id"));
  EXPECT_EQ(row.trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(row.timestamp_us, to_us(clock_.now()));
  EXPECT_EQ(row.service + row.env + row.endpoint + row.prompt_id + row.prompt_template + row.session_id,
            "shopstaging/qap1t1s1");
  EXPECT_EQ(row.request_type, "chat");
  EXPECT_EQ(row.model, "m");
  EXPECT_EQ(row.model_version, "m-2026-01");
  EXPECT_EQ(row.provider, "a");
  EXPECT_EQ(row.user_hash.size(), 16U);
  EXPECT_EQ(row.prompt, "What colour is the sky?");
  EXPECT_EQ(row.response, "Blue.");
  EXPECT_EQ(row.response_length, 5);
  EXPECT_EQ(row.finish_reason, "stop");
  EXPECT_EQ(row.status, model::InteractionStatus::kOk);
  EXPECT_EQ(row.error_type, "");
  EXPECT_EQ(row.http_status, 200);
  EXPECT_EQ(row.tokens_input, 9);
  EXPECT_EQ(row.tokens_output, 2);
  EXPECT_EQ(row.tokens_cached_input, 4);
  EXPECT_FALSE(row.ttft_ms.has_value());
  EXPECT_GT(row.latency_ms, 0);
  EXPECT_TRUE(row.test_mode);
  EXPECT_EQ(row.tags.size(), 2U);
  EXPECT_EQ(row.simulate_flags, std::vector<std::string>{"simulate_latency"});
}

TEST_F(GatewayTest, TagsAreAListOfPairsOrAJsonObject) {
  using Tags = decltype(model::Interaction::tags);
  const std::pair<std::string, Tags> cases[] = {
      {"team=core, region=eu", {{"team", "core"}, {"region", "eu"}}},
      {R"( {"team": "core, eu", "build": 42, "share": 0.25, "canary": true} )",
       {{"team", "core, eu"}, {"build", "42"}, {"share", "0.25"}, {"canary", "true"}}},
      {R"({"a": null, "b": [1], "c": {"d": 1}, "": "x", "e": "f"})", {{"e", "f"}}},
      {R"({"a": "unfinished)", {}},
      {"{}", {}},
      {"", {}},
  };
  a_.add({.body = kAnswer});
  start();
  for (size_t i = 0; i < std::size(cases); ++i) {
    auto request = chat();
    request.headers.add("x-sentinel-tags", cases[i].first);
    EXPECT_EQ(ok(std::move(request)).status, 200);
    EXPECT_EQ(sink_.at(i).tags, cases[i].second) << cases[i].first;
  }
  std::string many = "{";
  for (int i = 0; i < 40; ++i) many += (i > 0 ? ",\"k" : "\"k") + std::to_string(i) + "\":1";
  auto request = chat();
  request.headers.add("x-sentinel-tags", many + "}");
  EXPECT_EQ(ok(std::move(request)).status, 200);
  EXPECT_EQ(sink_.at(std::size(cases)).tags.size(), 16U);
}

TEST_F(GatewayTest, ATestIsInNoSeriesThatRulesRead) {
  route().retries.attempts = 1;
  a_.add({.status = 500, .body = "down"});
  start();
  ClientRequest test = chat();
  test.headers.add("x-sentinel-test", "1");
  EXPECT_EQ(ok(std::move(test)).status, 500);
  EXPECT_TRUE(sink_.at(0).test_mode);
  const auto requests = [&] {
    return metrics_
        .counter("http_requests_total", "",
                 {{"method", "POST"}, {"endpoint", "/v1/chat/completions"}, {"status", "500"}})
        .value();
  };
  EXPECT_EQ(requests(), 0);
  EXPECT_EQ(ok(chat()).status, 500);
  sink_.at(1);
  EXPECT_EQ(requests(), 1);
}

TEST(Attributes, TheNetworkOfACallerIsItsAddressWithoutTheEnd) {
  for (const auto& [peer, network] :
       std::map<std::string, std::string>{{"192.0.2.77:5123", "192.0.2.0/24"},
                                          {"[2001:db8:12:3456::9]:80", "2001:db8:12::/48"},
                                          {"[::1]:80", "0:0:0::/48"},
                                          {"[::ffff:192.0.2.1]:80", "192.0.2.0/24"},
                                          {"2001:db8::1:80", "2001:db8:0::/48"},
                                          {"", ""},
                                          {"unix", ""},
                                          {"host:80", ""}}) {
    EXPECT_EQ(network_of(peer), network) << peer;
  }
}

TEST_F(GatewayTest, ACallSaysWhichKeyAndNetworkItCameFromWithoutTheKey) {
  a_.add({.body = kAnswer});
  start();
  ok(chat());
  const model::Interaction call = sink_.at(0);
  EXPECT_EQ(call.network, "127.0.0.0/24");
  EXPECT_EQ(call.key_hash, hex_encode(sha256("Bearer caller-key").substr(0, 8)));
}

TEST_F(GatewayTest, TheCallersKeyGoesThroughWhereTheProviderHasNone) {
  config_.providers[0].api_key.clear();
  a_.add({.body = kAnswer});
  start();
  ok(chat());
  EXPECT_EQ(a_.request(0).headers.get("authorization"), "Bearer caller-key");
}

TEST_F(GatewayTest, AStreamIsPassedOnWithoutTheUsageItsClientDidNotAskFor) {
  a_.add({.parts = {kRole, delta("Bl"), delta("ue") + kStop, kUsage, kDone}});
  start();
  const auto got = ok(stream_chat());
  EXPECT_EQ(got.body, kRole + delta("Bl") + delta("ue") + kStop + kDone);
  EXPECT_EQ(got.headers.get("x-sentinel-provider"), "a");
  EXPECT_NE(a_.request(0).body.find("\"stream_options\":{\"include_usage\":true}"), std::string::npos);
  const auto row = sink_.at(0);
  EXPECT_TRUE(row.stream);
  EXPECT_EQ(row.response, "Blue");
  EXPECT_EQ(row.tokens_input, 7);
  EXPECT_EQ(row.tokens_output, 3);
  ASSERT_TRUE(row.ttft_ms.has_value());
  EXPECT_LE(*row.ttft_ms, row.latency_ms);
}

TEST_F(GatewayTest, UsageStaysWhenTheClientAskedForIt) {
  a_.add({.parts = {kRole, delta("x"), kStop + kUsage + kDone}});
  start();
  const std::string body = R"({"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[]})";
  EXPECT_EQ(ok(chat(body)).body, kRole + delta("x") + kStop + kUsage + kDone);
  EXPECT_EQ(a_.request(0).body, body);
}

TEST_F(GatewayTest, EventsSurviveEverySplit) {
  const std::string all = ": ping\n\n" + kRole + delta("B\u00e9") + kStop + kDone;
  Scripted bytewise;
  for (char c : all) bytewise.parts.emplace_back(1, c);
  a_.add(bytewise);
  start();
  EXPECT_EQ(ok(stream_chat()).body, all);
  EXPECT_EQ(sink_.at(0).response, "Bé");
}

TEST_F(GatewayTest, AMissingDoneIsAddedAfterAFinishReason) {
  a_.add({.parts = {delta("x"), kStop}});
  start();
  EXPECT_EQ(ok(stream_chat()).body, delta("x") + kStop + kDone);
  EXPECT_EQ(sink_.at(0).status, model::InteractionStatus::kOk);
}

class CutTest : public GatewayTest,
                public testing::WithParamInterface<std::pair<std::vector<std::string>, const char*>> {};

TEST_P(CutTest, NeverLooksLikeSuccess) {
  with_fallback();
  Scripted script;
  script.parts = GetParam().first;
  a_.add(script);
  start();
  const auto got = exchange(stream_chat());
  ASSERT_FALSE(got.result) << "the client must see a broken body";
  EXPECT_TRUE(got.partial.starts_with(kRole + delta("half"))) << got.partial;
  EXPECT_NE(got.partial.find("data: {\"error\":{"), std::string::npos) << got.partial;
  EXPECT_EQ(got.partial.find("[DONE]"), std::string::npos);
  EXPECT_EQ(b_.requests(), 0U) << "after the first byte nothing else may be tried";
  const auto row = sink_.at(0);
  EXPECT_EQ(row.status, model::InteractionStatus::kError);
  EXPECT_EQ(row.error_type, GetParam().second);
  EXPECT_EQ(row.http_status, 200);
  EXPECT_EQ(row.response, "half");
}

INSTANTIATE_TEST_SUITE_P(
    Cuts, CutTest,
    testing::Values(
        std::pair(std::vector<std::string>{kRole, delta("half"), "CUT"}, "provider_stream_cut"),
        std::pair(std::vector<std::string>{kRole, delta("half")}, "provider_stream_cut"),
        std::pair(std::vector<std::string>{kRole, delta("half"), "data: {\"choi\n\n", kDone}, "provider_bad_response"),
        std::pair(std::vector<std::string>{kRole, delta("half"), "data: {\"error\":{\"message\":\"o\"}}\n\n", kDone},
                  "provider_error")));

TEST_F(GatewayTest, AStalledStreamEndsWithAnErrorEvent) {
  route().timeouts.inter_token = Millis(40);
  a_.add({.parts = {kRole, delta("half"), "HANG"}});
  start();
  const auto got = exchange(stream_chat());
  ASSERT_FALSE(got.result);
  EXPECT_NE(got.partial.find("provider_stream_stalled"), std::string::npos) << got.partial;
  EXPECT_EQ(sink_.at(0).error_type, "provider_stream_stalled");
  EXPECT_TRUE(a_.wait_gone());
}

TEST_F(GatewayTest, BeforeTheFirstContentAnotherTargetTakesOverCleanly) {
  with_fallback();
  route().retries.attempts = 1;
  a_.add({.parts = {kRole, "CUT"}});
  b_.add({.parts = {kRole, delta("B"), kStop, kDone}});
  start();
  const auto got = ok(stream_chat());
  EXPECT_EQ(got.body, kRole + delta("B") + kStop + kDone);
  EXPECT_EQ(got.headers.get("x-sentinel-provider"), "b");
  const auto row = sink_.at(0);
  EXPECT_TRUE(row.fallback_used);
  EXPECT_EQ(row.provider, "b");
  EXPECT_EQ(row.retry_count, 1);
  EXPECT_EQ(row.response, "B");
  EXPECT_NE(b_.request(0).body.find("\"model\":\"other\""), std::string::npos);
  EXPECT_EQ(b_.request(0).headers.get("authorization"), "Bearer caller-key");
}

TEST_F(GatewayTest, ASilentProviderIsNotAskedAgain) {
  with_fallback();
  route().retries.attempts = 3;
  route().timeouts.first_token = route().timeouts.response = Millis(50);
  a_.add({.parts = {"HANG"}});
  b_.add({.body = kAnswer});
  start();
  EXPECT_EQ(ok(chat()).headers.get("x-sentinel-provider"), "b");
  EXPECT_EQ(a_.requests(), 1U);
  b_.add({.parts = {delta("x"), kStop, kDone}});
  EXPECT_EQ(ok(chat()).status, 200);  // takes b's plain answer
  EXPECT_EQ(ok(stream_chat()).headers.get("x-sentinel-provider"), "b");
  EXPECT_EQ(a_.requests(), 3U);
}

TEST_F(GatewayTest, AStreamWithoutContentInTimeFailsOver) {
  with_fallback();
  route().timeouts.first_token = Millis(50);
  a_.add({.parts = {kRole, "HANG"}});
  b_.add({.parts = {delta("x"), kStop, kDone}});
  start();
  EXPECT_EQ(ok(stream_chat()).body, delta("x") + kStop + kDone);
  EXPECT_EQ(a_.requests(), 1U);
}

TEST_F(GatewayTest, ASilentProviderAloneIsA504) {
  route().timeouts.response = Millis(40);
  a_.add({.parts = {"HANG"}});
  start();
  const auto got = ok(chat());
  EXPECT_EQ(got.status, 504);
  EXPECT_NE(got.body.find("\"type\":\"provider_timeout\""), std::string::npos) << got.body;
  EXPECT_EQ(sink_.at(0).error_type, "provider_timeout");
}

TEST_F(GatewayTest, RetriesAnErrorThenSucceeds) {
  a_.add({.status = 500, .body = "oops"});
  a_.add({.body = kAnswer});
  start();
  const auto got = ok(chat());
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.headers.get("x-sentinel-retries"), "1");
  EXPECT_EQ(sink_.at(0).retry_count, 1);
  EXPECT_FALSE(sink_.at(0).fallback_used);
}

TEST_F(GatewayTest, HonoursRetryAfter) {
  a_.add({.status = 429,
          .body = R"({"error":{"message":"slow down","code":"rate_limit_exceeded"}})",
          .headers = {{"retry-after-ms", "120"}}});
  a_.add({.body = kAnswer});
  start();
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_GE(a_.time_us(1) - a_.time_us(0), 120'000);
}

TEST_F(GatewayTest, ALongRetryAfterGoesToTheFallbackOrBackToTheCaller) {
  a_.add({.status = 429, .body = R"({"error":{"message":"slow down"}})", .headers = {{"retry-after", "3600"}}});
  b_.add({.body = kAnswer});
  start();
  const auto refused = ok(chat());
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.headers.get("retry-after"), "3600");
  EXPECT_EQ(a_.requests(), 1U);
  EXPECT_EQ(sink_.at(0).error_type, "provider_rate_limited");
  with_fallback();
  ASSERT_TRUE(gateway_->configure(config_));
  EXPECT_EQ(ok(chat()).headers.get("x-sentinel-provider"), "b");
}

struct RefusalCase {
  int status;
  const char* body;
  const char* type;
  int client_status;
};

class RefusalTest : public GatewayTest, public testing::WithParamInterface<RefusalCase> {};

TEST_P(RefusalTest, IsPassedOnAndNotRoutedAround) {
  with_fallback();
  config_.providers[0].api_key.clear();
  const RefusalCase& c = GetParam();
  a_.add({.status = c.status, .body = c.body});
  start();
  const auto got = ok(chat());
  EXPECT_EQ(got.status, c.client_status);
  EXPECT_EQ(got.body, c.body);
  EXPECT_EQ(a_.requests(), 1U);
  EXPECT_EQ(b_.requests(), 0U);
  EXPECT_EQ(sink_.at(0).error_type, c.type);
  EXPECT_EQ(sink_.at(0).http_status, c.client_status);
  server_->stop(Millis(1000));
  EXPECT_EQ(sink_.count(), 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Refusals, RefusalTest,
    testing::Values(
        RefusalCase{400, R"({"error":{"message":"filtered","code":"content_filter"}})", "policy_content_filter", 400},
        RefusalCase{400, R"({"error":{"message":"too long","code":"context_length_exceeded"}})",
                    "caller_context_too_long", 400},
        RefusalCase{400, R"({"error":{"message":"bad temperature"}})", "caller_invalid_request", 400},
        RefusalCase{404, R"({"error":{"message":"no model","code":"model_not_found"}})", "caller_invalid_request", 404},
        RefusalCase{401, R"({"error":{"message":"bad key"}})", "caller_unauthorized", 401}));

TEST_F(GatewayTest, OurRefusedKeyIsNotShownToTheCaller) {
  a_.add({.status = 401, .body = R"({"error":{"message":"Incorrect API key provided: secret-a"}})"});
  start();
  const auto got = ok(chat());
  EXPECT_EQ(got.status, 502);
  EXPECT_EQ(got.body.find("secret"), std::string::npos);
  EXPECT_EQ(sink_.at(0).error_type, "provider_auth_failed");
}

TEST_F(GatewayTest, PersistentErrorsArePassedOnAfterAllAttempts) {
  with_fallback();
  a_.add({.status = 503, .body = R"({"error":{"message":"a is down"}})"});
  b_.add({.status = 500, .body = R"({"error":{"message":"b is down"}})"});
  start();
  const auto got = ok(chat());
  EXPECT_EQ(got.status, 500);
  EXPECT_NE(got.body.find("b is down"), std::string::npos);
  EXPECT_EQ(a_.requests(), 2U);
  EXPECT_EQ(b_.requests(), 2U);
  const auto row = sink_.at(0);
  EXPECT_EQ(row.error_type, "provider_error");
  EXPECT_EQ(row.retry_count, 3);
}

TEST_F(GatewayTest, NonsenseIsABadResponse) {
  route().retries.attempts = 1;
  a_.add({.body = "<html>maintenance</html>"});
  start();
  EXPECT_EQ(ok(chat()).status, 502);
  EXPECT_EQ(sink_.at(0).error_type, "provider_bad_response");
}

TEST_F(GatewayTest, AnUnreachableProviderIsA502) {
  config_.providers[0].base_url = "http://127.0.0.1:1";
  start();
  EXPECT_EQ(ok(chat()).status, 502);
  EXPECT_EQ(sink_.at(0).error_type, "provider_unreachable");
}

TEST_F(GatewayTest, TheBreakerStopsHammeringAndProbesAfterItsPause) {
  with_fallback();
  route().retries.attempts = 1;
  config_.breaker.threshold = 3;
  a_.add({.status = 500, .body = "down"});
  b_.add({.body = kAnswer});
  start();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_EQ(a_.requests(), 3U);
  EXPECT_EQ(b_.requests(), 10U);
  EXPECT_EQ(gateway_->breakers().at(0).state, BreakerState::kOpen);
  EXPECT_EQ(metrics_.gauge("sentinel_gateway_breaker_state", "", {{"provider", "a"}, {"model", "m"}}).value(), 2);
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_EQ(a_.requests(), 4U);
  ok(chat());
  EXPECT_EQ(a_.requests(), 4U);
  a_.add({.body = kAnswer});
  clock_.advance(std::chrono::seconds(60));
  ok(chat());  // takes the last 500 once more
  clock_.advance(std::chrono::seconds(60));
  EXPECT_EQ(ok(chat()).headers.get("x-sentinel-provider"), "a");
  sink_.at(13);  // recorded after the breaker was told
  EXPECT_EQ(gateway_->breakers().at(0).state, BreakerState::kClosed);
}

TEST_F(GatewayTest, ARefusedRequestIsNoFailureOfItsProvider) {
  route().retries.attempts = 1;
  config_.breaker.threshold = 0;
  a_.add({.body = kAnswer});
  a_.add({.status = 400, .body = R"({"error":{"message":"no such field"}})"});
  a_.add({.status = 429, .body = "slow down"});
  a_.add({.status = 503, .body = "down"});
  start();
  for (int i = 0; i < 4; ++i) ok(chat());
  sink_.at(3);  // the call is counted before it is recorded, and both after the answer has gone out
  const auto attempts = [&](const char* result) {
    return metrics_.counter("sentinel_gateway_upstream_attempts_total", "", {{"provider", "a"}, {"result", result}})
        .value();
  };
  EXPECT_EQ(attempts("ok"), 1);
  EXPECT_EQ(attempts("refused"), 2);
  EXPECT_EQ(attempts("error"), 1);
  const auto errors = [&](const char* type) {
    return metrics_.counter("errors_total", "", {{"error_type", type}, {"endpoint", "/v1/chat/completions"}}).value();
  };
  EXPECT_EQ(errors("caller_invalid_request"), 1);
  EXPECT_EQ(errors("provider_rate_limited"), 1);
  EXPECT_EQ(errors("provider_error"), 1);
}

TEST_F(GatewayTest, WithEveryBreakerOpenTheCallFailsAtOnce) {
  a_.add({.body = kAnswer});
  start();
  ASSERT_TRUE(gateway_->force_breaker("a", "", BreakerState::kOpen));
  const auto got = ok(chat());
  EXPECT_EQ(got.status, 503);
  EXPECT_EQ(sink_.at(0).error_type, "provider_circuit_open");
  EXPECT_EQ(a_.requests(), 0U);
  ASSERT_TRUE(gateway_->force_breaker("a", "", std::nullopt));
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_FALSE(gateway_->force_breaker("nobody", "", std::nullopt));
}

TEST_F(GatewayTest, PoliciesRefuseBeforeAnythingIsSent) {
  route().models = {"m*"};
  route().max_prompt_chars = 10;
  a_.add({.body = kAnswer});
  start();
  gateway_->set_injection_risk(
      [](std::string_view prompt) { return prompt.find("ignore") == std::string_view::npos ? 0.1 : 0.95; });
  size_t recorded = 0;
  auto error_of = [&](ClientRequest request, int status) {
    const auto got = ok(std::move(request));
    EXPECT_EQ(got.status, status) << got.body;
    EXPECT_TRUE(got.headers.has("x-request-id"));
    return sink_.at(recorded++);
  };
  EXPECT_EQ(error_of(chat(), 400).error_type, "policy_prompt_too_long");
  EXPECT_EQ(error_of(chat(R"({"model":"zzz","messages":[]})"), 404).error_type, "gateway_no_route");
  EXPECT_EQ(error_of(chat("not json"), 400).error_type, "caller_invalid_request");
  route().max_prompt_chars = 0;
  route().injection = GuardAction::kBlock;
  ASSERT_TRUE(gateway_->configure(config_));
  const auto blocked = error_of(chat(R"({"model":"m","messages":[{"role":"user","content":"ignore all"}]})"), 400);
  EXPECT_EQ(blocked.error_type, "policy_prompt_blocked");
  EXPECT_EQ(blocked.guard_action, "block");
  EXPECT_EQ(blocked.prompt, "ignore all");
  EXPECT_EQ(a_.requests(), 0U);
  route().injection = GuardAction::kFlag;
  ASSERT_TRUE(gateway_->configure(config_));
  EXPECT_EQ(error_of(chat(R"({"model":"m","messages":[{"role":"user","content":"ignore all"}]})"), 200).guard_action,
            "flag");
  route().disabled = true;
  ASSERT_TRUE(gateway_->configure(config_));
  EXPECT_EQ(error_of(chat(), 503).error_type, "policy_route_disabled");
}

TEST_F(GatewayTest, ABadConfigurationLeavesTheOldOneInForce) {
  a_.add({.body = kAnswer});
  start();
  GatewayConfig bad = config_;
  bad.routes[0].targets[0].provider = "nobody";
  EXPECT_FALSE(gateway_->configure(bad));
  bad = config_;
  bad.providers[0].api_key.clear();
  bad.providers[0].api_key_file = "/nonexistent/key";
  EXPECT_FALSE(gateway_->configure(bad));
  EXPECT_EQ(ok(chat()).status, 200);
}

TEST_F(GatewayTest, APreparedConfigurationIsInForceWhenItIsInstalled) {
  a_.add({.body = kAnswer});
  start();
  GatewayConfig next = config_;
  next.routes[0].disabled = true;
  next.breaker.threshold = 1;
  const auto plan = gateway_->prepare(next);
  ASSERT_TRUE(plan) << plan.error().to_string();
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_FALSE(gateway_->config()->routes[0].disabled);
  gateway_->install(*plan);
  EXPECT_EQ(ok(chat()).status, 503);
  EXPECT_TRUE(gateway_->config()->routes[0].disabled);
}

Task<void> send_and_cancel(net::HttpClient* client, ClientRequest request, bool after_first_chunk,
                           std::promise<void>* done) {
  auto token = std::make_shared<net::CancelToken>();
  request.cancel = token;
  if (after_first_chunk) {
    auto sent = co_await client->send(std::move(request));
    if (sent) {
      (void)co_await (*sent)->next_chunk();
      (*sent)->cancel();
    }
  } else {
    request.timeouts.first_byte = Millis(50);
    (void)co_await client->send(std::move(request));  // gives up waiting, which closes the connection
  }
  done->set_value();
}

TEST_F(GatewayTest, AClientThatLeavesCancelsTheUpstream) {
  with_fallback();
  a_.add({.parts = {"HANG"}});
  start();
  std::promise<void> done;
  runtime_.spawn(runtime_.core(0), "client", send_and_cancel(&client_, chat(), false, &done));
  done.get_future().wait();
  EXPECT_TRUE(a_.wait_gone());
  const auto row = sink_.at(0);
  EXPECT_EQ(row.error_type, "caller_disconnected");
  EXPECT_EQ(row.http_status, 499);
  EXPECT_EQ(b_.requests(), 0U);
}

TEST_F(GatewayTest, AClientThatLeavesWithinAStreamCancelsTheUpstream) {
  a_.add({.parts = {kRole, delta("half"), "HANG"}});
  start();
  std::promise<void> done;
  runtime_.spawn(runtime_.core(0), "client", send_and_cancel(&client_, stream_chat(), true, &done));
  done.get_future().wait();
  EXPECT_TRUE(a_.wait_gone());
  EXPECT_EQ(sink_.at(0).error_type, "caller_disconnected");
  EXPECT_EQ(sink_.at(0).response, "half");
}

Task<void> stream_until_cut(net::HttpClient* client, ClientRequest request, std::promise<void>* begun,
                            std::promise<std::string>* all) {
  auto sent = co_await client->send(std::move(request));
  std::string got;
  for (bool first = true; sent; first = false) {
    auto chunk = co_await (*sent)->next_chunk();
    if (!chunk || chunk->empty()) {
      got += chunk ? "(complete)" : "(cut)";
      break;
    }
    got += *chunk;
    if (first) begun->set_value();
  }
  all->set_value(got);
}

TEST_F(GatewayTest, ADrainTellsWhatIsStillOpenAndRefusesWhatComes) {
  a_.add({.parts = {kRole + delta("half"), "HANG"}});
  start();
  std::promise<void> begun;
  std::promise<std::string> all;
  runtime_.spawn(runtime_.core(0), "client", stream_until_cut(&client_, stream_chat(), &begun, &all));
  begun.get_future().wait();
  EXPECT_EQ(gateway_->drain(Millis(0)), 1U);
  const std::string got = all.get_future().get();
  EXPECT_NE(got.find("half"), std::string::npos) << got;
  EXPECT_NE(got.find(R"(data: {"error":{"message":"the gateway is shutting down; please try again","type":)"
                     R"("gateway_shutdown","param":null,"code":"gateway_shutdown"}})"),
            std::string::npos)
      << got;
  EXPECT_TRUE(got.ends_with("(cut)")) << got;
  EXPECT_TRUE(a_.wait_gone());
  const auto row = sink_.at(0);
  EXPECT_EQ(row.error_type, "gateway_shutdown");
  EXPECT_EQ(row.status, model::InteractionStatus::kError);
  EXPECT_EQ(row.response, "half");

  const auto refused = ok(chat());
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.get("retry-after"), "5");
  EXPECT_NE(refused.body.find("gateway_shutdown"), std::string::npos) << refused.body;
  EXPECT_EQ(a_.requests(), 1U);
  EXPECT_EQ(sink_.at(1).error_type, "gateway_shutdown");
  EXPECT_EQ(gateway_->breakers()[0].state, BreakerState::kClosed);
}

TEST_F(GatewayTest, ADrainWaitsForACallThatEndsByItself) {
  a_.add({.body = kAnswer});
  start();
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_EQ(gateway_->drain(std::chrono::seconds(20)), 0U);
  EXPECT_EQ(sink_.count(), 1U);
}

TEST_F(GatewayTest, ADrainAnswersACallThatHasNothingYetWith503) {
  with_fallback();
  a_.add({.parts = {"HANG"}});
  start();
  std::future<Got> call = std::async(std::launch::async, [this] { return exchange(chat()); });
  while (a_.requests() == 0) std::this_thread::yield();
  EXPECT_EQ(gateway_->drain(Millis(0)), 1U);
  const Got got = call.get();
  ASSERT_TRUE(got.result) << got.result.error().to_string();
  EXPECT_EQ(got.result->status, 503);
  EXPECT_EQ(sink_.at(0).error_type, "gateway_shutdown");
  EXPECT_EQ(b_.requests(), 0U);
}

TEST_F(GatewayTest, EmptyAnswersAndToolCallsAreToldApart) {
  a_.add({.body = R"({"model":"m","choices":[{"message":{"content":""},"finish_reason":"stop"}]})"});
  a_.add(
      {.body =
           R"({"model":"m","choices":[{"message":{"content":null,"tool_calls":[{"function":{"name":"f"}}]},"finish_reason":"tool_calls"}]})"});
  start();
  ok(chat());
  ok(chat());
  EXPECT_TRUE(sink_.at(0).empty_response);
  EXPECT_FALSE(sink_.at(1).empty_response);
  EXPECT_EQ(sink_.at(1).tags.at(0).second, "f");
}

TEST_F(GatewayTest, EmbeddingsCompletionsAndModelsPassThrough) {
  start();
  a_.add(
      {.body =
           R"({"object":"list","data":[{"embedding":[0.1,0.2]}],"model":"e-1","usage":{"prompt_tokens":5,"total_tokens":5}})"});
  auto request = chat(R"({"model":"e","input":"hello"})");
  request.url = replace_all(request.url, "chat/completions", "embeddings");
  EXPECT_EQ(ok(std::move(request)).status, 200);
  EXPECT_EQ(sink_.at(0).request_type, "embedding");
  EXPECT_EQ(sink_.at(0).prompt, "hello");
  EXPECT_EQ(sink_.at(0).tokens_input, 5);
  EXPECT_FALSE(sink_.at(0).empty_response);
  ClientRequest models;
  models.url = "http://127.0.0.1:" + std::to_string(server_->port()) + "/v1/models?limit=2";
  EXPECT_EQ(ok(std::move(models)).status, 200);
  EXPECT_EQ(a_.request(1).target, "/v1/models?limit=2");
  EXPECT_EQ(sink_.count(), 1U);
}

TEST_F(GatewayTest, WeightsChooseAndTheOthersFollow) {
  route().targets = {{"a", "", 1}, {"b", "", 0}};
  a_.add({.body = kAnswer});
  b_.add({.body = kAnswer});
  start();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ok(chat()).headers.get("x-sentinel-provider"), "a");
  route().targets = {{"a", "", 1}, {"b", "", 1}};
  ASSERT_TRUE(gateway_->configure(config_));
  for (int i = 0; i < 60; ++i) ok(chat());
  EXPECT_GT(b_.requests(), 5U);
  EXPECT_LT(b_.requests(), 55U);
}

}  // namespace
}  // namespace sentinel::gateway
