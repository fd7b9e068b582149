// A block file whose checksums are right but whose index and chunks are any bytes, and a tombstone file beside it. The
// first byte says how much of the input is chunks, the second how much is tombstones.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/varint.h"
#include "tsdb/block.h"

namespace {

using namespace sentinel;
using namespace sentinel::tsdb;

void put_file(Env& env, const std::string& path, std::string_view bytes) {
  const auto file = env.open_append(path);
  SENTINEL_CHECK(file && (*file)->append(bytes));
}

void read_all(Block& block) {
  const auto index = block.index();
  if (!index) return;
  const uint32_t series = std::min<uint32_t>((*index)->size(), 100);
  for (uint32_t id = 0; id < series; ++id) {
    const auto one = block.read_series(**index, id);
    if (!one) continue;
    (void)(*index)->make_labels(*one);
    if (const auto points = block.read_points(id, *one, {})) {
      for (size_t i = 1; i < points->samples.size(); ++i) (void)points->weight();
    }
    (void)block.has_sample_in(id, *one, {5, 10});
    (void)block.read_chunks(id, *one);
  }
  for (const std::string& name : (*index)->names()) {
    std::vector<PostingsRef> lists;
    (*index)->collect(name, [](std::string_view) { return true; }, lists);
    for (const PostingsRef& list : lists) {
      SENTINEL_CHECK(std::is_sorted(list->begin(), list->end()));
      SENTINEL_CHECK(list->empty() || list->back() < (*index)->size());
    }
  }
  const auto any = model::Matcher::make(model::MatchType::kRegexp, "a", ".*x?").value();
  (void)(*index)->resolve({any, model::Matcher::equal("b", "c")});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data + 2), size - 2);
  FaultEnv env;
  // As it is: hardly ever a block.
  put_file(env, "raw.block", input);
  (void)Block::open(env, "raw.block");
  const size_t chunk_bytes = std::min<size_t>(data[0], input.size());
  const std::string_view rest = input.substr(chunk_bytes);
  const size_t tombstone_bytes = std::min<size_t>(data[1], rest.size());
  const std::string_view index = rest.substr(tombstone_bytes);
  std::string chunk;
  put_fixed(chunk, crc32c(input.substr(0, chunk_bytes)));
  chunk += input.substr(0, chunk_bytes);
  std::string file("SNTLBLK\x02", 8);
  file += chunk;
  const size_t index_offset = file.size();
  file += index;
  file += encode_block_footer({0, 1'000'000, 1, 1, 0}, index_offset, index.size(), crc32c(index));
  put_file(env, "a.block", file);
  if (const auto block = Block::open(env, "a.block")) read_all(**block);
  // The same with tombstones that fit their checksum.
  std::string tombstones("SNTLTMB\x01", 8);
  put_fixed(tombstones, (static_cast<uint64_t>(index_offset) << 32) ^ crc32c(index));
  tombstones += rest.substr(0, tombstone_bytes);
  put_fixed(tombstones, crc32c(tombstones));
  put_file(env, "a.block.tombstones", tombstones);
  if (const auto block = Block::open(env, "a.block")) read_all(**block);
  return 0;
}
