#include <cstddef>
#include <cstdint>

#include "text/alertmanager_data.h"
#include "text/prometheus_functions.h"
#include "text/template.h"

// The first byte picks the mode; the rest is a template.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  using namespace sentinel::text;
  if (size == 0 || size > 4096) return 0;
  static const FuncMap functions = [] {
    FuncMap all = prometheus_functions({[] { return time_from_ms(1'700'000'000'000); }, "http://x/y", {}});
    for (auto& [name, function] : alertmanager_functions([] { return time_from_ms(1'700'000'000'000); }))
      all[name] = function;
    return all;
  }();
  static const Value value = [] {
    NotificationData d;
    d.receiver = "r";
    d.common_labels = model::Labels{{"alertname", "A"}, {"b", "<c>"}};
    d.alerts.push_back({.firing = true,
                        .labels = d.common_labels,
                        .annotations = {},
                        .starts_at = {},
                        .generator_url = "http://g",
                        .fingerprint = "f"});
    return to_value(d);
  }();
  TemplateOptions options;
  options.mode = (data[0] & 1) != 0 ? TemplateMode::kHtml : TemplateMode::kText;
  options.missing_key = static_cast<MissingKey>((data[0] >> 1) % 3);
  (void)expand_template("fuzz", std::string(reinterpret_cast<const char*>(data + 1), size - 1), value, functions,
                        options);
  return 0;
}
