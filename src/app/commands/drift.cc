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

int reset(const DriftOptions& o) {
  json::object body;
  if (!o.endpoint.empty()) body["endpoint"] = o.endpoint;
  if (!o.model.empty()) body["model"] = o.model;
  if (!o.prompt_template.empty()) body["prompt_template"] = o.prompt_template;
  const auto answer = request_json(o.client, "POST", "/sentinel/v1/drift/reset", text::serialize(body));
  if (!answer) return report(answer.error());
  if (o.client.output == "json") {
    fmt::print("{}\n", text::serialize(*answer));
  } else {
    fmt::print("{} references forgotten; they are learnt anew from the next calls\n", field(*answer, "references"));
  }
  return 0;
}

}  // namespace

void add_drift_command(CLI::App& cli, int& exit_code) {
  auto o = std::make_shared<DriftOptions>();
  CLI::App* drift = cli.add_subcommand("drift", "The references that drift is measured against");
  drift->require_subcommand(1);
  CLI::App* command =
      drift->add_subcommand("reset", "Forget references: what is answered from now on is the new normal");
  command->footer(
      "Name an endpoint, a model or a prompt template, or several of them; what is left out means any.\n"
      "Example:\n  sentinel drift reset --endpoint /qa --model gpt-4o-mini");
  command->add_option("--endpoint", o->endpoint, "x-sentinel-endpoint of the calls");
  command->add_option("--model", o->model, "the model they ask for");
  command->add_option("--prompt-template", o->prompt_template, "their prompt template (or prompt id)");
  add_client_options(*command, o->client);
  command->callback([o, &exit_code] { exit_code = reset(*o); });
}

}  // namespace sentinel::app
