#pragma once
// A run of native histograms of one series, each value coded against the one before in the same bucket
// (docs/formats/histogram_chunk.md). A change of layout is written where it happens; it starts no new chunk.

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/histogram.h"
#include "tsdb/chunk.h"

namespace sentinel::tsdb {

// kInvalidArgument: a histogram as Prometheus refuses it (unknown schema, buckets not ascending or below zero, bounds
// that do not rise, …), or one with more buckets than kHistogramBucketsMax.
Status check_histogram(const model::FloatHistogram& h);

// Whether the counter `h` goes on where `previous` ended, without a reset, as far as two neighbours tell.
bool continues_counter(const model::FloatHistogram& h, const model::FloatHistogram& previous);

// What the next histogram is coded against: the layout and, one a value, the state of its bits.
struct HistogramState {
  TimeState time;
  int32_t schema = 0;
  double zero_threshold = 0;
  std::vector<int32_t> positive;  // bucket indexes
  std::vector<int32_t> negative;
  std::vector<double> custom_values;
  std::vector<ValueState> values;  // count, zero count, sum, positive buckets, negative buckets
};

// Decodes one by one. Safe on any bytes.
class HistogramChunkReader {
 public:
  HistogramChunkReader(std::string_view bytes, uint32_t count);
  bool next();  // false at the end or on damage; see failed()
  bool failed() const { return failed_; }
  int64_t t_ms() const { return state_.time.t_ms; }
  model::HistogramPtr make() const;  // the one `next` went to
  size_t bytes_left() const { return bits_.bytes_left(); }

 private:
  bool read_one();
  bool read_layout();

  BitReader bits_;
  uint32_t left_;
  bool first_ = true;
  bool failed_ = false;
  bool stale_ = false;
  model::CounterResetHint hint_ = model::CounterResetHint::kUnknown;
  HistogramState state_;
};

// The chunk being written. Single writer; readers need the owner's lock.
class HistogramChunkWriter {
 public:
  HistogramChunkWriter();
  // Goes on where `chunk` ends. kInvalidArgument: its bytes are damaged.
  static Result<HistogramChunkWriter> resume(const Chunk& chunk);

  // The hint is kept as it is, except that a stale marker has none.
  // REQUIRES: t_ms greater than that of the one before; check_histogram(*h) or a stale marker.
  void append(int64_t t_ms, const model::FloatHistogram& h);
  Chunk snapshot() const;
  Chunk seal();  // moves out; the writer is empty afterwards

  uint32_t count() const { return count_; }
  int64_t min_ms() const { return min_ms_; }
  int64_t max_ms() const { return state_.time.t_ms; }
  std::string bytes() const { return bits_.bytes(); }
  size_t size_bytes() const { return bits_.size_bytes(); }

 private:
  bool same_layout(const model::FloatHistogram& h) const;
  void write_layout(const model::FloatHistogram& h);

  BitWriter bits_;
  HistogramState state_;
  int64_t min_ms_ = 0;
  uint32_t count_ = 0;
};

// Appends the histograms in `range` to `out`. False when the bytes are damaged (what came before is kept).
bool decode_histograms(std::string_view bytes, uint32_t count, TimeRange range,
                       std::vector<model::HistogramSample>& out);

}  // namespace sentinel::tsdb
