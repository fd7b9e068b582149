#pragma once
// What a call cost. Prices come from a YAML file; arithmetic is in whole micro-dollars.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/interaction.h"

namespace sentinel::analysis {

// Micro-dollars per million tokens.
struct Price {
  int64_t input = 0;
  int64_t cached_input = 0;  // the part of the input read from the provider's prompt cache
  int64_t output = 0;
  int64_t reasoning = 0;  // the part of the output spent on thinking
};

// Immutable once loaded, thread-safe.
struct PriceTable {
  std::map<std::string, Price, std::less<>> by_model;  // lower-case names and aliases

  // Errors name the file, line and column and what was expected.
  static Result<PriceTable> parse(std::string_view yaml, std::string_view file_name);
  static Result<PriceTable> load(const std::string& path);

  // The exact name, else the longest known name of which `model` is a dated or numbered version
  // ("gpt-4o-2024-08-06", "claude-sonnet-4@20250514", "models/gemini-2.5-pro-001"). A different model that merely
  // starts alike ("gpt-4o-mini") never matches. Null when unknown.
  const Price* find(std::string_view model) const;

  // Cached tokens are part of the input and reasoning tokens part of the output, as every provider's total counts them.
  // No value when the model or the token counts are unknown.
  std::optional<int64_t> cost_microusd(const model::Interaction& interaction) const;
};

}  // namespace sentinel::analysis
