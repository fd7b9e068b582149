#include "gateway/policy/guard_rules.h"

#include <re2/re2.h>

#include <algorithm>
#include <optional>

#include "gateway/policy/limits.h"
#include "text/yaml.h"

namespace sentinel::gateway {
namespace {

using text::YamlNode;

constexpr GuardCheck kChecks[] = {GuardCheck::kInjection, GuardCheck::kToxicity, GuardCheck::kRisky,  GuardCheck::kPii,
                                  GuardCheck::kSecrets,   GuardCheck::kKeyword,  GuardCheck::kPattern};
constexpr GuardDo kActions[] = {GuardDo::kFlag, GuardDo::kRedact, GuardDo::kBlock};

Result<std::shared_ptr<const re2::RE2>> compile(const YamlNode& node, const std::string& pattern) {
  RE2::Options options;
  options.set_log_errors(false);
  auto compiled = std::make_shared<const re2::RE2>(pattern, options);
  if (!compiled->ok()) return fail(node.error("not a regular expression of RE2: " + compiled->error()));
  if (RE2::FullMatch("", *compiled)) return fail(node.error("the pattern matches the empty text"));
  return compiled;
}

bool is_space_byte(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Whole words, without case. RE2 knows the boundaries of ASCII words only: elsewhere a part of a word matches too.
// Whether a sentence may end within the text: what ends one, and something after it.
bool holds_sentence_end(std::string_view text) {
  const size_t end = text.find_first_of(".!?\n");
  return (end != std::string_view::npos && text.find_first_of(" \t\r\n", end) != std::string_view::npos) ||
         text.find("。") != std::string_view::npos || text.find("！") != std::string_view::npos ||
         text.find("？") != std::string_view::npos;
}

// Whether what the pattern matches may have white space in it, or letters of scripts that end sentences without: by its
// letters alone, so that it says yes too often rather than too seldom.
bool may_cross_sentences(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (static_cast<unsigned char>(c) >= 0x80 || is_space_byte(c) || c == '.') return true;
    if (c == '[' && i + 1 < pattern.size() && (pattern[i + 1] == '^' || pattern[i + 1] == ':')) return true;
    if (c != '\\' || ++i >= pattern.size()) continue;
    const bool harmless = std::string_view("dwbBAzS").find(pattern[i]) != std::string_view::npos;
    if (is_word_byte(pattern[i]) && !harmless) return true;  // \s, \D, \n, \x20, \pZ, \C, ...
  }
  return false;
}

std::string words_pattern(const std::vector<std::string>& words) {
  std::string out = "(?i)(?:";
  for (const std::string& word : words) {
    if (!out.ends_with(':')) out += '|';
    if (is_word_byte(word.front())) out += "\\b";
    out += RE2::QuoteMeta(word);
    if (is_word_byte(word.back())) out += "\\b";
  }
  return out + ")";
}

Status read_pattern(const YamlNode& node, GuardRule& rule) {
  if (rule.check == GuardCheck::kKeyword) {
    SENTINEL_ASSIGN(const YamlNode list, node.require("guard with check: keyword", "words"));
    SENTINEL_ASSIGN(const std::vector<std::string> words, list.strings());
    if (words.empty() || words.size() > kGuardWordsMax) return fail(list.error("words must be 1 to 1000 words"));
    for (const std::string& word : words) {
      if (word.empty()) return fail(list.error("a word must not be empty"));
      if (holds_sentence_end(word)) rule.over_sentences = std::max(rule.over_sentences, word.size());
    }
    SENTINEL_ASSIGN(rule.pattern, compile(list, words_pattern(words)));
    return {};
  }
  SENTINEL_ASSIGN(const YamlNode text, node.require("guard with check: pattern", "pattern"));
  SENTINEL_ASSIGN(const std::string pattern, text.string());
  if (pattern.size() > kGuardPatternBytesMax) return fail(text.error("a pattern has at most 2000 bytes"));
  SENTINEL_ASSIGN(rule.pattern, compile(text, pattern));
  SENTINEL_ASSIGN(const int64_t longest, node.integer_or("longest", 0));
  if (longest < 0 || longest > static_cast<int64_t>(kGuardLongestMax))
    return fail(node.get("longest").error("longest must be at most 4096 bytes"));
  rule.longest = static_cast<size_t>(longest);
  if (may_cross_sentences(pattern)) rule.over_sentences = longest > 0 ? rule.longest : kGuardLookaheadBytes;
  return {};
}

template <class T, size_t N>
std::optional<T> word_of(const T (&all)[N], std::string_view (*name)(T), std::string_view word) {
  for (const T each : all) {
    if (name(each) == word) return each;
  }
  return std::nullopt;
}

Result<GuardRule> read_rule(const YamlNode& node) {
  SENTINEL_TRY(
      node.expect_keys("guard", {"name", "check", "action", "threshold", "words", "pattern", "longest", "message"}));
  GuardRule rule;
  SENTINEL_ASSIGN(const YamlNode check, node.require("guard", "check"));
  SENTINEL_ASSIGN(const std::string check_word, check.string());
  const auto known = word_of(kChecks, guard_check_name, check_word);
  if (!known)
    return fail(check.error("check must be injection, toxicity, risky, pii, secrets, keyword or pattern, not \"" +
                            check_word + "\""));
  rule.check = *known;
  SENTINEL_ASSIGN(const YamlNode action, node.require("guard", "action"));
  SENTINEL_ASSIGN(const std::string action_word, action.string());
  const auto act = word_of(kActions, guard_do_name, action_word);
  if (!act) return fail(action.error("action must be flag, redact or block, not \"" + action_word + "\""));
  rule.action = *act;
  if (rule.action == GuardDo::kRedact && !has_spans(rule.check))
    return fail(action.error(check_word + " is a risk of the whole text: it can be flagged or blocked, not redacted"));
  SENTINEL_ASSIGN(rule.threshold, node.number_or("threshold", rule.threshold));
  if (!(rule.threshold > 0 && rule.threshold <= 1))
    return fail(node.get("threshold").error("threshold must be above 0 and at most 1"));
  if (node.has("threshold") && has_spans(rule.check))
    return fail(node.get("threshold").error(check_word + " has no threshold"));
  if (rule.check == GuardCheck::kKeyword || rule.check == GuardCheck::kPattern) {
    SENTINEL_TRY(read_pattern(node, rule));
  } else {
    for (const std::string_view field : {"words", "pattern", "longest"}) {
      if (node.has(field)) return fail(node.get(field).error(check_word + " has no " + std::string(field)));
    }
  }
  SENTINEL_ASSIGN(rule.name, node.string_or("name", check_word));
  SENTINEL_ASSIGN(rule.message, node.string_or("message", ""));
  return rule;
}

Result<std::vector<GuardRule>> read_rules(const YamlNode& list) {
  std::vector<GuardRule> rules;
  if (!list.is_null() && !list.is_list()) return fail(list.error("must be a list of guards"));
  for (const YamlNode& node : list.items()) {
    if (rules.size() >= kGuardsPerRouteMax) return fail(node.error("at most 32 guards"));
    SENTINEL_ASSIGN(GuardRule rule, read_rule(node));
    rules.push_back(std::move(rule));
  }
  return rules;
}

}  // namespace

std::string_view guard_check_name(GuardCheck check) {
  switch (check) {
    case GuardCheck::kInjection: return "injection";
    case GuardCheck::kToxicity: return "toxicity";
    case GuardCheck::kRisky: return "risky";
    case GuardCheck::kPii: return "pii";
    case GuardCheck::kSecrets: return "secrets";
    case GuardCheck::kKeyword: return "keyword";
    case GuardCheck::kPattern: return "pattern";
  }
  return "";
}

bool has_spans(GuardCheck check) {
  return check == GuardCheck::kPii || check == GuardCheck::kSecrets || check == GuardCheck::kKeyword ||
         check == GuardCheck::kPattern;
}

std::string_view guard_do_name(GuardDo action) {
  switch (action) {
    case GuardDo::kFlag: return "flag";
    case GuardDo::kRedact: return "redact";
    case GuardDo::kBlock: return "block";
  }
  return "";
}

Result<GuardRules> read_guard_rules(const YamlNode& node) {
  GuardRules rules;
  SENTINEL_TRY(node.expect_keys("guards", {"before", "after"}));
  SENTINEL_ASSIGN(rules.before, read_rules(node.get("before")));
  SENTINEL_ASSIGN(rules.after, read_rules(node.get("after")));
  return rules;
}

}  // namespace sentinel::gateway
