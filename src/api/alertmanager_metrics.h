#pragma once
// Our numbers by the names that Alertmanager has for them, so that its users' dashboards and rules about it go on:
// those of its mixin and of its own documentation. What has no counterpart here (gossip, snapshots) is left out.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "alerting/query.h"
#include "base/metrics.h"

namespace sentinel::api {

// What is not among our own series.
struct AlertmanagerFacts {
  std::string version;
  alerting::Counts counts;
  bool clustered = false;
  std::string config_sha256;  // of the configuration in force
  bool reload_succeeded = true;
  double reload_success_s = 0;  // Unix time
};

// `own` as MetricRegistry::collect() gives it. Sorted by name.
std::vector<MetricFamily> alertmanager_families(const std::vector<MetricFamily>& own, const AlertmanagerFacts& facts);

}  // namespace sentinel::api
