#pragma once
// What an alert says about the incident it is in, and how the timeline puts a change. Private to the module.

#include <string>
#include <string_view>
#include <vector>

#include "incident/service.h"
#include "model/alert.h"

namespace sentinel::incident {

model::Severity severity_of(const model::Alert& alert);  // SEV3 when its label says nothing readable
std::string title_of(const model::Alert& alert);         // its summary, else its rule

// The alert the incident is called after: of those that would give it its title, the most severe. Null when a person
// gave the title.
const model::Alert* lead_of(const std::string& title, const std::vector<IncidentAlert>& alerts);

// What the lead says, then the other rules that found something, each once: one problem shows in several ways, and the
// first to be noticed is not the most telling.
std::string what_failed_of(const model::Alert& lead, const std::vector<IncidentAlert>& alerts);

// The typed details of a change: {"from":..,"to":..[,"note":..]}.
std::string change_json(std::string_view from, std::string_view to, std::string_view note = "");

}  // namespace sentinel::incident
