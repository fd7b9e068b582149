#include "app/drift_watch.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace sentinel::app {
namespace {

using analysis::DriftTracker;
using analysis::DriftWindow;

double value_of(const MetricRegistry& metrics, std::string_view family, const MetricLabels& wanted) {
  for (const MetricFamily& f : metrics.collect()) {
    if (f.name != family) continue;
    for (const MetricPoint& point : f.points) {
      const bool fits = std::all_of(wanted.begin(), wanted.end(), [&](const auto& label) {
        return std::find(point.labels.begin(), point.labels.end(), label) != point.labels.end();
      });
      if (fits) return point.value;
    }
  }
  return -1;
}

DriftWindow window(bool drifted, bool drifting, const char* version) {
  DriftWindow out;
  out.key = "/qa|gpt|faq";
  out.number = 3;
  out.calls = 30;
  out.values[analysis::kAnswerForm] = drifted ? 4.5 : 0.2;
  out.threshold = 1.5;
  out.drifted = drifted;
  out.drifting = drifting;
  out.version = version;
  out.reference_version = "gpt-1";
  if (drifted) out.examples = {{"call-7", 9.5}};
  return out;
}

TEST(DriftWatch, EachWindowMovesItsSeries) {
  MetricRegistry metrics;
  DriftWatch watch(metrics);
  watch.window_closed(window(false, false, "gpt-1"));
  EXPECT_EQ(value_of(metrics, "llm_drift_new_version", {{"endpoint", "/qa"}}), 0);
  watch.window_closed(window(true, false, "gpt-2"));
  watch.window_closed(window(false, true, "gpt-2"));
  watch.window_closed(window(true, true, "gpt-2"));
  const MetricLabels route{{"endpoint", "/qa"}, {"model", "gpt"}, {"prompt_template", "faq"}};
  const auto windows = [&](const char* result) {
    MetricLabels labels = route;
    labels.emplace_back("result", result);
    return value_of(metrics, "llm_drift_windows_total", labels);
  };
  EXPECT_EQ(windows("calm"), 1);
  EXPECT_EQ(windows("drifted"), 2);
  EXPECT_EQ(windows("drifting"), 1);
  EXPECT_EQ(value_of(metrics, "llm_drift_value", {{"measure", "answer_form"}, {"model", "gpt"}}), 4.5);
  EXPECT_EQ(value_of(metrics, "llm_drift_threshold", route), 1.5);
  EXPECT_EQ(value_of(metrics, "llm_drift_new_version", route), 1);
}

TEST(DriftWatch, TheReportNamesTheRouteAndWhatChanged) {
  DriftTracker::Summary learning;
  learning.key = "/chat|gpt|";
  learning.calls = 5;
  DriftTracker::Summary drifted;
  drifted.key = "/qa|gpt|faq";
  drifted.frozen = true;
  drifted.windows = 3;
  drifted.drifted_windows = 1;
  drifted.last = window(true, false, "gpt-2");
  const boost::json::object report = drift_json({learning, drifted});
  const boost::json::array& items = report.at("items").as_array();
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].at("endpoint").as_string(), "/chat");
  EXPECT_EQ(items[0].at("prompt_template").as_string(), "");
  EXPECT_TRUE(items[0].at("last_window").is_null());
  const boost::json::value& last = items[1].at("last_window");
  EXPECT_EQ(last.at("result").as_string(), "drifted");
  EXPECT_EQ(last.at("what").as_string(), "answer_form 4.5");
  EXPECT_TRUE(last.at("new_version").as_bool());
  EXPECT_EQ(last.at("examples").as_array()[0].at("request_id").as_string(), "call-7");
}

}  // namespace
}  // namespace sentinel::app
