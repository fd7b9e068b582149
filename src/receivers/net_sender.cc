#include "receivers/net_sender.h"

#include <boost/url.hpp>

#include "receivers/limits.h"

namespace sentinel::receivers {
namespace {

// Whatever becomes of the task, its message is answered once.
class Answer {
 public:
  explicit Answer(Sender::Done done) : done_(std::move(done)) {}
  ~Answer() { give({SendResult::Kind::kRetry, "the attempt was broken off", std::nullopt}); }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  void give(SendResult result) {
    if (Sender::Done done = std::exchange(done_, nullptr)) done(std::move(result));
  }

 private:
  Sender::Done done_;
};

SendResult failed(const Error& error) { return {SendResult::Kind::kFailed, error.to_string(), std::nullopt}; }

Result<net::ClientRequest> make_request(const Receiver& receiver, const Outgoing& message) {
  SENTINEL_ASSIGN(const Notification notification, decode_notification(message.payload));
  SENTINEL_ASSIGN(HttpPost post, receiver.post(notification));
  SENTINEL_TRY(authorize(post.headers, receiver.http()));
  net::ClientRequest request;
  request.method = "POST";
  request.url = std::move(post.url);
  request.headers = std::move(post.headers);
  request.headers.set("User-Agent", "Sentinel");
  request.headers.set("Idempotency-Key", message.key);
  request.body = std::move(post.body);
  request.body_bytes_max = kResponseBytesMax;
  request.timeouts.connect = kConnectTimeout;
  request.timeouts.total = post.timeout.count() > 0 ? post.timeout : kSendTimeout;
  request.timeouts.first_byte = request.timeouts.total;
  request.timeouts.idle = request.timeouts.total;
  return request;
}

// Where a 307 or 308 sends the same request; "" when it is none or leads nowhere.
std::string redirect_target(const std::string& from, const net::Response& response) {
  if (response.status != 307 && response.status != 308) return "";
  const auto base = boost::urls::parse_uri(from);
  const auto location = boost::urls::parse_uri_reference(response.headers.get("Location"));
  if (!base || !location) return "";
  boost::urls::url target;
  if (!boost::urls::resolve(*base, *location, target)) return "";
  const std::string text(target.buffer());
  return text.starts_with("http://") || text.starts_with("https://") ? text : "";
}

std::string origin_of(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  return parsed ? std::string(parsed->scheme()) + "://" + std::string(parsed->encoded_host_and_port()) : "";
}

net::Task<void> attempt(net::HttpClient* client, std::shared_ptr<const Receiver> receiver, Outgoing message,
                        std::shared_ptr<Answer> answer) {
  Result<net::ClientRequest> request = make_request(*receiver, message);
  if (!request) {
    answer->give(failed(request.error()));
    co_return;
  }
  for (int hop = 0;; ++hop) {
    const Result<net::Response> response = co_await client->fetch(*request);
    if (!response) {
      answer->give({SendResult::Kind::kRetry, response.error().to_string(), std::nullopt});
      co_return;
    }
    const std::string target =
        receiver->http().follow_redirects && hop < kRedirectsMax ? redirect_target(request->url, *response) : "";
    if (target.empty()) {
      answer->give(receiver->judge(*response));
      co_return;
    }
    // Credentials are for the host they were given for.
    if (origin_of(target) != origin_of(request->url)) request->headers.remove("Authorization");
    request->url = target;
  }
}

}  // namespace

NetSender::NetSender(net::Runtime& runtime, net::HttpClient& client, const Clock& clock)
    : runtime_(runtime), client_(client), clock_(clock), directory_(std::make_shared<const Directory>()) {}

Result<NetSender::Prepared> NetSender::prepare(const std::vector<ReceiverConfig>& receivers,
                                               const std::vector<std::string>& template_globs) const {
  SENTINEL_ASSIGN(const std::shared_ptr<const Templates> templates, Templates::load(template_globs, clock_));
  auto directory = std::make_shared<Directory>();
  for (const ReceiverConfig& receiver : receivers) {
    for (const Integration& integration : receiver.integrations) {
      directory->emplace(integration.id(), make_receiver(integration, templates));
    }
  }
  return Prepared(std::move(directory));
}

void NetSender::install(Prepared receivers) { directory_.store(std::move(receivers)); }

Status NetSender::configure(const std::vector<ReceiverConfig>& receivers,
                            const std::vector<std::string>& template_globs) {
  SENTINEL_ASSIGN(Prepared prepared, prepare(receivers, template_globs));
  install(std::move(prepared));
  return {};
}

void NetSender::send(Outgoing message, Done done) {
  const std::shared_ptr<const Directory> directory = directory_.load();
  const auto it = directory->find(message.integration);
  if (it == directory->end()) {
    return done(
        {SendResult::Kind::kFailed, "receiver " + message.integration + " is not in the configuration any more", {}});
  }
  auto answer = std::make_shared<Answer>(std::move(done));
  runtime_.spawn(runtime_.any_core(), "notify", attempt(&client_, it->second, std::move(message), std::move(answer)));
}

}  // namespace sentinel::receivers
