#include "analysis/price_table.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>

#include "analysis/limits.h"
#include "base/file.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

constexpr int64_t kPriceMax = 100'000'000'000;  // 100,000 dollars per million tokens: more is a typing error

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

Result<Price> parse_price(const std::string& name, const YAML::Node& node, std::string_view file) {
  if (!node.IsMap())
    return fail(ErrorCode::kInvalidArgument,
                where(file, node.Mark()) + "model " + name + " must be a mapping with input and output");
  for (const auto& field : node) {
    const std::string key = field.first.Scalar();
    if (key != "input" && key != "output" && key != "cached_input" && key != "reasoning" && key != "aliases") {
      return fail(ErrorCode::kInvalidArgument, where(file, field.first.Mark()) + "unknown field \"" + key +
                                                   "\"; expected input, cached_input, output, reasoning or aliases");
    }
  }
  Price price;
  if (!node["input"])
    return fail(ErrorCode::kInvalidArgument, where(file, node.Mark()) + "model " + name + " has no input price");
  SENTINEL_ASSIGN(price.input, price_field(node, "input", file));
  price.cached_input = price.input;
  if (node["output"]) {
    SENTINEL_ASSIGN(price.output, price_field(node, "output", file));
  }
  price.reasoning = price.output;
  if (node["cached_input"]) {
    SENTINEL_ASSIGN(price.cached_input, price_field(node, "cached_input", file));
  }
  if (node["reasoning"]) {
    SENTINEL_ASSIGN(price.reasoning, price_field(node, "reasoning", file));
  }
  return price;
}

Status add_model(PriceTable& table, const YAML::Node& key, const YAML::Node& node, std::string_view file) {
  if (!key.IsScalar() || key.Scalar().empty())
    return fail(ErrorCode::kInvalidArgument, where(file, key.Mark()) + "expected a model name");
  Price price;
  SENTINEL_ASSIGN(price, parse_price(key.Scalar(), node, file));
  std::vector<std::pair<std::string, YAML::Mark>> names = {{to_lower(key.Scalar()), key.Mark()}};
  if (const YAML::Node aliases = node["aliases"]) {
    if (!aliases.IsSequence())
      return fail(ErrorCode::kInvalidArgument, where(file, aliases.Mark()) + "aliases must be a list of names");
    for (const YAML::Node& alias : aliases) {
      if (!alias.IsScalar())
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

Result<PriceTable> PriceTable::parse(std::string_view yaml, std::string_view file_name) {
  if (yaml.size() > kPriceFileBytesMax)
    return fail(ErrorCode::kTooLarge, std::string(file_name) + ": price file is larger than 1 MiB");
  try {
    const YAML::Node root = YAML::Load(std::string(yaml));
    if (!root.IsMap() || !root["models"] || !root["models"].IsMap()) {
      return fail(ErrorCode::kInvalidArgument,
                  where(file_name, root.Mark()) + "expected a mapping with the key models");
    }
    PriceTable table;
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

const Price* PriceTable::find(std::string_view model) const {
  std::string name = to_lower(model);
  for (std::string_view prefix : {"models/", "openai/", "anthropic/", "google/", "publishers/google/models/"}) {
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  }
  for (size_t length = name.size(); length > 0; --length) {
    if (!is_version_suffix(std::string_view(name).substr(length))) continue;
    const auto it = by_model.find(std::string_view(name).substr(0, length));
    if (it != by_model.end()) return &it->second;
  }
  return nullptr;
}

std::optional<int64_t> PriceTable::cost_microusd(const model::Interaction& call) const {
  if (!call.tokens_input && !call.tokens_output) return std::nullopt;
  const Price* price = find(call.model_version);
  if (!price) price = find(call.model);
  if (!price) return std::nullopt;
  const auto bounded = [](std::optional<int64_t> n) { return std::clamp<int64_t>(n.value_or(0), 0, 10'000'000); };
  const int64_t input = bounded(call.tokens_input);
  const int64_t output = bounded(call.tokens_output);
  const int64_t cached = std::min(input, bounded(call.tokens_cached_input));
  const int64_t reasoning = std::min(output, bounded(call.tokens_reasoning));
  const int64_t total = (input - cached) * price->input + cached * price->cached_input +
                        (output - reasoning) * price->output + reasoning * price->reasoning;
  return (total + 500'000) / 1'000'000;
}

}  // namespace sentinel::analysis
