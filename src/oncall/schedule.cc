#include "oncall/schedule.h"

#include <algorithm>
#include <functional>

#include "oncall/limits.h"
#include "oncall/turns.h"

namespace sentinel::oncall {
namespace {

using std::chrono::days;
using std::chrono::floor;

std::vector<Span> holiday_spans(const Schedule& s, OnHolidays use) {
  std::vector<Span> out;
  for (const WallDay day : s.holidays) {
    const WallTime next(day + days(1));
    // Either way a midnight that comes twice overlaps rather than gaps.
    out.push_back({s.zone.first(WallTime(day)), use == OnHolidays::kOff ? s.zone.first(next) : s.zone.last(next)});
  }
  return join_spans(std::move(out));
}

std::vector<Span> intersect_all(const std::vector<Span>& a, const std::vector<Span>& b) {
  std::vector<Span> out;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const Span both = intersect(a[i], b[j]);
    if (!both.empty()) out.push_back(both);
    a[i].end < b[j].end ? ++i : ++j;
  }
  return out;
}

// When the layer speaks at all.
std::vector<Span> layer_spans(const Schedule& s, const Layer& layer, Span range) {
  if (layer.end) range.end = std::min(range.end, *layer.end);
  if (range.empty()) return {};
  std::vector<Span> out = allowed_spans(layer.restrictions, zone_of(s, layer), range);
  if (layer.on_holidays == OnHolidays::kServe) return out;
  const std::vector<Span> holidays = holiday_spans(s, layer.on_holidays);
  if (layer.on_holidays == OnHolidays::kOnly) return intersect_all(out, holidays);
  std::vector<Span> rest;
  for (const Span& span : out) {
    for (const Span& part : subtract(span, holidays)) rest.push_back(part);
  }
  return rest;
}

std::vector<Shift> layer_shifts(const Schedule& s, const Layer& layer, const Span& range) {
  std::vector<Shift> out;
  const std::vector<Span> spans = layer_spans(s, layer, range);
  const Turns turns(layer, zone_of(s, layer));
  for (const Span& span : spans) {
    for (int64_t n = turns.at(span.start);; ++n) {
      const Span turn = turns.span(n);
      if (turn.start >= span.end) break;
      const Span part = intersect(turn, span);
      const std::vector<std::string>* slot = part.empty() ? nullptr : turns.slot(n);
      if (slot == nullptr) continue;
      const std::string source = "layer " + layer.name + " #" + std::to_string(n);
      for (const std::string& user : *slot) out.push_back({part, user, source});
      if (slot->empty()) out.push_back({part, "", source});
    }
  }
  return out;
}

void append(std::vector<Shift>& to, std::vector<Shift> more) {
  to.insert(to.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

std::vector<Shift> all_layers(const Schedule& s, const Span& range) {
  std::map<int, std::vector<Shift>, std::greater<>> by_priority;
  for (const Layer& layer : s.layers) append(by_priority[layer.priority], layer_shifts(s, layer, range));
  std::vector<Shift> out;
  for (const auto& [priority, shifts] : by_priority) append(out, cut_out(shifts, covered(out)));
  return out;
}

std::vector<Span> spans_of(const std::vector<Shift>& shifts, std::string_view user) {
  std::vector<Span> out;
  for (const Shift& s : shifts) {
    if (s.user == user) out.push_back(s.span);
  }
  return join_spans(std::move(out));
}

// Only where he is not on call already.
void add(std::vector<Shift>& shifts, const Shift& shift) {
  append(shifts, cut_out({shift}, spans_of(shifts, shift.user)));
}

// Takes `user` out of `window` and returns what he had there, each shift on its own: gaps between them stay gaps, and
// none is longer than it was.
std::vector<Span> take(std::vector<Shift>& shifts, const std::string& user, const Span& window) {
  std::vector<Span> taken;
  std::vector<Shift> rest;
  for (Shift& s : shifts) {
    const Span part = intersect(s.span, window);
    if (s.user != user || part.empty()) {
      rest.push_back(std::move(s));
      continue;
    }
    taken.push_back(part);
    append(rest, cut_out({s}, {part}));
  }
  shifts = std::move(rest);
  return taken;
}

void apply(std::vector<Shift>& shifts, const TemporarySchedule& t, const Span& range) {
  shifts = cut_out(shifts, {t.span});
  for (const auto& [span, user] : t.shifts) {
    const Span part = intersect(intersect(span, t.span), range);
    if (!part.empty()) shifts.push_back({part, user, "temporary " + t.id});
  }
}

void apply(std::vector<Shift>& shifts, const Swap& swap) {
  if (swap.taken_by.empty()) return;
  // Both are taken before either is given: what one receives must not be handed back.
  const std::vector<Span> given = take(shifts, swap.user, swap.span);
  const std::vector<Span> returned =
      swap.in_return ? take(shifts, swap.taken_by, *swap.in_return) : std::vector<Span>{};
  for (const Span& span : given) add(shifts, {span, swap.taken_by, "swap " + swap.id});
  for (const Span& span : returned) add(shifts, {span, swap.user, "swap " + swap.id});
}

void apply(std::vector<Shift>& shifts, const Override& o, const Span& range) {
  const std::string source = "override " + o.id;
  const Span window = intersect(o.span, range);
  if (window.empty()) return;
  if (o.kind == Override::Kind::kAdd) return add(shifts, {window, o.user, source});
  const std::vector<Span> taken = take(shifts, o.user, window);
  if (o.kind == Override::Kind::kRemove) return;
  for (const Span& span : taken) add(shifts, {span, o.with, source});
}

// Layers of one priority may name the same person twice.
void once_each(std::vector<Shift>& shifts) {
  sort_shifts(shifts);
  std::map<std::string, TimePoint> until;
  for (Shift& s : shifts) {
    const auto [it, first] = until.try_emplace(s.user, s.span.end);
    if (first) continue;
    s.span.start = std::max(s.span.start, it->second);
    it->second = std::max(it->second, s.span.end);
  }
  std::erase_if(shifts, [](const Shift& s) { return s.span.empty(); });
  sort_shifts(shifts);
}

std::vector<Span> overlaps_of(const std::vector<Shift>& shifts) {
  std::map<TimePoint, int> steps;
  for (const Shift& s : shifts) {
    ++steps[s.span.start];
    --steps[s.span.end];
  }
  std::vector<Span> out;
  int count = 0;
  const TimePoint* before = nullptr;
  for (const auto& [at, step] : steps) {
    if (count > 1) out.push_back({*before, at});
    count += step;
    before = &at;
  }
  return join_spans(std::move(out));
}

}  // namespace

FinalSchedule final_schedule(const Schedule& schedule, Span range) {
  FinalSchedule out;
  range.end = std::min(range.end, range.start + kRangeMax);
  out.range = range;
  if (range.empty()) return out;
  std::vector<Shift> shifts = all_layers(schedule, range);
  for (const TemporarySchedule& t : schedule.temporary) apply(shifts, t, range);
  for (const Swap& swap : schedule.swaps) apply(shifts, swap);
  for (const Override& o : schedule.overrides) apply(shifts, o, range);
  for (Shift& s : shifts) (s.user.empty() ? out.empty_shifts : out.shifts).push_back(std::move(s));
  once_each(out.shifts);
  const std::vector<Span> manned = covered(out.shifts);
  out.gaps = subtract(range, manned);
  out.empty_shifts = cut_out(out.empty_shifts, manned);
  sort_shifts(out.empty_shifts);
  out.overlaps = overlaps_of(out.shifts);
  return out;
}

std::vector<std::string> who_is_on_call(const Schedule& schedule, TimePoint at) {
  const FinalSchedule now = final_schedule(schedule, {at, at + Micros(1)});
  std::vector<std::string> out;
  for (const Shift& s : now.shifts) out.push_back(s.user);
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Coverage coverage(const Schedule& schedule, TimePoint now, Micros ahead) {
  Coverage out{final_schedule(schedule, {now, now + ahead}), {}};
  std::set<std::string> idle;
  for (const Layer& layer : schedule.layers) {
    for (const auto& slot : layer.rotation.slots) idle.insert(slot.begin(), slot.end());
  }
  for (const Shift& s : out.final.shifts) idle.erase(s.user);
  out.never_serve.assign(idle.begin(), idle.end());
  return out;
}

Result<Rotation> with_length(const Layer& layer, const Zone& zone, RotationUnit unit, int length,
                             WallTime next_handover, TimePoint now) {
  if (zone.first(next_handover) <= now) {
    return fail(ErrorCode::kInvalidArgument, "the next handover must be in the future");
  }
  if (length < 1 || length > kRotationLengthMax) return fail(ErrorCode::kInvalidArgument, "the length is out of range");
  const Turns turns(layer, zone);
  const int64_t n = turns.at(now);
  Rotation out = layer.rotation;
  if (n >= 0 && !out.slots.empty()) {
    out.first_slot = turns.slot_index(n) + 1;
    out.active_from = turns.span(n).start;
  }
  out.unit = unit;
  out.length = length;
  out.start = next_handover;
  return out;
}

namespace {

void remove_from_rotation(Layer& layer, const Zone& zone, std::string_view user, TimePoint now) {
  Rotation& rotation = layer.rotation;
  if (rotation.slots.empty()) return;
  const Turns turns(layer, zone);
  const bool before = !rotation.active_from && turns.at(now) < 0;
  const int64_t n = before ? 0 : turns.at(now);
  const auto present = static_cast<size_t>(turns.slot_index(n));
  const int64_t counted = turns.counted(n);
  std::vector<std::vector<std::string>> left;
  size_t present_now = 0;
  for (size_t i = 0; i < rotation.slots.size(); ++i) {
    std::vector<std::string> slot = rotation.slots[i];
    const bool had = std::erase(slot, user) > 0;
    if (i == present) present_now = left.size();  // or, when this slot goes, the one that follows it
    if (!had || !slot.empty()) left.push_back(std::move(slot));
  }
  rotation.slots = std::move(left);
  const auto size = static_cast<int64_t>(rotation.slots.size());
  rotation.first_slot = size == 0 ? 0 : ((static_cast<int64_t>(present_now) - counted) % size + size) % size;
}

}  // namespace

void remove_user(Schedule& schedule, std::string_view user, TimePoint now) {
  for (Layer& layer : schedule.layers) remove_from_rotation(layer, zone_of(schedule, layer), user, now);
  std::erase_if(schedule.overrides, [&](const Override& o) { return o.user == user || o.with == user; });
  std::erase_if(schedule.swaps, [&](const Swap& s) { return s.user == user || s.taken_by == user; });
  for (TemporarySchedule& t : schedule.temporary) {
    std::erase_if(t.shifts, [&](const auto& shift) { return shift.second == user; });
  }
}

Status check_swaps(const std::vector<Swap>& swaps) {
  const auto parts = [](const Swap& s) {
    std::vector<std::pair<std::string, Span>> out = {{s.user, s.span}};
    if (s.in_return) out.emplace_back(s.taken_by, *s.in_return);
    return out;
  };
  for (size_t i = 0; i < swaps.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      for (const auto& [user, span] : parts(swaps[i])) {
        for (const auto& [other, other_span] : parts(swaps[j])) {
          if (user != other || !span.overlaps(other_span)) continue;
          return fail(ErrorCode::kConflict, "swap " + swaps[i].id + " overlaps swap " + swaps[j].id + " of " + user);
        }
      }
    }
  }
  return {};
}

}  // namespace sentinel::oncall
