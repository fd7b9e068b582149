#include "gateway/protocol/asked_tokens.h"

#include "gateway/protocol/json_read.h"

namespace sentinel::gateway {

std::optional<int64_t> asked_output_tokens(std::string& body) {
  std::optional<int64_t> tokens;
  json_read::read_object(body, [&](std::string_view key, json_read::od::value value) {
    if (key == "max_tokens" || key == "max_completion_tokens" || key == "max_output_tokens") {
      if (const auto asked = json_read::integer_of(value); asked && *asked > 0) tokens = asked;
    } else if (key == "generationConfig" || key == "generation_config") {
      json_read::each_field_if(value, [&](std::string_view name, json_read::od::value v) {
        if (name != "maxOutputTokens" && name != "max_output_tokens") return;
        if (const auto asked = json_read::integer_of(v); asked && *asked > 0) tokens = asked;
      });
    }
  });
  return tokens;
}

}  // namespace sentinel::gateway
