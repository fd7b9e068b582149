#include "oncall/ical.h"

#include <gtest/gtest.h>

#include "oncall/test_schedules.h"

namespace sentinel::oncall {
namespace {

std::string calendar_of(const std::string& body) {
  return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + replace_all(body, "\n", "\r\n") + "END:VCALENDAR\r\n";
}
std::string event(const std::string& lines) { return "BEGIN:VEVENT\nUID:u\nSUMMARY:ada\n" + lines + "\nEND:VEVENT\n"; }

// "2026-01-05 09:00..2026-01-05 17:00 ada" a line, or the error.
std::string read(const std::string& body, std::string_view from, std::string_view to,
                 const std::string& zone = "Europe/Berlin") {
  const auto calendar = parse_ical(calendar_of(body), "rota.ics", Zone::load(zone).value());
  if (!calendar) return calendar.error().to_string();
  const auto all = calendar->occurrences({at(from), at(to)});
  if (!all) return all.error().to_string();
  std::string out;
  for (const Shift& s : *all) out += show(s.span) + " " + s.user + "\n";
  return out;
}

TEST(ICalIn, rules_of_rotas) {
  struct Case {
    std::string lines, expected;
  };
  const Case cases[] = {
      {"DTSTART:20260105T080000Z\nDTEND:20260105T160000Z", "2026-01-05 08:00..2026-01-05 16:00 ada\n"},
      {"DTSTART;TZID=Europe/Berlin:20260105T090000\nDURATION:PT8H", "2026-01-05 08:00..2026-01-05 16:00 ada\n"},
      {"DTSTART:20260105T090000\nDTEND:20260105T100000\nRRULE:FREQ=DAILY;INTERVAL=5;COUNT=3",
       "2026-01-05 08:00..2026-01-05 09:00 ada\n2026-01-10 08:00..2026-01-10 09:00 ada\n"
       "2026-01-15 08:00..2026-01-15 09:00 ada\n"},
      {"DTSTART:20260105T090000\nDTEND:20260105T100000\nRRULE:FREQ=WEEKLY;BYDAY=MO,FR;UNTIL=20260112T080000Z",
       "2026-01-05 08:00..2026-01-05 09:00 ada\n2026-01-09 08:00..2026-01-09 09:00 ada\n"
       "2026-01-12 08:00..2026-01-12 09:00 ada\n"},
      {"DTSTART:20260105T090000\nDTEND:20260105T100000\nRRULE:FREQ=MONTHLY;BYDAY=1MO,-1FR",
       "2026-01-05 08:00..2026-01-05 09:00 ada\n2026-01-30 08:00..2026-01-30 09:00 ada\n"},
      {"DTSTART:20251231T090000\nDTEND:20251231T100000\nRRULE:FREQ=MONTHLY;BYMONTHDAY=-1",
       "2026-01-31 08:00..2026-01-31 09:00 ada\n"},
      {"DTSTART:20240229T090000\nDTEND:20240229T100000\nRRULE:FREQ=YEARLY", ""},
      {"DTSTART:20250115T090000\nDTEND:20250115T100000\nRRULE:FREQ=YEARLY", "2026-01-15 08:00..2026-01-15 09:00 ada\n"},
      {"DTSTART:20260105T090000\nDTEND:20260105T100000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260106T090000",
       "2026-01-05 08:00..2026-01-05 09:00 ada\n2026-01-07 08:00..2026-01-07 09:00 ada\n"},
      // S14: written by some calendars, without a meaning.
      {"DTSTART:20260105T090000\nDTEND:20260105T100000\nRRULE:FREQ=DAILY;BYDAY=;COUNT=1",
       "2026-01-05 08:00..2026-01-05 09:00 ada\n"},
      {"DTSTART:20260105T090000\nDTEND:20260105T100000\nSTATUS:CANCELLED", ""},
      {"DTSTART;TZID=/mozilla.org/Asia/Tokyo:20260105T090000\nDTEND;TZID=UTC:20260105T010000",
       "2026-01-05 00:00..2026-01-05 01:00 ada\n"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(read(event(c.lines), "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), c.expected) << c.lines;
  }
}

// S1, S14: a weekly event keeps its clock at both ends, whatever the zone does.
TEST(ICalIn, a_weekly_event_over_daylight_saving_neither_gaps_nor_overlaps) {
  const std::string week = "RRULE:FREQ=WEEKLY;INTERVAL=2";
  EXPECT_EQ(read("BEGIN:VEVENT\nUID:1\nSUMMARY:ada\nDTSTART;TZID=Europe/Berlin:20260316T090000\n"
                 "DTEND;TZID=Europe/Berlin:20260323T090000\n" +
                     week +
                     "\nEND:VEVENT\n"
                     "BEGIN:VEVENT\nUID:2\nSUMMARY:bob\nDTSTART;TZID=Europe/Berlin:20260323T090000\n"
                     "DTEND;TZID=Europe/Berlin:20260330T090000\n" +
                     week + "\nEND:VEVENT\n",
                 "2026-03-16T08:00:00Z", "2026-04-06T07:00:00Z"),
            "2026-03-16 08:00..2026-03-23 08:00 ada\n2026-03-23 08:00..2026-03-30 07:00 bob\n"
            "2026-03-30 07:00..2026-04-06 07:00 ada\n");
}

// S14
TEST(ICalIn, events_of_whole_days_leave_no_gap) {
  EXPECT_EQ(read(event("DTSTART;VALUE=DATE:20260328\nDTEND;VALUE=DATE:20260330\nRRULE:FREQ=DAILY;INTERVAL=2"),
                 "2026-03-27T23:00:00Z", "2026-04-02T22:00:00Z"),
            "2026-03-27 23:00..2026-03-29 22:00 ada\n2026-03-29 22:00..2026-03-31 22:00 ada\n"
            "2026-03-31 22:00..2026-04-02 22:00 ada\n");
  EXPECT_EQ(read(event("DTSTART;VALUE=DATE:20260101"), "2025-12-31T00:00:00Z", "2026-01-03T00:00:00Z", "UTC"),
            "2026-01-01 00:00..2026-01-02 00:00 ada\n");
}

// S14
TEST(ICalIn, one_uid_several_times) {
  const std::string series =
      "BEGIN:VEVENT\nUID:u\nSUMMARY:ada\nDTSTART:20260105T080000Z\nDTEND:20260105T090000Z\nRRULE:FREQ=DAILY;COUNT=3\n"
      "END:VEVENT\n";
  const auto moved = [&](const std::string& more) {
    return read(series + "BEGIN:VEVENT\nUID:u\n" + more + "END:VEVENT\n", "2026-01-01T00:00:00Z",
                "2026-02-01T00:00:00Z");
  };
  EXPECT_EQ(moved("SUMMARY:bob\nRECURRENCE-ID:20260106T080000Z\nDTSTART:20260106T100000Z\nDTEND:20260106T110000Z\n"),
            "2026-01-05 08:00..2026-01-05 09:00 ada\n2026-01-06 10:00..2026-01-06 11:00 bob\n"
            "2026-01-07 08:00..2026-01-07 09:00 ada\n");
  EXPECT_EQ(moved("STATUS:CANCELLED\nRECURRENCE-ID:20260106T080000Z\nDTSTART:20260106T080000Z\n"),
            "2026-01-05 08:00..2026-01-05 09:00 ada\n2026-01-07 08:00..2026-01-07 09:00 ada\n");
  EXPECT_EQ(moved("SEQUENCE:2\nSUMMARY:bob\nDTSTART:20260110T080000Z\nDTEND:20260110T090000Z\n"),
            "2026-01-10 08:00..2026-01-10 09:00 bob\n")
      << "a newer version replaces the older";
  EXPECT_EQ(moved("SUMMARY:bob\nDTSTART:20260110T080000Z\nDTEND:20260110T090000Z\n"),
            "2026-01-05 08:00..2026-01-05 09:00 ada\n2026-01-06 08:00..2026-01-06 09:00 ada\n"
            "2026-01-07 08:00..2026-01-07 09:00 ada\n2026-01-10 08:00..2026-01-10 09:00 bob\n")
      << "of the same version, all count";
}

TEST(ICalIn, what_is_not_understood_is_refused_with_its_line) {
  const std::pair<std::string, std::string> cases[] = {
      {"DTEND:20260105T160000Z", "rota.ics:3:1: an event needs DTSTART"},
      {"DTSTART:2026-01-05", "rota.ics:6:1: \"2026-01-05\" is not a date or a date and time"},
      {"DTSTART:20260105T090000+0200", "rota.ics:6:1: \"20260105T090000+0200\" is not a date or a date and time"},
      {"DTSTART;TZID=W. Europe:20260105T090000",
       "rota.ics:6:1: TZID: \"W. Europe\" is not a time zone of this machine's database"},
      {"DTSTART:20260105T080000Z\nRRULE:FREQ=HOURLY", "rota.ics:7:1: FREQ=HOURLY is not supported"},
      {"DTSTART:20260105T080000Z\nRRULE:FREQ=DAILY;BYSETPOS=1", "rota.ics:7:1: RRULE part BYSETPOS is not supported"},
      {"DTSTART:20260105T080000Z\nRRULE:INTERVAL=2", "rota.ics:7:1: an RRULE needs FREQ"},
      {"DTSTART:20260105T080000Z\nRRULE:FREQ=DAILY;INTERVAL=0", "rota.ics:7:1: INTERVAL=0 is out of range"},
      {"DTSTART:20260105T080000Z\nRRULE:FREQ=WEEKLY;BYDAY=2MO",
       "rota.ics:7:1: BYDAY with numbers is supported with FREQ=MONTHLY only"},
      {"DTSTART;TZID=Asia/Tokyo:20260105T080000\nRRULE:FREQ=DAILY;UNTIL=20260110T080000",
       "rota.ics:7:1: UNTIL=20260110T080000 must be UTC (ending in Z) when DTSTART has a time zone"},
      {"DTSTART:20260105T080000Z\nRDATE:20260106T080000Z", "rota.ics:7:1: RDATE is not supported"},
      {"DTSTART:20260105T080000Z\nDTEND:20260104T080000Z", "rota.ics:6:1: the event ends before it begins"},
      {"DTSTART:20260105T080000Z\nDTSTART:20260105T080000Z", "rota.ics:7:1: DTSTART is there twice in one event"},
      {"DTSTART:20260105T080000Z\nnonsense", "rota.ics:7:1: expected NAME:VALUE"},
  };
  for (const auto& [lines, error] : cases) {
    EXPECT_EQ(read(event(lines), "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"), error) << lines;
  }
  for (const std::string text : {"", "hello", "BEGIN:VEVENT\nEND:VEVENT",
                                 "BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR", "BEGIN:VCALENDAR\n", "<html>"}) {
    EXPECT_FALSE(parse_ical(text, "rota.ics", Zone())) << text;
  }
}

TEST(ICalIn, lines_are_unfolded_and_the_calendars_zone_counts) {
  EXPECT_EQ(
      read("BEGIN:VEVENT\nUID:1\nSUMMARY;LANGUAGE=\"x:y;z\":a\n da\\, b\nDTSTART:20260105T090000\n"
           "DTEND:20260105T100000\nBEGIN:VALARM\nDURATION:PT5M\nEND:VALARM\nEND:VEVENT\nX-WR-TIMEZONE:Asia/Tokyo\n",
           "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"),
      "2026-01-05 00:00..2026-01-05 01:00 ada, b\n");
}

constexpr std::string_view kSchedule = R"(
id: s
name: Primary, Berlin
time_zone: Europe/Berlin
layers: [{name: weekly, start: '2026-03-16 09:00', every: week, participants: [ada, bob]}]
)";

std::map<std::string, User, std::less<>> people() {
  std::map<std::string, User, std::less<>> out;
  out["ada"].id = "ada";
  out["ada"].name =
      "Ada Lovelace, Countess; of Lövelace and of a name so long that a line must be folded twice, at least";
  out["bob"].id = out["bob"].name = "bob";
  out["bob"].contacts["email"] = "Bob@example.org";
  return out;
}

TEST(ICalOut, what_is_written_is_read_back) {
  const Schedule s = schedule(kSchedule);
  const Span range{at("2026-03-16T08:00:00Z"), at("2026-04-06T07:00:00Z")};
  const std::string text = write_ical(s, range, people(), at("2026-01-01T00:00:00Z"));
  for (const std::string_view line : split(text, '\n')) {
    EXPECT_TRUE(line.empty() || line.ends_with('\r'));
    EXPECT_LE(line.size(), 76u);
    EXPECT_TRUE(is_valid_utf8(line));
  }
  EXPECT_EQ(text, write_ical(s, range, people(), at("2026-01-01T00:00:00Z"))) << "the same UIDs every time";
  const auto calendar = parse_ical(text, "out.ics", Zone());
  ASSERT_TRUE(calendar) << calendar.error().to_string();
  const auto imported = import_calendar(*calendar, range, "import", people());
  ASSERT_TRUE(imported) << imported.error().to_string();
  std::string shifts_in;
  for (const auto& [span, user] : imported->shifts) shifts_in += show(span) + " " + user + "\n";
  EXPECT_EQ(shifts_in, shifts(s, "2026-03-16T08:00:00Z", "2026-04-06T07:00:00Z"));
}

TEST(ICalIn, strangers_are_named_and_nothing_is_imported) {
  const auto calendar = parse_ical(
      calendar_of(event("DTSTART:20260105T080000Z\nDTEND:20260105T160000Z") +
                  "BEGIN:VEVENT\nUID:2\nSUMMARY:Mallory\nDTSTART:20260106T080000Z\nDTEND:20260106T160000Z\nEND:VEVENT\n"
                  "BEGIN:VEVENT\nUID:3\nSUMMARY:bob@EXAMPLE.org\nDTSTART:20260107T080000Z\nDTEND:20260107T160000Z\n"
                  "END:VEVENT\n"),
      "rota.ics", Zone());
  ASSERT_TRUE(calendar);
  const auto imported =
      import_calendar(*calendar, {at("2026-01-01T00:00:00Z"), at("2026-02-01T00:00:00Z")}, "i", people());
  ASSERT_FALSE(imported);
  EXPECT_EQ(imported.error().message(), "no user has this id, name or e-mail address: \"Mallory\"");
}

}  // namespace
}  // namespace sentinel::oncall
