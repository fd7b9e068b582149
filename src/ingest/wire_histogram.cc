#include "ingest/wire_histogram.h"

#include <array>
#include <limits>
#include <memory>
#include <vector>

#include "ingest/limits.h"
#include "ingest/proto_reader.h"
#include "ingest/proto_writer.h"

namespace sentinel::ingest {
namespace {

using Wire = ProtoReader::Wire;

struct Span {
  int32_t offset = 0;
  uint32_t length = 0;
};

struct Side {
  std::vector<Span> spans;
  std::vector<int64_t> deltas;  // integer histograms
  std::vector<double> counts;   // float histograms
};

bool read_span(std::string_view bytes, Side& side) {
  if (side.spans.size() >= kHistogramBucketsMax) return false;
  ProtoReader in(bytes);
  Span span;
  while (in.next()) {
    switch (in.field()) {
      case 1: span.offset = in.sint32(); break;
      case 2: span.length = static_cast<uint32_t>(in.varint()); break;
      default: in.skip();
    }
  }
  side.spans.push_back(span);
  return in.ok();
}

void read_deltas(ProtoReader& in, Side& side) {
  in.repeated(Wire::kVarint, [&](ProtoReader& element) {
    side.deltas.push_back(element.sint64());
    return side.deltas.size() <= kHistogramBucketsMax;
  });
}

void read_counts(ProtoReader& in, std::vector<double>& out) {
  in.repeated(Wire::kFixed64, [&](ProtoReader& element) {
    out.push_back(element.float64());
    return out.size() <= kHistogramBucketsMax;
  });
}

// Spans and values to indexes and absolute counts.
Status fill(const Side& side, bool is_float, model::HistogramBuckets& out) {
  const size_t values = is_float ? side.counts.size() : side.deltas.size();
  int64_t index = 0;
  int64_t count = 0;
  size_t used = 0;
  bool first = true;
  for (const Span& span : side.spans) {
    if (!first && span.offset < 0) return fail(ErrorCode::kInvalidArgument, "span with a negative offset");
    first = false;
    index += span.offset;
    if (span.length > values - used) return fail(ErrorCode::kInvalidArgument, "spans need more buckets than there are");
    for (uint32_t i = 0; i < span.length; ++i, ++used, ++index) {
      if (index < std::numeric_limits<int32_t>::min() || index > std::numeric_limits<int32_t>::max()) {
        return fail(ErrorCode::kInvalidArgument, "bucket index out of range");
      }
      if (!is_float)
        count = static_cast<int64_t>(static_cast<uint64_t>(count) + static_cast<uint64_t>(side.deltas[used]));
      out.push(static_cast<int32_t>(index), is_float ? side.counts[used] : static_cast<double>(count));
    }
  }
  if (used != values) return fail(ErrorCode::kInvalidArgument, "spans need fewer buckets than there are");
  return {};
}

model::CounterResetHint hint_of(uint64_t v) {
  switch (v) {
    case 1: return model::CounterResetHint::kReset;
    case 2: return model::CounterResetHint::kNotReset;
    case 3: return model::CounterResetHint::kGauge;
    default: return model::CounterResetHint::kUnknown;
  }
}

// Both messages say the same under other numbers; these are the ones of remote write.
struct Message {
  model::FloatHistogram h;
  int64_t t_ms = 0;
  double count_float = 0;
  double zero_count_float = 0;
  bool counts_are_floats = false;
  Side positive;
  Side negative;
};

Status read_field(ProtoReader& in, uint32_t field, Message& out) {
  switch (field) {
    case 1: out.h.count = static_cast<double>(in.varint()); break;
    case 2:
      out.count_float = in.float64();
      out.counts_are_floats = true;
      break;
    case 3: out.h.sum = in.float64(); break;
    case 4: out.h.schema = in.sint32(); break;
    case 5: out.h.zero_threshold = in.float64(); break;
    case 6: out.h.zero_count = static_cast<double>(in.varint()); break;
    case 7: out.zero_count_float = in.float64(); break;
    case 8:
    case 11:
      if (!read_span(in.bytes(), field == 8 ? out.negative : out.positive)) {
        return fail(ErrorCode::kInvalidArgument, "malformed bucket span");
      }
      break;
    case 9: read_deltas(in, out.negative); break;
    case 10: read_counts(in, out.negative.counts); break;
    case 12: read_deltas(in, out.positive); break;
    case 13: read_counts(in, out.positive.counts); break;
    case 14: out.h.hint = hint_of(in.varint()); break;
    case 15: out.t_ms = in.int64(); break;
    case 16: read_counts(in, out.h.custom_values); break;
    default: in.skip();
  }
  return {};
}

Status finish(const ProtoReader& in, Message& out) {
  if (!in.ok()) return fail(ErrorCode::kInvalidArgument, "malformed histogram");
  if (out.counts_are_floats) out.h.count = out.count_float;
  if (out.zero_count_float != 0) out.h.zero_count = out.zero_count_float;
  SENTINEL_TRY(fill(out.positive, out.counts_are_floats, out.h.positive));
  return fill(out.negative, out.counts_are_floats, out.h.negative);
}

}  // namespace

Result<model::HistogramSample> read_wire_histogram(std::string_view message) {
  ProtoReader in(message);
  Message out;
  while (in.next()) SENTINEL_TRY(read_field(in, in.field(), out));
  SENTINEL_TRY(finish(in, out));
  return model::HistogramSample{out.t_ms, std::make_shared<const model::FloatHistogram>(std::move(out.h))};
}

Result<model::HistogramPtr> read_exposed_histogram(std::string_view message, bool gauge) {
  static constexpr std::array<uint32_t, 15> kOfRemoteWrite{0, 1, 3, 0, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};
  ProtoReader in(message);
  Message out;
  while (in.next()) {
    SENTINEL_TRY(read_field(in, in.field() < kOfRemoteWrite.size() ? kOfRemoteWrite[in.field()] : 0, out));
  }
  // Here zero says that there is none.
  out.counts_are_floats = out.count_float > 0 || out.zero_count_float > 0;
  SENTINEL_TRY(finish(in, out));
  if (gauge) out.h.hint = model::CounterResetHint::kGauge;
  return std::make_shared<const model::FloatHistogram>(std::move(out.h));
}

namespace {

// Spans (offset to the end of the one before, length) and the counts, packed.
void write_side(const model::HistogramBuckets& side, uint32_t span_field, uint32_t count_field, ProtoWriter& out) {
  int64_t end = 0;
  for (size_t i = 0; i < side.size();) {
    size_t next = i + 1;
    while (next < side.size() && side.index[next] == side.index[next - 1] + 1) ++next;
    std::string span;
    ProtoWriter writer(span);
    writer.sint64(1, side.index[i] - end);
    writer.varint(2, next - i);
    out.bytes(span_field, span);
    end = int64_t{side.index[next - 1]} + 1;
    i = next;
  }
  if (side.empty()) return;
  std::string counts;
  for (const double count : side.count) put_fixed(counts, std::bit_cast<uint64_t>(count));
  out.bytes(count_field, counts);
}

}  // namespace

std::string write_wire_histogram(const model::HistogramSample& sample) {
  const model::FloatHistogram& h = *sample.h;
  std::string out;
  ProtoWriter writer(out);
  writer.float64(2, h.count);
  writer.float64(3, h.sum);
  writer.sint64(4, h.schema);
  writer.float64(5, h.zero_threshold);
  writer.float64(7, h.zero_count);
  write_side(h.negative, 8, 10, writer);
  write_side(h.positive, 11, 13, writer);
  writer.varint(14, static_cast<uint64_t>(h.hint));
  writer.int64(15, sample.t_ms);
  if (!h.custom_values.empty()) {
    std::string bounds;
    for (const double bound : h.custom_values) put_fixed(bounds, std::bit_cast<uint64_t>(bound));
    writer.bytes(16, bounds);
  }
  return out;
}

}  // namespace sentinel::ingest
