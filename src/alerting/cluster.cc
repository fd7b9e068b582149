#include "alerting/cluster.h"

#include <algorithm>

#include <fmt/format.h>

#include "alerting/alerting.h"
#include "base/id.h"
#include "base/log.h"
#include "text/json.h"

namespace sentinel::alerting {
namespace {

namespace json = boost::json;

constexpr std::string_view kPath = "/cluster/v1/exchange";
// Soon after the start a peer that does not answer yet is probably being started too.
constexpr Micros kJoinRetry = std::chrono::milliseconds(250);
constexpr size_t kJoinTriesQuick = 40;
constexpr int kFailuresMax = 3;  // probes in a row, then an instance counts as gone

// "10.0.0.1:4711", ":9094" -> "10.0.0.1:9094".
std::string reachable_address(const std::string& announced, std::string_view from) {
  const size_t colon = announced.rfind(':');
  if (colon == std::string::npos) return announced;
  const std::string host = announced.substr(0, colon);
  if (!host.empty() && host != "0.0.0.0" && host != "[::]" && host != "::") return announced;
  return std::string(from.substr(0, from.rfind(':'))) + announced.substr(colon);
}

}  // namespace

std::string Cluster::encode(const Message& m) {
  std::string out;
  text::JsonWriter w(out);
  w.begin_object().field("version", 1).field("name", m.name).field("address", m.address).field("label", m.label);
  w.field("leaving", m.leaving).field("full", m.full).key("peers").begin_array();
  for (const std::string& peer : m.peers) w.string(peer);
  w.end_array();
  if (!m.state.empty()) w.key("state").raw(encode_replica(m.state));
  w.end_object();
  return out;
}

Result<Cluster::Message> Cluster::decode(std::string_view text) {
  SENTINEL_ASSIGN(const json::object object, text::parse_json_object(text));
  Message m;
  SENTINEL_ASSIGN(m.name, text::json_string(object, "name"));
  if (m.name.empty()) return fail(ErrorCode::kInvalidArgument, "an instance without a name");
  SENTINEL_ASSIGN(m.address, text::json_string(object, "address"));
  SENTINEL_ASSIGN(m.label, text::json_string(object, "label"));
  SENTINEL_ASSIGN(m.leaving, text::json_bool(object, "leaving"));
  SENTINEL_ASSIGN(m.full, text::json_bool(object, "full"));
  SENTINEL_ASSIGN(m.peers, text::json_strings(object, "peers"));
  if (m.peers.size() > kClusterPeersMax) return fail(ErrorCode::kTooLarge, "too many instances");
  if (object.contains("state")) {
    SENTINEL_ASSIGN(const json::object* state, text::json_object(object, "state"));
    SENTINEL_ASSIGN(m.state, decode_replica(*state));
  }
  return m;
}

Result<std::unique_ptr<Cluster>> Cluster::start(net::Runtime& runtime, net::HttpClient& client, Scheduler& control,
                                                MetricRegistry& metrics, Alerting& alerting, ClusterOptions options) {
  std::unique_ptr<Cluster> self(new Cluster(runtime, client, control, metrics, alerting, std::move(options)));
  auto router = std::make_shared<net::Router>();
  Cluster* raw = self.get();
  router->add("POST", kPath, [raw](net::Exchange* exchange) { return raw->serve(exchange); });
  net::ServerOptions listen;
  listen.address = self->options_.address;
  listen.port = self->options_.port;
  listen.body_bytes_max = kClusterMessageBytesMax;
  listen.connections.tls = self->options_.server_tls;
  SENTINEL_ASSIGN(self->server_, net::HttpServer::start(runtime, metrics, listen, router));
  control.call([raw] {
    raw->begin();
    return true;
  });
  return self;
}

Cluster::Cluster(net::Runtime& runtime, net::HttpClient& client, Scheduler& control, MetricRegistry& metrics,
                 Alerting& alerting, ClusterOptions options)
    : runtime_(runtime),
      client_(client),
      control_(control),
      alerting_(alerting),
      options_(std::move(options)),
      name_(options_.name.empty() ? new_id(control.now()) : options_.name),
      peers_gauge_(metrics.gauge("sentinel_cluster_peers", "Living instances of the cluster, this one too.")),
      failed_peers_gauge_(
          metrics.gauge("sentinel_cluster_failed_peers", "Instances of the cluster that were there and are gone.")),
      position_gauge_(metrics.gauge("sentinel_cluster_position", "Living instances that notify before this one.")),
      failed_(metrics.counter("sentinel_cluster_exchanges_failed_total", "Exchanges with peers that failed.")),
      merged_(metrics.counter("sentinel_cluster_merged_total", "Silences and log entries taken from peers.")) {}

Cluster::~Cluster() { stop(); }

std::string Cluster::url_of(const std::string& address) const {
  return fmt::format("{}://{}{}", options_.server_tls ? "https" : "http", address, kPath);
}

void Cluster::begin() {
  started_at_ = control_.now();
  next_push_pull_ = started_at_ + options_.push_pull_interval;
  for (const std::string& address : options_.peers) seeds_.try_emplace(address);
  alerting_.on_replicate([this] { changed(); });
  if (options_.settle_timeout > Micros(0)) alerting_.set_peer_wait(std::nullopt);
  check_settled();
  update_position();
  tick();
}

// ---- who is there ----

void Cluster::tick() {
  if (ended_) return;
  const TimePoint now = control_.now();
  for (auto& [address, seed] : seeds_) {
    if (!seed.busy && seed.next_try <= now) join(address);
  }
  const bool push_pull = now >= next_push_pull_;
  if (push_pull) next_push_pull_ = now + options_.push_pull_interval;
  std::erase_if(peers_, [&](const auto& entry) {
    return !entry.second.alive && !entry.second.busy && now - entry.second.last_seen > options_.reconnect_timeout;
  });
  for (auto& [name, peer] : peers_) {
    if (!peer.busy && (peer.next_try <= now || push_pull)) talk(name, push_pull || peer.behind);
  }
  check_settled();
  timer_ = control_.after(std::min(options_.probe_interval, kJoinRetry), [this] { tick(); });
}

void Cluster::join(const std::string& address) {
  Seed& seed = seeds_.at(address);
  seed.busy = true;
  ++seed.tries;
  runtime_.spawn(runtime_.any_core(), "cluster-join",
                 send(address, encode(own_message(true)), options_.tcp_timeout, "", true));
}

void Cluster::talk(const std::string& name, bool full) {
  Peer& peer = peers_.at(name);
  peer.busy = true;
  peer.next_try = control_.now() + options_.probe_interval;
  Message message = own_message(full);
  if (!full) message.state = std::move(peer.waiting);
  peer.waiting = {};
  const Micros timeout = full || !message.state.empty() ? options_.tcp_timeout : options_.probe_timeout;
  runtime_.spawn(runtime_.any_core(), "cluster-exchange", send(peer.address, encode(message), timeout, name, full));
}

net::Task<void> Cluster::send(std::string address, std::string body, Micros timeout, std::string name, bool full) {
  net::ClientRequest request;
  request.method = "POST";
  request.url = url_of(address);
  request.transport = options_.client_tls;
  request.headers.set("Content-Type", "application/json");
  request.body = std::move(body);
  const Millis limit = std::max(Millis(1), std::chrono::duration_cast<Millis>(timeout));
  request.timeouts = {limit, limit, limit, limit};
  request.body_bytes_max = kClusterMessageBytesMax;
  Result<net::Response> response = co_await client_.fetch(std::move(request));
  Result<Message> answer = fail(ErrorCode::kUnavailable, "no answer");
  if (!response)
    answer = fail(response.error());
  else if (response->status != 200)
    answer = fail(ErrorCode::kUnavailable, fmt::format("answered {}", response->status));
  else
    answer = decode(response->body);
  control_.post([this, address = std::move(address), name = std::move(name), full, answer = std::move(answer)] {
    answered(address, name, full, answer);
  });
}

void Cluster::answered(const std::string& address, const std::string& name, bool full, Result<Message> answer) {
  if (ended_) return;
  const TimePoint now = control_.now();
  if (answer && answer->label != options_.label) answer = fail(ErrorCode::kConflict, "it belongs to another cluster");
  if (const auto peer = peers_.find(name); peer != peers_.end()) {
    peer->second.busy = false;
    if (answer) {
      peer->second.failures = 0;
      if (full) peer->second.behind = false;
    } else {
      failed_.add();
      peer->second.behind = true;  // what the lost exchange said must be said again
      if (++peer->second.failures >= kFailuresMax && peer->second.alive) {
        peer->second.alive = false;
        log_warn("cluster", "an instance is gone",
                 {{"peer", name}, {"address", address}, {"error", answer.error().to_string()}});
        update_position();
      }
      if (!peer->second.alive) peer->second.next_try = now + options_.reconnect_interval;
    }
  }
  if (const auto seed = seeds_.find(address); seed != seeds_.end()) {
    seed->second.busy = false;
    seed->second.next_try = now + (seed->second.tries < kJoinTriesQuick ? kJoinRetry : options_.reconnect_interval);
    if (answer) seeds_.erase(seed);
  }
  if (answer && answer->name != name_) {
    meet(*answer, address);
    take(*answer);
  }
  check_settled();
}

// Somebody has spoken: it lives at this address.
void Cluster::meet(const Message& message, const std::string& address) {
  const TimePoint now = control_.now();
  const auto [it, is_new] = peers_.try_emplace(message.name);
  Peer& peer = it->second;
  const bool was_alive = peer.alive && !is_new;
  peer.address = address;
  peer.last_seen = now;
  peer.failures = 0;
  peer.alive = true;
  if (!was_alive) {
    peer.next_try = now;
    log_info("cluster", "an instance is there", {{"peer", message.name}, {"address", address}});
    update_position();
  }
  seeds_.erase(address);
  for (const std::string& other : message.peers) {
    const bool known =
        other == own_address() || seeds_.contains(other) ||
        std::any_of(peers_.begin(), peers_.end(), [&](const auto& p) { return p.second.address == other; });
    if (!known && seeds_.size() < kClusterPeersMax) seeds_.try_emplace(other);
  }
}

void Cluster::take(const Message& message) {
  if (message.state.empty()) return;
  const Result<size_t> merged = alerting_.merge_replica(message.state);
  if (merged) {
    merged_.add(static_cast<double>(*merged));
  } else {
    log_error("cluster", "what a peer said cannot be stored",
              {{"peer", message.name}, {"error", merged.error().to_string()}});
  }
}

net::Task<void> Cluster::serve(net::Exchange* exchange) {
  const std::string from = exchange->request().peer;
  auto message = decode(exchange->request().body);
  if (!message) {
    (void)co_await exchange->respond(net::problem_response(message.error()));
    co_return;
  }
  if (message->label != options_.label) {
    (void)co_await exchange->respond(
        net::problem_response(Error(ErrorCode::kConflict, "this is another cluster: --cluster.label differs")));
    co_return;
  }
  const Message answer = co_await net::on_loop(
      &control_, [this, from, m = std::move(*message)]() mutable { return receive(std::move(m), from); });
  (void)co_await exchange->respond(net::json_response(200, encode(answer)));
}

Cluster::Message Cluster::receive(Message message, std::string_view from) {
  if (ended_ || message.name == name_) return own_message(false);
  if (message.leaving) {
    const auto peer = peers_.find(message.name);
    if (peer != peers_.end() && !peer->second.busy)
      peers_.erase(peer);
    else if (peer != peers_.end())
      peer->second.alive = false;
    update_position();
    return own_message(false);
  }
  meet(message, reachable_address(message.address, from));
  take(message);
  return own_message(message.full);
}

// ---- what they tell each other ----

Cluster::Message Cluster::own_message(bool full) const {
  Message m;
  m.name = name_;
  m.address = own_address();
  m.label = options_.label;
  m.full = full;
  for (const auto& [name, peer] : peers_) {
    if (peer.alive) m.peers.push_back(peer.address);
  }
  if (full) m.state = alerting_.replica_state();
  return m;
}

std::string Cluster::own_address() const {
  if (!options_.advertise.empty()) return options_.advertise;
  return fmt::format("{}:{}", options_.address, server_->port());
}

// Changes of one turn of the control loop go out together.
void Cluster::changed() {
  if (flush_posted_ || ended_) return;
  flush_posted_ = true;
  control_.post([this] {
    flush_posted_ = false;
    if (ended_) return;
    const ReplicaState changes = alerting_.take_replica_changes();
    for (auto& [name, peer] : peers_) {
      if (!peer.alive) continue;
      if (peer.busy || peer.waiting.size() > kClusterWaitingMax) {
        peer.behind = true;  // the next exchange brings everything
        peer.next_try = control_.now();
        continue;
      }
      peer.waiting = changes;
      talk(name, false);
    }
  });
}

// ---- position ----

size_t Cluster::position() const {
  return static_cast<size_t>(std::count_if(
      peers_.begin(), peers_.end(), [this](const auto& entry) { return entry.second.alive && entry.first < name_; }));
}

void Cluster::update_position() {
  const size_t before = position();
  const auto alive = std::count_if(peers_.begin(), peers_.end(), [](const auto& entry) { return entry.second.alive; });
  peers_gauge_.set(static_cast<double>(alive + 1));
  failed_peers_gauge_.set(static_cast<double>(peers_.size()) - static_cast<double>(alive));
  position_gauge_.set(static_cast<double>(before));
  if (settled_) alerting_.set_peer_wait(options_.peer_timeout * static_cast<int64_t>(before));
}

// Settled: every address that was given has been tried. Until then nothing is told, since the log may be behind.
void Cluster::check_settled() {
  if (settled_) return;
  const bool tried =
      std::all_of(seeds_.begin(), seeds_.end(), [](const auto& s) { return s.second.tries > 0 && !s.second.busy; });
  if (!tried && control_.now() < started_at_ + options_.settle_timeout) return;
  settled_ = true;
  update_position();
}

ClusterStatus Cluster::status() const {
  ClusterStatus s;
  s.name = name_;
  s.status = settled_ ? "ready" : "settling";
  s.peers.emplace_back(name_, own_address());
  for (const auto& [name, peer] : peers_) {
    if (peer.alive) s.peers.emplace_back(name, peer.address);
  }
  std::sort(s.peers.begin(), s.peers.end());
  return s;
}

// ---- the end ----

void Cluster::stop() {
  if (!server_) return;
  const std::vector<std::string> told = control_.call([this] {
    std::vector<std::string> out;
    for (const auto& [name, peer] : peers_) {
      if (peer.alive) out.push_back(peer.address);
    }
    if (ended_) out.clear();
    end();
    return out;
  });
  Message goodbye;
  goodbye.name = name_;
  goodbye.address = own_address();
  goodbye.label = options_.label;
  goodbye.leaving = true;
  for (const std::string& address : told) {
    net::ClientRequest request;
    request.method = "POST";
    request.url = url_of(address);
    request.transport = options_.client_tls;
    request.body = encode(goodbye);
    const Millis limit = std::chrono::duration_cast<Millis>(options_.probe_timeout);
    request.timeouts = {limit, limit, limit, limit};
    (void)net::fetch_blocking(std::move(request));  // who does not hear it finds out by itself
  }
  server_->stop(std::chrono::milliseconds(500));
  server_.reset();
}

void Cluster::end() {
  ended_ = true;
  control_.cancel(timer_);
  alerting_.on_replicate(nullptr);
}

}  // namespace sentinel::alerting
