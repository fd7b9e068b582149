// sentinel incident: the desk from a terminal.

#include <array>
#include <filesystem>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "app/commands/client.h"
#include "base/file.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

struct IncidentOptions {
  ClientOptions client;
  std::string id;
  std::string status = "active";
  std::string severity;
  std::string text;
  std::string root_cause;
  std::string resolution;
  std::string other;
  std::string relation;
  std::string file;
  std::string type;
  std::string due;
  std::string link;
  std::string state;
  std::string format = "markdown";
  std::vector<std::string> names;
  bool is_public = false;
};

std::string path_of(const IncidentOptions& options, std::string_view action = "") {
  return fmt::format("/sentinel/v1/incidents/{}{}{}", url_encode(options.id), action.empty() ? "" : "/", action);
}

std::string list_text(const json::value& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& i : answer.at("items").as_array()) {
    rows.push_back({field(i, "name"), field(i, "severity"), field(i, "status"), field(i, "created_at").substr(0, 19),
                    field(i, "assignee"), field(i, "title"), field(i, "why")});
  }
  if (rows.empty()) return "No incidents.\n";
  return format_table({"ID", "SEVERITY", "STATUS", "OPENED", "ASSIGNEE", "WHAT FAILED", "WHY"}, rows);
}

// What people put beside it; a line each, nothing where there is nothing.
std::string case_text(const json::value& i) {
  std::string out;
  const auto add = [&out](std::string_view name, const std::string& line) {
    out += fmt::format("{:13}{}\n", name, line);
  };
  for (const json::value& r : i.at("roles").as_array()) add(field(r, "role"), field(r, "person"));
  for (const auto& [name, value] : i.at("fields").as_object()) add(name, cell_text(value));
  for (const json::value& l : i.at("links").as_array()) {
    add(field(l, "relation"), fmt::format("{} {} {}", field(l, "name"), field(l, "status"), field(l, "title")));
  }
  for (const json::value& e : i.at("external").as_array()) {
    add(field(e, "integration"), fmt::format("{} {}{}", field(e, "title"), field(e, "url"),
                                             e.at("error").is_null() ? "" : " (not told: " + field(e, "error") + ")"));
  }
  for (const json::value& d : i.at("deadlines").as_array()) {
    add("due", fmt::format("{} by {}{}", field(d, "kind"), field(d, "due_at").substr(0, 19),
                           d.at("missed_at").is_null() ? "" : ", missed"));
  }
  for (const json::value& s : i.at("subscribers").as_array()) add("told of news", field(s, "name"));
  for (const json::value& a : i.at("attachments").as_array()) {
    add("attachment", fmt::format("{} {} ({} bytes)", field(a, "id"), field(a, "name"), cell_text(a.at("size_bytes"))));
  }
  return out.empty() ? "" : "\n" + out;
}

std::string show_text(const json::value& i) {
  std::string out =
      fmt::format("{} {} {} – {}\n\n", field(i, "name"), field(i, "severity"), field(i, "status"), field(i, "title"));
  out += fmt::format("What failed  {}\nWhy          {}\nWhat next    {}\n\n", field(i, "what_failed"), field(i, "why"),
                     field(i, "next_step"));
  out += fmt::format("Opened {}   Assignee {}   Channel {}\n\nTimeline\n", field(i, "created_at"), field(i, "assignee"),
                     field(i, "channel"));
  for (const json::value& e : i.at("timeline").as_array()) {
    out += fmt::format("  {}  {:14} {:10} {}\n", field(e, "at").substr(11, 8), field(e, "kind"), field(e, "actor"),
                       field(e, "text"));
  }
  out += case_text(i);
  if (i.at("runbook").is_object()) {
    out += fmt::format("\nRunbook: {}\n", field(i.at("runbook"), "title"));
    for (const json::value& s : i.at("runbook").at("steps").as_array()) {
      const std::string state = field(s, "state");
      out += fmt::format("  [{}] {}: {}\n",
                         state == "done"      ? "x"
                         : state == "failed"  ? "!"
                         : state == "skipped" ? "-"
                                              : " ",
                         field(s, "step_id"), field(s, "description"));
    }
  }
  return out;
}

