#pragma once
// The index of a block: labels and chunks of each series, and postings of each label pair. It is used as it lies in
// the file (docs/formats/block.md): opening decodes nothing, a query looks at what it needs.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "tsdb/chunk.h"
#include "tsdb/label_index.h"
#include "tsdb/postings.h"

namespace sentinel::tsdb {

struct BlockChunk {
  int64_t min_ms = 0;
  int64_t max_ms = 0;
  uint32_t count = 0;
  ChunkKind kind = ChunkKind::kFloat;
  uint32_t length = 0;
  uint64_t offset = 0;
};

struct BlockSeries {
  std::vector<LabelPair> pairs;  // symbols of the index
  std::vector<BlockChunk> chunks;
};

// Immutable, thread-safe. Series in the order of their labels, so that a series' number is its rank.
class BlockIndex final : public PostingsSource {
 public:
  // kInvalidArgument: damaged. Any bytes are safe; damage inside a section shows when it is read.
  static Result<std::shared_ptr<const BlockIndex>> parse(std::string bytes);

  uint32_t size() const { return series_; }
  // False: damaged. REQUIRES: id < size().
  bool read(uint32_t id, BlockSeries& out) const;
  model::Labels make_labels(const BlockSeries& series) const;
  std::string_view symbol(uint32_t number) const;  // "" past the end
  std::vector<std::string> names() const;
  // Calls fn(value) for each value of the label.
  void for_each_value(std::string_view name, absl::FunctionRef<void(std::string_view)> fn) const;

  SeriesIds resolve(const model::Matchers& matchers) const { return tsdb::resolve(*this, matchers); }
  SeriesIds all() const override;
  size_t value_count(std::string_view name) const override;
  PostingsRef find_postings(std::string_view name, std::string_view value) const override;
  void collect(std::string_view name, absl::FunctionRef<bool(std::string_view)> wanted,
               std::vector<PostingsRef>& out) const override;
  void filter(std::string_view name, absl::FunctionRef<bool(std::string_view)> wanted,
              SeriesIds& candidates) const override;

 private:
  BlockIndex() = default;
  struct ValueEntry {
    uint32_t symbol = 0;
    uint32_t offset = 0;  // in the postings
    uint32_t count = 0;
  };
  struct ValueRange {
    uint32_t begin = 0;
    uint32_t end = 0;
  };
  bool offsets_rise(std::string_view table, size_t limit) const;
  ValueRange values_of(std::string_view name) const;
  ValueEntry value(uint32_t at) const;
  PostingsRef postings(const ValueEntry& entry) const;
  std::string_view series_bytes(uint32_t id) const;
  // Number of the symbol with this text, or the count of symbols.
  uint32_t find_symbol(std::string_view text) const;

  std::string bytes_;
  uint32_t series_ = 0;
  uint32_t symbols_ = 0;
  uint32_t names_ = 0;
  uint32_t values_ = 0;
  // Views of bytes_.
  std::string_view symbol_offsets_;
  std::string_view symbol_text_;
  std::string_view name_table_;
  std::string_view value_table_;
  std::string_view postings_;
  std::string_view series_offsets_;
  std::string_view series_bytes_;
};

// Collects the series of a block, in the order of their labels, and makes the bytes of its index.
class BlockIndexWriter {
 public:
  void add(const model::Labels& labels, const std::vector<BlockChunk>& chunks);
  uint64_t series() const { return pairs_end_.size(); }
  // kTooLarge: more than kBlockIndexBytesMax.
  Result<std::string> finish() const;

 private:
  SymbolTable symbols_;
  std::vector<LabelPair> pairs_;
  std::vector<size_t> pairs_end_;   // by series, in pairs_
  std::string chunks_;              // coded
  std::vector<size_t> chunks_end_;  // by series, in chunks_
};

}  // namespace sentinel::tsdb
