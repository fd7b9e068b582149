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

// What the lead says, then what the other rules that found something would be called: one problem shows in several
// ways, and the first to be noticed is not the most telling.
std::string what_failed_of(const model::Alert& lead, std::vector<std::string> others);

// The typed details of a change: {"from":..,"to":..[,"note":..]}.
std::string change_json(std::string_view from, std::string_view to, std::string_view note = "");

}  // namespace sentinel::incident
