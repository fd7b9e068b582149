#pragma once
// The data of Alertmanager's notification templates: Data, Alerts, Alert and KV with their methods.

#include <string>
#include <vector>

#include "base/clock.h"
#include "model/labels.h"
#include "text/value.h"

namespace sentinel::text {

struct NotificationAlert {
  bool firing = true;
  model::Labels labels;
  model::Labels annotations;
  TimePoint starts_at;
  TimePoint ends_at = zero_end();  // year 1 while it is not known
  std::string generator_url;
  std::string fingerprint;  // 16 hex digits

  static TimePoint zero_end();
};

struct NotificationData {
  std::string receiver;
  bool firing = true;
  std::vector<NotificationAlert> alerts;
  std::string notification_reason;
  model::Labels group_labels;
  model::Labels common_labels;
  model::Labels common_annotations;
  model::Labels route_labels;
  std::string external_url;
};

Value to_value(const NotificationData& data);  // *template.Data
Value kv_value(const model::Labels& labels);   // template.KV: .SortedPairs .Names .Values .Remove
Value alert_value(const NotificationAlert& alert);

}  // namespace sentinel::text
