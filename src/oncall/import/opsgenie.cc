// Opsgenie: answers of its API v2 ({"data": …}) and files of its configuration backup, one entity a file.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/strings.h"
#include "oncall/import/kit.h"
#include "oncall/limits.h"

namespace sentinel::oncall::import {
namespace {

constexpr std::array<std::string_view, 7> kDays = {"sunday",   "monday", "tuesday", "wednesday",
                                                   "thursday", "friday", "saturday"};

class Opsgenie {
 public:
  explicit Opsgenie(Draft& draft) : draft_(draft) {}

  void read(const Documents& documents) {
    for (const auto& [name, value] : documents) sort(name, value);
    for (const json::object* user : users_) add_user(*user);
    for (const auto& [file, contact] : contacts_) add_contact_of(file, *contact);
    for (const auto& [file, rule] : rules_) add_rule_of(file, *rule);
    for (const json::object* team : teams_) add_team(*team);
    for (const json::object* schedule : schedules_) add_schedule(*schedule);
    for (const auto& [file, over] : overrides_) add_override(file, *over);
    for (const json::object* escalation : escalations_) add_policy(*escalation);
  }

 private:
  using Found = std::pair<std::string, const json::object*>;

  void sort(const std::string& file, const json::value& value) {
    if (const json::array* all = value.if_array()) {
      for (const json::value& one : *all) sort(file, one);
      return;
    }
    const json::object* object = value.if_object();
    if (object == nullptr) return;
    if (object->contains("data")) {
      if (!text_at(object_at(*object, "paging"), "next").empty())
        draft_.note(
            file,
            "it is one page of several (\"paging.next\"): what is on the others is known only from files of their own");
      return sort(file, object->at("data"));
    }
    // Of the backup.
    if (object->contains("schedule") && object->at("schedule").is_object()) {
      const json::object& schedule = object->at("schedule").as_object();
      schedules_.push_back(&schedule);
      for (const json::object* over : objects_in(array_at(*object, "scheduleOverrideList")))
        overrides_.emplace_back(text_at(schedule, "id"), over);
    } else if (object->contains("user") && object->contains("notificationRuleList")) {
      const json::object& user = object_at(*object, "user");
      users_.push_back(&user);
      for (const json::object* rule : objects_in(array_at(*object, "notificationRuleList")))
        rules_.emplace_back(text_at(user, "id"), rule);
    } else if (object->contains("team") && object->at("team").is_object()) {
      teams_.push_back(&object->at("team").as_object());
      for (const json::object* rule : objects_in(array_at(*object, "teamRoutingRules"))) routing_rule(*rule);
    } else {
      sort_entity(file, *object);
    }
  }

  void sort_entity(const std::string& file, const json::object& object) {
    if (object.contains("username") && object.contains("fullName")) {
      users_.push_back(&object);
    } else if (object.contains("rotations") && object.contains("timezone")) {
      schedules_.push_back(&object);
    } else if (object.contains("startDate") && object.contains("endDate") && object.contains("user")) {
      overrides_.emplace_back(file, &object);
    } else if (object.contains("actionType")) {
      rules_.emplace_back(file, &object);
    } else if ((object.contains("method") || object.contains("contactMethod")) && object.contains("to")) {
      contacts_.emplace_back(file, &object);
    } else if (object.contains("rules") && object.contains("name")) {
      escalations_.push_back(&object);
    } else if (object.contains("timezone") && object.contains("name")) {
      draft_.note(fmt::format("schedule \"{}\"", text_at(object, "name")),
                  "its rotations are not in the file: export schedules with ?expand=rotation");
    } else if (object.contains("name") && (object.contains("members") || object.contains("description"))) {
      teams_.push_back(&object);
    }
  }

  void routing_rule(const json::object& rule) {
    draft_.note(fmt::format("team routing rule \"{}\"", text_at(rule, "name")),
                "who is told of what is `routes` here, by the labels of the incident: write it by hand");
  }

  // ---- people ----

  void add_user(const json::object& in) {
    const std::string username = text_at(in, "username");
    User* user = draft_.add_user(text_at(in, "id"), local_part(username), text_at(in, "fullName"));
    if (user == nullptr) return;
    draft_.users.emplace(username, user->id);
    if (bool_at(in, "blocked", false))
      draft_.note(fmt::format("user \"{}\"", user->id), "it is blocked in Opsgenie; here it is told like others");
    if (username.find('@') != std::string::npos) user->contacts.emplace("email", username);
    for (const json::object* contact : objects_in(array_at(in, "userContacts"))) add_contact(*user, *contact);
  }

