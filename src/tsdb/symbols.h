#pragma once
// Strings kept once, and arrays that grow without moving what they hold.

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>

#include "base/check.h"

namespace sentinel::tsdb {

// Grows by blocks, each twice the one before, so that an element never moves: who got an index under the owner's lock
// may go on reading the element without it. One writer at a time. Holds as many as 32 bits can number.
template <class T>
class StableVector {
 public:
  StableVector() = default;
  StableVector(const StableVector&) = delete;
  StableVector& operator=(const StableVector&) = delete;

  T& emplace_back() {
    const size_t index = size_.load(std::memory_order_relaxed);
    SENTINEL_CHECK(index < UINT32_MAX);
    const Place place = place_of(index);
    if (!blocks_[place.block]) blocks_[place.block] = std::make_unique<T[]>(kFirstBlock << place.block);
    size_.store(index + 1, std::memory_order_release);
    return blocks_[place.block][place.offset];
  }
  T& operator[](size_t i) { return blocks_[place_of(i).block][place_of(i).offset]; }
  const T& operator[](size_t i) const { return blocks_[place_of(i).block][place_of(i).offset]; }
  size_t size() const { return size_.load(std::memory_order_acquire); }

 private:
  static constexpr size_t kFirstBlock = 64;
  static constexpr size_t kBlocks = 28;
  struct Place {
    size_t block;
    size_t offset;
  };
  static Place place_of(size_t index) {
    const size_t shifted = index + kFirstBlock;
    const auto block = static_cast<size_t>(std::bit_width(shifted) - std::bit_width(kFirstBlock));
    return {block, shifted - (kFirstBlock << block)};
  }
  std::array<std::unique_ptr<T[]>, kBlocks> blocks_;
  std::atomic<size_t> size_{0};
};

// A text with the number of its uses, in one piece of memory.
class Symbol {
 public:
  static Symbol* make(std::string_view text) {
    void* memory = ::operator new(sizeof(Symbol) + text.size());
    auto* symbol = new (memory) Symbol(static_cast<uint32_t>(text.size()));
    std::memcpy(symbol->chars(), text.data(), text.size());
    return symbol;
  }
  struct Free {
    void operator()(Symbol* symbol) const { ::operator delete(symbol); }
  };
  std::string_view text() const { return {reinterpret_cast<const char*>(this + 1), size_}; }

 private:
  friend class SymbolTable;
  explicit Symbol(uint32_t size) : size_(size) {}
  char* chars() { return reinterpret_cast<char*>(this + 1); }

  uint32_t size_;
  uint32_t uses_ = 0;
};
using SymbolPtr = std::unique_ptr<Symbol, Symbol::Free>;

// Text ↔ small number, never used again for another text. Each intern() is one use. Lookups, interning and releasing
// need the owner's lock; `at` does not, for as long as the symbol is in use or its owner keeps what release() returned.
class SymbolTable {
 public:
  SymbolTable() = default;
  ~SymbolTable() {
    for (const auto& [text, id] : ids_) Symbol::Free()(symbols_[id]);
  }
  SymbolTable(const SymbolTable&) = delete;
  SymbolTable& operator=(const SymbolTable&) = delete;

  uint32_t intern(std::string_view text) {
    if (auto it = ids_.find(text); it != ids_.end()) {
      ++symbols_[it->second]->uses_;
      return it->second;
    }
    const auto id = static_cast<uint32_t>(symbols_.size());
    Symbol* symbol = Symbol::make(text);
    symbol->uses_ = 1;
    symbols_.emplace_back() = symbol;
    ids_.emplace(symbol->text(), id);
    return id;
  }
  // Ends one use. After the last one the caller gets the symbol, to be freed when nobody can read it any more.
  SymbolPtr release(uint32_t id) {
    Symbol* symbol = symbols_[id];
    if (--symbol->uses_ > 0) return nullptr;
    ids_.erase(symbol->text());
    return SymbolPtr(symbol);
  }
  std::optional<uint32_t> find(std::string_view text) const {
    auto it = ids_.find(text);
    return it == ids_.end() ? std::nullopt : std::optional<uint32_t>(it->second);
  }
  std::string_view at(uint32_t id) const { return symbols_[id]->text(); }
  size_t size() const { return ids_.size(); }

 private:
  StableVector<Symbol*> symbols_;
  absl::flat_hash_map<std::string_view, uint32_t> ids_;
};

}  // namespace sentinel::tsdb
