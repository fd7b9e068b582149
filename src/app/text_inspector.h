#pragma once
// The gateway's questions to a text, answered by the analysis module.

#include <memory>

#include "base/result.h"
#include "gateway/policy/inspector.h"

namespace sentinel::app {

// Compiles the patterns of personal data (tens of milliseconds). Thread-safe.
Result<std::unique_ptr<gateway::TextInspector>> make_text_inspector();

}  // namespace sentinel::app
