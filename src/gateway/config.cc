#include "gateway/config.h"

#include <algorithm>
#include <cstdlib>
#include <set>

#include <fmt/format.h>

#include "gateway/config_read.h"
#include "gateway/limits.h"

namespace sentinel::gateway {
namespace {

using text::YamlNode;

struct KindInfo {
  ProviderKind kind;
  std::string_view name;
  std::string_view base_url;  // when none is given; empty: one must be
};
constexpr KindInfo kKinds[] = {
    {ProviderKind::kOpenAi, "openai", ""},
    {ProviderKind::kSimulated, "simulated", ""},
    {ProviderKind::kOpenAiCompatible, "openai_compatible", ""},
    {ProviderKind::kAzureOpenAi, "azure_openai", ""},
    {ProviderKind::kAnthropic, "anthropic", "https://api.anthropic.com"},
    {ProviderKind::kGemini, "gemini", "https://generativelanguage.googleapis.com"},
    {ProviderKind::kVertex, "vertex", "https://aiplatform.googleapis.com"},
};

Result<const KindInfo*> read_kind(const YamlNode& node) {
  SENTINEL_ASSIGN(const std::string name, node.string_or("kind", "openai"));
  std::string known;
  for (const KindInfo& info : kKinds) {
    if (info.name == name) return &info;
    known += (known.empty() ? "" : ", ") + std::string(info.name);
  }
  return fail(node.get("kind").error("kind must be one of " + known + ", not \"" + name + "\""));
}

// A region has a host of its own.
std::string vertex_url(std::string_view location) {
  if (location == "global") return "https://aiplatform.googleapis.com";
  return "https://" + std::string(location) + "-aiplatform.googleapis.com";
}

Status read_base_url(const YamlNode& node, const KindInfo& kind, ProviderConfig& provider) {
  SENTINEL_ASSIGN(provider.base_url, node.string_or("base_url", ""));
  if (provider.base_url.empty()) {
    if (kind.base_url.empty()) SENTINEL_TRY(node.require("provider", "base_url"));
    provider.base_url = kind.kind == ProviderKind::kVertex ? vertex_url(provider.location) : std::string(kind.base_url);
  }
  if (provider.base_url.starts_with("http://") || provider.base_url.starts_with("https://")) return {};
  return fail(node.get("base_url").error("base_url must begin with http:// or https://"));
}

Status read_keys(const YamlNode& node, ProviderConfig& provider) {
  SENTINEL_ASSIGN(provider.api_key, node.string_or("api_key", ""));
  SENTINEL_ASSIGN(provider.api_key_env, node.string_or("api_key_env", ""));
  SENTINEL_ASSIGN(provider.api_key_file, node.string_or("api_key_file", ""));
  SENTINEL_ASSIGN(provider.service_account_file, node.string_or("service_account_file", ""));
  SENTINEL_ASSIGN(provider.keys, read_several_keys(node));
  const int keys = !provider.api_key.empty() + !provider.api_key_env.empty() + !provider.api_key_file.empty() +
                   !provider.keys.keys.empty();
  if (keys > 1) return fail(node.error("give only one of api_key, api_key_env, api_key_file, api_keys"));
  const bool account = !provider.service_account_file.empty();
  if (account && provider.kind != ProviderKind::kVertex)
    return fail(node.get("service_account_file").error("only a provider of kind vertex has a service account"));
  if (account && keys > 0) return fail(node.error("give either service_account_file or an api_key"));
  return {};
}

Result<ProviderConfig> read_provider(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys(
      "provider", {"name", "kind", "base_url", "api_key", "api_key_env", "api_key_file", "api_keys", "key_rest_refused",
                   "key_rest_limited", "api_version", "service_account_file", "project", "location", "responses",
                   "stream_usage", "http2", "connect", "connect_ms"}));
  ProviderConfig provider;
  SENTINEL_ASSIGN(const YamlNode name, node.require("provider", "name"));
  SENTINEL_ASSIGN(provider.name, name.string());
  SENTINEL_ASSIGN(const KindInfo* kind, read_kind(node));
  provider.kind = kind->kind;
  SENTINEL_ASSIGN(provider.location, node.string_or("location", provider.location));
  SENTINEL_ASSIGN(provider.project, node.string_or("project", ""));
  SENTINEL_TRY(read_base_url(node, *kind, provider));
  SENTINEL_TRY(read_keys(node, provider));
  if (kind->kind == ProviderKind::kVertex && provider.project.empty() && provider.service_account_file.empty())
    return fail(node.error("a provider of kind vertex needs a project or a service_account_file"));
  SENTINEL_ASSIGN(provider.api_version, node.string_or("api_version", ""));
  if (kind->kind == ProviderKind::kAzureOpenAi && provider.api_version.empty())
    return fail(node.error("a provider of kind azure_openai needs an api_version (2024-10-21, or v1)"));
  SENTINEL_ASSIGN(provider.responses, node.boolean_or("responses", kind->kind != ProviderKind::kOpenAiCompatible));
  SENTINEL_ASSIGN(provider.stream_usage, node.boolean_or("stream_usage", true));
  SENTINEL_ASSIGN(provider.http2, node.boolean_or("http2", true));
  SENTINEL_ASSIGN(provider.connect, read_time(node, "connect", provider.connect));
  return provider;
}

Result<RetryConfig> read_retries(const YamlNode& node) {
  RetryConfig retries;
  SENTINEL_TRY(
      node.expect_keys("retries", {"attempts", "backoff_base", "backoff_base_ms", "backoff_max", "backoff_max_ms",
                                   "jitter", "retry_after_max", "retry_after_max_ms", "on"}));
  SENTINEL_ASSIGN(const int64_t attempts, node.integer_or("attempts", retries.attempts));
  if (attempts < 1 || attempts > kAttemptsMax) return fail(node.get("attempts").error("attempts must be 1 to 10"));
  retries.attempts = static_cast<int>(attempts);
  SENTINEL_ASSIGN(retries.backoff_base, read_time(node, "backoff_base", retries.backoff_base));
  SENTINEL_ASSIGN(retries.backoff_max, read_time(node, "backoff_max", retries.backoff_max));
  SENTINEL_ASSIGN(retries.retry_after_max, read_time(node, "retry_after_max", retries.retry_after_max));
  SENTINEL_ASSIGN(retries.jitter, node.number_or("jitter", retries.jitter));
  if (!(retries.jitter >= 0 && retries.jitter <= 1)) return fail(node.get("jitter").error("jitter must be 0 to 1"));
  SENTINEL_ASSIGN(retries.on, node.strings_or("on", retries.on));
  static const std::set<std::string> kKnown = {"429", "5xx", "connect", "cut"};
  for (const auto& word : retries.on) {
    // A silent route is never retried, it fails over; the word is accepted because people expect it.
    if (word != "timeout" && !kKnown.contains(word)) {
      return fail(node.get("on").error("unknown cause \"" + word + "\"; known are 429, 5xx, connect, cut"));
    }
  }
  return retries;
}

Result<TimeoutConfig> read_timeouts(const YamlNode& node) {
  TimeoutConfig timeouts;
  SENTINEL_TRY(node.expect_keys("timeouts", {"first_token", "first_token_ms", "inter_token", "inter_token_ms",
                                             "response", "response_ms", "total", "total_ms"}));
  SENTINEL_ASSIGN(timeouts.first_token, read_time(node, "first_token", timeouts.first_token));
  SENTINEL_ASSIGN(timeouts.inter_token, read_time(node, "inter_token", timeouts.inter_token));
  SENTINEL_ASSIGN(timeouts.response, read_time(node, "response", timeouts.response));
  SENTINEL_ASSIGN(timeouts.total, read_time(node, "total", timeouts.total));
  return timeouts;
}

Status read_guard(const YamlNode& node, RouteConfig& route) {
  SENTINEL_TRY(node.expect_keys("guard", {"injection", "injection_threshold"}));
  SENTINEL_ASSIGN(const std::string action, node.string_or("injection", "off"));
  if (action == "flag") {
    route.injection = GuardAction::kFlag;
  } else if (action == "block") {
    route.injection = GuardAction::kBlock;
  } else if (action != "off") {
    return fail(node.get("injection").error("injection must be off, flag or block"));
  }
  SENTINEL_ASSIGN(route.injection_threshold, node.number_or("injection_threshold", route.injection_threshold));
  return {};
}

Result<RouteConfig> read_route(const YamlNode& node) {
  std::vector<std::string_view> known = {"models",           "targets", "fallback", "retries", "timeouts",
                                         "max_prompt_chars", "guard",   "disabled", "name",    "max_prompt_tokens",
                                         "guards",           "limits",  "budgets",  "cache"};
  known.insert(known.end(), std::begin(kConductKeys), std::end(kConductKeys));
  SENTINEL_TRY(node.expect_keys("route", known));
  RouteConfig route;
  SENTINEL_ASSIGN(route.name, node.string_or("name", ""));
  SENTINEL_ASSIGN(route.models, node.strings_or("models", route.models));
  SENTINEL_ASSIGN(route.targets, read_targets(node.get("targets")));
  SENTINEL_ASSIGN(route.fallback, read_targets(node.get("fallback")));
  SENTINEL_ASSIGN(route.retries, read_retries(node.get("retries")));
  SENTINEL_ASSIGN(route.timeouts, read_timeouts(node.get("timeouts")));
  SENTINEL_ASSIGN(route.max_prompt_chars, node.integer_or("max_prompt_chars", 0));
  SENTINEL_ASSIGN(route.disabled, node.boolean_or("disabled", false));
  SENTINEL_TRY(read_guard(node.get("guard"), route));
  SENTINEL_ASSIGN(route.policy, read_route_policy(node));
  SENTINEL_ASSIGN(route.conduct, read_conduct(node));
  return route;
}

Status check_targets(const GatewayConfig& config, const std::vector<TargetConfig>& targets) {
  for (const auto& target : targets) {
    bool known = false;
    std::vector<std::string> names;
    for (const auto& provider : config.providers) {
      known = known || provider.name == target.provider;
      names.push_back(provider.name);
    }
    if (known) continue;
    std::string message = "target names an unknown provider \"" + target.provider + "\"";
    if (const auto near = text::nearest_word(target.provider, names)) message += "; did you mean \"" + *near + "\"?";
    return fail(ErrorCode::kInvalidArgument, message);
  }
  return {};
}

Status check_faults(const GatewayConfig& config, const RouteConfig& route) {
  for (const FaultConfig& fault : route.conduct.faults) {
    const auto is_meant = [&](const ProviderConfig& provider) { return provider.name == fault.provider; };
    if (fault.provider.empty() || std::any_of(config.providers.begin(), config.providers.end(), is_meant)) continue;
    return fail(ErrorCode::kInvalidArgument, "fault names an unknown provider \"" + fault.provider + "\"");
  }
  return {};
}

}  // namespace

