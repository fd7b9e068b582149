#include "api/alertmanager_operations.h"

#include <iterator>

#include "ingest/exposition.h"

namespace sentinel::api {

void AlertmanagerOperations::add_routes(net::Router& router, const std::string& prefix) {
  route(router, "GET", prefix + "/-/healthy", this, &AlertmanagerOperations::ok);
  route(router, "GET", prefix + "/-/ready", this, &AlertmanagerOperations::ok);
  route(router, "POST", prefix + "/-/reload", this, &AlertmanagerOperations::reload);
  route(router, "GET", prefix + "/metrics", this, &AlertmanagerOperations::metrics);
}

AlertmanagerOperations::Answer AlertmanagerOperations::ok(net::Exchange*) { co_return net::text_response(200, "OK"); }

AlertmanagerOperations::Answer AlertmanagerOperations::reload(net::Exchange* exchange) {
  const alerting::Actor by = alert_actor_of(exchange->request(), {});
  const Status done = co_await net::blocking(&runtime_, [this, by] { return reload_(by); });
  if (done) co_return net::text_response(200, "");
  co_return net::text_response(500, "failed to reload config: " + done.error().to_string() + "\n");
}

AlertmanagerOperations::Answer AlertmanagerOperations::metrics(net::Exchange*) {
  const AlertmanagerFacts facts = co_await net::blocking(&runtime_, facts_);
  std::vector<MetricFamily> families = metrics_.collect();
  std::vector<MetricFamily> theirs = alertmanager_families(families, facts);
  families.insert(families.begin(), std::make_move_iterator(theirs.begin()), std::make_move_iterator(theirs.end()));
  net::Response response = net::text_response(200, ingest::write_text_format(families));
  response.headers.set("Content-Type", ingest::kTextFormatContentType);
  co_return response;
}

}  // namespace sentinel::api
