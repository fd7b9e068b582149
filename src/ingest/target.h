#pragma once
// What the API shows of scrape targets: values, copied for any thread.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "ingest/metadata.h"
#include "model/labels.h"

namespace sentinel::ingest {

enum class TargetHealth { kUnknown, kUp, kDown };
std::string_view target_health_name(TargetHealth health);  // "unknown", "up", "down"

struct TargetStatus {
  model::Labels discovered;  // before relabelling, with __address__ and the like
  model::Labels labels;      // of its series; empty when dropped
  std::string scrape_pool;
  std::string scrape_url;
  std::string last_error;
  TimePoint last_scrape;  // epoch 0 before the first
  double last_scrape_seconds = 0;
  TargetHealth health = TargetHealth::kUnknown;
  Millis interval{0};
  Millis timeout{0};
  bool dropped = false;                                                   // by relabelling
  std::shared_ptr<const std::map<std::string, FamilyMetadata>> metadata;  // of its last good scrape; may be null
};

}  // namespace sentinel::ingest
