// sentinel runbook: automations of runbooks, asked for, agreed to and looked at from a terminal.

#include <functional>
#include <memory>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "app/commands/client.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

constexpr std::string_view kExecutions = "/sentinel/v1/executions";

struct RunbookFlags {
  ClientOptions client;
  std::string incident, step, automation, id, note, actor;
  std::vector<std::string> parameters;
  bool dry_run = false;
  bool wait = false;
};

int print_json(const json::value& value) {
  fmt::print("{}\n", text::serialize(value));
  return 0;
}

bool has_ended(const json::value& e) {
  const std::string state = field(e, "state");
  return state != "awaiting_approval" && state != "queued" && state != "running";
}

// 1 when it did not succeed, so that a script can tell.
int print_execution(const RunbookFlags& f, const json::value& e) {
  if (f.client.output == "json") {
    print_json(e);
  } else {
    fmt::print("{}  {}  {}", field(e, "id"), field(e, "automation"), field(e, "state"));
    if (!field(e, "reason").empty()) fmt::print(": {}", field(e, "reason"));
    fmt::print("\n");
    if (field(e, "state") == "awaiting_approval")
      fmt::print("Somebody else with the role {} must agree until {}: sentinel runbook approve {}\n",
                 field(e, "approval_role"), field(e, "approve_until").substr(0, 19), field(e, "id"));
    if (!field(e, "output").empty()) fmt::print("{}", field(e, "output"));
    if (!field(e, "output").empty() && !field(e, "output").ends_with('\n')) fmt::print("\n");
  }
  return has_ended(e) && field(e, "state") != "succeeded" ? 1 : 0;
}

// What the step names, when nobody has said which.
Result<std::string> automation_of(const RunbookFlags& f) {
  if (!f.automation.empty()) return f.automation;
  SENTINEL_ASSIGN(const json::value incident,
                  request_json(f.client, "GET", "/sentinel/v1/incidents/" + url_encode(f.incident)));
  if (incident.at("runbook").is_object()) {
    for (const json::value& s : incident.at("runbook").at("steps").as_array()) {
      if (field(s, "step_id") != f.step) continue;
      if (field(s, "automation").empty())
        return fail(ErrorCode::kUnprocessable,
                    fmt::format("step {} is done by hand: {}", f.step, field(s, "description")));
      return field(s, "automation");
    }
  }
  return fail(ErrorCode::kNotFound, fmt::format("the runbook of {} has no step \"{}\"", f.incident, f.step));
}

Result<json::object> parameters_of(const RunbookFlags& f) {
  json::object out;
  for (const std::string& text : f.parameters) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos || equals == 0)
      return fail(ErrorCode::kInvalidArgument, fmt::format("parameter \"{}\": expected NAME=VALUE", text));
    out[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return out;
}

Result<json::value> run_and_wait(const RunbookFlags& f) {
  SENTINEL_ASSIGN(const std::string automation, automation_of(f));
  SENTINEL_ASSIGN(json::object parameters, parameters_of(f));
  json::object body{{"automation", automation},
                    {"incident", f.incident},
                    {"step", f.step},
                    {"dry_run", f.dry_run},
                    {"parameters", std::move(parameters)}};
  if (!f.actor.empty()) body["actor"] = f.actor;
  SENTINEL_ASSIGN(json::value e, request_json(f.client, "POST", std::string(kExecutions), text::serialize(body)));
  while (f.wait && !has_ended(e) && field(e, "state") != "awaiting_approval") {
    SENTINEL_ASSIGN(
        e, request_json(f.client, "GET", fmt::format("{}/{}?wait=10s", kExecutions, url_encode(field(e, "id")))));
  }
  return e;
}

int run(const RunbookFlags& f) {
  const auto e = run_and_wait(f);
  return e ? print_execution(f, *e) : report(e.error());
}

int act(const RunbookFlags& f, const char* action) {
  json::object body;
  if (!f.note.empty()) body["note"] = f.note;
  if (!f.actor.empty()) body["actor"] = f.actor;
  const auto e = request_json(f.client, "POST", fmt::format("{}/{}/{}", kExecutions, url_encode(f.id), action),
                              text::serialize(body));
  if (!e) return report(e.error());
  print_execution(f, *e);
  return 0;
}

int show(const RunbookFlags& f) {
  const auto e = request_json(f.client, "GET", fmt::format("{}/{}", kExecutions, url_encode(f.id)));
  if (!e) return report(e.error());
  print_execution(f, *e);
  return 0;
}

int history(const RunbookFlags& f) {
  const std::string query = f.incident.empty() ? "" : "?incident=" + url_encode(f.incident);
  const auto answer = request_json(f.client, "GET", std::string(kExecutions) + query);
  if (!answer) return report(answer.error());
  if (f.client.output == "json") return print_json(*answer);
  std::vector<std::vector<std::string>> rows;
  for (const json::value& e : answer->at("items").as_array()) {
    rows.push_back({field(e, "id"), field(e, "requested_at").substr(0, 19), field(e, "automation"), field(e, "step"),
                    field(e, "state") + (e.at("dry_run").as_bool() ? " (dry run)" : ""), field(e, "requested_by"),
                    field(e, "approved_by"), field(e, "reason")});
  }
  if (rows.empty()) {
    fmt::print("Nothing has been executed.\n");
  } else {
    fmt::print("{}", format_table({"ID", "ASKED FOR", "AUTOMATION", "STEP", "STATE", "BY", "APPROVED", "WHY"}, rows));
  }
  return 0;
}

