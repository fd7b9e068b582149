#pragma once
// One firing (or pending, or resolved) label set of a rule, or one posted from outside.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "model/labels.h"

namespace sentinel::model {

enum class AlertState { kInactive, kPending, kFiring };
std::string_view alert_state_name(AlertState state);

uint64_t label_fingerprint(const Labels& labels);

// As alerting takes it in: Alertmanager's alert. Identity is the label set.
struct Alert {
  Labels labels;  // has alertname
  Labels annotations;
  TimePoint starts_at;
  TimePoint ends_at;  // in the past: resolved; in the future: resolves then unless sent again
  TimePoint updated_at;
  std::string generator_url;
  bool timed_out = false;  // ends_at was set by resolve_timeout, not by the sender

  // Prometheus's: FNV-1a over the sorted labels, so that ours is what other tools compute of the same alert.
  uint64_t fingerprint() const { return label_fingerprint(labels); }
  std::string fingerprint_hex() const;  // 16 hex digits
  std::string_view name() const { return labels.get(kAlertNameLabel); }
  bool resolved_at(TimePoint now) const { return ends_at <= now; }
};

}  // namespace sentinel::model
