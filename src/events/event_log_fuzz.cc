// A log of any bytes; half of the inputs get a valid header so that the row decoder is reached through frames with a
// checksum the fuzzer cannot guess: the payload is framed here.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/hash.h"
#include "base/varint.h"
#include "events/event_log.h"
#include "events/segments.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sentinel;
  using namespace sentinel::events;
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  std::string file;
  if (data[0] % 2 == 0) {
    file = std::string(rest);
  } else {
    const std::string type(1, data[0] % 4 == 1 ? '\x02' : '\x01');
    file = log_header();
    put_fixed(file, static_cast<uint32_t>(rest.size()));
    put_fixed(file, crc32c(rest, crc32c(type)));
    file += type;
    file += rest;
  }
  const uint64_t good = read_log(file, [](const RowBatch& rows) {
    for (size_t r = 0; r < rows.rows(); ++r) (void)rows.at(r, RowBatch::width() - 1);
  });
  SENTINEL_CHECK(good <= file.size());
  (void)Segment::parse(rest);
  return 0;
}
