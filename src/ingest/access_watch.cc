#include "ingest/access_watch.h"

#include <algorithm>

#include <boost/json.hpp>

#include "ingest/limits.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::ingest {

namespace json = boost::json;

bool AccessWatch::settled(const Key& key, int64_t at_us) {
  return key.calls >= kAccessCallsMin && at_us - key.since_us >= Micros(kAccessLearning).count();
}

void AccessWatch::observe(const model::Interaction& i) {
  if (i.key_hash.empty() || i.network.empty() || i.test_mode) return;
  if (i.error_type == "caller_unauthorized") return;  // whoever it was, it did not get in
  auto it = keys_.find(i.key_hash);
  if (it == keys_.end()) {
    if (keys_.size() >= kAccessKeysMax) return;
    it = keys_.emplace(i.key_hash, Key{.since_us = i.timestamp_us, .networks = {}}).first;
  }
  Key& key = it->second;
  changed_ |= ++key.calls == kAccessCallsMin;
  if (key.everywhere) return;
  const auto [network, first_call] = key.networks.emplace(i.network, i.timestamp_us);
  changed_ |= first_call;
  if (first_call && key.networks.size() > kAccessNetworksMax) {
    key.everywhere = true;
    key.networks.clear();
    return;
  }
  const int64_t seen_us = network->second;
  if (!settled(key, seen_us) || i.timestamp_us - seen_us >= Micros(kAccessNew).count()) return;
  registry_
      .counter("llm_security_new_network_calls_total", "Calls from a network never seen for their key before.",
               {{"service", i.service}, {"env", i.env}, {"key", i.key_hash.substr(0, 8)}})
      .add();
}

std::string AccessWatch::save() {
  changed_ = false;
  json::object out;
  for (const auto& [hash, key] : keys_) {
    json::object networks;
    for (const auto& [network, seen_us] : key.networks) networks[network] = seen_us;
    out[hash] = json::object{{"since_us", key.since_us},
                             {"calls", key.calls},
                             {"everywhere", key.everywhere},
                             {"networks", std::move(networks)}};
  }
  return text::serialize(out);
}

Status AccessWatch::load(std::string_view saved) {
  SENTINEL_ASSIGN(const json::object root, text::parse_json_object(saved, {.bytes_max = kAccessStateBytesMax}));
  std::map<std::string, Key, std::less<>> keys;
  for (const auto& item : root) {
    const json::object* entry = item.value().if_object();
    if (entry == nullptr) return fail(ErrorCode::kInvalidArgument, "networks of keys: an entry is no object");
    Key key;
    SENTINEL_ASSIGN(key.since_us, text::json_int(*entry, "since_us"));
    SENTINEL_ASSIGN(const int64_t calls, text::json_int(*entry, "calls"));
    key.calls = static_cast<uint64_t>(std::max<int64_t>(calls, 0));
    SENTINEL_ASSIGN(key.everywhere, text::json_bool(*entry, "everywhere"));
    SENTINEL_ASSIGN(const json::object* networks, text::json_object(*entry, "networks"));
    for (const auto& network : *networks) {
      SENTINEL_ASSIGN(key.networks[std::string(network.key())], text::json_int(*networks, network.key()));
    }
    keys.emplace(std::string(item.key()), std::move(key));
  }
  keys_ = std::move(keys);
  changed_ = false;
  return {};
}

}  // namespace sentinel::ingest
