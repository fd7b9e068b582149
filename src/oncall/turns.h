#pragma once
// The turns of one rotation, numbered from its start. Turn -1 is what was before the start, however long.

#include <cstdint>
#include <string>
#include <vector>

#include "oncall/schedule.h"

namespace sentinel::oncall {

// Borrows the layer and the zone.
class Turns {
 public:
  Turns(const Layer& layer, const Zone& zone);

  // The turn that `t` lies in; -1 before the start.
  int64_t at(TimePoint t) const;
  Span span(int64_t n) const;
  // Null: the turn counts for nobody (all of it is restricted away, it lies before the rotation, or nobody is in it).
  const std::vector<std::string>* slot(int64_t n) const;
  // REQUIRES: there are slots.
  int64_t slot_index(int64_t n) const;
  // Turns from 0 up to n (excluded) that count. A turn of days of which the restrictions leave nothing passes to the
  // same slot again: with one turn a day on weekdays only, everybody serves.
  int64_t counted(int64_t n) const;

 private:
  TimePoint start_of(int64_t n) const;
  bool counts(int64_t n) const;

  const Layer& layer_;
  const Rotation& rotation_;
  const Zone& zone_;
  std::vector<bool> pattern_;  // of seven turns, which count; empty: all
};

}  // namespace sentinel::oncall
