#include "app/budgets.h"

#include <cmath>

#include <gtest/gtest.h>

#include "app/config.h"

namespace sentinel::app {
namespace {

TEST(Budgets, AreReadFromTheConfigurationWithTheGatewaysServiceAsDefault) {
  const auto config = parse_config(
      "gateway: {service: shop, env: prod, providers: [{name: p, base_url: 'http://127.0.0.1:1/v1'}], routes: "
      "[{targets: "
      "[{provider: p}]}]}\nbudgets:\n- {daily_usd: 50}\n- {service: blog, env: test, daily_usd: 2.5}\n",
      "s.yml");
  ASSERT_TRUE(config) << config.error().to_string();
  ASSERT_EQ(config->budgets.size(), 2U);
  EXPECT_EQ(config->budgets[0].service, "shop");
  EXPECT_EQ(config->budgets[0].env, "prod");
  EXPECT_EQ(config->budgets[0].daily_usd, 50);
  EXPECT_EQ(config->budgets[1].service, "blog");
  EXPECT_EQ(config->budgets[1].env, "test");
  EXPECT_EQ(config->budgets[1].daily_usd, 2.5);
}

TEST(Budgets, ThatMakeNoSenseAreErrorsWithAPlace) {
  struct Case {
    const char* text;
    const char* error;
  };
  for (const Case& c :
       {Case{"budgets: [{daily_usd: 0}]", "s.yml:1:11: daily_usd must be above 0"},
        Case{"budgets: [{service: a}]", "s.yml:1:11: daily_usd must be above 0"},
        Case{"budgets: [{daily_usd: 1}, {daily_usd: 2}]", "s.yml:1:27: a second budget of llm-app in production"},
        Case{"budgets: [{usd: 1}]", "unknown field \"usd\" in budget"}}) {
    const auto config = parse_config(c.text, "s.yml");
    ASSERT_FALSE(config) << c.text;
    EXPECT_NE(config.error().to_string().find(c.error), std::string::npos) << config.error().to_string();
  }
}

TEST(Budgets, OnesThatWentAreNoNumbersAnyMore) {
  MetricRegistry metrics;
  publish_budgets(metrics, {}, {{"shop", "prod", 50}, {"blog", "prod", 5}});
  publish_budgets(metrics, {{"shop", "prod", 50}, {"blog", "prod", 5}}, {{"shop", "prod", 60}});
  const auto value = [&](const char* service) {
    return metrics.gauge("llm_budget_daily_usd", "", {{"service", service}, {"env", "prod"}}).value();
  };
  EXPECT_EQ(value("shop"), 60);
  EXPECT_TRUE(std::isnan(value("blog")));
}

}  // namespace
}  // namespace sentinel::app
