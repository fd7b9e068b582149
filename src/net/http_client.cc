#include "net/http_client.h"

#include <future>
#include <unordered_map>

#include <boost/asio/ip/tcp.hpp>

#include "base/log.h"
#include "base/strings.h"
#include "net/client_connection.h"
#include "net/http2.h"
#include "net/limits.h"
#include "net/transport_impl.h"

namespace sentinel::net {
namespace {

using asio::ip::tcp;
using Resolver = asio::ip::basic_resolver<tcp, Executor>;

// Name to addresses for one core, remembered for kDnsTtl. Asio resolves on a thread of its own.
class DnsCache {
 public:
  explicit DnsCache(asio::io_context& core) : resolver_(core.get_executor()) {}

  // The deadline of the connection does not run here: the system's resolver has its own.
  Task<Result<std::vector<tcp::endpoint>>> resolve(const Url* url) {
    SysError error;
    const auto literal = asio::ip::make_address(url->host, error);
    if (!error) co_return std::vector<tcp::endpoint>{{literal, url->port}};
    const std::string key = url->host + ":" + std::to_string(url->port);
    const int64_t now = Deadline::now_ms();
    if (auto it = entries_.find(key); it != entries_.end() && it->second.good_until_ms > now)
      co_return it->second.endpoints;
    auto [failed, results] = co_await resolver_.async_resolve(url->host, std::to_string(url->port), use_tuple);
    if (failed) co_return fail(ErrorCode::kIo, "cannot resolve " + url->host + ": " + failed.message());
    Entry entry{{}, now + kDnsTtl.count()};
    for (const auto& result : results) entry.endpoints.push_back(result.endpoint());
    if (entries_.size() >= kDnsEntriesMax) entries_.clear();
    entries_[key] = entry;
    co_return entry.endpoints;
  }

 private:
  struct Entry {
    std::vector<tcp::endpoint> endpoints;
    int64_t good_until_ms = 0;
  };
  Resolver resolver_;
  std::unordered_map<std::string, Entry> entries_;
};

using ConnectionPtr = std::unique_ptr<ClientConnection>;

// What one core has: its idle connections and names.
struct CorePool {
  explicit CorePool(asio::io_context& context) : core(context), dns(context) {}
  asio::io_context& core;
  DnsCache dns;
  std::unordered_map<std::string, std::vector<ConnectionPtr>> idle;  // by origin, the newest last
  std::unordered_map<std::string, std::vector<std::shared_ptr<Http2Connection>>> http2;

  // One that takes another stream; null: there is none.
  std::shared_ptr<Http2Connection> find_http2(const std::string& origin) {
    const auto it = http2.find(origin);
    if (it == http2.end()) return nullptr;
    std::erase_if(it->second, [](const auto& c) { return c->closed(); });
    const auto found = std::find_if(it->second.begin(), it->second.end(), [](const auto& c) { return c->usable(); });
    return found == it->second.end() ? nullptr : *found;
  }
  void close_http2() {
    for (auto& [origin, connections] : http2) {
      for (const auto& connection : connections) connection->close(Error(ErrorCode::kCanceled, "canceled"));
    }
    http2.clear();
  }
};

}  // namespace

struct HttpClient::Impl {
  Impl(Runtime& rt, MetricRegistry& metrics, ClientOptions opts)
      : runtime(rt),
        options(std::move(opts)),
        tls(asio::ssl::context::tls_client),
        opened(metrics.counter("sentinel_net_client_connections_opened_total", "Outbound connections made.")),
        reused(metrics.counter("sentinel_net_client_connections_reused_total", "Exchanges on a pooled connection.")),
        stale(metrics.counter("sentinel_net_client_stale_retries_total",
                              "Requests sent again: the pooled connection was dead.")) {
    for (size_t i = 0; i < runtime.cores(); ++i) pools.push_back(std::make_shared<CorePool>(runtime.core(i)));
    SysError error;
    if (options.ca_file.empty()) {
      tls.set_default_verify_paths(error);
    } else {
      tls.load_verify_file(options.ca_file, error);
    }
    if (error) log_error("net", "cannot load certificate authorities", {{"error", error.message()}});
    tls.set_verify_mode(options.verify_tls ? asio::ssl::verify_peer : asio::ssl::verify_none, error);
    SSL_CTX_set_min_proto_version(tls.native_handle(), TLS1_2_VERSION);
  }

