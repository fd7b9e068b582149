#include "net/http_server.h"

#include <condition_variable>
#include <future>
#include <list>
#include <mutex>

#include <boost/asio/ip/tcp.hpp>

#include "base/log.h"
#include "base/strings.h"
#include "net/limits.h"
#include "net/server_connection.h"

namespace sentinel::net {
namespace {

using asio::ip::tcp;
using ReusePort = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

std::string peer_text(const tcp::endpoint& endpoint) {
  const auto address = endpoint.address();
  const std::string host = address.is_v6() ? "[" + address.to_string() + "]" : address.to_string();
  return host + ":" + std::to_string(endpoint.port());
}

class Server final : public HttpServer {
 public:
  Server(Runtime& runtime, MetricRegistry& metrics, ServerOptions options, std::shared_ptr<const Router> router);
  ~Server() override;

  Status listen();
  void accept_on_all_cores();
  uint16_t port() const override { return port_; }
  void set_connection_options(ConnectionOptions options) override;
  void stop(Millis grace) override;
  std::vector<ActiveRequest> active_requests() const override;

 private:
  struct Core {
    Core(asio::io_context& io, TcpAcceptor socket) : context(io), acceptor(std::move(socket)) {}
    asio::io_context& context;
    TcpAcceptor acceptor;
    std::list<ServerConnection*> connections;
  };

  Result<TcpAcceptor> open(asio::io_context& context, tcp::endpoint endpoint, bool first);
  Task<void> accept_loop(Core* core);
  Task<void> serve_connection(Core* core, TcpSocket socket, std::string peer);
  void task_ended();
  void post_to_cores(void (*what)(Core&));
  bool wait_for_end(Millis limit);

