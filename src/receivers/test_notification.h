#pragma once
// For tests: a group of two alerts, of which none, one or both still fire.

#include <string_view>

#include "base/strings.h"
#include "receivers/notification.h"

namespace sentinel::receivers {

inline NotifiedAlert test_alert(model::Labels labels, model::Labels annotations, bool resolved) {
  NotifiedAlert a;
  a.alert.labels = std::move(labels);
  a.alert.annotations = std::move(annotations);
  a.alert.starts_at = parse_time("2026-01-01T00:00:00.500Z").value();
  if (resolved) a.alert.ends_at = parse_time("2026-01-01T01:00:00Z").value();
  a.alert.generator_url = "http://prom/graph";
  a.resolved = resolved;
  return a;
}

// `alerts`: "both" (one fires, one has resolved), "firing", "resolved".
inline Notification test_notification(std::string_view alerts = "both") {
  Notification n;
  n.receiver = "team X";
  n.group_key = R"({}/{a="b"}:{alertname="High"})";
  n.group_labels = {{"alertname", "High"}};
  n.route_labels = {{"team", "{{ .GroupLabels.alertname }}-team"}};
  n.reason = "first notification";
  n.alerts = {test_alert({{"alertname", "High"}, {"env", "prod"}, {"i", "1"}, {"severity", "critical"}},
                         {{"summary", "s <1>"}, {"only", "1"}}, alerts == "resolved"),
              test_alert({{"alertname", "High"}, {"env", "prod"}, {"i", "2"}, {"severity", "critical"}},
                         {{"summary", "s <1>"}}, alerts != "firing")};
  n.external_url = "http://sentinel";
  n.created_at = parse_time("2026-01-01T02:00:00Z").value();
  n.expires_at = parse_time("2026-01-01T02:05:00Z").value();
  return n;
}

}  // namespace sentinel::receivers