  ConnectionPtr take_idle(CorePool& pool, const std::string& origin);
  static void give_back(const std::shared_ptr<CorePool>& pool, ConnectionPtr connection, const ClientOptions& options);
  std::shared_ptr<Http2Connection> adopt_http2(CorePool& pool, ConnectionPtr connection);
  Task<Result<std::unique_ptr<ClientResponse>>> exchange_http2(CorePool* pool, const ClientRequest* request,
                                                               const Url* url, std::shared_ptr<Http2Connection> on,
                                                               int64_t total_due_ms, bool* may_retry);

  Runtime& runtime;
  ClientOptions options;
  asio::ssl::context tls;
  Counter& opened;
  Counter& reused;
  Counter& stale;
  std::vector<std::shared_ptr<CorePool>> pools;
};

ConnectionPtr HttpClient::Impl::take_idle(CorePool& pool, const std::string& origin) {
  const auto it = pool.idle.find(origin);
  if (it == pool.idle.end()) return nullptr;
  while (!it->second.empty()) {
    ConnectionPtr connection = std::move(it->second.back());
    it->second.pop_back();
    connection->unpark();
    if (connection->still_good()) return connection;
  }
  return nullptr;
}

void HttpClient::Impl::give_back(const std::shared_ptr<CorePool>& pool, ConnectionPtr connection,
                                 const ClientOptions& options) {
  auto& idle = pool->idle[connection->origin()];
  if (idle.size() >= options.idle_connections_per_origin) return;
  ClientConnection* raw = connection.get();
  idle.push_back(std::move(connection));
  raw->park(
      [pool = pool.get(), raw] {
        auto& mine = pool->idle[raw->origin()];
        std::erase_if(mine, [raw](const ConnectionPtr& c) { return c.get() == raw; });
      },
      options.idle_connection_max_age);
}

// When another call has made one meanwhile, that is used, and this one closes when it dies.
std::shared_ptr<Http2Connection> HttpClient::Impl::adopt_http2(CorePool& pool, ConnectionPtr connection) {
  const std::string origin = connection->origin();
  if (auto other = pool.find_http2(origin)) return other;
  auto made = std::make_shared<Http2Connection>(pool.core, std::move(connection), options.idle_connection_max_age);
  made->start(runtime);
  pool.http2[origin].push_back(made);
  return made;
}

Task<Result<std::unique_ptr<ClientResponse>>> HttpClient::Impl::exchange_http2(CorePool* pool,
                                                                               const ClientRequest* request,
                                                                               const Url* url,
                                                                               std::shared_ptr<Http2Connection> on,
                                                                               int64_t total_due_ms, bool* may_retry) {
  auto exchange = std::make_unique<Http2Exchange>(pool->core, std::move(on), *request, total_due_ms);
  const Status begun = co_await exchange->begin(request, url);
  if (begun) co_return std::unique_ptr<ClientResponse>(std::move(exchange));
  *may_retry = exchange->may_retry();
  co_return fail(begun.error());
}

namespace {

// One exchange whose head has arrived. Gives its connection back to the pool with the last byte.
class Exchanged final : public ClientResponse {
 public:
  using GiveBack = void (*)(const std::shared_ptr<CorePool>&, ConnectionPtr, const ClientOptions&);
  Exchanged(std::shared_ptr<CorePool> pool, ConnectionPtr connection, const ClientRequest& request,
            const ClientOptions* options, GiveBack give_back)
      : pool_(std::move(pool)),
        connection_(std::move(connection)),
        options_(options),
        give_back_(give_back),
        cancel_(request.cancel),
        body_left_(request.body_bytes_max) {}
  ~Exchanged() override {
    if (cancel_ != nullptr) cancel_->on_cancel(nullptr, this);
  }

  int status() const override { return status_; }
  const Headers& headers() const override { return headers_; }
  void set_idle_timeout(Millis idle) override {
    if (connection_) connection_->set_idle_timeout(idle);
  }
  void cancel() override {
    canceled_ = true;
    if (connection_) connection_->cancel();
  }

