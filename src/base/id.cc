#include "base/id.h"

#include <algorithm>
#include <string_view>

#include "base/random.h"
#include "base/strings.h"

namespace sentinel {

std::string new_id(TimePoint now) {
  constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  const auto ms = static_cast<uint64_t>(std::max<int64_t>(to_ms(now), 0));
  const std::string random = secure_random(16);
  std::string out(26, '0');
  for (size_t i = 0; i < 10; ++i) out[i] = kCrockford[(ms >> (45 - 5 * i)) & 31];
  // 256 is a multiple of 32, so five bits of each byte are uniform.
  for (size_t i = 0; i < 16; ++i) out[10 + i] = kCrockford[static_cast<uint8_t>(random[i]) & 31];
  return out;
}

std::string new_uuid() {
  std::string bytes = secure_random(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0F) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3F) | 0x80);
  std::string out = hex_encode(bytes);
  for (const size_t at : {8U, 13U, 18U, 23U}) out.insert(at, 1, '-');
  return out;
}

}  // namespace sentinel
