#include "ingest/target.h"

namespace sentinel::ingest {

std::string_view target_health_name(TargetHealth health) {
  switch (health) {
    case TargetHealth::kUnknown: return "unknown";
    case TargetHealth::kUp: return "up";
    case TargetHealth::kDown: return "down";
  }
  return "";
}

}  // namespace sentinel::ingest
