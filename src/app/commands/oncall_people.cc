// sentinel oncall user, team, maintenance: people and windows, changed while the server runs.

#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "app/commands/client.h"
#include "app/commands/commands.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

constexpr const char* kBase = "/sentinel/v1/oncall";

struct PeopleFlags {
  ClientOptions client;
  std::string id;
  std::string name;
  std::vector<std::string> contacts;
  std::vector<std::string> rules;
  std::vector<std::string> urgent;
  std::vector<std::string> members;
  std::string from, to, repeat, until, zone, reason, public_reason;
  std::vector<std::string> policies;
  std::vector<std::string> components;
};
using Flags = std::shared_ptr<PeopleFlags>;

template <class Text>
int print(const PeopleFlags& f, const Result<json::value>& answer, Text text) {
  if (!answer) return report(answer.error());
  fmt::print("{}", f.client.output == "json" ? text::serialize(*answer) + "\n" : text(*answer));
  return 0;
}

std::string rules_text(const json::value& rules) {
  std::vector<std::string> out;
  for (const json::value& r : rules.as_array())
    out.push_back(fmt::format("{} after {}", field(r, "by"), field(r, "after")));
  return out.empty() ? "none" : join(out, ", ");
}

std::string user_text(const json::value& u) {
  std::string out = fmt::format("{} ({}), from {}{}\n", field(u, "name"), field(u, "id"), field(u, "source"),
                                field(u, "changed_by").empty() ? "" : fmt::format(" by {}", field(u, "changed_by")));
  for (const auto& [channel, address] : u.at("contacts").as_object())
    out += fmt::format("  {}: {}\n", std::string_view(channel), std::string_view(address.as_string()));
  return out + fmt::format("rules: {}\nurgent: {}\n", rules_text(u.at("rules").at("default")),
                           rules_text(u.at("rules").at("urgent")));
}

std::string users_text(const json::value& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& u : answer.at("items").as_array()) {
    std::vector<std::string> by, at;
    for (const json::value& c : u.at("channels").as_array()) by.emplace_back(c.as_string());
    for (const json::value& s : u.at("on_call").as_array()) at.emplace_back(s.as_string());
    rows.push_back({field(u, "id"), field(u, "name"), join(by, ", "), join(at, ", ")});
  }
  return format_table({"USER", "NAME", "BY", "ON CALL NOW"}, rows);
}

std::string team_text(const json::value& t) {
  std::vector<std::string> members;
  for (const json::value& m : t.at("members").as_array()) members.push_back(field(m, "id"));
  return fmt::format("{} ({}), from {}{}: {}\n", field(t, "name"), field(t, "id"), field(t, "source"),
                     field(t, "changed_by").empty() ? "" : fmt::format(" by {}", field(t, "changed_by")),
                     members.empty() ? "nobody" : join(members, ", "));
}

std::string teams_text(const json::value& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& t : answer.at("items").as_array()) {
    std::vector<std::string> members;
    for (const json::value& m : t.at("members").as_array()) members.push_back(field(m, "id"));
    rows.push_back({field(t, "id"), field(t, "name"), join(members, ", "), field(t, "source"), field(t, "changed_by")});
  }
  if (rows.empty()) return "No teams.\n";
  return format_table({"TEAM", "NAME", "MEMBERS", "FROM", "BY"}, rows);
}

std::string windows_text(const json::value& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& w : answer.at("items").as_array()) {
    std::vector<std::string> policies;
    for (const json::value& p : w.at("policies").as_array()) policies.emplace_back(p.as_string());
    const auto minute = [&w](std::string_view name) { return replace_all(field(w, name).substr(0, 16), "T", " "); };
    rows.push_back({field(w, "id"), minute("from"), minute("to"), field(w, "repeat"),
                    policies.empty() ? "all" : join(policies, ", "), minute("active_until").empty() ? "" : "now",
                    field(w, "by"), field(w, "reason")});
  }
  if (rows.empty()) return "No maintenance windows.\n";
  return format_table({"ID", "FROM (UTC)", "TO (UTC)", "EACH", "POLICIES", "LASTS", "BY", "REASON"}, rows);
}

// "push=ada-phone"
Result<json::object> contacts_json(const std::vector<std::string>& given) {
  json::object out;
  for (const std::string& one : given) {
    const size_t equals = one.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorCode::kInvalidArgument, fmt::format("--contact \"{}\": expected CHANNEL=ADDRESS", one));
    out[one.substr(0, equals)] = one.substr(equals + 1);
  }
  return out;
}

