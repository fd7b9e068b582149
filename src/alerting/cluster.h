#pragma once
// Two or three instances that notify once. Each sender of alerts talks to all of them, so that alerts need no copying;
// the instances tell each other their silences and what was told to whom. An instance waits its position (in the order
// of names) times `peer_timeout` before it notifies: by then the first has, and the others see it in the log. It fails
// open: who hears nothing notifies, so an outage costs a duplicate, never a miss.
//
// The protocol is ours, JSON over HTTP on a port of its own: POST /cluster/v1/exchange, the same message for joining,
// probing, changes, the full state, and leaving. It carries no secrets. Without TLS it trusts who can reach the port,
// as Alertmanager's does: bind it to a private address. With TLS each side shows its certificate, and who the server
// does not let in has no say.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "alerting/query.h"
#include "alerting/replica.h"
#include "base/metrics.h"
#include "base/scheduler.h"
#include "net/http_client.h"
#include "net/http_server.h"

namespace sentinel::alerting {

class Alerting;

struct ClusterOptions {
  std::string address = "0.0.0.0";  // to listen on
  uint16_t port = 9094;
  std::string advertise;                               // host:port for the others; "": what they see, and the port
  std::vector<std::string> peers;                      // host:port, this instance may be among them
  std::string name;                                    // "": made up; they order the instances
  std::string label;                                   // messages with another one are refused
  std::shared_ptr<const net::ServerTls> server_tls{};  // with client_tls: exchanges travel over TLS
  std::shared_ptr<const net::Transport> client_tls{};
  Micros peer_timeout = std::chrono::seconds(15);
  Micros push_pull_interval = std::chrono::seconds(60);
  Micros probe_interval = std::chrono::seconds(1);
  Micros probe_timeout = std::chrono::milliseconds(500);
  Micros tcp_timeout = std::chrono::seconds(10);
  Micros settle_timeout = std::chrono::minutes(1);
  Micros reconnect_interval = std::chrono::seconds(10);
  Micros reconnect_timeout = std::chrono::hours(6);
};

// Lives on the control scheduler but for start() and stop(), which are called from neither it nor an I/O core. All
// references outlive it; stop() before the runtime ends.
class Cluster {
 public:
  // Listens, and starts to join. kUnavailable: the address is taken.
  static Result<std::unique_ptr<Cluster>> start(net::Runtime& runtime, net::HttpClient& client, Scheduler& control,
                                                MetricRegistry& metrics, Alerting& alerting, ClusterOptions options);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  ClusterStatus status() const;
  // How many living instances come before this one.
  size_t position() const;
  uint16_t port() const { return server_->port(); }
  // Tells the others that this one leaves, then falls silent.
  void stop();

  // What an exchange carries. Public for its fuzzer.
  struct Message {
    std::string name;
    std::string address;  // host:port; the host may be left out
    std::string label;
    bool leaving = false;
    bool full = false;               // the sender's whole state, and the answer is to have the receiver's
    std::vector<std::string> peers;  // addresses of living instances
    ReplicaState state;
  };
  static std::string encode(const Message& message);
  static Result<Message> decode(std::string_view json);

 private:
  struct Peer {
    std::string address;
    TimePoint last_seen;
    TimePoint next_try;
    int failures = 0;
    bool alive = true;
    bool busy = false;    // an exchange is under way
    bool behind = false;  // changes could not be told: the next exchange brings the full state
    ReplicaState waiting;
  };
  // An address that was given, or heard of, and whose name is not known yet.
  struct Seed {
    TimePoint next_try;
    size_t tries = 0;
    bool busy = false;
  };

  Cluster(net::Runtime& runtime, net::HttpClient& client, Scheduler& control, MetricRegistry& metrics,
          Alerting& alerting, ClusterOptions options);

  // On the control scheduler.
  void begin();
  void tick();
  void join(const std::string& address);
  void talk(const std::string& name, bool full);
  void answered(const std::string& address, const std::string& name, bool full, Result<Message> answer);
  Message receive(Message message, std::string_view from);
  void meet(const Message& message, const std::string& address);
  void take(const Message& message);
  void changed();
  void update_position();
  void check_settled();
  void end();
  Message own_message(bool full) const;
  std::string url_of(const std::string& address) const;
  std::string own_address() const;

  // On I/O cores.
  net::Task<void> serve(net::Exchange* exchange);
  net::Task<void> send(std::string address, std::string body, Micros timeout, std::string name, bool full);

  net::Runtime& runtime_;
  net::HttpClient& client_;
  Scheduler& control_;
  Alerting& alerting_;
  const ClusterOptions options_;
  std::string name_;
  std::map<std::string, Peer> peers_;  // by name
  std::map<std::string, Seed> seeds_;  // by address
  TimePoint started_at_;
  TimePoint next_push_pull_;
  bool settled_ = false;
  bool ended_ = false;
  bool flush_posted_ = false;
  TimerId timer_ = TimerId::kNone;
  Gauge& peers_gauge_;
  Gauge& failed_peers_gauge_;
  Gauge& position_gauge_;
  Counter& failed_;
  Counter& merged_;
  std::unique_ptr<net::HttpServer> server_;
};

}  // namespace sentinel::alerting
