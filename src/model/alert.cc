#include "model/alert.h"

#include <fmt/format.h>

namespace sentinel::model {

std::string_view alert_state_name(AlertState state) {
  switch (state) {
    case AlertState::kInactive: return "inactive";
    case AlertState::kPending: return "pending";
    case AlertState::kFiring: return "firing";
  }
  return "inactive";
}

std::string Alert::fingerprint_hex() const { return fmt::format("{:016x}", fingerprint()); }

}  // namespace sentinel::model
