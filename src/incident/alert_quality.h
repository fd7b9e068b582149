#pragma once
// Whether pages were worth an interruption: of all, of each person, of each rule. Pure functions over what was
// recorded; incidents and pages of tests are left out by whoever gathers them.
//
// A page is one person interrupted for one incident: what reaches him within a minute is one, mail is none.
//   actionable     people say whether an incident was useful; unrated, it was not exactly when it resolved by itself
//   and
//                  nobody did anything. Shown with the lower end of Wilson's 95 % interval.
//   transient      resolved by itself within 300 s;  flapping: the same rule again within 30 min of the last end
//   unattended     never acknowledged, or told to a further level because nobody did in time
//   load           p90 of the pages in 12 hours on call;  sleep: pages between 22 and 8 in seven nights on call
//   fatigue score  30 L + 25 N + 20 S + 15 F + 10 U, or by other weights; L = (load - 1) / 4, N = 1 - actionable,
//                  S = sleep / 5, F = flapping or transient, U = unattended; each within 0..1. A proposal of ours: its
//                  parts are always beside it. Absent below kPagesMin pages.
//   cost of a rule pages weighted by hour (sleep 3, off hours 2, business 1), times what was not actionable

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "incident/options.h"
#include "oncall/spans.h"
#include "oncall/zone.h"
#include "state/database.h"

namespace sentinel::incident {

inline constexpr uint64_t kPagesMin = 5;

enum class HourClass { kBusiness, kOffHours, kSleep };
// Business 8 to 18 on weekdays, sleep 22 to 8, else off hours; by the clock of `zone`.
HourClass hour_class(TimePoint t, const oncall::Zone& zone);

struct PagedIncident {
  std::string rule;  // "": opened by a person
  TimePoint created;
  std::optional<TimePoint> resolved;
  bool acknowledged = false;
  bool touched = false;  // somebody did something: a note, a step, a status, an update
  bool resolved_by_itself = false;
  bool escalated = false;      // a level beyond the first was told
  std::optional<bool> useful;  // as people said
};

struct PageSeen {
  std::string incident;  // id
  std::string user;      // id
  TimePoint at;
};

struct QualityInput {
  oncall::Span window;
  oncall::Zone zone;
  std::map<std::string, PagedIncident> incidents;            // by id
  std::vector<PageSeen> pages;                               // by time; of these incidents
  std::map<std::string, std::vector<oncall::Span>> on_call;  // by user; one who is not here was on call throughout
  std::map<std::string, std::set<std::string>> teams;        // by id: their users
  FatigueWeights weights;
  Micros step{0};  // of the periods; 0: none
};

struct PageQuality {
  uint64_t pages = 0;
  uint64_t business = 0, off_hours = 0, sleep = 0;
  uint64_t rated = 0;                                                                       // by people
  uint64_t resolved_by_itself = 0, transient = 0, flapping = 0, noisy = 0, unattended = 0;  // pages; noisy: either
  double actionable = 0;                                                                    // share
  double actionable_low = 0;                                                                // lower end of its interval
  double load = 0;
  double sleep_per_week = 0;
  double cost = 0;
  std::optional<double> fatigue;
  std::string_view band() const;  // healthy, watch, fatigued, critical; "" without a score
};

// Pages of one stretch of time, by its hours.
struct PagePeriod {
  TimePoint start;
  uint64_t business = 0, off_hours = 0, sleep = 0;
  uint64_t useless = 0;  // not actionable
};

struct AlertQuality {
  PageQuality all;
  uint64_t incidents = 0;
  double top_three = 0;                                    // share of the pages of the three noisiest rules
  std::vector<std::pair<std::string, PageQuality>> rules;  // dearest first
  std::vector<std::pair<std::string, PageQuality>> people;
  std::vector<std::pair<std::string, PageQuality>> teams;  // by id; a page of somebody in two counts in both
  std::vector<PagePeriod> periods;                         // of input.step, oldest first
};

AlertQuality measure_quality(const QualityInput& input);

// The incidents created in the window that told somebody, and their pages, but for `quiet` channels (mail). In a
// read transaction, on any thread; reads every incident of the window, so not on the control loop.
Status load_quality(state::Tx& tx, const std::vector<std::string>& quiet, QualityInput& input);

}  // namespace sentinel::incident
