#pragma once
// What the gateway is told to do. A plain value; replaced whole at run time.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "gateway/conduct.h"
#include "gateway/policy/config.h"

namespace sentinel::gateway {

// kOpenAi also is any server that speaks OpenAI's API as well as it does. kOpenAiCompatible are servers that speak chat
// completions but not the Responses API (which is then translated). kSimulated speaks every API the gateway speaks.
enum class ProviderKind { kOpenAi, kSimulated, kOpenAiCompatible, kAzureOpenAi, kAnthropic, kGemini, kVertex };
std::string_view provider_kind_name(ProviderKind kind);

struct ProviderConfig {
  std::string name;
  ProviderKind kind = ProviderKind::kOpenAi;
  std::string base_url;  // https://api.openai.com, or with a path that ends in /v1; the provider's own when empty
  std::string api_key;   // at most one of the three or `keys`; none: the caller's own credentials go through
  std::string api_key_env;
  std::string api_key_file;              // read when the configuration is put in force
  std::string api_version;               // Azure: "2024-10-21", or "v1" for its versionless API
  std::string service_account_file;      // Vertex AI: the JSON key of a service account
  std::string project;                   // Vertex AI; empty: the service account's
  std::string location = "us-central1";  // Vertex AI
  bool responses = true;                 // it has the Responses API; false: asked for chat completions instead
  bool stream_usage = true;              // ask streams for their token usage (stream_options.include_usage)
  Millis connect = std::chrono::seconds(5);
  bool http2 = true;  // where the provider offers it; over TLS only
  KeysConfig keys;

  // Whoever may use the gateway spends it.
  bool has_own_key() const {
    return !api_key.empty() || !api_key_env.empty() || !api_key_file.empty() || !service_account_file.empty() ||
           !keys.keys.empty();
  }
};

struct RetryConfig {
  int attempts = 2;  // on one target, the first included
  Millis backoff_base = Millis(500);
  Millis backoff_max = std::chrono::seconds(5);
  double jitter = 0.2;
  Millis retry_after_max = std::chrono::seconds(10);  // a longer Retry-After goes to the next target instead
  std::vector<std::string> on = {"429", "5xx", "connect", "cut"};
};

struct TimeoutConfig {
  Millis first_token = std::chrono::seconds(30);  // streams: to the first content
  Millis inter_token = std::chrono::seconds(30);  // streams: between contents
  Millis response = std::chrono::seconds(120);    // otherwise: to the answer's head
  Millis total = std::chrono::minutes(10);        // the whole call, retries included
};

enum class GuardAction { kOff, kFlag, kBlock };

struct RouteConfig {
  std::string name;                         // of metrics, keys and the kill switch; empty: its first model pattern
  std::vector<std::string> models = {"*"};  // exact, "prefix*", "*"; the first route that matches wins
  std::vector<TargetConfig> targets;        // one is chosen by weight; the others follow when it fails
  std::vector<TargetConfig> fallback;       // then these, in order
  RetryConfig retries;
  TimeoutConfig timeouts;
  int64_t max_prompt_chars = 0;  // 0: no limit
  GuardAction injection = GuardAction::kOff;
  double injection_threshold = 0.8;
  bool disabled = false;  // kill switch
  RoutePolicy policy;
  ConductConfig conduct;
};

struct GatewayConfig {
  std::vector<ProviderConfig> providers;
  std::vector<RouteConfig> routes;
  BreakerConfig breaker;           // one breaker a provider and model
  RetryBudgetConfig retry_budget;  // one budget a provider
  GatewayPolicy policy;
  std::string service = "llm-app";  // of calls that do not say (x-sentinel-service, x-sentinel-env)
  std::string env = "production";
};

// One OpenAI provider, one route for every model; the key from OPENAI_API_KEY when it is set.
GatewayConfig default_config();

// The `gateway:` section of a configuration file, or a file of its own. Errors say file, line, column, what was
// expected.
Result<GatewayConfig> parse_config(std::string_view yaml, std::string_view file);
// What parse_config checks across fields; for configurations made in code.
Status check_config(const GatewayConfig& config);

}  // namespace sentinel::gateway
