#include "tsdb/block_index.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>

#include <absl/container/flat_hash_map.h>

#include "base/varint.h"
#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

constexpr size_t kNameBytes = 8;    // symbol, first value
constexpr size_t kValueBytes = 12;  // symbol, offset of postings, count

// REQUIRES: inside the table.
uint32_t u32_at(std::string_view table, size_t index) {
  uint32_t v = 0;
  std::memcpy(&v, table.data() + index * sizeof v, sizeof v);
  return v;
}

void put_chunks(std::string& out, const std::vector<BlockChunk>& chunks) {
  put_varint(out, chunks.size());
  int64_t t = 0;
  uint64_t offset = 0;
  for (const BlockChunk& chunk : chunks) {
    put_zigzag(out, static_cast<int64_t>(static_cast<uint64_t>(chunk.min_ms) - static_cast<uint64_t>(t)));
    put_varint(out, static_cast<uint64_t>(chunk.max_ms) - static_cast<uint64_t>(chunk.min_ms));
    put_varint(out, (uint64_t{chunk.count} << 1) | (chunk.kind == ChunkKind::kHistogram ? 1 : 0));
    put_varint(out, chunk.offset - offset);
    put_varint(out, chunk.length);
    t = chunk.max_ms;
    offset = chunk.offset;
  }
}

bool get_chunks(ByteReader& in, std::vector<BlockChunk>& out) {
  const uint64_t count = in.varint();
  if (count > in.size()) return false;
  out.reserve(count);
  uint64_t t = 0;
  uint64_t offset = 0;
  for (uint64_t i = 0; i < count && in.ok(); ++i) {
    BlockChunk chunk;
    t += static_cast<uint64_t>(in.zigzag());
    chunk.min_ms = static_cast<int64_t>(t);
    t += in.varint();
    chunk.max_ms = static_cast<int64_t>(t);
    const uint64_t kind_and_samples = in.varint();
    const uint64_t samples = kind_and_samples >> 1;
    chunk.kind = (kind_and_samples & 1) != 0 ? ChunkKind::kHistogram : ChunkKind::kFloat;
    offset += in.varint();
    const uint64_t length = in.varint();
    if (samples == 0 || samples > kChunkSamplesMax || length > kBlockChunkBytesMax || chunk.max_ms < chunk.min_ms) {
      return false;
    }
    chunk.count = static_cast<uint32_t>(samples);
    chunk.length = static_cast<uint32_t>(length);
    chunk.offset = offset;
    out.push_back(chunk);
  }
  return in.ok();
}

void put_postings(std::string& out, const SeriesIds& ids) {
  uint32_t last = 0;
  for (const uint32_t id : ids) {
    put_varint(out, id - last);
    last = id;
  }
}

}  // namespace

Result<std::shared_ptr<const BlockIndex>> BlockIndex::parse(std::string bytes) {
  const auto bad = [] { return fail(ErrorCode::kInvalidArgument, "block index is damaged"); };
  std::shared_ptr<BlockIndex> index(new BlockIndex());
  index->bytes_ = std::move(bytes);
  ByteReader in(index->bytes_);
  index->symbols_ = in.fixed<uint32_t>();
  index->series_ = in.fixed<uint32_t>();
  index->names_ = in.fixed<uint32_t>();
  index->values_ = in.fixed<uint32_t>();
  const auto text_bytes = in.fixed<uint32_t>();
  const auto postings_bytes = in.fixed<uint32_t>();
  const auto series_bytes = in.fixed<uint32_t>();
  index->symbol_offsets_ = in.bytes((uint64_t{index->symbols_} + 1) * 4);
  index->symbol_text_ = in.bytes(text_bytes);
  index->name_table_ = in.bytes(uint64_t{index->names_} * kNameBytes);
  index->value_table_ = in.bytes(uint64_t{index->values_} * kValueBytes);
  index->postings_ = in.bytes(postings_bytes);
  index->series_offsets_ = in.bytes((uint64_t{index->series_} + 1) * 4);
  index->series_bytes_ = in.bytes(series_bytes);
  if (!in.ok() || !in.empty()) return bad();
  if (!index->offsets_rise(index->symbol_offsets_, text_bytes)) return bad();
  if (!index->offsets_rise(index->series_offsets_, series_bytes)) return bad();
  for (uint32_t i = 0; i < index->names_; ++i) {
    const uint32_t first = u32_at(index->name_table_, i * 2 + 1);
    if (first > index->values_ || (i > 0 && first < u32_at(index->name_table_, i * 2 - 1))) return bad();
  }
  return std::shared_ptr<const BlockIndex>(std::move(index));
}

