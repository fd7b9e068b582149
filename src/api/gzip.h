#pragma once
#include <string>
#include <string_view>

namespace sentinel::api {

// In gzip's format. Empty when it could not be done (out of memory).
std::string gzip(std::string_view bytes);
// Whether an Accept-Encoding header allows gzip.
bool accepts_gzip(std::string_view accept_encoding);

}  // namespace sentinel::api
