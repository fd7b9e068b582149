#include "promql/natural_order.h"

#include <charconv>
#include <cstdint>
#include <optional>

namespace sentinel::promql {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The run of digits, or of anything else, at the front.
std::string_view take_chunk(std::string_view& text) {
  size_t n = 1;
  while (n < text.size() && is_digit(text[n]) == is_digit(text[0])) ++n;
  const std::string_view chunk = text.substr(0, n);
  text.remove_prefix(n);
  return chunk;
}

std::optional<int64_t> number(std::string_view chunk) {
  int64_t v = 0;
  const auto [end, error] = std::from_chars(chunk.data(), chunk.data() + chunk.size(), v);
  if (error != std::errc() || end != chunk.data() + chunk.size()) return std::nullopt;
  return v;
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  while (!a.empty()) {
    if (b.empty()) return false;
    const std::string_view x = take_chunk(a);
    const std::string_view y = take_chunk(b);
    const auto m = is_digit(x[0]) ? number(x) : std::nullopt;
    const auto n = is_digit(y[0]) ? number(y) : std::nullopt;
    if (m && n) {
      if (*m != *n) return *m < *n;
    } else if (x != y) {
      return x < y;
    }
  }
  return !b.empty();
}

}  // namespace sentinel::promql
