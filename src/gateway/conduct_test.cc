// How a route behaves when its providers do not: hedging, larger contexts, held streams, several keys, retry budgets,
// faults done on purpose, the last resort.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/strings.h"
#include "gateway/gateway_fixture.h"
#include "gateway/latency.h"

namespace sentinel::gateway {
namespace {

std::string whole(std::string_view text, std::string_view model = "m-2026-01") {
  return R"({"id":"c1","object":"chat.completion","model":)" + json_quote(model) +
         R"(,"choices":[{"index":0,"message":{"role":"assistant","content":)" + json_quote(text) +
         R"(},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}})";
}
std::string delta(std::string_view content) {
  return "data: {\"model\":\"m-2026-01\",\"choices\":[{\"index\":0,\"delta\":{\"content\":" + json_quote(content) +
         "},\"finish_reason\":null}]}\n\n";
}
const std::string kRole =
    "data: {\"model\":\"m-2026-01\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
    "\"finish_reason\":null}]}\n\n";
const std::string kStop =
    "data: {\"model\":\"m-2026-01\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const std::string kDone = "data: [DONE]\n\n";
const std::string kTooLong = R"({"error":{"message":"too long","code":"context_length_exceeded"}})";

class ConductTest : public GatewayTest {
 protected:
  ConductConfig& conduct() { return route().conduct; }
  static std::string tag(const model::Interaction& row, std::string_view name) {
    for (const auto& [key, value] : row.tags) {
      if (key == name) return value;
    }
    return "";
  }
  void fault(FaultConfig what) { conduct().faults.push_back(std::move(what)); }
  double counted(std::string_view name, MetricLabels labels) { return metrics_.counter(name, "", labels).value(); }
};

// --- hedging

class HedgeTest : public ConductTest {
 protected:
  HedgeTest() {
    with_fallback();
    conduct().hedge.after = Millis(20);
    b_.add({.body = whole("from b", "other")});
  }
};

TEST_F(HedgeTest, ASecondTargetServesWhenTheFirstIsSlowAndTheFirstIsBrokenOff) {
  a_.add({.parts = {"HANG"}});
  start();
  const auto got = ok(chat());
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.headers.get("x-sentinel-provider"), "b");
  EXPECT_EQ(got.headers.get("x-sentinel-model"), "other");
  EXPECT_TRUE(a_.wait_gone());
  const auto row = sink_.at(0);
  EXPECT_EQ(row.status, model::InteractionStatus::kOk);
  EXPECT_EQ(row.provider, "b");
  EXPECT_EQ(row.response, "from b");
  EXPECT_EQ(row.tokens_output, 2);
  EXPECT_EQ(row.retry_count, 0);
  EXPECT_TRUE(row.fallback_used);
  EXPECT_EQ(tag(row, "hedged"), "second");
  EXPECT_EQ(counted("sentinel_gateway_hedges_total", {{"provider", "b"}, {"result", "won"}}), 1);
  EXPECT_EQ(gateway_->breakers().at(0).counts.in_a_row, 0) << "who lost a race is not ill";
  EXPECT_EQ(gateway_->breakers().at(0).under_way, 0);
}

TEST_F(HedgeTest, AFirstTargetThatIsFastIsAlone) {
  conduct().hedge.after = std::chrono::seconds(10);
  a_.add({.body = whole("from a")});
  start();
  EXPECT_EQ(ok(chat()).headers.get("x-sentinel-provider"), "a");
  const auto row = sink_.at(0);
  EXPECT_EQ(tag(row, "hedged"), "");
  EXPECT_FALSE(row.fallback_used);
  EXPECT_EQ(b_.requests(), 0U);
}

TEST_F(HedgeTest, AStreamThatHasNotSpokenYetLosesToOneThatDoes) {
  b_.drop_first();
  b_.add({.parts = {kRole, delta("B"), kStop, kDone}});
  a_.add({.parts = {kRole, "HANG"}});
  start();
  const auto got = ok(stream_chat());
  EXPECT_EQ(got.headers.get("x-sentinel-provider"), "b");
  EXPECT_EQ(got.body, kRole + delta("B") + kStop + kDone);
  EXPECT_TRUE(a_.wait_gone());
  EXPECT_EQ(sink_.at(0).response, "B");
}

TEST_F(HedgeTest, AStreamThatHasBegunIsNotHedged) {
  conduct().hedge.after = Millis(500);
  route().timeouts.inter_token = Millis(1000);
  a_.add({.parts = {delta("A"), "HANG"}});
  start();
  const auto got = exchange(stream_chat());
  EXPECT_FALSE(got.result);
  EXPECT_EQ(sink_.at(0).error_type, "provider_stream_stalled");
  EXPECT_EQ(b_.requests(), 0U);
}

TEST_F(HedgeTest, TheDelayIsAQuantileOfTheLastAnswersOnceTheyAreKnown) {
  conduct().hedge = {.after = std::chrono::seconds(15), .quantile = 0.9};
  for (size_t i = 0; i < Latency::kEnough; ++i) a_.add({.body = whole("from a")});
  a_.add({.parts = {"HANG"}});
  start();
  for (size_t i = 0; i < Latency::kEnough; ++i) EXPECT_EQ(ok(chat()).status, 200);
  const int64_t begun_us = monotonic_us();
  EXPECT_EQ(ok(chat()).headers.get("x-sentinel-provider"), "b");
  EXPECT_LT(monotonic_us() - begun_us, 10'000'000) << "it waited for `after`";
}

TEST_F(HedgeTest, AFailureBeforeTheDelayGoesOnAsUsual) {
  route().retries.attempts = 1;
  conduct().hedge.after = std::chrono::seconds(10);
  a_.add({.status = 500, .body = "down"});
  start();
  EXPECT_EQ(ok(chat()).headers.get("x-sentinel-provider"), "b");
  EXPECT_EQ(tag(sink_.at(0), "hedged"), "");
}

TEST_F(HedgeTest, WhenBothFailTheNextTargetIsAsked) {
  route().retries.attempts = 1;
  route().timeouts.response = Millis(80);
  route().fallback.push_back({"b", "third", 1});
  a_.add({.parts = {"HANG"}});
  b_.drop_first();
  b_.add({.status = 503, .body = "busy"});
  b_.add({.body = whole("third")});
  start();
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_EQ(a_.requests(), 1U);
  EXPECT_EQ(b_.requests(), 2U);
  EXPECT_EQ(sink_.at(0).response, "third");
}

TEST_F(HedgeTest, AClientThatLeavesEndsBoth) {
  b_.drop_first();
  b_.add({.parts = {"HANG"}});
  a_.add({.parts = {"HANG"}});
  start();
  auto request = chat();
  request.timeouts.first_byte = Millis(1000);
  EXPECT_FALSE(exchange(std::move(request)).result);
  EXPECT_TRUE(a_.wait_gone());
  EXPECT_TRUE(b_.wait_gone());
  EXPECT_EQ(sink_.at(0).error_type, "caller_disconnected");
}

TEST_F(HedgeTest, TheRetryBudgetHoldsForHedges) {
  config_.retry_budget = {.ratio = 0, .minimum = 0, .window = std::chrono::seconds(10)};
  route().timeouts.response = Millis(600);
  a_.add({.parts = {"HANG"}});
  start();
  EXPECT_EQ(ok(chat()).headers.get("x-sentinel-provider"), "b");  // after its silence, not beside it
  EXPECT_EQ(tag(sink_.at(0), "hedged"), "");
  EXPECT_EQ(counted("sentinel_gateway_retries_refused_total", {{"provider", "b"}}), 1);
}

// --- larger contexts

TEST_F(ConductTest, APromptThatIsTooLongGoesToTheLargerModelOnly) {
  with_fallback();
  conduct().context_fallback = {{"b", "huge", 1}};
  a_.add({.status = 400, .body = kTooLong});
  b_.add({.body = whole("long", "huge")});
  start();
  const auto got = ok(chat());
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.headers.get("x-sentinel-model"), "huge");
  EXPECT_EQ(a_.requests(), 1U);
  ASSERT_EQ(b_.requests(), 1U);
  EXPECT_NE(b_.request(0).body.find("\"huge\""), std::string::npos);
  EXPECT_TRUE(sink_.at(0).fallback_used);
}

