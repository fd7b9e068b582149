#pragma once
// Which language a text is written in: by its script, and within Latin script by its function words. Says nothing of
// short and mixed texts, for a wrong guess costs more than none. Pure functions.

#include <string_view>

namespace sentinel::analysis {

// "English", "German", …; "" when it cannot be told. `folded`: see fold() in normalize.h.
std::string_view language_of(std::string_view folded);
// Does `folded` name the language ("in French, please", "auf Französisch")? Then an answer in it is what was asked for.
bool names_language(std::string_view folded, std::string_view language);

}  // namespace sentinel::analysis
