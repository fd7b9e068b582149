#include "receivers/net_sender.h"

#include <boost/url.hpp>

#include <set>

#include "base/strings.h"
#include "net/url.h"
#include "receivers/limits.h"
#include "receivers/oauth2.h"

namespace sentinel::receivers {
namespace {

using Kind = SendResult::Kind;

// Whatever becomes of the task, its message is answered once.
class Answer {
 public:
  explicit Answer(Sender::Done done) : done_(std::move(done)) {}
  ~Answer() { give({Kind::kRetry, "the attempt was broken off", std::nullopt, ""}); }
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  void give(SendResult result) {
    if (Sender::Done done = std::exchange(done_, nullptr)) done(std::move(result));
  }

 private:
  Sender::Done done_;
};

// One message on its way; owned by its task.
struct Errand {
  std::shared_ptr<Workshop> shop;
  Integration integration;
  std::shared_ptr<const Templates> templates;
  Outgoing message;
  std::shared_ptr<Answer> answer;
  const Receiver& receiver() const { return *integration.impl; }
};

// user:password@ in a URL becomes a header, as Go's client does it.
void move_user_info(net::ClientRequest& request) {
  const size_t start = request.url.find("://");
  if (start == std::string::npos) return;
  const size_t end = std::min(request.url.find_first_of("/?#", start + 3), request.url.size());
  const size_t at = request.url.rfind('@', end);
  if (at == std::string::npos || at < start + 3 || at >= end) return;
  const auto user = url_decode(request.url.substr(start + 3, at - start - 3), false);
  request.url.erase(start + 3, at + 1 - start - 3);
  if (user && !request.headers.has("Authorization")) {
    request.headers.set("Authorization", "Basic " + base64_encode(user->find(':') == user->npos ? *user + ":" : *user));
  }
}

// What goes over the wire for a call; the URL is a secret and stays out of errors.
Result<net::ClientRequest> make_request(const Errand& errand, HttpCall call) {
  const Receiver& receiver = errand.receiver();
  net::ClientRequest request;
  request.method = std::move(call.method);
  request.url = std::move(call.url);
  request.headers = std::move(call.headers);
  if (!request.headers.has("Authorization")) SENTINEL_TRY(authorize(request.headers, receiver.http()));
  request.headers.set("User-Agent", "Sentinel");
  request.headers.set("Idempotency-Key", errand.message.key);
  move_user_info(request);
  if (!net::parse_url(request.url)) return fail(ErrorCode::kInvalidArgument, "the configured address is not a URL");
  request.body = std::move(call.body);
  request.timeouts.connect = kConnectTimeout;
  request.timeouts.total = receiver.timeout().count() > 0 ? receiver.timeout() : kSendTimeout;
  request.timeouts.first_byte = request.timeouts.total;
  request.timeouts.idle = request.timeouts.total;
  return request;
}

// Where the answer sends the request, as Go's client follows it: 301, 302, 303, 307 and 308 with a Location. "" when it
// is none of these or leads to no web address.
std::string redirect_target(const std::string& from, const net::Response& response) {
  const int status = response.status;
  if (status != 301 && status != 302 && status != 303 && status != 307 && status != 308) return "";
  const auto base = boost::urls::parse_uri(from);
  const auto location = boost::urls::parse_uri_reference(response.headers.get("Location"));
  if (!base || !location || response.headers.get("Location").empty()) return "";
  boost::urls::url target;
  if (!boost::urls::resolve(*base, *location, target)) return "";
  const std::string text(target.buffer());
  return text.starts_with("http://") || text.starts_with("https://") ? text : "";
}

// 307 and 308 ask for the same request again; the older ones for the page that answers it.
void turn_to_get(net::ClientRequest& request, int status) {
  if (status == 307 || status == 308) return;
  if (request.method != "GET" && request.method != "HEAD") request.method = "GET";
  request.body.clear();
  for (const char* name : {"Content-Type", "Content-Encoding", "Content-Language", "Content-Location"})
    request.headers.remove(name);
}

std::string origin_of(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  return parsed ? std::string(parsed->scheme()) + "://" + std::string(parsed->encoded_host_and_port()) : "";
}

// Credentials are for the host they were given for; the configured ones, and those a receiver set itself.
void drop_credentials(net::Headers& headers, const HttpConfig& config) {
  for (const char* name : {"Authorization", "X-Auth-Token", "X-User-Id", "X-Amz-Security-Token"}) headers.remove(name);
  for (const HttpHeader& header : config.headers) headers.remove(header.name);
}

// Adds what an OAuth2 server gives; nothing without one.
net::Task<Status> add_oauth2(Errand* errand, net::Headers* headers) {
  const auto& config = errand->receiver().http().oauth2;
  if (!config || headers->has("Authorization")) co_return Status();
  const Result<std::string> token = co_await oauth2_authorization(errand->shop.get(), &*config);
  if (!token) co_return fail(token.error());
  headers->set("Authorization", *token);
  co_return Status();
}

// The answer with the start of its body. What a server says beyond that changes nothing.
net::Task<Result<net::Response>> fetch_start(net::HttpClient* client, net::ClientRequest request) {
  auto sent = co_await client->send(std::move(request));
  if (!sent) co_return fail(sent.error());
  net::Response response;
  response.status = (*sent)->status();
  response.headers = (*sent)->headers();
  while (response.body.size() < kResponseBytesMax) {
    const Result<std::string> chunk = co_await (*sent)->next_chunk();
    if (!chunk) co_return fail(chunk.error());
    if (chunk->empty()) break;
    response.body += *chunk;
  }
  co_return response;
}

// One call with its redirects.
net::Task<Result<net::Response>> exchange(Errand* errand, HttpCall call) {
  const HttpConfig& http = errand->receiver().http();
  Result<net::ClientRequest> request = make_request(*errand, std::move(call));
  if (!request) co_return fail(request.error());
  SENTINEL_CO_TRY(co_await add_oauth2(errand, &request->headers));
  for (int hop = 0;; ++hop) {
    Result<net::TransportOptions> options = transport_options(http.tls, http.proxy, request->url);
    if (!options) co_return fail(options.error());
    auto transport = errand->shop->transport(std::move(*options));
    if (!transport) co_return fail(transport.error());
    request->transport = std::move(*transport);
    Result<net::Response> response = co_await fetch_start(&errand->shop->client, *request);
    if (!response) co_return fail(response.error());
    if (response->status == 401 && http.oauth2) forget_oauth2_token(*errand->shop, *http.oauth2);
    const std::string target = http.follow_redirects ? redirect_target(request->url, *response) : "";
    if (target.empty()) co_return response;
    if (hop == kRedirectsMax)
      co_return fail(ErrorCode::kIo, "stopped after " + std::to_string(kRedirectsMax) + " redirects");
    turn_to_get(*request, response->status);
    if (origin_of(target) != origin_of(request->url)) drop_credentials(request->headers, http);
    request->url = target;
  }
}

bool may_pass(const Error& error) {
  return error.code() == ErrorCode::kIo || error.code() == ErrorCode::kTimeout ||
         error.code() == ErrorCode::kUnavailable || error.code() == ErrorCode::kCanceled;
}

Next network_failure(const Error& error) { return may_pass(error) ? retry(error.to_string()) : failed(error); }

// Asks until the receiver has its answer.
net::Task<SendResult> converse(Errand* errand, Attempt* attempt) {
  Next next = errand->receiver().begin(*attempt);
  for (size_t calls = 0; next.call || next.mail; ++calls) {
    if (calls == kCallsMax) co_return failed({ErrorCode::kInternal, "too many calls for one message"}).result;
    if (next.mail) {
      const Status sent = co_await net::send_mail(std::move(*next.mail));
      next = sent ? done() : network_failure(sent.error());
      continue;
    }
    const auto judge = std::move(next.then);
    const Result<net::Response> response = co_await exchange(errand, std::move(*next.call));
    next = response ? judge(*response) : network_failure(response.error());
  }
  co_return std::move(next.result);
}

// Only receivers that ask for it go to the database.
net::Task<std::string> recall(Errand* errand, std::string group_key) {
  const std::shared_ptr<Memory> memory = errand->shop->memory;
  if (memory == nullptr || !errand->receiver().remembers()) co_return std::string();
  const auto load = [memory, id = errand->message.integration, group_key] { return memory->load(id, group_key); };
  co_return co_await net::blocking(&errand->shop->runtime, load);
}

net::Task<void> remember(Errand* errand, std::string group_key, std::string value) {
  const std::shared_ptr<Memory> memory = errand->shop->memory;
  if (memory == nullptr || value.empty()) co_return;
  const auto store = [memory, id = errand->message.integration, group_key, value] {
    memory->store(id, group_key, value);
    return true;
  };
  (void)co_await net::blocking(&errand->shop->runtime, store);
}

// Whoever is asked too often is left alone by all messages, not only by this one.
void respect(Errand& errand, const SendResult& result) {
  if (result.kind != Kind::kRetry || !result.retry_after) return;
  errand.shop->rates.pause(errand.message.integration, errand.shop->clock.now() + *result.retry_after);
}

net::Task<void> attempt(std::shared_ptr<Errand> errand) {
  const Result<Notification> notification = decode_notification(errand->message.payload);
  if (!notification) {
    errand->answer->give(failed(notification.error()).result);
    co_return;
  }
  const TimePoint now = errand->shop->clock.now();
  Expander expand(errand->templates, *notification);
  Attempt here{*notification, expand, errand->shop->tokens, now, errand->message.key, ""};
  here.remembered = co_await recall(errand.get(), notification->group_key);
  SendResult result = co_await converse(errand.get(), &here);
  respect(*errand, result);
  if (result.kind == Kind::kDelivered) co_await remember(errand.get(), notification->group_key, result.remember);
  errand->answer->give(std::move(result));
}

}  // namespace

Result<std::shared_ptr<const net::Transport>> Workshop::transport(net::TransportOptions options) {
  if (options.plain()) return std::shared_ptr<const net::Transport>();
  const std::string key = options.key();
  {
    const MutexLock lock(mutex_);
    if (const auto it = transports_.find(key); it != transports_.end()) return it->second;
  }
  SENTINEL_ASSIGN(std::shared_ptr<const net::Transport> made, net::make_transport(std::move(options)));
  const MutexLock lock(mutex_);
  if (transports_.size() >= kTransportsMax) transports_.clear();
  return transports_[key] = std::move(made);
}

NetSender::NetSender(net::Runtime& runtime, net::HttpClient& client, const Clock& clock, std::shared_ptr<Memory> memory)
    : shop_(std::make_shared<Workshop>(runtime, client, clock)), directory_(std::make_shared<const Directory>()) {
  shop_->memory = std::move(memory);
}

Result<NetSender::Prepared> NetSender::prepare(const std::vector<ReceiverConfig>& receivers,
                                               const std::vector<std::string>& template_globs) const {
  auto directory = std::make_shared<Directory>();
  SENTINEL_ASSIGN(directory->templates, Templates::load(template_globs, shop_->clock));
  for (const ReceiverConfig& receiver : receivers) {
    for (const Integration& integration : receiver.integrations) {
      directory->integrations.emplace(integration.id(), integration);
    }
  }
  return Prepared(std::move(directory));
}

void NetSender::install(Prepared receivers) {
  const Prepared before = directory_.exchange(receivers);
  for (const auto& [id, integration] : before->integrations) {
    if (!receivers->integrations.contains(id)) shop_->rates.forget(id);
  }
}

Status NetSender::configure(const std::vector<ReceiverConfig>& receivers,
                            const std::vector<std::string>& template_globs) {
  SENTINEL_ASSIGN(Prepared prepared, prepare(receivers, template_globs));
  install(std::move(prepared));
  return {};
}

void NetSender::send(Outgoing message, Done done) {
  const std::shared_ptr<const Directory> directory = directory_.load();
  const auto it = directory->integrations.find(message.integration);
  if (it == directory->integrations.end()) {
    return done({Kind::kFailed, "receiver " + message.integration + " is not in the configuration any more", {}, {}});
  }
  const Rate rate = rate_of(it->second.kind);
  if (const auto wait = shop_->rates.take(message.integration, rate, shop_->clock.now())) {
    return done({Kind::kRetry, "held back: this receiver is asked often enough", *wait, "", true});
  }
  auto errand = std::make_shared<Errand>();
  errand->shop = shop_;
  errand->integration = it->second;
  errand->templates = directory->templates;
  errand->message = std::move(message);
  errand->answer = std::make_shared<Answer>(std::move(done));
  net::Runtime& runtime = shop_->runtime;
  runtime.spawn(runtime.any_core(), "notify", attempt(std::move(errand)));
}

}  // namespace sentinel::receivers