Result<Millis> read_time(const YamlNode& map, const std::string& name, Millis fallback) {
  const YamlNode plain = map.get(name);
  if (!plain.is_null()) return plain.duration();
  SENTINEL_ASSIGN(const int64_t ms, map.integer_or(name + "_ms", fallback.count()));
  if (ms < 1) return fail(map.get(name + "_ms").error("must be at least 1 ms"));
  return Millis(ms);
}

Result<double> read_number(const YamlNode& map, const std::string& name, double fallback, double low, double high) {
  SENTINEL_ASSIGN(const double value, map.number_or(name, fallback));
  if (value >= low && value <= high) return value;
  return fail(map.get(name).error(fmt::format("{} must be {} to {}", name, low, high)));
}

Result<int> read_count(const YamlNode& map, const std::string& name, int fallback, int low, int high) {
  SENTINEL_ASSIGN(const int64_t value, map.integer_or(name, fallback));
  if (value >= low && value <= high) return static_cast<int>(value);
  return fail(map.get(name).error(fmt::format("{} must be {} to {}", name, low, high)));
}

Result<std::vector<TargetConfig>> read_targets(const YamlNode& list) {
  std::vector<TargetConfig> targets;
  if (!list.is_null() && !list.is_list()) return fail(list.error("must be a list of targets"));
  for (const YamlNode& node : list.items()) {
    SENTINEL_TRY(node.expect_keys("target", {"provider", "model", "weight", "cost"}));
    TargetConfig target;
    SENTINEL_ASSIGN(const YamlNode provider, node.require("target", "provider"));
    SENTINEL_ASSIGN(target.provider, provider.string());
    SENTINEL_ASSIGN(target.model, node.string_or("model", ""));
    SENTINEL_ASSIGN(target.weight, node.number_or("weight", 1));
    if (!(target.weight >= 0)) return fail(node.get("weight").error("weight must not be negative"));
    if (const text::YamlNode cost = node.get("cost"); !cost.is_null()) {
      SENTINEL_ASSIGN(target.cost, cost.number());
      if (!(*target.cost >= 0)) return fail(cost.error("cost must not be negative"));
    }
    targets.push_back(std::move(target));
  }
  return targets;
}