using Show = std::string (*)(const json::value&);

int print(const IncidentOptions& options, const Result<json::value>& answer, Show show) {
  if (!answer) return report(answer.error());
  if (options.client.output == "json") {
    fmt::print("{}\n", text::serialize(*answer));
    return 0;
  }
  try {
    fmt::print("{}", show(*answer));
    return 0;
  } catch (const std::exception& e) {
    return report(Error(ErrorCode::kInternal, fmt::format("unexpected answer: {}", e.what())));
  }
}

std::string done_text(const json::value& i) { return fmt::format("{} is {}\n", field(i, "name"), field(i, "status")); }

std::string diagnosis_text(const json::value& i) {
  std::string out = fmt::format("{} {}\n{}\n", field(i, "name"), field(i, "title"), field(i, "why"));
  const json::value& d = i.at("diagnosis");
  if (!d.is_object()) return out;
  out += fmt::format("\n{} failing calls ({}) against {} others, onset {}\n", field(d, "failing"),
                     field(d, "failing_condition"), field(d, "baseline"),
                     d.at("onset").is_null() ? "not found" : field(d, "onset").substr(0, 19));
  for (const json::value& c : d.at("changes").as_array()) out += fmt::format("  * {}\n", field(c, "sentence"));
  std::vector<std::vector<std::string>> rows;
  for (const json::value& f : d.at("findings").as_array()) {
    const json::value* with = f.as_object().if_contains("with");
    rows.push_back({field(f, "rank"), field(f, "dimension") + (with ? " + " + field(*with, "dimension") : ""),
                    field(f, "value") + (with ? " + " + field(*with, "value") : ""),
                    fmt::format("{:.0f} %", f.at("failing_share").to_number<double>() * 100),
                    fmt::format("{:.0f} %", f.at("baseline_share").to_number<double>() * 100), field(f, "p_value")});
  }
  if (!rows.empty()) out += "\n" + format_table({"", "DIMENSION", "VALUE", "OF FAILING", "OF OTHERS", "P"}, rows);
  for (const json::value& e : d.at("examples").as_array())
    out += fmt::format("\nfor example {}  {}", field(e, "request_id"), field(e, "sentence"));
  return out + (d.at("examples").as_array().empty() ? "" : "\n");
}

int post(const IncidentOptions& options, std::string_view action, const json::object& body) {
  return print(options, request_json(options.client, "POST", path_of(options, action), text::serialize(body)),
               done_text);
}

CLI::App* add(CLI::App* parent, const char* name, const char* help, const std::shared_ptr<IncidentOptions>& options) {
  CLI::App* command = parent->add_subcommand(name, help);
  add_client_options(*command, options->client);
  return command;
}

CLI::App* add_with_id(CLI::App* parent, const char* name, const char* help,
                      const std::shared_ptr<IncidentOptions>& options) {
  CLI::App* command = add(parent, name, help, options);
  command->add_option("id", options->id, "incident: INC-17, 17, or its long id")->required();
  return command;
}

std::string alerts_text(const json::value& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& a : answer.at("items").as_array()) {
    rows.push_back({field(a, "fingerprint"), field(a, "state"), field(a, "starts_at").substr(0, 19), field(a, "name"),
                    field(a.at("annotations"), "summary")});
  }
  std::string out =
      rows.empty() ? "No alerts.\n" : format_table({"FINGERPRINT", "STATE", "SINCE", "RULE", "WHAT FAILED"}, rows);
  if (!answer.at("next_cursor").is_null()) out += fmt::format("More: --cursor {}\n", field(answer, "next_cursor"));
  return out;
}

// "customer=ACME": the value is JSON where it reads as such, else a text; nothing after the = takes it away.
Result<json::object> fields_of(const std::vector<std::string>& pairs) {
  json::object fields;
  for (const std::string& pair : pairs) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorCode::kInvalidArgument, fmt::format("\"{}\": expected NAME=VALUE", pair));
    const std::string value = pair.substr(equals + 1);
    boost::system::error_code ec;
    json::value parsed = json::parse(value, ec);
    fields[pair.substr(0, equals)] = value.empty() ? json::value(nullptr) : ec ? json::value(value) : std::move(parsed);
  }
  return fields;
}

