#pragma once
#include <string_view>

namespace sentinel::promql {

// Order of sort_by_label: runs of digits compare as numbers, all else as text.
bool natural_less(std::string_view a, std::string_view b);

}  // namespace sentinel::promql