bool BlockIndex::offsets_rise(std::string_view table, size_t limit) const {
  uint32_t last = 0;
  for (size_t i = 0; i < table.size() / 4; ++i) {
    const uint32_t offset = u32_at(table, i);
    if (offset < last || offset > limit) return false;
    last = offset;
  }
  return last == limit;
}

std::string_view BlockIndex::symbol(uint32_t number) const {
  if (number >= symbols_) return {};
  const uint32_t begin = u32_at(symbol_offsets_, number);
  return symbol_text_.substr(begin, u32_at(symbol_offsets_, size_t{number} + 1) - begin);
}

uint32_t BlockIndex::find_symbol(std::string_view text) const {
  uint32_t low = 0;
  uint32_t high = symbols_;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (symbol(middle) < text) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < symbols_ && symbol(low) == text ? low : symbols_;
}

std::string_view BlockIndex::series_bytes(uint32_t id) const {
  const uint32_t begin = u32_at(series_offsets_, id);
  return series_bytes_.substr(begin, u32_at(series_offsets_, size_t{id} + 1) - begin);
}

bool BlockIndex::read(uint32_t id, BlockSeries& out) const {
  out.pairs.clear();
  out.chunks.clear();
  ByteReader in(series_bytes(id));
  const uint64_t count = in.varint();
  if (count > kLabelsMax) return false;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t name = in.varint();
    const uint64_t text = in.varint();
    if (name >= symbols_ || text >= symbols_) return false;
    out.pairs.push_back({static_cast<uint32_t>(name), static_cast<uint32_t>(text)});
  }
  return in.ok() && get_chunks(in, out.chunks) && in.empty();
}

model::Labels BlockIndex::make_labels(const BlockSeries& series) const {
  std::vector<model::Label> labels;
  labels.reserve(series.pairs.size());
  for (const LabelPair pair : series.pairs) {
    labels.push_back({std::string(symbol(pair.name)), std::string(symbol(pair.value))});
  }
  return model::Labels(std::move(labels));
}

std::vector<std::string> BlockIndex::names() const {
  std::vector<std::string> out;
  for (uint32_t i = 0; i < names_; ++i) out.emplace_back(symbol(u32_at(name_table_, size_t{i} * 2)));
  return out;
}

