#include "incident/mentions.h"

#include <algorithm>

#include "incident/limits.h"

namespace sentinel::incident {
namespace {

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_inner(char c) { return is_letter(c) || c == '-' || c == '.'; }

}  // namespace

std::vector<std::string> mentions_in(std::string_view text) {
  std::vector<std::string> out;
  for (size_t i = 0; i < text.size() && out.size() < kMentionsMax; ++i) {
    if (text[i] != '@' || (i > 0 && is_inner(text[i - 1]))) continue;
    size_t end = i + 1;
    while (end < text.size() && is_inner(text[end])) ++end;
    while (end > i + 1 && !is_letter(text[end - 1])) --end;  // the full stop after a name
    std::string name(text.substr(i + 1, end - i - 1));
    if (!name.empty() && is_letter(name.front()) && std::find(out.begin(), out.end(), name) == out.end())
      out.push_back(std::move(name));
  }
  return out;
}

}  // namespace sentinel::incident
