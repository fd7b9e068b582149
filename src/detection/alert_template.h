#pragma once
// One templated label or annotation of an alerting rule, parsed once and expanded for each alert.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "text/prometheus_functions.h"
#include "text/template.h"

namespace sentinel::detection {

using TemplateQuery = std::function<Result<std::vector<text::QuerySample>>(const std::string& expression)>;

// What templates of one rule share. Outlives them; changes between evaluations, on the scheduler's thread.
struct TemplateEnvironment {
  TimePoint now;
  std::string external_url;
  model::Labels external_labels;
  TemplateQuery query;
  // The functions, bound to this; made with the first template and shared by all.
  mutable std::shared_ptr<const text::Template> base;
};

// What one alert brings: {{$labels}} with the metric name, {{$value}}.
struct AlertData {
  const model::Labels& labels;
  double value = 0;
  const model::FloatHistogram* histogram = nullptr;  // a native one instead
};

class AlertTemplate {
 public:
  // REQUIRES: check() accepts; `environment` outlives this.
  AlertTemplate(const std::string& alert, const std::string& source, const TemplateEnvironment& environment);

  // The text, or "<error expanding template: …>" in its place, as Prometheus shows it; `error` then says why.
  std::string expand(const AlertData& data, std::string* error = nullptr) const;

  // Whether `source` parses; the error is worded as Prometheus's.
  static Status check(const std::string& alert, const std::string& source);

 private:
  std::string name_;
  std::string source_;
  const TemplateEnvironment& environment_;
  std::shared_ptr<const text::Template> template_;  // null: plain text
};

}  // namespace sentinel::detection