// By the end of its name.
std::string type_of(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kTypes{{{".png", "image/png"},
                                                                                         {".jpg", "image/jpeg"},
                                                                                         {".jpeg", "image/jpeg"},
                                                                                         {".gif", "image/gif"},
                                                                                         {".webp", "image/webp"},
                                                                                         {".pdf", "application/pdf"},
                                                                                         {".json", "application/json"},
                                                                                         {".gz", "application/gzip"},
                                                                                         {".zip", "application/zip"},
                                                                                         {".csv", "text/csv"},
                                                                                         {".md", "text/markdown"},
                                                                                         {".log", "text/x-log"},
                                                                                         {".txt", "text/plain"}}};
  for (const auto& [end, type] : kTypes) {
    if (name.ends_with(end)) return std::string(type);
  }
  return "text/plain";
}

int attach(const IncidentOptions& o) {
  auto content = posix_env().read_file(o.file);
  if (!content) return report(content.error());
  const std::string name = std::filesystem::path(o.file).filename().string();
  const auto answer = request_json(o.client, "POST", path_of(o, "attachments?name=" + url_encode(name)), *content,
                                   o.type.empty() ? type_of(name) : o.type);
  return print(o, answer,
               [](const json::value& a) { return fmt::format("{} {}\n", field(a, "id"), field(a, "name")); });
}

int download(const IncidentOptions& o) {
  const auto content = request_text(o.client, "GET", path_of(o, "attachments/" + url_encode(o.text)), "", "*/*");
  if (!content) return report(content.error());
  if (o.file.empty() || o.file == "-") {
    fmt::print("{}", *content);
    return 0;
  }
  const Status written = posix_env().write_file_atomic(o.file, *content);
  return written ? 0 : report(written.error());
}

// Who does what in it, and how it goes.
void add_people_commands(CLI::App* incident, const std::shared_ptr<IncidentOptions>& o, int& exit_code) {
  CLI::App* role = add_with_id(incident, "role", "Give a role to somebody, or to nobody", o);
  role->add_option("role", o->relation, "commander, scribe, liaison")->required();
  role->add_option("person", o->text, "a user's id or name; left out: nobody has it");
  role->callback([o, &exit_code] { exit_code = post(*o, "roles", {{"role", o->relation}, {"person", o->text}}); });
  CLI::App* take = add_with_id(incident, "take", "Take a role yourself", o);
  take->add_option("role", o->relation, "commander, scribe, liaison")->required();
  take->callback([o, &exit_code] { exit_code = post(*o, "roles", {{"role", o->relation}, {"take", true}}); });
  CLI::App* set = add_with_id(incident, "field", "Set fields of your own: NAME=VALUE ...", o);
  set->add_option("fields", o->names, "NAME=VALUE; NAME= takes it away")->required();
  set->callback([o, &exit_code] {
    auto fields = fields_of(o->names);
    exit_code = fields ? post(*o, "fields", {{"fields", std::move(*fields)}}) : report(fields.error());
  });
  for (const char* name : {"subscribe", "unsubscribe"}) {
    const bool on = std::string_view(name) == "subscribe";
    CLI::App* command =
        add_with_id(incident, name, on ? "Have somebody told of news" : "Have somebody told no more", o);
    command->add_option("user", o->text, "id or name of a user of on-call; yourself when left out");
    if (on) command->add_option("--by", o->other, "one of his contacts, such as email");
    command->callback(
        [o, name, &exit_code] { exit_code = post(*o, name, {{"user", o->text}, {"channel", o->other}}); });
  }
  CLI::App* update = add_with_id(incident, "update", "Say how it goes, to subscribers or the public", o);
  update->add_option("text", o->text, "what to say")->required();
  update->add_flag("--public", o->is_public, "on the status page too");
  update->add_option("--title", o->other, "what the public calls it");
  update->add_option("--status", o->relation, "set the status with it");
  update->callback([o, &exit_code] {
    exit_code = post(*o, "updates",
                     {{"text", o->text}, {"public", o->is_public}, {"title", o->other}, {"status", o->relation}});
  });
  CLI::App* review = add_with_id(incident, "review", "The review of a resolved incident is done", o);
  review->add_option("--note", o->text, "where it is, what came of it");
  review->callback([o, &exit_code] { exit_code = post(*o, "review", {{"note", o->text}}); });
}