int automations(const RunbookFlags& f) {
  const auto answer = request_json(f.client, "GET", "/sentinel/v1/automations");
  if (!answer) return report(answer.error());
  if (f.client.output == "json") return print_json(*answer);
  if (!answer->at("enabled").as_bool()) fmt::print("Automations are off: set automation.enabled in sentinel.yml.\n");
  std::vector<std::vector<std::string>> rows;
  for (const json::value& a : answer->at("items").as_array()) {
    std::string parameters;
    for (const json::value& p : a.at("parameters").as_array())
      parameters += (parameters.empty() ? "" : ",") + field(p, "name");
    rows.push_back(
        {field(a, "id"), parameters, field(a, "approval_role"), field(a, "rollback"), field(a, "description")});
  }
  if (!rows.empty()) fmt::print("{}", format_table({"ID", "PARAMETERS", "APPROVAL", "ROLLBACK", "WHAT IT DOES"}, rows));
  return 0;
}

int audit(const RunbookFlags& f) {
  int64_t after = 0;
  json::array all;
  while (true) {
    const auto page =
        request_json(f.client, "GET", fmt::format("/sentinel/v1/automation/audit?limit=1000&after={}", after));
    if (!page) return report(page.error());
    const json::array& items = page->at("items").as_array();
    for (const json::value& line : items) {
      all.push_back(line);
      after = line.at("id").as_int64();
    }
    if (items.size() == 1000) continue;
    if (f.client.output == "json") {
      print_json(json::object{{"verified", page->at("verified")}, {"items", std::move(all)}});
    } else {
      for (const json::value& line : all)
        fmt::print("{:>5}  {}  {:10} {:10} {}  {}\n", field(line, "id"), field(line, "at").substr(0, 19),
                   field(line, "action"), field(line, "actor"), field(line, "execution"),
                   field(line, "hash").substr(0, 12));
    }
    if (page->at("verified").as_bool()) return 0;
    return report(Error(ErrorCode::kConflict,
                        fmt::format("the chain is broken at line {}: it was changed, or a line before it taken away",
                                    field(*page, "first_broken"))));
  }
}

}  // namespace

void add_runbook_command(CLI::App& cli, int& exit_code) {
  auto f = std::make_shared<RunbookFlags>();
  CLI::App* runbook = cli.add_subcommand("runbook", "Runbooks: check files; run their automations, approve, look back");
  runbook->require_subcommand(1);
  runbook->footer(
      "Automations are off until automation.enabled is set; docs/automation.md. Their file: sentinel check "
      "automations.\n"
      "Examples:\n  sentinel runbook check runbooks/*.yml\n  sentinel runbook run INC-17 restart --dry-run\n"
      "  sentinel runbook run INC-17 restart --param service=shop --wait\n  sentinel runbook history --incident "
      "INC-17");
  const auto add = [&](const char* name, const char* help, std::function<int(const RunbookFlags&)> fn) {
    CLI::App* command = runbook->add_subcommand(name, help);
    add_client_options(*command, f->client);
    command->callback([f, fn = std::move(fn), &exit_code] { exit_code = fn(*f); });
    return command;
  };
  auto files = std::make_shared<std::vector<std::string>>();
  CLI::App* check = runbook->add_subcommand("check", "Whether runbooks in YAML or Markdown are right, with the places");
  check->add_option("files", *files, "files")->required();
  check->callback([files, &exit_code] { exit_code = check_runbooks(*files); });
  CLI::App* running = add("run", "Run the automation of a step in the sandbox; exits with 1 when it fails", run);
  running->add_option("incident", f->incident, "INC-17")->required();
  running->add_option("step", f->step, "step_id of its runbook")->required();
  running->add_option("--automation", f->automation, "another one than the step names");
  running->add_option("--param", f->parameters, "NAME=VALUE; else from the alert's labels, else its default");
  running->add_flag("--dry-run", f->dry_run, "show what would be executed, and run nothing");
  running->add_flag("--wait", f->wait, "until it has ended");
  running->add_option("--actor", f->actor, "who asks, where the token has no name");
  CLI::App* past = add("history", "What was executed, newest first", history);
  past->add_option("--incident", f->incident, "only of this one");
  add("show", "One execution with its output", show)->add_option("id", f->id, "id of the execution")->required();
  for (const auto& [name, help] : {std::pair("approve", "Agree that it is run"), std::pair("reject", "Do not agree"),
                                   std::pair("cancel", "End what waits or runs"),
                                   std::pair("rollback", "Run the automation that takes it back")}) {
    CLI::App* command = add(name, help, [action = name](const RunbookFlags& flags) { return act(flags, action); });
    command->add_option("id", f->id, "id of the execution")->required();
    command->add_option("--note", f->note, "why");
    command->add_option("--actor", f->actor, "who, where the token has no name");
  }
  add("automations", "What can be executed", automations);
  add("audit", "Who did what, and whether nothing was changed afterwards", audit);
}

}  // namespace sentinel::app