std::string_view provider_kind_name(ProviderKind kind) {
  for (const KindInfo& info : kKinds) {
    if (info.kind == kind) return info.name;
  }
  return "openai";
}

GatewayConfig default_config() {
  GatewayConfig config;
  ProviderConfig openai;
  openai.name = "openai";
  openai.base_url = "https://api.openai.com";
  if (std::getenv("OPENAI_API_KEY") != nullptr) openai.api_key_env = "OPENAI_API_KEY";
  config.providers.push_back(openai);
  RouteConfig route;
  route.targets.push_back({"openai", "", 1});
  config.routes.push_back(route);
  return config;
}

Status check_config(const GatewayConfig& config) {
  std::set<std::string> names;
  for (const auto& provider : config.providers) {
    if (!names.insert(provider.name).second) {
      return fail(ErrorCode::kInvalidArgument, "two providers are called \"" + provider.name + "\"");
    }
  }
  for (const auto& route : config.routes) {
    if (route.targets.empty() && !route.disabled) {
      return fail(ErrorCode::kInvalidArgument, "a route needs at least one target (or `disabled: true`)");
    }
    const std::vector<TargetConfig>& larger = route.conduct.context_fallback;
    if (route.targets.size() + route.fallback.size() > kTargetsMax || larger.size() > kTargetsMax) {
      return fail(ErrorCode::kInvalidArgument, "a route may have at most 16 targets");
    }
    if (route.models.empty()) return fail(ErrorCode::kInvalidArgument, "a route needs at least one model pattern");
    SENTINEL_TRY(check_targets(config, route.targets));
    SENTINEL_TRY(check_targets(config, route.fallback));
    SENTINEL_TRY(check_targets(config, larger));
    SENTINEL_TRY(check_faults(config, route));
  }
  return {};
}

