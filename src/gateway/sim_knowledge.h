#pragma once
// What the simulated provider knows: short documents with a question each. The demo and the traffic generator ask from
// the same list, so that good answers really are grounded in the document that was given.

#include <span>
#include <string_view>

namespace sentinel::gateway {

struct Knowledge {
  std::string_view topic;
  std::string_view question;
  std::string_view document;  // three or four sentences of fact
};

std::span<const Knowledge> sim_knowledge();

}  // namespace sentinel::gateway
