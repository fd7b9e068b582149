#pragma once
// How many tokens a request allows its answer to have.

#include <cstdint>
#include <optional>
#include <string>

namespace sentinel::gateway {

// max_tokens, max_completion_tokens, max_output_tokens, generationConfig.maxOutputTokens; nullopt: no limit is asked
// for. `body` keeps its content; it may get more capacity.
std::optional<int64_t> asked_output_tokens(std::string& body);

}  // namespace sentinel::gateway
