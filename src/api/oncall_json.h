#pragma once
// On-call values as the API shows them. Pure functions. Addresses of people are never shown.

#include <boost/json/object.hpp>

#include "base/clock.h"
#include "oncall/changes.h"
#include "oncall/config.h"
#include "oncall/escalation_store.h"

namespace sentinel::api {

inline constexpr Micros kHandoverHorizon = std::chrono::days(35);  // how far the next handover is looked for
inline constexpr Micros kGapHorizon = std::chrono::days(14);

// {"id", "name"}
boost::json::object person_json(const oncall::Config& config, const std::string& user);
// Who is on call at `at`, until when, who follows, and the next gap.
boost::json::object now_json(const oncall::Config& config, const oncall::Schedule& schedule, TimePoint at);
// Shifts, gaps, overlaps, overrides and swaps in the range.
boost::json::object schedule_json(const oncall::Config& config, const oncall::Schedule& schedule, oncall::Span range,
                                  const std::vector<oncall::ScheduleChange>& changes);
boost::json::object change_json(const oncall::Config& config, const oncall::ScheduleChange& change);
boost::json::object page_json(const oncall::Config& config, const oncall::PageRecord& page);
// The level that is told next and by whom it is answered; null when none is.
boost::json::value next_level_json(const oncall::Config& config, const oncall::Escalation& e);

}  // namespace sentinel::api
