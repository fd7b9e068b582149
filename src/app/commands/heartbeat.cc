// sentinel heartbeat: jobs that say that they live.

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

constexpr const char* kBase = "/sentinel/v1/heartbeats";

struct HeartbeatFlags {
  ClientOptions client;
  std::string name;
  std::string what;
  std::string message;
};

std::string list_text(const json::value& answer, const std::string& url) {
  std::vector<std::vector<std::string>> rows;
  for (const json::value& h : answer.at("items").as_array()) {
    const auto minute = [&h](std::string_view name) { return replace_all(field(h, name).substr(0, 19), "T", " "); };
    rows.push_back({field(h, "name"), field(h, "state"), minute("last_beat").empty() ? "never" : minute("last_beat"),
                    minute("expected_at"), minute("due_at"), field(h, "detail"),
                    field(h, "path").empty() ? "" : url + field(h, "path")});
  }
  if (rows.empty()) return "No heartbeats: write them under `heartbeats` in sentinel.yml (docs/watching.md).\n";
  return format_table(
      {"NAME", "STATE", "LAST (UTC)", "EXPECTED (UTC)", "LATE FROM (UTC)", "FAILURE", "ADDRESS (a secret)"}, rows, 200);
}

int list(const HeartbeatFlags& f) {
  const auto answer = request_json(f.client, "GET", kBase);
  if (!answer) return report(answer.error());
  fmt::print("{}", f.client.output == "json" ? text::serialize(*answer) + "\n" : list_text(*answer, f.client.url));
  return 0;
}

int beat(const HeartbeatFlags& f) {
  const std::string path =
      fmt::format("{}/{}{}{}", kBase, url_encode(f.name), f.what.empty() ? "" : "/", url_encode(f.what));
  const auto done = request_text(f.client, "POST", path, f.message, "application/json", "text/plain");
  return done ? 0 : report(done.error());
}

}  // namespace

void add_heartbeat_command(CLI::App& cli, int& exit_code) {
  auto f = std::make_shared<HeartbeatFlags>();
  CLI::App* command =
      cli.add_subcommand("heartbeat", "Jobs that say that they live: which are late, and their addresses");
  command->require_subcommand(1);
  command->footer(
      "A job asks its address when it is done; when it does not for longer than it should, an alert HeartbeatMissed\n"
      "fires, which the next success ends. They stand under `heartbeats` in sentinel.yml (docs/watching.md).\n"
      "In a crontab:  0 3 * * *  backup.sh; curl -fsS -m 10 --retry 3 https://sentinel/heartbeat/SECRET/backup/$?");
  CLI::App* all = command->add_subcommand("list", "All, with their state and the address to ask");
  add_client_options(*all, f->client);
  all->callback([f, &exit_code] { exit_code = list(*f); });
  CLI::App* one = command->add_subcommand("beat", "Say that a job is done, has begun, or failed");
  add_client_options(*one, f->client);
  one->footer(
      "Examples:\n  sentinel heartbeat beat backup start\n  backup.sh; sentinel heartbeat beat backup $?\n"
      "  sentinel heartbeat beat backup fail --message 'no space left'");
  one->add_option("name", f->name, "its name")->required();
  one->add_option("what", f->what, "success (unless given), start, fail, or an exit code");
  one->add_option("--message", f->message, "of a failure: what the alert says");
  one->callback([f, &exit_code] { exit_code = beat(*f); });
}

}  // namespace sentinel::app
