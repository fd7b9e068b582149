// LiteLLM's price file, and ours written out.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "analysis/limits.h"
#include "analysis/price_table.h"
#include "base/strings.h"
#include "text/json.h"

namespace sentinel::analysis {
namespace {

namespace json = boost::json;
using internal::kPriceFields;
using internal::kPriceMax;

struct LiteLlmField {
  std::string_view name;
  std::optional<int64_t> TokenPrices::* member;
};
constexpr LiteLlmField kFields[] = {
    {"input_cost_per_token", &TokenPrices::input},
    {"cache_read_input_token_cost", &TokenPrices::cached_input},
    {"cache_creation_input_token_cost", &TokenPrices::cache_write},
    {"cache_creation_input_token_cost_above_1hr", &TokenPrices::cache_write_1h},
    {"output_cost_per_token", &TokenPrices::output},
    {"output_cost_per_reasoning_token", &TokenPrices::reasoning},
    {"input_cost_per_audio_token", &TokenPrices::audio_input},
    {"output_cost_per_audio_token", &TokenPrices::audio_output},
    {"input_cost_per_image_token", &TokenPrices::image_input},
    {"output_cost_per_image_token", &TokenPrices::image_output},
};

// Dollars a token, in micro-dollars per million of them; dollars a request in micro-dollars.
Result<std::optional<int64_t>> read_price(const json::object& entry, const std::string& name, double scale) {
  const json::value* value = entry.if_contains(name);
  if (value == nullptr || value->is_null()) return std::nullopt;
  double number = 0;
  if (value->is_number()) {
    number = value->to_number<double>();
  } else if (const auto text =
                 value->is_string() ? parse_double(std::string_view(value->get_string())) : std::nullopt) {
    number = *text;
  } else {
    return fail(ErrorCode::kInvalidArgument, name + " must be a number");
  }
  const double price = std::round(number * scale);
  if (!(price >= 0 && price <= static_cast<double>(kPriceMax)))
    return fail(ErrorCode::kInvalidArgument, name + " is out of range: " + format_double(number));
  return static_cast<int64_t>(price);
}

Result<TokenPrices> read_tokens(const json::object& entry, std::string_view suffix) {
  TokenPrices prices;
  for (const LiteLlmField& field : kFields) {
    SENTINEL_ASSIGN(prices.*field.member, read_price(entry, std::string(field.name) + std::string(suffix), 1e12));
  }
  return prices;
}

bool has_any(const TokenPrices& prices) {
  return std::any_of(kPriceFields.begin(), kPriceFields.end(),
                     [&](const auto& field) { return (prices.*field.member).has_value(); });
}

// The only tier by length that an entry has, where it has one: "..._above_200k_tokens".
int64_t long_context_of(const json::object& entry) {
  for (const int64_t thousands : {128, 200, 256, 272}) {
    if (entry.contains(fmt::format("input_cost_per_token_above_{}k_tokens", thousands))) return thousands * 1000;
  }
  return 0;
}

// False: nothing in it is priced by the input token.
Result<bool> read_entry(const json::object& entry, Price& price) {
  SENTINEL_ASSIGN(price.standard, read_tokens(entry, ""));
  SENTINEL_ASSIGN(price.request_microusd, read_price(entry, "input_cost_per_request", 1e6));
  if (!price.standard.input) return false;
  price.long_above_tokens = long_context_of(entry);
  if (price.long_above_tokens > 0) {
    SENTINEL_ASSIGN(price.long_context,
                    read_tokens(entry, fmt::format("_above_{}k_tokens", price.long_above_tokens / 1000)));
  }
  constexpr std::pair<const char*, const char*> kTiers[] = {
      {"flex", "_flex"}, {"priority", "_priority"}, {"batch", "_batches"}};
  for (const auto& [tier, suffix] : kTiers) {
    SENTINEL_ASSIGN(TokenPrices prices, read_tokens(entry, suffix));
    if (has_any(prices)) price.tiers.emplace_back(tier, prices);
  }
  return true;
}

std::string dollars(int64_t micro) {
  std::string text = fmt::format("{}.{:06}", micro / 1'000'000, micro % 1'000'000);
  while (text.ends_with('0')) text.pop_back();
  if (text.ends_with('.')) text.pop_back();
  return text;
}

void write_tokens(std::string& out, const TokenPrices& prices, const char* separator) {
  for (const auto& field : kPriceFields) {
    if (!(prices.*field.member)) continue;
    out += fmt::format("{}{}: {}", separator, field.name, dollars(*(prices.*field.member)));
    separator = ", ";
  }
}

}  // namespace

Result<PriceTable> parse_litellm_prices(std::string_view text, std::string_view file_name) {
  const auto root = text::parse_json_object(text, {.bytes_max = kPriceFileBytesMax, .depth_max = 32});
  if (!root) return fail(root.error().in_file(file_name));
  PriceTable table;
  table.source = std::string(file_name);
  for (const auto& field : *root) {
    const std::string_view name = field.key();
    if (name == "sample_spec" || name.empty() || name.size() > kPriceNameBytesMax) continue;
    const auto wrong = [&](const std::string& why) {
      return fail(Error(ErrorCode::kInvalidArgument, fmt::format("model {}: {}", name, why),
                        Position{std::string(file_name), 0, 0}));
    };
    const json::object* entry = field.value().if_object();
    if (entry == nullptr) return wrong("expected an object of prices");
    Price price;
    const auto priced = read_entry(*entry, price);
    if (!priced) return wrong(priced.error().message());
    if (!*priced) {
      ++table.skipped;
      continue;
    }
    if (table.by_model.size() >= kPriceModelsMax)
      return fail(ErrorCode::kTooLarge, fmt::format("{}: more than {} models", file_name, kPriceModelsMax));
    table.by_model.emplace(to_lower(name), std::move(price));
  }
  if (table.by_model.empty())
    return fail(Error(ErrorCode::kInvalidArgument, "no model has an input_cost_per_token",
                      Position{std::string(file_name), 1, 1}));
  return table;
}

std::string PriceTable::to_yaml() const {
  std::string out = "# Dollars per million tokens; `request` in dollars a call.\n";
  if (!as_of.empty()) out += fmt::format("as_of: {}\n", json_quote(as_of));
  if (!source.empty()) out += fmt::format("source: {}\n", json_quote(source));
  out += "models:\n";
  for (const auto& [name, price] : by_model) {
    out += fmt::format("  {}: {{", json_quote(name));
    write_tokens(out, price.standard, "");
    if (price.request_microusd) out += ", request: " + dollars(*price.request_microusd);
    if (price.long_above_tokens > 0) {
      out += fmt::format(", long_context: {{above_tokens: {}", price.long_above_tokens);
      write_tokens(out, price.long_context, ", ");
      out += "}";
    }
    for (const auto& [tier, prices] : price.tiers) {
      out += fmt::format(", {}: {{", tier);
      write_tokens(out, prices, "");
      out += "}";
    }
    out += "}\n";
  }
  return out;
}

}  // namespace sentinel::analysis
