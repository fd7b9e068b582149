#pragma once
// Sealed segments: immutable Parquet files whose names say all the store needs to know of them, so that there is no
// manifest to keep in step. `v3-<first>-<last>-<rows>-<min µs>-<max µs>.parquet` holds the rows of logs first..last.
// Those of earlier versions lack the columns added since (schema.h); they are read with NULL in their place.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace sentinel::events {

inline constexpr uint8_t kSegmentVersion = 4;

struct Segment {
  uint64_t first = 0;  // logs
  uint64_t last = 0;
  uint64_t rows = 0;
  int64_t min_us = 0;
  int64_t max_us = 0;
  uint64_t bytes = 0;
  uint8_t version = kSegmentVersion;

  std::string file_name() const;
  static std::optional<Segment> parse(std::string_view name);
  bool covers(uint64_t log) const { return first <= log && log <= last; }
};

// Reads the folder: removes unfinished files and segments that were merged into another. Sorted by log number.
Result<std::vector<Segment>> read_segments(Env& env, const std::string& dir);

// Runs of neighbours worth merging into one: small, not too many rows together, not spanning more than `span_us`.
std::vector<std::vector<Segment>> plan_compaction(const std::vector<Segment>& segments, int64_t span_us);

// A set of segments that queries may be reading. Files that a later set no longer has are removed when the last reader
// of this or any earlier set has gone: each set keeps the next one alive.
class SegmentSet {
 public:
  SegmentSet(Env& env, std::string dir, std::vector<Segment> segments)
      : env_(env), dir_(std::move(dir)), segments_(std::move(segments)) {}
  ~SegmentSet();
  SegmentSet(const SegmentSet&) = delete;
  SegmentSet& operator=(const SegmentSet&) = delete;

  const std::vector<Segment>& segments() const { return segments_; }
  // Called once, by the owner, when `next` takes over.
  void superseded_by(std::shared_ptr<SegmentSet> next, std::vector<Segment> removed);

 private:
  Env& env_;
  const std::string dir_;
  const std::vector<Segment> segments_;
  std::vector<Segment> removed_;
  std::shared_ptr<SegmentSet> next_;
};

}  // namespace sentinel::events
