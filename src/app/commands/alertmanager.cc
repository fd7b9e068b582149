// sentinel alertmanager: Alertmanager's own flags, as its users and its tests write them.

#include <cstdio>
#include <functional>
#include <map>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "api/version.h"
#include "app/alertmanager_server.h"
#include "app/cluster_tls.h"
#include "app/commands/commands.h"
#include "app/data_dir.h"
#include "app/signals.h"
#include "base/duration.h"
#include "base/strings.h"

namespace sentinel::app {
namespace {

struct Settings {
  AlertmanagerOptions options;
  LogOptions log{.level = LogLevel::kInfo, .format = LogFormat::kText, .path = ""};
  std::string cluster_listen;  // as given
  bool cluster_off = false;
  bool has_prefix = false;
};

struct Flag {
  std::string name;
  std::string help;
  bool boolean = false;
  std::function<Status(Settings&, const std::string&)> apply;
};

Status bad(const std::string& why) { return fail(ErrorCode::kInvalidArgument, why); }

Status read_listen(const std::string& text, std::string_view everywhere, std::string& address, uint16_t& port) {
  const size_t colon = text.rfind(':');
  const auto number = colon == std::string::npos ? std::nullopt : parse_int(std::string_view(text).substr(colon + 1));
  if (!number || *number < 0 || *number > 65535) return bad("expected host:port, such as 127.0.0.1:9093");
  address = text.substr(0, colon);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']')
    address = address.substr(1, address.size() - 2);
  if (address.empty()) address = everywhere;
  if (address == "localhost") address = "127.0.0.1";
  port = static_cast<uint16_t>(*number);
  return {};
}

Flag duration(std::string name, std::string help, std::function<Micros&(Settings&)> where) {
  return {std::move(name), std::move(help), false,
          [where = std::move(where)](Settings& s, const std::string& text) -> Status {
            const auto value = parse_duration(text);
            if (!value) return fail(value.error());
            where(s) = *value;
            return {};
          }};
}

Flag count(std::string name, std::string help, std::function<size_t&(Settings&)> where) {
  return {std::move(name), std::move(help), false,
          [where = std::move(where)](Settings& s, const std::string& text) -> Status {
            const auto value = parse_int(text);
            if (!value || *value < 0) return bad("expected a whole number");
            where(s) = static_cast<size_t>(*value);
            return {};
          }};
}

Flag text(std::string name, std::string help, std::function<std::string&(Settings&)> where) {
  return {std::move(name), std::move(help), false,
          [where = std::move(where)](Settings& s, const std::string& value) -> Status {
            where(s) = value;
            return {};
          }};
}

// Known to Alertmanager, without a meaning here.
Flag ignored(std::string name, std::string why, bool boolean = false) {
  return {std::move(name), "accepted, without effect: " + why, boolean,
          [](Settings&, const std::string&) { return Status{}; }};
}

Status set_log_level(Settings& s, const std::string& value) {
  static const std::map<std::string, LogLevel> kLevels = {
      {"debug", LogLevel::kDebug}, {"info", LogLevel::kInfo}, {"warn", LogLevel::kWarn}, {"error", LogLevel::kError}};
  const auto level = kLevels.find(value);
  if (level == kLevels.end()) return bad("expected debug, info, warn or error");
  s.log.level = level->second;
  return {};
}

Status set_log_format(Settings& s, const std::string& value) {
  if (value != "logfmt" && value != "json") return bad("expected logfmt or json");
  s.log.format = value == "json" ? LogFormat::kJson : LogFormat::kText;
  return {};
}

Status set_external_url(Settings& s, const std::string& value) {
  s.options.external_url = value;
  while (s.options.external_url.ends_with('/')) s.options.external_url.pop_back();
  return {};
}

Status set_prefix(Settings& s, const std::string& value) {
  std::string_view prefix = value;
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  s.options.route_prefix = prefix.empty() ? "" : "/" + std::string(prefix);
  s.has_prefix = true;
  return {};
}

void add_cluster_flags(std::vector<Flag>& flags) {
  const auto cluster = [](Settings& s) -> alerting::ClusterOptions& { return s.options.cluster; };
  flags.push_back(text("cluster.listen-address",
                       "host:port for other instances; empty: no cluster (0.0.0.0:9094 with --cluster.peer)",
                       [](Settings& s) -> std::string& { return s.cluster_listen; }));
  flags.push_back(text("cluster.advertise-address", "how others reach it",
                       [cluster](Settings& s) -> std::string& { return cluster(s).advertise; }));
  flags.push_back({"cluster.peer", "host:port of another instance; may be repeated", false,
                   [](Settings& s, const std::string& v) -> Status {
                     if (!v.empty()) s.options.cluster.peers.push_back(v);
                     return {};
                   }});
  flags.push_back(text("cluster.peer-name", "orders the instances (made up)",
                       [cluster](Settings& s) -> std::string& { return cluster(s).name; }));
  flags.push_back(text("cluster.label", "instances with another one are refused",
                       [cluster](Settings& s) -> std::string& { return cluster(s).label; }));
  flags.push_back(duration("cluster.peer-timeout", "how long each instance before this one has to notify (15s)",
                           [cluster](Settings& s) -> Micros& { return cluster(s).peer_timeout; }));
  flags.push_back(duration("cluster.pushpull-interval", "between exchanges of the full state (60s)",
                           [cluster](Settings& s) -> Micros& { return cluster(s).push_pull_interval; }));
  flags.push_back(duration("cluster.tcp-timeout", "of an exchange with content (10s)",
                           [cluster](Settings& s) -> Micros& { return cluster(s).tcp_timeout; }));
  flags.push_back(duration("cluster.probe-timeout", "of an empty exchange (500ms)",
                           [cluster](Settings& s) -> Micros& { return cluster(s).probe_timeout; }));
  flags.push_back(duration("cluster.probe-interval", "between exchanges (1s)",
                           [cluster](Settings& s) -> Micros& { return cluster(s).probe_interval; }));
  flags.push_back(duration("cluster.settle-timeout", "longest wait for the others before the first notification (1m)",
                           [cluster](Settings& s) -> Micros& { return cluster(s).settle_timeout; }));
  flags.push_back(duration("cluster.reconnect-interval", "between tries to reach one that is gone (10s)",
                           [cluster](Settings& s) -> Micros& { return cluster(s).reconnect_interval; }));
  flags.push_back(duration("cluster.reconnect-timeout", "after this one that is gone is forgotten (6h)",
                           [cluster](Settings& s) -> Micros& { return cluster(s).reconnect_timeout; }));
  flags.push_back(ignored("cluster.gossip-interval", "changes go out at once"));
  flags.push_back(ignored("cluster.peers-resolve-timeout", "names are resolved at each try"));
  flags.push_back(
      ignored("cluster.allow-insecure-public-advertise-address-discovery", "see cluster.advertise-address", true));
  flags.push_back({"cluster.tls-config", "TLS between instances: a file with tls_server_config and tls_client_config",
                   false, [](Settings& s, const std::string& v) -> Status {
                     return v.empty() ? Status() : read_cluster_tls(v, s.options.cluster);
                   }});
}

std::vector<Flag> make_flags() {
  std::vector<Flag> flags;
  flags.push_back(text("config.file", "the configuration (alertmanager.yml)",
                       [](Settings& s) -> std::string& { return s.options.config_file; }));
  flags.push_back(text("storage.path", "where everything durable is kept (data/)",
                       [](Settings& s) -> std::string& { return s.options.storage_path; }));
  flags.push_back(duration("data.retention", "of ended silences and of the notification log (120h)",
                           [](Settings& s) -> Micros& { return s.options.data_retention; }));
  flags.push_back(ignored("data.maintenance-interval", "nothing waits to be written"));
  flags.push_back(ignored("alerts.gc-interval", "alerts go when everybody was told"));
  flags.push_back(ignored("alerts.per-alertname-limit", "there is one limit for all alerts"));
  flags.push_back(
      {"web.listen-address", "host:port (127.0.0.1:9093; \":9093\" is every interface)", false,
       [](Settings& s, const std::string& v) { return read_listen(v, "0.0.0.0", s.options.address, s.options.port); }});
  flags.push_back({"web.external-url", "how users reach it, for links in notifications", false, set_external_url});
  flags.push_back({"web.route-prefix", "path in front of all routes (that of --web.external-url)", false, set_prefix});
  flags.push_back(
      text("web.config.file",
           "TLS, users and headers of the listener: tls_server_config, basic_auth_users, http_server_config",
           [](Settings& s) -> std::string& { return s.options.web_config_file; }));
  flags.push_back(text("web.api-version",
                       "told to clients; an amtool of another version warns (0.34.0; not Alertmanager's)",
                       [](Settings& s) -> std::string& { return s.options.api_version; }));
  flags.push_back({"web.systemd-socket", "refused: there is no socket activation, give --web.listen-address", true,
                   [](Settings&, const std::string& v) -> Status {
                     return v == "false" ? Status() : bad("no socket activation: give --web.listen-address");
                   }});
  flags.push_back(ignored("web.get-concurrency", "reads take turns"));
  flags.push_back(ignored("web.timeout", "reads do not wait"));
  flags.push_back(ignored("web.ui-path", "there is no such page"));
  flags.push_back(ignored("template.default", "the default templates are built in"));
  add_cluster_flags(flags);
  flags.push_back(count("silences.max-silences", "how many there may be (0: no limit)",
                        [](Settings& s) -> size_t& { return s.options.silences.count_max; }));
  flags.push_back(count("silences.max-silence-size-bytes", "how large one may be (0: no limit)",
                        [](Settings& s) -> size_t& { return s.options.silences.bytes_max; }));
  flags.push_back(count("silences.max-per-silence-bytes", "the same, as it was called",
                        [](Settings& s) -> size_t& { return s.options.silences.bytes_max; }));
  flags.push_back(duration("silences.remind-before",
                           "how long before a silence's end somebody is reminded (15m; 0: not)",
                           [](Settings& s) -> Micros& { return s.options.reminders.before; }));
  flags.push_back(text("silences.remind-receiver", "who is reminded when the creator has no receiver",
                       [](Settings& s) -> std::string& { return s.options.reminders.receiver; }));
  flags.push_back(count("notifications.digest-above",
                        "one message for all that waits for a chat or mailbox beyond so many (20; 0: never)",
                        [](Settings& s) -> size_t& { return s.options.digests.above; }));
  flags.push_back({"alerts.flap-damping", "hold news of alerts that change so often, as \"6 in 1h, calm at 2\" (off)",
                   false, [](Settings& s, const std::string& v) -> Status {
                     SENTINEL_ASSIGN(s.options.flapping, alerting::parse_flap_options(v));
                     return {};
                   }});
  flags.push_back(ignored("silences.logging", "changes of silences are logged", true));
  flags.push_back(ignored("dispatch.start-delay", "alerts survive a restart, so nothing has to be gathered again"));
  flags.push_back(ignored("dispatch.maintenance-interval", "groups go by themselves"));
  flags.push_back(ignored("enable-feature", "there are no switches"));
  flags.push_back(ignored("auto-gomemlimit.ratio", "this is no Go program"));
  flags.push_back({"log.level", "debug, info, warn, error (info)", false, set_log_level});
  flags.push_back({"log.format", "logfmt or json (logfmt)", false, set_log_format});
  return flags;
}

void print_help(const std::vector<Flag>& flags) {
  fmt::print(
      "usage: sentinel alertmanager [<flags>]\n\nRoutes alerts in the place of Alertmanager: same flags, same "
      "configuration, same API.\nSIGHUP reads the configuration again; a wrong one is refused and the old stays.\n\n"
      "Flags:\n");
  for (const Flag& flag : flags) fmt::print("  --{}{}\n      {}\n", flag.name, flag.boolean ? "" : "=...", flag.help);
}

const Flag* find_flag(const std::vector<Flag>& flags, std::string_view name) {
  for (const Flag& flag : flags) {
    if (flag.name == name || (flag.boolean && name.starts_with("no-") && flag.name == name.substr(3))) return &flag;
  }
  return nullptr;
}

// --name value, --name=value, --name and --no-name of those without a value.
Status read_flags(const std::vector<Flag>& flags, const std::vector<std::string>& arguments, Settings& settings) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (!argument.starts_with("--")) return bad(fmt::format("unexpected {}", argument));
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    const Flag* flag = find_flag(flags, name);
    if (flag == nullptr) return bad(fmt::format("unknown long flag '--{}'", name));
    std::string value = flag->boolean && flag->name != name ? "false" : "";
    if (equals != std::string::npos) {
      value = argument.substr(equals + 1);
    } else if (!flag->boolean) {
      if (i + 1 == arguments.size()) return bad(fmt::format("expected argument for flag '--{}'", name));
      value = arguments[++i];
    }
    if (flag->name == "cluster.listen-address") settings.cluster_off = value.empty();
    const Status applied = flag->apply(settings, value);
    if (!applied) return fail(applied.error().with_context("--" + name));
  }
  return {};
}

