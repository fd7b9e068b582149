#pragma once
// "@ada, can you look?": whom a text calls. Pure.

#include <string>
#include <string_view>
#include <vector>

namespace sentinel::incident {

// The names after an @ that begins a word, without it, each once, in order, at most kMentionsMax: letters, digits and
// "_-." within. "ada@example.org" calls nobody.
std::vector<std::string> mentions_in(std::string_view text);

}  // namespace sentinel::incident