// Incidents among each other, their alerts and files.
void add_link_commands(CLI::App* incident, const std::shared_ptr<IncidentOptions>& o, int& exit_code) {
  CLI::App* merge = add_with_id(incident, "merge", "It is the same problem as another", o);
  merge->add_option("into", o->other, "the incident that stays")->required();
  merge->callback([o, &exit_code] { exit_code = post(*o, "merge", {{"into", o->other}}); });
  for (const char* name : {"link", "unlink"}) {
    const bool on = std::string_view(name) == "link";
    CLI::App* command = add_with_id(incident, name, on ? "Link to another" : "Take a link back", o);
    command->add_option("relation", o->relation, "related, duplicate_of, duplicated_by, caused_by, causes")->required();
    command->add_option("other", o->other, "the other incident")->required();
    command->callback([o, on, &exit_code] {
      exit_code = post(*o, on ? "links" : "unlink", {{"relation", o->relation}, {"incident", o->other}});
    });
  }
  CLI::App* parent = add_with_id(incident, "parent", "Make it a child of another, or of none", o);
  parent->add_option("parent", o->other, "left out: none");
  parent->callback([o, &exit_code] { exit_code = post(*o, "parent", {{"parent", o->other}}); });
  CLI::App* split = add_with_id(incident, "split", "Move alerts into an incident of their own", o);
  split->add_option("fingerprints", o->names, "of the alerts, as `incident alerts` lists them")->required();
  split->add_option("--title", o->text, "of the new one");
  split->add_option("--severity", o->severity, "of the new one");
  split->callback([o, &exit_code] {
    exit_code = post(*o, "split",
                     {{"fingerprints", json::array(o->names.begin(), o->names.end())},
                      {"title", o->text},
                      {"severity", o->severity}});
  });
  CLI::App* alerts = add_with_id(incident, "alerts", "List its alerts, those that fire first", o);
  alerts->add_option("--state", o->text, "firing or resolved");
  alerts->add_option("--cursor", o->other, "of the page before");
  alerts->callback([o, &exit_code] {
    const std::string query =
        fmt::format("alerts?limit=100&state={}&cursor={}", url_encode(o->text), url_encode(o->other));
    exit_code = print(*o, request_json(o->client, "GET", path_of(*o, query)), alerts_text);
  });
  CLI::App* file = add_with_id(incident, "attach", "Attach a file", o);
  file->add_option("file", o->file, "its path")->required();
  file->add_option("--type", o->type, "such as text/plain; by its name when left out");
  file->callback([o, &exit_code] { exit_code = attach(*o); });
  CLI::App* get = add_with_id(incident, "attachment", "Download an attachment", o);
  get->add_option("attachment", o->text, "its id, as `incident show` lists it")->required();
  get->add_option("--to", o->file, "a file; left out: standard output");
  get->callback([o, &exit_code] { exit_code = download(*o); });
}

// ---- what was learned ----

std::string actions_text(const json::value& answer) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& a : answer.at("items").as_array()) {
    rows.push_back({cell_text(a.at("id")), field(a.at("incident"), "name"),
                    field(a, "state") + (a.at("overdue").as_bool() ? ", overdue" : ""), field(a, "type"),
                    field(a, "owner"), field(a, "due_date"), field(a, "text")});
  }
  if (rows.empty()) return "No action items.\n";
  return format_table({"ID", "INCIDENT", "STATE", "TYPE", "OWNER", "DUE", "WHAT"}, rows);
}
std::string action_text(const json::value& a) {
  return fmt::format("Action item {} of {} is {}\n", cell_text(a.at("id")), field(a.at("incident"), "name"),
                     field(a, "state"));
}
std::string postmortem_text(const json::value& p) {
  return fmt::format("The postmortem is {}, version {}\n", field(p, "state"), cell_text(p.at("version")));
}