// What follows from several flags together.
Status complete(Settings& s) {
  AlertmanagerOptions& o = s.options;
  if (!s.has_prefix && !o.external_url.empty()) {
    const size_t scheme = o.external_url.find("://");
    const size_t path = scheme == std::string::npos ? scheme : o.external_url.find('/', scheme + 3);
    if (path != std::string::npos) o.route_prefix = o.external_url.substr(path);
  }
  o.clustered = !s.cluster_off && (!s.cluster_listen.empty() || !o.cluster.peers.empty());
  if (!s.cluster_listen.empty()) {
    const Status read = read_listen(s.cluster_listen, "0.0.0.0", o.cluster.address, o.cluster.port);
    if (!read) return fail(read.error().with_context("--cluster.listen-address"));
  }
  return {};
}

int run_alertmanager(const std::vector<std::string>& arguments) {
  const std::vector<Flag> flags = make_flags();
  Settings settings;
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      print_help(flags);
      return 0;
    }
    if (argument == "--version") {
      fmt::print("alertmanager, version {} (sentinel {})\n", api::kAlertmanagerCompatibleVersion, api::kVersion);
      return 0;
    }
  }
  Status read = read_flags(flags, arguments, settings);
  if (read) read = complete(settings);
  if (!read) return report(read.error());
  block_signals();
  make_files_private();
  log_configure(settings.log);
  auto server = AlertmanagerServer::start(std::move(settings.options));
  if (!server) return report(server.error());
  wait_for_end([&] { return (*server)->reload(); });
  (*server)->stop();
  return 0;
}

}  // namespace

void add_alertmanager_command(CLI::App& cli, int& exit_code) {
  CLI::App* command =
      cli.add_subcommand("alertmanager", "Route alerts in the place of Alertmanager, with its own flags");
  // Its flags are not of the kind CLI11 reads: "--cluster.listen-address=" means "none".
  command->set_help_flag();
  command->prefix_command();
  command->callback([command, &exit_code] { exit_code = run_alertmanager(command->remaining()); });
}

}  // namespace sentinel::app
