#include <algorithm>
#include <tuple>

#include "base/strings.h"
#include "oncall/ical.h"
#include "oncall/limits.h"

namespace sentinel::oncall {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct Line {
  int number = 0;  // of the text, where it begins
  std::string name;
  std::map<std::string, std::string> parameters;
  std::string value;
};

// Lines as they were before they were folded.
std::vector<std::pair<int, std::string>> unfold(std::string_view text) {
  std::vector<std::pair<int, std::string>> out;
  int number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!out.empty() && !line.empty() && (line.front() == ' ' || line.front() == '\t')) {
      out.back().second.append(line.substr(1));
    } else if (!line.empty()) {
      out.emplace_back(number, line);
    }
  }
  return out;
}

std::string to_upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    ++i;
    out += text[i] == 'n' || text[i] == 'N' ? '\n' : text[i];
  }
  return out;
}

// NAME;PARAMETER="value";...:value
std::optional<Line> read_line(int number, std::string_view text) {
  Line out;
  out.number = number;
  std::vector<std::string> parts(1);
  bool quoted = false;
  size_t i = 0;
  for (; i < text.size() && (quoted || text[i] != ':'); ++i) {
    if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == ';' && !quoted) {
      parts.emplace_back();
    } else {
      parts.back() += text[i];
    }
  }
  if (i == text.size() || parts[0].empty()) return std::nullopt;
  out.name = to_upper(parts[0]);
  out.value = text.substr(i + 1);
  for (size_t p = 1; p < parts.size(); ++p) {
    const size_t equals = parts[p].find('=');
    if (equals == std::string::npos) return std::nullopt;
    out.parameters[to_upper(parts[p].substr(0, equals))] = parts[p].substr(equals + 1);
  }
  return out;
}

// "P1W", "P1DT12H", "PT8H": days by the clock, and elapsed time.
struct Length {
  days by_clock{0};
  seconds elapsed{0};
};
Result<Length> read_length(std::string_view text) {
  const auto bad = [&] {
    return fail(ErrorCode::kInvalidArgument, "\"" + std::string(text) + "\" is not a duration, expected P7D or PT12H");
  };
  std::string_view rest = text;
  if (rest.starts_with('+')) rest.remove_prefix(1);
  if (!rest.starts_with('P') || rest.size() < 3) return bad();
  rest.remove_prefix(1);
  Length out;
  bool time = false;
  while (!rest.empty()) {
    if (rest.front() == 'T' && !time) {
      time = true;
      rest.remove_prefix(1);
      continue;
    }
    const size_t end = rest.find_first_not_of("0123456789");
    const auto n = end == std::string_view::npos || end == 0 || end > 6 ? std::nullopt : parse_int(rest.substr(0, end));
    if (!n) return bad();
    const char unit = rest[end];
    if (!time && unit == 'W') {
      out.by_clock += days(7 * *n);
    } else if (!time && unit == 'D') {
      out.by_clock += days(*n);
    } else if (time && unit == 'H') {
      out.elapsed += hours(*n);
    } else if (time && unit == 'M') {
      out.elapsed += minutes(*n);
    } else if (time && unit == 'S') {
      out.elapsed += seconds(*n);
    } else {
      return bad();
    }
    rest.remove_prefix(end + 1);
  }
  if (out.by_clock + out.elapsed > days(3660)) return bad();
  return out;
}

// One BEGIN:VEVENT ... END:VEVENT, read when it is complete: its lines come in any order.
class EventReader {
 public:
  EventReader(std::string_view file, const Zone& zone, int line) : file_(file), zone_(zone) { event_.line = line; }

  Status add(Line line) {
    static const std::set<std::string> kOnce = {"UID",   "DTSTART", "DTEND",    "DURATION",     "SUMMARY",
                                                "RRULE", "STATUS",  "SEQUENCE", "RECURRENCE-ID"};
    if (line.name == "RDATE" || line.name == "EXRULE") return error(line, line.name + " is not supported");
    if (line.name == "EXDATE") {
      exdates_.push_back(std::move(line));
    } else if (kOnce.contains(line.name)) {
      const std::string name = line.name;
      if (lines_.contains(name)) return error(line, name + " is there twice in one event");
      lines_.emplace(name, std::move(line));
    }
    return {};
  }

