#pragma once
// For tests: the dying process of the state module, by its name here.

#include "state/crashing_database.h"

namespace sentinel::alerting {

using state::Crash;
using state::CrashingDatabase;

}  // namespace sentinel::alerting
