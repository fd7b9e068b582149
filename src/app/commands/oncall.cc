// sentinel oncall: who is on call, and who is told.

#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "app/builtin_files.h"
#include "app/commands/client.h"
#include "app/commands/commands.h"
#include "base/strings.h"
#include "oncall/config.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

constexpr const char* kBase = "/sentinel/v1/oncall";

struct OncallOptions {
  ClientOptions client;
  std::string id;
  std::string at;
  std::string from;
  std::string to;
  std::string add;
  std::string remove;
  std::string replace;
  std::string with;
  std::string user;
  std::string taken_by;
  std::string return_from;
  std::string return_to;
  std::string channel;
  std::string policy;
  std::vector<std::string> files;
  bool all = false;
};
using Options = std::shared_ptr<OncallOptions>;

std::string minute(const json::value& object, std::string_view name) {
  return replace_all(field(object, name).substr(0, 16), "T", " ");
}

std::string names(const json::value& people) {
  std::vector<std::string> out;
  for (const json::value& p : people.as_array()) out.push_back(field(p, "name"));
  return out.empty() ? "nobody" : join(out, ", ");
}

std::string name_at(const json::value& object, std::string_view key) {
  const json::value* person = object.as_object().if_contains(key);
  return person == nullptr || person->is_null() ? "" : field(*person, "name");
}

std::string who_text(const json::value& answer) {
  std::vector<std::vector<std::string>> rows;
  std::string gaps;
  for (const json::value& s : answer.at("schedules").as_array()) {
    const std::string until = minute(s, "until");
    rows.push_back(
        {field(s, "id"), names(s.at("users")), until.empty() ? "–" : until, until.empty() ? "" : names(s.at("next"))});
    for (const json::value& gap : s.at("gaps").as_array())
      gaps += fmt::format("Nobody is on call: {} from {} to {} UTC\n", field(s, "id"), minute(gap, "start"),
                          minute(gap, "end"));
  }
  if (rows.empty()) return "No schedules: `oncall:` in sentinel.yml names the file that has them.\n";
  return format_table({"SCHEDULE", "ON CALL", "UNTIL (UTC)", "THEN"}, rows) + gaps;
}

std::string schedule_text(const json::value& s) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& shift : s.at("shifts").as_array())
    rows.push_back({minute(shift, "start"), minute(shift, "end"), name_at(shift, "user"), field(shift, "source")});
  for (const json::value& gap : s.at("gaps").as_array())
    rows.push_back({minute(gap, "start"), minute(gap, "end"), "NOBODY", "gap"});
  std::sort(rows.begin(), rows.end());
  std::string out = format_table({"FROM (UTC)", "TO (UTC)", "ON CALL", "BECAUSE OF"}, rows);
  rows.clear();
  for (const json::value& o : s.at("overrides").as_array())
    rows.push_back({field(o, "id"),
                    field(o, "kind") + " " + name_at(o, "user") +
                        (name_at(o, "with").empty() ? "" : " with " + name_at(o, "with")),
                    minute(o, "start"), minute(o, "end"), field(o, "by")});
  for (const json::value& w : s.at("swaps").as_array())
    rows.push_back({field(w, "id"),
                    "swap of " + name_at(w, "user") +
                        (name_at(w, "taken_by").empty() ? ", asked for" : ", taken by " + name_at(w, "taken_by")),
                    minute(w, "start"), minute(w, "end"), field(w, "by")});
  if (!rows.empty()) out += "\n" + format_table({"CHANGE", "WHAT", "FROM (UTC)", "TO (UTC)", "BY"}, rows);
  return out;
}

std::string escalations_text(const json::value& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& e : answer.at("items").as_array()) {
    const json::value& next = e.at("next");
    rows.push_back({field(e, "incident"), field(e, "state"), field(e, "policy"), field(e, "level"),
                    next.is_null() ? "" : fmt::format("{}: {}", minute(next, "at"), field(next, "who")),
                    field(e, "title")});
  }
  if (rows.empty()) return "Nobody is being told of anything.\n";
  return format_table({"INCIDENT", "STATE", "POLICY", "LEVEL", "NEXT (UTC)", "TITLE"}, rows);
}

