#pragma once
// Named limits of what people write into incidents.

#include <cstddef>

namespace sentinel::incident {

inline constexpr size_t kTitleBytesMax = 1000;
inline constexpr size_t kNoteBytesMax = 64 * 1024;

}  // namespace sentinel::incident