  Result<CalendarEvent> finish() {
    event_.cancelled = to_upper(value("STATUS")) == "CANCELLED";
    event_.uid = value("UID");
    event_.summary = unescape(value("SUMMARY"));
    event_.sequence = parse_int(value("SEQUENCE")).value_or(0);
    SENTINEL_TRY(read_times());
    SENTINEL_TRY(read_rule());
    for (const Line& line : exdates_) {
      for (const std::string_view part : split(line.value, ',')) {
        SENTINEL_ASSIGN(const auto when, time_of(line, part));
        event_.except.insert(when.second.first(when.first.wall));
      }
    }
    if (const auto it = lines_.find("RECURRENCE-ID"); it != lines_.end()) {
      if (it->second.parameters.contains("RANGE")) return error(it->second, "RANGE is not supported");
      SENTINEL_ASSIGN(const auto when, time_of(it->second, it->second.value));
      event_.replaces = when.second.first(when.first.wall);
    }
    return std::move(event_);
  }

 private:
  tl::unexpected<Error> error(const Line& line, std::string message) const {
    return fail(Error(ErrorCode::kInvalidArgument, std::move(message), Position{std::string(file_), line.number, 1}));
  }
  std::string value(const std::string& name) const {
    const auto it = lines_.find(name);
    return it == lines_.end() ? "" : it->second.value;
  }

  Result<std::pair<ICalTime, Zone>> time_of(const Line& line, std::string_view text) const {
    auto time = parse_ical_time(text);
    if (!time) return error(line, time.error().message());
    if (time->utc) return std::pair(*time, Zone());
    const auto named = line.parameters.find("TZID");
    if (named == line.parameters.end()) return std::pair(*time, zone_);
    std::string name = named->second;
    // "/vendor.example/Europe/Berlin"
    if (name.starts_with('/')) name = name.substr(std::min(name.find('/', 1), name.size() - 1) + 1);
    auto zone = Zone::load(name);
    if (!zone) return error(line, "TZID: " + zone.error().message());
    return std::pair(*time, *zone);
  }

  Status read_times() {
    const auto start = lines_.find("DTSTART");
    if (start == lines_.end()) {
      return error(Line{event_.line, "", {}, ""}, "an event needs DTSTART");
    }
    SENTINEL_ASSIGN(const auto begin, time_of(start->second, start->second.value));
    event_.start = begin.first.wall;
    event_.zone = begin.second;
    is_date_ = begin.first.is_date;
    has_zone_ = begin.first.utc || start->second.parameters.contains("TZID");
    event_.end = event_.start + (is_date_ ? days(1) : days(0));
    const auto end = lines_.find("DTEND");
    const auto duration = lines_.find("DURATION");
    if (end != lines_.end() && duration != lines_.end())
      return error(end->second, "DTEND and DURATION exclude one another");
    if (duration != lines_.end()) {
      auto length = read_length(duration->second.value);
      if (!length) return error(duration->second, length.error().message());
      event_.end = event_.start + length->by_clock;
      if (length->elapsed > seconds(0)) {
        event_.length = length->elapsed;
      }
    } else if (end != lines_.end()) {
      SENTINEL_ASSIGN(const auto until, time_of(end->second, end->second.value));
      if (until.first.is_date != is_date_)
        return error(end->second, "DTEND and DTSTART must both be dates, or neither");
      // In another zone than the start: the same instant, by the start's clock.
      event_.end =
          until.second == event_.zone ? until.first.wall : event_.zone.wall(until.second.last(until.first.wall));
    }
    if (event_.end < event_.start) return error(start->second, "the event ends before it begins");
    if (event_.end - event_.start > days(3660)) return error(start->second, "the event is longer than ten years");
    return {};
  }

