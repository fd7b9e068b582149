#include "gateway/policy/answer_cache.h"

#include <gtest/gtest.h>

#include <thread>

#include "gateway/policy/canonical.h"

namespace sentinel::gateway {
namespace {

constexpr uint64_t kRoom = 1 << 20;

struct CacheTest : testing::Test {
  MetricRegistry metrics;
  FakeClock clock;
  AnswerCache cache{metrics, kRoom};

  std::shared_ptr<CachedAnswer> answer(const std::string& key, std::string body = "hello") {
    auto out = std::make_shared<CachedAnswer>();
    out->key = key;
    out->response.body = std::move(body);
    out->made_at = clock.now();
    out->expires_at = clock.now() + std::chrono::minutes(10);
    return out;
  }
};

TEST_F(CacheTest, GivesAnAnswerUntilItsTimeIsOver) {
  EXPECT_EQ(cache.find("a", clock.now()), nullptr);
  ASSERT_TRUE(cache.put(answer("a"), clock.now()));
  EXPECT_EQ(cache.find("a", clock.now())->response.body, "hello");
  EXPECT_EQ(cache.find("b", clock.now()), nullptr);
  ASSERT_TRUE(cache.put(answer("a", "newer"), clock.now()));
  EXPECT_EQ(cache.find("a", clock.now())->response.body, "newer");
  clock.advance(std::chrono::minutes(10));
  EXPECT_EQ(cache.find("a", clock.now()), nullptr);
}

TEST_F(CacheTest, NeverHoldsMoreThanItsBound) {
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(cache.put(answer(std::to_string(i), std::string(10'000, 'x')), clock.now()));
    EXPECT_LE(cache.bytes(), kRoom) << i;
    clock.advance(std::chrono::seconds(1));
  }
  EXPECT_GT(cache.bytes(), kRoom / 2);
  EXPECT_NE(cache.find("499", clock.now()), nullptr);
  EXPECT_GT(metrics.counter("sentinel_gateway_cache_evictions_total", "").value(), 300);
  EXPECT_FALSE(cache.put(answer("large", std::string(kRoom, 'x')), clock.now())) << "larger than all of it";
  cache.set_bytes_max(100'000);
  ASSERT_TRUE(cache.put(answer("after"), clock.now()));
  EXPECT_LE(cache.bytes(), 100'000U) << "a smaller bound holds from the next answer on";
}

TEST_F(CacheTest, FindsTheNearestQuestionOfTheSameScopeOnly) {
  const auto with = [&](const std::string& key, const std::string& scope, std::vector<float> embedding) {
    auto out = answer(key, key);
    out->scope = scope;
    out->embedding = std::move(embedding);
    ASSERT_TRUE(cache.put(out, clock.now()));
  };
  with("a", "tenant1", {1, 0});
  with("b", "tenant1", {0.8F, 0.6F});
  with("c", "tenant2", {0.96F, 0.28F});
  double similarity = 0;
  const auto found = cache.find_near("tenant1", {0.96F, 0.28F}, 0.9, clock.now(), similarity);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->key, "a");
  EXPECT_NEAR(similarity, 0.96, 1e-6);
  EXPECT_EQ(cache.find_near("tenant1", {0, 1}, 0.9, clock.now(), similarity), nullptr);
  EXPECT_EQ(cache.find_near("tenant3", {1, 0}, 0.9, clock.now(), similarity), nullptr);
  clock.advance(std::chrono::minutes(10));
  EXPECT_EQ(cache.find_near("tenant1", {1, 0}, 0.9, clock.now(), similarity), nullptr);
}

TEST_F(CacheTest, CoresShareItWithoutHarm) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        const std::string key = std::to_string((i * 7 + t) % 100);
        if (const auto found = cache.find(key, clock.now())) {
          EXPECT_EQ(found->response.body, key);
        } else {
          cache.put(answer(key, key), clock.now());
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(cache.bytes(), kRoom);
}

TEST(CacheKey, EveryPartCounts) {
  const std::string base = cache_key("r", "t", "chat", "m", "{}", "0");
  EXPECT_NE(base, cache_key("r2", "t", "chat", "m", "{}", "0"));
  EXPECT_NE(base, cache_key("r", "t2", "chat", "m", "{}", "0"));
  EXPECT_NE(base, cache_key("r", "t", "messages", "m", "{}", "0"));
  EXPECT_NE(base, cache_key("r", "t", "chat", "m2", "{}", "0"));
  EXPECT_NE(base, cache_key("r", "t", "chat", "m", "{} ", "0"));
  EXPECT_NE(base, cache_key("r", "t", "chat", "m", "{}", "1"));
  EXPECT_NE(cache_key("ab", "c", "", "", "", ""), cache_key("a", "bc", "", "", "", ""));
}

TEST(Canonical, EqualRequestsAreEqual) {
  const std::pair<const char*, const char*> same[] = {
      {R"({"model":"m","temperature":0})", R"({ "temperature": 0.0, "model": "m" })"},
      {R"({"model":"m","user":"ada"})", R"({"model":"m","user":"bo","metadata":{"a":1}})"},
      {R"({"a":{"x":1,"y":[1,2]}})", R"({"a":{"y":[1,2.0],"x":1}})"},
      {R"({"a":"\u00e9"})", "{\"a\":\"\xc3\xa9\"}"},
  };
  for (const auto& [a, b] : same) EXPECT_EQ(*canonical_request(a), *canonical_request(b)) << a;
  const std::pair<const char*, const char*> different[] = {
      {R"({"model":"m","temperature":0})", R"({"model":"m","temperature":0.1})"},
      {R"({"messages":[{"content":"a "}]})", R"({"messages":[{"content":"a"}]})"},
      {R"({"a":[1,2]})", R"({"a":[2,1]})"},
      {R"({"a":"1"})", R"({"a":1})"},
      {R"({"a":{"user":"x"}})", R"({"a":{"user":"y"}})"},
      {R"({"stream":true})", R"({"stream":false})"},
  };
  for (const auto& [a, b] : different) EXPECT_NE(*canonical_request(a), *canonical_request(b)) << a;
  EXPECT_FALSE(canonical_request("[]"));
  EXPECT_FALSE(canonical_request("{"));
}

TEST(Canonical, TheSettingIsAllButTheQuestion) {
  std::string text;
  const auto setting = canonical_setting(
      R"({"model":"m","messages":[{"role":"system","content":"be kind"},{"role":"user","content":"What is up?"}]})",
      text);
  ASSERT_TRUE(setting);
  EXPECT_EQ(text, "What is up?");
  const auto other = canonical_setting(
      R"({"model":"m","messages":[{"role":"system","content":"be kind"},{"role":"user","content":[{"type":"text","text":"Why?"}]}]})",
      text);
  EXPECT_EQ(text, "Why?");
  EXPECT_EQ(*setting, *other);
  EXPECT_NE(
      *setting,
      *canonical_setting(
          R"({"model":"m","messages":[{"role":"system","content":"be rude"},{"role":"user","content":"x"}]})", text));
  ASSERT_TRUE(canonical_setting(R"({"contents":[{"role":"user","parts":[{"text":"a"},{"text":"b"}]}]})", text));
  EXPECT_EQ(text, "ab");
  ASSERT_TRUE(canonical_setting(R"({"model":"m","input":"hello"})", text));
  EXPECT_EQ(text, "hello");
  for (const char* body : {R"({"messages":[{"role":"assistant","content":"x"}]})", R"({"messages":[]})",
                           R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]})", "{}"}) {
    EXPECT_FALSE(canonical_setting(body, text)) << body;
  }
}

}  // namespace
}  // namespace sentinel::gateway
