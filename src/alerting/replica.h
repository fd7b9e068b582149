#pragma once
// What instances of a cluster tell each other: silences and their schedules, acknowledgements and what was told to
// whom. A value, and its JSON.

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "alerting/acknowledgements.h"
#include "alerting/notification_log.h"
#include "alerting/recurring_silences.h"
#include "alerting/silences.h"
#include "base/result.h"

namespace sentinel::alerting {

struct ReplicaEntry {
  std::string group_key;
  std::string integration;
  Told told;
  TimePoint expires_at;
};

struct ReplicaState {
  std::vector<Silence> silences;
  std::vector<ReplicaEntry> log;
  std::vector<Acknowledgement> acknowledgements{};
  std::vector<RecurringSilence> recurring{};
  size_t size() const { return silences.size() + log.size() + acknowledgements.size() + recurring.size(); }
  bool empty() const { return size() == 0; }
};

std::string encode_replica(const ReplicaState& state);  // a JSON object
// kInvalidArgument: not written by encode_replica.
Result<ReplicaState> decode_replica(const boost::json::object& object);
Result<ReplicaState> decode_replica(std::string_view json);

}  // namespace sentinel::alerting