TEST_F(ConductTest, ALargerModelThatIsTooSmallAsWellEndsIt) {
  conduct().context_fallback = {{"b", "huge", 1}};
  a_.add({.status = 400, .body = kTooLong});
  b_.add({.status = 400, .body = kTooLong});
  start();
  EXPECT_EQ(ok(chat()).status, 400);
  EXPECT_EQ(b_.requests(), 1U);
  EXPECT_EQ(sink_.at(0).error_type, "caller_context_too_long");
}

TEST_F(ConductTest, WhatAFallbackCannotTakeDoesNotHideWhatFailed) {
  with_fallback();
  route().retries.attempts = 1;
  a_.add({.status = 503, .body = R"({"error":{"message":"overloaded"}})"});
  b_.add({.status = 400, .body = R"({"error":{"message":"no prefill"}})"});
  start();
  const auto got = ok(chat());
  EXPECT_EQ(got.status, 503);
  EXPECT_EQ(got.body.find("prefill"), std::string::npos);
  EXPECT_EQ(got.headers.get("x-sentinel-provider"), "a");
  EXPECT_EQ(sink_.at(0).error_type, "provider_error");
  EXPECT_EQ(sink_.at(0).provider, "a");
  EXPECT_EQ(b_.requests(), 1U);
}

TEST_F(ConductTest, AContentFilterOfTheFallbackIsTheEnd) {
  with_fallback();
  route().retries.attempts = 1;
  route().fallback.push_back({"b", "third", 1});
  a_.add({.status = 503, .body = "down"});
  b_.add({.status = 400, .body = R"({"error":{"message":"no","code":"content_policy_violation"}})"});
  start();
  EXPECT_EQ(ok(chat()).status, 400);
  EXPECT_EQ(b_.requests(), 1U);
  EXPECT_EQ(sink_.at(0).error_type, "policy_content_filter");
}

