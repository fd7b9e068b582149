#pragma once
// The llm.* series of ../shared/specs/reference-system.md §1, from scored interactions (dots become underscores).
// Users, prompts and sessions never become labels. Test traffic is counted apart and touches no other series.

#include <memory>
#include <string>

#include "base/metrics.h"
#include "model/interaction.h"

namespace sentinel::ingest {

// Called by one thread at a time.
class CallMetrics {
 public:
  explicit CallMetrics(MetricRegistry& registry);
  ~CallMetrics();
  void record(const model::Interaction& interaction);

 private:
  struct Series;
  struct Impl;
  Series& series_for(const model::Interaction& interaction);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sentinel::ingest
