#include "tsdb/histogram_chunk.h"

#include <algorithm>
#include <cmath>

#include "tsdb/limits.h"

namespace sentinel::tsdb {
namespace {

using model::CounterResetHint;
using model::FloatHistogram;

// Values before the buckets: count, zero count, sum.
constexpr size_t kFixedValues = 3;

void write_varint(BitWriter& out, uint64_t v) {
  while (v >= 0x80) {
    out.write(v | 0x80, 8);
    v >>= 7;
  }
  out.write(v, 8);
}

uint64_t read_varint(BitReader& in) {
  uint64_t v = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    const uint64_t byte = in.read(8);
    v |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  return v;
}

uint64_t zigzag(int64_t v) { return (static_cast<uint64_t>(v) << 1) ^ static_cast<uint64_t>(v >> 63); }
int64_t unzigzag(uint64_t v) { return static_cast<int64_t>((v >> 1) ^ (~(v & 1) + 1)); }

// Neighbours cost one bit.
void write_indexes(BitWriter& out, const std::vector<int32_t>& indexes) {
  write_varint(out, indexes.size());
  for (size_t i = 0; i < indexes.size(); ++i) {
    if (i == 0) {
      write_varint(out, zigzag(indexes[0]));
      continue;
    }
    const int64_t gap = int64_t{indexes[i]} - indexes[i - 1];
    out.write_bit(gap != 1);
    if (gap != 1) write_varint(out, static_cast<uint64_t>(gap));
  }
}

bool read_indexes(BitReader& in, std::vector<int32_t>& out) {
  const uint64_t count = read_varint(in);
  if (in.failed() || count > kHistogramBucketsMax) return false;
  out.clear();
  int64_t at = 0;
  for (uint64_t i = 0; i < count; ++i) {
    if (i == 0) {
      at = unzigzag(read_varint(in));
    } else {
      const uint64_t gap = in.read_bit() ? read_varint(in) : 1;
      if (gap == 0 || gap > UINT32_MAX) return false;
      at += static_cast<int64_t>(gap);
    }
    if (in.failed() || at < INT32_MIN || at > INT32_MAX) return false;
    out.push_back(static_cast<int32_t>(at));
  }
  return true;
}

// The states of `now` buckets: those listed before keep theirs.
void carry(const std::vector<int32_t>& before, const ValueState* states, const std::vector<int32_t>& now,
           std::vector<ValueState>& out) {
  size_t b = 0;
  for (const int32_t index : now) {
    while (b < before.size() && before[b] < index) ++b;
    out.push_back(b < before.size() && before[b] == index ? states[b] : ValueState());
  }
}

struct Layout {
  int32_t schema = 0;
  double zero_threshold = 0;
  std::vector<int32_t> positive;
  std::vector<int32_t> negative;
  std::vector<double> custom_values;
};

// Writer and reader do the same here, so that their states stay alike.
void change_layout(HistogramState& state, Layout layout) {
  std::vector<ValueState> values(state.values.begin(), state.values.begin() + kFixedValues);
  values.reserve(kFixedValues + layout.positive.size() + layout.negative.size());
  if (layout.schema == state.schema && layout.custom_values == state.custom_values) {
    const ValueState* buckets = state.values.data() + kFixedValues;
    carry(state.positive, buckets, layout.positive, values);
    carry(state.negative, buckets + state.positive.size(), layout.negative, values);
  } else {
    values.resize(kFixedValues + layout.positive.size() + layout.negative.size());
  }
  state.values = std::move(values);
  state.schema = layout.schema;
  state.zero_threshold = layout.zero_threshold;
  state.positive = std::move(layout.positive);
  state.negative = std::move(layout.negative);
  state.custom_values = std::move(layout.custom_values);
}

uint64_t bits_of(double v) { return std::bit_cast<uint64_t>(v); }

Error invalid(std::string what) { return Error(ErrorCode::kInvalidArgument, "histogram: " + std::move(what)); }

Status check_buckets(const model::HistogramBuckets& side, const char* name) {
  if (side.index.size() != side.count.size()) return fail(invalid(std::string(name) + " buckets and counts differ"));
  if (side.size() > kHistogramBucketsMax) return fail(invalid("too many buckets"));
  for (size_t i = 0; i < side.size(); ++i) {
    if (i > 0 && side.index[i] <= side.index[i - 1]) return fail(invalid(std::string(name) + " buckets do not ascend"));
    if (side.count[i] < 0) {
      return fail(invalid(std::string(name) + " bucket number " + std::to_string(i + 1) + " has a negative count"));
    }
  }
  return {};
}

Status check_custom(const FloatHistogram& h) {
  if (h.custom_values.size() > kHistogramBucketsMax) return fail(invalid("too many custom bounds"));
  for (size_t i = 0; i < h.custom_values.size(); ++i) {
    if (std::isnan(h.custom_values[i])) return fail(invalid("a custom bound is NaN"));
    if (i > 0 && h.custom_values[i] <= h.custom_values[i - 1]) return fail(invalid("custom bounds do not rise"));
  }
  if (!h.custom_values.empty() && std::isinf(h.custom_values.back()) && h.custom_values.back() > 0) {
    return fail(invalid("the last bound +Inf must not be given"));
  }
  if (h.zero_count != 0 || h.zero_threshold != 0) return fail(invalid("custom buckets have no zero bucket"));
  if (!h.negative.empty()) return fail(invalid("custom buckets have no negative side"));
  const auto& index = h.positive.index;
  if (!index.empty() && (index.front() < 0 || static_cast<size_t>(index.back()) > h.custom_values.size())) {
    return fail(invalid("a bucket lies beyond the custom bounds"));
  }
  return {};
}

}  // namespace

Status check_histogram(const FloatHistogram& h) {
  if (model::is_stale_nan(h.sum)) return {};  // of a stale marker nothing else is kept
  if (h.uses_custom_buckets()) {
    SENTINEL_TRY(check_custom(h));
  } else {
    if (h.schema < model::kExponentialSchemaMin || h.schema > model::kExponentialSchemaMax) {
      return fail(invalid("schema " + std::to_string(h.schema) + " is unknown"));
    }
    if (!h.custom_values.empty()) return fail(invalid("exponential buckets have no custom bounds"));
  }
  SENTINEL_TRY(check_buckets(h.negative, "negative"));
  return check_buckets(h.positive, "positive");
}

bool continues_counter(const FloatHistogram& h, const FloatHistogram& previous) {
  if (h.hint == CounterResetHint::kReset || h.hint == CounterResetHint::kGauge) return false;
  if (previous.hint == CounterResetHint::kGauge || model::is_stale_nan(previous.sum)) return false;
  if (h.schema != previous.schema || bits_of(h.zero_threshold) != bits_of(previous.zero_threshold)) return false;
  if (h.custom_values != previous.custom_values) return false;
  if (h.hint == CounterResetHint::kUnknown) return !h.detect_reset(previous);
  FloatHistogram plain = h;  // the hint would answer, not the buckets
  plain.hint = CounterResetHint::kUnknown;
  return !plain.detect_reset(previous);
}

HistogramChunkReader::HistogramChunkReader(std::string_view bytes, uint32_t count) : bits_(bytes), left_(count) {
  state_.values.resize(kFixedValues);
}

bool HistogramChunkReader::next() {
  if (left_ == 0 || failed_) return false;
  if (!read_one() || bits_.failed()) {
    failed_ = true;
    return false;
  }
  --left_;
  return true;
}

bool HistogramChunkReader::read_one() {
  if (first_) {
    state_.time.t_ms = static_cast<int64_t>(bits_.read(64));
    first_ = false;
  } else if (!read_time(bits_, state_.time)) {
    return false;
  }
  const unsigned form = bits_.read_ones(2);
  stale_ = form == 2;
  if (stale_) return true;
  if (form == 1 && !read_layout()) return false;
  hint_ = static_cast<CounterResetHint>(bits_.read(2));
  for (ValueState& value : state_.values) {
    if (!read_value(bits_, value)) return false;
    if (bits_.failed()) return false;
  }
  return true;
}

bool HistogramChunkReader::read_layout() {
  Layout layout;
  layout.schema = static_cast<int8_t>(bits_.read(8));
  const bool custom = layout.schema == model::kCustomBucketsSchema;
  if (!custom && (layout.schema < model::kExponentialSchemaMin || layout.schema > model::kExponentialSchemaMax)) {
    return false;
  }
  layout.zero_threshold = std::bit_cast<double>(bits_.read(64));
  if (!read_indexes(bits_, layout.positive) || !read_indexes(bits_, layout.negative)) return false;
  const uint64_t bounds = read_varint(bits_);
  if (bits_.failed() || bounds > kHistogramBucketsMax) return false;
  for (uint64_t i = 0; i < bounds && !bits_.failed(); ++i) {
    layout.custom_values.push_back(std::bit_cast<double>(bits_.read(64)));
  }
  if (bits_.failed()) return false;
  change_layout(state_, std::move(layout));
  return true;
}

model::HistogramPtr HistogramChunkReader::make() const {
  auto h = std::make_shared<FloatHistogram>();
  if (stale_) {
    h->sum = model::stale_nan();
    return h;
  }
  const auto value = [&](size_t i) { return std::bit_cast<double>(state_.values[i].bits); };
  h->hint = hint_;
  h->schema = state_.schema;
  h->zero_threshold = state_.zero_threshold;
  h->count = value(0);
  h->zero_count = value(1);
  h->sum = value(2);
  h->positive.index = state_.positive;
  h->negative.index = state_.negative;
  h->custom_values = state_.custom_values;
  h->positive.count.reserve(state_.positive.size());
  h->negative.count.reserve(state_.negative.size());
  size_t at = kFixedValues;
  for (size_t i = 0; i < state_.positive.size(); ++i) h->positive.count.push_back(value(at++));
  for (size_t i = 0; i < state_.negative.size(); ++i) h->negative.count.push_back(value(at++));
  return h;
}

HistogramChunkWriter::HistogramChunkWriter() { state_.values.resize(kFixedValues); }

// Written anew: the result is the same bytes, and histograms are few beside floats.
Result<HistogramChunkWriter> HistogramChunkWriter::resume(const Chunk& chunk) {
  HistogramChunkReader reader(chunk.bytes, chunk.count);
  HistogramChunkWriter writer;
  while (reader.next()) writer.append(reader.t_ms(), *reader.make());
  if (reader.failed()) return fail(ErrorCode::kInvalidArgument, "chunk is damaged");
  if (reader.bytes_left() != 0) return fail(ErrorCode::kInvalidArgument, "chunk has bytes after its last sample");
  return writer;
}

bool HistogramChunkWriter::same_layout(const FloatHistogram& h) const {
  return h.schema == state_.schema && bits_of(h.zero_threshold) == bits_of(state_.zero_threshold) &&
         h.positive.index == state_.positive && h.negative.index == state_.negative &&
         std::equal(h.custom_values.begin(), h.custom_values.end(), state_.custom_values.begin(),
                    state_.custom_values.end(), [](double a, double b) { return bits_of(a) == bits_of(b); });
}

void HistogramChunkWriter::write_layout(const FloatHistogram& h) {
  bits_.write(static_cast<uint64_t>(h.schema), 8);
  bits_.write(bits_of(h.zero_threshold), 64);
  write_indexes(bits_, h.positive.index);
  write_indexes(bits_, h.negative.index);
  write_varint(bits_, h.custom_values.size());
  for (const double bound : h.custom_values) bits_.write(bits_of(bound), 64);
  change_layout(state_, {h.schema, h.zero_threshold, h.positive.index, h.negative.index, h.custom_values});
}

void HistogramChunkWriter::append(int64_t t_ms, const FloatHistogram& h) {
  if (count_ == 0) {
    min_ms_ = t_ms;
    state_.time = {t_ms, 0};
    bits_.write(static_cast<uint64_t>(t_ms), 64);
  } else {
    write_time(bits_, state_.time, t_ms);
  }
  ++count_;
  if (model::is_stale_nan(h.sum)) return bits_.write(0b11, 2);
  if (same_layout(h)) {
    bits_.write_bit(false);
  } else {
    bits_.write(0b10, 2);
    write_layout(h);
  }
  bits_.write(static_cast<uint64_t>(h.hint), 2);
  size_t at = 0;
  write_value(bits_, state_.values[at++], h.count);
  write_value(bits_, state_.values[at++], h.zero_count);
  write_value(bits_, state_.values[at++], h.sum);
  for (const double count : h.positive.count) write_value(bits_, state_.values[at++], count);
  for (const double count : h.negative.count) write_value(bits_, state_.values[at++], count);
}

Chunk HistogramChunkWriter::snapshot() const {
  return Chunk{min_ms_, state_.time.t_ms, count_, ChunkKind::kHistogram, bits_.bytes()};
}

Chunk HistogramChunkWriter::seal() {
  Chunk chunk = snapshot();
  *this = HistogramChunkWriter();
  return chunk;
}

bool decode_histograms(std::string_view bytes, uint32_t count, TimeRange range,
                       std::vector<model::HistogramSample>& out) {
  HistogramChunkReader reader(bytes, count);
  while (reader.next()) {
    if (reader.t_ms() > range.max_ms) return true;
    if (reader.t_ms() >= range.min_ms) out.push_back({reader.t_ms(), reader.make()});
  }
  return !reader.failed();
}

}  // namespace sentinel::tsdb
