#pragma once
// An incident in prose, written by a model for who has just been woken. It says nothing that the diagnosis did not
// find, and is marked as a model's words wherever it is shown. Pure functions: app asks the model.

#include <string>

#include "base/clock.h"
#include "incident/service.h"

namespace sentinel::incident {

// What the model is to do, and what it may know: what failed, why, findings, changes near the onset, the next step. No
// text of any call: neither do words of users leave, nor can they tell the model what to say.
std::string summary_instructions();
std::string summary_facts(const IncidentDetail& detail);

// One paragraph of plain text, at most kSummaryBytesMax; kUnavailable when nothing is left.
Result<std::string> clean_summary(std::string_view answer);

}  // namespace sentinel::incident
