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

Result<std::string> read_key(const ProviderConfig& config) {
  if (!config.api_key.empty()) return config.api_key;
  if (!config.api_key_env.empty()) {
    const char* value = std::getenv(config.api_key_env.c_str());
    if (value == nullptr || *value == '\0') {
      return fail(ErrorCode::kInvalidArgument,
                  "provider " + config.name + ": the environment has no " + config.api_key_env);
    }
    return std::string(value);
  }
  if (!config.api_key_file.empty()) {
    auto content = posix_env().read_file(config.api_key_file);
    if (!content) return fail(content.error().with_context("provider " + config.name + ", api_key_file"));
    return std::string(trim(*content));
  }
  return std::string();
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

// How each kind of provider takes its key.
void set_key(Provider& provider, const std::string& key) {
  switch (provider.config.kind) {
    case ProviderKind::kAzureOpenAi: provider.key_header = "api-key"; break;
    case ProviderKind::kAnthropic: provider.key_header = "x-api-key"; break;
    case ProviderKind::kGemini: provider.key_header = "x-goog-api-key"; break;
    default: provider.key_header = "authorization"; break;
  }
  if (!key.empty()) provider.key = provider.key_header == "authorization" ? "Bearer " + key : key;
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

Result<std::shared_ptr<const Plan>> make_plan(GatewayConfig config, Breakers& breakers, MetricRegistry& metrics,
                                              bool strict) {
  auto plan = std::make_shared<Plan>();
  for (RouteConfig& route : config.routes) {
    if (route.name.empty() && !route.models.empty()) route.name = route.models.front();
  }
  for (const ProviderConfig& each : config.providers) {
    auto provider = std::make_unique<Provider>();
    provider->config = each;
    provider->url_prefix = url_prefix(each);
    auto key = read_key(each);
    if (!key && strict) return fail(key.error());
    if (!key) provider->key_error = key.error().message();
    if (key) set_key(*provider, *key);
    if (const Status good = read_account(*provider); !good) {
      if (strict) return fail(good.error());
      provider->key_error = good.error().message();
    }
    provider->config.api_key.clear();
    auto& breaker = breakers[each.name];
    if (breaker == nullptr) breaker = std::make_shared<Breaker>(config.breaker);
    provider->breaker = breaker;
    const std::string_view attempts = "sentinel_gateway_upstream_attempts_total";
    const std::string_view help = "Requests sent to providers, by result: error says that the provider is not well.";
    provider->attempts_ok = &metrics.counter(attempts, help, {{"provider", each.name}, {"result", "ok"}});
    provider->attempts_refused = &metrics.counter(attempts, help, {{"provider", each.name}, {"result", "refused"}});
    provider->attempts_failed = &metrics.counter(attempts, help, {{"provider", each.name}, {"result", "error"}});
    provider->retries = &metrics.counter("sentinel_gateway_retries_total", "Attempts after the first on one provider.",
                                         {{"provider", each.name}});
    provider->breaker_state =
        &metrics.gauge("sentinel_gateway_breaker_state", "0 closed, 1 half open, 2 open.", {{"provider", each.name}});
    plan->providers.push_back(std::move(provider));
  }
  auto resolve = [&](const std::vector<TargetConfig>& targets) {
    std::vector<Target> out;
    for (const auto& target : targets) {
      const auto it = std::find_if(plan->providers.begin(), plan->providers.end(),
                                   [&](const auto& p) { return p->config.name == target.provider; });
      if (it != plan->providers.end()) out.push_back({it->get(), target.model, target.weight});
    }
    return out;
  };
  for (const RouteConfig& each : config.routes) {
    Route route;
    route.config = each;
    route.targets = resolve(each.targets);
    route.fallback = resolve(each.fallback);
    for (const Target& target : route.targets) route.weight_sum += target.weight;
    route.retry_429 = holds(each.retries.on, "429");
    route.retry_5xx = holds(each.retries.on, "5xx");
    route.retry_connect = holds(each.retries.on, "connect");
    route.retry_cut = holds(each.retries.on, "cut");
    plan->routes.push_back(std::move(route));
  }
  plan->config = std::move(config);
  return plan;
}

std::vector<const Target*> order_targets(const Route& route, Random& random) {
  std::vector<const Target*> order;
  order.reserve(route.targets.size() + route.fallback.size());
  size_t first = 0;
  if (route.targets.size() > 1 && route.weight_sum > 0) {
    double point = random.uniform() * route.weight_sum;
    while (first + 1 < route.targets.size() && point >= route.targets[first].weight)
      point -= route.targets[first++].weight;
  }
  if (!route.targets.empty()) order.push_back(&route.targets[first]);
  for (size_t i = 0; i < route.targets.size(); ++i) {
    // A weight of 0 takes a target out of use without deleting it.
    if (i != first && route.targets[i].weight > 0) order.push_back(&route.targets[i]);
  }
  for (const Target& target : route.fallback) order.push_back(&target);
  return order;
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
