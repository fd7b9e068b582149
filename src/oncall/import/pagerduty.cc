// PagerDuty, REST API v2: /users (with include[]=contact_methods, notification_rules, teams), /teams, /schedules/ID,
// /schedules/ID/overrides, /escalation_policies.

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "oncall/import/kit.h"
#include "oncall/limits.h"

namespace sentinel::oncall::import {
namespace {

class PagerDuty {
 public:
  explicit PagerDuty(Draft& draft) : draft_(draft) {}

  void read(const Documents& documents) {
    for (const auto& [name, value] : documents) sort(name, value);
    for (const json::object* user : users_) add_user(*user);
    for (const json::object* team : teams_) add_team(*team);
    for (const json::object* user : users_) join_teams(*user);
    for (const json::object* schedule : schedules_) add_schedule(*schedule);
    for (const auto& [file, over] : overrides_) add_override(file, *over);
    for (const json::object* policy : policies_) add_policy(*policy);
  }

 private:
  void sort(const std::string& file, const json::value& value) {
    if (const json::array* pages = value.if_array()) {
      for (const json::value& page : *pages) sort(file, page);
      return;
    }
    const json::object* answer = value.if_object();
    if (answer == nullptr) return;
    const auto take = [&](std::string_view many, std::string_view one, std::vector<const json::object*>& to) {
      for (const json::object* item : objects_in(array_at(*answer, many))) to.push_back(item);
      if (const json::object& item = object_at(*answer, one); !item.empty()) to.push_back(&item);
    };
    take("users", "user", users_);
    take("teams", "team", teams_);
    take("schedules", "schedule", schedules_);
    take("escalation_policies", "escalation_policy", policies_);
    for (const json::object* over : objects_in(array_at(*answer, "overrides"))) overrides_.emplace_back(file, over);
    if (bool_at(*answer, "more", false))
      draft_.note(
          file,
          "it is one page of several (\"more\" is true): what is on the others is known only from files of their own");
  }

  // ---- people ----

  void add_user(const json::object& user) {
    const std::string email = text_at(user, "email");
    User* made = draft_.add_user(text_at(user, "id"), local_part(email.empty() ? text_at(user, "name") : email),
                                 text_at(user, "name"));
    if (made == nullptr) return;
    const std::string where = fmt::format("user \"{}\"", made->id);
    std::map<std::string, std::string> channel_of;  // by id of the contact method
    for (const json::object* method : objects_in(array_at(user, "contact_methods")))
      channel_of.emplace(text_at(*method, "id"), add_contact(*made, *method, where));
    if (!email.empty()) made->contacts.emplace("email", email);
    for (const json::object* rule : objects_in(array_at(user, "notification_rules")))
      add_rule(*made, *rule, channel_of, where);
    for (auto* rules : {&made->default_rules, &made->urgent_rules})
      std::sort(rules->begin(), rules->end(), [](const auto& a, const auto& b) {
        return std::tie(a.after, a.channel) < std::tie(b.after, b.channel);
      });
  }

  // "" when there is no such contact here.
  std::string add_contact(User& user, const json::object& method, const std::string& where) {
    const std::string type = text_at(method, "type");
    std::string address = text_at(method, "address");
    const std::string what = fmt::format("{}, contact \"{}\"", where, text_at(method, "label"));
    std::string channel;
    if (type.starts_with("email")) {
      channel = "email";
    } else if (type.starts_with("sms") || type.starts_with("phone")) {
      channel = type.starts_with("sms") ? "sms" : "voice";
      address = fmt::format("+{}{}", int_at(method, "country_code", 1), address);
    } else if (type.starts_with("push")) {
      draft_.note(what, "it is PagerDuty's own app; give the person a contact of a push channel (ntfy) instead");
      return "";
    } else if (type.empty() || address.empty()) {
      draft_.note(what, "only a reference to it is in the file; export users with include[]=contact_methods");
      return "";
    } else {
      draft_.note(what, fmt::format("there is no channel for \"{}\"", type));
      return "";
    }
    if (const auto [known, added] = user.contacts.emplace(channel, address); !added && known->second != address)
      draft_.note(what, fmt::format("one contact a channel: {} is kept, {} is not", known->second, address));
    return channel;
  }

  void add_rule(User& user, const json::object& rule, const std::map<std::string, std::string>& channel_of,
                const std::string& where) {
    const std::string urgency = text_at(rule, "urgency");
    const json::object& method = object_at(rule, "contact_method");
    const auto channel = channel_of.find(text_at(method, "id"));
    const int64_t minutes = std::clamp<int64_t>(int_at(rule, "start_delay_in_minutes", 0), 0, 1440);
    if (channel == channel_of.end() || channel->second.empty()) {
      draft_.note(where, fmt::format("its {} urgency rule after {} min is by a contact that is not carried over ({})",
                                     urgency.empty() ? "notification" : urgency, minutes, text_at(method, "type")));
      return;
    }
    auto& rules = urgency == "low" ? user.default_rules : user.urgent_rules;
    const NotificationRule made{std::chrono::minutes(minutes), channel->second};
    if (rules.size() < kRulesMax && std::find(rules.begin(), rules.end(), made) == rules.end()) rules.push_back(made);
  }

