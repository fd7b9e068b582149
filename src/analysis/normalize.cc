#include "analysis/normalize.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "analysis/common_words.h"
#include "analysis/limits.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Letters of other scripts (already lower case) that look like a Latin one; 0 when there is none.
char look_alike(uint32_t c) {
  struct Pair {
    uint32_t from;
    char to;
  };
  static constexpr Pair kPairs[] = {
      {0x03b1, 'a'}, {0x03b5, 'e'}, {0x03b9, 'i'}, {0x03ba, 'k'}, {0x03bd, 'v'}, {0x03bf, 'o'}, {0x03c1, 'p'},
      {0x03c3, 'o'}, {0x03c4, 't'}, {0x03c5, 'u'}, {0x03c7, 'x'}, {0x03c9, 'w'}, {0x0430, 'a'}, {0x0432, 'b'},
      {0x0435, 'e'}, {0x043a, 'k'}, {0x043c, 'm'}, {0x043d, 'h'}, {0x043e, 'o'}, {0x0440, 'p'}, {0x0441, 'c'},
      {0x0442, 't'}, {0x0443, 'y'}, {0x0445, 'x'}, {0x044c, 'b'}, {0x0455, 's'}, {0x0456, 'i'}, {0x0458, 'j'},
      {0x04bb, 'h'}, {0x04cf, 'l'}, {0x0501, 'd'}, {0x051b, 'q'}, {0x051d, 'w'}, {0x0566, 'q'}, {0x0570, 'h'},
      {0x0578, 'n'}, {0x057d, 'u'}, {0x0585, 'o'}, {0x0581, 'g'}, {0x0261, 'g'}, {0x0251, 'a'}, {0x0269, 'i'},
      {0x026a, 'i'}, {0x0280, 'r'}, {0x0274, 'n'}, {0x1d00, 'a'}, {0x1d04, 'c'}, {0x1d05, 'd'}, {0x1d07, 'e'},
      {0x1d0a, 'j'}, {0x1d0b, 'k'}, {0x1d0d, 'm'}, {0x1d0f, 'o'}, {0x1d18, 'p'}, {0x1d1b, 't'}, {0x1d1c, 'u'},
      {0x1d20, 'v'}, {0x1d21, 'w'}, {0x1d22, 'z'}, {0x0299, 'b'}, {0x0262, 'g'}, {0x029c, 'h'}, {0x029f, 'l'},
      {0x028f, 'y'}, {0xa731, 's'}, {0xa730, 'f'}};
  for (const Pair& pair : kPairs) {
    if (pair.from == c) return pair.to;
  }
  return 0;
}

// The ASCII base of an accented Latin letter, 0 when there is none.
char latin_base(uint32_t c) {
  static const std::array<char, 0x1f00> kTable = [] {
    std::array<char, 0x1f00> table{};
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(error);
    if (U_FAILURE(error)) return table;
    for (int32_t code = 0xc0; code < 0x1f00; ++code) {
      icu::UnicodeString parts;
      if (nfd->getDecomposition(code, parts) && parts.length() > 0 && parts[0] < 0x80) {
        table[static_cast<size_t>(code)] = static_cast<char>(parts[0]);
      }
    }
    table[0xdf] = 's';
    table[0xf8] = 'o';
    table[0x142] = 'l';
    table[0x111] = 'd';
    table[0x131] = 'i';
    return table;
  }();
  return c < kTable.size() ? kTable[c] : char{0};
}

bool is_invisible(uint32_t c) {
  return c == 0xad || c == 0x34f || c == 0x61c || (c >= 0x180b && c <= 0x180f) || (c >= 0x200b && c <= 0x200f) ||
         (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe0fff);
}

std::vector<uint32_t> code_points(std::string_view text) {
  std::vector<uint32_t> out;
  out.reserve(text.size());
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const int32_t size = static_cast<int32_t>(text.size());
  for (int32_t i = 0; i < size;) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(bytes, i, size, c);
    out.push_back(static_cast<uint32_t>(c));
  }
  return out;
}

std::string nfkc_casefold(std::string_view text) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = icu::Normalizer2::getNFKCCasefoldInstance(error);
  std::string out;
  if (U_FAILURE(error)) return to_lower(text);
  icu::StringByteSink<std::string> sink(&out, static_cast<int32_t>(text.size()));
  normalizer->normalizeUTF8(0, icu::StringPiece(text.data(), static_cast<int32_t>(text.size())), sink, nullptr, error);
  return U_FAILURE(error) ? to_lower(text) : out;
}

bool is_other_letter(uint32_t c) { return c >= 0xc0 && c != 0xd7 && c != 0xf7 && !(c >= 0x2000 && c < 0x2e80); }
bool is_word_char(uint32_t c) { return c < 0x80 ? is_alpha(static_cast<char>(c)) : is_other_letter(c); }

