#include "detection/alert_template.h"

#include "base/check.h"
#include "promql/histogram_text.h"

namespace sentinel::detection {
namespace {

constexpr std::string_view kDefinitions =
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}";

text::Value string_map(const model::Labels& labels) {
  text::Map map;
  for (const auto& label : labels) map.emplace(label.name, text::Value(label.value));
  return text::Value::map(std::move(map), text::string_map_type());
}

const text::TypeInfo* data_type() {
  static const text::TypeInfo type = [] {
    text::TypeInfo t;
    t.name =
        "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }";
    return t;
  }();
  return &type;
}

// A histogram is shown as Prometheus shows one.
text::Value value_of(const AlertData& data) {
  return data.histogram ? text::Value(promql::histogram_text(*data.histogram)) : text::Value(data.value);
}

text::Template make_template(const TemplateEnvironment& environment) {
  text::PrometheusContext context;
  context.now = [&environment] { return environment.now; };
  context.external_url = environment.external_url;
  context.query = [&environment](const std::string& expression) -> Result<std::vector<text::QuerySample>> {
    if (!environment.query) return fail(ErrorCode::kUnavailable, "queries are not available here");
    return environment.query(expression);
  };
  return text::Template(text::prometheus_functions(context), {text::TemplateMode::kText, text::MissingKey::kZero});
}

}  // namespace

AlertTemplate::AlertTemplate(const std::string& alert, const std::string& source,
                             const TemplateEnvironment& environment)
    : name_("__alert_" + alert), source_(source), environment_(environment) {
  if (source.find("{{") == std::string::npos) return;
  if (!environment.base) environment.base = std::make_shared<const text::Template>(make_template(environment));
  auto parsed = std::make_shared<text::Template>(*environment.base);
  auto status = parsed->parse(name_, std::string(kDefinitions) + source);
  SENTINEL_CHECK(status.has_value());  // the rule file was checked
  template_ = std::move(parsed);
}

std::string AlertTemplate::expand(const AlertData& data, std::string* error) const {
  if (!template_) return source_;
  const text::Value value = text::Value::structure({{"Labels", string_map(data.labels)},
                                                    {"ExternalLabels", string_map(environment_.external_labels)},
                                                    {"ExternalURL", text::Value(environment_.external_url)},
                                                    {"Value", value_of(data)}},
                                                   data_type());
  auto expanded = template_->execute(name_, value);
  if (expanded) return std::move(*expanded);
  const std::string message = "error executing template " + name_ + ": " + expanded.error().message();
  if (error) *error = message;
  return "<error expanding template: " + message + ">";
}

Status AlertTemplate::check(const std::string& alert, const std::string& source) {
  if (source.find("{{") == std::string::npos) return {};
  static const TemplateEnvironment environment;
  static const text::Template base = make_template(environment);
  return text::Template(base).parse("__alert_" + alert, std::string(kDefinitions) + source);
}

}  // namespace sentinel::detection
