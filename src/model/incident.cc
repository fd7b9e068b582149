#include "model/incident.h"

#include <array>

#include "base/strings.h"

namespace sentinel::model {
namespace {

// In the order of IncidentStatus.
constexpr std::array<std::string_view, 6> kNames{"open",       "acknowledged", "investigating",
                                                 "identified", "monitoring",   "resolved"};

}  // namespace

std::string_view incident_status_name(IncidentStatus status) { return kNames.at(static_cast<size_t>(status)); }

std::optional<IncidentStatus> parse_incident_status(std::string_view text) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (iequals(text, kNames[i])) return static_cast<IncidentStatus>(i);
  }
  return std::nullopt;
}

std::vector<IncidentStatus> active_incident_statuses() {
  using enum IncidentStatus;
  return {kOpen, kAcknowledged, kInvestigating, kIdentified, kMonitoring};
}

}  // namespace sentinel::model
