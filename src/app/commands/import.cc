// sentinel import: what other tools export, as configuration of ours.

#include <memory>

#include <fmt/format.h>
#include <sys/stat.h>
#include <CLI/CLI.hpp>

#include "app/commands/commands.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/strings.h"
#include "oncall/import/import.h"

namespace sentinel::app {
namespace {

constexpr size_t kFilesMax = 20'000;
constexpr int kDepthMax = 8;

struct ImportFlags {
  std::vector<std::string> paths;
  std::string output;
  std::string at;
};

bool is_folder(const std::string& path) {
  struct stat found{};
  return ::stat(path.c_str(), &found) == 0 && S_ISDIR(found.st_mode);
}

// Of a folder every .json in it and below, in the order of their names.
Status read_all(const std::string& path, bool named, int depth, std::vector<oncall::ImportFile>& out) {
  if (out.size() >= kFilesMax) return fail(ErrorCode::kTooLarge, fmt::format("more than {} files", kFilesMax));
  if (is_folder(path)) {
    if (depth >= kDepthMax) return {};
    SENTINEL_ASSIGN(const std::vector<std::string> names, posix_env().list(path));
    for (const std::string& name : names) SENTINEL_TRY(read_all(path + "/" + name, false, depth + 1, out));
    return {};
  }
  if (!named && !path.ends_with(".json")) return {};
  SENTINEL_ASSIGN(std::string text, posix_env().read_file(path));
  out.push_back({path, std::move(text)});
  return {};
}

int import_oncall(oncall::ImportSource source, const ImportFlags& f) {
  std::vector<oncall::ImportFile> files;
  for (const std::string& path : f.paths) {
    if (const Status read = read_all(path, true, 0, files); !read) return report(read.error());
  }
  TimePoint now = SystemClock().now();
  if (!f.at.empty()) {
    const auto at = parse_time(f.at);
    if (!at) return report(at.error().with_context("--at"));
    now = *at;
  }
  const auto imported = oncall::import_oncall(source, files, now);
  if (!imported) return report(imported.error());
  const std::string yaml = oncall::imported_text(source, *imported, now);
  if (f.output.empty()) {
    fmt::print("{}", yaml);
  } else if (const Status written = posix_env().write_file_atomic(f.output, yaml); !written) {
    return report(written.error());
  }
  const oncall::Config& c = imported->config;
  fmt::print(stderr, "{} users, {} teams, {} schedules, {} policies\n", c.users.size(), c.teams.size(),
             c.schedules.size(), c.policies.size());
  for (const oncall::ImportNote& note : imported->notes) fmt::print(stderr, "{}: {}\n", note.what, note.why);
  return 0;
}

constexpr const char* kGrafanaFooter =
    "PATH is a file or a folder of them: answers of the HTTP API, each page by itself. For all of it:\n"
    "  for w in users teams personal_notification_rules schedules on_call_shifts escalation_chains "
    "escalation_policies; do\n"
    "    curl -H \"Authorization: $TOKEN\" \"$ONCALL/api/v1/$w/?perpage=100\" > export/$w.json; done\n"
    "  sentinel import grafana-oncall export -o oncall.yml && sentinel check oncall oncall.yml\n"
    "Telephone numbers and the mobile app are not in that API: contacts for them are to be added by hand.";
constexpr const char* kOpsgenieFooter =
    "PATH is a file or a folder: that of Opsgenie's configuration backup, or answers of the API v2:\n"
    "  /v2/users, /v2/users/ID/contacts, /v2/users/ID/notification-rules/RULE (file named after the user),\n"
    "  /v2/teams/ID, /v2/schedules?expand=rotation, /v2/schedules/ID/overrides (file named after the schedule), "
    "/v2/escalations\n"
    "  sentinel import opsgenie OpsGenieBackups -o oncall.yml && sentinel check oncall oncall.yml";
constexpr const char* kPagerDutyFooter =
    "PATH is a file or a folder of answers of the REST API v2, each page by itself:\n"
    "  /users?include[]=contact_methods&include[]=notification_rules, /teams, /schedules/ID?since=…&until=… (each by\n"
    "  itself: only so its layers are in it), /schedules/ID/overrides (file named after the schedule), "
    "/escalation_policies\n"
    "  sentinel import pagerduty export -o oncall.yml && sentinel check oncall oncall.yml";

}  // namespace

void add_import_command(CLI::App& cli, int& exit_code) {
  CLI::App* command = cli.add_subcommand("import", "Move from another on-call tool: its export becomes oncall.yml");
  command->require_subcommand(1);
  command->footer(
      "Users with contacts and rules, teams, schedules and escalation policies. From now on the schedules say what "
      "the\n"
      "other tool's say. What could not be carried over is said on stderr and in comments of the file, each with its\n"
      "reason. Needs no server and sends nothing.\n"
      "Example:\n  sentinel import pagerduty export/ -o oncall.yml");
  const auto add = [&](const char* name, const char* help, oncall::ImportSource source, const char* footer) {
    auto f = std::make_shared<ImportFlags>();
    CLI::App* one = command->add_subcommand(name, help);
    one->footer(footer);
    one->add_option("path", f->paths, "files and folders")->required();
    one->add_option("-o,--output", f->output, "where to write it (default: to the terminal)");
    one->add_option("--at", f->at, "what was over before this is left out, RFC 3339 (default: now)");
    one->callback([f, source, &exit_code] { exit_code = import_oncall(source, *f); });
  };
  add("grafana-oncall", "From Grafana OnCall", oncall::ImportSource::kGrafanaOnCall, kGrafanaFooter);
  add("opsgenie", "From Opsgenie", oncall::ImportSource::kOpsgenie, kOpsgenieFooter);
  add("pagerduty", "From PagerDuty", oncall::ImportSource::kPagerDuty, kPagerDutyFooter);
}

}  // namespace sentinel::app
