#include "ingest/exposition.h"

#include "base/strings.h"

namespace sentinel::ingest {
namespace {

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' && quotes)
      out += "\\\"";
    else
      out += c;
  }
}

void append_sample(std::string& out, std::string_view name, const MetricLabels& labels, std::string_view le,
                   const std::string& value) {
  out += name;
  if (!labels.empty() || !le.empty()) {
    out += '{';
    bool first = true;
    for (const auto& [label, text] : labels) {
      if (!first) out += ',';
      first = false;
      out += label;
      out += "=\"";
      append_escaped(out, text, true);
      out += '"';
    }
    if (!le.empty()) {
      if (!first) out += ',';
      out += "le=\"";
      out += le;
      out += '"';
    }
    out += '}';
  }
  out += ' ';
  out += value;
  out += '\n';
}

std::string_view type_name(MetricType type) {
  switch (type) {
    case MetricType::kCounter: return "counter";
    case MetricType::kGauge: return "gauge";
    case MetricType::kHistogram: return "histogram";
  }
  return "untyped";
}

}  // namespace

std::string write_text_format(const std::vector<MetricFamily>& families) {
  std::string out;
  for (const MetricFamily& family : families) {
    out += "# HELP " + family.name + " ";
    append_escaped(out, family.help, false);
    out += "\n# TYPE " + family.name + " ";
    out += type_name(family.type);
    out += '\n';
    for (const MetricPoint& point : family.points) {
      if (family.type != MetricType::kHistogram) {
        append_sample(out, family.name, point.labels, "", format_double_g(point.value));
        continue;
      }
      for (size_t i = 0; i < point.counts.size(); ++i) {
        const std::string le = i < family.upper_bounds.size() ? format_double(family.upper_bounds[i]) : "+Inf";
        append_sample(out, family.name + "_bucket", point.labels, le, std::to_string(point.counts[i]));
      }
      append_sample(out, family.name + "_sum", point.labels, "", format_double_g(point.sum));
      append_sample(out, family.name + "_count", point.labels, "", std::to_string(point.counts.back()));
    }
  }
  return out;
}

}  // namespace sentinel::ingest
