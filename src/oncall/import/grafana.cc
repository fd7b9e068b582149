// Grafana OnCall, HTTP API: users, personal_notification_rules, teams, schedules, on_call_shifts, escalation_chains,
// escalation_policies; each answer {"results": […]} or the list alone.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.h"
#include "oncall/import/kit.h"
#include "oncall/limits.h"

namespace sentinel::oncall::import {
namespace {

constexpr int64_t kDay = 86400;
constexpr int64_t kWeek = 7 * kDay;
constexpr Micros kFollowEvery = std::chrono::minutes(15);
constexpr int kRepeats = 5;  // what a step "repeat" does there
constexpr std::array<std::string_view, 7> kDays = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};

std::optional<unsigned> day_named(std::string_view text) {
  const auto known = std::find(kDays.begin(), kDays.end(), text);
  return known == kDays.end() ? std::nullopt : std::optional(static_cast<unsigned>(known - kDays.begin()));
}

std::vector<std::string> strings_at(const json::object& object, std::string_view key) {
  std::vector<std::string> out;
  for (const json::value& v : array_at(object, key)) {
    if (const auto* s = v.if_string()) out.emplace_back(*s);
  }
  return out;
}

class Grafana {
 public:
  explicit Grafana(Draft& draft) : draft_(draft) {}

  void read(const Documents& documents) {
    for (const auto& [name, value] : documents) sort(name, value);
    for (const json::object* team : teams_) add_team(*team);
    for (const json::object* user : users_) add_user(*user);
    by_position(rules_);
    for (const json::object* rule : rules_) add_rule(*rule);
    for (const json::object* schedule : schedules_) add_schedule(*schedule);
    by_position(steps_);
    for (const json::object* chain : chains_) add_policy(*chain);
  }

 private:
  void sort(const std::string& file, const json::value& value) {
    if (const json::array* all = value.if_array()) {
      for (const json::value& one : *all) sort(file, one);
      return;
    }
    const json::object* object = value.if_object();
    if (object == nullptr) return;
    if (object->contains("results")) {
      if (!text_at(*object, "next").empty())
        draft_.note(
            file, "it is one page of several (\"next\"): what is on the others is known only from files of their own");
      return sort(file, object->at("results"));
    }
    if (object->contains("escalation_chain_id")) {
      steps_.push_back(object);
    } else if (object->contains("user_id") && object->contains("type")) {
      rules_.push_back(object);
    } else if (object->contains("username")) {
      users_.push_back(object);
    } else if (object->contains("type") && object->contains("start") && object->contains("duration")) {
      shifts_.push_back(object);
    } else if (object->contains("on_call_now") || object->contains("ical_url_overrides") ||
               object->contains("shifts")) {
      schedules_.push_back(object);
    } else if (object->contains("avatar_url")) {
      teams_.push_back(object);
    } else if (object->contains("team_id") && object->contains("name")) {
      chains_.push_back(object);
    } else if (object->contains("id") && object->contains("name")) {
      teams_.push_back(object);
    }
  }

  static void by_position(std::vector<const json::object*>& list) {
    std::sort(list.begin(), list.end(), [](const json::object* a, const json::object* b) {
      return std::pair(int_at(*a, "position", 0), text_at(*a, "id")) <
             std::pair(int_at(*b, "position", 0), text_at(*b, "id"));
    });
  }

  // ---- people ----

  void add_team(const json::object& in) {
    const std::string id = text_at(in, "id");
    if (id.empty() || draft_.teams.contains(id)) return;
    Team team{draft_.new_id("team", text_at(in, "name")), text_at(in, "name"), {}};
    draft_.teams.emplace(id, team.id);
    const std::string ours = team.id;
    draft_.out.config.teams.emplace(ours, std::move(team));
  }

