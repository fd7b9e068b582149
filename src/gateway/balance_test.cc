#include "gateway/balance.h"

#include <gtest/gtest.h>

#include <map>

namespace sentinel::gateway {
namespace {

// Targets a, b, c at providers of these names; a fallback f.
class BalanceTest : public testing::Test {
 protected:
  void make(BalanceKind balance, std::vector<TargetConfig> targets) {
    GatewayConfig config;
    for (const char* name : {"a", "b", "c", "f"}) {
      ProviderConfig provider;
      provider.name = name;
      provider.base_url = "http://127.0.0.1:1";
      config.providers.push_back(provider);
    }
    RouteConfig route;
    route.targets = std::move(targets);
    route.fallback = {{.provider = "f"}};
    route.conduct.balance = balance;
    config.routes = {route};
    plan_ = *make_plan(config, board_, metrics_, true);
  }
  std::string order() {
    const TargetOrder targets = order_targets(plan_->routes[0], "m", clock_.now(), random_, prices_);
    std::string names;
    for (size_t i = 0; i < targets.count; ++i) names += targets.targets[i]->provider->config.name;
    return names;
  }
  std::map<char, int> firsts(int times) {
    std::map<char, int> count;
    for (int i = 0; i < times; ++i) ++count[order().front()];
    return count;
  }
  Lane& lane(const char* provider) { return board_.find(provider)->second->lane("m"); }

  FakeClock clock_;
  MetricRegistry metrics_;
  HealthBoard board_;
  Random random_{7};
  std::shared_ptr<const Plan> plan_;
  CostOf prices_;
};

TEST_F(BalanceTest, ByWeightEachGetsItsShareAndTheOthersFollowInTheirOrder) {
  make(BalanceKind::kWeighted, {{"a", "", 3}, {"b", "", 1}, {"c", "", 0}});
  auto count = firsts(4000);
  EXPECT_NEAR(count['a'], 3000, 120);
  EXPECT_NEAR(count['b'], 1000, 120);
  EXPECT_EQ(count.size(), 2U);
  for (int i = 0; i < 20; ++i) {
    const std::string names = order();
    EXPECT_TRUE(names == "abf" || names == "baf") << names;
  }
}

TEST_F(BalanceTest, WhoseBreakerIsOpenComesLastOfItsEquals) {
  make(BalanceKind::kWeighted, {{"a", "", 100}, {"b", "", 1}});
  lane("a").breaker.force(BreakerState::kOpen, clock_.now());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(order(), "baf");
  lane("a").breaker.force(BreakerState::kHalfOpen, clock_.now());
  EXPECT_GT(firsts(100)['a'], 80);  // it needs its probe
}

TEST_F(BalanceTest, TheLeastBusyForItsWeightIsFirst) {
  make(BalanceKind::kLeastBusy, {{"a", "", 1}, {"b", "", 4}, {"c", "", 1}});
  lane("a").under_way = 2;
  lane("b").under_way = 7;
  lane("c").under_way = 3;
  EXPECT_EQ(order(), "bacf");
  lane("b").under_way = 9;
  EXPECT_EQ(order(), "abcf");
  for (const char* name : {"a", "b", "c"}) lane(name).under_way = 0;
  auto count = firsts(6000);
  EXPECT_NEAR(count['b'], 4000, 200);
  EXPECT_NEAR(count['a'], 1000, 150);
}

TEST_F(BalanceTest, ByLatencyTheSlowestOfThreeIsNeverFirst) {
  make(BalanceKind::kLatency, {{"a", "", 1}, {"b", "", 1}, {"c", "", 1}});
  lane("a").latency.observe(Millis(100), clock_.now());
  lane("b").latency.observe(Millis(300), clock_.now());
  lane("c").latency.observe(Millis(900), clock_.now());
  auto count = firsts(3000);
  EXPECT_NEAR(count['a'], 2000, 150);  // in two of the three pairs
  EXPECT_NEAR(count['b'], 1000, 150);
  EXPECT_EQ(count['c'], 0);
  lane("a").under_way = 20;  // who is asked by all is no longer the fastest
  EXPECT_EQ(firsts(1000)['a'], 0);
}

TEST_F(BalanceTest, TheCheapestIsFirstAndTheOthersFollowByCost) {
  make(BalanceKind::kCost, {{"a", "", 1, 5}, {"b", "", 1, 2}, {"c", "", 1, 9}});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(order(), "bacf");
  lane("b").breaker.force(BreakerState::kOpen, clock_.now());
  EXPECT_EQ(order(), "acbf");
}

TEST_F(BalanceTest, WithoutACostOfItsOwnATargetCostsWhatThePriceTableSays) {
  // Of a million tokens $10 as input and $30 as output, at a; b is not in the table, c says it itself.
  prices_ = [](const model::Interaction& call) -> std::optional<int64_t> {
    if (call.provider != "a" || call.model != "m") return std::nullopt;
    return *call.tokens_input * 10 + *call.tokens_output * 30;
  };
  make(BalanceKind::kCost, {{"b", "", 1}, {"a", "", 1}, {"c", "", 1, 20}});
  EXPECT_EQ(list_price(prices_, "a", "m"), 15);
  EXPECT_EQ(order(), "acbf");
  make(BalanceKind::kCost, {{"b", "", 1}, {"a", "", 1}, {"c", "", 1, 14}});
  EXPECT_EQ(order(), "cabf");
  make(BalanceKind::kCost, {{"b", "", 1}, {"a", "other", 1}, {"c", "", 1, 14}});
  EXPECT_EQ(order().front(), 'c') << "what is not known costs most";
}

TEST_F(BalanceTest, WhereEveryWeightIsZeroTheFirstIsAsked) {
  make(BalanceKind::kWeighted, {{"a", "", 0}, {"b", "", 0}});
  EXPECT_EQ(order(), "af");
}

TEST_F(BalanceTest, ModelsThatCallersNameShareALaneBeyondTheLimit) {
  make(BalanceKind::kWeighted, {{"a", "", 1}});
  ProviderHealth& health = *board_.find("a")->second;
  for (int i = 0; i < 1000; ++i) health.lane("model-" + std::to_string(i));
  EXPECT_EQ(health.lanes().size(), kLanesMax + 1);
  EXPECT_EQ(health.lane("yet another").model, "*");
  EXPECT_EQ(health.lane("model-7").model, "model-7");
}

}  // namespace
}  // namespace sentinel::gateway
