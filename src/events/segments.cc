#include "events/segments.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"
#include "events/limits.h"

namespace sentinel::events {
namespace {

constexpr std::string_view kSuffix = ".parquet";

}  // namespace

std::string Segment::file_name() const {
  return fmt::format("v{}-{:08}-{:08}-{}-{}-{}{}", version, first, last, rows, min_us, max_us, kSuffix);
}

std::optional<Segment> Segment::parse(std::string_view name) {
  if (name.size() < 3 || name[0] != 'v' || name[2] != '-' || !name.ends_with(kSuffix)) return std::nullopt;
  const char version = name[1];
  if (version < '1' || version > '0' + kSegmentVersion) return std::nullopt;
  name = name.substr(3, name.size() - 3 - kSuffix.size());
  const auto parts = split(name, '-');
  if (parts.size() != 5) return std::nullopt;
  int64_t numbers[5] = {};
  for (size_t i = 0; i < 5; ++i) {
    const auto n = parse_int(parts[i]);
    if (!n || *n < 0) return std::nullopt;
    numbers[i] = *n;
  }
  Segment out;
  out.version = static_cast<uint8_t>(version - '0');
  out.first = static_cast<uint64_t>(numbers[0]);
  out.last = static_cast<uint64_t>(numbers[1]);
  out.rows = static_cast<uint64_t>(numbers[2]);
  out.min_us = numbers[3];
  out.max_us = numbers[4];
  if (out.first > out.last) return std::nullopt;
  return out;
}

Result<std::vector<Segment>> read_segments(Env& env, const std::string& dir) {
  SENTINEL_ASSIGN(const std::vector<std::string> names, env.list(dir));
  std::vector<Segment> found;
  for (const std::string& name : names) {
    if (name.ends_with(".tmp")) SENTINEL_TRY(env.remove(dir + "/" + name));
    auto segment = Segment::parse(name);
    if (!segment) continue;
    SENTINEL_ASSIGN(const std::unique_ptr<RandomReadFile> file, env.open_read(dir + "/" + name));
    segment->bytes = file->size_bytes();
    found.push_back(*segment);
  }
  // Wider ones first among equal starts: what lies inside another was merged into it.
  std::sort(found.begin(), found.end(), [](const Segment& a, const Segment& b) {
    return a.first != b.first ? a.first < b.first : a.last > b.last;
  });
  std::vector<Segment> out;
  for (const Segment& segment : found) {
    if (!out.empty() && segment.last <= out.back().last) {
      SENTINEL_TRY(env.remove(dir + "/" + segment.file_name()));
    } else {
      out.push_back(segment);
    }
  }
  return out;
}

std::vector<std::vector<Segment>> plan_compaction(const std::vector<Segment>& segments, int64_t span_us) {
  std::vector<std::vector<Segment>> plan;
  std::vector<Segment> run;
  uint64_t rows = 0;
  int64_t min_us = 0;
  int64_t max_us = 0;
  const auto close = [&] {
    if (run.size() >= kCompactFanIn) plan.push_back(run);
    run.clear();
    rows = 0;
  };
  for (const Segment& s : segments) {
    if (s.rows >= kSmallSegmentRows) {
      close();
      continue;
    }
    const bool fits = !run.empty() && rows + s.rows <= kSegmentRowsMax &&
                      std::max(max_us, s.max_us) - std::min(min_us, s.min_us) <= span_us;
    if (!fits) close();
    min_us = run.empty() ? s.min_us : std::min(min_us, s.min_us);
    max_us = run.empty() ? s.max_us : std::max(max_us, s.max_us);
    rows += s.rows;
    run.push_back(s);
  }
  close();
  return plan;
}

SegmentSet::~SegmentSet() {
  for (const Segment& segment : removed_) {
    if (Status s = env_.remove(dir_ + "/" + segment.file_name()); !s) {
      log_warn("events", "cannot remove a segment", {{"error", s.error().to_string()}});
    }
  }
  // A long chain that ends here is let go step by step, not by recursion.
  std::shared_ptr<SegmentSet> next = std::move(next_);
  while (next && next.use_count() == 1) {
    std::shared_ptr<SegmentSet> after = std::move(next->next_);
    next = std::move(after);
  }
}

void SegmentSet::superseded_by(std::shared_ptr<SegmentSet> next, std::vector<Segment> removed) {
  removed_ = std::move(removed);
  next_ = std::move(next);
}

}  // namespace sentinel::events
