#pragma once
// A receiver is what is particular to one kind of integration: what its entry in alertmanager.yml may say, which
// requests to make of a notification, and what the answers mean. Sending, credentials, redirects, time limits, rates
// and retries are the same for all (net_sender.h, alerting/delivery.h). Immutable; used from any thread.

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"
#include "net/smtp.h"
#include "receivers/config.h"
#include "receivers/globals.h"
#include "receivers/http_config.h"
#include "receivers/notification.h"
#include "receivers/sender.h"
#include "receivers/templates.h"
#include "receivers/token_cache.h"

namespace sentinel::receivers {

struct HttpCall {
  std::string url;
  std::string body = {};
  std::string method = "POST";
  net::Headers headers = {};
};

// What is to be done next: a call whose answer `then` judges, a mail to hand over, or nothing more: `result`.
struct Next {
  std::optional<HttpCall> call;
  std::function<Next(const net::Response&)> then;
  std::optional<net::SmtpJob> mail;
  SendResult result;
};

// One attempt to tell of one notification. Lives until the attempt has ended, in the hands of one task at a time.
struct Attempt {
  const Notification& notification;
  Expander& expand;
  TokenCache& tokens;
  TimePoint now;
  std::string key;         // of the message in the outbox: the same for every attempt
  std::string remembered;  // what an earlier message of the same group left behind (SendResult::remember), or ""
};

class Receiver {
 public:
  virtual ~Receiver() = default;
  // What `begin` and `then` refer to stays while the attempt runs: this object, and `attempt`.
  virtual Next begin(Attempt& attempt) const = 0;
  // Whether messages of a group leave something behind for the next.
  virtual bool remembers() const { return false; }

  // Whether one message may tell of several groups: people read it, and it goes to the same place for all of them.
  virtual bool digestible() const { return false; }

  bool send_resolved() const { return send_resolved_; }
  const HttpConfig& http() const { return http_; }
  Millis timeout() const { return timeout_; }  // of one call; 0: the default

 protected:
  explicit Receiver(bool send_resolved) : send_resolved_(send_resolved) {}
  // The table of a kind with what all kinds have: send_resolved and http_config, which falls back to the global one.
  Status read(const text::YamlNode& node, std::string_view what, const Globals& globals, Fields fields);

  // None of them is a template.
  static bool fixed(std::initializer_list<std::string_view> texts);

  HttpConfig http_;
  Millis timeout_{0};

 private:
  bool send_resolved_;
};

// The ends of an attempt.
Next done(SendResult result = {});
Next failed(const Error& error);  // for good
Next retry(std::string error);    // may work later
// One more call.
Next ask(HttpCall call, std::function<Next(const net::Response&)> then);
HttpCall json_call(std::string url, std::string body);

// 2xx: delivered. 429, 5xx and `also_retried`: retry, after what Retry-After asks for. All else: never. `details` are
// what the error says of the answer; the start of its body when there are none.
SendResult judge_status(const net::Response& response, TimePoint now, int also_retried = 0,
                        const std::optional<std::string>& details = std::nullopt);
// The most common receiver: one call, judged by its status alone.
Next ask_once(HttpCall call, TimePoint now);
// The start of an answer's body on one line, for an error message.
std::string shown_body(std::string_view body);
// Retry-After: seconds, or an HTTP date. Held between 0 and kRetryAfterMax.
std::optional<Micros> parse_retry_after(std::string_view text, TimePoint now);

}  // namespace sentinel::receivers
