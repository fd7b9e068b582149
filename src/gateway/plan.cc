#include "gateway/plan.h"

#include <ctime>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/file.h"
#include "base/strings.h"
#include "gateway/limits.h"

namespace sentinel::gateway {
namespace {

Result<std::string> read_one_key(const KeyConfig& key, const std::string& who) {
  if (!key.value.empty()) return key.value;
  if (!key.env.empty()) {
    const char* value = std::getenv(key.env.c_str());
    if (value == nullptr || *value == '\0')
      return fail(ErrorCode::kInvalidArgument, who + ": the environment has no " + key.env);
    return std::string(value);
  }
  if (key.file.empty()) return std::string();
  auto content = posix_env().read_file(key.file);
  if (!content) return fail(content.error().with_context(who + ", api_key_file"));
  return std::string(trim(*content));
}

// Without what every address of the provider's API begins with: people copy it from its documentation.
std::string url_prefix(const ProviderConfig& config) {
  std::string_view base = config.base_url;
  while (base.ends_with('/')) base.remove_suffix(1);
  for (const std::string_view ending : {"/v1", "/v1beta", "/openai"}) {
    const bool azure = config.kind == ProviderKind::kAzureOpenAi;
    const bool gemini = config.kind == ProviderKind::kGemini;
    if ((ending == "/openai" && !azure) || (ending == "/v1beta" && !gemini)) continue;
    if (base.ends_with(ending)) base.remove_suffix(ending.size());
  }
  return std::string(base);
}

// In which header each kind of provider takes its key.
std::string_view key_header(ProviderKind kind) {
  switch (kind) {
    case ProviderKind::kAzureOpenAi: return "api-key";
    case ProviderKind::kAnthropic: return "x-api-key";
    case ProviderKind::kGemini: return "x-goog-api-key";
    default: return "authorization";
  }
}

Status read_keys(Provider& provider, KeyRests& rests) {
  ProviderConfig& config = provider.config;
  provider.key_header = key_header(config.kind);
  const std::string scheme = provider.key_header == "authorization" ? "Bearer " : "";
  const std::string who = "provider " + config.name;
  SENTINEL_ASSIGN(const std::string key, read_one_key({config.api_key, config.api_key_env, config.api_key_file}, who));
  if (!key.empty()) provider.key = scheme + key;
  std::vector<std::string> several;
  for (const KeyConfig& each : config.keys.keys) {
    SENTINEL_ASSIGN(const std::string one, read_one_key(each, who));
    several.push_back(scheme + one);
  }
  if (several.size() == 1) provider.key = several.front();
  if (several.size() > 1) provider.keys = std::make_unique<KeyRing>(std::move(several), rests);
  return {};
}

Status read_account(Provider& provider) {
  ProviderConfig& config = provider.config;
  if (config.service_account_file.empty()) return {};
  const std::string who = "provider " + config.name + ", service_account_file";
  const auto content = posix_env().read_file(config.service_account_file);
  if (!content) return fail(content.error().with_context(who));
  auto account = parse_service_account(*content);
  if (!account) return fail(account.error().with_context(who));
  if (const auto trial = make_assertion(*account, TimePoint{}); !trial) return fail(trial.error().with_context(who));
  if (config.project.empty()) config.project = account->project;
  if (config.project.empty())
    return fail(ErrorCode::kInvalidArgument, who + ": it names no project_id; give `project`");
  provider.tokens = std::make_shared<TokenSource>(std::move(*account));
  return {};
}

bool holds(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

bool Route::matches(std::string_view model) const {
  return std::any_of(config.models.begin(), config.models.end(), [&](std::string_view pattern) {
    if (pattern.ends_with('*')) return model.starts_with(pattern.substr(0, pattern.size() - 1));
    return model == pattern;
  });
}

const Route* Plan::find(std::string_view model) const {
  for (const Route& route : routes) {
    if (route.matches(model)) return &route;
  }
  return nullptr;
}

namespace {

void find_metrics(Provider& provider, MetricRegistry& metrics) {
  const std::string& name = provider.config.name;
  const std::string_view attempts = "sentinel_gateway_upstream_attempts_total";
  const std::string_view help = "Requests sent to providers, by result: error says that the provider is not well.";
  provider.attempts_ok = &metrics.counter(attempts, help, {{"provider", name}, {"result", "ok"}});
  provider.attempts_refused = &metrics.counter(attempts, help, {{"provider", name}, {"result", "refused"}});
  provider.attempts_failed = &metrics.counter(attempts, help, {{"provider", name}, {"result", "error"}});
  provider.retries = &metrics.counter("sentinel_gateway_retries_total", "Attempts after the first on one provider.",
                                      {{"provider", name}});
  provider.retries_refused =
      &metrics.counter("sentinel_gateway_retries_refused_total",
                       "Retries and hedges not made: the provider's retry budget is spent.", {{"provider", name}});
  if (provider.keys == nullptr) return;
  provider.key_rotations =
      &metrics.counter("sentinel_gateway_key_rotations_total",
                       "Attempts repeated with another key: the first was refused or limited.", {{"provider", name}});
}

Result<std::unique_ptr<Provider>> make_provider(const ProviderConfig& config, ProviderHealth& health, bool strict) {
  auto provider = std::make_unique<Provider>();
  provider->config = config;
  provider->health = &health;
  provider->url_prefix = url_prefix(config);
  for (const Status& good : {read_keys(*provider, health.key_rests), read_account(*provider)}) {
    if (good) continue;
    if (strict) return fail(good.error());
    provider->key_error = good.error().message();
  }
  provider->config.api_key.clear();
  for (KeyConfig& key : provider->config.keys.keys) key.value.clear();
  return provider;
}

std::vector<Target> resolve(const Plan& plan, const std::vector<TargetConfig>& targets) {
  std::vector<Target> out;
  for (const auto& target : targets) {
    const auto it = std::find_if(plan.providers.begin(), plan.providers.end(),
                                 [&](const auto& p) { return p->config.name == target.provider; });
    if (it == plan.providers.end()) continue;
    Lane* const lane = target.model.empty() ? nullptr : &(*it)->health->lane(target.model);
    out.push_back({it->get(), target.model, target.weight, target.cost, lane});
  }
  return out;
}

Route make_route(const Plan& plan, const RouteConfig& config) {
  Route route;
  route.config = config;
  route.targets = resolve(plan, config.targets);
  route.fallback = resolve(plan, config.fallback);
  route.larger = resolve(plan, config.conduct.context_fallback);
  route.measures_latency = config.conduct.balance == BalanceKind::kLatency || config.conduct.hedge.quantile > 0;
  route.retry_429 = holds(config.retries.on, "429");
  route.retry_5xx = holds(config.retries.on, "5xx");
  route.retry_connect = holds(config.retries.on, "connect");
  route.retry_cut = holds(config.retries.on, "cut");
  return route;
}

}  // namespace

Result<std::shared_ptr<const Plan>> make_plan(GatewayConfig config, HealthBoard& board, MetricRegistry& metrics,
                                              bool strict) {
  auto plan = std::make_shared<Plan>();
  for (RouteConfig& route : config.routes) {
    if (route.name.empty() && !route.models.empty()) route.name = route.models.front();
  }
  for (const ProviderConfig& each : config.providers) {
    auto& health = board[each.name];
    if (health == nullptr) {
      health = std::make_unique<ProviderHealth>(each.name, config.breaker, config.retry_budget, metrics);
    }
    SENTINEL_ASSIGN(auto provider, make_provider(each, *health, strict));
    find_metrics(*provider, metrics);
    plan->providers.push_back(std::move(provider));
  }
  for (const RouteConfig& each : config.routes) plan->routes.push_back(make_route(*plan, each));
  plan->config = std::move(config);
  return plan;
}

Millis backoff(const RetryConfig& config, int retry, Random& random) {
  const double factor = std::pow(2.0, std::min(retry - 1, 30));
  const double capped = std::min(static_cast<double>(config.backoff_base.count()) * factor,
                                 static_cast<double>(config.backoff_max.count()));
  const double jitter = 1.0 + config.jitter * (2 * random.uniform() - 1);
  return Millis(static_cast<int64_t>(capped * jitter));
}

std::optional<Millis> parse_retry_after(std::string_view retry_after, std::string_view retry_after_ms, TimePoint now) {
  constexpr double kLongestS = 86'400;
  if (const auto ms = parse_double(trim(retry_after_ms)); ms && *ms >= 0) {
    return Millis(static_cast<int64_t>(std::min(*ms, kLongestS * 1000)));
  }
  const std::string text(trim(retry_after));
  if (text.empty()) return std::nullopt;
  if (const auto seconds = parse_double(text)) {
    if (!(*seconds >= 0)) return std::nullopt;
    return Millis(static_cast<int64_t>(std::ceil(std::min(*seconds, kLongestS) * 1000)));
  }
  std::tm tm{};
  if (::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &tm) == nullptr) return std::nullopt;
  const int64_t wait_ms = static_cast<int64_t>(::timegm(&tm)) * 1000 - to_ms(now);
  return Millis(std::clamp<int64_t>(wait_ms, 0, static_cast<int64_t>(kLongestS) * 1000));
}

}  // namespace sentinel::gateway
