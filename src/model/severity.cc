#include "model/severity.h"

#include <array>

#include "base/strings.h"

namespace sentinel::model {
namespace {

struct Names {
  std::string_view sev, priority, word;
};
constexpr std::array<Names, 4> kNames{
    {{"SEV1", "P1", "critical"}, {"SEV2", "P2", "high"}, {"SEV3", "P3", "medium"}, {"SEV4", "P4", "low"}}};

struct Alias {
  std::string_view text;
  Severity severity;
};
// What Prometheus rules, Datadog monitors and syslog call them.
constexpr std::array<Alias, 5> kAliases{{{"error", Severity::kSev2},
                                         {"warning", Severity::kSev3},
                                         {"warn", Severity::kSev3},
                                         {"info", Severity::kSev4},
                                         {"informational", Severity::kSev4}}};

}  // namespace

std::optional<Severity> parse_severity(std::string_view text) {
  text = trim(text);
  for (size_t i = 0; i < kNames.size(); ++i) {
    const Names& n = kNames[i];
    if (iequals(text, n.sev) || iequals(text, n.priority) || iequals(text, n.word)) return static_cast<Severity>(i + 1);
  }
  for (const Alias& alias : kAliases) {
    if (iequals(text, alias.text)) return alias.severity;
  }
  return std::nullopt;
}

std::string_view severity_name(Severity severity, SeverityStyle style) {
  const Names& n = kNames.at(static_cast<size_t>(severity) - 1);
  switch (style) {
    case SeverityStyle::kSev: return n.sev;
    case SeverityStyle::kPriority: return n.priority;
    case SeverityStyle::kWord: return n.word;
  }
  return n.sev;
}

}  // namespace sentinel::model
