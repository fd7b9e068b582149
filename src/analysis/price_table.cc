#include "analysis/price_table.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "analysis/limits.h"
#include "base/file.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

using internal::kPriceFields;
using internal::kPriceMax;

std::string where(std::string_view file, const YAML::Mark& mark) {
  return std::string(file) + ":" + std::to_string(mark.line + 1) + ":" + std::to_string(mark.column + 1) + ": ";
}

// "2.50" dollars → 2500000 micro-dollars, exactly.
std::optional<int64_t> micro_dollars(std::string_view text) {
  const size_t dot = text.find('.');
  const std::string_view whole = text.substr(0, dot);
  std::string fraction(dot == std::string_view::npos ? "" : text.substr(dot + 1));
  if (whole.empty() || whole.size() > 6 || fraction.size() > 6) return std::nullopt;
  fraction.resize(6, '0');
  const auto digits = [](std::string_view s) {
    return std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (!digits(whole) || !digits(fraction)) return std::nullopt;
  const std::optional<int64_t> a = parse_int(whole);
  const std::optional<int64_t> b = parse_int(fraction);
  if (!a || !b) return std::nullopt;
  return *a * 1'000'000 + *b;
}

Result<int64_t> price_field(const YAML::Node& model, const char* key, std::string_view file) {
  const YAML::Node node = model[key];
  if (!node.IsScalar()) {
    return fail(ErrorCode::kInvalidArgument,
                where(file, node.Mark()) + key + " must be a number of dollars per million tokens");
  }
  const std::optional<int64_t> value = micro_dollars(node.Scalar());
  if (!value || *value > kPriceMax) {
    return fail(ErrorCode::kInvalidArgument,
                where(file, node.Mark()) + key +
                    " must be dollars per million tokens with at most 6 decimals, as 2.50, not \"" + node.Scalar() +
                    "\"");
  }
  return *value;
}

bool is_token_field(std::string_view key) {
  return std::any_of(kPriceFields.begin(), kPriceFields.end(), [&](const auto& field) { return field.name == key; });
}

Result<TokenPrices> parse_tokens(const YAML::Node& node, std::string_view file) {
  TokenPrices prices;
  for (const auto& field : kPriceFields) {
    if (!node[std::string(field.name)]) continue;
    SENTINEL_ASSIGN(prices.*field.member, price_field(node, std::string(field.name).c_str(), file));
  }
  return prices;
}

// Of a part of a model: `flex: {input: 1}`.
Result<TokenPrices> parse_part(const std::string& name, const YAML::Node& node, std::string_view file) {
  if (!node.IsMap()) return fail(ErrorCode::kInvalidArgument, where(file, node.Mark()) + name + " must be a mapping");
  for (const auto& field : node) {
    const std::string key = field.first.Scalar();
    if (name == "long_context" && key == "above_tokens") continue;
    if (!is_token_field(key))
      return fail(ErrorCode::kInvalidArgument,
                  where(file, field.first.Mark()) + "unknown field \"" + key + "\" in " + name);
  }
  return parse_tokens(node, file);
}

Status parse_long_context(const YAML::Node& node, std::string_view file, Price& price) {
  SENTINEL_ASSIGN(price.long_context, parse_part("long_context", node, file));
  const YAML::Node above = node["above_tokens"];
  const auto tokens = above && above.IsScalar() ? parse_int(above.Scalar()) : std::nullopt;
  if (!tokens || *tokens < 1)
    return fail(ErrorCode::kInvalidArgument, where(file, node.Mark()) + "long_context needs above_tokens, as 200000");
  price.long_above_tokens = *tokens;
  return {};
}

Result<Price> parse_price(const std::string& name, const YAML::Node& node, std::string_view file) {
  if (!node.IsMap())
    return fail(ErrorCode::kInvalidArgument,
                where(file, node.Mark()) + "model " + name + " must be a mapping with input and output");
  Price price;
  for (const auto& field : node) {
    const std::string key = field.first.Scalar();
    if (key == "long_context") {
      SENTINEL_TRY(parse_long_context(field.second, file, price));
    } else if (key == "flex" || key == "priority" || key == "batch") {
      SENTINEL_ASSIGN(TokenPrices tier, parse_part(key, field.second, file));
      price.tiers.emplace_back(key, tier);
    } else if (key == "request") {
      SENTINEL_ASSIGN(price.request_microusd, price_field(node, "request", file));
    } else if (key != "aliases" && !is_token_field(key)) {
      return fail(
          ErrorCode::kInvalidArgument,
          where(file, field.first.Mark()) + "unknown field \"" + key +
              "\"; expected input, cached_input, cache_write, cache_write_1h, output, reasoning, audio_input, "
              "audio_output, image_input, image_output, request, long_context, flex, priority, batch or aliases");
    }
  }
  if (!node["input"])
    return fail(ErrorCode::kInvalidArgument, where(file, node.Mark()) + "model " + name + " has no input price");
  SENTINEL_ASSIGN(price.standard, parse_tokens(node, file));
  return price;
}

bool is_name(const YAML::Node& node) {
  return node.IsScalar() && !node.Scalar().empty() && node.Scalar().size() <= kPriceNameBytesMax &&
         is_valid_utf8(node.Scalar());
}

Status add_model(PriceTable& table, const YAML::Node& key, const YAML::Node& node, std::string_view file) {
  if (!is_name(key)) return fail(ErrorCode::kInvalidArgument, where(file, key.Mark()) + "expected a model name");
  Price price;
  SENTINEL_ASSIGN(price, parse_price(key.Scalar(), node, file));
  std::vector<std::pair<std::string, YAML::Mark>> names = {{to_lower(key.Scalar()), key.Mark()}};
  if (const YAML::Node aliases = node["aliases"]) {
    if (!aliases.IsSequence())
      return fail(ErrorCode::kInvalidArgument, where(file, aliases.Mark()) + "aliases must be a list of names");
    for (const YAML::Node& alias : aliases) {
      if (!is_name(alias))
        return fail(ErrorCode::kInvalidArgument, where(file, alias.Mark()) + "an alias must be a name");
      names.emplace_back(to_lower(alias.Scalar()), alias.Mark());
    }
  }
  for (auto& [name, mark] : names) {
    if (table.by_model.size() >= kPriceModelsMax)
      return fail(ErrorCode::kTooLarge,
                  std::string(file) + ": more than " + std::to_string(kPriceModelsMax) + " models");
    if (!table.by_model.emplace(name, price).second)
      return fail(ErrorCode::kInvalidArgument, where(file, mark) + "model " + name + " is priced twice");
  }
  return {};
}

// "-2024-08-06", "-0613", "@20250514", "-001", "-latest", "-preview-05-20", ":free", "-v1:0".
bool is_version_suffix(std::string_view suffix) {
  if (suffix.empty()) return true;
  if (suffix[0] != '-' && suffix[0] != '@' && suffix[0] != ':') return false;
  suffix.remove_prefix(1);
  const size_t digits = std::min(suffix.find_first_not_of("0123456789"), suffix.size());
  if (digits >= 3) return digits == suffix.size() || suffix[digits] == '-' || suffix[digits] == ':';
  for (std::string_view word : {"latest", "preview", "exp", "v"}) {
    if (!suffix.starts_with(word)) continue;
    const std::string_view rest = suffix.substr(word.size());
    if (word == "v" ? !rest.empty() && rest[0] >= '0' && rest[0] <= '9' : rest.empty() || rest[0] == '-') return true;
  }
  return false;
}

}  // namespace

