#pragma once
// Words and sentences as the support check sees them: folded, weighted by rarity, with what they are (number, name,
// negation) and whose voice they are.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/heads.h"

namespace sentinel::analysis {

// Whose voice a word is. A document cannot back what the speaker likes.
enum class Stance : uint8_t { kNone, kNeutral, kSpeaker, kOpinion };

struct Word {
  std::string text;  // folded
  size_t begin = 0;  // bytes in the raw text
  size_t end = 0;
  uint32_t hash = 0;
  double weight = 0;  // rarity; 0 for stop words
  bool number = false;
  bool name = false;  // capitalised where a common word would not be
  bool negation = false;
  Stance stance = Stance::kNone;
};

struct Sentence {
  size_t first = 0;  // words [first, last)
  size_t last = 0;
  bool question = false;
};

struct Text {
  std::vector<Word> words;
  std::vector<Sentence> sentences;
};

// At most kSupportSentencesMax sentences; words beyond belong to none.
Text support_text(const HeadModel& model, std::string_view raw);

}  // namespace sentinel::analysis
