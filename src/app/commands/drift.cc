// sentinel drift: the references that drift is measured against.

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "app/commands/client.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

struct DriftOptions {
  ClientOptions client;
  std::string endpoint;
  std::string model;
  std::string prompt_template;
};

int list(const DriftOptions& o) {
  const auto answer = request_json(o.client, "GET", "/sentinel/v1/drift");
  if (!answer) return report(answer.error());
  if (o.client.output == "json") {
    fmt::print("{}\n", text::serialize(*answer));
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const json::value& item : answer->at("items").as_array()) {
    const json::value& last = item.at("last_window");
    const bool ready = item.at("reference_ready").as_bool();
    std::string now = "learning";
    if (ready) now = last.is_null() ? "ready" : field(last, "result");
    rows.push_back({field(item, "endpoint"), field(item, "model"), field(item, "prompt_template"), now,
                    last.is_null() ? "" : field(last, "what"),
                    fmt::format("{}/{}", field(item, "drifted_windows"), field(item, "windows")), field(item, "calls"),
                    field(item, "reference_version")});
  }
  fmt::print("{}",
             format_table({"ENDPOINT", "MODEL", "TEMPLATE", "NOW", "WHAT", "DRIFTED", "CALLS", "REFERENCE"}, rows));
  return 0;
}

// `action` is the last part of the path; `done` tells people what it did.
int change(const DriftOptions& o, const std::string& action, std::string_view done) {
  json::object body;
  if (!o.endpoint.empty()) body["endpoint"] = o.endpoint;
  if (!o.model.empty()) body["model"] = o.model;
  if (!o.prompt_template.empty()) body["prompt_template"] = o.prompt_template;
  const auto answer = request_json(o.client, "POST", "/sentinel/v1/drift/" + action, text::serialize(body));
  if (!answer) return report(answer.error());
  if (o.client.output == "json") {
    fmt::print("{}\n", text::serialize(*answer));
  } else {
    fmt::print("{} references {}\n", field(*answer, "references"), done);
  }
  return 0;
}

}  // namespace

void add_drift_command(CLI::App& cli, int& exit_code) {
  auto o = std::make_shared<DriftOptions>();
  CLI::App* drift = cli.add_subcommand("drift", "The references that drift is measured against");
  drift->require_subcommand(1);
  CLI::App* all = drift->add_subcommand("list", "Each reference: how many windows of calls drifted, and the last one");
  add_client_options(*all, o->client);
  all->callback([o, &exit_code] { exit_code = list(*o); });
  const auto add_change = [&](const char* name, const char* what, const char* done) {
    CLI::App* command = drift->add_subcommand(name, what);
    command->footer(
        fmt::format("Name an endpoint, a model or a prompt template, or several of them; what is left out means any.\n"
                    "Example:\n  sentinel drift {} --endpoint /qa --model gpt-4o-mini",
                    name));
    command->add_option("--endpoint", o->endpoint, "x-sentinel-endpoint of the calls");
    command->add_option("--model", o->model, "the model they ask for");
    command->add_option("--prompt-template", o->prompt_template, "their prompt template (or prompt id)");
    add_client_options(*command, o->client);
    command->callback([o, &exit_code, name, done] { exit_code = change(*o, name, done); });
  };
  add_change("reset", "Forget references: what is answered from now on is the new normal",
             "forgotten; they are learnt anew from the next calls");
  add_change("adopt", "Adopt changed answers: the latest window of calls begins the new reference",
             "given up; new ones begin with the latest calls, and the next ones complete them");
}

}  // namespace sentinel::app
