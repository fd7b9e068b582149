#pragma once
// CHECK: an invariant that must hold; always on. DCHECK: the same on hot paths, in dev and sanitizer builds only.
// Neither is for input of users or of the network: those get an Error.

#include <string_view>

namespace sentinel {

[[noreturn]] void check_failed(std::string_view condition, std::string_view file, int line);

}  // namespace sentinel

#define SENTINEL_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::sentinel::check_failed(#condition, __FILE__, __LINE__))

#ifdef SENTINEL_DCHECK
#define SENTINEL_ASSERT(condition) SENTINEL_CHECK(condition)
#else
#define SENTINEL_ASSERT(condition) void(0)
#endif