BlockIndex::ValueRange BlockIndex::values_of(std::string_view name) const {
  const uint32_t wanted = find_symbol(name);
  uint32_t low = 0;
  uint32_t high = names_;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (u32_at(name_table_, size_t{middle} * 2) < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (wanted == symbols_ || low == names_ || u32_at(name_table_, size_t{low} * 2) != wanted) return {};
  const uint32_t end = low + 1 < names_ ? u32_at(name_table_, (size_t{low} + 1) * 2 + 1) : values_;
  return {u32_at(name_table_, size_t{low} * 2 + 1), end};
}

BlockIndex::ValueEntry BlockIndex::value(uint32_t at) const {
  const size_t first = size_t{at} * 3;
  return {u32_at(value_table_, first), u32_at(value_table_, first + 1), u32_at(value_table_, first + 2)};
}

PostingsRef BlockIndex::postings(const ValueEntry& entry) const {
  auto out = std::make_shared<SeriesIds>();
  if (entry.offset > postings_.size() || entry.count > series_) return out;
  ByteReader in(postings_.substr(entry.offset));
  out->reserve(entry.count);
  uint64_t id = 0;
  for (uint32_t i = 0; i < entry.count; ++i) {
    const uint64_t gap = in.varint();
    id += gap;
    // Damage ends the list: what comes out is always sorted and inside the index.
    if (!in.ok() || id >= series_ || (i > 0 && gap == 0)) break;
    out->push_back(static_cast<uint32_t>(id));
  }
  return out;
}

void BlockIndex::for_each_value(std::string_view name, absl::FunctionRef<void(std::string_view)> fn) const {
  const ValueRange range = values_of(name);
  for (uint32_t at = range.begin; at < range.end; ++at) fn(symbol(value(at).symbol));
}

SeriesIds BlockIndex::all() const {
  SeriesIds out(series_);
  for (uint32_t i = 0; i < series_; ++i) out[i] = i;
  return out;
}

size_t BlockIndex::value_count(std::string_view name) const {
  const ValueRange range = values_of(name);
  return range.end - range.begin;
}

PostingsRef BlockIndex::find_postings(std::string_view name, std::string_view text) const {
  const ValueRange range = values_of(name);
  const uint32_t wanted = find_symbol(text);
  uint32_t low = range.begin;
  uint32_t high = range.end;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (value(middle).symbol < wanted) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (wanted == symbols_ || low == range.end || value(low).symbol != wanted) return nullptr;
  return postings(value(low));
}

void BlockIndex::collect(std::string_view name, absl::FunctionRef<bool(std::string_view)> wanted,
                         std::vector<PostingsRef>& out) const {
  const ValueRange range = values_of(name);
  for (uint32_t at = range.begin; at < range.end; ++at) {
    const ValueEntry entry = value(at);
    if (wanted(symbol(entry.symbol))) out.push_back(postings(entry));
  }
}

void BlockIndex::filter(std::string_view name, absl::FunctionRef<bool(std::string_view)> wanted,
                        SeriesIds& candidates) const {
  const uint32_t number = find_symbol(name);
  const bool absent_wanted = wanted({});
  absl::flat_hash_map<uint32_t, bool> known;
  BlockSeries series;
  std::erase_if(candidates, [&](uint32_t id) {
    if (number == symbols_ || !read(id, series)) return !absent_wanted;
    for (const LabelPair pair : series.pairs) {
      if (pair.name != number) continue;
      auto [it, fresh] = known.try_emplace(pair.value, false);
      if (fresh) it->second = wanted(symbol(pair.value));
      return !it->second;
    }
    return !absent_wanted;
  });
}

void BlockIndexWriter::add(const model::Labels& labels, const std::vector<BlockChunk>& chunks) {
  for (const model::Label& label : labels)
    pairs_.push_back({symbols_.intern(label.name), symbols_.intern(label.value)});
  pairs_end_.push_back(pairs_.size());
  put_chunks(chunks_, chunks);
  chunks_end_.push_back(chunks_.size());
}

Result<std::string> BlockIndexWriter::finish() const {
  // Symbols are numbered in the order of their texts, so that numbers compare as texts do.
  std::vector<uint32_t> order(symbols_.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return symbols_.at(a) < symbols_.at(b); });
  std::vector<uint32_t> rank(order.size());
  std::string symbol_offsets;
  std::string text;
  for (uint32_t i = 0; i < order.size(); ++i) {
    rank[order[i]] = i;
    put_fixed(symbol_offsets, static_cast<uint32_t>(text.size()));
    text += symbols_.at(order[i]);
  }
  put_fixed(symbol_offsets, static_cast<uint32_t>(text.size()));

  std::map<std::pair<uint32_t, uint32_t>, SeriesIds> lists;
  std::string series_offsets;
  std::string series;
  size_t pair_at = 0;
  size_t chunk_at = 0;
  for (uint32_t id = 0; id < pairs_end_.size(); ++id) {
    put_fixed(series_offsets, static_cast<uint32_t>(series.size()));
    put_varint(series, pairs_end_[id] - pair_at);
    for (; pair_at < pairs_end_[id]; ++pair_at) {
      const std::pair<uint32_t, uint32_t> pair{rank[pairs_[pair_at].name], rank[pairs_[pair_at].value]};
      put_varint(series, pair.first);
      put_varint(series, pair.second);
      lists[pair].push_back(id);
    }
    series.append(chunks_, chunk_at, chunks_end_[id] - chunk_at);
    chunk_at = chunks_end_[id];
  }
  put_fixed(series_offsets, static_cast<uint32_t>(series.size()));

  std::string names;
  std::string values;
  std::string postings;
  uint32_t value_count = 0;
  uint32_t last_name = std::numeric_limits<uint32_t>::max();
  for (const auto& [pair, ids] : lists) {
    if (pair.first != last_name) {
      put_fixed(names, pair.first);
      put_fixed(names, value_count);
      last_name = pair.first;
    }
    put_fixed(values, pair.second);
    put_fixed(values, static_cast<uint32_t>(postings.size()));
    put_fixed(values, static_cast<uint32_t>(ids.size()));
    put_postings(postings, ids);
    ++value_count;
  }
  const size_t total = symbol_offsets.size() + text.size() + names.size() + values.size() + postings.size() +
                       series_offsets.size() + series.size();
  if (total > kBlockIndexBytesMax - 64) return fail(ErrorCode::kTooLarge, "the index of a block is too large");
  std::string out;
  out.reserve(total + 64);
  put_fixed(out, static_cast<uint32_t>(order.size()));
  put_fixed(out, static_cast<uint32_t>(pairs_end_.size()));
  put_fixed(out, static_cast<uint32_t>(names.size() / kNameBytes));
  put_fixed(out, value_count);
  put_fixed(out, static_cast<uint32_t>(text.size()));
  put_fixed(out, static_cast<uint32_t>(postings.size()));
  put_fixed(out, static_cast<uint32_t>(series.size()));
  for (const std::string* part : {&symbol_offsets, &text, &names, &values, &postings, &series_offsets, &series}) {
    out += *part;
  }
  return out;
}

}  // namespace sentinel::tsdb
