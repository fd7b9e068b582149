#include "oncall/turns.h"

#include <algorithm>
#include <array>

namespace sentinel::oncall {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::hours;
using std::chrono::seconds;

constexpr seconds kDay{86400};
constexpr seconds kWeek{7 * 86400};
constexpr int64_t kTurnsInPattern = 7;  // so many turns of whole days begin on the same weekday again

// The clock stays; the day is start's, or the last one of a shorter month.
WallTime add_months(WallTime start, int64_t count) {
  const WallDay day = floor<days>(start);
  const std::chrono::year_month_day date(day);
  const auto month = std::chrono::year_month(date.year(), date.month()) + std::chrono::months(count);
  const std::chrono::year_month_day_last last(month.year(), std::chrono::month_day_last(month.month()));
  const std::chrono::year_month_day moved(month.year(), month.month(), std::min(date.day(), last.day()));
  return WallTime(WallDay(moved)) + (start - WallTime(day));
}

seconds length_of(const Rotation& r) {
  switch (r.unit) {
    case RotationUnit::kHour: return hours(r.length);
    case RotationUnit::kDay: return kDay * r.length;
    case RotationUnit::kWeek: return kWeek * r.length;
    case RotationUnit::kMonth: return kDay * 30 * r.length;  // about
  }
  return kWeek;
}

// Whether any restriction holds within wall times [begin, end), which is shorter than a week.
bool any_allowed(const std::vector<Restriction>& restrictions, WallTime begin, WallTime end) {
  for (WallDay day = floor<days>(begin) - days(1); WallTime(day) < end; day += days(1)) {
    for (const Restriction& r : restrictions) {
      if (!r.weekdays.empty() && !r.weekdays.contains(weekday_of(day).c_encoding())) continue;
      const WallTime from = WallTime(day) + r.from;
      const WallTime to = WallTime(day) + r.to + (r.to <= r.from ? kDay : seconds(0));
      if (from < end && begin < to) return true;
    }
  }
  return false;
}

}  // namespace

Turns::Turns(const Layer& layer, const Zone& zone) : layer_(layer), rotation_(layer.rotation), zone_(zone) {
  if (rotation_.unit != RotationUnit::kDay || rotation_.length >= kTurnsInPattern || layer.restrictions.empty()) return;
  for (int64_t n = 0; n < kTurnsInPattern; ++n) {
    const WallTime begin = rotation_.start + n * length_of(rotation_);
    pattern_.push_back(any_allowed(layer_.restrictions, begin, begin + length_of(rotation_)));
  }
}

TimePoint Turns::start_of(int64_t n) const {
  switch (rotation_.unit) {
    case RotationUnit::kHour: return zone_.first(rotation_.start) + n * length_of(rotation_);
    case RotationUnit::kDay:
    case RotationUnit::kWeek: return zone_.first(rotation_.start + n * length_of(rotation_));
    case RotationUnit::kMonth: return zone_.first(add_months(rotation_.start, n * rotation_.length));
  }
  return zone_.first(rotation_.start);
}

int64_t Turns::at(TimePoint t) const {
  if (t < start_of(0)) return -1;
  int64_t n = (t - start_of(0)) / Micros(length_of(rotation_));
  while (n > 0 && start_of(n) > t) --n;
  while (start_of(n + 1) <= t) ++n;
  return n;
}

Span Turns::span(int64_t n) const {
  if (n < 0) return {rotation_.active_from.value_or(TimePoint::min()), start_of(0)};
  return {start_of(n), start_of(n + 1)};
}

bool Turns::counts(int64_t n) const {
  return pattern_.empty() || n < 0 || pattern_[static_cast<size_t>(n % kTurnsInPattern)];
}

int64_t Turns::counted(int64_t n) const {
  if (n < 0) return -1;
  if (pattern_.empty()) return n;
  const int64_t in_pattern = std::count(pattern_.begin(), pattern_.end(), true);
  return n / kTurnsInPattern * in_pattern + std::count(pattern_.begin(), pattern_.begin() + n % kTurnsInPattern, true);
}

int64_t Turns::slot_index(int64_t n) const {
  const auto size = static_cast<int64_t>(rotation_.slots.size());
  return ((rotation_.first_slot + counted(n)) % size + size) % size;
}

const std::vector<std::string>* Turns::slot(int64_t n) const {
  if (rotation_.slots.empty() || !counts(n) || (n < 0 && !rotation_.active_from)) return nullptr;
  return &rotation_.slots[static_cast<size_t>(slot_index(n))];
}

std::vector<Span> allowed_spans(const std::vector<Restriction>& restrictions, const Zone& zone, const Span& range) {
  if (restrictions.empty()) return {range};
  std::vector<Span> out;
  const WallDay last = floor<days>(zone.wall(range.end)) + days(1);
  // A restriction lasts less than two days, and no zone has ever jumped by more than one.
  for (WallDay day = floor<days>(zone.wall(range.start)) - days(3); day <= last; day += days(1)) {
    for (const Restriction& r : restrictions) {
      if (!r.weekdays.empty() && !r.weekdays.contains(weekday_of(day).c_encoding())) continue;
      const WallTime from = WallTime(day) + r.from;
      const WallTime to = WallTime(day) + r.to + (r.to <= r.from ? kDay : seconds(0));
      out.push_back(intersect({zone.first(from), zone.last(to)}, range));
    }
  }
  return join_spans(std::move(out));
}

}  // namespace sentinel::oncall
