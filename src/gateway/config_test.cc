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

TEST(Config, ReadsTheConductOfARoute) {
  const auto config = parse_config(R"(
breaker: {threshold: 0, open: 5s, failure_percent: 40, minimum_requests: 7, window: 1m, probes: 3}
retry_budget: {ratio: 0.1, minimum: 2, window: 20s}
providers:
  - {name: a, base_url: "http://a", api_keys: [{value: k1}, {env: K2}, {file: /k3}], key_rest_refused: 1m, key_rest_limited: 2s}
routes:
  - targets: [{provider: a, cost: 2.5}]
    context_fallback: [{provider: a, model: huge}]
    balance: latency
    hold_streams: true
    hedge: {after: 800ms, quantile: 0.9}
    last_resort: {cached: true, cached_max_age: 1h, answer: "Sorry."}
    faults:
      - {abort: 429, percent: 12.5, provider: a, retry_after: 2s}
      - {delay: 3s}
      - {silence: true}
      - {cut_after: 4}
      - {stall_after: 0}
      - {garble_after: 1}
)",
                                   "g.yml");
  ASSERT_TRUE(config) << config.error().to_string();
  EXPECT_EQ(config->breaker.threshold, 0);
  EXPECT_EQ(config->breaker.failure_percent, 40);
  EXPECT_EQ(config->breaker.minimum_requests, 7);
  EXPECT_EQ(config->breaker.window, std::chrono::minutes(1));
  EXPECT_EQ(config->breaker.probes, 3);
  EXPECT_EQ(config->retry_budget.ratio, 0.1);
  EXPECT_EQ(config->retry_budget.minimum, 2);
  EXPECT_EQ(config->retry_budget.window, std::chrono::seconds(20));
  const KeysConfig& keys = config->providers[0].keys;
  ASSERT_EQ(keys.keys.size(), 3U);
  EXPECT_EQ(keys.keys[0].value + keys.keys[1].env + keys.keys[2].file, "k1K2/k3");
  EXPECT_EQ(keys.refused_rest, std::chrono::minutes(1));
  EXPECT_EQ(keys.limited_rest, std::chrono::seconds(2));
  EXPECT_TRUE(config->providers[0].has_own_key());
  EXPECT_EQ(config->routes[0].targets[0].cost, 2.5);
  const ConductConfig& conduct = config->routes[0].conduct;
  EXPECT_EQ(conduct.balance, BalanceKind::kLatency);
  EXPECT_EQ(conduct.context_fallback.at(0).model, "huge");
  EXPECT_TRUE(conduct.hold_streams);
  EXPECT_EQ(conduct.hedge.after, Millis(800));
  EXPECT_EQ(conduct.hedge.quantile, 0.9);
  EXPECT_TRUE(conduct.last_resort.cached);
  EXPECT_EQ(conduct.last_resort.cached_max_age, std::chrono::hours(1));
  EXPECT_EQ(conduct.last_resort.answer, "Sorry.");
  ASSERT_EQ(conduct.faults.size(), 6U);
  EXPECT_EQ(conduct.faults[0].status, 429);
  EXPECT_EQ(conduct.faults[0].percent, 12.5);
  EXPECT_EQ(conduct.faults[0].retry_after, std::chrono::seconds(2));
  EXPECT_EQ(conduct.faults[1].delay, std::chrono::seconds(3));
  EXPECT_EQ(conduct.faults[3].kind, FaultKind::kCut);
  EXPECT_EQ(conduct.faults[3].after, 4);
  EXPECT_EQ(conduct.faults[5].kind, FaultKind::kGarble);
}

TEST(Config, SaysWhereConductIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"breaker: {failure_percent: 101}", "g.yml:1:28: failure_percent must be 0 to 100"},
      {"breaker: {probes: 0}", "probes must be 1 to 1000"},
      {"breaker: {treshold: 1}", "did you mean \"threshold\"?"},
      {"retry_budget: {ratio: -1}", "g.yml:1:23: ratio must be 0 to 10"},
      {"providers: [{name: a, base_url: 'http://a', api_keys: []}]", "api_keys must be a list of 1 to 32 keys"},
      {"providers: [{name: a, base_url: 'http://a', api_keys: [{env: A, file: B}]}]",
       "exactly one of value, env, file"},
      {"providers: [{name: a, base_url: 'http://a', api_key: k, api_keys: [{env: A}]}]", "give only one of"},
      {"routes: [{targets: [{provider: openai}], balance: fair}]", "balance must be weighted, least_busy"},
      {"routes: [{targets: [{provider: openai}], hedge: {quantile: 0.5}}]", "hedge needs a field \"after\""},
      {"routes: [{targets: [{provider: openai}], hedge: {after: 0s}}]", "longer than 0s"},
      {"routes: [{targets: [{provider: openai}], hedge: {after: 1s, quantile: 1}}]", "quantile must be 0 to 0.999"},
      {"routes: [{targets: [{provider: openai}], last_resort: {}}]", "last_resort needs"},
      {"routes: [{targets: [{provider: openai, cost: -1}]}]", "cost must not be negative"},
      {"routes: [{targets: [{provider: openai}], faults: [{percent: 5}]}]", "exactly one of abort, delay"},
      {"routes: [{targets: [{provider: openai}], faults: [{abort: 503, delay: 1s}]}]", "exactly one of abort, delay"},
      {"routes: [{targets: [{provider: openai}], faults: [{abort: 200}]}]", "abort must be 400 to 599"},
      {"routes: [{targets: [{provider: openai}], faults: [{delay: 1s, percent: 500}]}]", "percent must be 0 to 100"},
      {"routes: [{targets: [{provider: openai}], faults: [{delay: 1s, retry_after: 1s}]}]", "only an abort has"},
      {"routes: [{targets: [{provider: openai}], hold_streams: 3}]", "g.yml:1:56"},
  };
  const std::string provider = "\nproviders: [{name: openai, base_url: 'http://a'}]";
  for (const auto& [yaml, error] : cases) {
    const bool own = std::string_view(yaml).starts_with("providers");
    const auto config = parse_config(yaml + (own ? "" : provider), "g.yml");
    ASSERT_FALSE(config) << yaml;
    EXPECT_NE(config.error().to_string().find(error), std::string::npos) << yaml << ": " << config.error().to_string();
  }
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
