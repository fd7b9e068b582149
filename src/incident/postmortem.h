#pragma once
// The postmortem in Markdown, generated from the timeline: summary, impact in numbers, detection, cause, timeline,
// resolution, what went well and what did not, action items. A pure function.

#include <optional>
#include <string>

#include "base/clock.h"
#include "incident/diagnosis.h"
#include "incident/service.h"

namespace sentinel::incident {

std::string postmortem_markdown(const IncidentDetail& detail, const std::optional<Impact>& impact, TimePoint now);

}  // namespace sentinel::incident