// "5m:sms", or "sms" at once.
json::array rules_json(const std::vector<std::string>& given) {
  json::array out;
  for (const std::string& one : given) {
    const size_t colon = one.find(':');
    out.push_back(colon == std::string::npos
                      ? json::object{{"by", one}}
                      : json::object{{"after", one.substr(0, colon)}, {"by", one.substr(colon + 1)}});
  }
  return out;
}

int change_user(const PeopleFlags& f) {
  json::object body;
  if (!f.name.empty()) body["name"] = f.name;
  const auto contacts = contacts_json(f.contacts);
  if (!contacts) return report(contacts.error());
  if (!contacts->empty()) body["contacts"] = *contacts;
  if (!f.rules.empty() || !f.urgent.empty())
    body["rules"] = json::object{{"default", rules_json(f.rules)}, {"urgent", rules_json(f.urgent)}};
  return print(
      f, request_json(f.client, "PUT", fmt::format("{}/users/{}", kBase, url_encode(f.id)), text::serialize(body)),
      user_text);
}

int change_team(const PeopleFlags& f) {
  json::object body;
  if (!f.name.empty()) body["name"] = f.name;
  if (!f.members.empty()) body["members"] = json::value_from(f.members);
  return print(
      f, request_json(f.client, "PUT", fmt::format("{}/teams/{}", kBase, url_encode(f.id)), text::serialize(body)),
      team_text);
}

int add_window(const PeopleFlags& f) {
  json::object body{{"from", f.from}, {"to", f.to}};
  const std::pair<const char*, const std::string*> given[] = {{"repeat", &f.repeat},
                                                              {"until", &f.until},
                                                              {"time_zone", &f.zone},
                                                              {"reason", &f.reason},
                                                              {"public_reason", &f.public_reason}};
  for (const auto& [name, value] : given) {
    if (!value->empty()) body[name] = *value;
  }
  if (!f.policies.empty()) body["policies"] = json::value_from(f.policies);
  if (!f.components.empty()) body["components"] = json::value_from(f.components);
  return print(f, request_json(f.client, "POST", std::string(kBase) + "/maintenance", text::serialize(body)),
               [](const json::value& made) { return field(made, "id") + "\n"; });
}

int remove(const PeopleFlags& f, const char* what) {
  const auto done = request_text(f.client, "DELETE", fmt::format("{}/{}/{}", kBase, what, url_encode(f.id)));
  return done ? 0 : report(done.error());
}

CLI::App* sub(CLI::App* parent, const char* name, const char* help, const Flags& f, const char* footer = "") {
  CLI::App* command = parent->add_subcommand(name, help);
  add_client_options(*command, f->client);
  command->footer(footer);
  return command;
}

void add_user_commands(CLI::App& oncall, const Flags& f, int& exit_code) {
  CLI::App* user = oncall.add_subcommand("user", "People: by what they are told, changed while the server runs");
  user->require_subcommand(1);
  user->footer(
      "What is changed here wins over the file until `reset`; a reload keeps it. One's own contacts, or the role "
      "admin.");
  sub(user, "list", "All, by what they can be told", f)->callback([f, &exit_code] {
    exit_code = print(*f, request_json(f->client, "GET", std::string(kBase) + "/users"), users_text);
  });
  CLI::App* show = sub(user, "show", "One, with addresses and rules", f);
  show->add_option("user", f->id, "his id")->required();
  show->callback([f, &exit_code] {
    exit_code =
        print(*f, request_json(f->client, "GET", fmt::format("{}/users/{}", kBase, url_encode(f->id))), user_text);
  });
  CLI::App* set =
      sub(user, "set", "Change contacts and rules; one that is not known is made", f,
          "Contacts and rules that are given replace all there were.\n"
          "Example:\n  sentinel oncall user set ada --contact push=ada-phone --contact sms=+4917012345 --rule push "
          "--rule 5m:sms --urgent push --urgent 1m:sms\nThen try it: sentinel oncall page ada sms");
  set->add_option("user", f->id, "his id")->required();
  set->add_option("--name", f->name, "as people call him");
  set->add_option("--contact", f->contacts, "CHANNEL=ADDRESS; repeatable")->allow_extra_args(false);
  set->add_option("--rule", f->rules, "[AFTER:]CHANNEL; repeatable")->allow_extra_args(false);
  set->add_option("--urgent", f->urgent, "[AFTER:]CHANNEL of urgent pages; repeatable")->allow_extra_args(false);
  set->callback([f, &exit_code] { exit_code = change_user(*f); });
  CLI::App* reset = sub(user, "reset", "As the file says again; one who was made here is gone", f);
  reset->add_option("user", f->id, "his id")->required();
  reset->callback([f, &exit_code] { exit_code = remove(*f, "users"); });
}

