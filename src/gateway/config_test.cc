#include "gateway/config.h"

#include <gtest/gtest.h>

#include <tuple>

namespace sentinel::gateway {
namespace {

TEST(Config, ReadsEveryField) {
  const auto config = parse_config(R"(
gateway:
  service: shop
  env: staging
  breaker: {threshold: 3, open: 30s}
  providers:
    - {name: openai, base_url: "https://api.openai.com/v1", api_key_env: OPENAI_API_KEY}
    - {name: sim, kind: simulated, base_url: "http://127.0.0.1:9", stream_usage: false, connect_ms: 250}
  routes:
    - models: ["gpt-4o", "gpt-5*"]
      targets:
        - {provider: openai, weight: 3}
        - {provider: sim, model: sim-large, weight: 1}
      fallback: [{provider: sim, model: sim-small}]
      retries: {attempts: 3, backoff_base_ms: 10, backoff_max: 1s, jitter: 0.5, on: ["429", "5xx"]}
      timeouts: {first_token_ms: 1500, inter_token: 5s, response: 20s, total: 1m}
      max_prompt_chars: 20000
      guard: {injection: block, injection_threshold: 0.7}
    - targets: [{provider: sim}]
)",
                                   "gateway.yml");
  ASSERT_TRUE(config) << config.error().to_string();
  EXPECT_EQ(config->service, "shop");
  EXPECT_EQ(config->breaker.threshold, 3);
  EXPECT_EQ(config->providers[1].kind, ProviderKind::kSimulated);
  EXPECT_EQ(config->providers[1].connect, Millis(250));
  const RouteConfig& route = config->routes[0];
  EXPECT_EQ(route.models.size(), 2U);
  EXPECT_EQ(route.targets[1].model, "sim-large");
  EXPECT_EQ(route.fallback[0].model, "sim-small");
  EXPECT_EQ(route.retries.attempts, 3);
  EXPECT_EQ(route.timeouts.first_token, Millis(1500));
  EXPECT_EQ(route.timeouts.total, std::chrono::minutes(1));
  EXPECT_EQ(route.injection, GuardAction::kBlock);
  EXPECT_EQ(config->routes[1].models, std::vector<std::string>{"*"});
}

TEST(Config, NothingGivenIsTheDefault) {
  const auto config = parse_config("", "gateway.yml");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->providers.at(0).base_url, "https://api.openai.com");
  EXPECT_EQ(config->routes.at(0).targets.at(0).provider, "openai");
}

TEST(Config, ProvidersKnowWhereTheyAre) {
  const std::tuple<const char*, ProviderKind, const char*, bool> cases[] = {
      {"kind: anthropic", ProviderKind::kAnthropic, "https://api.anthropic.com", true},
      {"kind: gemini", ProviderKind::kGemini, "https://generativelanguage.googleapis.com", true},
      {"kind: vertex, project: p", ProviderKind::kVertex, "https://us-central1-aiplatform.googleapis.com", true},
      {"kind: vertex, project: p, location: global", ProviderKind::kVertex, "https://aiplatform.googleapis.com", true},
      {"kind: openai_compatible, base_url: 'http://x'", ProviderKind::kOpenAiCompatible, "http://x", false},
      {"kind: azure_openai, base_url: 'http://x', api_version: v1", ProviderKind::kAzureOpenAi, "http://x", true},
  };
  for (const auto& [yaml, kind, url, responses] : cases) {
    const auto config = parse_config("providers: [{name: a, " + std::string(yaml) + "}]", "f.yml");
    ASSERT_TRUE(config) << yaml << config.error().to_string();
    EXPECT_EQ(config->providers[0].kind, kind) << yaml;
    EXPECT_EQ(config->providers[0].base_url, url) << yaml;
    EXPECT_EQ(config->providers[0].responses, responses) << yaml;
  }
}

TEST(Config, ErrorsSayWhereAndWhatWasExpected) {
  const std::pair<const char*, const char*> cases[] = {
      {"providers: [{name: a}]", "provider needs a field \"base_url\""},
      {"providers: [{name: a, base_url: 'ftp://x'}]", "base_url must begin with http:// or https://"},
      {"providers: [{name: a, base_url: 'http://x', kind: magic}]",
       "kind must be one of openai, simulated, openai_compatible"},
      {"providers: [{name: a, base_url: 'http://x', api_key: k, api_key_env: E}]", "give only one of api_key"},
      {"providers: [{name: a, base_url: 'http://x', nme: b}]", "unknown field \"nme\""},
      {"providers: [{name: a, kind: azure_openai, base_url: 'https://x'}]", "needs an api_version"},
      {"providers: [{name: a, kind: vertex}]", "needs a project or a service_account_file"},
      {"providers: [{name: a, kind: gemini, service_account_file: f}]", "only a provider of kind vertex"},
      {"providers: [{name: a, kind: vertex, service_account_file: f, api_key: k}]", "either service_account_file or"},
      {"providers: [{name: abc, base_url: 'http://x'}]\nroutes: [{targets: [{provider: abd}]}]",
       "did you mean \"abc\"?"},
      {"providers: [{name: a, base_url: 'http://x'}, {name: a, base_url: 'http://x'}]",
       "two providers are called \"a\""},
      {"providers: [{name: a, base_url: 'http://x'}]\nroutes: [{targets: [{provider: a}], retries: {attempts: 99}}]",
       "attempts must be 1 to 10"},
      {"providers: [{name: a, base_url: 'http://x'}]\nroutes: [{targets: [{provider: a}], retries: {on: ['9xx']}}]",
       "unknown cause \"9xx\""},
      {"providers: [{name: a, base_url: 'http://x'}]\nroutes: [{targets: []}]", "needs at least one target"},
      {"routes: [{guard: {injection: maybe}}]", "injection must be off, flag or block"},
  };
  for (const auto& [yaml, expected] : cases) {
    const auto config = parse_config(yaml, "g.yml");
    ASSERT_FALSE(config) << yaml;
    EXPECT_NE(config.error().to_string().find(expected), std::string::npos) << config.error().to_string();
    EXPECT_TRUE(config.error().to_string().starts_with("g.yml:")) << config.error().to_string();
  }
}

}  // namespace
}  // namespace sentinel::gateway