  void add_user(const json::object& in) {
    User* user = draft_.add_user(text_at(in, "id"), local_part(text_at(in, "username")), text_at(in, "username"));
    if (user == nullptr) return;
    if (const std::string email = text_at(in, "email"); !email.empty()) user->contacts.emplace("email", email);
    for (const json::object* slack : objects_in(array_at(in, "slack"))) {
      if (const std::string member = text_at(*slack, "user_id"); !member.empty())
        user->contacts.emplace("slack", member);
    }
    for (const std::string& id : strings_at(in, "teams")) {
      const auto team = draft_.teams.find(id);
      if (team == draft_.teams.end()) {
        draft_.note(fmt::format("user \"{}\"", user->id), fmt::format("the team {} is not in the files", id));
        continue;
      }
      draft_.out.config.teams.find(team->second)->second.members.push_back(user->id);
    }
  }

  // A step of a person's own rules; waits add up.
  void add_rule(const json::object& rule) {
    const std::string id = draft_.user(text_at(rule, "user_id"), "personal notification rules");
    if (id.empty()) return;
    User& user = draft_.out.config.users.find(id)->second;
    const bool important = bool_at(rule, "important", false);
    Micros& waited = waited_[{id, important}];
    const std::string type = text_at(rule, "type");
    if (type == "wait") {
      waited += std::chrono::seconds(std::clamp<int64_t>(int_at(rule, "duration", 0), 0, kDay));
      return;
    }
    const std::string where =
        fmt::format("user \"{}\", {} rule {}", id, important ? "important" : "default", int_at(rule, "position", 0));
    std::string channel;
    if (type == "notify_by_email" || type == "notify_by_slack")
      channel = type.substr(std::string_view("notify_by_").size());
    if (type == "notify_by_sms" || type == "notify_by_phone_call")
      return draft_.note(
          where,
          fmt::format(
              "{}: the API of Grafana OnCall does not tell telephone numbers; add contacts sms and voice, and the rule",
              type));
    if (type.starts_with("notify_by_mobile_app"))
      return draft_.note(
          where, "it is Grafana's own app; give the person a contact of a push channel (ntfy) instead, and the rule");
    if (channel.empty()) return draft_.note(where, fmt::format("there is no channel for {}", type));
    if (!user.contacts.contains(channel))
      return draft_.note(where, fmt::format("the person has no {} contact in the files", channel));
    auto& rules = important ? user.urgent_rules : user.default_rules;
    const NotificationRule made{waited, channel};
    if (rules.size() < kRulesMax && std::find(rules.begin(), rules.end(), made) == rules.end()) rules.push_back(made);
    std::sort(rules.begin(), rules.end(),
              [](const auto& a, const auto& b) { return std::tie(a.after, a.channel) < std::tie(b.after, b.channel); });
  }

  // ---- schedules ----

  void add_schedule(const json::object& in) {
    const std::string id = text_at(in, "id");
    if (id.empty() || draft_.schedules.contains(id)) return;
    Schedule out;
    out.name = text_at(in, "name");
    const std::string where = fmt::format("schedule \"{}\"", out.name);
    const std::string type = text_at(in, "type");
    const std::string zone_name = text_at(in, "time_zone");
    auto zone = Zone::load(zone_name.empty() ? "UTC" : zone_name);
    if (!zone) return draft_.note(where, zone.error().message());
    out.zone = *zone;
    out.id = draft_.new_id("schedule", out.name);
    follow_calendars(in, out, where);
    // Clock times of shifts made on its page are UTC, those of shifts by the API the schedule's.
    const Zone shift_zone = type == "web" ? Zone() : out.zone;
    const std::vector<std::string> listed = strings_at(in, "shifts");
    for (const json::object* shift : shifts_) {
      const bool ours = text_at(*shift, "schedule") == id ||
                        std::find(listed.begin(), listed.end(), text_at(*shift, "id")) != listed.end();
      if (ours) add_shift(out, *shift, shift_zone, where);
    }
    for (const std::string& shift : listed) {
      const bool there =
          std::any_of(shifts_.begin(), shifts_.end(), [&](const auto* s) { return text_at(*s, "id") == shift; });
      if (!there) draft_.note(where, fmt::format("its shift {} is not in the files", shift));
    }
    draft_.schedules.emplace(id, out.id);
    const std::string ours = out.id;
    draft_.out.config.schedules.emplace(ours, std::move(out));
  }

