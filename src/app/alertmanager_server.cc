#include "app/alertmanager_server.h"

#include <atomic>

#include <fmt/format.h>

#include "alerting/config.h"
#include "api/alert_tools.h"
#include "api/alertmanager.h"
#include "api/alertmanager_operations.h"
#include "api/basic_auth.h"
#include "api/page.h"
#include "api/version.h"
#include "app/builtin_files.h"
#include "app/data_dir.h"
#include "app/web_config.h"
#include "base/hash.h"
#include "base/thread_annotations.h"
#include "ingest/collector.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "receivers/net_sender.h"
#include "state/database.h"

namespace sentinel::app {
namespace {

constexpr Micros kTendInterval = std::chrono::seconds(1);

Result<alerting::Config> read_alertmanager_config(const std::string& path) {
  SENTINEL_ASSIGN(const ConfigText file, read_config(posix_env(), path));
  return alerting::parse_config(file.text, file.path);
}

}  // namespace

// In the order of construction; destroyed in reverse, after stop() has quieted every thread.
struct AlertmanagerServer::Parts {
  explicit Parts(AlertmanagerOptions o) : options(std::move(o)), started_at(clock.now()) {}
  Status open();
  Status open_http();
  void tend();
  Status reload(const alerting::Actor& by);
  Status reload_files(const alerting::Actor& by);
  api::AlertmanagerFacts facts();
  void stop();
  const char* scheme() const { return web.connections.tls ? "https" : "http"; }