// Maps one word: accents always; look-alikes when Latin letters stand beside them, or when the whole word could be
// read as Latin and the text is otherwise Latin.
void fold_word(const uint32_t* begin, const uint32_t* end, bool latin_text, std::string& out, bool& homoglyph) {
  bool latin = false;
  bool all_alike = true;
  for (const uint32_t* p = begin; p != end; ++p) {
    if (*p < 0x80 || latin_base(*p)) {
      latin = true;
    } else if (!look_alike(*p)) {
      all_alike = false;
    }
  }
  const bool map = latin || (all_alike && latin_text);
  for (const uint32_t* p = begin; p != end; ++p) {
    if (*p >= 0x300 && *p <= 0x36f) continue;
    char c = *p < 0x80 ? static_cast<char>(*p) : latin_base(*p);
    if (!c && map) {
      c = look_alike(*p);
      homoglyph = homoglyph || c;
    }
    if (c) {
      out.push_back(c);
    } else {
      append_utf8(out, *p);
    }
  }
}

std::string fold_scripts(const std::vector<uint32_t>& points, bool& homoglyph) {
  size_t latin = 0;
  size_t letters = 0;
  for (uint32_t c : points) {
    if (!is_word_char(c)) continue;
    ++letters;
    latin += c < 0x250;
  }
  const bool latin_text = latin * 3 >= letters;
  std::string out;
  out.reserve(points.size());
  for (size_t i = 0; i < points.size();) {
    if (!is_word_char(points[i])) {
      append_utf8(out, points[i]);
      ++i;
      continue;
    }
    size_t j = i;
    while (j < points.size() && is_word_char(points[j])) ++j;
    fold_word(points.data() + i, points.data() + j, latin_text, out, homoglyph);
    i = j;
  }
  return out;
}

// "i g n o r e", "i-g-n-o-r-e", "i.g.n.o.r.e": at least four single letters with one and the same separator.
std::string join_spaced(const std::string& text, bool& found) {
  static constexpr std::string_view kSeparators = " .-_*|/,";
  std::string out;
  out.reserve(text.size());
  const size_t size = text.size();
  const auto letter = [&](size_t at) { return at < size && (is_alpha(text[at]) || is_digit(text[at])); };
  for (size_t i = 0; i < size;) {
    const bool starts = letter(i) && (i == 0 || !letter(i - 1)) && i + 2 < size && letter(i + 2) &&
                        kSeparators.find(text[i + 1]) != std::string_view::npos;
    if (!starts) {
      out.push_back(text[i++]);
      continue;
    }
    const char separator = text[i + 1];
    size_t count = 1;
    size_t alpha = is_alpha(text[i]);
    size_t j = i + 1;
    while (j + 1 < size && text[j] == separator && letter(j + 1) && !letter(j + 2)) {
      alpha += is_alpha(text[j + 1]);
      ++count;
      j += 2;
    }
    if (count < 4 || alpha * 2 < count) {
      out.push_back(text[i++]);
      continue;
    }
    for (size_t k = i; k < j; k += 2) out.push_back(text[k]);
    found = true;
    i = j;
    // A wider gap was a word boundary.
    if (i < size && text[i] == ' ') {
      while (i + 1 < size && text[i + 1] == ' ') ++i;
    }
  }
  return out;
}

char unleet_char(char c) {
  switch (c) {
    case '0': return 'o';
    case '1': return 'i';
    case '3': return 'e';
    case '4': return 'a';
    case '5': return 's';
    case '7': return 't';
    case '8': return 'b';
    case '9': return 'g';
    case '@': return 'a';
    case '$': return 's';
    case '!': return 'i';
    case '|': return 'i';
    case '+': return 't';
    default: return 0;
  }
}

// A word is leet when a substitute stands before a letter, most of it is letters, and no long number is inside:
// "1gn0re" and "p@ssw0rd", not "covid19", "sha256" or an e-mail address.
bool is_leet(std::string_view word) {
  size_t letters = 0;
  size_t substitutes = 0;
  size_t run = 0;
  size_t run_max = 0;
  bool before_letter = false;
  for (size_t i = 0; i < word.size(); ++i) {
    if (is_alpha(word[i])) {
      ++letters;
      run = 0;
      continue;
    }
    if (!unleet_char(word[i])) return false;
    ++substitutes;
    run = is_digit(word[i]) ? run + 1 : 0;
    run_max = std::max(run_max, run);
    before_letter = before_letter || (i + 1 < word.size() && is_alpha(word[i + 1]));
  }
  return substitutes > 0 && letters >= 2 && before_letter && run_max <= 2 && word.size() <= 24 && word.size() >= 4 &&
         substitutes <= letters + 1;
}

