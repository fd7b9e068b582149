#pragma once
// Internal to gateway: a configuration made ready for calls. Immutable; calls hold a shared_ptr to it for their life.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/random.h"
#include "base/result.h"
#include "gateway/config.h"
#include "gateway/health.h"
#include "gateway/key_ring.h"
#include "gateway/vertex_token.h"

namespace sentinel::gateway {

struct Provider {
  ProviderConfig config;
  std::string url_prefix;               // "https://host[/path]", to which "/v1/..." is added
  std::string key_header;               // in which it takes its key
  std::string key;                      // "Bearer ..." or bare; empty: the caller's goes through, or `tokens` has one
  std::shared_ptr<TokenSource> tokens;  // Vertex AI with a service account
  std::string key_error;                // why the key could not be had
  std::unique_ptr<KeyRing> keys;        // when it has several; then `key` is empty
  ProviderHealth* health = nullptr;     // outlives every plan
  Counter* attempts_ok = nullptr;
  Counter* attempts_refused =
      nullptr;  // answered, but not with what was asked for: 4xx, 429, or given up by the client
  Counter* attempts_failed = nullptr;
  Counter* retries = nullptr;
  Counter* retries_refused = nullptr;  // by the retry budget
  Counter* key_rotations = nullptr;    // only with several keys

  bool has_key() const { return !key.empty() || keys != nullptr || tokens != nullptr; }
};

struct Target {
  const Provider* provider = nullptr;
  std::string model;  // empty: as asked for
  double weight = 1;
  std::optional<double> cost;  // none: by the price table
  Lane* lane = nullptr;        // null: of the model asked for
};

struct Route {
  RouteConfig config;
  std::vector<Target> targets;
  std::vector<Target> fallback;
  std::vector<Target> larger;     // for prompts that are too long for those
  bool measures_latency = false;  // its balance or its hedging needs to know how fast targets answer
  bool retry_429 = false, retry_5xx = false, retry_connect = false, retry_cut = false;

  bool matches(std::string_view model) const;
};

struct Plan {
  GatewayConfig config;
  std::vector<std::unique_ptr<Provider>> providers;
  std::vector<Route> routes;

  const Route* find(std::string_view model) const;
};

// Of providers that are new, `board` gets the health; of others it keeps its settings until the plan is put in force.
// REQUIRES: check_config(config). `strict`: an unreadable key is an error, else it is kept in key_error.
Result<std::shared_ptr<const Plan>> make_plan(GatewayConfig config, HealthBoard& board, MetricRegistry& metrics,
                                              bool strict);

// The wait before attempt number `retry` (1 is the first retry): exponential, capped, with jitter.
Millis backoff(const RetryConfig& config, int retry, Random& random);
// Retry-After (seconds or an HTTP date) or retry-after-ms; nullopt when absent or unreadable.
std::optional<Millis> parse_retry_after(std::string_view retry_after, std::string_view retry_after_ms, TimePoint now);

}  // namespace sentinel::gateway
