#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace sentinel {

uint64_t hash64(std::string_view bytes, uint64_t seed = 0);  // XXH3, not for secrets
uint32_t crc32c(std::string_view bytes, uint32_t crc = 0);   // Castagnoli; pass the last result to go on
std::string sha256(std::string_view bytes);                  // 32 raw bytes
std::string hmac_sha256(std::string_view key, std::string_view bytes);
bool constant_time_equals(std::string_view a, std::string_view b);

namespace internal {
// What crc32c() uses where the processor has no instruction for it; here so that a test can compare the two.
uint32_t crc32c_portable(std::string_view bytes, uint32_t crc);
}  // namespace internal

}  // namespace sentinel
