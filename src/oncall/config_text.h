#pragma once
// People, schedules and policies as the YAML that parse_config() reads: the way back. Pure functions.

#include <string>
#include <string_view>

#include "oncall/config.h"

namespace sentinel::oncall {

// As it is written in YAML: plain where that reads back as the same text, in quotes otherwise.
std::string yaml_scalar(std::string_view text);

// users, teams, schedules, policies, maintenance, last_resort and default_policy; not channels, routes and calendars,
// of which a Config does not keep what was written. What it gives reads back equal.
std::string config_text(const Config& config);

}  // namespace sentinel::oncall