Result<GatewayConfig> parse_config(std::string_view yaml, std::string_view file) {
  SENTINEL_ASSIGN(const YamlNode document, text::parse_yaml(yaml, file));
  const YamlNode root = document.has("gateway") ? document.get("gateway") : document;
  if (root.is_null()) return default_config();
  SENTINEL_TRY(root.expect_keys("gateway", {"providers", "routes", "breaker", "retry_budget", "service", "env",
                                            "require_key", "limits", "budgets", "cache"}));
  GatewayConfig config;
  for (const YamlNode& node : root.get("providers").items()) {
    SENTINEL_ASSIGN(ProviderConfig provider, read_provider(node));
    config.providers.push_back(std::move(provider));
  }
  for (const YamlNode& node : root.get("routes").items()) {
    SENTINEL_ASSIGN(RouteConfig route, read_route(node));
    GatewayConfig alone{.providers = config.providers, .routes = {route}};
    if (const Status good = check_config(alone); !good) return fail(node.error(good.error().message()));
    for (const RouteConfig& other : config.routes) {
      if (!route.name.empty() && other.name == route.name)
        return fail(node.get("name").error("two routes are called \"" + route.name + "\""));
    }
    config.routes.push_back(std::move(route));
  }
  SENTINEL_ASSIGN(config.policy, read_gateway_policy(root));
  SENTINEL_ASSIGN(config.breaker, read_breaker(root.get("breaker")));
  SENTINEL_ASSIGN(config.retry_budget, read_retry_budget(root.get("retry_budget")));
  SENTINEL_ASSIGN(config.service, root.string_or("service", config.service));
  SENTINEL_ASSIGN(config.env, root.string_or("env", config.env));
  if (config.providers.empty()) config.providers = default_config().providers;
  if (config.routes.empty()) {
    RouteConfig route;
    route.targets.push_back({config.providers.front().name, "", 1});
    config.routes.push_back(route);
  }
  if (const Status good = check_config(config); !good) return fail(root.error(good.error().message()));
  return config;
}

}  // namespace sentinel::gateway