std::string escalation_text(const json::value& e) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& p : e.at("pages").as_array())
    rows.push_back({field(p, "at").substr(0, 19), name_at(p, "user"), field(p, "channel"), field(p, "level"),
                    field(p, "outcome"), field(p, "error")});
  std::string out = fmt::format("{}\nstate {}, policy {}, level {}\n", field(e, "title"), field(e, "state"),
                                field(e, "policy"), field(e, "level"));
  if (!e.at("next").is_null())
    out += fmt::format("next: {} at {} UTC\n", field(e.at("next"), "who"), minute(e.at("next"), "at"));
  return out + "\n" + format_table({"AT (UTC)", "WHO", "BY", "LEVEL", "OUTCOME", "ERROR"}, rows);
}

std::string calendars_text(const json::value& answer, const std::string& url) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& c : answer.at("items").as_array())
    rows.push_back({field(c, "kind"), field(c, "id"), url + field(c, "path")});
  return format_table({"OF", "ID", "ADDRESS (a secret)"}, rows, 200);
}

template <class Text>
int print(const OncallOptions& o, const Result<json::value>& answer, Text text) {
  if (!answer) return report(answer.error());
  fmt::print("{}", o.client.output == "json" ? text::serialize(*answer) + "\n" : text(*answer));
  return 0;
}

int post(const OncallOptions& o, const std::string& path, const json::object& body) {
  return print(o, request_json(o.client, "POST", kBase + path, text::serialize(body)), [](const json::value& answer) {
    const json::object* object = answer.if_object();
    return object != nullptr && object->contains("id") ? field(answer, "id") + "\n" : std::string("done\n");
  });
}

CLI::App* sub(CLI::App* parent, const char* name, const char* help, const Options& o, const char* footer = "") {
  CLI::App* command = parent->add_subcommand(name, help);
  add_client_options(*command, o->client);
  command->footer(footer);
  return command;
}

void add_span(CLI::App* command, const Options& o) {
  command->add_option("--from", o->from, "start: \"2026-03-02 09:00\" on the schedule's clocks, or RFC 3339")
      ->required();
  command->add_option("--to", o->to, "end, as --from")->required();
}

// Which of the three ways; the server says what is wrong with none or several.
json::object override_body(const OncallOptions& o) {
  json::object body{{"from", o.from}, {"to", o.to}};
  const std::pair<const char*, const std::string*> ways[] = {
      {"add", &o.add}, {"remove", &o.remove}, {"replace", &o.replace}, {"with", &o.with}};
  for (const auto& [name, value] : ways) {
    if (!value->empty()) body[name] = *value;
  }
  return body;
}

json::object swap_body(const OncallOptions& o) {
  json::object body{{"user", o.user}, {"from", o.from}, {"to", o.to}};
  if (!o.taken_by.empty()) body["taken_by"] = o.taken_by;
  if (!o.return_from.empty()) body["in_return"] = json::object{{"from", o.return_from}, {"to", o.return_to}};
  return body;
}

int remove_change(const OncallOptions& o) {
  const auto done = request_text(o.client, "DELETE", fmt::format("{}/changes/{}", kBase, url_encode(o.id)));
  return done ? 0 : report(done.error());
}

int check(const OncallOptions& o) {
  for (const std::string& path : o.files) {
    const auto file = read_config(posix_env(), path);
    if (!file) return report(file.error());
    const auto config = oncall::parse_config(file->text, file->path);
    if (!config) return report(config.error());
    const Status reachable = oncall::check_reachable(*config);
    if (!reachable) return report(reachable.error().in_file(file->path));
    fmt::print("{}: {} people, {} schedules, {} policies\n", path, config->users.size(), config->schedules.size(),
               config->policies.size());
  }
  return 0;
}