  Task<Result<std::string>> next_chunk() override {
    if (!connection_) {
      if (canceled_) co_return fail(ErrorCode::kCanceled, "canceled");
      if (failed_) co_return fail(*failed_);
      co_return std::string();
    }
    auto chunk = co_await connection_->next_chunk();
    if (!chunk) {
      fail_with(chunk.error());
    } else if (chunk->size() > body_left_) {
      fail_with(Error(ErrorCode::kTooLarge, "the server's answer is too large"));
      co_return fail(*failed_);
    } else {
      body_left_ -= chunk->size();
      release_if_done();
    }
    co_return chunk;
  }

  Task<Result<std::string>> read_all() override {
    std::string body;
    while (true) {
      auto chunk = co_await next_chunk();
      if (!chunk) co_return chunk;
      if (chunk->empty()) co_return body;
      if (body.empty()) {
        body = std::move(*chunk);
      } else {
        body += *chunk;
      }
      if (!connection_) co_return body;
    }
  }

  // Called by send() when the head is there.
  void started() { release_if_done(); }
  int status_ = 0;
  Headers headers_;
  ConnectionPtr& connection() { return connection_; }

 private:
  void fail_with(Error error) {
    failed_ = std::move(error);
    connection_.reset();
  }
  void release_if_done() {
    if (!connection_ || !connection_->body_done()) return;
    ConnectionPtr done = std::move(connection_);
    if (done->reusable()) give_back_(pool_, std::move(done), *options_);
  }

  std::shared_ptr<CorePool> pool_;
  ConnectionPtr connection_;
  const ClientOptions* options_;
  GiveBack give_back_;
  std::shared_ptr<CancelToken> cancel_;
  std::optional<Error> failed_;
  size_t body_left_;
  bool canceled_ = false;
};

// A plain request through a proxy names the whole target and carries what the proxy asks for.
std::string make_head(const ClientRequest& request, const Url& url) {
  const Transport* transport = request.transport.get();
  const bool to_proxy = transport != nullptr && transport->proxy && !url.tls;
  std::string head;
  head.reserve(512 + (request.body.size() <= kGatherBytesMax ? request.body.size() : 0));
  head += request.method;
  head += ' ';
  if (to_proxy) head += "http://" + url.authority();
  head += url.target;
  head += " HTTP/1.1\r\n";
  if (to_proxy && !transport->proxy_authorization.empty()) {
    append_header(head, "proxy-authorization", transport->proxy_authorization);
  }
  if (!request.headers.has("host")) append_header(head, "host", url.authority());
  append_headers(head, request.headers);
  if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) {
    append_header(head, "content-length", std::to_string(request.body.size()));
  }
  head += "\r\n";
  return head;
}

Error canceled_error() { return {ErrorCode::kCanceled, "canceled"}; }

}  // namespace

HttpClient::HttpClient(Runtime& runtime, MetricRegistry& metrics, ClientOptions options)
    : impl_(std::make_unique<Impl>(runtime, metrics, std::move(options))) {}

HttpClient::~HttpClient() {
  // Idle connections are armed on their core's wheel: they must go there, unless the cores have ended.
  if (impl_->runtime.stopping()) return;
  for (auto& pool : impl_->pools) {
    std::promise<void> gone;
    asio::post(pool->core, [&] {
      pool->idle.clear();
      pool->close_http2();
      gone.set_value();
    });
    gone.get_future().wait();
  }
}

