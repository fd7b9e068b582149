// sentinel incident: the desk from a terminal.

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "app/commands/client.h"
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
  add_with_id(incident, "postmortem", "Print the postmortem in Markdown", o)->callback([o, &exit_code] {
    const auto text = request_text(o->client, "GET", path_of(*o, "postmortem"), "", "text/markdown");
    exit_code = text ? (fmt::print("{}", *text), 0) : report(text.error());
  });
}

}  // namespace sentinel::app