  void follow_calendars(const json::object& in, const Schedule& schedule, const std::string& where) {
    if (const std::string url = text_at(in, "ical_url_primary"); !url.empty()) {
      draft_.out.calendars.push_back({schedule.id, "primary", url, kFollowEvery});
      draft_.note(where,
                  "it follows a calendar: here an event's summary must be the id, name or e-mail address of one "
                  "person, without [L1]");
    }
    if (const std::string url = text_at(in, "ical_url_overrides"); !url.empty())
      draft_.note(where, "its calendar of overrides is not followed: enter overrides with `sentinel oncall override`");
  }

  std::vector<std::string> people(const std::vector<std::string>& ids, const std::string& where) {
    std::vector<std::string> out;
    for (const std::string& id : ids) {
      const std::string user = draft_.user(id, where);
      if (!user.empty() && out.size() < kSlotUsersMax) out.push_back(user);
    }
    return out;
  }

  void add_shift(Schedule& schedule, const json::object& in, const Zone& default_zone,
                 const std::string& schedule_name) {
    const std::string name = text_at(in, "name").empty() ? text_at(in, "id") : text_at(in, "name");
    const std::string where = fmt::format("{}, shift \"{}\"", schedule_name, name);
    const std::string type = text_at(in, "type");
    Layer layer;
    layer.name = name;
    layer.priority = static_cast<int>(std::clamp<int64_t>(int_at(in, "level", 0), 0, 1000));
    Zone zone = default_zone;
    if (const std::string own = text_at(in, "time_zone"); !own.empty()) {
      auto loaded = Zone::load(own);
      if (!loaded) return draft_.note(where, loaded.error().message());
      zone = *loaded;
    }
    if (zone != schedule.zone) layer.zone = zone;
    const auto start = parse_wall_time(text_at(in, "start"));
    const int64_t duration = int_at(in, "duration", 0);
    if (!start || duration <= 0 || duration > 400 * kDay) return draft_.note(where, "it has no start or no duration");
    if (type == "override") {
      const TimePoint begin = zone.first(*start);
      return add_temporary(draft_, schedule, text_at(in, "id"), {begin, begin + std::chrono::seconds(duration)},
                           people(strings_at(in, "users"), where));
    }
    if (const auto until = parse_wall_time(text_at(in, "until"))) layer.end = zone.last(*until);
    layer.rotation.start = *start;
    if (const Status made =
            type == "single_event" ? once(layer, in, zone, duration, where) : turns(layer, in, duration, where);
        !made)
      return draft_.note(where, made.error().message());
    if (layer.end && *layer.end <= draft_.now) return;
    if (const auto from = parse_wall_time(text_at(in, "rotation_start")); from && zone.first(*from) > draft_.now)
      silent_before(layer, zone, zone.first(*from));
    if (schedule.layers.size() >= kLayersMax) return draft_.note(where, "the schedule has too many shifts");
    schedule.layers.push_back(std::move(layer));
  }

  Status once(Layer& layer, const json::object& in, const Zone& zone, int64_t duration, const std::string& where) {
    layer.rotation.slots = {people(strings_at(in, "users"), where)};
    layer.rotation.unit = RotationUnit::kDay;
    layer.rotation.length = static_cast<int>(duration / kDay + 2);
    layer.end = zone.first(layer.rotation.start) + std::chrono::seconds(duration);
    return {};
  }

  static Result<RotationUnit> unit_of(const std::string& frequency) {
    constexpr std::array<std::string_view, 4> kNames = {"hourly", "daily", "weekly", "monthly"};
    const auto known = std::find(kNames.begin(), kNames.end(), frequency);
    if (known == kNames.end()) return fail(ErrorCode::kInvalidArgument, fmt::format("a frequency \"{}\"", frequency));
    return static_cast<RotationUnit>(known - kNames.begin());
  }

  // Who, in turns: everybody together where it only recurs.
  std::vector<std::vector<std::string>> groups_of(const json::object& in, const std::string& where) {
    std::vector<std::vector<std::string>> out;
    if (text_at(in, "type") == "recurrent_event") return {people(strings_at(in, "users"), where)};
    for (const json::value& group : array_at(in, "rolling_users")) {
      std::vector<std::string> ids;
      if (group.is_array()) {
        for (const json::value& id : group.as_array())
          ids.emplace_back(id.is_string() ? std::string(id.as_string()) : "");
      }
      if (out.size() < kParticipantsMax) out.push_back(people(ids, where));
    }
    if (!out.empty()) {
      const auto first =
          std::clamp<int64_t>(int_at(in, "start_rotation_from_user_index", 0), 0, static_cast<int64_t>(out.size()) - 1);
      std::rotate(out.begin(), out.begin() + first, out.end());
    }
    return out;
  }

