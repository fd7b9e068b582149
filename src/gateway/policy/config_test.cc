#include "gateway/policy/config.h"

#include <gtest/gtest.h>

#include "text/yaml.h"

namespace sentinel::gateway {
namespace {

TEST(PolicyConfig, ReadsEveryField) {
  const auto node = *text::parse_yaml(R"(
limits:
  - {by: key, requests: 60, per: 1m}
  - {by: user, tokens: 100000, per: 1h}
  - {usd: 2.5, per: 1d}
budgets: [{by: team, usd: 100, per: month}, {usd: 5}]
cache: {ttl: 1h, semantic: true, threshold: 0.9}
guards: {after: [{check: secrets, action: block}]}
max_prompt_tokens: 8000
)",
                                      "f.yml");
  const auto policy = read_route_policy(node);
  ASSERT_TRUE(policy) << policy.error().to_string();
  ASSERT_EQ(policy->limits.size(), 3U);
  EXPECT_EQ(policy->limits[0].by, CountBy::kKey);
  EXPECT_EQ(policy->limits[0].limit.per, std::chrono::minutes(1));
  EXPECT_EQ(policy->limits[1].limit.unit, LimitUnit::kTokens);
  EXPECT_EQ(policy->limits[2].by, CountBy::kAll);
  EXPECT_EQ(policy->limits[2].limit.amount, 2'500'000);
  EXPECT_EQ(policy->budgets[0].by, CountBy::kTeam);
  EXPECT_EQ(policy->budgets[0].period, BudgetPeriod::kMonth);
  EXPECT_EQ(policy->budgets[1].period, BudgetPeriod::kDay);
  EXPECT_TRUE(policy->cache.exact);
  EXPECT_TRUE(policy->cache.semantic);
  EXPECT_EQ(policy->cache.ttl, std::chrono::hours(1));
  EXPECT_EQ(policy->guards.after.size(), 1U);
  EXPECT_EQ(policy->prompt_tokens_max, 8000);
  const auto gateway = read_gateway_policy(*text::parse_yaml(
      "{require_key: true, limits: [{by: route, requests: 5, per: 1s}], cache: {max_size: 1MB}}", "f.yml"));
  ASSERT_TRUE(gateway);
  EXPECT_TRUE(gateway->require_key);
  EXPECT_EQ(gateway->limits.at(0).by, CountBy::kRoute);
  EXPECT_EQ(gateway->cache_bytes, 1U << 20);
}

TEST(PolicyConfig, NothingGivenIsNothingDone) {
  const auto policy = read_route_policy(*text::parse_yaml("{}", "f.yml"));
  ASSERT_TRUE(policy);
  EXPECT_FALSE(policy->counts());
  EXPECT_FALSE(policy->cache.exact);
  EXPECT_TRUE(policy->guards.before.empty());
}

TEST(PolicyConfig, ErrorsSayWhereAndWhatWasExpected) {
  const std::pair<const char*, const char*> cases[] = {
      {"limits: {}", "f.yml:1:9: limits must be a list"},
      {"limits: [{by: planet, requests: 1, per: 1s}]", "f.yml:1:15: by must be all, key, user, team or route"},
      {"limits: [{requests: 1.5, per: 1s}]", "f.yml:1:21: "},
      {"limits: [{requests: 1, per: 10ms}]", "per must be 1s to 31d"},
      {"limits: [{requests: 1, per: 1s, burst: 3}]", "unknown field \"burst\""},
      {"budgets: [{per: day}]", "budget needs a field \"usd\""},
      {"budgets: [{usd: 0}]", "expected dollars above 0"},
      {"cache: {ttl: 60d}", "ttl must be 1ms to 30d"},
      {"cache: {threshold: 1.5}", "threshold must be above 0"},
      {"cache: true", "cache must be a map"},
      {"max_prompt_tokens: -1", "must not be negative"},
  };
  for (const auto& [yaml, expected] : cases) {
    const auto policy = read_route_policy(*text::parse_yaml(yaml, "f.yml"));
    ASSERT_FALSE(policy) << yaml;
    EXPECT_NE(policy.error().to_string().find(expected), std::string::npos) << policy.error().to_string();
  }
}

}  // namespace
}  // namespace sentinel::gateway