  User* owner(const std::string& file) {
    for (const auto& [theirs, ours] : draft_.users) {
      if (file.find(theirs) != std::string::npos) return &draft_.out.config.users.find(ours)->second;
    }
    draft_.note(file,
                "Opsgenie does not say whose contacts or notification rules these are: put the user's id or username "
                "into the file's name");
    return nullptr;
  }
  void add_contact_of(const std::string& file, const json::object& contact) {
    if (User* user = owner(file)) add_contact(*user, contact);
  }
  void add_rule_of(const std::string& file, const json::object& rule) {
    if (User* user = owner(file)) add_rule(*user, rule);
  }

  static std::string method_of(const json::object& contact) {
    const std::string method = text_at(contact, "method");
    return method.empty() ? text_at(contact, "contactMethod") : method;
  }
  // "1-5551234567" is +15551234567.
  static std::string address_of(const json::object& contact) {
    const std::string to = text_at(contact, "to");
    return method_of(contact) == "email" || to.starts_with('+') ? to : "+" + replace_all(to, "-", "");
  }
  static std::string channel_of(const std::string& method) {
    return method == "email" || method == "sms" || method == "voice" ? method : "";
  }

  void add_contact(User& user, const json::object& contact) {
    const std::string method = method_of(contact);
    const std::string channel = channel_of(method);
    const std::string what = fmt::format("user \"{}\", contact {} {}", user.id, method, text_at(contact, "to"));
    if (channel.empty())
      return draft_.note(what,
                         method == "mobile"
                             ? "it is Opsgenie's own app; give the person a contact of a push channel (ntfy) instead"
                             : "there is no channel for it");
    const auto [known, added] = user.contacts.emplace(channel, address_of(contact));
    if (!added && known->second != address_of(contact))
      draft_.note(what, "one contact a channel: " + known->second + " is kept");
  }

  void add_rule(User& user, const json::object& rule) {
    const std::string where = fmt::format("user \"{}\", notification rule \"{}\"", user.id, text_at(rule, "name"));
    if (!bool_at(rule, "enabled", true)) return draft_.note(where, "it is disabled");
    if (text_at(rule, "actionType") != "create-alert")
      return draft_.note(
          where,
          fmt::format("there is no rule for \"{}\": people are paged when they are on call and an incident opens, "
                      "and subscribe to what follows",
                      text_at(rule, "actionType")));
    const std::string criteria = text_at(object_at(rule, "criteria"), "type");
    if (!criteria.empty() && criteria != "match-all")
      return draft_.note(where, "it is for alerts that match conditions; here rules differ by urgency only");
    if (!array_at(rule, "timeRestriction").empty() || !object_at(rule, "timeRestriction").empty())
      draft_.note(where, "it holds at certain times only; here it holds always");
    for (const json::object* step : objects_in(array_at(rule, "steps"))) add_step(user, *step, where);
    std::sort(user.default_rules.begin(), user.default_rules.end(),
              [](const auto& a, const auto& b) { return std::tie(a.after, a.channel) < std::tie(b.after, b.channel); });
  }

  void add_step(User& user, const json::object& step, const std::string& where) {
    if (!bool_at(step, "enabled", true)) return;
    const json::object& contact = object_at(step, "contact");
    const std::string channel = channel_of(method_of(contact));
    const Micros after = delay_of(object_at(step, "sendAfter"));
    if (channel.empty())
      return draft_.note(
          where, fmt::format("its step by {} {} is not carried over", method_of(contact), text_at(contact, "to")));
    const auto [known, added] = user.contacts.emplace(channel, address_of(contact));
    if (!added && known->second != address_of(contact))
      draft_.note(where,
                  fmt::format("its step to {} goes to {}: one contact a channel", address_of(contact), known->second));
    const NotificationRule made{after, channel};
    auto& rules = user.default_rules;
    if (rules.size() < kRulesMax && std::find(rules.begin(), rules.end(), made) == rules.end()) rules.push_back(made);
  }

