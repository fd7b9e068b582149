#include "ingest/spill.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/log.h"
#include "base/strings.h"

namespace sentinel::ingest {
namespace {

constexpr std::string_view kSuffix = ".spill";

}  // namespace

Result<std::unique_ptr<Spill>> Spill::open(Env& env, SpillOptions options) {
  std::unique_ptr<Spill> spill(new Spill(env, std::move(options)));
  MutexLock lock(spill->mutex_);
  SENTINEL_TRY(spill->load());
  return spill;
}

std::string Spill::path(uint64_t number) const { return fmt::format("{}/{:08}{}", options_.dir, number, kSuffix); }

Status Spill::load() {
  SENTINEL_TRY(env_.make_dirs(options_.dir));
  SENTINEL_ASSIGN(const std::vector<std::string> names, env_.list(options_.dir));
  std::vector<uint64_t> numbers;
  for (const std::string& name : names) {
    if (!name.ends_with(kSuffix)) continue;
    const auto number = parse_int(std::string_view(name).substr(0, name.size() - kSuffix.size()));
    if (number && *number > 0) numbers.push_back(static_cast<uint64_t>(*number));
  }
  std::sort(numbers.begin(), numbers.end());
  for (const uint64_t number : numbers) {
    next_number_ = number + 1;
    SENTINEL_TRY(load_segment(number));
  }
  return {};
}

Status Spill::load_segment(uint64_t number) {
  const std::string file = path(number);
  SENTINEL_ASSIGN(const std::string content, env_.read_file(file));
  Segment segment;
  segment.number = number;
  segment.leftover = true;
  segment.bytes = read_spill(content, 0, [&](const SpilledCall&, uint64_t) {
    ++segment.calls;
    return true;
  });
  if (segment.bytes < content.size()) {
    stats_.cut_bytes += content.size() - segment.bytes;
    log_warn("telemetry", "torn tail of a spill file is left out",
             {{"file", file}, {"bytes", content.size() - segment.bytes}});
  }
  if (segment.calls == 0) return env_.remove(file);
  if (segment.bytes < content.size()) SENTINEL_TRY(env_.truncate(file, segment.bytes));
  stats_.calls += segment.calls;
  stats_.leftover += segment.calls;
  segments_.push_back(segment);
  return {};
}

uint64_t Spill::bytes() const {
  uint64_t sum = 0;
  for (const Segment& segment : segments_) sum += segment.bytes;
  return sum;
}

Status Spill::start_segment() {
  active_.reset();
  const uint64_t number = next_number_++;
  SENTINEL_ASSIGN(active_, env_.open_append(path(number)));
  const std::string header = spill_header();
  if (Status s = active_->append(header); !s) {
    active_.reset();
    (void)env_.remove(path(number));
    return s;
  }
  Segment segment;
  segment.number = number;
  segment.bytes = header.size();
  segments_.push_back(segment);
  return {};
}

Status Spill::write(std::string_view bytes) {
  Status written = active_->append(bytes);
  if (written) written = active_->sync();
  if (written) return {};
  // The file may hold a part of it now: it is closed where it was good, and a new one is tried the next time.
  active_.reset();
  const Segment& segment = segments_.back();
  if (segment.calls > 0) {
    (void)env_.truncate(path(segment.number), segment.bytes);
  } else {
    (void)env_.remove(path(segment.number));
    segments_.pop_back();
  }
  return written;
}

Result<size_t> Spill::append(const std::vector<SpilledCall>& calls) {
  MutexLock lock(mutex_);
  if (!active_ || segments_.back().bytes >= options_.segment_bytes) SENTINEL_TRY(start_segment());
  const uint64_t used = bytes();
  std::string frames;
  size_t fit = 0;
  for (; fit < calls.size(); ++fit) {
    const size_t before = frames.size();
    const bool encoded = encode_spilled(calls[fit], frames).has_value();
    if (!encoded || used + frames.size() > options_.bytes_max) {
      frames.resize(before);
      break;
    }
  }
  if (fit == 0) return fit;
  SENTINEL_TRY(write(frames));
  segments_.back().bytes += frames.size();
  segments_.back().calls += fit;
  stats_.calls += fit;
  return fit;
}

Status Spill::read_front() {
  if (segments_.size() == 1) active_.reset();  // what is read is not written to any more
  SENTINEL_ASSIGN(front_, env_.read_file(path(segments_.front().number)));
  front_.resize(std::min<uint64_t>(front_.size(), segments_.front().bytes));
  front_offset_ = 0;
  return {};
}

void Spill::drop_front() {
  const Segment& front = segments_.front();
  if (const Status s = env_.remove(path(front.number)); !s)
    log_warn("telemetry", "a spill file that was read back stays", {{"error", s.error().to_string()}});
  segments_.pop_front();
  front_.clear();
  front_offset_ = 0;
}

Result<std::vector<SpilledCall>> Spill::peek(size_t calls_max, bool* leftover) {
  MutexLock lock(mutex_);
  std::vector<SpilledCall> out;
  peeked_calls_ = 0;
  while (stats_.calls > 0 && out.empty()) {
    if (front_.empty()) SENTINEL_TRY(read_front());
    Segment& front = segments_.front();
    uint64_t behind_last = front_offset_;
    read_spill(front_, front_offset_, [&](SpilledCall call, uint64_t behind) {
      out.push_back(std::move(call));
      behind_last = behind;
      return out.size() < calls_max;
    });
    peeked_offset_ = behind_last;
    *leftover = front.leftover;
    if (!out.empty()) break;
    // It was whole when it was written or loaded: the disk has changed it.
    stats_.damaged += front.calls;
    stats_.calls -= front.calls;
    if (front.leftover) stats_.leftover -= front.calls;
    log_error("telemetry", "a spill file cannot be read back", {{"file", path(front.number)}, {"calls", front.calls}});
    drop_front();
  }
  peeked_calls_ = out.size();
  return out;
}

void Spill::consume() {
  MutexLock lock(mutex_);
  if (peeked_calls_ == 0) return;
  Segment& front = segments_.front();
  front.calls -= peeked_calls_;
  stats_.calls -= peeked_calls_;
  if (front.leftover) stats_.leftover -= peeked_calls_;
  front_offset_ = peeked_offset_;
  peeked_calls_ = 0;
  if (front.calls == 0) drop_front();
}

SpillStats Spill::stats() const {
  MutexLock lock(mutex_);
  SpillStats out = stats_;
  out.bytes = bytes();
  return out;
}

}  // namespace sentinel::ingest
