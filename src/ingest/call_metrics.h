#pragma once
// The llm.* series of ../shared/specs/reference-system.md §1, from scored interactions (dots become underscores).
// Users, prompts and sessions never become labels. Test traffic is counted apart and touches no other series.
// Callers name models: past kCallLabelSetsMax label sets the calls of all others share the series labelled
// {overflow="true"}, which has no gauges, and sentinel_metric_overflow_total{metric="llm_requests_total"} counts them.

#include <memory>
#include <string>

#include "base/metrics.h"
#include "ingest/genai_spans.h"
#include "model/interaction.h"

namespace sentinel::ingest {

// Called by one thread at a time.
class CallMetrics {
 public:
  // `names`: of the gen_ai_* series.
  explicit CallMetrics(MetricRegistry& registry, SpanNames names = {});
  ~CallMetrics();
  void record(const model::Interaction& interaction);
  void set_names(SpanNames names);
  size_t label_sets() const;  // remembered, without the shared one; at most kCallLabelSetsMax

 private:
  struct Series;
  struct Impl;
  Series& series_for(const model::Interaction& interaction);
  void record_classes(Series& series, const model::Interaction& interaction);
  void record_outcome(Series& series, const model::Interaction& interaction);
  void record_quality(Series& series, const model::Interaction& interaction);
  void record_scores(Series& series, const model::Interaction& interaction);
  std::unique_ptr<Impl> impl_;
};

}  // namespace sentinel::ingest