  static Micros delay_of(const json::object& delay) {
    const int64_t amount = std::clamp<int64_t>(int_at(delay, "timeAmount", 0), 0, 100'000);
    const std::string unit = text_at(delay, "timeUnit");
    if (unit.starts_with("hour")) return std::chrono::hours(amount);
    if (unit.starts_with("day")) return std::chrono::days(amount);
    return unit.starts_with("second") ? Micros(std::chrono::seconds(amount)) : Micros(std::chrono::minutes(amount));
  }

  void add_team(const json::object& in) {
    const std::string id = text_at(in, "id");
    const std::string name = text_at(in, "name");
    if (id.empty()) return;
    auto known = draft_.teams.find(id);
    if (known == draft_.teams.end()) {
      Team made{draft_.new_id("team", name), name, {}};
      known = draft_.teams.emplace(id, made.id).first;
      draft_.out.config.teams.emplace(made.id, made);
    }
    Team& team = draft_.out.config.teams.find(known->second)->second;
    for (const json::object* member : objects_in(array_at(in, "members"))) {
      const std::string user = user_of(object_at(*member, "user"), fmt::format("team \"{}\"", name));
      if (!user.empty() && std::find(team.members.begin(), team.members.end(), user) == team.members.end())
        team.members.push_back(user);
    }
  }

  // By id, or by username where there is only that.
  std::string user_of(const json::object& reference, const std::string& where) {
    const std::string id = text_at(reference, "id");
    const std::string username = text_at(reference, "username");
    if (draft_.users.contains(id) || username.empty()) return draft_.user(id, where);
    return draft_.user(username, where);
  }

  std::vector<std::string> members_of(const json::object& reference, const std::string& where) {
    const auto team = draft_.teams.find(text_at(reference, "id"));
    if (team != draft_.teams.end()) return draft_.out.config.teams.find(team->second)->second.members;
    draft_.note(where, fmt::format("the team {} is not in the files", text_at(reference, "name")));
    return {};
  }

  // ---- schedules ----

  void add_schedule(const json::object& in) {
    const std::string id = text_at(in, "id");
    if (id.empty() || draft_.schedules.contains(id)) return;
    Schedule out;
    out.name = text_at(in, "name");
    const std::string where = fmt::format("schedule \"{}\"", out.name);
    if (!bool_at(in, "enabled", true)) return draft_.note(where, "it is disabled");
    auto zone = Zone::load(text_at(in, "timezone"));
    if (!zone) return draft_.note(where, zone.error().message());
    out.zone = *zone;
    out.id = draft_.new_id("schedule", out.name);
    for (const json::object* rotation : objects_in(array_at(in, "rotations"))) {
      if (out.layers.size() >= kLayersMax) break;
      add_rotation(out, *rotation, where);
    }
    draft_.schedules.emplace(id, out.id);
    const std::string ours = out.id;
    draft_.out.config.schedules.emplace(ours, std::move(out));
  }

  void add_rotation(Schedule& schedule, const json::object& in, const std::string& schedule_name) {
    Layer out;
    out.name =
        text_at(in, "name").empty() ? fmt::format("Rotation {}", schedule.layers.size() + 1) : text_at(in, "name");
    out.priority = 1;  // all rotations of a schedule serve side by side
    const std::string where = fmt::format("{}, rotation \"{}\"", schedule_name, out.name);
    out.end = time_at(in, "endDate");
    if (out.end && *out.end <= draft_.now) return;
    const auto start = time_at(in, "startDate");
    if (!start) return draft_.note(where, "it does not say when it starts");
    const std::string type = text_at(in, "type");
    const int64_t unit = type == "hourly" ? 3600 : type == "daily" ? 86400 : type == "weekly" ? 604800 : 0;
    const int64_t length = int_at(in, "length", 1);
    if (unit == 0 || length < 1 || length > kRotationLengthMax)
      return draft_.note(where, fmt::format("a rotation of {} times \"{}\"", length, type));
    out.rotation.unit = unit == 3600 ? RotationUnit::kHour : unit == 86400 ? RotationUnit::kDay : RotationUnit::kWeek;
    out.rotation.length = static_cast<int>(length);
    out.rotation.start = schedule.zone.wall(*start);
    for (const json::object* p : objects_in(array_at(in, "participants")))
      out.rotation.slots.push_back(slot_of(*p, where));
    if (out.rotation.slots.empty()) return draft_.note(where, "nobody is in it");
    restrict(out, object_at(in, "timeRestriction"), where);
    if (!count_every_turn(out, schedule.zone))
      return draft_.note(where, "turns of days with weekdays that are restricted away, of too many people");
    rotation_layers_[text_at(in, "id")] = schedule.layers.size();
    schedule.layers.push_back(std::move(out));
  }

  std::vector<std::string> slot_of(const json::object& participant, const std::string& where) {
    const std::string type = text_at(participant, "type");
    if (type == "none") return {};
    if (type == "team") {
      std::vector<std::string> members = members_of(participant, where);
      if (members.size() > kSlotUsersMax) {
        draft_.note(where, fmt::format("only {} people share a turn; the first of {} are in it", kSlotUsersMax,
                                       text_at(participant, "name")));
        members.resize(kSlotUsersMax);
      }
      return members;
    }
    if (type == "escalation") {
      draft_.note(where, fmt::format("an escalation ({}) is a participant: nobody has its turns now",
                                     text_at(participant, "name")));
      return {};
    }
    const std::string user = user_of(participant, where);
    return user.empty() ? std::vector<std::string>{} : std::vector{user};
  }

  static std::optional<unsigned> day_of(const json::object& r, std::string_view key) {
    const auto known = std::find(kDays.begin(), kDays.end(), to_lower(text_at(r, key)));
    return known == kDays.end() ? std::nullopt : std::optional(static_cast<unsigned>(known - kDays.begin()));
  }
  static int64_t clock_of(const json::object& r, std::string_view hour, std::string_view minute) {
    return std::clamp<int64_t>(int_at(r, hour, 0), 0, 23) * 3600 +
           std::clamp<int64_t>(int_at(r, minute, 0), 0, 59) * 60;
  }

  void restrict(Layer& layer, const json::object& restriction, const std::string& where) {
    constexpr int64_t kDay = 86400;
    const std::string type = text_at(restriction, "type");
    if (type == "time-of-day") {
      const json::object& r = object_at(restriction, "restriction");
      const int64_t from = clock_of(r, "startHour", "startMin");
      const int64_t to = clock_of(r, "endHour", "endMin");
      return allow_daily(layer.restrictions, from, to > from ? to - from : to - from + kDay);
    }
    for (const json::object* r : objects_in(array_at(restriction, "restrictions"))) {
      const auto first = day_of(*r, "startDay");
      const auto last = day_of(*r, "endDay");
      if (!first || !last) {
        draft_.note(where, "a restriction whose days nobody knows");
        continue;
      }
      // One stretch from the first day's time to the last day's.
      const int64_t from = *first * kDay + clock_of(*r, "startHour", "startMin");
      int64_t to = *last * kDay + clock_of(*r, "endHour", "endMin");
      if (to <= from) to += 7 * kDay;
      allow_span(layer.restrictions, *first, from % kDay, to - from);
    }
  }

  // Instead of the rotations it names, or of all; what the others say stays.
  void add_override(const std::string& file, const json::object& over) {
    Schedule* schedule = schedule_of(file, over);
    const auto start = time_at(over, "startDate");
    const auto end = time_at(over, "endDate");
    if (schedule == nullptr || !start || !end || *end <= draft_.now) return;
    const std::string where = fmt::format("schedule \"{}\", override {}", schedule->name, text_at(over, "alias"));
    const json::object& who = object_at(over, "user");
    std::vector<std::string> users;
    if (text_at(who, "type") == "team") {
      users = members_of(who, where);
    } else if (const std::string user = user_of(who, where); !user.empty()) {
      users = {user};
    }
    if (users.empty()) return;
    add_temporary(draft_, *schedule, text_at(over, "alias"), {*start, *end}, users);
    std::set<std::string> named;
    for (const json::object* r : objects_in(array_at(over, "rotations"))) named.insert(text_at(*r, "id"));
    if (!named.empty() && !schedule->temporary.empty()) keep_others(*schedule, named);
  }

  void keep_others(Schedule& schedule, const std::set<std::string>& named) {
    Schedule others = schedule;
    others.temporary.pop_back();
    for (const std::string& id : named) {
      const auto known = rotation_layers_.find(id);
      if (known != rotation_layers_.end() && known->second < others.layers.size())
        others.layers[known->second].rotation.slots.clear();
    }
    TemporarySchedule& last = schedule.temporary.back();
    for (const Shift& shift : final_schedule(others, last.span).shifts) {
      if (last.shifts.size() < kChangesMax) last.shifts.emplace_back(shift.span, shift.user);
    }
  }

  Schedule* schedule_of(const std::string& file, const json::object& over) {
    const std::string parent = text_at(object_at(over, "_parent"), "id");
    for (const auto& [theirs, ours] : draft_.schedules) {
      if (theirs == parent || (parent.empty() && file.find(theirs) != std::string::npos))
        return &draft_.out.config.schedules.find(ours)->second;
    }
    draft_.note(file,
                "Opsgenie does not say of which schedule overrides are: put the schedule's id into the file's name");
    return nullptr;
  }

  // ---- escalations ----

  void add_policy(const json::object& in) {
    const std::string id = text_at(in, "id");
    if (id.empty() || draft_.policies.contains(id)) return;
    Policy out;
    out.name = text_at(in, "name");
    const std::string where = fmt::format("escalation \"{}\"", out.name);
    // Delays are counted from the alert, not from the rule before.
    std::map<Micros, std::vector<Recipient>> at;
    for (const json::object* rule : objects_in(array_at(in, "rules"))) add_rule(at, *rule, where);
    if (at.empty()) return draft_.note(where, "nothing of it is left: nobody would be told");
    if (at.begin()->first > Micros(0)) draft_.note(where, "its first rule waits; here the first level is told at once");
    const json::object& repeat = object_at(in, "repeat");
    for (auto rule = at.begin(); rule != at.end() && out.levels.size() < kLevelsMax; ++rule) {
      Level level;
      level.id = fmt::format("L{}", out.levels.size() + 1);
      level.recipients = rule->second;
      const auto next = std::next(rule);
      const int64_t wait = std::clamp<int64_t>(int_at(repeat, "waitInterval", 0), 0, 100'000);
      level.timeout = next != at.end() ? next->first - rule->first
                      : wait > 0       ? Micros(std::chrono::minutes(wait))
                                       : Micros(std::chrono::minutes(5));
      out.levels.push_back(std::move(level));
    }
    out.repeats = static_cast<int>(std::clamp<int64_t>(int_at(repeat, "count", 0), 0, kRepeatsMax));
    if (bool_at(repeat, "closeAlertAfterAll", false))
      draft_.note(where, "nothing is closed here because nobody answered");
    out.id = draft_.new_id("policy", out.name);
    draft_.policies.emplace(id, out.id);
    const std::string ours = out.id;
    draft_.out.config.policies.emplace(ours, std::move(out));
  }

  void add_rule(std::map<Micros, std::vector<Recipient>>& at, const json::object& rule, const std::string& where) {
    const json::object& to = object_at(rule, "recipient");
    const std::string type = text_at(to, "type");
    const std::string notify = text_at(rule, "notifyType");
    const Micros delay = delay_of(object_at(rule, "delay"));
    const std::string what =
        fmt::format("{}, rule after {} min", where, std::chrono::duration_cast<std::chrono::minutes>(delay).count());
    if (text_at(rule, "condition") == "if-not-closed")
      draft_.note(what, "it goes on until the alert is closed; here an acknowledgement stops it");
    if (!notify.empty() && notify != "default" && notify != "all" && notify != "users")
      draft_.note(what, fmt::format("it tells \"{}\"; here all of the recipient are told", notify));
    Recipient out;
    if (type == "schedule") {
      const auto known = draft_.schedules.find(text_at(to, "id"));
      if (known == draft_.schedules.end())
        return draft_.note(what, fmt::format("the schedule {} was not carried over", text_at(to, "name")));
      out = {Recipient::Kind::kSchedule, known->second, {}};
    } else if (type == "team") {
      const auto known = draft_.teams.find(text_at(to, "id"));
      if (known == draft_.teams.end())
        return draft_.note(what, fmt::format("the team {} is not in the files", text_at(to, "name")));
      draft_.note(what, "a team is told by its own routing rules in Opsgenie; here all its members are told");
      out = {Recipient::Kind::kTeam, known->second, {}};
    } else {
      out = {Recipient::Kind::kUser, user_of(to, what), {}};
      if (out.id.empty()) return;
    }
    at[delay].push_back(std::move(out));
  }

  Draft& draft_;
  std::vector<const json::object*> users_, teams_, schedules_, escalations_;
  std::vector<Found> contacts_, rules_, overrides_;
  std::map<std::string, size_t> rotation_layers_;  // id of a rotation to its layer's place in the schedule
};

}  // namespace

void read_opsgenie(const Documents& documents, Draft& draft) { Opsgenie(draft).read(documents); }

}  // namespace sentinel::oncall::import