  Status turns(Layer& layer, const json::object& in, int64_t duration, const std::string& where) {
    const auto no = [](std::string why) -> Status { return fail(ErrorCode::kInvalidArgument, std::move(why)); };
    SENTINEL_ASSIGN(layer.rotation.unit, unit_of(text_at(in, "frequency")));
    const std::vector<std::vector<std::string>> groups = groups_of(in, where);
    if (groups.empty()) return no("nobody is in it");
    if (!array_at(in, "by_month").empty()) return no("it is limited to certain months");
    const int64_t interval = std::clamp<int64_t>(int_at(in, "interval", 1), 1, kRotationLengthMax);
    const std::vector<std::string> by_day = strings_at(in, "by_day");
    switch (layer.rotation.unit) {
      case RotationUnit::kMonth: return monthly(layer, in, groups, interval, duration);
      case RotationUnit::kWeek:
        if (!by_day.empty()) return days_of_weeks(layer, in, by_day, groups, interval, duration);
        return stretches(layer, groups, interval, duration, kWeek);
      case RotationUnit::kDay:
        if (!by_day.empty()) return chosen_days(layer, by_day, groups, interval, duration);
        return stretches(layer, groups, interval, duration, kDay);
      case RotationUnit::kHour: break;
    }
    if (!by_day.empty()) return no("hourly turns on certain weekdays only");
    if (duration != interval * 3600) return no("hourly turns with pauses between them");
    layer.rotation.length = static_cast<int>(interval);
    layer.rotation.slots = groups;
    return {};
  }

  // One stretch in every `interval` units, in turns of the groups.
  static Status stretches(Layer& layer, const std::vector<std::vector<std::string>>& groups, int64_t interval,
                          int64_t duration, int64_t unit_s) {
    Rotation& r = layer.rotation;
    if (duration == interval * unit_s) {
      r.length = static_cast<int>(interval);
      r.slots = groups;
      return {};
    }
    if (duration > interval * unit_s)
      return fail(ErrorCode::kInvalidArgument,
                  "its shifts are longer than its rotation: two groups would serve at once");
    if (duration > unit_s && duration % unit_s != 0)
      return fail(ErrorCode::kInvalidArgument, "shifts of several days or weeks with a pause after a part of one");
    r.length = 1;
    const int64_t served = std::max<int64_t>(1, duration / unit_s);
    for (const std::vector<std::string>& group : groups) {
      for (int64_t i = 0; i < interval; ++i) r.slots.push_back(i < served ? group : std::vector<std::string>{});
      if (r.slots.size() > kParticipantsMax) return fail(ErrorCode::kInvalidArgument, "too many turns");
    }
    if (duration >= unit_s) return {};
    const WallDay day = std::chrono::floor<std::chrono::days>(r.start);
    const int64_t clock = (r.start - WallTime(day)).count();
    if (unit_s == kDay) {
      allow_daily(layer.restrictions, clock, duration);
    } else {
      allow_span(layer.restrictions, weekday_of(day).c_encoding(), clock, duration);
    }
    return {};
  }

  static Result<std::vector<unsigned>> days_in(const std::vector<std::string>& by_day) {
    std::vector<unsigned> out;
    for (const std::string& name : by_day) {
      const auto day = day_named(name);
      if (!day) return fail(ErrorCode::kInvalidArgument, fmt::format("a day \"{}\"", name));
      out.push_back(*day);
    }
    return out;
  }