  const AlertmanagerOptions options;
  SystemClock clock;
  const TimePoint started_at;
  MetricRegistry metrics;
  net::Runtime runtime{net::RuntimeOptions{}};
  net::HttpClient client{runtime, metrics, {}};
  std::unique_ptr<FileLock> lock;
  std::unique_ptr<state::Database> database;
  EventLoop control{clock, "control"};
  EventLoop upkeep{clock, "upkeep"};
  std::unique_ptr<receivers::NetSender> sender;
  std::unique_ptr<alerting::Alerting> alerting;
  std::unique_ptr<alerting::Cluster> cluster;
  std::unique_ptr<api::AlertmanagerApi> api;
  std::unique_ptr<api::AlertToolsApi> tools;
  std::unique_ptr<api::AlertmanagerOperations> operations;
  api::BasicAuth basic_auth{runtime, metrics};
  std::unique_ptr<net::HttpServer> http;
  WebConfig web;                                                  // as it was at the start
  std::unique_ptr<WebConfigWatch> web_watch;                      // upkeep's
  ingest::MachineMetrics machine{metrics, options.storage_path};  // upkeep's
  Mutex reloading;
  std::atomic<bool> reload_succeeded{true};
  std::atomic<int64_t> config_read_us{0};
  std::atomic<bool> stopped{false};
};

Result<std::unique_ptr<AlertmanagerServer>> AlertmanagerServer::start(AlertmanagerOptions options) {
  std::unique_ptr<AlertmanagerServer> server(new AlertmanagerServer());
  server->parts_ = std::make_unique<Parts>(std::move(options));
  SENTINEL_TRY(server->parts_->open());
  log_info("alertmanager", "serving", {{"url", server->url()}, {"version", api::kVersion}});
  return server;
}

Status AlertmanagerServer::Parts::open() {
  SENTINEL_ASSIGN(alerting::Config config, read_alertmanager_config(options.config_file));
  if (!options.web_config_file.empty()) {
    SENTINEL_ASSIGN(web, read_web_config(options.web_config_file));
  }
  config_read_us = to_us(clock.now());
  SENTINEL_ASSIGN(lock, lock_data_dir(posix_env(), options.storage_path));
  SENTINEL_ASSIGN(database, state::open_sqlite(options.storage_path + "/state.db", metrics));
  SENTINEL_TRY(alerting::Alerting::migrate(*database));
  sender = std::make_unique<receivers::NetSender>(runtime, client, clock);
  SENTINEL_TRY(sender->configure(config.receivers, config.template_globs));
  alerting::Options settings;
  settings.external_url = options.external_url.empty() ? fmt::format("{}://{}:{}{}", scheme(), options.address,
                                                                     options.port, options.route_prefix)
                                                       : options.external_url;
  settings.data_retention = options.data_retention;
  settings.silences = options.silences;
  settings.reminders = options.reminders;
  settings.flapping = options.flapping;
  settings.digests = options.digests;
  SENTINEL_TRY(control.call([&]() -> Status {
    SENTINEL_ASSIGN(alerting, alerting::Alerting::open(control, *database, metrics, *sender, {}, std::move(config),
                                                       std::move(settings)));
    // Before anything is due: what the others have told is not known yet.
    if (options.clustered) alerting->set_peer_wait(std::nullopt);
    return {};
  }));
  if (options.clustered) {
    SENTINEL_ASSIGN(cluster, alerting::Cluster::start(runtime, client, control, metrics, *alerting, options.cluster));
  }
  SENTINEL_TRY(open_http());
  upkeep.post([this] { tend(); });
  return {};
}

Status AlertmanagerServer::Parts::open_http() {
  auto router = std::make_shared<net::Router>();
  api::AlertmanagerApi::Parts parts{runtime, clock, control, *alerting, {}, started_at};
  parts.templates = [this] { return sender->templates(); };
  if (cluster) parts.cluster = [this] { return cluster->status(); };
  if (!options.api_version.empty()) parts.version = options.api_version;
  api = std::make_unique<api::AlertmanagerApi>(std::move(parts));
  api->add_routes(*router, options.route_prefix);
  tools = std::make_unique<api::AlertToolsApi>(api::AlertToolsApi::Parts{runtime, clock, control, *alerting});
  tools->add_routes(*router, options.route_prefix);
  operations = std::make_unique<api::AlertmanagerOperations>(
      runtime, metrics, [this](const alerting::Actor& by) { return reload(by); }, [this] { return facts(); });
  operations->add_routes(*router, options.route_prefix);
  api::add_alertmanager_page_routes(*router, options.route_prefix);
  net::ServerOptions listen;
  listen.address = options.address;
  listen.port = options.port;
  listen.body_bytes_max = 256 * 1024 * 1024;
  listen.connections = web.connections;
  basic_auth.set_users(web.users);
  SENTINEL_ASSIGN(http, net::HttpServer::start(runtime, metrics, listen, basic_auth.guard(router)));
  if (options.web_config_file.empty()) return {};
  web_watch = std::make_unique<WebConfigWatch>(options.web_config_file, web, [this](const WebConfig& changed) {
    http->set_connection_options(changed.connections);
    basic_auth.set_users(changed.users);
  });
  return {};
}

api::AlertmanagerFacts AlertmanagerServer::Parts::facts() {
  api::AlertmanagerFacts out;
  out.version = options.api_version.empty() ? api::kAlertmanagerCompatibleVersion : options.api_version;
  out.clustered = options.clustered;
  out.reload_succeeded = reload_succeeded;
  out.reload_success_s = static_cast<double>(config_read_us) / 1e6;
  return control.call([&] {
    out.counts = alerting->counts();
    out.config_sha256 = sha256(alerting->config().text);
    return out;
  });
}

void AlertmanagerServer::Parts::tend() {
  database->tend();
  machine.refresh_process();
  if (web_watch) web_watch->look();
  upkeep.after(kTendInterval, [this] { tend(); });
}

// Everything is read before anything is put in force, so that a wrong file changes nothing.
Status AlertmanagerServer::Parts::reload(const alerting::Actor& by) {
  MutexLock one_at_a_time(reloading);
  const Status reloaded = reload_files(by);
  reload_succeeded = reloaded.has_value();
  if (reloaded) return reloaded;
  const Status noted = control.call([&] { return alerting->note_refused_reload(reloaded.error(), by); });
  if (!noted) log_warn("alertmanager", "a refused reload is not in the audit", {{"error", noted.error().to_string()}});
  return reloaded;
}

Status AlertmanagerServer::Parts::reload_files(const alerting::Actor& by) {
  SENTINEL_ASSIGN(alerting::Config config, read_alertmanager_config(options.config_file));
  SENTINEL_ASSIGN(auto receivers, sender->prepare(config.receivers, config.template_globs));
  SENTINEL_TRY(control.call([&]() -> Status {
    SENTINEL_TRY(alerting->reload(std::move(config), by));
    sender->install(std::move(receivers));
    return {};
  }));
  config_read_us = to_us(clock.now());
  log_info("alertmanager", "configuration reloaded", {{"file", options.config_file}});
  return {};
}

void AlertmanagerServer::Parts::stop() {
  if (stopped.exchange(true)) return;
  if (http) http->stop(std::chrono::seconds(2));
  if (cluster) cluster->stop();
  upkeep.stop();
  control.stop();
  runtime.stop();
  log_info("alertmanager", "stopped");
}

AlertmanagerServer::AlertmanagerServer() = default;
AlertmanagerServer::~AlertmanagerServer() { stop(); }
void AlertmanagerServer::stop() {
  if (parts_) parts_->stop();
}
Status AlertmanagerServer::reload() { return parts_->reload({"operator", "signal"}); }
std::string AlertmanagerServer::url() const {
  return fmt::format("{}://{}:{}{}", parts_->scheme(), parts_->options.address, parts_->http->port(),
                     parts_->options.route_prefix);
}

}  // namespace sentinel::app
