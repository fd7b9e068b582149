#include "net/gzip.h"

#include <algorithm>

#include <zlib.h>

#include "base/strings.h"

namespace sentinel::net {
namespace {

constexpr int kGzipWindow = 15 + 16;  // zlib's way of asking for gzip's header

// zlib does not write to its input.
Bytef* input(std::string_view bytes) { return const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data())); }

}  // namespace

std::string gzip(std::string_view bytes) {
  constexpr int kMemoryLevel = 8;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemoryLevel, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string out(deflateBound(&stream, bytes.size()), '\0');
  stream.next_in = input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const bool done = bytes.size() < UINT32_MAX && deflate(&stream, Z_FINISH) == Z_STREAM_END;
  out.resize(done ? stream.total_out : 0);
  deflateEnd(&stream);
  return out;
}

Result<std::string> gunzip(std::string_view bytes, size_t bytes_max) {
  constexpr size_t kStep = 256u << 10;
  z_stream stream{};
  if (bytes.size() > UINT32_MAX || inflateInit2(&stream, kGzipWindow) != Z_OK) {
    return fail(ErrorCode::kTooLarge, "gzip: too large");
  }
  stream.next_in = input(bytes);
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string out;
  int status = Z_OK;
  // One byte more than allowed tells that there is more.
  while (status == Z_OK && out.size() <= bytes_max) {
    const size_t before = out.size();
    out.resize(before + std::min(kStep, bytes_max + 1 - before));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(out.size() - before);
    status = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  if (out.size() > bytes_max) return fail(ErrorCode::kTooLarge, "more than the limit when unpacked");
  if (status != Z_STREAM_END) return fail(ErrorCode::kInvalidArgument, "gzip: corrupt input");
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

}  // namespace sentinel::net
