#include "receivers/digest.h"

#include <algorithm>
#include <set>
#include <unordered_map>

namespace sentinel::receivers {
namespace {

model::Labels common_route_labels(const std::vector<Notification>& messages) {
  model::Labels out = messages.front().route_labels;
  for (const Notification& n : messages) {
    for (const model::Label& label : messages.front().route_labels) {
      if (n.route_labels.get(label.name) != label.value) out.set(label.name, "");
    }
  }
  return out;
}

}  // namespace

Notification digest_of(const std::vector<Notification>& messages, std::string_view key) {
  Notification out;
  out.receiver = messages.front().receiver;
  out.group_key = "{}/digest:" + std::string(key);
  out.route_labels = common_route_labels(messages);
  out.external_url = messages.front().external_url;
  out.created_at = messages.front().created_at;
  out.expires_at = messages.front().expires_at;
  std::set<std::string> groups;
  std::unordered_map<uint64_t, size_t> places;
  for (const Notification& n : messages) {
    groups.insert(n.group_key);
    out.created_at = std::max(out.created_at, n.created_at);
    out.expires_at = std::min(out.expires_at, n.expires_at);
    for (const NotifiedAlert& alert : n.alerts) {
      const auto [place, is_new] = places.emplace(alert.alert.fingerprint(), out.alerts.size());
      if (is_new)
        out.alerts.push_back(alert);
      else
        out.alerts[place->second] = alert;
    }
  }
  const std::string count = std::to_string(groups.size()) + (groups.size() == 1 ? " group" : " groups");
  out.group_labels.set(kDigestLabel, count);
  out.reason = "digest of " + count + ": the receiver cannot take them one by one";
  return out;
}

}  // namespace sentinel::receivers