std::string undo_leet(const std::string& text, bool& found) {
  std::string out;
  out.reserve(text.size());
  const auto in_word = [](char c) { return is_alpha(c) || unleet_char(c) || c == '2' || c == '6'; };
  for (size_t i = 0; i < text.size();) {
    if (!in_word(text[i])) {
      out.push_back(text[i++]);
      continue;
    }
    size_t j = i;
    while (j < text.size() && in_word(text[j])) ++j;
    size_t end = j;  // a trailing "!" or "|" is punctuation
    while (end > i && (text[end - 1] == '!' || text[end - 1] == '|' || text[end - 1] == '+')) --end;
    const std::string_view word(text.data() + i, end - i);
    const bool mail = word.find('@') != std::string_view::npos && j < text.size() && text[j] == '.';
    if (!mail && is_leet(word)) {
      found = true;
      for (char c : word) out.push_back(is_alpha(c) ? c : unleet_char(c));
      out.append(text, end, j - end);
    } else {
      out.append(text, i, j - i);
    }
    i = j;
  }
  return out;
}

// Letters, spaces and common marks in valid UTF-8. Scripts other than Latin may do without spaces.
bool looks_like_text(std::string_view bytes) {
  if (bytes.size() < 8) return false;
  size_t good = 0;
  size_t spaces = 0;
  size_t wide = 0;
  for (char c : bytes) {
    wide += static_cast<unsigned char>(c) >= 0x80;
    good += is_alpha(c) || c == ' ' || c == '.' || c == ',' || c == '\'' || c == '\n' || c == '-' || c == '?' ||
            c == '!' || c == ':' || is_digit(c);
    spaces += c == ' ';
  }
  if (wide > 0 && !is_valid_utf8(bytes)) return false;
  return (good + wide) * 100 >= bytes.size() * 90 &&
         (spaces * 14 >= bytes.size() || bytes.size() < 24 || wide * 2 > bytes.size());
}

bool is_base64_char(char c) { return is_alpha(c) || is_digit(c) || c == '+' || c == '/' || c == '-' || c == '_'; }

// `runs` gets the byte ranges that were decoded, when wanted.
using Runs = std::vector<std::pair<size_t, size_t>>;

void find_base64(std::string_view text, int depth, std::vector<std::string>& out, Runs* runs) {
  for (size_t i = 0; i < text.size() && out.size() < kDecodedSegmentsMax;) {
    if (!is_base64_char(text[i])) {
      ++i;
      continue;
    }
    size_t j = i;
    while (j < text.size() && is_base64_char(text[j])) ++j;
    size_t end = j;
    while (end < text.size() && text[end] == '=' && end < j + 2) ++end;
    const std::string_view run = text.substr(i, std::min(end - i, kDecodedBytesMax / 4 * 4));
    if (run.size() >= 16) {
      std::optional<std::string> bytes = base64_decode(run);
      const size_t before = out.size();
      if (bytes && looks_like_text(*bytes)) {
        out.push_back(std::move(*bytes));
      } else if (bytes && depth + 1 < kDecodeDepthMax) {
        find_base64(*bytes, depth + 1, out, nullptr);
      }
      if (runs && out.size() > before) runs->emplace_back(i, end);
    }
    i = end;
  }
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Pairs of hex digits, joined or each after the same marker: 69676e, 69 67 6e, \x69\x67, %69%67, 0x69 0x67.
void find_hex(std::string_view text, std::vector<std::string>& out, Runs& runs) {
  static constexpr std::string_view kMarkers[] = {"\\x", "%", " 0x", ", 0x", ",0x", " ", ":", "-", ""};
  size_t i = 0;
  while (i + 1 < text.size() && out.size() < kDecodedSegmentsMax) {
    const bool boundary = i == 0 || hex_value(text[i - 1]) < 0;
    if (!boundary || hex_value(text[i]) < 0 || hex_value(text[i + 1]) < 0) {
      ++i;
      continue;
    }
    size_t best = i + 2;
    std::string bytes;
    for (std::string_view marker : kMarkers) {
      std::string candidate;
      size_t j = i;
      while (j + 1 < text.size() && hex_value(text[j]) >= 0 && hex_value(text[j + 1]) >= 0 &&
             candidate.size() < kDecodedBytesMax) {
        candidate.push_back(static_cast<char>(hex_value(text[j]) * 16 + hex_value(text[j + 1])));
        j += 2;
        if (text.substr(j, marker.size()) != marker) break;
        j += marker.size();
      }
      if (candidate.size() > bytes.size()) {
        bytes = std::move(candidate);
        best = std::max(best, j);
      }
      if (bytes.size() >= 8) break;
    }
    if (looks_like_text(bytes)) {
      out.push_back(std::move(bytes));
      runs.emplace_back(i, best);
    }
    i = best;
  }
}

std::string rot13(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>('a' + (c - 'a' + 13) % 26);
    if (c >= 'A' && c <= 'Z') c = static_cast<char>('A' + (c - 'A' + 13) % 26);
  }
  return out;
}