// --- held streams

class HoldTest : public ConductTest, public testing::WithParamInterface<std::vector<std::string>> {};

TEST_P(HoldTest, ABrokenStreamBeginsAnewElsewhere) {
  with_fallback();
  route().retries.attempts = 1;
  route().timeouts.inter_token = Millis(400);
  conduct().hold_streams = true;
  a_.add({.parts = GetParam()});
  b_.add({.parts = {kRole, delta("Blue"), delta("."), kStop, kDone}});
  start();
  const auto got = ok(stream_chat());
  EXPECT_EQ(got.body, kRole + delta("Blue") + delta(".") + kStop + kDone);
  EXPECT_EQ(got.headers.get("x-sentinel-provider"), "b");
  EXPECT_EQ(sink_.at(0).response, "Blue.");
  EXPECT_EQ(sink_.at(0).status, model::InteractionStatus::kOk);
}

INSTANTIATE_TEST_SUITE_P(
    Broken, HoldTest,
    testing::Values(std::vector<std::string>{kRole, delta("Bl"), "CUT"}, std::vector<std::string>{kRole, delta("Bl")},
                    std::vector<std::string>{kRole, delta("Bl"), "HANG"},
                    std::vector<std::string>{kRole, delta("Bl"), "data: {\"choices\n\n", kDone},
                    std::vector<std::string>{delta("Bl"), "data: {\"error\":{\"message\":\"x\"}}\n\n"}));

TEST_F(ConductTest, AHeldStreamComesInOnePieceWithEverythingInIt) {
  conduct().hold_streams = true;
  a_.add({.parts = {": hello\n\n", kRole, delta("A"), delta("B"), kStop, kDone}});
  start();
  EXPECT_EQ(ok(stream_chat()).body, ": hello\n\n" + kRole + delta("A") + delta("B") + kStop + kDone);
  EXPECT_TRUE(sink_.at(0).ttft_ms.has_value());
}

// --- several keys

class KeysTest : public ConductTest {
 protected:
  KeysTest() {
    config_.providers[0].api_key.clear();
    config_.providers[0].keys.keys = {{.value = "k1"}, {.value = "k2"}, {.value = "k3"}};
    route().retries.attempts = 1;
  }
  std::string key(size_t request) { return std::string(a_.request(request).headers.get("authorization")); }
};

