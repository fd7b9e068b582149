#pragma once
// Strings kept once, and arrays that grow without moving what they hold.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>

#include "base/check.h"

namespace sentinel::tsdb {

// Grows by blocks, so that an element never moves: who got an index under the owner's lock may go on reading the
// element without it. One writer at a time.
template <class T>
class StableVector {
 public:
  StableVector() : blocks_(std::make_unique<Block[]>(kBlocksMax)) {}

  T& emplace_back() {
    const size_t index = size_.load(std::memory_order_relaxed);
    SENTINEL_CHECK(index < kBlocksMax * kBlockSize);
    Block& block = blocks_[index / kBlockSize];
    if (!block) block = std::make_unique<T[]>(kBlockSize);
    size_.store(index + 1, std::memory_order_release);
    return block[index % kBlockSize];
  }
  T& operator[](size_t i) { return blocks_[i / kBlockSize][i % kBlockSize]; }
  const T& operator[](size_t i) const { return blocks_[i / kBlockSize][i % kBlockSize]; }
  size_t size() const { return size_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kBlockSize = 1024;
  static constexpr size_t kBlocksMax = 16384;  // 16.7 million elements
  using Block = std::unique_ptr<T[]>;
  std::unique_ptr<Block[]> blocks_;
  std::atomic<size_t> size_{0};
};

// Text ↔ small number. Lookups and interning need the owner's lock, `at` does not.
class SymbolTable {
 public:
  uint32_t intern(std::string_view text) {
    if (auto it = ids_.find(text); it != ids_.end()) return it->second;
    const auto id = static_cast<uint32_t>(texts_.size());
    std::string& stored = texts_.emplace_back();
    stored = text;
    ids_.emplace(std::string_view(stored), id);
    return id;
  }
  std::optional<uint32_t> find(std::string_view text) const {
    auto it = ids_.find(text);
    return it == ids_.end() ? std::nullopt : std::optional<uint32_t>(it->second);
  }
  const std::string& at(uint32_t id) const { return texts_[id]; }
  size_t size() const { return texts_.size(); }

 private:
  StableVector<std::string> texts_;
  absl::flat_hash_map<std::string_view, uint32_t> ids_;
};

}  // namespace sentinel::tsdb
