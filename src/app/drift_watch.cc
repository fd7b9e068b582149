#include "app/drift_watch.h"

#include <boost/json.hpp>

#include "base/log.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

using analysis::DriftMeasure;
using analysis::DriftRoute;
using analysis::DriftWindow;

MetricLabels labels_of(const DriftRoute& route) {
  return {{"endpoint", route.endpoint}, {"model", route.model}, {"prompt_template", route.prompt_template}};
}

MetricLabels with(MetricLabels labels, const char* name, std::string_view value) {
  labels.emplace_back(name, value);
  return labels;
}

bool new_version(const DriftWindow& window) {
  return !window.version.empty() && !window.reference_version.empty() && window.version != window.reference_version;
}

const char* result_of(const DriftWindow& window) {
  if (window.drifted) return "drifted";
  return window.drifting ? "drifting" : "calm";
}

json::object window_json(const DriftWindow& window) {
  json::object values;
  for (size_t m = 0; m < analysis::kDriftMeasures; ++m)
    values[analysis::drift_measure_name(static_cast<DriftMeasure>(m))] = window.values[m];
  json::array examples;
  for (const analysis::DriftExample& example : window.examples)
    examples.push_back(json::object{{"request_id", example.request_id}, {"distance", example.distance}});
  return {{"number", window.number},         {"calls", window.calls},
          {"result", result_of(window)},     {"what", window.what()},
          {"values", std::move(values)},     {"threshold", window.threshold},
          {"slow_sum", window.slow_sum},     {"slow_limit", window.slow_limit},
          {"model_version", window.version}, {"new_version", new_version(window)},
          {"adopted", window.adopted},       {"examples", std::move(examples)}};
}

}  // namespace

void DriftWatch::window_closed(const DriftWindow& window) {
  const DriftRoute route = analysis::drift_route(window.key);
  const MetricLabels labels = labels_of(route);
  metrics_
      .counter("llm_drift_windows_total", "Windows of calls tested against the frozen reference.",
               with(labels, "result", result_of(window)))
      .add();
  for (size_t m = 0; m < analysis::kDriftMeasures; ++m) {
    metrics_
        .gauge("llm_drift_value",
               "How far the last window lies from the reference: 0 calm median, 1 its 99 % quantile.",
               with(labels, "measure", analysis::drift_measure_name(static_cast<DriftMeasure>(m))))
        .set(window.values[m]);
  }
  metrics_
      .gauge("llm_drift_threshold", "What the largest llm_drift_value of a window must exceed to be called drift.",
             labels)
      .set(window.threshold);
  metrics_
      .gauge("llm_drift_new_version",
             "1 when another model version than the reference's answered most calls of the last window.", labels)
      .set(new_version(window) ? 1 : 0);
  if (window.adopted) {
    log_info("drift", "a new reference was learnt from the latest calm calls",
             {{"endpoint", route.endpoint}, {"model", route.model}, {"prompt_template", route.prompt_template}});
  }
  if (!window.drifted && !window.drifting) return;
  std::string examples;
  for (const analysis::DriftExample& example : window.examples)
    examples += (examples.empty() ? "" : " ") + example.request_id;
  log_info("drift", window.drifted ? "calls differ from their reference" : "calls drift slowly from their reference",
           {{"endpoint", route.endpoint},
            {"model", route.model},
            {"prompt_template", route.prompt_template},
            {"what", window.what()},
            {"calls", window.calls},
            {"model_version", window.version},
            {"reference_version", window.reference_version},
            {"examples", examples}});
}

json::object drift_json(const std::vector<analysis::DriftTracker::Summary>& references) {
  json::array items;
  for (const analysis::DriftTracker::Summary& s : references) {
    const DriftRoute route = analysis::drift_route(s.key);
    items.push_back(json::object{{"endpoint", route.endpoint},
                                 {"model", route.model},
                                 {"prompt_template", route.prompt_template},
                                 {"reference_ready", s.frozen},
                                 {"reference_version", s.reference_version},
                                 {"calls", s.calls},
                                 {"windows", s.windows},
                                 {"drifted_windows", s.drifted_windows},
                                 {"last_window", s.last ? json::value(window_json(*s.last)) : json::value(nullptr)}});
  }
  return {{"items", std::move(items)}};
}

}  // namespace sentinel::app