void add_team_commands(CLI::App& oncall, const Flags& f, int& exit_code) {
  CLI::App* team = oncall.add_subcommand("team", "Teams: who is in them, changed while the server runs");
  team->require_subcommand(1);
  team->footer("What is changed here wins over the file until `reset`; a reload keeps it. For the role admin.");
  sub(team, "list", "All, with their members", f)->callback([f, &exit_code] {
    exit_code = print(*f, request_json(f->client, "GET", std::string(kBase) + "/teams"), teams_text);
  });
  CLI::App* set = sub(team, "set", "Change name and members; one that is not known is made", f,
                      "Members that are given replace all there were.\n"
                      "Example:\n  sentinel oncall team set sre --member ada --member bob");
  set->add_option("team", f->id, "its id")->required();
  set->add_option("--name", f->name, "as people call it");
  set->add_option("--member", f->members, "a user's id; repeatable")->allow_extra_args(false);
  set->callback([f, &exit_code] { exit_code = change_team(*f); });
  CLI::App* reset = sub(team, "reset", "As the file says again; one that was made here is gone", f);
  reset->add_option("team", f->id, "its id")->required();
  reset->callback([f, &exit_code] { exit_code = remove(*f, "teams"); });
}

void add_window_commands(CLI::App& oncall, const Flags& f, int& exit_code) {
  CLI::App* window = oncall.add_subcommand("maintenance", "Windows in which nobody is paged");
  window->require_subcommand(1);
  sub(window, "list", "Those that last or are to come", f)->callback([f, &exit_code] {
    exit_code = print(*f, request_json(f->client, "GET", std::string(kBase) + "/maintenance"), windows_text);
  });
  CLI::App* add =
      sub(window, "add", "Page nobody from then to then; what still waits fires once at the end; prints its id", f,
          "Incidents open and are seen all the same.\n"
          "Examples:\n  sentinel oncall maintenance add --from '2026-03-02 22:00' --to '2026-03-03 02:00' --time-zone "
          "Europe/Berlin --reason upgrade\n"
          "  sentinel oncall maintenance add --from '2026-03-01 03:00' --to '2026-03-01 04:00' --repeat week --policy "
          "batch");
  add->add_option("--from", f->from, "\"2026-03-02 22:00\" on the clocks of --time-zone, or RFC 3339")->required();
  add->add_option("--to", f->to, "end, as --from")->required();
  add->add_option("--repeat", f->repeat, "day, week: again at the same clock time")
      ->check(CLI::IsMember({"day", "week"}));
  add->add_option("--until", f->until, "no more after this");
  add->add_option("--time-zone", f->zone, "IANA name (default: UTC)");
  add->add_option("--policy", f->policies, "only these escalation policies; repeatable (default: all)")
      ->allow_extra_args(false);
  add->add_option("--reason", f->reason, "why, for those inside");
  add->add_option("--component", f->components, "announce it on the public status page for this one; repeatable")
      ->allow_extra_args(false);
  add->add_option("--public-reason", f->public_reason, "what the status page tells of it");
  add->callback([f, &exit_code] { exit_code = add_window(*f); });
  CLI::App* gone = sub(window, "remove", "Take one back, also while it lasts", f);
  gone->add_option("id", f->id, "as `add` and `list` print it")->required();
  gone->callback([f, &exit_code] { exit_code = remove(*f, "maintenance"); });
}

}  // namespace

void add_oncall_people_commands(CLI::App& oncall, int& exit_code) {
  auto f = std::make_shared<PeopleFlags>();
  add_user_commands(oncall, f, exit_code);
  add_team_commands(oncall, f, exit_code);
  add_window_commands(oncall, f, exit_code);
}

}  // namespace sentinel::app
