#pragma once
// What an installation says about its people: users, teams, schedules and escalation policies. Immutable once parsed;
// the form is in docs/oncall.md.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/labels.h"
#include "model/severity.h"
#include "oncall/schedule.h"
#include "receivers/config.h"
#include "text/yaml.h"

namespace sentinel::oncall {

// One message of a user's own rules: so long after he was first told, by this channel.
struct NotificationRule {
  Micros after{0};
  std::string channel;  // a key of User::contacts
  bool operator==(const NotificationRule&) const = default;
};

struct User {
  std::string id;
  std::string name;
  std::map<std::string, std::string> contacts;  // channel ("sms", "voice", "push", "email", "slack", ...) to address
  // By `after`. Who has none is told by every contact at once: rules that were never written must not swallow a page.
  std::vector<NotificationRule> default_rules;
  std::vector<NotificationRule> urgent_rules;

  std::vector<NotificationRule> rules(bool urgent) const;
};

struct Team {
  std::string id;
  std::string name;
  std::vector<std::string> members;
};

struct Recipient {
  enum class Kind { kUser, kSchedule, kTeam, kRoundRobin };
  Kind kind = Kind::kUser;
  std::string id;                  // user, schedule or team
  std::vector<std::string> users;  // of kRoundRobin
};

// When a level may page.
struct TimeGate {
  Zone zone;
  std::vector<Restriction> restrictions;
  bool wait = true;  // outside: wait until it opens; otherwise the level is skipped

  bool open(TimePoint t) const;
  // The next instant at which it is open, `t` itself included; absent: not within a year.
  std::optional<TimePoint> next_open(TimePoint t) const;
};

struct Level {
  std::string id;  // stays the same when levels are reordered; "L1", "L2" ... unless given
  std::vector<Recipient> recipients;
  std::vector<std::string> channels;  // instead of the users' own rules; empty: their rules
  Micros timeout{0};
  std::optional<TimeGate> gate;
};

struct Policy {
  std::string id;
  std::string name;
  std::vector<Level> levels;
  int repeats = 0;                            // times more through all levels
  std::optional<Micros> acknowledge_timeout;  // an acknowledgement older than this begins anew
  std::vector<Recipient> last_resort;         // told when all levels are used up
};

// Nothing is paged for these policies while it lasts; what waits fires once when it ends.
struct MaintenanceWindow {
  std::string id;
  Span span;                          // the first time
  std::vector<std::string> policies;  // empty: all
  // Again at the same clock time of `zone` each day or week, for the same time, until `until` (absent: for ever).
  std::optional<RotationUnit> repeat{};
  Zone zone{};
  std::optional<TimePoint> until{};
  std::string reason{};
  // Components of the public status page that it is announced for; empty: it is not. There `public_reason` is told, and
  // `reason` never.
  std::vector<std::string> components{};
  std::string public_reason{};
  std::optional<TimePoint> made_at{};  // absent: the configuration says so

  // The one that `t` lies in.
  std::optional<Span> occurrence(TimePoint t) const;
  // That one, else the one that comes next; absent: it is over.
  std::optional<Span> next(TimePoint t) const;
};

// kInvalidArgument: it is empty, too long, or longer than the time between two of it; or it has something to tell the
// public and no component to tell it of.
Status check_window(const MaintenanceWindow& window);

// Which policy an incident is told by. The first route that matches counts.
struct Route {
  model::Matchers match;                 // on the incident's labels, all of them
  std::set<model::Severity> severities;  // empty: all
  std::string policy;                    // "": nobody is told
};

struct Routing {
  std::set<model::Severity> page_for{model::Severity::kSev1, model::Severity::kSev2, model::Severity::kSev3};
  std::set<model::Severity> urgent_for{model::Severity::kSev1, model::Severity::kSev2};
  std::vector<Route> routes;
  std::string default_policy;  // "": what no route matches tells nobody

  // "" when nobody is told.
  std::string policy_of(model::Severity severity, const model::Labels& labels) const;
  bool urgent(model::Severity severity) const { return urgent_for.contains(severity); }
};

// An outside calendar that a schedule follows (calendars.h).
struct Subscription {
  std::string schedule;
  std::string id;
  std::string url;
  Micros every{0};
};

// A page that goes the whole way again and again, so that somebody knows that pages arrive (incident/synthetic_page.h).
struct SyntheticPage {
  Micros every{0};
  Micros within{0};    // later is late
  std::string policy;  // reaches people by channels marked as a test, and nobody else
};
// Labels of the alert of a synthetic page, and the alert that it has not arrived.
inline constexpr std::string_view kSyntheticLabel = "synthetic_page";
inline constexpr std::string_view kSyntheticMissing = "SyntheticPageMissing";
// Ours: the last resort. Of incidents of that alert.
inline constexpr std::string_view kSyntheticPolicy = "synthetic-page-missing";

struct Config {
  std::vector<Subscription> calendars;
  std::set<std::string, std::less<>> test_channels;  // `test: true`: for synthetic and test pages alone
  std::optional<SyntheticPage> synthetic_page;
  std::map<std::string, receivers::Integration, std::less<>> channels;  // by what people are reached (channels.h)
  Routing routing;
  std::map<std::string, User, std::less<>> users;
  std::map<std::string, Team, std::less<>> teams;
  std::map<std::string, Schedule, std::less<>> schedules;
  std::map<std::string, Policy, std::less<>> policies;
  std::vector<MaintenanceWindow> maintenance;
  std::vector<Recipient> last_resort;  // of policies that have none, and of alerts whose policy is gone

  // The end of the window that holds back this policy's pages at `t`.
  std::optional<TimePoint> maintenance_until(std::string_view policy, TimePoint t) const;
};

// Errors say file:line:column. Every name that is used must be defined: a level can never reach more people than it
// says.
Result<Config> parse_config(std::string_view yaml, std::string_view file);

// What a server needs beyond a configuration that can be read: every contact has its channel, and whoever is named
// somewhere can be told. kInvalidArgument names all that is missing.
Status check_reachable(const Config& config);

// The user leaves everything that names him; whoever is on call at `now` stays. Levels may become empty: they are
// skipped.
void remove_user(Config& config, std::string_view user, TimePoint now);

// One schedule, as in `schedules:`; users are not checked.
Result<Schedule> parse_schedule(const text::YamlNode& node);

}  // namespace sentinel::oncall