  Status read_rule() {
    const auto it = lines_.find("RRULE");
    if (it == lines_.end()) return {};
    auto rule = parse_recurrence(to_upper(it->second.value), is_date_, has_zone_, event_.zone);
    if (!rule) return error(it->second, rule.error().message());
    event_.recurrence = std::move(*rule);
    return {};
  }

  const std::string_view file_;
  const Zone& zone_;
  std::map<std::string, Line> lines_;
  std::vector<Line> exdates_;
  CalendarEvent event_;
  bool is_date_ = false;
  bool has_zone_ = false;
};

// Later versions replace earlier ones, and replaced instances leave their series.
void settle(std::vector<CalendarEvent>& events) {
  const auto identity = [](const CalendarEvent& e) { return std::tuple(e.uid, e.replaces); };
  std::map<std::tuple<std::string, std::optional<TimePoint>>, int64_t> newest;
  for (const CalendarEvent& e : events) {
    int64_t& sequence = newest.try_emplace(identity(e), e.sequence).first->second;
    sequence = std::max(sequence, e.sequence);
  }
  std::erase_if(events, [&](const CalendarEvent& e) { return !e.uid.empty() && e.sequence < newest[identity(e)]; });
  std::map<std::string, std::set<TimePoint>> replaced;
  for (const CalendarEvent& e : events) {
    if (e.replaces) replaced[e.uid].insert(*e.replaces);
  }
  for (CalendarEvent& e : events) {
    const auto it = replaced.find(e.uid);
    if (!e.replaces && it != replaced.end()) e.except.insert(it->second.begin(), it->second.end());
  }
  // Only now: one instance of a series can be cancelled.
  std::erase_if(events, [](const CalendarEvent& e) { return e.cancelled; });
}

}  // namespace

Result<Calendar> parse_ical(std::string_view text, std::string_view file, const Zone& zone) {
  const auto error = [&](int line, std::string message) {
    return fail(Error(ErrorCode::kInvalidArgument, std::move(message), Position{std::string(file), line, 1}));
  };
  if (text.size() > kICalBytesMax) return fail(ErrorCode::kTooLarge, "the calendar is too large");
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  Calendar out;
  Zone own = zone;
  std::vector<std::string> open;
  std::optional<EventReader> event;
  const auto lines = unfold(text);
  // The zone of the whole calendar may stand after its events.
  for (const auto& [number, line] : lines) {
    if (!line.starts_with("X-WR-TIMEZONE:")) continue;
    auto named = Zone::load(std::string(trim(std::string_view(line).substr(14))));
    if (!named) return error(number, "X-WR-TIMEZONE: " + named.error().message());
    own = *named;
  }
  for (const auto& [number, written] : lines) {
    auto line = read_line(number, written);
    if (!line) return error(number, "expected NAME:VALUE");
    if (line->name == "BEGIN") {
      open.push_back(to_upper(trim(line->value)));
      if (open.front() != "VCALENDAR") return error(number, "expected BEGIN:VCALENDAR");
      if (open.size() > 8) return error(number, "too deep");
      if (open.size() == 2 && open.back() == "VEVENT") event.emplace(file, own, number);
      continue;
    }
    if (open.empty()) return error(number, "expected BEGIN:VCALENDAR");
    if (line->name == "END") {
      if (to_upper(trim(line->value)) != open.back()) return error(number, "expected END:" + open.back());
      open.pop_back();
      if (open.size() != 1 || !event) continue;
      SENTINEL_ASSIGN(CalendarEvent made, event->finish());
      event.reset();
      out.events.push_back(std::move(made));
      if (out.events.size() > kICalEventsMax) return fail(ErrorCode::kTooLarge, "the calendar has too many events");
      continue;
    }
    if (event && open.size() == 2) SENTINEL_TRY(event->add(std::move(*line)));
  }
  if (!open.empty()) return error(lines.back().first, "END:" + open.back() + " is missing");
  if (lines.empty()) return error(1, "expected BEGIN:VCALENDAR");
  settle(out.events);
  return out;
}

}  // namespace sentinel::oncall
