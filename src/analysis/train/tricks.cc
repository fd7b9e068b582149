#include "analysis/train/tricks.h"

#include <utility>
#include <vector>

#include "base/strings.h"

namespace sentinel::analysis::train {
namespace {

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

using Table = std::vector<std::pair<char, const char*>>;
std::string replace_letters(const std::string& text, const Table& table) {
  std::string out;
  for (const char c : text) {
    std::string piece(1, c);
    for (const auto& [from, to] : table) {
      if (c == from) piece = to;
    }
    out += piece;
  }
  return out;
}

std::string zero_width(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (is_letter(c)) out += "\u200B";
  }
  return out;
}
std::string homoglyphs(const std::string& text) {
  return replace_letters(text, {{'a', "\u0430"}, {'e', "\u0435"}, {'o', "\u043E"}, {'i', "\u0456"}, {'c', "\u0441"}});
}
std::string leet(const std::string& text) {
  return replace_letters(text, {{'a', "4"}, {'e', "3"}, {'o', "0"}, {'i', "1"}});
}
std::string spaced(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == ' ' ? "  " : std::string(1, c) + " ";
  return out;
}
std::string rot13(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const char base = c >= 'a' ? 'a' : 'A';
    out += is_letter(c) ? static_cast<char>(base + (c - base + 13) % 26) : c;
  }
  return out;
}

}  // namespace

std::span<const Trick> tricks() {
  static const Trick kTricks[] = {
      {"zero width", zero_width},
      {"homoglyphs", homoglyphs},
      {"leet", leet},
      {"spaced", spaced},
      {"base64", [](const std::string& text) { return base64_encode(text); }},
      {"hex", [](const std::string& text) { return hex_encode(text); }},
      {"rot13", rot13},
  };
  return kTricks;
}

}  // namespace sentinel::analysis::train