TEST_F(KeysTest, AreUsedInTurn) {
  a_.add({.body = whole("x")});
  start();
  for (int i = 0; i < 4; ++i) ok(chat());
  EXPECT_EQ(key(0) + key(1) + key(2) + key(3), "Bearer k1Bearer k2Bearer k3Bearer k1");
}

TEST_F(KeysTest, ARefusedKeyRestsAndTheNextIsTriedAtOnce) {
  a_.add({.status = 401, .body = R"({"error":{"message":"bad key k1"}})"});
  a_.add({.body = whole("x")});
  start();
  EXPECT_EQ(ok(chat()).status, 200);
  EXPECT_EQ(key(0) + key(1), "Bearer k1Bearer k2");
  EXPECT_EQ(sink_.at(0).retry_count, 1);
  EXPECT_EQ(counted("sentinel_gateway_key_rotations_total", {{"provider", "a"}}), 1);
  for (int i = 0; i < 3; ++i) ok(chat());
  EXPECT_EQ(key(2) + key(3) + key(4), "Bearer k3Bearer k2Bearer k3");
  clock_.advance(std::chrono::minutes(10));
  ok(chat());
  EXPECT_EQ(key(5), "Bearer k1");
}

TEST_F(KeysTest, ALimitedKeyRestsAsLongAsTheProviderSays) {
  a_.add({.status = 429, .body = "slow down", .headers = {{"retry-after", "7"}}});
  a_.add({.body = whole("x")});
  start();
  EXPECT_EQ(ok(chat()).status, 200);
  clock_.advance(std::chrono::seconds(6));
  for (int i = 0; i < 2; ++i) ok(chat());
  EXPECT_EQ(key(1) + key(2) + key(3), "Bearer k2Bearer k3Bearer k2");
  clock_.advance(std::chrono::seconds(1));
  ok(chat());
  ok(chat());
  EXPECT_EQ(key(4) + key(5), "Bearer k3Bearer k1");
}

TEST_F(KeysTest, WhenEveryKeyIsRefusedTheCallEnds) {
  a_.add({.status = 401, .body = "no"});
  start();
  const auto got = ok(chat());
  EXPECT_EQ(got.status, 502);
  EXPECT_EQ(a_.requests(), 3U);
  EXPECT_EQ(sink_.at(0).error_type, "provider_auth_failed");
  EXPECT_EQ(gateway_->breakers().at(0).state, BreakerState::kClosed);
}

// --- retry budget

TEST_F(ConductTest, RetriesEndWithTheirBudget) {
  route().retries.attempts = 2;
  config_.breaker.threshold = 0;
  config_.retry_budget = {.ratio = 0.5, .minimum = 2, .window = std::chrono::seconds(10)};
  a_.add({.status = 503, .body = "down"});
  start();
  for (int i = 0; i < 20; ++i) ok(chat());
  EXPECT_EQ(a_.requests(), 30U);  // 20 and half as many
  EXPECT_EQ(counted("sentinel_gateway_retries_total", {{"provider", "a"}}), 10);
  EXPECT_EQ(counted("sentinel_gateway_retries_refused_total", {{"provider", "a"}}), 10);
}

// --- breakers by hand

TEST_F(ConductTest, ABreakerIsOfOneModel) {
  route().retries.attempts = 1;
  config_.breaker.threshold = 2;
  a_.add({.status = 500, .body = "down"});
  start();
  for (int i = 0; i < 3; ++i) ok(chat());
  EXPECT_EQ(a_.requests(), 2U);
  const std::string other = R"({"model":"n","messages":[{"role":"user","content":"q"}]})";
  ok(chat(other));
  EXPECT_EQ(a_.requests(), 3U);
  sink_.at(3);
  const auto views = gateway_->breakers();
  ASSERT_EQ(views.size(), 2U);
  EXPECT_EQ(views[0].model + views[1].model, "mn");
  EXPECT_EQ(views[0].state, BreakerState::kOpen);
  EXPECT_EQ(views[0].counts.in_a_row, 2);
  EXPECT_EQ(views[1].state, BreakerState::kClosed);
  ASSERT_TRUE(gateway_->force_breaker("a", "m", BreakerState::kClosed));
  ok(chat());
  EXPECT_EQ(a_.requests(), 4U);
  EXPECT_FALSE(gateway_->force_breaker("a", "nothing", BreakerState::kClosed));
  ASSERT_TRUE(gateway_->force_breaker("a", "", BreakerState::kOpen));
  EXPECT_EQ(ok(chat(R"({"model":"new","messages":[]})")).status, 503) << "also those to come";
}

