#pragma once
// `sentinel demo`: serve + simulated provider + demo application + traffic + an inbox that plays Slack and a webhook.
// A script makes the model version change, waits for the incident, rolls the change back, and goes on with other
// faults.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "app/demo_app.h"
#include "app/inbox.h"
#include "app/incident_story.h"
#include "app/server.h"
#include "app/traffic.h"
#include "base/scheduler.h"
#include "gateway/simulated_provider.h"

namespace sentinel::app {

struct DemoOptions {
  std::string data_dir = "./sentinel-demo";
  std::string address = "127.0.0.1";
  uint16_t port = 8080;  // the page; provider, application and inbox take the next three
  double rate_per_s = 8;
  uint64_t seed = 1;
  double time_scale = 1;                     // of the simulated provider's delays
  Micros normal = std::chrono::seconds(35);  // before the first fault, and between faults
  Micros fault = std::chrono::seconds(60);   // how long a fault lasts
  bool quiet = false;                        // no story on standard output
};

class Demo {
 public:
  static Result<std::unique_ptr<Demo>> start(DemoOptions options);
  ~Demo();
  void stop();
  const Server& server() const { return *server_; }
  Status reload() { return server_->reload(); }

  // The routes the demo adds to its server's; `demo` is not touched before a request comes.
  static void add_routes(net::Router& router, Demo* demo);

 private:
  struct Phase {
    size_t scenario;  // index into kScenarios
    std::string_view story;
    bool fault;
  };
  explicit Demo(DemoOptions options) : options_(std::move(options)) {}
  net::Task<Result<net::Response>> state(net::Exchange* exchange);
  net::Task<Result<net::Response>> set_toggles(net::Exchange* exchange);
  void enter_phase(size_t index);
  void tell(const std::string& line);
  void watch_incidents();

  const DemoOptions options_;
  SystemClock clock_;
  TrafficControl control_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<gateway::SimulatedProvider> provider_;
  std::unique_ptr<DemoApp> application_;
  std::unique_ptr<Inbox> inbox_;
  std::unique_ptr<Traffic> traffic_;
  std::unique_ptr<EventLoop> loop_;
  std::thread traffic_thread_;
  std::atomic<size_t> phase_{0};
  std::atomic<int64_t> phase_started_us_{0};
  std::unique_ptr<IncidentStory> incidents_;  // loop thread
  bool stopped_ = false;
};

}  // namespace sentinel::app
