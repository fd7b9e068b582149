#include "incident/words.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel::incident {
namespace {

constexpr size_t kAlsoFailingMax = 3;  // rules named beside the one the incident is called after

}  // namespace

model::Severity severity_of(const model::Alert& alert) {
  return model::parse_severity(alert.labels.get("severity")).value_or(model::Severity::kSev3);
}

std::string title_of(const model::Alert& alert) {
  const std::string_view summary = alert.annotations.get("summary");
  return std::string(summary.empty() ? alert.name() : summary);
}

std::string what_failed_of(const model::Alert& lead, std::vector<std::string> others) {
  const std::string_view description = lead.annotations.get("description");
  std::string text = description.empty() ? title_of(lead) : std::string(description);
  if (others.empty()) return text;
  const size_t shown = std::min(others.size(), kAlsoFailingMax);
  const std::string more = others.size() > shown ? fmt::format("; and {} more", others.size() - shown) : "";
  others.resize(shown);
  return fmt::format("{} Also: {}{}.", text, join(others, "; "), more);
}

std::string change_json(std::string_view from, std::string_view to, std::string_view note) {
  std::string out = fmt::format(R"({{"from":{},"to":{})", json_quote(from), json_quote(to));
  if (!note.empty()) out += fmt::format(R"(,"note":{})", json_quote(note));
  return out + "}";
}

}  // namespace sentinel::incident
