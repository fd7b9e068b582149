// sentinel serve, sentinel demo, sentinel check: the server and what it reads.

#include <iostream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "alerting/config.h"
#include "app/builtin_files.h"
#include "app/commands/commands.h"
#include "app/data_dir.h"
#include "app/demo.h"
#include "app/loaded_files.h"
#include "app/server.h"
#include "app/signals.h"
#include "automation/config.h"
#include "base/duration.h"
#include "base/heap.h"
#include "base/log.h"
#include "oncall/config.h"
#include "runbook/library.h"

namespace sentinel::app {
namespace {

struct ServeOptions {
  std::string config;
  std::string data_dir;
  std::string listen;
  std::string log_level;
};

Result<Config> serve_config(const ServeOptions& o) {
  SENTINEL_ASSIGN(Config config, load_config(o.config));
  if (!o.data_dir.empty()) config.data_dir = o.data_dir;
  if (!o.listen.empty()) {
    SENTINEL_TRY(parse_listen(o.listen, config));
  } else if (const char* port = std::getenv("PORT"); port != nullptr && o.config.empty()) {
    SENTINEL_TRY(parse_listen(port, config));
  }
  if (o.log_level == "debug") config.log_level = LogLevel::kDebug;
  if (o.log_level == "warn") config.log_level = LogLevel::kWarn;
  if (o.log_level == "error") config.log_level = LogLevel::kError;
  return config;
}

int serve(const ServeOptions& o) {
  settle_heaps();
  block_signals();
  make_files_private();
  auto config = serve_config(o);
  if (!config) return report(config.error());
  log_configure({.level = config->log_level, .format = config->log_format, .path = ""});
  auto server = Server::start(std::move(*config));
  if (!server) return report(server.error());
  fmt::print(stderr, "sentinel: serving at {}\n", (*server)->url());
  wait_for_end([&] { return (*server)->reload(); });
  (*server)->stop();
  return 0;
}

struct DemoFlags {
  DemoOptions options;
  std::string listen = "127.0.0.1:8080";
  std::string normal = "35s";
  std::string fault = "60s";
};

int run_demo(DemoFlags& flags) {
  settle_heaps();
  block_signals();
  make_files_private();
  Config address;
  if (const Status parsed = parse_listen(flags.listen, address); !parsed) return report(parsed.error());
  flags.options.address = address.address;
  flags.options.port = address.port;
  const auto normal = parse_duration(flags.normal);
  const auto fault = parse_duration(flags.fault);
  if (!normal) return report(normal.error().with_context("--normal"));
  if (!fault) return report(fault.error().with_context("--fault"));
  flags.options.normal = *normal;
  flags.options.fault = *fault;
  auto demo = Demo::start(flags.options);
  if (!demo) return report(demo.error());
  wait_for_end([&] { return (*demo)->reload(); });
  (*demo)->stop();
  return 0;
}

// ---- check ----

// Prints "FILE: ok" or the errors; 2 when anything is wrong.
int check_files(const std::vector<std::string>& files,
                const std::function<std::vector<Error>(const ConfigText&)>& check) {
  int exit = 0;
  for (const std::string& path : files) {
    const auto text = read_config(posix_env(), path);
    const std::vector<Error> errors = text ? check(*text) : std::vector<Error>{text.error()};
    if (errors.empty()) fmt::print("{}: ok\n", path);
    for (const Error& error : errors) fmt::print(stderr, "{}\n", error.to_string());
    if (!errors.empty()) exit = 2;
  }
  return exit;
}

template <class T>
std::vector<Error> errors_of(const Result<T>& result) {
  return result ? std::vector<Error>{} : std::vector<Error>{result.error()};
}

}  // namespace

void add_serve_command(CLI::App& cli, int& exit_code) {
  auto o = std::make_shared<ServeOptions>();
  CLI::App* command =
      cli.add_subcommand("serve", "Run everything: gateway, analysis, detection, alerting, incidents, page");
  command->footer(
      "Without --config it starts with built-in defaults: an OpenAI route (OPENAI_API_KEY or the caller's key), the\n"
      "shipped rules and runbooks, and no receiver. `sentinel config print` shows them.\n"
      "SIGHUP reads the configuration again; a wrong one is refused and the old stays. SIGTERM stops gracefully.\n"
      "Examples:\n  sentinel serve --data-dir /var/lib/sentinel\n  sentinel serve --config sentinel.yml --listen "
      "127.0.0.1:9000");
  command->add_option("--config", o->config, "sentinel.yml")->envname("SENTINEL_CONFIG");
  command->add_option("--data-dir", o->data_dir, "where everything durable is kept (default ./sentinel-data)");
  command->add_option("--listen", o->listen, "host:port (default 127.0.0.1:8080; PORT is honoured)");
  command->add_option("--log-level", o->log_level, "debug, info, warn, error")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  command->callback([o, &exit_code] { exit_code = serve(*o); });
}

void add_demo_command(CLI::App& cli, int& exit_code) {
  auto o = std::make_shared<DemoFlags>();
  CLI::App* command = cli.add_subcommand(
      "demo", "Watch an incident from the first bad answer to the postmortem, offline, in two minutes");
  command->footer(
      "Starts a server, a simulated provider, a demo application and traffic. The next three ports are used too.");
  command->add_option("--listen", o->listen, "host:port of the page")->capture_default_str();
  command->add_option("--data-dir", o->options.data_dir, "where the demo keeps its data")->capture_default_str();
  command->add_option("--rate", o->options.rate_per_s, "requests a second")->capture_default_str();
  command->add_option("--seed", o->options.seed, "for the same traffic again")->capture_default_str();
  command->add_option("--normal", o->normal, "how long calm phases last")->capture_default_str();
  command->add_option("--fault", o->fault, "how long faults last")->capture_default_str();
  command->add_option("--time-scale", o->options.time_scale, "scales the simulated provider's delays")
      ->capture_default_str();
  command->callback([o, &exit_code] { exit_code = run_demo(*o); });
}

void add_check_command(CLI::App& cli, int& exit_code) {
  CLI::App* command =
      cli.add_subcommand("check", "Check files before they are put in force; errors name file, line and column");
  command->require_subcommand(1);
  command->footer(
      "Examples:\n  sentinel check config sentinel.yml\n  sentinel check rules rules/*.yml\n  sentinel check "
      "alertmanager alertmanager.yml\n  sentinel check oncall oncall.yml\n"
      "  sentinel check runbooks runbooks/*.yml");
  auto files = std::make_shared<std::vector<std::string>>();
  const auto add = [&](const char* name, const char* help, std::function<std::vector<Error>(const ConfigText&)> check) {
    CLI::App* sub = command->add_subcommand(name, help);
    sub->add_option("files", *files, "files")->required();
    sub->callback([files, check = std::move(check), &exit_code] { exit_code = check_files(*files, check); });
  };
  add("config", "sentinel.yml and every file it names", [](const ConfigText& f) {
    const auto config = parse_config(f.text, f.path);
    return config ? errors_of<void>(check_all(*config)) : std::vector<Error>{config.error()};
  });
  add_check_rules_command(*command, exit_code);
  add("alertmanager", "alertmanager.yml",
      [](const ConfigText& f) { return errors_of(alerting::parse_config(f.text, f.path)); });
  add("oncall", "who is on call, and who is told next", [](const ConfigText& f) {
    const auto config = oncall::parse_config(f.text, f.path);
    if (!config) return std::vector<Error>{config.error()};
    const Status reachable = oncall::check_reachable(*config);
    return reachable ? std::vector<Error>{} : std::vector<Error>{reachable.error().in_file(f.path)};
  });
  add("automations", "programs that runbooks and alerts may run",
      [](const ConfigText& f) { return errors_of(automation::Catalogue::parse(f.text, f.path)); });
  CLI::App* books = command->add_subcommand("runbooks", "runbooks in YAML or Markdown");
  books->add_option("files", *files, "files")->required();
  books->callback([files, &exit_code] { exit_code = check_runbooks(*files); });
}

int check_runbooks(const std::vector<std::string>& files) {
  return check_files(files, [](const ConfigText& f) { return errors_of(runbook::Library::parse({{f.path, f.text}})); });
}

}  // namespace sentinel::app
