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

uint64_t label_fingerprint(const Labels& labels) {
  uint64_t hash = 14695981039346656037U;
  const auto add = [&hash](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211U;
    hash = (hash ^ 0xffU) * 1099511628211U;
  };
  for (const Label& label : labels) {
    add(label.name);
    add(label.value);
  }
  return hash;
}

std::string Alert::fingerprint_hex() const { return fmt::format("{:016x}", fingerprint()); }

}  // namespace sentinel::model
