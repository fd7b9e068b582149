#pragma once
#include <bit>
#include <cstdint>
#include <limits>

namespace sentinel::model {

struct Sample {
  int64_t t_ms = 0;
  double v = 0;
};

// The NaN whose bits mean "this series has ended here", distinct from an ordinary NaN value (Prometheus's StaleNaN).
inline constexpr uint64_t kStaleNaNBits = 0x7ff0000000000002ULL;
inline double stale_nan() { return std::bit_cast<double>(kStaleNaNBits); }
inline bool is_stale_nan(double v) { return std::bit_cast<uint64_t>(v) == kStaleNaNBits; }

}  // namespace sentinel::model
