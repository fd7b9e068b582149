#include "ingest/relabel.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <re2/re2.h>

#include "base/strings.h"

namespace sentinel::ingest {
namespace {

using text::YamlNode;

constexpr std::string_view kDefaultRegex = "(.*)";
constexpr std::array<std::string_view, 11> kActionNames{"replace",   "keep",      "drop",     "keepequal",
                                                        "dropequal", "hashmod",   "labelmap", "labeldrop",
                                                        "labelkeep", "lowercase", "uppercase"};

re2::StringPiece piece(std::string_view text) { return {text.data(), text.size()}; }

// The groups of one match: [0] is the whole.
using Groups = std::vector<re2::StringPiece>;

bool match(const re2::RE2& regex, std::string_view text, Groups& groups) {
  groups.assign(static_cast<size_t>(regex.NumberOfCapturingGroups()) + 1, {});
  return regex.Match(piece(text), 0, text.size(), re2::RE2::ANCHOR_BOTH, groups.data(),
                     static_cast<int>(groups.size()));
}

std::string_view group_value(const re2::RE2& regex, std::string_view name, const Groups& groups) {
  size_t index = groups.size();
  if (const auto number = parse_int(name); number && name[0] != '-') {
    index = static_cast<size_t>(*number);
  } else if (const auto it = regex.NamedCapturingGroups().find(std::string(name));
             it != regex.NamedCapturingGroups().end()) {
    index = static_cast<size_t>(it->second);
  }
  if (index >= groups.size() || groups[index].data() == nullptr) return {};
  return {groups[index].data(), groups[index].size()};
}

bool is_word(char c) { return c == '_' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

// Go's Regexp.Expand: $name, ${name} and $$; a $ that begins none of them stays.
std::string expand(const re2::RE2& regex, std::string_view pattern, const Groups& groups) {
  std::string out;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] != '$' || i + 1 == pattern.size()) {
      out += pattern[i];
      continue;
    }
    if (pattern[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const bool braced = pattern[i + 1] == '{';
    const size_t from = i + (braced ? 2 : 1);
    size_t to = from;
    while (to < pattern.size() && is_word(pattern[to])) ++to;
    if (to == from || (braced && (to == pattern.size() || pattern[to] != '}'))) {
      out += '$';
      continue;
    }
    out += group_value(regex, pattern.substr(from, to - from), groups);
    i = braced ? to : to - 1;
  }
  return out;
}

uint64_t hash_of(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_md5(), nullptr);
  uint64_t out = 0;
  for (size_t i = 8; i < 16; ++i) out = out << 8 | digest[i];
  return out;
}

std::string to_upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

void replace(const RelabelRule& rule, const std::string& value, model::Labels& labels) {
  Groups groups;
  if (!match(*rule.regex, value, groups)) return;
  const std::string target = expand(*rule.regex, rule.target_label, groups);
  if (target.empty() || !is_valid_utf8(target)) return;
  labels.set(target, expand(*rule.regex, rule.replacement, groups));
}

void map_names(const RelabelRule& rule, model::Labels& labels) {
  Groups groups;
  const model::Labels before = labels;
  for (const model::Label& label : before) {
    if (match(*rule.regex, label.name, groups)) labels.set(expand(*rule.regex, rule.replacement, groups), label.value);
  }
}

void filter_names(const RelabelRule& rule, bool drop_matching, model::Labels& labels) {
  Groups groups;
  const model::Labels before = labels;
  for (const model::Label& label : before) {
    if (match(*rule.regex, label.name, groups) == drop_matching) labels.remove(label.name);
  }
}

// False: dropped.
bool apply(const RelabelRule& rule, model::Labels& labels) {
  std::string value;
  for (size_t i = 0; i < rule.source_labels.size(); ++i) {
    if (i > 0) value += rule.separator;
    value += labels.get(rule.source_labels[i]);
  }
  Groups groups;
  switch (rule.action) {
    case RelabelAction::kReplace: replace(rule, value, labels); return true;
    case RelabelAction::kKeep: return match(*rule.regex, value, groups);
    case RelabelAction::kDrop: return !match(*rule.regex, value, groups);
    case RelabelAction::kKeepEqual: return labels.get(rule.target_label) == value;
    case RelabelAction::kDropEqual: return labels.get(rule.target_label) != value;
    case RelabelAction::kHashMod:
      labels.set(rule.target_label, std::to_string(hash_of(value) % rule.modulus));
      return true;
    case RelabelAction::kLabelMap: map_names(rule, labels); return true;
    case RelabelAction::kLabelDrop: filter_names(rule, true, labels); return true;
    case RelabelAction::kLabelKeep: filter_names(rule, false, labels); return true;
    case RelabelAction::kLowercase: labels.set(rule.target_label, to_lower(value)); return true;
    case RelabelAction::kUppercase: labels.set(rule.target_label, to_upper(value)); return true;
  }
  return true;
}

bool has_only_regex(const YamlNode& node) {
  for (const std::string_view key : {"source_labels", "separator", "modulus", "target_label", "replacement"}) {
    if (node.has(key)) return false;
  }
  return true;
}

bool equal_action_is_plain(const YamlNode& node) {
  for (const std::string_view key : {"regex", "modulus", "separator", "replacement"}) {
    if (node.has(key)) return false;
  }
  return true;
}

Status check(const YamlNode& node, const RelabelRule& rule, std::string_view name) {
  const bool needs_target = rule.action == RelabelAction::kReplace || rule.action == RelabelAction::kHashMod ||
                            rule.action == RelabelAction::kLowercase || rule.action == RelabelAction::kUppercase ||
                            rule.action == RelabelAction::kKeepEqual || rule.action == RelabelAction::kDropEqual;
  if (rule.action == RelabelAction::kHashMod && rule.modulus == 0) {
    return fail(node.error("relabel configuration for hashmod requires non-zero modulus"));
  }
  if (needs_target && rule.target_label.empty()) {
    return fail(node.error(fmt::format("relabel configuration for {} action requires 'target_label' value", name)));
  }
  if ((rule.action == RelabelAction::kLabelDrop || rule.action == RelabelAction::kLabelKeep) && !has_only_regex(node)) {
    return fail(node.error(fmt::format("{} action requires only 'regex', and no other fields", name)));
  }
  if ((rule.action == RelabelAction::kKeepEqual || rule.action == RelabelAction::kDropEqual) &&
      !equal_action_is_plain(node)) {
    return fail(node.error(
        fmt::format("{} action requires only 'source_labels' and `target_label`, and no other fields", name)));
  }
  return {};
}

Result<RelabelRule> parse_rule(const YamlNode& node) {
  SENTINEL_TRY(node.expect_keys(
      "relabel rule", {"source_labels", "separator", "regex", "modulus", "target_label", "replacement", "action"}));
  RelabelRule rule;
  SENTINEL_ASSIGN(rule.source_labels, node.strings_or("source_labels", {}));
  // Empty texts are values of their own here.
  if (node.has("separator") && !node.get("separator").is_null()) {
    SENTINEL_ASSIGN(rule.separator, node.get("separator").string());
  }
  if (node.has("replacement") && !node.get("replacement").is_null()) {
    SENTINEL_ASSIGN(rule.replacement, node.get("replacement").string());
  }
  SENTINEL_ASSIGN(rule.target_label, node.string_or("target_label", ""));
  SENTINEL_ASSIGN(const int64_t modulus, node.integer_or("modulus", 0));
  if (modulus < 0) return fail(node.get("modulus").error("expected a positive number"));
  rule.modulus = static_cast<uint64_t>(modulus);
  SENTINEL_ASSIGN(const std::string regex, node.string_or("regex", std::string(kDefaultRegex)));
  re2::RE2::Options options;
  options.set_log_errors(false);
  rule.regex = std::make_shared<const re2::RE2>(piece("(?s:" + regex + ")"), options);
  if (!rule.regex->ok()) return fail(node.get("regex").error("error parsing regexp: " + rule.regex->error()));
  SENTINEL_ASSIGN(const std::string action, node.string_or("action", "replace"));
  const std::string lower = to_lower(action);
  const auto* const it = std::find(kActionNames.begin(), kActionNames.end(), lower);
  if (it == kActionNames.end()) {
    return fail(node.get("action").error(fmt::format("unknown relabel action {}", go_quote(action))));
  }
  rule.action = static_cast<RelabelAction>(it - kActionNames.begin());
  SENTINEL_TRY(check(node, rule, lower));
  return rule;
}

}  // namespace

Result<RelabelRules> parse_relabel_rules(const YamlNode& node) {
  RelabelRules out;
  if (node.is_null()) return out;
  if (!node.is_list()) return fail(node.error("expected a list of relabel rules"));
  for (const YamlNode& item : node.items()) {
    SENTINEL_ASSIGN(out.emplace_back(), parse_rule(item));
  }
  return out;
}

bool relabel(const RelabelRules& rules, model::Labels& labels) {
  return std::all_of(rules.begin(), rules.end(), [&](const RelabelRule& rule) { return apply(rule, labels); });
}

}  // namespace sentinel::ingest
