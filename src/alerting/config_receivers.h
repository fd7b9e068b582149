#pragma once
// The receivers' part of alertmanager.yml. For alerting/config.cc only.

#include <vector>

#include "base/result.h"
#include "receivers/config.h"
#include "receivers/globals.h"
#include "text/yaml.h"

namespace sentinel::alerting {

Result<std::vector<receivers::ReceiverConfig>> parse_receivers(const text::YamlNode& node,
                                                               const receivers::Globals& globals);

}  // namespace sentinel::alerting
