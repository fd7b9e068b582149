#include "gateway/policy/keys.h"

#include <algorithm>

#include "base/duration.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/strings.h"
#include "text/json.h"
#include "text/yaml.h"

namespace sentinel::gateway {
namespace {

using text::YamlNode;

Result<std::string> read_text(const YamlNode& map, std::string_view field) {
  SENTINEL_ASSIGN(std::string value, map.string_or(field, ""));
  if (value.size() > kKeyTextBytesMax || !is_valid_utf8(value))
    return fail(map.get(field).error(std::string(field) + " must be at most 200 bytes of UTF-8"));
  return value;
}

Result<std::vector<std::string>> read_list(const YamlNode& map, std::string_view field) {
  SENTINEL_ASSIGN(std::vector<std::string> list, map.strings_or(field, {}));
  if (list.size() > kKeyListMax) return fail(map.get(field).error("at most 64 are allowed"));
  for (const std::string& item : list) {
    if (item.empty() || item.size() > kKeyTextBytesMax)
      return fail(map.get(field).error(std::string(field) + " must be names of 1 to 200 bytes"));
  }
  return list;
}

Result<std::optional<TimePoint>> read_expiry(const YamlNode& map, TimePoint now) {
  const YamlNode at = map.get("expires_at");
  const YamlNode in = map.get("expires_in");
  if (!at.is_null() && !in.is_null()) return fail(in.error("give expires_at or expires_in, not both"));
  if (!in.is_null()) {
    SENTINEL_ASSIGN(const Millis after, in.duration());
    if (after.count() <= 0) return fail(in.error("expires_in must be above 0"));
    return std::optional(now + after);
  }
  if (at.is_null()) return std::nullopt;
  SENTINEL_ASSIGN(const std::string text, at.string());
  const auto time = parse_time(text);
  if (!time) return fail(at.error("expires_at must be a time as 2026-12-31T00:00:00Z"));
  return std::optional(*time);
}

Status read_tags(const YamlNode& tags, KeySpec& spec) {
  if (tags.is_null()) return {};
  if (!tags.is_map()) return fail(tags.error("tags must be a map of names to values"));
  for (const YamlNode::Entry& entry : tags.entries()) {
    SENTINEL_ASSIGN(const std::string value, entry.value.string());
    const std::string name = entry.name();
    if (spec.tags.size() >= kKeyListMax || name.empty() || name.size() > kKeyTextBytesMax ||
        value.size() > kKeyTextBytesMax)
      return fail(entry.key.error("at most 64 tags of at most 200 bytes"));
    spec.tags.emplace_back(name, value);
  }
  return {};
}

void write_limit(text::JsonWriter& json, const RateLimit& limit) {
  json.begin_object();
  if (limit.unit == LimitUnit::kUsd) {
    json.field("usd", static_cast<double>(limit.amount) / 1e6);
  } else {
    json.field(limit_unit_name(limit.unit), limit.amount);
  }
  json.field("per", format_duration(limit.per)).end_object();
}

void write_texts(text::JsonWriter& json, std::string_view name, const std::vector<std::string>& list) {
  json.key(name).begin_array();
  for (const std::string& item : list) json.string(item);
  json.end_array();
}

constexpr std::string_view kKeyHeaders[] = {"authorization", "x-api-key", "api-key", "x-goog-api-key"};

std::string_view without_scheme(std::string_view value) {
  constexpr std::string_view kBearer = "bearer ";
  if (value.size() > kBearer.size() && iequals(value.substr(0, kBearer.size()), kBearer))
    value.remove_prefix(kBearer.size());
  return trim(value);
}

}  // namespace

bool model_matches(std::string_view pattern, std::string_view model) {
  if (!pattern.ends_with('*')) return pattern == model;
  return model.starts_with(pattern.substr(0, pattern.size() - 1));
}

bool VirtualKey::allows_model(std::string_view model) const {
  return spec.models.empty() || std::any_of(spec.models.begin(), spec.models.end(),
                                            [&](const std::string& pattern) { return model_matches(pattern, model); });
}

bool VirtualKey::allows_route(std::string_view route) const {
  return spec.routes.empty() || std::find(spec.routes.begin(), spec.routes.end(), route) != spec.routes.end();
}

Result<KeySpec> parse_key_spec(std::string_view json, TimePoint now) {
  SENTINEL_ASSIGN(const YamlNode root, text::parse_yaml(json, ""));
  SENTINEL_TRY(root.expect_keys("key", {"name", "user", "team", "tags", "expires_at", "expires_in", "models", "routes",
                                        "limits", "budgets", "actor"}));
  KeySpec spec;
  SENTINEL_TRY(root.require("key", "name"));
  SENTINEL_ASSIGN(spec.name, read_text(root, "name"));
  if (trim(spec.name).empty()) return fail(root.get("name").error("name must not be empty"));
  SENTINEL_ASSIGN(spec.user, read_text(root, "user"));
  SENTINEL_ASSIGN(spec.team, read_text(root, "team"));
  SENTINEL_TRY(read_tags(root.get("tags"), spec));
  SENTINEL_ASSIGN(spec.expires_at, read_expiry(root, now));
  SENTINEL_ASSIGN(spec.models, read_list(root, "models"));
  SENTINEL_ASSIGN(spec.routes, read_list(root, "routes"));
  SENTINEL_ASSIGN(spec.limits, read_limits(root.get("limits"), CountBy::kKey, false));
  SENTINEL_ASSIGN(spec.budgets, read_budgets(root.get("budgets"), CountBy::kKey, false));
  return spec;
}

std::string key_spec_json(const KeySpec& spec) {
  std::string out;
  text::JsonWriter json(out);
  json.begin_object().field("name", spec.name).field("user", spec.user).field("team", spec.team);
  json.key("tags").begin_object();
  for (const auto& [name, value] : spec.tags) json.field(name, value);
  json.end_object();
  if (spec.expires_at) json.field("expires_at", format_rfc3339(*spec.expires_at));
  write_texts(json, "models", spec.models);
  write_texts(json, "routes", spec.routes);
  json.key("limits").begin_array();
  for (const LimitConfig& limit : spec.limits) write_limit(json, limit.limit);
  json.end_array().key("budgets").begin_array();
  for (const BudgetConfig& budget : spec.budgets) {
    json.begin_object()
        .field("usd", static_cast<double>(budget.amount_microusd) / 1e6)
        .field("per", budget_period_name(budget.period))
        .end_object();
  }
  json.end_array().end_object();
  return out;
}

std::string new_key_secret() {
  std::string text = base64_encode(secure_random(kKeySecretBytes));
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return std::string(kKeyPrefix) + text;
}

std::string key_hash_of(std::string_view secret) { return sha256(secret); }

VirtualKeys::VirtualKeys(std::vector<std::shared_ptr<const VirtualKey>> keys) : keys_(std::move(keys)) {
  std::sort(keys_.begin(), keys_.end(), [](const auto& a, const auto& b) { return a->id < b->id; });
  for (const auto& key : keys_) by_hash_.emplace(key->hash, key);
}

std::shared_ptr<const VirtualKey> VirtualKeys::find(std::string_view secret) const {
  const auto found = by_hash_.find(key_hash_of(secret));
  return found == by_hash_.end() ? nullptr : found->second;
}

std::string_view shown_key(const net::Request& request) {
  for (const std::string_view name : kKeyHeaders) {
    const std::string_view shown = without_scheme(request.headers.get(name));
    if (shown.starts_with(kKeyPrefix)) return shown;
  }
  const std::string_view in_query = request.query.get("key");
  return in_query.starts_with(kKeyPrefix) ? in_query : std::string_view();
}

void remove_shown_key(net::Request& request) {
  for (const std::string_view name : kKeyHeaders) {
    if (without_scheme(request.headers.get(name)).starts_with(kKeyPrefix)) request.headers.remove(name);
  }
  if (!request.query.get("key").starts_with(kKeyPrefix)) return;
  net::Params others;
  for (const auto& [name, value] : request.query.pairs()) {
    if (name != "key") others.add(name, value);
  }
  request.query = std::move(others);
}

}  // namespace sentinel::gateway
