#include "tsdb/head_chunks.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "base/log.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

// What stands before the bytes of a chunk, and after it the mark, if there is one.
struct Front {
  uint32_t bytes = 0;
  uint16_t count = 0;
  ChunkKind kind = ChunkKind::kFloat;
  bool marked = false;
};
static_assert(sizeof(Front) == 8 && kChunkSamplesMax <= UINT16_MAX);
static_assert(std::is_trivially_copyable_v<ChunkMark>);
// A mark is as long as the chunk of a series that rests, which is decoded as fast from its beginning.
constexpr size_t kMarkedBytes = 2 * sizeof(ChunkMark);

}  // namespace

ChunkView SealedChunk::view() const {
  Front front;
  std::memcpy(&front, at_.get(), sizeof front);
  ChunkView view;
  view.min_ms = min_ms;
  view.max_ms = max_ms;
  view.count = front.count;
  view.kind = front.kind;
  const char* bytes = at_.get() + sizeof front;
  if (front.marked) {
    std::memcpy(&view.mark, bytes, sizeof view.mark);
    bytes += sizeof view.mark;
  }
  view.bytes = std::string_view(bytes, front.bytes);
  return view;
}

SealedChunk HeadChunks::put(const ChunkView& chunk) {
  const Front front{static_cast<uint32_t>(chunk.bytes.size()), static_cast<uint16_t>(chunk.count), chunk.kind,
                    chunk.mark.index > 0 && chunk.bytes.size() >= kMarkedBytes};
  const size_t needed = sizeof front + (front.marked ? sizeof chunk.mark : 0) + chunk.bytes.size();
  if (size_ - used_ < needed) start_map(std::max(needed, kHeadMapBytes));
  char* at = now_->data() + used_;
  used_ += needed;
  SealedChunk sealed;
  sealed.min_ms = chunk.min_ms;
  sealed.max_ms = chunk.max_ms;
  sealed.at_ = std::shared_ptr<const char>(now_, at);
  std::memcpy(at, &front, sizeof front);
  at += sizeof front;
  if (front.marked) {
    std::memcpy(at, &chunk.mark, sizeof chunk.mark);
    at += sizeof chunk.mark;
  }
  std::memcpy(at, chunk.bytes.data(), chunk.bytes.size());
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
