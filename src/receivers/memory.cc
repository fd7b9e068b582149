#include "receivers/memory.h"

#include <boost/json.hpp>

#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"
#include "receivers/limits.h"
#include "state/kv.h"
#include "text/json.h"

namespace sentinel::receivers {
namespace {

namespace json = boost::json;
constexpr std::string_view kPrefix = "receivers/memory/";

std::string key_of(const std::string& integration, const std::string& group_key) {
  return std::string(kPrefix) + hex_encode(sha256(integration + "\n" + group_key)).substr(0, 40);
}

int64_t stored_at(std::string_view document) {
  const auto parsed = text::parse_json_object(document);
  return parsed ? text::json_int_or(*parsed, "at_us", 0).value_or(0) : 0;
}

Status prune(state::Tx& tx, TimePoint now) {
  SENTINEL_ASSIGN(const auto all, state::KeyValue::list(tx, kPrefix, kMemoryPruneMax));
  for (const auto& [key, document] : all) {
    if (stored_at(document) < to_us(now - kMemoryKept)) SENTINEL_TRY(state::KeyValue::remove(tx, key));
  }
  return {};
}

}  // namespace

std::string StateMemory::load(const std::string& integration, const std::string& group_key) {
  std::string value;
  const Status s = database_.read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const auto document, state::KeyValue::get(tx, key_of(integration, group_key)));
    if (!document) return {};
    SENTINEL_ASSIGN(const json::object parsed, text::parse_json_object(*document));
    SENTINEL_ASSIGN(value, text::json_string(parsed, "value"));
    return {};
  });
  if (!s) log_warn("receivers", "what was remembered of a message cannot be read", {{"error", s.error().to_string()}});
  return value;
}

void StateMemory::store(const std::string& integration, const std::string& group_key, const std::string& value) {
  const TimePoint now = clock_.now();
  const bool also_prune = stores_.fetch_add(1) % 256 == 255;
  const std::string document = json::serialize(json::object{{"at_us", to_us(now)}, {"value", value}});
  const Status s = database_.write([&](state::Tx& tx) -> Status {
    if (also_prune) SENTINEL_TRY(prune(tx, now));
    return state::KeyValue::put(tx, key_of(integration, group_key), document, now);
  });
  if (!s) log_warn("receivers", "a message cannot be remembered", {{"error", s.error().to_string()}});
}

}  // namespace sentinel::receivers
