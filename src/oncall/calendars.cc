#include "oncall/calendars.h"

#include "oncall/ical.h"
#include "oncall/limits.h"
#include "state/kv.h"

namespace sentinel::oncall {
namespace {

constexpr std::string_view kPrefix = "oncall/calendar/";
constexpr size_t kStoredMax = 10'000;  // read back at a start

}  // namespace

std::string calendar_name(const Subscription& s) { return s.schedule + "/" + s.id; }

Result<CalendarTexts> stored_calendars(state::Tx& tx) {
  SENTINEL_ASSIGN(const auto documents, state::KeyValue::list(tx, kPrefix, kStoredMax));
  CalendarTexts out;
  for (const auto& [key, text] : documents) out.emplace(key.substr(kPrefix.size()), text);
  return out;
}

Status store_calendar(state::Tx& tx, const std::string& name, const std::string& text, TimePoint now) {
  return state::KeyValue::put(tx, std::string(kPrefix) + name, text, now);
}

Result<TemporarySchedule> followed(const Config& config, const Subscription& s, std::string_view text, TimePoint now) {
  const auto schedule = config.schedules.find(s.schedule);
  if (schedule == config.schedules.end()) return fail(ErrorCode::kNotFound, "no schedule \"" + s.schedule + "\"");
  SENTINEL_ASSIGN(const Calendar calendar, parse_ical(text, calendar_name(s), schedule->second.zone));
  return import_calendar(calendar, {now - std::chrono::days(1), now + kCalendarAhead}, s.id, config.users);
}

Config with_calendars(Config config, const CalendarTexts& texts, TimePoint now) {
  for (const Subscription& s : config.calendars) {
    const auto text = texts.find(calendar_name(s));
    if (text == texts.end()) continue;
    if (auto shifts = followed(config, s, text->second, now))
      config.schedules.find(s.schedule)->second.temporary.push_back(std::move(*shifts));
  }
  return config;
}

}  // namespace sentinel::oncall
