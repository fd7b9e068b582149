// A spill file of any bytes; half of the inputs are framed here, since the fuzzer cannot guess the checksum.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/hash.h"
#include "base/varint.h"
#include "ingest/spill_codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  using namespace sentinel::ingest;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string file(rest);
  if (data[0] % 2 == 1) {
    file = spill_header();
    put_fixed(file, static_cast<uint32_t>(rest.size()));
    put_fixed(file, crc32c(rest));
    file += rest;
  }
  const uint64_t good = read_spill(file, 0, [&](const SpilledCall& call, uint64_t behind) {
    SENTINEL_CHECK(behind <= file.size());
    // What was read can be written, and is read again as the same.
    std::string once = spill_header();
    if (!encode_spilled(call, once)) return true;
    std::string twice = spill_header();
    const uint64_t whole = read_spill(
        once, 0, [&](const SpilledCall& again, uint64_t) { return encode_spilled(again, twice).has_value(); });
    SENTINEL_CHECK(whole == once.size() && once == twice);
    return true;
  });
  SENTINEL_CHECK(good <= file.size());
  return 0;
}