Result<PriceTable> PriceTable::parse(std::string_view text, std::string_view file_name) {
  if (text.size() > kPriceFileBytesMax)
    return fail(ErrorCode::kTooLarge, std::string(file_name) + ": price file is larger than 16 MiB");
  if (trim(text).starts_with('{')) return parse_litellm_prices(text, file_name);
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (!root.IsMap() || !root["models"] || !root["models"].IsMap()) {
      return fail(ErrorCode::kInvalidArgument,
                  where(file_name, root.Mark()) + "expected a mapping with the key models");
    }
    PriceTable table;
    for (const auto& field : root) {
      const std::string key = field.first.Scalar();
      if (key == "models") continue;
      if ((key != "as_of" && key != "source") || !field.second.IsScalar()) {
        return fail(ErrorCode::kInvalidArgument, where(file_name, field.first.Mark()) + "unknown field \"" + key +
                                                     "\"; expected as_of, source or models");
      }
      (key == "as_of" ? table.as_of : table.source) = field.second.Scalar();
    }
    for (const auto& entry : root["models"]) SENTINEL_TRY(add_model(table, entry.first, entry.second, file_name));
    return table;
  } catch (const YAML::Exception& error) {
    return fail(ErrorCode::kInvalidArgument, where(file_name, error.mark) + error.msg);
  }
}

