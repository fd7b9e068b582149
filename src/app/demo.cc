#include "app/demo.h"

#include <array>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/json.hpp>

#include "api/handler.h"
#include "app/builtin_files.h"
#include "app/commands/client.h"
#include "app/data_dir.h"
#include "base/duration.h"
#include "base/log.h"
#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

constexpr std::string_view kInboxPlaceholder = "http://inbox";

// Faults with calm between them, for ever; the first round begins with drift, the clearest story.
constexpr std::array<std::pair<size_t, std::string_view>, 8> kStory{{
    {0, "normal traffic; Sentinel learns what normal answers look like"},
    {4, "the provider rolls out a new model version: answers change style"},
    {0, "the model version is pinned back; the alert ends, the incident resolves, a postmortem is ready"},
    {1, "an endpoint starts sending huge prompts: tokens and cost rise"},
    {0, "back to normal"},
    {3, "the provider is slow and answers need retries"},
    {0, "back to normal"},
    {2, "answers stop fitting their questions"},
}};

Result<Config> demo_config(const DemoOptions& options, uint16_t inbox_port) {
  SENTINEL_ASSIGN(const ConfigText text, read_config(posix_env(), "builtin:demo/sentinel.yml"));
  SENTINEL_ASSIGN(Config config, parse_config(text.text, text.path));
  config.address = options.address;
  config.port = options.port;
  config.data_dir = options.data_dir;
  // The routes name the inbox, whose port is known only now.
  SENTINEL_ASSIGN(const ConfigText routes, read_config(posix_env(), "builtin:demo/alertmanager.yml"));
  config.alertmanager = options.data_dir + "/alertmanager.yml";
  SENTINEL_TRY(posix_env().write_file_atomic(
      config.alertmanager,
      replace_all(routes.text, kInboxPlaceholder, fmt::format("http://{}:{}", options.address, inbox_port))));
  SENTINEL_ASSIGN(const ConfigText oncall, read_config(posix_env(), "builtin:demo/oncall.yml"));
  config.oncall = options.data_dir + "/oncall.yml";
  SENTINEL_TRY(posix_env().write_file_atomic(
      config.oncall,
      replace_all(oncall.text, kInboxPlaceholder, fmt::format("http://{}:{}", options.address, inbox_port))));
  return config;
}

std::string message_summary(const InboxMessage& message) {
  boost::system::error_code ec;
  const json::value body = json::parse(message.body, ec);
  if (ec || !body.is_object()) return "(not JSON)";
  if (message.path == "/ntfy") return fmt::format("push to {}: {}", field(body, "topic"), field(body, "title"));
  if (message.path == "/webhook") {
    return fmt::format("webhook {} for {}", field(body, "status"), field(body.at("commonLabels"), "alertname"));
  }
  const json::value* title = body.find_pointer("/attachments/0/title", ec);
  return fmt::format("Slack {}: {}", field(body, "channel"),
                     title == nullptr ? field(body, "text") : cell_text(*title));
}

}  // namespace

Result<std::unique_ptr<Demo>> Demo::start(DemoOptions options) {
  std::unique_ptr<Demo> demo(new Demo(std::move(options)));
  const DemoOptions& o = demo->options_;
  const TimePoint started = demo->clock_.now();
  const auto next_port = [&o](int n) { return o.port == 0 ? uint16_t{0} : static_cast<uint16_t>(o.port + n); };
  log_configure({.level = LogLevel::kInfo, .format = LogFormat::kJson, .path = ""});
  SENTINEL_TRY(make_data_dir(posix_env(), o.data_dir));
  log_configure({.level = LogLevel::kInfo, .format = LogFormat::kJson, .path = o.data_dir + "/sentinel.log"});

  const uint16_t inbox_port = next_port(3);
  SENTINEL_ASSIGN(Config config, demo_config(o, inbox_port));
  for (gateway::ProviderConfig& provider : config.gateway.providers) {
    provider.base_url = fmt::format("http://{}:{}", o.address, next_port(1));
  }
  SENTINEL_ASSIGN(
      demo->server_,
      Server::start(std::move(config), {true, [raw = demo.get()](net::Router& router) { add_routes(router, raw); }}));
  Server& server = *demo->server_;

  gateway::SimulatedOptions simulated;
  simulated.seed = o.seed;
  simulated.address = o.address;
  simulated.port = next_port(1);
  simulated.time_scale = o.time_scale;
  SENTINEL_ASSIGN(demo->provider_, gateway::SimulatedProvider::start(server.runtime(), server.metrics(), simulated));
  DemoAppOptions application;
  application.address = o.address;
  application.port = next_port(2);
  application.gateway_url = server.url();
  SENTINEL_ASSIGN(demo->application_, DemoApp::start(server.runtime(), server.client(), server.metrics(), application));
  SENTINEL_ASSIGN(demo->inbox_,
                  Inbox::start(server.runtime(), server.metrics(), demo->clock_, o.address, inbox_port,
                               [raw = demo.get()](const InboxMessage& m) { raw->tell("  ✉  " + message_summary(m)); }));

  TrafficOptions traffic;
  traffic.target = fmt::format("http://{}:{}", o.address, demo->application_->port());
  traffic.provider_control = demo->provider_->base_url();
  traffic.duration = std::chrono::hours(24 * 3650);
  traffic.rate_per_s = o.rate_per_s;
  traffic.seed = o.seed;
  traffic.toxic_share = 0.01;
  traffic.control = &demo->control_;
  demo->traffic_ = std::make_unique<Traffic>(server.runtime(), server.client(), traffic);
  demo->tell(fmt::format("Sentinel is running. Open the page: {}\n", server.url()));
  demo->tell(fmt::format("  gateway    {}/v1/chat/completions   (any OpenAI client, base URL {}/v1)", server.url(),
                         server.url()));
  demo->tell(fmt::format("  demo app   {}   POST /qa /reason /stress /api/chat", traffic.target));
  demo->tell(fmt::format("  provider   {}   simulated, no key needed", demo->provider_->base_url()));
  demo->tell(fmt::format("  data, log  {}   Stop with Ctrl-C.\n", o.data_dir));
  demo->loop_ = std::make_unique<EventLoop>(demo->clock_, "demo");
  demo->traffic_thread_ = std::thread([raw = demo.get()] { (void)raw->traffic_->run(nullptr); });
  demo->loop_->post([raw = demo.get()] { raw->enter_phase(0); });
  demo->incidents_ = std::make_unique<IncidentStory>(started, server.url());
  demo->loop_->post([raw = demo.get()] { raw->watch_incidents(); });
  return demo;
}

