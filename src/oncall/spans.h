#pragma once
// Stretches of time with a person in them, and the set operations a schedule is made of. Pure values.

#include <string>
#include <vector>

#include "base/clock.h"

namespace sentinel::oncall {

// Start included, end excluded.
struct Span {
  TimePoint start;
  TimePoint end;
  bool empty() const { return start >= end; }
  bool contains(TimePoint t) const { return t >= start && t < end; }
  bool overlaps(const Span& o) const { return start < o.end && o.start < end; }
  bool operator==(const Span&) const = default;
};
Span intersect(const Span& a, const Span& b);
// Sorted, touching and overlapping ones joined, empty ones gone.
std::vector<Span> join_spans(std::vector<Span> spans);
// What of `span` lies in none of `holes`. REQUIRES: `holes` as join_spans() makes them.
std::vector<Span> subtract(const Span& span, const std::vector<Span>& holes);

// One person, without a break, for one reason. Two shifts that touch stay two.
struct Shift {
  Span span;
  std::string user;    // id; "" is a turn that nobody holds
  std::string source;  // "layer NAME #TURN", "override ID", "swap ID", "temporary ID"
  bool operator==(const Shift&) const = default;
};
void sort_shifts(std::vector<Shift>& shifts);  // by start, user, end, source
// Spans in which somebody is on call.
std::vector<Span> covered(const std::vector<Shift>& shifts);
// Shifts cut at the edges of `holes`, what lies inside removed. REQUIRES: `holes` as join_spans() makes them.
std::vector<Shift> cut_out(const std::vector<Shift>& shifts, const std::vector<Span>& holes);

}  // namespace sentinel::oncall