Result<PriceTable> PriceTable::load(const std::string& path) {
  std::string text;
  SENTINEL_ASSIGN(text, posix_env().read_file(path));
  return parse(text, path);
}

namespace {

const Price* find_version(const std::map<std::string, Price, std::less<>>& by_model, std::string_view name) {
  for (size_t length = name.size(); length > 0; --length) {
    if (!is_version_suffix(name.substr(length))) continue;
    const auto it = by_model.find(name.substr(0, length));
    if (it != by_model.end()) return &it->second;
  }
  return nullptr;
}

}  // namespace

const Price* PriceTable::find(std::string_view model) const {
  std::string name = to_lower(model);
  if (const Price* price = find_version(by_model, name)) return price;
  for (std::string_view prefix : {"models/", "openai/", "anthropic/", "google/", "publishers/google/models/"}) {
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  }
  if (name.empty()) return nullptr;
  if (const Price* price = find_version(by_model, name)) return price;
  // LiteLLM's file names some only with who makes them.
  for (const std::string_view maker : {"openai/", "anthropic/", "gemini/"}) {
    if (const Price* price = find_version(by_model, std::string(maker) + name)) return price;
  }
  return nullptr;
}

namespace {

// Which prices a call pays; what a tier does not price is at the standard price.
const TokenPrices* special_prices(const Price& price, const model::Interaction& call, int64_t input) {
  for (const auto& [name, prices] : price.tiers) {
    if (name == call.service_tier) return &prices;
  }
  return price.long_above_tokens > 0 && input > price.long_above_tokens ? &price.long_context : nullptr;
}

// Of one class of tokens, or of the first class that has a price among those that are more and more general.
int64_t price_of(const TokenPrices* special, const TokenPrices& standard,
                 std::initializer_list<std::optional<int64_t> TokenPrices::*> classes) {
  for (const auto member : classes) {
    if (special != nullptr && special->*member) return *(special->*member);
    if (standard.*member) return *(standard.*member);
  }
  return 0;
}

}  // namespace

std::optional<int64_t> PriceTable::cost_microusd(const model::Interaction& call) const {
  if (!call.tokens_input && !call.tokens_output) return std::nullopt;
  const Price* price = find(call.model_version);
  if (!price && !call.provider.empty() && !call.model.empty()) price = find(call.provider + "/" + call.model);
  if (!price) price = find(call.model);
  if (!price) return std::nullopt;
  const auto bounded = [](std::optional<int64_t> n) { return std::clamp<int64_t>(n.value_or(0), 0, 10'000'000); };
  const int64_t input = bounded(call.tokens_input);
  const int64_t output = bounded(call.tokens_output);
  const TokenPrices* const special = special_prices(*price, call, input);
  const TokenPrices& standard = price->standard;
  // Each class takes its part of what is left, so that no token is paid for twice whatever a provider counts.
  int64_t left = input;
  const auto part = [&left](int64_t tokens) {
    const int64_t taken = std::min(left, tokens);
    left -= taken;
    return taken;
  };
  const auto price_for = [&](auto... classes) { return price_of(special, standard, {classes...}); };
  using T = TokenPrices;
  int64_t total = part(bounded(call.tokens_cached_input)) * price_for(&T::cached_input, &T::input);
  const int64_t hour = bounded(call.tokens_cache_write_1h);
  total += part(hour) * price_for(&T::cache_write_1h, &T::cache_write, &T::input);
  total += part(std::max<int64_t>(bounded(call.tokens_cache_write) - hour, 0)) * price_for(&T::cache_write, &T::input);
  total += part(bounded(call.tokens_audio_input)) * price_for(&T::audio_input, &T::input);
  total += part(bounded(call.tokens_image_input)) * price_for(&T::image_input, &T::input);
  total += left * price_for(&T::input);
  left = output;
  total += part(bounded(call.tokens_reasoning)) * price_for(&T::reasoning, &T::output);
  total += part(bounded(call.tokens_audio_output)) * price_for(&T::audio_output, &T::output);
  total += part(bounded(call.tokens_image_output)) * price_for(&T::image_output, &T::output);
  total += left * price_for(&T::output);
  return (total + 500'000) / 1'000'000 + price->request_microusd.value_or(0);
}

}  // namespace sentinel::analysis
