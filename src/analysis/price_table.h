#pragma once
// What a call cost. Prices come from our YAML file or from LiteLLM's model_prices_and_context_window.json; arithmetic
// is in whole micro-dollars.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "model/interaction.h"

namespace sentinel::analysis {

// Micro-dollars per million tokens, by what the tokens are. Absent: as the more general class, which is the input for
// all of the input, and the output for all of the output.
struct TokenPrices {
  std::optional<int64_t> input;
  std::optional<int64_t> cached_input;    // read from the provider's prompt cache
  std::optional<int64_t> cache_write;     // written to it, kept for minutes
  std::optional<int64_t> cache_write_1h;  // written to it, kept for an hour
  std::optional<int64_t> output;
  std::optional<int64_t> reasoning;  // spent on thinking
  std::optional<int64_t> audio_input;
  std::optional<int64_t> audio_output;
  std::optional<int64_t> image_input;  // the tokens a provider counts for images
  std::optional<int64_t> image_output;
};

struct Price {
  TokenPrices standard;
  std::optional<int64_t> request_microusd;  // of each call
  // Calls whose whole input is longer pay these, where there is one.
  int64_t long_above_tokens = 0;  // 0: no such tier
  TokenPrices long_context;
  // By service tier: flex, priority, batch.
  std::vector<std::pair<std::string, TokenPrices>> tiers;
};

// Immutable once loaded, thread-safe.
struct PriceTable {
  std::map<std::string, Price, std::less<>> by_model;  // lower-case names and aliases
  std::string as_of;                                   // what the file says of its date and source; may be empty
  std::string source;
  size_t skipped = 0;  // entries of LiteLLM's file that price something else than tokens

  // Either format; a file that begins with { is LiteLLM's. Errors name the file, line and column and what was expected.
  static Result<PriceTable> parse(std::string_view text, std::string_view file_name);
  static Result<PriceTable> load(const std::string& path);
  // In our YAML, for `sentinel prices import`; parse() of it gives the same prices.
  std::string to_yaml() const;

  // The exact name, else the longest known name of which `model` is a dated or numbered version
  // ("gpt-4o-2024-08-06", "claude-sonnet-4@20250514", "models/gemini-2.5-pro-001"). A different model that merely
  // starts alike ("gpt-4o-mini") never matches. Null when unknown.
  const Price* find(std::string_view model) const;

  // Each token is priced once, by the most special class it is counted in. No value when the model or the token counts
  // are unknown.
  std::optional<int64_t> cost_microusd(const model::Interaction& interaction) const;
};

// LiteLLM's file: one object, by "provider/model" or model; prices in dollars a token. Entries without a price of input
// tokens (images, searches, ...) are counted as skipped.
Result<PriceTable> parse_litellm_prices(std::string_view json, std::string_view file_name);

namespace internal {
// The fields of TokenPrices and their names in our YAML.
struct PriceField {
  std::string_view name;
  std::optional<int64_t> TokenPrices::* member;
};
inline constexpr std::array<PriceField, 10> kPriceFields = {{{"input", &TokenPrices::input},
                                                             {"cached_input", &TokenPrices::cached_input},
                                                             {"cache_write", &TokenPrices::cache_write},
                                                             {"cache_write_1h", &TokenPrices::cache_write_1h},
                                                             {"output", &TokenPrices::output},
                                                             {"reasoning", &TokenPrices::reasoning},
                                                             {"audio_input", &TokenPrices::audio_input},
                                                             {"audio_output", &TokenPrices::audio_output},
                                                             {"image_input", &TokenPrices::image_input},
                                                             {"image_output", &TokenPrices::image_output}}};
inline constexpr int64_t kPriceMax = 100'000'000'000;  // 100,000 dollars per million tokens: more is a typing error
}  // namespace internal

}  // namespace sentinel::analysis
