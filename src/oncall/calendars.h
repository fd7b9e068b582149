#pragma once
// Outside calendars that a schedule follows: the last good text of each is kept in the state store, so that a calendar
// that cannot be read today changes nothing. What a calendar says is the schedule, for as far ahead as it is looked at.

#include <map>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "oncall/config.h"
#include "state/database.h"

namespace sentinel::oncall {

using CalendarTexts = std::map<std::string, std::string>;  // by "SCHEDULE/ID"

std::string calendar_name(const Subscription& s);  // "SCHEDULE/ID"
// REQUIRES: state::KeyValue::migrate() ran.
Result<CalendarTexts> stored_calendars(state::Tx& tx);
Status store_calendar(state::Tx& tx, const std::string& name, const std::string& text, TimePoint now);

// What the text is for this subscription from a day ago to kCalendarAhead. An error says what of it cannot be used.
Result<TemporarySchedule> followed(const Config& config, const Subscription& s, std::string_view text, TimePoint now);
// The configuration with what its calendars say; one whose text is missing or cannot be used is left out.
Config with_calendars(Config config, const CalendarTexts& texts, TimePoint now);

}  // namespace sentinel::oncall