  Team* team(const json::object& reference) {
    const std::string id = text_at(reference, "id");
    if (id.empty()) return nullptr;
    auto known = draft_.teams.find(id);
    if (known == draft_.teams.end()) {
      std::string name = text_at(reference, "name");
      if (name.empty()) name = text_at(reference, "summary");
      Team made{draft_.new_id("team", name.empty() ? id : name), name.empty() ? id : name, {}};
      known = draft_.teams.emplace(id, made.id).first;
      draft_.out.config.teams.emplace(made.id, made);
    }
    return &draft_.out.config.teams.find(known->second)->second;
  }
  void add_team(const json::object& object) { (void)team(object); }
  void join_teams(const json::object& user) {
    const auto known = draft_.users.find(text_at(user, "id"));
    if (known == draft_.users.end()) return;
    for (const json::object* reference : objects_in(array_at(user, "teams"))) {
      Team* t = team(*reference);
      if (t != nullptr && std::find(t->members.begin(), t->members.end(), known->second) == t->members.end())
        t->members.push_back(known->second);
    }
  }

  // ---- schedules ----

  void add_schedule(const json::object& in) {
    const std::string id = text_at(in, "id");
    if (id.empty() || draft_.schedules.contains(id)) return;
    Schedule out;
    out.name = text_at(in, "name");
    const std::string where = fmt::format("schedule \"{}\"", out.name);
    if (!in.contains("schedule_layers"))
      return draft_.note(where, "its layers are not in the file: export each schedule by itself, GET /schedules/" + id);
    auto zone = Zone::load(text_at(in, "time_zone"));
    if (!zone) return draft_.note(where, zone.error().message());
    out.zone = *zone;
    out.id = draft_.new_id("schedule", out.name);
    // The first of the answer has the last word.
    const auto layers = objects_in(array_at(in, "schedule_layers"));
    for (size_t i = 0; i < layers.size() && out.layers.size() < kLayersMax; ++i)
      add_layer(out, *layers[i], static_cast<int>(layers.size() - i), where);
    std::reverse(out.layers.begin(), out.layers.end());
    for (const json::object* entry :
         objects_in(array_at(object_at(in, "overrides_subschedule"), "rendered_schedule_entries")))
      overrule(out, *entry, where);
    draft_.schedules.emplace(id, out.id);
    const std::string ours = out.id;
    draft_.out.config.schedules.emplace(ours, std::move(out));
  }

  void add_layer(Schedule& schedule, const json::object& in, int priority, const std::string& schedule_name) {
    Layer out;
    out.name = text_at(in, "name").empty() ? fmt::format("Layer {}", priority) : text_at(in, "name");
    out.priority = priority;
    const std::string where = fmt::format("{}, layer \"{}\"", schedule_name, out.name);
    out.end = time_at(in, "end");
    if (out.end && *out.end <= draft_.now) return;
    const auto start = time_at(in, "start");
    const auto first_turn = in.contains("rotation_virtual_start") ? time_at(in, "rotation_virtual_start") : start;
    if (!start || !first_turn) return draft_.note(where, "it does not say when it starts");
    if (const Status fits = set_length(out.rotation, int_at(in, "rotation_turn_length_seconds", 0)); !fits)
      return draft_.note(where, fits.error().message());
    out.rotation.start = schedule.zone.wall(*first_turn);
    for (const json::object* entry : objects_in(array_at(in, "users"))) {
      const std::string user = draft_.user(text_at(object_at(*entry, "user"), "id"), where);
      out.rotation.slots.push_back(user.empty() ? std::vector<std::string>{} : std::vector{user});
    }
    if (out.rotation.slots.empty()) return draft_.note(where, "nobody is in it");
    for (const json::object* r : objects_in(array_at(in, "restrictions"))) restrict(out, *r, where);
    if (!count_every_turn(out, schedule.zone))
      return draft_.note(where, "turns of days with weekdays that are restricted away, of too many people");
    if (*start > draft_.now) silent_before(out, schedule.zone, *start);
    schedule.layers.push_back(std::move(out));
  }

  void restrict(Layer& layer, const json::object& r, const std::string& where) {
    const std::string clock = text_at(r, "start_time_of_day").substr(0, 8);
    const auto from = parse_clock(clock);
    const int64_t length = int_at(r, "duration_seconds", 0);
    if (!from || length <= 0 || *from >= std::chrono::hours(24))
      return draft_.note(where, "a restriction without a start_time_of_day or duration_seconds");
    if (text_at(r, "type") == "weekly_restriction") {
      // 1 is Monday.
      return allow_span(layer.restrictions,
                        static_cast<unsigned>(std::clamp<int64_t>(int_at(r, "start_day_of_week", 1), 1, 7)) % 7,
                        from->count(), length);
    }
    allow_daily(layer.restrictions, from->count(), length);
  }

