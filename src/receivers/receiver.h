#pragma once
// A receiver is what is particular to one kind of integration: what to ask over HTTP, and what the answer means.
// Sending, credentials, redirects, time limits and retries are the same for all (net_sender.h, alerting/delivery.h).
// Immutable; used from any thread.

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"
#include "receivers/config.h"
#include "receivers/notification.h"
#include "receivers/sender.h"
#include "receivers/templates.h"

namespace sentinel::receivers {

struct HttpPost {
  std::string url;
  net::Headers headers;
  std::string body;
  Millis timeout{0};  // 0: the default
};

class Receiver {
 public:
  virtual ~Receiver() = default;
  // An error is final: the same message would fail again.
  virtual Result<HttpPost> post(const Notification& notification) const = 0;
  virtual SendResult judge(const net::Response& response) const = 0;
  virtual const HttpConfig& http() const = 0;
};

std::shared_ptr<const Receiver> make_webhook(WebhookConfig config);
std::shared_ptr<const Receiver> make_slack(SlackConfig config, std::shared_ptr<const Templates> templates);
std::shared_ptr<const Receiver> make_receiver(const Integration& integration,
                                              std::shared_ptr<const Templates> templates);

// 2xx: delivered. 429 and 5xx: retry, after what Retry-After asks for. All else: never.
SendResult judge_status(const net::Response& response);
// The value of a secret, without the line ends of its file.
Result<std::string> read_secret(const Secret& secret);
// Sets the Authorization header that `config` asks for.
Status authorize(net::Headers& headers, const HttpConfig& config);
// The start of an answer's body on one line, for an error message.
std::string shown_body(std::string_view body);

}  // namespace sentinel::receivers
