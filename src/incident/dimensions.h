#pragma once
// What failing calls are compared by.

#include <array>
#include <string_view>

namespace sentinel::incident {

struct Dimension {
  std::string_view name;      // in the diagnosis
  std::string_view sql;       // expression over llm_events, VARCHAR, or VARCHAR[] where `list`
  std::string_view sentence;  // {0}: value
  bool symptom = false;       // says how calls failed rather than why; ranked after causes
  bool list = false;          // a call has any number of values, and counts for each
};

inline constexpr std::string_view kPromptSize =
    "CASE WHEN tokens_input >= 32000 THEN '32,000 tokens and more' WHEN tokens_input >= 8000 THEN '8,000 to 32,000 "
    "tokens' WHEN tokens_input >= 2000 THEN '2,000 to 8,000 tokens' ELSE '' END";

// Earlier wins a tie: what an operator can act on first, and of names for the same calls the more general one.
inline constexpr std::array kDimensions{
    Dimension{"simulate_flags", "simulate_flags", "calls made with {}", false, true},
    Dimension{"provider", "provider", "provider {}"},
    Dimension{"model", "model", "model {}"},
    Dimension{"model_version", "model_version", "model version {}"},
    Dimension{"endpoint", "endpoint", "endpoint {}"},
    Dimension{"prompt_template", "prompt_template", "prompt template {}"},
    Dimension{"request_type", "request_type", "request type {}"},
    Dimension{"service", "service", "service {}"},
    Dimension{"env", "env", "environment {}"},
    Dimension{"user_hash", "user_hash", "user {}"},
    Dimension{"prompt_id", "prompt_id", "prompt {}"},
    Dimension{"fallback_used", "CASE WHEN fallback_used THEN 'fallback' ELSE '' END", "the {} route"},
    Dimension{"stream", "CASE WHEN stream THEN 'streamed' ELSE '' END", "{} answers"},
    Dimension{"error_type", "error_type", "error {}", true},
    Dimension{"safety_label", "safety_label", "safety label {}", true},
    Dimension{"finish_reason", "finish_reason", "finish reason {}", true},
    Dimension{"prompt_size", kPromptSize, "prompts of {}", true},
};

}  // namespace sentinel::incident
