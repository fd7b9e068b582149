#pragma once
// One message for one alert group to one integration: what was true when the group was flushed. It is the payload of
// an outbox row, complete but for templates and credentials, which the current configuration gives at each attempt.

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/alert.h"
#include "model/labels.h"

namespace sentinel::receivers {

struct NotifiedAlert {
  model::Alert alert;
  bool resolved = false;  // as judged at the flush; ends_at of a firing alert is unset (zero)
};

struct Notification {
  std::string receiver;  // its name in the configuration
  std::string group_key;
  model::Labels group_labels;
  model::Labels route_labels;  // values are templates
  std::string reason;          // why now, in Alertmanager's words: "first notification", "repeat interval elapsed" …
  std::vector<NotifiedAlert> alerts;  // sorted as shown; never empty
  std::string external_url;
  TimePoint created_at;
  TimePoint expires_at;  // after this instant it is not tried again: the group's next flush says what is true then

  bool firing() const;
  std::string_view status() const { return firing() ? "firing" : "resolved"; }
  model::Labels common_labels() const;
  model::Labels common_annotations() const;
};

std::string encode_notification(const Notification& notification);
// kInvalidArgument: not written by encode_notification.
Result<Notification> decode_notification(std::string_view json);

}  // namespace sentinel::receivers