// Only what was given: what is left out stays as it is.
json::object action_body(const IncidentOptions& o) {
  json::object body;
  const std::pair<const char*, const std::string*> given[] = {
      {"text", &o.text}, {"type", &o.type}, {"owner", &o.other}, {"due_date", &o.due}, {"link", &o.link}};
  for (const auto& [name, value] : given) {
    if (!value->empty()) body[name] = *value;
  }
  return body;
}

int save_postmortem(const IncidentOptions& o) {
  json::object body;
  if (!o.file.empty()) {
    const auto text = posix_env().read_file(o.file);
    if (!text) return report(text.error());
    body["markdown"] = *text;
  }
  if (!o.state.empty()) body["state"] = o.state;
  return print(o, request_json(o.client, "PUT", path_of(o, "postmortem"), text::serialize(body)), postmortem_text);
}

void add_action_options(CLI::App* app, const std::shared_ptr<IncidentOptions>& o) {
  app->add_option("--type", o->type, "prevent, mitigate, detect, process, investigate");
  app->add_option("--owner", o->other, "who does it");
  app->add_option("--due", o->due, "a date, such as 2026-12-31; its owner is told when it is past");
  app->add_option("--link", o->link, "of a ticket");
}

void add_postmortem_commands(CLI::App* incident, const std::shared_ptr<IncidentOptions>& o, int& exit_code) {
  CLI::App* postmortem = add_with_id(incident, "postmortem", "Print the postmortem, or write it over", o);
  postmortem->add_option("--format", o->format, "markdown, json, html (to print, or to save as PDF)")
      ->capture_default_str();
  postmortem->add_option("--edit", o->file, "the text from this file");
  postmortem->add_option("--state", o->state, "set draft, in_review, reviewed or closed");
  postmortem->callback([o, &exit_code] {
    if (!o->file.empty() || !o->state.empty()) {
      exit_code = save_postmortem(*o);
      return;
    }
    const auto text =
        request_text(o->client, "GET", path_of(*o, "postmortem") + "?format=" + url_encode(o->format), "", "*/*");
    exit_code = text ? (fmt::print("{}", *text), 0) : report(text.error());
  });
  CLI::App* rate = add_with_id(incident, "rate", "Say whether people were right to be told", o);
  rate->add_option("useful", o->text, "useful or not-useful")
      ->required()
      ->check(CLI::IsMember({"useful", "not-useful"}));
  rate->add_option("--note", o->other, "why");
  rate->callback(
      [o, &exit_code] { exit_code = post(*o, "rate", {{"useful", o->text == "useful"}, {"note", o->other}}); });
  CLI::App* actions = add(incident, "actions", "List action items of all incidents", o);
  actions->add_option("--state", o->state, "open, overdue, closed, all; open unless given");
  actions->add_option("--owner", o->other, "only theirs");
  actions->callback([o, &exit_code] {
    const std::string state = o->state.empty() ? "open" : o->state;
    exit_code = print(*o,
                      request_json(o->client, "GET",
                                   fmt::format("/sentinel/v1/action-items?state={}&owner={}", url_encode(state),
                                               url_encode(o->other))),
                      actions_text);
  });
  CLI::App* add_action = add_with_id(incident, "action", "Add an action item", o);
  add_action->add_option("text", o->text, "what is to be done")->required();
  add_action_options(add_action, o);
  add_action->callback([o, &exit_code] {
    exit_code =
        print(*o, request_json(o->client, "POST", path_of(*o, "action-items"), text::serialize(action_body(*o))),
              action_text);
  });
  CLI::App* change = add(incident, "action-set", "Change an action item", o);
  change->add_option("item", o->id, "its number, as `incident actions` lists it")->required();
  change->add_option("--state", o->state, "open, in_progress, done, dropped");
  change->add_option("--text", o->text, "what is to be done");
  add_action_options(change, o);
  change->callback([o, &exit_code] {
    json::object body = action_body(*o);
    if (!o->state.empty()) body["state"] = o->state;
    exit_code = print(
        *o, request_json(o->client, "PATCH", "/sentinel/v1/action-items/" + url_encode(o->id), text::serialize(body)),
        action_text);
  });
}

}  // namespace

