#include "app/server.h"

#include <future>

#include "app/server_parts.h"
#include "base/duration.h"
#include "base/log.h"
#include "state/kv.h"

namespace sentinel::app {
namespace {

constexpr Millis kSpanPatience = std::chrono::seconds(2);  // at a stop, for spans that wait to be sent
constexpr Millis kHttpGrace = std::chrono::seconds(5);     // at a stop, for requests that are not LLM calls

}  // namespace

Result<std::unique_ptr<Server>> Server::start(Config config, ServerHooks hooks) {
  SENTINEL_TRY(validate_config(config));
  SENTINEL_ASSIGN(LoadedFiles loaded, load_files(config));
  SENTINEL_ASSIGN(WebConfig web, read_listener(config));
  std::unique_ptr<Server> server(new Server());
  server->parts_ = std::make_unique<Parts>(std::move(config), std::move(hooks));
  Parts& p = *server->parts_;
  p.web = std::move(web);
  SENTINEL_TRY(p.open_state());
  // What waits for delivery, alerts and incidents do not wait for a long log of samples.
  std::future<Status> series = std::async(std::launch::async, [&p] { return p.open_series(); });
  analysis::AnalyzerOptions analysis;
  analysis.prices = loaded.prices;
  analysis.drift = p.config.analysis.drift;
  analysis.policies = p.config.analysis.policies;
  analysis.drift_window_closed = [&p](const analysis::DriftWindow& window) { p.drift.window_closed(window); };
  SENTINEL_ASSIGN(p.analyzer, analysis::Analyzer::open(analysis));
  p.analyzer->keep_documents(read_documents(p.config.analysis.judges));
  p.judges->install(p.config.analysis.judges, loaded.prices);
  SENTINEL_TRY(p.database->read([&](state::Tx& tx) -> Status {
    SENTINEL_ASSIGN(const auto access, state::KeyValue::get(tx, kAccessKey));
    if (access) SENTINEL_TRY(p.access.load(*access));
    return p.drift_store.load(tx, *p.analyzer);
  }));
  p.spans = std::make_unique<ingest::SpanExporter>(p.runtime, p.client, p.metrics, p.config.spans,
                                                   span_names(p.config.gateway));
  SENTINEL_TRY(p.open_control(loaded));
  p.note_files(loaded, {"sentinel", "start"});
  SENTINEL_TRY(series.get());
  p.open_metrics();
  SENTINEL_TRY(p.open_pipeline());
  p.pipeline->on_counted([&p] { p.collect_soon(); });
  p.pipeline->on_scored([&p](const model::Interaction& i) { p.call_scored(i); });
  SENTINEL_TRY(p.open_detection(loaded));
  p.open_series_export();
  p.prices = loaded.prices;
  SENTINEL_TRY(p.open_gateway());
  SENTINEL_TRY(p.open_http());
  publish_budgets(p.metrics, {}, p.config.budgets);
  p.publish_oncall();
  p.start_upkeep();
  SENTINEL_TRY(p.write_out->apply(p.config.remote_write, p.config.scrape.external_labels));
  p.scraper->apply(p.config.scrape);
  p.ready = true;
  log_info("server", "serving", {{"url", server->url()}, {"data_dir", p.config.data_dir}, {"version", "0.1.0"}});
  return server;
}

Status Server::Parts::reload(const alerting::Actor& by) {
  const Status reloaded = reload_files(by);
  if (!reloaded) {
    const Status noted = control.call([&] { return alerting->note_refused_reload(reloaded.error(), by); });
    if (!noted) log_warn("server", "a refused reload is not in the audit", {{"error", noted.error().to_string()}});
    return reloaded;
  }
  log_info("server", "configuration reloaded", {{"file", config.file}});
  return {};
}

void Server::Parts::note_files(const LoadedFiles& loaded, const incident::Actor& by) {
  const Status noted = change_watch->files_in_force(loaded.hashes, clock.now(), by);
  if (!noted)
    log_warn("server", "what changed in the configuration is not known", {{"error", noted.error().to_string()}});
}

// In two steps. Everything is read, parsed and built; then it is put in force, beginning with the only part that can
// still fail: alerting, which writes its groups. So an error changes nothing. One reload at a time.
Status Server::Parts::reload_files(const alerting::Actor& by) {
  MutexLock one_at_a_time(reloading);
  auto fresh = config.file.empty() ? Result<Config>(config) : load_config(config.file);
  if (!fresh) return fail(fresh.error());
  SENTINEL_TRY(validate_config(*fresh));
  SENTINEL_ASSIGN(LoadedFiles loaded, load_files(*fresh));
  SENTINEL_ASSIGN(auto plan, gateway->prepare(fresh->gateway));
  SENTINEL_ASSIGN(auto receivers, sender->prepare(loaded.alerting.receivers, loaded.alerting.template_globs));
  SENTINEL_ASSIGN(auto channels, page_sender->prepare(incident::channel_configs(*loaded.oncall), {}));

  SENTINEL_TRY(control.call([&]() -> Status {
    const auto told_before = pager->written_config();
    SENTINEL_TRY(pager->reload(loaded.oncall));
    if (Status routed = alerting->reload(std::move(loaded.alerting), by); !routed) {
      if (const Status back = pager->reload(told_before); !back)
        log_error("server", "on-call was not put back", {{"error", back.error().to_string()}});
      return routed;
    }
    sender->install(std::move(receivers));
    page_sender->install(std::move(channels));
    remedies->reload(loaded.automations, fresh->automation);
    runbooks = loaded.runbooks;
    incidents->set_options(fresh->incidents);
    summaries->set_config(fresh->summary);
    status_page->reload(fresh->status_page);
    ping_sender->set_urls(fresh->dead_man.urls);
    dead_man->reload(fresh->dead_man);
    if (const Status watched = heartbeats->reload(fresh->heartbeats); !watched)
      log_error("server", "heartbeats were not taken over", {{"error", watched.error().to_string()}});
    hub->reload(fresh->integrations);
    series_export->reload(fresh->integrations);
    pager->set_reply_address(fresh->integrations->reply_address());
    return {};
  }));
  // Only the first apply() can fail, and the server has started.
  SENTINEL_TRY(detection.call([&] { return rules->apply(loaded.rules); }));
  gateway->install(std::move(plan));
  judges->install(fresh->analysis.judges, loaded.prices);
  const ingest::SpanNames names = span_names(fresh->gateway);
  spans->apply(fresh->spans, names);
  pipeline->set_names(names);
  const bool documents_read = read_documents(fresh->analysis.judges);
  pipeline->run_on_worker([this, policies = fresh->analysis.policies, documents_read] {
    analyzer->set_policies(policies);
    analyzer->keep_documents(documents_read);
  });
  analyzer->set_prices(loaded.prices);
  prices = loaded.prices;
  publish_budgets(metrics, budgets_in_force, fresh->budgets);
  budgets_in_force = fresh->budgets;
  drain_ms = fresh->drain.count();
  scraper->apply(fresh->scrape);
  const Status sending = write_out->apply(fresh->remote_write, fresh->scrape.external_labels);
  if (!sending) log_error("server", "remote write was not set up", {{"error", sending.error().to_string()}});
  note_files(loaded, {by.name, by.source});
  return {};
}

void Server::Parts::stop() {
  if (stopped.exchange(true)) return;
  ready = false;  // and the listener stays open, so that /-/ready can say so while calls end
  if (gateway) {
    const Millis patience(drain_ms.load());
    if (const size_t cut = gateway->drain(patience); cut > 0)
      log_warn("server", "calls were broken off at shutdown", {{"calls", cut}, {"drain", format_duration(patience)}});
  }
  if (live) live->close();
  if (http) http->stop(kHttpGrace);
  detection.stop();
  upkeep_loop.stop();
  if (policy_store) save_spending();
  if (pipeline) {
    save_drift();
    pipeline->stop();
  }
  if (remedies) remedies->stop();
  control.stop();
  if (write_out) write_out->stop();
  if (spans) spans->stop(kSpanPatience);
  runtime.stop();
  if (tsdb) (void)tsdb->sync();
  log_info("server", "stopped");
}

Server::Server() = default;
Server::~Server() { stop(); }
void Server::stop() {
  if (parts_) parts_->stop();
}
Status Server::reload() { return parts_->reload({"operator", "signal"}); }
uint16_t Server::port() const { return parts_->http->port(); }
std::string Server::url() const { return fmt::format("{}://{}:{}", parts_->scheme(), parts_->config.address, port()); }
net::Runtime& Server::runtime() { return parts_->runtime; }
net::HttpClient& Server::client() { return parts_->client; }
MetricRegistry& Server::metrics() { return parts_->metrics; }

}  // namespace sentinel::app
