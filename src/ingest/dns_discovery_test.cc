#include "ingest/dns_discovery.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace sentinel::ingest {
namespace {

using Type = DnsDiscovery::Type;

std::string u16(unsigned v) { return {static_cast<char>(v >> 8), static_cast<char>(v & 0xFF)}; }

// "api.test" as DNS writes it.
std::string wire_name(const std::string& name) {
  std::string out;
  size_t from = 0;
  while (from < name.size()) {
    const size_t dot = std::min(name.find('.', from), name.size());
    out += static_cast<char>(dot - from);
    out.append(name, from, dot - from);
    from = dot + 1;
  }
  return out + std::string(1, '\0');
}

std::string record(unsigned type, const std::string& data) {
  const std::string name("\xC0\x0C", 2);  // the question's
  return name + u16(type) + u16(1) + std::string("\0\0\0\x3C", 4) + u16(static_cast<unsigned>(data.size())) + data;
}

// A name server on loopback that says the same to every question.
class Server {
 public:
  Server(unsigned rcode, std::vector<std::string> records, unsigned claimed_more = 0)
      : rcode_(rcode), records_(std::move(records)), claimed_(records_.size() + claimed_more) {
    socket_ = socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
    socklen_t size = sizeof at;
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&at), &size), 0);
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~Server() {
    stop_ = true;
    thread_.join();
    close(socket_);
  }
  NameServer address() const { return {"127.0.0.1", port_}; }

 private:
  void serve() {
    while (!stop_) {
      pollfd wait{socket_, POLLIN, 0};
      if (poll(&wait, 1, 20) <= 0) continue;
      std::string question(512, '\0');
      sockaddr_in from{};
      socklen_t size = sizeof from;
      const ssize_t got =
          recvfrom(socket_, question.data(), question.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 12) continue;
      const size_t end = question.find('\0', 12) + 5;  // the name, its type and class
      std::string answer = question.substr(0, 2) + u16(0x8580 | rcode_) + u16(1) +
                           u16(static_cast<unsigned>(claimed_)) + u16(0) + u16(0) + question.substr(12, end - 12);
      for (const std::string& one : records_) answer += one;
      sendto(socket_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }

  const unsigned rcode_;
  const std::vector<std::string> records_;
  const size_t claimed_;
  int socket_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

Result<DiscoveredTargets> look_up(Type type, const Server& server) {
  DnsDiscovery discovery;
  discovery.names = {"api.test."};
  discovery.type = type;
  discovery.port = 9100;
  return dns_targets(discovery, server.address());
}

std::string shown(const Result<DiscoveredTargets>& targets) {
  if (!targets) return targets.error().to_string();
  std::string out;
  for (const model::Labels& labels : *targets) out += labels.to_string() + "\n";
  return out;
}

constexpr unsigned kA = 1, kNs = 2, kCname = 5, kMx = 15, kAaaa = 28, kSrv = 33;

TEST(DnsDiscovery, EveryKindOfRecord) {
  struct Case {
    Type type;
    std::vector<std::string> records;
    const char* expected;
  };
  const std::string v6("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
  const std::vector<Case> cases = {
      {Type::kA,
       {record(kCname, wire_name("web.test")), record(kA, "\x0A\x01\x02\x03"), record(kA, "\x0A\x01\x02\x04")},
       R"({__address__="10.1.2.3:9100", __meta_dns_name="api.test."})"
       "\n"
       R"({__address__="10.1.2.4:9100", __meta_dns_name="api.test."})"
       "\n"},
      {Type::kAaaa,
       {record(kAaaa, v6)},
       R"({__address__="[2001:db8::1]:9100", __meta_dns_name="api.test."})"
       "\n"},
      {Type::kSrv,
       {record(kSrv, u16(1) + u16(5) + u16(8080) + wire_name("node-1.test"))},
       R"({__address__="node-1.test:8080", __meta_dns_name="api.test.", __meta_dns_srv_record_port="8080", )"
       R"(__meta_dns_srv_record_target="node-1.test"})"
       "\n"},
      {Type::kMx,
       {record(kMx, u16(10) + wire_name("mail.test"))},
       R"({__address__="mail.test:9100", __meta_dns_mx_record_target="mail.test", __meta_dns_name="api.test."})"
       "\n"},
      {Type::kNs,
       {record(kNs, wire_name("ns.test"))},
       R"({__address__="ns.test:9100", __meta_dns_name="api.test.", __meta_dns_ns_record_target="ns.test"})"
       "\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(shown(look_up(c.type, Server(0, c.records))), c.expected);
}

TEST(DnsDiscovery, NoSuchNameHasNoTargets) {
  EXPECT_EQ(shown(look_up(Type::kA, Server(3, {}))), "");    // NXDOMAIN
  EXPECT_EQ(shown(look_up(Type::kSrv, Server(0, {}))), "");  // the name, but no such record
}

TEST(DnsDiscovery, WhatIsNoAnswerIsAnError) {
  const auto refused = look_up(Type::kA, Server(2, {}));  // SERVFAIL
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnavailable);
  EXPECT_NE(refused.error().to_string().find("cannot resolve the A records of api.test."), std::string::npos)
      << refused.error().to_string();
  const auto cut = look_up(Type::kA, Server(0, {record(kA, "\x0A\x01\x02\x03")}, 1));  // one record is missing
  ASSERT_FALSE(cut.has_value());
  EXPECT_NE(cut.error().to_string().find("malformed DNS answer"), std::string::npos) << cut.error().to_string();
}

TEST(DnsDiscovery, RecordsOfTheWrongSizeAreNoTargets) {
  EXPECT_EQ(shown(look_up(Type::kA, Server(0, {record(kA, "\x0A\x01")}))), "");
  EXPECT_EQ(shown(look_up(Type::kSrv, Server(0, {record(kSrv, u16(1) + u16(5))}))), "");
}

}  // namespace
}  // namespace sentinel::ingest
