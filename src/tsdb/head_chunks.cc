#include "tsdb/head_chunks.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "base/log.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

// What stands before the bytes of a chunk.
struct Front {
  uint32_t bytes = 0;
  uint32_t count = 0;
  ChunkKind kind = ChunkKind::kFloat;
  ChunkMark mark;
};
static_assert(std::is_trivially_copyable_v<Front>);

}  // namespace

ChunkView SealedChunk::view() const {
  Front front;
  std::memcpy(&front, at_.get(), sizeof front);
  ChunkView view;
  view.min_ms = min_ms;
  view.max_ms = max_ms;
  view.count = front.count;
  view.kind = front.kind;
  view.bytes = std::string_view(at_.get() + sizeof front, front.bytes);
  view.mark = front.mark;
  return view;
}

SealedChunk HeadChunks::put(const ChunkView& chunk) {
  const size_t needed = sizeof(Front) + chunk.bytes.size();
  if (size_ - used_ < needed) start_map(std::max(needed, kHeadMapBytes));
  char* at = now_->data() + used_;
  used_ += needed;
  const Front front{static_cast<uint32_t>(chunk.bytes.size()), chunk.count, chunk.kind, chunk.mark};
  std::memcpy(at, &front, sizeof front);
  std::memcpy(at + sizeof front, chunk.bytes.data(), chunk.bytes.size());
  SealedChunk sealed;
  sealed.min_ms = chunk.min_ms;
  sealed.max_ms = chunk.max_ms;
  sealed.at_ = std::shared_ptr<const char>(now_, at);
  return sealed;
}

void HeadChunks::start_map(size_t bytes) {
  auto map = std::make_shared<Map>();
  auto scratch = env_.map_scratch(dir_, bytes);
  if (scratch) {
    map->scratch = std::move(*scratch);
    MutexLock lock(mutex_);
    std::erase_if(maps_, [](const auto& known) { return known.expired(); });
    maps_.push_back(map);
  } else {
    map->heap = std::make_unique_for_overwrite<char[]>(bytes);
    if (!refused_) {
      log_warn("tsdb", "closed chunks stay in memory: the disk has no room for them",
               {{"error", scratch.error().to_string()}});
    }
  }
  refused_ = !scratch;
  now_ = std::move(map);
  used_ = 0;
  size_ = bytes;
}

std::vector<std::shared_ptr<HeadChunks::Map>> HeadChunks::live() const {
  std::vector<std::shared_ptr<Map>> out;
  MutexLock lock(mutex_);
  for (const auto& known : maps_) {
    if (auto map = known.lock()) out.push_back(std::move(map));
  }
  return out;
}

void HeadChunks::rest() {
  for (const auto& map : live()) map->scratch->rest();
}

uint64_t HeadChunks::mapped_bytes() const {
  uint64_t bytes = 0;
  for (const auto& map : live()) bytes += map->scratch->size_bytes();
  return bytes;
}

}  // namespace sentinel::tsdb
