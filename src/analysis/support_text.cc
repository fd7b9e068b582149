#include "analysis/support_text.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cctype>

#include "analysis/common_words.h"
#include "analysis/limits.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

bool is_word_byte(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= 'a' && u <= 'z') || (u >= 'A' && u <= 'Z') || (u >= '0' && u <= '9') || u >= 0x80;
}

bool is_negation(std::string_view word) {
  return word == "not" || word == "no" || word == "never" || word == "without" || word == "neither" || word == "nor" ||
         word == "cannot" || word == "none" || word == "nobody" || word == "hardly" || word.ends_with("n't");
}

// Neutral: what leads up to a claim ("according to the text", "oh, yes") and claims nothing.
Stance stance_of(std::string_view word) {
  static const absl::flat_hash_map<std::string_view, Stance> kStances = [] {
    absl::flat_hash_map<std::string_view, Stance> out;
    for (std::string_view w :
         {"according", "text",      "document",  "passage",   "article",     "answer", "response", "context",
          "source",    "provided",  "given",     "based",     "states",      "stated", "says",     "mentions",
          "mentioned", "indicates", "described", "describes", "information", "page",   "section",  "paragraph",
          "excerpt",   "oh",        "ah",        "yes",       "yeah",        "yep",    "well",     "ok",
          "okay",      "hi",        "hello",     "hey",       "lol",         "haha",   "wow",      "actually",
          "basically", "indeed",    "correct",   "right"})
      out[w] = Stance::kNeutral;
    for (std::string_view w :
         {"i", "i'm", "i've", "i'd", "i'll", "im", "my", "me", "mine", "myself", "we", "we're", "we've", "our", "us"})
      out[w] = Stance::kSpeaker;
    for (std::string_view w :
         {"think",      "guess",  "believe", "love",     "loved",       "liked",    "hate",  "hope",
          "wish",       "enjoy",  "enjoyed", "favorite", "favourite",   "great",    "cool",  "awesome",
          "amazing",    "nice",   "fun",     "funny",    "interesting", "prefer",   "maybe", "perhaps",
          "probably",   "sure",   "wonder",  "heard",    "agree",       "glad",     "sorry", "pretty",
          "definitely", "really", "crazy",   "sad",      "beautiful",   "delicious"})
      out[w] = Stance::kOpinion;
    return out;
  }();
  const auto it = kStances.find(word);
  return it == kStances.end() ? Stance::kNone : it->second;
}

// Inflections that carry no fact: plural s, possessive.
std::string base_form(std::string word) {
  if (word.ends_with("'s")) word.resize(word.size() - 2);
  if (word.size() > 4 && word.ends_with('s') && !word.ends_with("ss")) word.pop_back();
  return word;
}

// One number is written in many ways: 1,000 and 1000; seven and 7.
std::string canonical_number(const std::string& word) {
  static const absl::flat_hash_map<std::string_view, std::string_view> kNames = {
      {"one", "1"},     {"two", "2"},     {"three", "3"},  {"four", "4"},   {"five", "5"},      {"six", "6"},
      {"seven", "7"},   {"eight", "8"},   {"nine", "9"},   {"ten", "10"},   {"eleven", "11"},   {"twelve", "12"},
      {"twenty", "20"}, {"thirty", "30"}, {"forty", "40"}, {"fifty", "50"}, {"hundred", "100"}, {"thousand", "1000"}};
  const auto it = kNames.find(word);
  return it == kNames.end() ? word : std::string(it->second);
}

Word make_word(const HeadModel& model, std::string_view raw, size_t begin, size_t end, bool sentence_start) {
  Word word;
  word.begin = begin;
  word.end = end;
  const std::string_view piece = raw.substr(begin, end - begin);
  std::string folded = fold(piece);
  word.negation = is_negation(folded);
  word.number = piece.find_first_of("0123456789") != std::string_view::npos;
  word.stance = stance_of(folded);
  const bool stop = is_stop_word(folded) || word.stance == Stance::kNeutral;
  word.weight = stop ? 0.0 : std::max(0.3, static_cast<double>(model.idf(hash_bytes(folded, 0x9e3779b9))));
  const bool upper = piece[0] >= 'A' && piece[0] <= 'Z';
  word.name = upper && !stop && (!sentence_start || word.weight > 5.0);
  if (word.number) {
    folded = replace_all(std::move(folded), ",", "");
  } else {
    folded = canonical_number(base_form(std::move(folded)));
    word.number = folded[0] >= '0' && folded[0] <= '9' && !stop;
  }
  word.hash = hash_bytes(folded, 11);
  word.text = std::move(folded);
  return word;
}

}  // namespace

Text support_text(const HeadModel& model, std::string_view raw) {
  Text out;
  size_t first = 0;
  bool start = true;
  const auto close = [&](bool question) {
    if (out.words.size() > first && out.sentences.size() < kSupportSentencesMax)
      out.sentences.push_back({first, out.words.size(), question});
    first = out.words.size();
    start = true;
  };
  for (size_t i = 0; i < raw.size();) {
    const char c = raw[i];
    if (is_word_byte(c)) {
      size_t j = i;
      const auto inside = [&](size_t at) {
        if (is_word_byte(raw[at])) return true;
        const bool next = at + 1 < raw.size() && is_word_byte(raw[at + 1]);
        if (raw[at] == '\'') return next;
        const bool digits = at > i && std::isdigit(static_cast<unsigned char>(raw[at - 1])) && next &&
                            std::isdigit(static_cast<unsigned char>(raw[at + 1]));
        return (raw[at] == ',' || raw[at] == '.') && digits;
      };
      while (j < raw.size() && inside(j)) ++j;
      out.words.push_back(make_word(model, raw, i, j, start));
      start = false;
      i = j;
      continue;
    }
    const bool stop = (c == '.' || c == '!' || c == '?') &&
                      (i + 1 >= raw.size() || raw[i + 1] == ' ' || raw[i + 1] == '\n' || raw[i + 1] == '"');
    // "J. Smith" and "Dr. Who" do not end a sentence.
    const bool initial = c == '.' && !out.words.empty() && out.words.back().end == i &&
                         i - out.words.back().begin <= 2 && out.words.back().name;
    if (c == '\n' || (stop && !initial)) close(c == '?');
    ++i;
  }
  close(false);
  return out;
}

}  // namespace sentinel::analysis
