#pragma once
// HTTP's gzip content coding. Pure functions.

#include <string>
#include <string_view>

#include "base/result.h"

namespace sentinel::net {

// In gzip's format. Empty when it could not be done (out of memory).
std::string gzip(std::string_view bytes);
// kInvalidArgument: not gzip, or cut; kTooLarge: more than `bytes_max` when unpacked.
Result<std::string> gunzip(std::string_view bytes, size_t bytes_max);
// Whether an Accept-Encoding header allows gzip.
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace sentinel::net
