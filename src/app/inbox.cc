#include "app/inbox.h"

#include <boost/json.hpp>

#include "base/strings.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;

Result<std::unique_ptr<Inbox>> Inbox::start(net::Runtime& runtime, MetricRegistry& metrics, const Clock& clock,
                                            std::string address, uint16_t port, Observer observer) {
  std::unique_ptr<Inbox> inbox(new Inbox(clock, std::move(observer)));
  auto router = std::make_shared<net::Router>();
  for (const std::string_view path : {"/slack", "/webhook", "/ntfy"}) {
    router->add("POST", path, [self = inbox.get()](net::Exchange* exchange) { return self->receive(exchange); });
  }
  router->add("GET", "/messages", [self = inbox.get()](net::Exchange* exchange) { return self->list(exchange); });
  net::ServerOptions options;
  options.address = std::move(address);
  options.port = port;
  SENTINEL_ASSIGN(inbox->server_, net::HttpServer::start(runtime, metrics, options, router));
  return inbox;
}

net::Task<void> Inbox::receive(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  InboxMessage message{request.path, std::string(request.headers.get("idempotency-key")), request.body, clock_.now()};
  {
    MutexLock lock(mutex_);
    if (messages_.size() >= kInboxMessagesMax) messages_.erase(messages_.begin());
    messages_.push_back(message);
  }
  if (observer_) observer_(message);
  (void)co_await exchange->respond(net::text_response(200, "ok"));
}

net::Task<void> Inbox::list(net::Exchange* exchange) {
  json::array items;
  {
    MutexLock lock(mutex_);
    for (const InboxMessage& m : messages_) {
      boost::system::error_code ec;
      json::value body = json::parse(m.body, ec);
      if (ec) body = m.body;
      items.push_back(
          json::object{{"path", m.path}, {"key", m.key}, {"at", format_rfc3339(m.at)}, {"body", std::move(body)}});
    }
  }
  (void)co_await exchange->respond(net::json_response(200, text::serialize(json::object{{"items", std::move(items)}})));
}

}  // namespace sentinel::app
