#pragma once
// The public status page: HTML, JSON (/summary), Atom (/feed) and subscription by mail, below a path of its own, which
// follows a reload as all its settings do, and without a token. What it shows is incident/status_page.h and nothing
// else. No script, no cookie; every answer to GET may be cached. It reads the store on the pool and at most once in
// kStatusFresh, so that a crowd that looks at it cannot be felt by whoever works on the incident.

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "api/handler.h"
#include "base/scheduler.h"
#include "incident/status_mail.h"
#include "incident/status_page.h"
#include "net/http_server.h"
#include "state/database.h"

namespace sentinel::api {

// One rendering of the page; what does not change has the same ETag.
struct StatusDocument {
  std::string body;
  std::string etag;
};
struct StatusDocuments {
  TimePoint made_at;
  StatusDocument html, json, atom;
};
StatusDocuments render_status(const incident::StatusView& view, const incident::StatusPageOptions& options,
                              std::string_view base, bool by_mail, TimePoint now);

class StatusPageApi {
 public:
  struct Parts {
    net::Runtime& runtime;
    Scheduler& control;
    state::Database& database;
    incident::Pager& pager;
    incident::Service& incidents;
    std::function<std::shared_ptr<const oncall::Config>()> oncall;  // in force; asked on the pool
    incident::StatusPageOptions options;
  };
  // REQUIRES: on the control loop, or before it works.
  explicit StatusPageApi(Parts parts);
  // Is the router's fallback, and hands what is not its own to `others`.
  void add_routes(net::Router& router, net::Handler others);
  // On the control loop.
  void reload(incident::StatusPageOptions options);
  // Any thread.
  std::shared_ptr<const incident::StatusPageOptions> options() const { return options_.load(); }

 private:
  using Answer = net::Task<Result<net::Response>>;
  using Snapshot = std::shared_ptr<const StatusDocuments>;
  using Options = std::shared_ptr<const incident::StatusPageOptions>;
  Answer serve(net::Exchange* exchange, std::string where);
  Answer html(net::Exchange* exchange);
  Answer json(net::Exchange* exchange);
  Answer atom(net::Exchange* exchange);
  Answer subscribe(net::Exchange* exchange);
  Answer confirm(net::Exchange* exchange);
  Answer confirmed(net::Exchange* exchange);
  Answer leave(net::Exchange* exchange);
  Answer left(net::Exchange* exchange);
  net::Task<Result<Snapshot>> documents();
  Result<Snapshot> make() const;

  Parts parts_;
  std::atomic<Options> options_;
  incident::StatusMail mail_;
  std::atomic<Snapshot> last_;
  std::atomic<int64_t> making_since_us_{0};  // 0: nobody is at it
};

}  // namespace sentinel::api
