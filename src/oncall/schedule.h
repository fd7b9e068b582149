#pragma once
// Who is on call. A schedule is layers of rotations, and what people change about them by hand; the answer for any
// instant or range is a pure function of these values. Nothing here reads a clock.
//
// Clock times follow one rule (zone.h): a shift begins at the first instant its clock time is shown and a restriction
// ends at the last, so that an hour that comes twice overlaps rather than gaps; a time that is never shown is the first
// instant after the hole. Turns hand over at one instant, so turns of one rotation neither gap nor overlap, ever.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "oncall/spans.h"
#include "oncall/zone.h"

namespace sentinel::oncall {

// On these weekdays, from this clock time on; the end is on the next day when it is not after the start.
struct Restriction {
  std::set<unsigned> weekdays;  // on which it begins, 0 is Sunday; empty: all
  std::chrono::seconds from{0};
  std::chrono::seconds to{86400};
  bool operator==(const Restriction&) const = default;
};
// Stretches within `range` in which any of the restrictions holds, joined; the range itself when there are none.
std::vector<Span> allowed_spans(const std::vector<Restriction>& restrictions, const Zone& zone, const Span& range);

enum class RotationUnit { kHour, kDay, kWeek, kMonth };

// Turns of one length, one slot after the other. Hours are elapsed time; days, weeks and months keep the clock time of
// `start` whatever the zone does. A month's turn begins on start's day, or on the last day of a shorter month.
struct Rotation {
  RotationUnit unit = RotationUnit::kWeek;
  int length = 1;
  WallTime start;                               // the handover to the first slot
  std::vector<std::vector<std::string>> slots;  // user ids; an empty slot is a turn of nobody
  int64_t first_slot = 0;                       // whose turn begins at `start`
  // The slot before the first one serves from here until `start` (after the length was changed); absent: nobody does.
  std::optional<TimePoint> active_from;
  bool operator==(const Rotation&) const = default;
};

enum class OnHolidays { kServe, kOff, kOnly };

struct Layer {
  std::string name;
  int priority = 0;          // where a higher one has somebody, a lower one is silent; equal ones serve together
  std::optional<Zone> zone;  // of its clock times; absent: the schedule's
  Rotation rotation;
  std::vector<Restriction> restrictions;
  OnHolidays on_holidays = OnHolidays::kServe;
  std::optional<TimePoint> end;
  bool operator==(const Layer&) const = default;
};

// Applied in the order of the list, each to what the ones before have left.
struct Override {
  enum class Kind { kAdd, kRemove, kReplace };
  std::string id;
  Kind kind = Kind::kAdd;
  Span span;
  std::string user;  // who is added, removed, or replaced (where he is on call, and nowhere else)
  std::string with;  // of kReplace
  bool operator==(const Override&) const = default;
};

// While it lasts, its shifts are the schedule; overrides and swaps apply to it all the same.
struct TemporarySchedule {
  std::string id;
  Span span;
  std::vector<std::pair<Span, std::string>> shifts;  // and their users
  bool operator==(const TemporarySchedule&) const = default;
};

// `taken_by` serves for `user` in `span`, and `user` for him in `in_return`. Without `taken_by` it is only asked for.
struct Swap {
  std::string id;
  std::string user;
  Span span;
  std::string taken_by;
  std::optional<Span> in_return;
  bool operator==(const Swap&) const = default;
};

struct Schedule {
  std::string id;
  std::string name;
  Zone zone;
  std::set<WallDay> holidays;
  std::vector<Layer> layers;
  std::vector<TemporarySchedule> temporary;
  std::vector<Swap> swaps;
  std::vector<Override> overrides;
  bool operator==(const Schedule&) const = default;
};

inline const Zone& zone_of(const Schedule& schedule, const Layer& layer) {
  return layer.zone ? *layer.zone : schedule.zone;
}

struct FinalSchedule {
  Span range;                       // shorter than asked for past kRangeMax
  std::vector<Shift> shifts;        // of people, sorted
  std::vector<Span> gaps;           // nobody is on call
  std::vector<Shift> empty_shifts;  // turns that nobody holds (user is ""), where nobody else serves
  std::vector<Span> overlaps;       // more than one person is on call
};

FinalSchedule final_schedule(const Schedule& schedule, Span range);
// Ids, sorted, each once.
std::vector<std::string> who_is_on_call(const Schedule& schedule, TimePoint at);

// What is wrong from `now` on; never about the past.
struct Coverage {
  FinalSchedule final;
  std::vector<std::string> never_serve;  // participants without a minute in the range
};
Coverage coverage(const Schedule& schedule, TimePoint now, Micros ahead);

// --- changes that keep whoever is on call ----------------------------------------------------------------------------

// A new length from `next_handover` on, at which the slot after the present one takes over. REQUIRES: next_handover is
// after `now`.
Result<Rotation> with_length(const Layer& layer, const Zone& zone, RotationUnit unit, int length,
                             WallTime next_handover, TimePoint now);
// The user leaves all slots, overrides, swaps and temporary shifts; slots that become empty by that go. Whoever has the
// turn at `now` keeps it; when it is the removed user, the next one takes over at once.
void remove_user(Schedule& schedule, std::string_view user, TimePoint now);
// kConflict: it overlaps another swap of the same person. Only a later one is refused.
Status check_swaps(const std::vector<Swap>& swaps);

}  // namespace sentinel::oncall
