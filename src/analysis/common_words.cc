#include "analysis/common_words.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <deque>
#include <string>

namespace sentinel::analysis {
namespace {

constexpr std::string_view kStopWords[] = {
    "the",    "of",   "and",   "a",     "to",   "in",   "is",     "you",  "that",    "it",    "he",    "was",
    "for",    "on",   "are",   "as",    "with", "his",  "they",   "i",    "at",      "be",    "this",  "have",
    "from",   "or",   "one",   "had",   "by",   "but",  "not",    "what", "all",     "were",  "we",    "when",
    "your",   "can",  "said",  "there", "an",   "each", "which",  "she",  "do",      "how",   "their", "if",
    "will",   "up",   "other", "about", "out",  "many", "then",   "them", "these",   "so",    "some",  "her",
    "would",  "make", "like",  "him",   "into", "has",  "more",   "no",   "could",   "my",    "than",  "been",
    "who",    "its",  "now",   "did",   "get",  "may",  "also",   "am",   "me",      "us",    "our",   "just",
    "does",   "very", "any",   "own",   "too",  "such", "only",   "over", "because", "while", "where", "why",
    "should", "must", "being", "those", "both", "here", "itself", "im",   "dont"};
constexpr std::string_view kFrequentWords[] = {
    "time",    "people",     "know",     "first",    "find",        "use",       "way",          "long",   "down",
    "day",     "come",       "made",     "part",     "please",      "write",     "tell",         "answer", "question",
    "give",    "new",        "work",     "year",     "after",       "before",    "through",      "back",   "good",
    "think",   "help",       "want",     "need",     "ignore",      "previous",  "instructions", "system", "prompt",
    "rules",   "reveal",     "above",    "password", "secret",      "following", "instead",      "output", "text",
    "message", "everything", "anything", "without",  "never",       "always",    "pretend",      "model",  "language",
    "explain", "create",     "show",     "print",    "respond",     "word",      "words",        "user",   "bomb",
    "kill",    "hack",       "email",    "data",     "information", "steps",     "using"};

using Table = absl::flat_hash_map<std::string_view, uint8_t>;  // keys are never freed

Table build_table() {
  static std::deque<std::string> derived;
  Table table;
  const auto add = [&](std::string_view word, uint8_t bits) {
    table[word] |= bits;
    if (word.size() < 3) return;
    std::string other(word);
    for (char& c : other) c = static_cast<char>('a' + (c - 'a' + 13) % 26);
    table[derived.emplace_back(other)] |= kCommonRot13;
    other.assign(word.rbegin(), word.rend());
    if (other != word) table[derived.emplace_back(other)] |= kCommonReversed;
  };
  for (std::string_view word : kStopWords) add(word, kCommonWord | kStopWord);
  for (std::string_view word : kFrequentWords) add(word, kCommonWord);
  // Words that are English both ways ("was" and "saw", "on" and "no") prove nothing.
  for (auto& [word, bits] : table) {
    if (bits & kCommonWord) bits &= static_cast<uint8_t>(~(kCommonRot13 | kCommonReversed));
  }
  for (std::string_view word : {"saw", "tub", "war", "era", "live", "tip", "won", "pus", "eyes"}) table.erase(word);
  return table;
}

}  // namespace

uint8_t common_word_flags(std::string_view lower_word) {
  static const auto kTable = build_table();
  const auto it = kTable.find(lower_word);
  return it == kTable.end() ? uint8_t{0} : it->second;
}

}  // namespace sentinel::analysis
