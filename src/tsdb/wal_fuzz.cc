// A log file, the payload of a record, and a block index, of any bytes. The first byte chooses which.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "tsdb/block.h"
#include "tsdb/histogram_chunk.h"
#include "tsdb/record.h"
#include "tsdb/wal.h"

namespace {

using namespace sentinel;
using namespace sentinel::tsdb;

void read_log(std::string_view file) {
  FrameReader reader(file);
  if (!reader.header_ok()) return;
  RecordType type{};
  std::string_view payload;
  size_t before = reader.good_bytes();
  while (reader.next(type, payload)) {
    SENTINEL_CHECK(reader.good_bytes() > before && reader.good_bytes() <= file.size());
    before = reader.good_bytes();
  }
}

void read_records(std::string_view payload) {
  for (const RecordType type : {RecordType::kBatch, RecordType::kMixedBatch}) {
    const auto batch = decode_batch(type, payload);
    if (!batch) continue;
    const auto again = decode_batch(batch->type(), encode_batch(*batch));
    SENTINEL_CHECK(
        again && again->samples.size() == batch->samples.size() && again->series.size() == batch->series.size() &&
        again->histograms.size() == batch->histograms.size() && again->exemplars.size() == batch->exemplars.size());
  }
  if (const auto chunk = decode_chunk(payload)) {
    (void)ChunkWriter::resume(chunk->chunk);
    (void)HistogramChunkWriter::resume(chunk->chunk);
  }
  (void)decode_head_start(payload);
  (void)decode_exemplars(payload);
  (void)decode_erase(payload);
  (void)decode_tombstones(payload);
}

void read_index(std::string_view bytes) {
  const auto index = BlockIndex::parse(std::string(bytes));
  if (!index) return;
  BlockSeries series;
  for (uint32_t id = 0; id < (*index)->size() && id < 1'000; ++id) {
    if ((*index)->read(id, series)) (void)(*index)->make_labels(series);
  }
  for (const std::string& name : (*index)->names()) {
    std::vector<PostingsRef> lists;
    (*index)->collect(name, [](std::string_view) { return true; }, lists);
    for (const PostingsRef& list : lists) {
      SENTINEL_CHECK(std::is_sorted(list->begin(), list->end()));
      SENTINEL_CHECK(list->empty() || list->back() < (*index)->size());
    }
    (*index)->for_each_value(name, [&](std::string_view value) { (void)(*index)->find_postings(name, value); });
  }
  const auto any = model::Matcher::make(model::MatchType::kRegexp, "a", ".*x?").value();
  (void)(*index)->resolve({any, model::Matcher::equal("b", "c")});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data + 1), size - 1);
  switch (data[0] % 4) {
    case 0: read_log(rest); break;
    case 1: read_log(frame_header() + std::string(rest)); break;
    case 2: read_records(rest); break;
    default: read_index(rest);
  }
  return 0;
}