// --- faults on purpose

struct FaultCase {
  FaultConfig fault;
  bool stream;
  std::string error;  // of the row, without a fallback
};
class FaultTest : public ConductTest, public testing::WithParamInterface<FaultCase> {};

TEST_P(FaultTest, LooksAsIfTheProviderHadDoneIt) {
  route().retries.attempts = 1;
  route().timeouts.first_token = route().timeouts.inter_token = route().timeouts.response = Millis(400);
  fault(GetParam().fault);
  if (GetParam().stream) {
    a_.add({.parts = {kRole, delta("A"), delta("B"), kStop, kDone}});
  } else {
    a_.add({.body = whole("AB")});
  }
  start();
  const Got got = exchange(GetParam().stream ? stream_chat() : chat());
  const auto row = sink_.at(0);
  EXPECT_EQ(row.error_type, GetParam().error);
  EXPECT_NE(tag(row, "fault_injected"), "");
  if (GetParam().stream && GetParam().fault.after == 1) {
    EXPECT_FALSE(got.result);
    EXPECT_EQ(row.response.substr(0, 1), "A");
    EXPECT_EQ(got.partial.find("\"B\""), std::string::npos);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Faults, FaultTest,
    testing::Values(FaultCase{{.kind = FaultKind::kAbort, .status = 503}, false, "provider_error"},
                    FaultCase{{.kind = FaultKind::kAbort, .status = 429}, true, "provider_rate_limited"},
                    FaultCase{{.kind = FaultKind::kAbort, .status = 400}, false, "caller_invalid_request"},
                    FaultCase{{.kind = FaultKind::kDelay, .delay = Millis(5)}, false, ""},
                    FaultCase{{.kind = FaultKind::kSilence}, false, "provider_timeout"},
                    FaultCase{{.kind = FaultKind::kSilence}, true, "provider_first_token_timeout"},
                    FaultCase{{.kind = FaultKind::kCut}, false, "provider_stream_cut"},
                    FaultCase{{.kind = FaultKind::kCut, .after = 1}, true, "provider_stream_cut"},
                    FaultCase{{.kind = FaultKind::kCut, .after = 0}, true, "provider_stream_cut"},
                    FaultCase{{.kind = FaultKind::kStall}, false, "provider_timeout"},
                    FaultCase{{.kind = FaultKind::kStall, .after = 1}, true, "provider_stream_stalled"},
                    FaultCase{{.kind = FaultKind::kGarble}, false, "provider_bad_response"},
                    FaultCase{{.kind = FaultKind::kGarble, .after = 1}, true, "provider_bad_response"}));

TEST_F(ConductTest, AFaultHitsItsShareAndItsProvider) {
  with_fallback();
  route().retries.attempts = 1;
  config_.breaker.threshold = 0;
  fault({.kind = FaultKind::kAbort, .percent = 25, .provider = "a", .status = 500});
  a_.add({.body = whole("a")});
  b_.add({.body = whole("b")});
  start();
  for (int i = 0; i < 400; ++i) EXPECT_EQ(ok(chat()).status, 200);
  const double hits = counted("sentinel_gateway_faults_injected_total", {{"provider", "a"}, {"fault", "abort"}});
  EXPECT_NEAR(hits, 100, 45);
  EXPECT_EQ(b_.requests(), static_cast<size_t>(hits));
  EXPECT_EQ(a_.requests(), 400 - static_cast<size_t>(hits)) << "an abort does not reach the provider";
}

// --- the last resort

TEST_F(ConductTest, AConfiguredAnswerIsMarkedAndStaysAFailure) {
  route().retries.attempts = 1;
  conduct().last_resort.answer = "We are \"down\".";
  a_.add({.status = 503, .body = "down"});
  start();
  const auto got = ok(chat());
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.headers.get("x-sentinel-last-resort"), "configured");
  EXPECT_NE(got.body.find(R"("content":"We are \"down\".")"), std::string::npos) << got.body;
  const auto stream = ok(stream_chat());
  EXPECT_EQ(stream.status, 200);
  EXPECT_TRUE(stream.headers.get("content-type").starts_with("text/event-stream"));
  EXPECT_NE(stream.body.find("We are"), std::string::npos) << stream.body;
  EXPECT_TRUE(stream.body.ends_with(kDone));
  for (size_t i = 0; i < 2; ++i) {
    const auto row = sink_.at(i);
    EXPECT_EQ(row.status, model::InteractionStatus::kError);
    EXPECT_EQ(row.error_type, "provider_error");
    EXPECT_EQ(row.http_status, 200);
    EXPECT_EQ(tag(row, "last_resort"), "configured");
    EXPECT_EQ(row.response, "We are \"down\".");
    EXPECT_FALSE(row.tokens_output.has_value());
  }
}

TEST_F(ConductTest, TheLastResortIsInTheWordsOfTheClientsApi) {
  route().retries.attempts = 1;
  conduct().last_resort.answer = "Sorry.";
  a_.add({.status = 503, .body = "down"});
  start();
  const std::string base = "http://127.0.0.1:" + std::to_string(server_->port());
  auto messages = chat(R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"q"}]})");
  messages.url = base + "/v1/messages";
  EXPECT_NE(ok(std::move(messages)).body.find(R"("text":"Sorry.")"), std::string::npos);
  auto gemini = chat(R"({"contents":[{"role":"user","parts":[{"text":"q"}]}]})");
  gemini.url = base + "/v1beta/models/m:generateContent";
  EXPECT_NE(ok(std::move(gemini)).body.find(R"("text":"Sorry.")"), std::string::npos);
  auto embedding = chat(R"({"model":"m","input":"q"})");
  embedding.url = base + "/v1/embeddings";
  EXPECT_EQ(ok(std::move(embedding)).status, 503) << "no words, no such answer";
}