Demo::~Demo() { stop(); }

void Demo::stop() {
  if (stopped_) return;
  stopped_ = true;
  if (loop_) loop_->stop();
  if (traffic_) traffic_->stop();
  if (traffic_thread_.joinable()) traffic_thread_.join();
  if (application_) application_->stop();
  if (inbox_) inbox_->stop();
  if (provider_) provider_->stop();
  if (server_) server_->stop();
}

void Demo::tell(const std::string& line) {
  if (options_.quiet) return;
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void Demo::enter_phase(size_t index) {
  const auto& [scenario, story] = kStory[index % kStory.size()];
  phase_ = index;
  phase_started_us_ = to_us(clock_.now());
  control_.scenario = scenario;
  tell(fmt::format("{:%H:%M:%S}  {}", std::chrono::floor<std::chrono::seconds>(clock_.now()), story));
  loop_->after(scenario == 0 ? options_.normal : options_.fault, [this, index] { enter_phase(index + 1); });
}

// The story on the terminal follows the API, as a user's own tool would.
void Demo::watch_incidents() {
  loop_->after(std::chrono::seconds(1), [this] { watch_incidents(); });
  ClientOptions client;
  client.url = server_->url();
  const auto answer = request_json(client, "GET", "/sentinel/v1/incidents?limit=20");
  if (!answer || !answer->is_object()) return;
  for (const std::string& line : incidents_->news(answer->at("items").as_array())) tell(line);
}

void Demo::add_routes(net::Router& router, Demo* demo) {
  api::route(router, "GET", "/sentinel/v1/demo", demo, &Demo::state);
  api::route(router, "POST", "/sentinel/v1/demo/toggles", demo, &Demo::set_toggles);
}

net::Task<Result<net::Response>> Demo::state(net::Exchange*) {
  const size_t index = phase_ % kStory.size();
  const bool fault = kStory[index].first != 0;
  const double length = std::chrono::duration<double>(fault ? options_.fault : options_.normal).count();
  const double gone = static_cast<double>(to_us(clock_.now()) - phase_started_us_) / 1e6;
  json::object toggles;
  for (size_t i = 0; i < kSimulateToggles.size(); ++i) toggles[kSimulateToggles[i]] = control_.toggles[i].load();
  co_return net::json_response(200, text::serialize(json::object{{"phase", kScenarios[kStory[index].first]},
                                                                 {"scenario", kStory[index].second},
                                                                 {"next", kStory[(index + 1) % kStory.size()].second},
                                                                 {"progress", std::min(1.0, gone / length)},
                                                                 {"seconds_left", std::max(0.0, length - gone)},
                                                                 {"toggles", std::move(toggles)}}));
}

net::Task<Result<net::Response>> Demo::set_toggles(net::Exchange* exchange) {
  SENTINEL_CO_ASSIGN(const json::object body, api::json_body(exchange->request()));
  for (const auto& [name, value] : body) {
    const auto at = std::find(kSimulateToggles.begin(), kSimulateToggles.end(), std::string_view(name));
    if (at == kSimulateToggles.end() || !value.is_bool()) {
      co_return fail(ErrorCode::kInvalidArgument,
                     fmt::format("\"{}\": expected one of simulate_latency, simulate_retry, simulate_bad_prompt, "
                                 "simulate_long_context with true or false",
                                 std::string_view(name)));
    }
    control_.toggles[static_cast<size_t>(at - kSimulateToggles.begin())] = value.get_bool();
  }
  co_return co_await state(exchange);
}

}  // namespace sentinel::app