void add_incident_command(CLI::App& cli, int& exit_code) {
  auto o = std::make_shared<IncidentOptions>();
  CLI::App* incident = cli.add_subcommand("incident", "List, show and work on incidents");
  incident->require_subcommand(1);
  incident->footer(
      "Examples:\n  sentinel incident list\n  sentinel incident show INC-1\n  sentinel incident ack INC-1 --note 'on "
      "it'\n"
      "  sentinel incident resolve INC-1 --root-cause 'new model version' --resolution 'pinned the old one'\n"
      "  sentinel incident postmortem INC-1 > postmortem.md");
  CLI::App* list = add(incident, "list", "List incidents, newest first", o);
  list->add_option("--status", o->status,
                   "active, all, open, acknowledged, investigating, identified, monitoring, resolved")
      ->capture_default_str();
  list->add_option("--severity", o->severity, "SEV1..SEV4 (or P1, critical, ...)");
  list->callback([o, &exit_code] {
    exit_code = print(*o,
                      request_json(o->client, "GET",
                                   fmt::format("/sentinel/v1/incidents?status={}&severity={}", url_encode(o->status),
                                               url_encode(o->severity))),
                      list_text);
  });
  add_with_id(incident, "show", "Show one with its timeline", o)->callback([o, &exit_code] {
    exit_code = print(*o, request_json(o->client, "GET", path_of(*o)), show_text);
  });
  add_with_id(incident, "diagnose", "Look for the cause again, now, and show what was found", o)
      ->callback([o, &exit_code] {
        exit_code = print(*o, request_json(o->client, "POST", path_of(*o, "diagnose"), "{}"), diagnosis_text);
      });
  CLI::App* ack = add_with_id(incident, "ack", "Acknowledge: you are on it", o);
  ack->add_option("--note", o->text, "note for the timeline");
  ack->callback([o, &exit_code] { exit_code = post(*o, "acknowledge", {{"note", o->text}}); });
  CLI::App* status = add_with_id(incident, "status", "Set the status", o);
  status->add_option("status", o->status, "acknowledged, investigating, identified, monitoring, resolved")->required();
  status->add_option("--note", o->text, "note for the timeline");
  status->callback([o, &exit_code] { exit_code = post(*o, "status", {{"status", o->status}, {"note", o->text}}); });
  CLI::App* assign = add_with_id(incident, "assign", "Assign to somebody", o);
  assign->add_option("assignee", o->text, "name")->required();
  assign->callback([o, &exit_code] { exit_code = post(*o, "assign", {{"assignee", o->text}}); });
  CLI::App* note = add_with_id(incident, "note", "Add a note to the timeline", o);
  note->add_option("text", o->text, "note")->required();
  note->callback([o, &exit_code] { exit_code = post(*o, "notes", {{"text", o->text}}); });
  CLI::App* resolve = add_with_id(incident, "resolve", "Resolve", o);
  resolve->add_option("--root-cause", o->root_cause, "what caused it");
  resolve->add_option("--resolution", o->resolution, "what ended it");
  resolve->callback([o, &exit_code] {
    exit_code = post(*o, "resolve", {{"root_cause", o->root_cause}, {"resolution", o->resolution}});
  });
  CLI::App* reopen = add_with_id(incident, "reopen", "Open a resolved incident again", o);
  reopen->add_option("--note", o->text, "note for the timeline");
  reopen->callback([o, &exit_code] { exit_code = post(*o, "reopen", {{"note", o->text}}); });
  add_people_commands(incident, o, exit_code);
  add_link_commands(incident, o, exit_code);
  add_postmortem_commands(incident, o, exit_code);
}

}  // namespace sentinel::app
