#pragma once
// Undoes the tricks by which a text is hidden from a matcher but not from a model: Unicode look-alikes, invisible
// characters, spaced-out letters, leet spelling, and encodings. Pure functions, any bytes in, valid UTF-8 out.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sentinel::analysis {

enum Obfuscation : uint32_t {
  kInvisible = 1,  // zero-width or tag characters inside the text
  kHomoglyph = 2,  // letters of another script inside a Latin word
  kSpacedOut = 4,  // i g n o r e
  kLeet = 8,       // 1gn0re
  kBase64 = 16,
  kHex = 32,
  kRot13 = 64,
  kReversed = 128,
};

struct Normalized {
  std::string text;                  // NFKC, case-folded, accents dropped, spacing and leet undone
  std::vector<std::string> decoded;  // what was hidden in encodings, normalised in the same way
  uint32_t obfuscation = 0;          // Obfuscation bits seen
};

// NFKC, case folding, invisible characters, look-alikes and accents only; for comparing texts.
std::string fold(std::string_view text, uint32_t* obfuscation = nullptr);
// All of it. Texts are cut at kTextBytesMax.
Normalized normalize(std::string_view text);

}  // namespace sentinel::analysis
