#pragma once
// Calls from networks never seen for the key they carry: a key that was stolen is used from elsewhere.
//
// A key is learnt for kAccessLearning from its first accepted call, and until kAccessCallsMin of them; what it uses
// then is its own. From then on the accepted calls of a network that is new to it count for kAccessNew, after which the
// network is its own too:
//
//   llm_security_new_network_calls_total{service,env,key}   key: the first half of a hash, never the key
//
// The network is that of the connection: behind a proxy that is the proxy's, and nothing is ever new. Keys that come
// from more than kAccessNetworksMax networks come from everywhere and are not judged.
//
// Calls that were spilled have lost their key and are not looked at.
//
// One thread at a time: the telemetry worker, which also saves.

#include <map>
#include <string>
#include <string_view>

#include "base/metrics.h"
#include "base/result.h"
#include "model/interaction.h"

namespace sentinel::ingest {

class AccessWatch {
 public:
  explicit AccessWatch(MetricRegistry& registry) : registry_(registry) {}
  void observe(const model::Interaction& interaction);
  // Whether save() would give something new: a key, a network, or a key that is known now.
  bool changed() const { return changed_; }
  std::string save();
  // Replaces everything; on an error what there was stays.
  Status load(std::string_view json);
  size_t keys() const { return keys_.size(); }

 private:
  struct Key {
    int64_t since_us = 0;  // its first accepted call
    uint64_t calls = 0;
    bool everywhere = false;
    std::map<std::string, int64_t, std::less<>> networks;  // and when each was first seen
  };
  static bool settled(const Key& key, int64_t at_us);

  MetricRegistry& registry_;
  std::map<std::string, Key, std::less<>> keys_;
  bool changed_ = false;
};

}  // namespace sentinel::ingest
