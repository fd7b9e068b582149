#pragma once
// The postmortem in Markdown, generated from what was recorded: summary, responders, timeline, cause, detection, impact
// with what the calls were, resolution, what went well and what did not, what others were told, action items. A pure
// function.

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "incident/action_items.h"
#include "incident/casework.h"
#include "incident/diagnosis.h"
#include "incident/service.h"

namespace sentinel::incident {

struct PostmortemInput {
  IncidentDetail detail;
  Case known;
  std::vector<ActionItem> actions;
  std::optional<Impact> impact;  // absent: it could not be measured
};
std::string postmortem_markdown(const PostmortemInput& input, TimePoint now);

}  // namespace sentinel::incident