  Runtime& runtime_;
  ServerShared shared_;
  Gauge& connections_gauge_;
  Counter& refused_;
  std::vector<std::unique_ptr<Core>> cores_;
  std::atomic<size_t> connection_count_{0};
  std::atomic<size_t> open_tasks_{0};  // connections, accept loops, and what stop() posted
  std::mutex mutex_;
  std::condition_variable ended_;
  bool stopped_ = false;
  uint64_t stop_hook_ = 0;
  uint16_t port_ = 0;
};

Server::Server(Runtime& runtime, MetricRegistry& metrics, ServerOptions options, std::shared_ptr<const Router> router)
    : runtime_(runtime),
      connections_gauge_(metrics.gauge("sentinel_net_server_connections", "Open inbound connections.")),
      refused_(metrics.counter("sentinel_net_server_refused_connections_total", "Connections closed at the limit.")) {
  set_connection_options(std::move(options.connections));
  shared_.options = std::move(options);
  shared_.router = std::move(router);
  shared_.requests = &metrics.counter("sentinel_net_server_requests_total", "Requests read.");
  shared_.bad_requests = &metrics.counter("sentinel_net_server_bad_requests_total", "Requests refused as malformed.");
}

Server::~Server() { stop(Millis(0)); }

void Server::set_connection_options(ConnectionOptions options) {
  auto front = std::make_shared<ServerShared::Front>();
  front->tls = std::move(options.tls);
  append_headers(front->head, options.headers);
  MutexLock lock(shared_.mutex);
  shared_.current = std::move(front);
}

// Cores share the port with SO_REUSEPORT, which would also let a second process in unnoticed. So the first acceptor
// takes the port for itself and opens it to the others only then.
Result<TcpAcceptor> Server::open(asio::io_context& context, tcp::endpoint endpoint, bool first) {
  TcpAcceptor acceptor(context.get_executor());
  SysError error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error && !first) acceptor.set_option(ReusePort(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error && first) acceptor.set_option(ReusePort(true), error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    return fail(ErrorCode::kUnavailable, "cannot listen on " + peer_text(endpoint) + ": " + error.message());
  }
  return acceptor;
}

Status Server::listen() {
  SysError error;
  const auto address = asio::ip::make_address(shared_.options.address, error);
  if (error) return fail(ErrorCode::kInvalidArgument, "not an IP address to listen on: " + shared_.options.address);
  tcp::endpoint endpoint(address, shared_.options.port);
  for (size_t i = 0; i < runtime_.cores(); ++i) {
    SENTINEL_ASSIGN(auto acceptor, open(runtime_.core(i), endpoint, i == 0));
    if (i == 0) endpoint = acceptor.local_endpoint(error);
    cores_.push_back(std::make_unique<Core>(runtime_.core(i), std::move(acceptor)));
  }
  port_ = endpoint.port();
  return {};
}

void Server::accept_on_all_cores() {
  for (auto& core : cores_) {
    open_tasks_.fetch_add(1);
    runtime_.spawn_owned(core->context, "accept", accept_loop(core.get()));
  }
  stop_hook_ = runtime_.add_stop_hook([this] { stop(Millis(0)); });
}

Task<void> Server::accept_loop(Core* core) {
  while (!shared_.stopping.load()) {
    tcp::endpoint peer;
    auto [error, socket] = co_await core->acceptor.async_accept(peer, use_tuple);
    if (shared_.stopping.load()) break;
    if (error) {
      if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) break;
      log_warn("net", "accept failed", {{"error", error.message()}});
      co_await sleep_for(Millis(100));  // out of descriptors: let some connections end
      continue;
    }
    if (connection_count_.fetch_add(1) >= shared_.options.connections_max) {
      connection_count_.fetch_sub(1);
      refused_.add();
      continue;
    }
    open_tasks_.fetch_add(1);
    runtime_.spawn_owned(core->context, "connection", serve_connection(core, std::move(socket), peer_text(peer)));
  }
  task_ended();
}

Task<void> Server::serve_connection(Core* core, TcpSocket socket, std::string peer) {
  ServerConnection connection(core->context, std::move(socket), std::move(peer), &shared_);
  const auto entry = core->connections.insert(core->connections.end(), &connection);
  connections_gauge_.add(1);
  try {
    co_await connection.run();
  } catch (const std::exception& e) {
    log_error("net", "connection failed", {{"error", e.what()}});
  }
  connections_gauge_.add(-1);
  core->connections.erase(entry);
  connection_count_.fetch_sub(1);
  task_ended();
}

void Server::task_ended() {
  // Under the lock: once the waiter sees 0 this object may go.
  const std::lock_guard lock(mutex_);
  if (open_tasks_.fetch_sub(1) == 1) ended_.notify_all();
}

bool Server::wait_for_end(Millis limit) {
  std::unique_lock lock(mutex_);
  return ended_.wait_for(lock, limit, [this] { return open_tasks_.load() == 0; });
}

// Each counts as a task until it has run: the last connection may end, and this object go, while one still waits for
// its turn on a busy core.
void Server::post_to_cores(void (*what)(Core&)) {
  for (auto& core : cores_) {
    open_tasks_.fetch_add(1);
    asio::post(core->context, [this, c = core.get(), what] {
      what(*c);
      task_ended();
    });
  }
}

void Server::stop(Millis grace) {
  {
    const std::lock_guard lock(mutex_);
    if (stopped_) return;
    stopped_ = true;
  }
  shared_.stopping.store(true);
  post_to_cores([](Core& core) {
    SysError ignored;
    core.acceptor.close(ignored);
    for (auto* connection : core.connections) connection->close_if_idle();
  });
  if (!wait_for_end(std::max(grace, Millis(1)))) {
    post_to_cores([](Core& core) {
      for (auto* connection : core.connections) connection->close();
    });
    if (!wait_for_end(kStopHardMax)) {
      log_error("net", "handlers do not end at stop", {{"tasks", open_tasks_.load()}});
    }
  }
  if (!runtime_.stopping()) runtime_.remove_stop_hook(stop_hook_);
}

std::vector<HttpServer::ActiveRequest> Server::active_requests() const {
  std::vector<ActiveRequest> all;
  for (const auto& core : cores_) {
    std::promise<std::vector<ActiveRequest>> promise;
    auto future = promise.get_future();
    asio::post(core->context, [&promise, c = core.get()] {
      std::vector<ActiveRequest> mine;
      for (const auto* connection : c->connections) {
        if (auto active = connection->active()) mine.push_back(std::move(*active));
      }
      promise.set_value(std::move(mine));
    });
    for (auto& active : future.get()) all.push_back(std::move(active));
  }
  return all;
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::start(Runtime& runtime, MetricRegistry& metrics, ServerOptions options,
                                                      std::shared_ptr<const Router> router) {
  auto server = std::make_unique<Server>(runtime, metrics, std::move(options), std::move(router));
  SENTINEL_TRY(server->listen());
  server->accept_on_all_cores();
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace sentinel::net
