#pragma once
// Virtual keys: what an application shows instead of a provider's key. A key says who calls, what may be asked for, how
// much, and until when. The key itself is shown once, when it is made; what is kept is its SHA-256, which is enough for
// a random secret of 32 bytes.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "base/clock.h"
#include "base/result.h"
#include "gateway/policy/config.h"
#include "net/http.h"

namespace sentinel::gateway {

inline constexpr std::string_view kKeyPrefix = "sk-sentinel-";

// What a person says of a new key.
struct KeySpec {
  std::string name;
  std::string user;
  std::string team;
  std::vector<std::pair<std::string, std::string>> tags;
  std::optional<TimePoint> expires_at;
  std::vector<std::string> models;    // as routes name them: exact, "prefix*", "*"; empty: all
  std::vector<std::string> routes;    // by name; empty: all
  std::vector<LimitConfig> limits;    // counted by key
  std::vector<BudgetConfig> budgets;  // counted by key
};

struct VirtualKey {
  std::string id;    // a ULID; what limits, logs and rows name
  std::string hash;  // SHA-256 of the whole key, 32 raw bytes
  std::string hint;  // its last four characters
  KeySpec spec;
  TimePoint created_at;
  std::string created_by;
  std::optional<TimePoint> revoked_at;

  bool expired(TimePoint now) const { return spec.expires_at && *spec.expires_at <= now; }
  bool allows_model(std::string_view model) const;
  bool allows_route(std::string_view route) const;
};

// "gpt-4o", "gpt-4*", "*".
bool model_matches(std::string_view pattern, std::string_view model);

// {"name", "user", "team", "tags": {}, "expires_at" (RFC 3339) or "expires_in" ("30d"), "models": [], "routes": [],
// "limits": [{"requests"|"tokens"|"usd", "per"}], "budgets": [{"usd", "per": "day"|"month"}]}; only the name must be
// there. Errors say line, column and what was expected.
Result<KeySpec> parse_key_spec(std::string_view json, TimePoint now);
// The same as JSON, for the store.
std::string key_spec_json(const KeySpec& spec);

// "sk-sentinel-" and 43 characters of 32 random bytes.
std::string new_key_secret();
std::string key_hash_of(std::string_view secret);

// All keys that are there, revoked ones too, by hash. Immutable; thread-safe.
class VirtualKeys {
 public:
  VirtualKeys() = default;
  explicit VirtualKeys(std::vector<std::shared_ptr<const VirtualKey>> keys);
  // Of a key as it was shown; null when there is none.
  std::shared_ptr<const VirtualKey> find(std::string_view secret) const;
  const std::vector<std::shared_ptr<const VirtualKey>>& all() const { return keys_; }

 private:
  std::vector<std::shared_ptr<const VirtualKey>> keys_;  // by id, oldest first
  absl::flat_hash_map<std::string_view, std::shared_ptr<const VirtualKey>> by_hash_;
};

// The virtual key a request shows: Authorization: Bearer, x-api-key, api-key, x-goog-api-key, or ?key= as Gemini's
// clients may. "" when none of them begins with kKeyPrefix.
std::string_view shown_key(const net::Request& request);
// Takes it away, so that it goes to no provider.
void remove_shown_key(net::Request& request);

}  // namespace sentinel::gateway
