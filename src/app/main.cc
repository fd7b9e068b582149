// The command line. Each subcommand is a file in commands/.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "api/version.h"
#include "app/builtin_files.h"
#include "app/commands/commands.h"

namespace {

void add_config_command(CLI::App& cli) {
  using namespace sentinel::app;
  CLI::App* config = cli.add_subcommand("config", "Show the configuration that is built in");
  config->require_subcommand(1);
  config->add_subcommand("list", "Names of the built-in files")->callback([] {
    for (const BuiltinFile& file : builtin_files()) fmt::print("builtin:{}\n", file.path);
  });
  auto name = std::make_shared<std::string>("builtin:sentinel.yml");
  CLI::App* print =
      config->add_subcommand("print", "Print one, by default sentinel.yml with every default written out");
  print->add_option("name", *name, "builtin:PATH")->capture_default_str();
  print->callback([name] {
    const auto file = read_config(sentinel::posix_env(), *name);
    if (!file) throw CLI::RuntimeError(report(file.error()));
    fmt::print("{}", file->text);
  });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App cli(
      "Sentinel: LLM reliability control plane. Stands in front of an LLM application, sees every call, says what\n"
      "failed, why, and what to do next, and gets the right person to act.");
  cli.footer(
      "Start here:  sentinel demo            an incident in two minutes, offline\n"
      "             sentinel serve --help    run it in front of your application\n"
      "Exit codes:  0 done, 1 failed, 2 wrong usage or input, 3 not found, 4 not allowed, 5 conflict, 6 not reachable");
  cli.set_version_flag("--version", std::string("sentinel ") + sentinel::api::kVersion);
  cli.require_subcommand(1);
  int exit_code = 0;
  sentinel::app::add_serve_command(cli, exit_code);
  sentinel::app::add_demo_command(cli, exit_code);
  sentinel::app::add_alertmanager_command(cli, exit_code);
  sentinel::app::add_traffic_command(cli, exit_code);
  sentinel::app::add_check_command(cli, exit_code);
  sentinel::app::add_test_command(cli, exit_code);
  sentinel::app::add_query_command(cli, exit_code);
  sentinel::app::add_sql_command(cli, exit_code);
  sentinel::app::add_incident_command(cli, exit_code);
  sentinel::app::add_analyze_command(cli, exit_code);
  sentinel::app::add_drift_command(cli, exit_code);
  sentinel::app::add_alert_command(cli, exit_code);
  sentinel::app::add_silence_command(cli, exit_code);
  sentinel::app::add_oncall_command(cli, exit_code);
  sentinel::app::add_prices_command(cli, exit_code);
  sentinel::app::add_key_command(cli, exit_code);
  sentinel::app::add_route_command(cli, exit_code);
  sentinel::app::add_breaker_command(cli, exit_code);
  sentinel::app::add_runbook_command(cli, exit_code);
  sentinel::app::add_import_command(cli, exit_code);
  sentinel::app::add_heartbeat_command(cli, exit_code);
  sentinel::app::add_change_command(cli, exit_code);
  add_config_command(cli);
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int code = cli.exit(e);
    return code == 0 ? 0 : 2;
  }
  return exit_code;
}