  // A group serves on the chosen days of a week, then the next one; weeks begin on `week_start`.
  static Status days_of_weeks(Layer& layer, const json::object& in, const std::vector<std::string>& by_day,
                              const std::vector<std::vector<std::string>>& groups, int64_t interval, int64_t duration) {
    SENTINEL_ASSIGN(const std::vector<unsigned> days, days_in(by_day));
    if (duration > kDay) return fail(ErrorCode::kInvalidArgument, "shifts of more than a day on chosen weekdays");
    Rotation& r = layer.rotation;
    const unsigned week_start = day_named(text_at(in, "week_start")).value_or(1);
    WallDay day = std::chrono::floor<std::chrono::days>(r.start);
    const std::chrono::seconds clock = r.start - WallTime(day);
    const auto after = [week_start](unsigned weekday) { return (weekday + 7 - week_start) % 7; };
    // A start on a day that is not chosen moves to the first chosen day of a week.
    const unsigned started = weekday_of(day).c_encoding();
    if (std::find(days.begin(), days.end(), started) == days.end()) {
      const unsigned first =
          *std::min_element(days.begin(), days.end(), [&](unsigned a, unsigned b) { return after(a) < after(b); });
      day += std::chrono::days((first + 7 - started) % 7);
    }
    day -= std::chrono::days(after(weekday_of(day).c_encoding()));
    for (const unsigned d : days) allow_span(layer.restrictions, d, clock.count(), duration);
    r.start = WallTime(day) + clock;
    r.length = 1;
    for (const std::vector<std::string>& group : groups) {
      for (int64_t i = 0; i < interval; ++i) r.slots.push_back(i == 0 ? group : std::vector<std::string>{});
      if (r.slots.size() > kParticipantsMax) return fail(ErrorCode::kInvalidArgument, "too many turns");
    }
    return {};
  }

  // A group a chosen day, days that are not chosen passed over, as we do.
  static Status chosen_days(Layer& layer, const std::vector<std::string>& by_day,
                            const std::vector<std::vector<std::string>>& groups, int64_t interval, int64_t duration) {
    SENTINEL_ASSIGN(const std::vector<unsigned> days, days_in(by_day));
    if (duration > kDay) return fail(ErrorCode::kInvalidArgument, "shifts of more than a day on chosen weekdays");
    Rotation& r = layer.rotation;
    const std::chrono::seconds clock = r.start - WallTime(std::chrono::floor<std::chrono::days>(r.start));
    for (const unsigned d : days) allow_span(layer.restrictions, d, clock.count(), duration);
    r.length = 1;
    for (const std::vector<std::string>& group : groups) {
      for (int64_t i = 0; i < interval; ++i) r.slots.push_back(group);
      if (r.slots.size() > kParticipantsMax) return fail(ErrorCode::kInvalidArgument, "too many turns");
    }
    return {};
  }

  static Status monthly(Layer& layer, const json::object& in, const std::vector<std::vector<std::string>>& groups,
                        int64_t interval, int64_t duration) {
    const auto day = static_cast<unsigned>(
        std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(layer.rotation.start)).day());
    const json::array& days = array_at(in, "by_monthday");
    const bool same_day =
        days.empty() || (days.size() == 1 && days[0].is_int64() && days[0].as_int64() == static_cast<int64_t>(day));
    // The length of months differs: only what lasts until the next one, or longer, is a turn.
    if (!same_day || !array_at(in, "by_day").empty() || duration < 31 * kDay * interval || day > 28)
      return fail(ErrorCode::kInvalidArgument, "monthly shifts other than whole months");
    layer.rotation.length = static_cast<int>(interval);
    layer.rotation.slots = groups;
    return {};
  }

  // ---- escalation ----

  struct Building {
    Policy policy;
    std::optional<TimeGate> gate;  // of the next level
    bool join = false;             // nothing was waited for since the last level
  };

  void add_policy(const json::object& chain) {
    const std::string id = text_at(chain, "id");
    if (id.empty() || draft_.policies.contains(id)) return;
    Building b;
    b.policy.name = text_at(chain, "name");
    const std::string where = fmt::format("escalation chain \"{}\"", b.policy.name);
    for (const json::object* step : steps_) {
      if (text_at(*step, "escalation_chain_id") == id)
        add_step(b, *step, fmt::format("{}, step {}", where, int_at(*step, "position", 0)));
    }
    if (b.policy.levels.empty()) return draft_.note(where, "nothing of it is left: nobody would be told");
    b.policy.id = draft_.new_id("policy", b.policy.name);
    draft_.policies.emplace(id, b.policy.id);
    const std::string ours = b.policy.id;
    draft_.out.config.policies.emplace(ours, std::move(b.policy));
  }

