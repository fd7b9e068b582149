#pragma once
// Ways to hide an attack from a filter, for measuring what is still seen. Pure functions of the text.

#include <functional>
#include <span>
#include <string>

namespace sentinel::analysis::train {

struct Trick {
  const char* name;
  std::function<std::string(const std::string&)> hide;
};
std::span<const Trick> tricks();

}  // namespace sentinel::analysis::train
