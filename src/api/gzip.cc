#include "api/gzip.h"

#include <zlib.h>

#include "base/strings.h"

namespace sentinel::api {

std::string gzip(std::string_view bytes) {
  constexpr int kGzipWindow = 15 + 16;  // zlib's way of asking for gzip's header
  constexpr int kMemoryLevel = 8;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  // zlib does not write to its input.
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool done = bytes.size() < UINT32_MAX && deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(done ? stream.total_out : 0);
  deflateEnd(&stream);
  return out;
}

bool accepts_gzip(std::string_view accept_encoding) {
  for (const std::string_view part : split(accept_encoding, ',')) {
    const auto fields = split(part, ';');
    if (!iequals(trim(fields[0]), "gzip")) continue;
    return fields.size() < 2 || replace_all(std::string(trim(fields[1])), " ", "") != "q=0";
  }
  return false;
}

}  // namespace sentinel::api