  void add_step(Building& b, const json::object& step, const std::string& where) {
    const std::string type = text_at(step, "type");
    if (type == "wait")
      return wait(b, std::chrono::seconds(std::clamp<int64_t>(int_at(step, "duration", 60), 1, kDay)), where);
    if (type == "repeat_escalation") {
      b.policy.repeats = kRepeats;
      return;
    }
    if (type == "notify_if_time_from_to") return wait_for_time(b, step, where);
    std::vector<Recipient> who = recipients(step, type, where);
    if (who.empty()) return;
    if (bool_at(step, "important", false))
      draft_.note(where,
                  "it is important there; here the incident's severity (urgent_for) says whose urgent rules apply");
    if (b.policy.levels.size() >= kLevelsMax && !b.join) return draft_.note(where, "too many levels");
    if (b.join && !b.gate) {
      for (Recipient& r : who) b.policy.levels.back().recipients.push_back(std::move(r));
      return;
    }
    Level level;
    level.id = fmt::format("L{}", b.policy.levels.size() + 1);
    level.recipients = std::move(who);
    level.timeout = std::chrono::minutes(5);
    level.gate = std::exchange(b.gate, std::nullopt);
    b.policy.levels.push_back(std::move(level));
    b.join = true;
  }

  void wait(Building& b, Micros time, const std::string& where) {
    if (b.policy.levels.empty())
      return draft_.note(where, "it waits before anybody is told; here the first level is told at once");
    Level& last = b.policy.levels.back();
    last.timeout = b.join ? time : last.timeout + time;
    b.join = false;
  }

  void wait_for_time(Building& b, const json::object& step, const std::string& where) {
    const auto from = parse_clock(text_at(step, "notify_if_time_from").substr(0, 8));
    const auto to = parse_clock(text_at(step, "notify_if_time_to").substr(0, 8));
    if (!from || !to || *from >= std::chrono::hours(24)) return draft_.note(where, "it does not say from when to when");
    b.gate = TimeGate{Zone(), {{{}, *from, *to}}, true};
  }

  std::vector<Recipient> recipients(const json::object& step, const std::string& type, const std::string& where) {
    std::vector<Recipient> out;
    if (type == "notify_persons") {
      for (const std::string& user : people(strings_at(step, "persons_to_notify"), where))
        out.push_back({Recipient::Kind::kUser, user, {}});
    } else if (type == "notify_person_next_each_time") {
      Recipient turns{Recipient::Kind::kRoundRobin, "",
                      people(strings_at(step, "persons_to_notify_next_each_time"), where)};
      if (!turns.users.empty()) out.push_back(std::move(turns));
    } else if (type == "notify_on_call_from_schedule") {
      const auto known = draft_.schedules.find(text_at(step, "notify_on_call_from_schedule"));
      if (known == draft_.schedules.end()) {
        draft_.note(where,
                    fmt::format("the schedule {} was not carried over", text_at(step, "notify_on_call_from_schedule")));
      } else {
        out.push_back({Recipient::Kind::kSchedule, known->second, {}});
      }
    } else if (type == "notify_team_members") {
      const auto known = draft_.teams.find(text_at(step, "team_to_notify"));
      if (known == draft_.teams.end()) {
        draft_.note(where, fmt::format("the team {} is not in the files", text_at(step, "team_to_notify")));
      } else {
        out.push_back({Recipient::Kind::kTeam, known->second, {}});
      }
    } else {
      draft_.note(where, fmt::format("there is no step \"{}\" here", type));
    }
    return out;
  }

  Draft& draft_;
  std::vector<const json::object*> users_, rules_, teams_, schedules_, shifts_, chains_, steps_;
  std::map<std::pair<std::string, bool>, Micros> waited_;
};

}  // namespace

void read_grafana(const Documents& documents, Draft& draft) { Grafana(draft).read(documents); }

}  // namespace sentinel::oncall::import