TEST_F(ConductTest, ACachedAnswerIsOfTheSameRequestAndCaller) {
  route().retries.attempts = 1;
  config_.breaker.threshold = 0;
  conduct().last_resort.cached = true;
  a_.add({.body = whole("The sky is blue.")});
  a_.add({.parts = {kRole, delta("Blue"), kStop, kDone}});
  a_.add({.status = 503, .body = "down"});
  start();
  ok(chat());
  ok(stream_chat());
  sink_.at(1);
  const auto got = ok(chat());
  EXPECT_EQ(got.status, 200);
  EXPECT_EQ(got.body, whole("The sky is blue."));
  EXPECT_EQ(got.headers.get("x-sentinel-last-resort"), "cached");
  const auto row = sink_.at(2);
  EXPECT_EQ(row.request_id, got.headers.get("x-request-id"));
  EXPECT_EQ(row.status, model::InteractionStatus::kError);
  EXPECT_EQ(tag(row, "last_resort"), "cached");
  EXPECT_FALSE(row.tokens_output.has_value()) << "nobody served it";
  EXPECT_EQ(ok(stream_chat()).body, kRole + delta("Blue") + kStop + kDone);
  auto stranger = chat();
  stranger.headers.set("authorization", "Bearer another");
  EXPECT_EQ(ok(std::move(stranger)).status, 503);
  EXPECT_EQ(ok(chat(R"({"model":"m","messages":[{"role":"user","content":"else"}]})")).status, 503);
  clock_.advance(std::chrono::hours(25));
  EXPECT_EQ(ok(chat()).status, 503) << "too old";
}

TEST_F(ConductTest, WhatTheCallerDidWrongIsToldInSpiteOfALastResort) {
  conduct().last_resort.answer = "Sorry.";
  a_.add({.status = 400, .body = R"({"error":{"message":"no such field"}})"});
  start();
  EXPECT_EQ(ok(chat()).status, 400);
}

}  // namespace
}  // namespace sentinel::gateway