struct WordHints {
  size_t plain = 0;
  size_t rotated = 0;
  size_t reversed = 0;
};

WordHints count_hints(std::string_view lower) {
  WordHints hints;
  size_t words = 0;
  for (size_t i = 0; i < lower.size() && words < 400;) {
    if (!is_alpha(lower[i])) {
      ++i;
      continue;
    }
    size_t j = i;
    while (j < lower.size() && is_alpha(lower[j])) ++j;
    ++words;
    if (j - i >= 3 && j - i <= 12) {
      const uint8_t flags = common_word_flags(lower.substr(i, j - i));
      hints.plain += (flags & kCommonWord) != 0;
      hints.rotated += (flags & kCommonRot13) != 0;
      hints.reversed += (flags & kCommonReversed) != 0;
    }
    i = j;
  }
  return hints;
}

// Characters U+E0020..U+E007E are invisible copies of ASCII: text can hide in them.
std::string hidden_tags(const std::vector<uint32_t>& points) {
  std::string out;
  for (uint32_t c : points) {
    if (c >= 0xe0020 && c <= 0xe007e) out.push_back(static_cast<char>(c - 0xe0000));
  }
  return out;
}

void undo_spelling(std::string& text, uint32_t& bits) {
  bool spaced = false;
  bool leet = false;
  text = join_spaced(text, spaced);
  text = undo_leet(text, leet);
  if (spaced) bits |= kSpacedOut;
  if (leet) bits |= kLeet;
}

void add_decoded(std::string_view plain, Normalized& out) {
  if (out.decoded.size() >= kDecodedSegmentsMax) return;
  std::string folded = fold(plain);
  undo_spelling(folded, out.obfuscation);
  out.decoded.push_back(std::move(folded));
}

// Base64 and hex runs become decoded parts; in `raw` they turn to blanks, since their letters mean nothing.
void decode_runs(std::string& raw, int depth, Normalized& out) {
  std::vector<std::string> found;
  Runs runs;
  find_base64(raw, depth, found, &runs);
  if (!found.empty()) out.obfuscation |= kBase64;
  const size_t before = found.size();
  find_hex(raw, found, runs);
  if (found.size() > before) out.obfuscation |= kHex;
  for (const auto& [begin, end] : runs)
    std::fill(raw.begin() + static_cast<int64_t>(begin), raw.begin() + static_cast<int64_t>(end), ' ');
  for (std::string& part : found) {
    if (depth + 1 < kDecodeDepthMax) decode_runs(part, depth + 1, out);
    add_decoded(part, out);
  }
}

// Rotated or reversed text: what it hides takes its place, unless plain English stands beside it.
void decode_whole(Normalized& out) {
  const WordHints hints = count_hints(out.text);
  std::string plain;
  if (hints.rotated >= 2 && hints.rotated * 3 > hints.plain) {
    plain = rot13(out.text);
    out.obfuscation |= kRot13;
  } else if (hints.reversed >= 2 && hints.reversed * 2 > hints.plain) {
    plain.assign(out.text.rbegin(), out.text.rend());
    plain = to_valid_utf8(plain);
    out.obfuscation |= kReversed;
  }
  if (plain.empty()) return;
  if (hints.plain >= 3) {
    add_decoded(plain, out);
  } else {
    out.text = std::move(plain);
  }
}

}  // namespace

std::string fold(std::string_view text, uint32_t* obfuscation) {
  if (is_ascii(text)) return to_lower(text);
  uint32_t bits = 0;
  size_t invisible = 0;
  for (uint32_t c : code_points(text)) invisible += is_invisible(c) && c != 0xfeff;
  if (invisible > 0) bits |= kInvisible;
  bool homoglyph = false;
  std::string out = fold_scripts(code_points(nfkc_casefold(text)), homoglyph);
  if (homoglyph) bits |= kHomoglyph;
  if (obfuscation) *obfuscation |= bits;
  return out;
}

Normalized normalize(std::string_view text) {
  std::string raw(utf8_prefix(text, kTextBytesMax));
  Normalized out;
  decode_runs(raw, 0, out);
  out.text = fold(raw, &out.obfuscation);
  undo_spelling(out.text, out.obfuscation);
  decode_whole(out);
  if (out.obfuscation & kInvisible) {
    const std::string hidden = hidden_tags(code_points(raw));
    if (hidden.size() >= 8) add_decoded(hidden, out);
  }
  return out;
}

}  // namespace sentinel::analysis