void add_schedule_commands(CLI::App* oncall, const Options& o, int& exit_code) {
  CLI::App* who = sub(oncall, "who", "Who is on call, now or at any instant, until when, who follows, and gaps ahead",
                      o, "Examples:\n  sentinel oncall who\n  sentinel oncall who --at 2026-12-24T22:00:00Z");
  who->add_option("--at", o->at, "instant, RFC 3339");
  who->callback([o, &exit_code] {
    exit_code = print(*o, request_json(o->client, "GET", fmt::format("{}?at={}", kBase, url_encode(o->at))), who_text);
  });
  CLI::App* schedule =
      sub(oncall, "schedule", "The shifts of a schedule, its gaps, and what was changed by hand", o,
          "Example:\n  sentinel oncall schedule primary --from 2026-12-21T00:00:00Z --to 2027-01-04T00:00:00Z");
  schedule->add_option("schedule", o->id, "its id")->required();
  schedule->add_option("--from", o->from, "RFC 3339; now unless given");
  schedule->add_option("--to", o->to, "RFC 3339; two weeks later unless given");
  schedule->callback([o, &exit_code] {
    exit_code = print(*o,
                      request_json(o->client, "GET",
                                   fmt::format("{}/schedules/{}?from={}&to={}", kBase, url_encode(o->id),
                                               url_encode(o->from), url_encode(o->to))),
                      schedule_text);
  });
  CLI::App* over =
      sub(oncall, "override", "Put somebody on call, take somebody off, or replace one by another; prints its id", o,
          "Examples:\n  sentinel oncall override primary --replace ada --with grace --from '2026-03-02 09:00' --to "
          "'2026-03-02 18:00'\n"
          "  sentinel oncall override primary --add alan --from '2026-03-07 00:00' --to '2026-03-09 00:00'\n"
          "Where --replace names somebody who is not on call, nothing changes. `remove` takes it back.");
  over->add_option("schedule", o->id, "its id")->required();
  over->add_option("--add", o->add, "this person serves too");
  over->add_option("--remove", o->remove, "this person does not serve");
  over->add_option("--replace", o->replace, "this person is replaced, where he serves");
  over->add_option("--with", o->with, "by this one");
  add_span(over, o);
  over->callback([o, &exit_code] {
    exit_code = post(*o, fmt::format("/schedules/{}/overrides", url_encode(o->id)), override_body(*o));
  });
  CLI::App* swap =
      sub(oncall, "swap", "Ask for somebody to take over a shift, or write down that he does; prints its id", o,
          "Examples:\n  sentinel oncall swap primary --user ada --from '2026-03-09' --to '2026-03-10'\n"
          "  sentinel oncall take ID --user grace --return-from '2026-03-16' --return-to '2026-03-17'");
  swap->add_option("schedule", o->id, "its id")->required();
  swap->add_option("--user", o->user, "whose shift it is")->required();
  swap->add_option("--taken-by", o->taken_by, "who takes it; without, it is only asked for");
  swap->add_option("--return-from", o->return_from, "what the first takes over in return: start");
  swap->add_option("--return-to", o->return_to, "end");
  add_span(swap, o);
  swap->callback(
      [o, &exit_code] { exit_code = post(*o, fmt::format("/schedules/{}/swaps", url_encode(o->id)), swap_body(*o)); });
  CLI::App* take = sub(oncall, "take", "Take over a shift that somebody has asked for", o);
  take->add_option("id", o->id, "of the swap")->required();
  take->add_option("--user", o->user, "who takes it")->required();
  take->add_option("--return-from", o->return_from, "what is taken over in return: start");
  take->add_option("--return-to", o->return_to, "end");
  take->callback([o, &exit_code] {
    json::object body{{"user", o->user}};
    if (!o->return_from.empty()) body["in_return"] = json::object{{"from", o->return_from}, {"to", o->return_to}};
    exit_code = post(*o, fmt::format("/swaps/{}/take", url_encode(o->id)), body);
  });
  CLI::App* remove = sub(oncall, "remove", "Take an override or a swap back", o);
  remove->add_option("id", o->id, "as printed when it was made, and by `schedule`")->required();
  remove->callback([o, &exit_code] { exit_code = remove_change(*o); });
  CLI::App* calendar = sub(oncall, "calendar", "Addresses of calendars to subscribe to, of each schedule and person", o,
                           "Whoever has an address can read the calendar: treat it as a password.");
  calendar->callback([o, &exit_code] {
    exit_code = print(*o, request_json(o->client, "GET", std::string(kBase) + "/calendars"),
                      [&](const json::value& answer) { return calendars_text(answer, o->client.url); });
  });
}