  void overrule(Schedule& schedule, const json::object& entry, const std::string& where) {
    const auto start = time_at(entry, "start");
    const auto end = time_at(entry, "end");
    if (!start || !end || *end <= draft_.now) return;
    const std::string user = draft_.user(text_at(object_at(entry, "user"), "id"), where + ", override");
    if (!user.empty()) add_temporary(draft_, schedule, text_at(entry, "id"), {*start, *end}, {user});
  }

  void add_override(const std::string& file, const json::object& over) {
    for (const auto& [theirs, ours] : draft_.schedules) {
      if (file.find(theirs) == std::string::npos) continue;
      return overrule(draft_.out.config.schedules.find(ours)->second, over, fmt::format("schedule \"{}\"", ours));
    }
    draft_.note(file,
                "PagerDuty does not say of which schedule overrides are: put the schedule's id into the file's name");
  }

  // ---- policies ----

  void add_policy(const json::object& in) {
    const std::string id = text_at(in, "id");
    if (id.empty() || draft_.policies.contains(id)) return;
    Policy out;
    out.name = text_at(in, "name");
    const std::string where = fmt::format("escalation policy \"{}\"", out.name);
    for (const json::object* rule : objects_in(array_at(in, "escalation_rules"))) {
      if (out.levels.size() >= kLevelsMax) break;
      add_level(out, *rule, where);
    }
    if (out.levels.empty()) return draft_.note(where, "nothing of it is left: nobody would be told");
    out.id = draft_.new_id("policy", out.name);
    out.repeats = static_cast<int>(std::clamp<int64_t>(int_at(in, "num_loops", 0), 0, kRepeatsMax));
    for (const json::object* service : objects_in(array_at(in, "services"))) {
      const std::string name =
          text_at(*service, "summary").empty() ? text_at(*service, "id") : text_at(*service, "summary");
      draft_.note(fmt::format("service \"{}\"", name),
                  fmt::format("services are labels here; if yours are called so, write under routes: "
                              "{{match: {{service: {}}}, policy: {}}}",
                              yaml_name(name), out.id));
    }
    draft_.policies.emplace(id, out.id);
    const std::string ours = out.id;
    draft_.out.config.policies.emplace(ours, std::move(out));
  }

  static std::string yaml_name(const std::string& name) { return "'" + replace_all(name, "'", "''") + "'"; }

  void add_level(Policy& policy, const json::object& rule, const std::string& where) {
    Level level;
    level.id = fmt::format("L{}", policy.levels.size() + 1);
    level.timeout =
        std::chrono::minutes(std::clamp<int64_t>(int_at(rule, "escalation_delay_in_minutes", 30), 1, 100'000));
    const std::string what = fmt::format("{}, {}", where, level.id);
    for (const json::object* target : objects_in(array_at(rule, "targets"))) {
      const std::string id = text_at(*target, "id");
      const bool is_schedule = text_at(*target, "type").starts_with("schedule");
      if (is_schedule) {
        const auto known = draft_.schedules.find(id);
        if (known == draft_.schedules.end()) {
          draft_.note(what, fmt::format("the schedule {} ({}) was not carried over", id, text_at(*target, "summary")));
        } else {
          level.recipients.push_back({Recipient::Kind::kSchedule, known->second, {}});
        }
        continue;
      }
      if (const std::string user = draft_.user(id, what); !user.empty())
        level.recipients.push_back({Recipient::Kind::kUser, user, {}});
    }
    if (text_at(object_at(rule, "escalation_rule_assignment_strategy"), "type") == "round_robin")
      take_turns(level, what);
    if (level.recipients.empty()) return draft_.note(what, "nobody is left in it");
    policy.levels.push_back(std::move(level));
  }

  void take_turns(Level& level, const std::string& what) {
    Recipient all{Recipient::Kind::kRoundRobin, "", {}};
    for (const Recipient& r : level.recipients) {
      if (r.kind != Recipient::Kind::kUser)
        return draft_.note(what, "round robin over schedules: here it is over people only, so all of them are told");
      all.users.push_back(r.id);
    }
    if (!all.users.empty()) level.recipients = {std::move(all)};
  }

  Draft& draft_;
  std::vector<const json::object*> users_, teams_, schedules_, policies_;
  std::vector<std::pair<std::string, const json::object*>> overrides_;
};

}  // namespace

void read_pagerduty(const Documents& documents, Draft& draft) { PagerDuty(draft).read(documents); }

}  // namespace sentinel::oncall::import
