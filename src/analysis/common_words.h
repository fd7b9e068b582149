#pragma once
// The most frequent English words: what is not a name, what tells plain text from rotated or reversed text.
#include <cstdint>
#include <string_view>

namespace sentinel::analysis {

inline constexpr uint8_t kCommonWord = 1;      // the word itself
inline constexpr uint8_t kCommonRot13 = 2;     // its rotation by 13
inline constexpr uint8_t kCommonReversed = 4;  // read backwards
inline constexpr uint8_t kStopWord = 8;        // carries no topic: the, of, was

// Bits above for a lower-case word; 0 when it is none.
uint8_t common_word_flags(std::string_view lower_word);
inline bool is_stop_word(std::string_view lower_word) { return (common_word_flags(lower_word) & kStopWord) != 0; }

}  // namespace sentinel::analysis