void add_escalation_commands(CLI::App* oncall, const Options& o, int& exit_code) {
  CLI::App* escalations =
      sub(oncall, "escalations", "Who is being told of what, and who is next; of one incident, every page", o,
          "Examples:\n  sentinel oncall escalations\n  sentinel oncall escalations INC-7");
  escalations->add_option("incident", o->id, "INC-7: its pages and what became of them");
  escalations->add_flag("--all", o->all, "also those that are over");
  escalations->callback([o, &exit_code] {
    const std::string path = o->id.empty() ? fmt::format("{}/escalations?state={}", kBase, o->all ? "all" : "open")
                                           : fmt::format("{}/escalations/{}", kBase, url_encode(o->id));
    const auto answer = request_json(o->client, "GET", path);
    exit_code = o->id.empty() ? print(*o, answer, escalations_text) : print(*o, answer, escalation_text);
  });
  CLI::App* escalate = sub(oncall, "escalate", "Tell the next level now", o);
  escalate->add_option("incident", o->id, "INC-7")->required();
  escalate->callback(
      [o, &exit_code] { exit_code = post(*o, fmt::format("/escalations/{}/escalate", url_encode(o->id)), {}); });
  CLI::App* reassign = sub(oncall, "reassign", "Begin anew with another policy", o);
  reassign->add_option("incident", o->id, "INC-7")->required();
  reassign->add_option("policy", o->policy, "its id")->required();
  reassign->callback([o, &exit_code] {
    exit_code = post(*o, fmt::format("/escalations/{}/reassign", url_encode(o->id)), {{"policy", o->policy}});
  });
  CLI::App* page = sub(oncall, "page", "Send somebody a test page by one of his contacts; prints its id", o,
                       "Examples:\n  sentinel oncall page ada push\n  sentinel oncall outcome ID");
  page->add_option("user", o->user, "who is told")->required();
  page->add_option("channel", o->channel, "by what: a name under his contacts")->required();
  page->callback([o, &exit_code] { exit_code = post(*o, "/pages", {{"user", o->user}, {"channel", o->channel}}); });
  CLI::App* outcome = sub(oncall, "outcome", "What became of a test page", o);
  outcome->add_option("id", o->id, "as `page` printed it")->required();
  outcome->callback([o, &exit_code] {
    exit_code =
        print(*o, request_json(o->client, "GET", fmt::format("{}/pages/{}", kBase, url_encode(o->id))),
              [](const json::value& p) {
                return fmt::format("{} to {}: {}{}\n", field(p, "channel"), name_at(p, "user"), field(p, "outcome"),
                                   field(p, "error").empty() ? "" : ": " + field(p, "error"));
              });
  });
  CLI::App* checked = oncall->add_subcommand("check", "Check oncall.yml before it is put in force; needs no server");
  checked->add_option("files", o->files, "files")->required();
  checked->callback([o, &exit_code] { exit_code = check(*o); });
}

}  // namespace

void add_oncall_command(CLI::App& cli, int& exit_code) {
  auto o = std::make_shared<OncallOptions>();
  CLI::App* oncall = cli.add_subcommand("oncall", "Who is on call, who is told, and what to change about it");
  oncall->require_subcommand(1);
  oncall->footer(
      "Examples:\n  sentinel oncall check oncall.yml\n  sentinel oncall who\n  sentinel oncall schedule primary\n"
      "  sentinel oncall override primary --replace ada --with grace --from '2026-03-02 09:00' --to '2026-03-02 "
      "18:00'\n"
      "  sentinel oncall page ada push          a test page: does it reach the phone?\n"
      "  sentinel oncall escalations INC-7      who was told, when, by what, and who is next\n"
      "The people, schedules and policies stand in the file that `oncall:` in sentinel.yml names (docs/oncall.md).");
  add_schedule_commands(oncall, o, exit_code);
  add_escalation_commands(oncall, o, exit_code);
  add_oncall_people_commands(*oncall, exit_code);
}

}  // namespace sentinel::app