Task<Result<std::unique_ptr<ClientResponse>>> HttpClient::send(ClientRequest request) {
  auto parsed = parse_url(request.url);
  if (!parsed) co_return fail(parsed.error());
  const Url url = std::move(*parsed);
  auto& context = static_cast<asio::io_context&>((co_await asio::this_coro::executor).context());
  const size_t core = impl_->runtime.index_of(context);
  if (core == impl_->pools.size()) co_return fail(ErrorCode::kInternal, "not called on a core of the client's runtime");
  auto& pool = impl_->pools[core];
  const int64_t total_due_ms = Deadline::now_ms() + request.timeouts.total.count();
  const Transport* transport = request.transport.get();
  const std::string origin = transport == nullptr ? url.origin() : url.origin() + "|" + transport->key;
  const Url& peer = transport != nullptr && transport->proxy ? *transport->proxy : url;
  std::string head = make_head(request, url);
  const size_t head_size = head.size();

  const bool http2 = request.http2 && url.tls && transport == nullptr;
  for (bool may_reuse = true;; may_reuse = false) {
    if (request.cancel != nullptr && request.cancel->canceled()) co_return fail(canceled_error());
    if (auto shared = http2 && may_reuse ? impl_->pools[core]->find_http2(origin) : nullptr) {
      impl_->reused.add();
      bool may_retry = false;
      auto answer =
          co_await impl_->exchange_http2(pool.get(), &request, &url, std::move(shared), total_due_ms, &may_retry);
      if (answer || !may_retry) co_return answer;
      impl_->stale.add();
      continue;
    }
    ConnectionPtr connection = may_reuse ? impl_->take_idle(*pool, origin) : nullptr;
    const bool reused = connection != nullptr;
    if (!reused) connection = std::make_unique<ClientConnection>(context, origin);
    if (http2 && !reused) connection->offer_http2();
    (reused ? impl_->reused : impl_->opened).add();
    ClientConnection* raw = connection.get();
    // From here on the exchange owns the connection, and its destructor takes the token's callback away.
    auto exchange =
        std::make_unique<Exchanged>(pool, std::move(connection), request, &impl_->options, &Impl::give_back);
    if (request.cancel != nullptr) request.cancel->on_cancel([e = exchange.get()] { e->cancel(); }, exchange.get());

    Status status;
    if (!reused) {
      auto endpoints = co_await pool->dns.resolve(&peer);
      if (request.cancel != nullptr && request.cancel->canceled()) co_return fail(canceled_error());
      if (!endpoints) co_return fail(endpoints.error());
      status = co_await raw->connect(std::move(*endpoints), &url, &impl_->tls, transport, request.timeouts.connect);
      if (!status) co_return fail(status.error());
      if (raw->speaks_http2()) {
        if (request.cancel != nullptr) request.cancel->on_cancel(nullptr, exchange.get());
        auto made = impl_->adopt_http2(*pool, std::move(exchange->connection()));
        bool may_retry = false;
        co_return co_await impl_->exchange_http2(pool.get(), &request, &url, std::move(made), total_due_ms, &may_retry);
      }
    }
    raw->begin(request.timeouts, total_due_ms);
    head.resize(head_size);
    status = co_await raw->send(&head, &request.body);
    if (status) status = co_await raw->read_head(&exchange->status_, &exchange->headers_, request.method);
    if (status) {
      exchange->started();
      co_return std::unique_ptr<ClientResponse>(std::move(exchange));
    }
    if (!reused || raw->any_byte_received() || status.error().code() != ErrorCode::kIo) co_return fail(status.error());
    impl_->stale.add();
  }
}

Task<Result<Response>> HttpClient::fetch(ClientRequest request) {
  auto sent = co_await send(std::move(request));
  if (!sent) co_return fail(sent.error());
  auto body = co_await (*sent)->read_all();
  if (!body) co_return fail(body.error());
  Response response;
  response.status = (*sent)->status();
  response.headers = (*sent)->headers();
  response.body = std::move(*body);
  co_return response;
}

namespace {

Task<void> fetch_into(HttpClient* client, ClientRequest request, std::promise<Result<Response>>* promise) {
  promise->set_value(co_await client->fetch(std::move(request)));
}

}  // namespace

Result<Response> fetch_blocking(ClientRequest request) {
  Runtime runtime({.cores = 1, .blocking_threads = 1});
  MetricRegistry metrics;
  HttpClient client(runtime, metrics, {});
  std::promise<Result<Response>> promise;
  auto future = promise.get_future();
  runtime.spawn(runtime.core(0), "fetch", fetch_into(&client, std::move(request), &promise));
  auto result = future.get();
  runtime.stop();
  return result;
}

}  // namespace sentinel::net
