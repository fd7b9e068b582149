#include "ingest/dns_discovery.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "base/strings.h"

namespace sentinel::ingest {
namespace {

using Type = DnsDiscovery::Type;

struct RecordKind {
  Type type;
  ns_type number;
  std::string_view name;
  int name_offset;         // of the target's name in the record; -1: the record is an address
  std::string_view label;  // __meta_dns_<label>_record_target
};
constexpr RecordKind kKinds[] =
    {
        {Type::kA, ns_t_a, "A", -1, ""},         {Type::kAaaa, ns_t_aaaa, "AAAA", -1, ""},
        {Type::kMx, ns_t_mx, "MX", 2, "mx"},     {Type::kNs, ns_t_ns, "NS", 0, "ns"},
        {Type::kSrv, ns_t_srv, "SRV", 6, "srv"},  // priority, weight and port come first
};

const RecordKind& kind_of(Type type) {
  for (const RecordKind& kind : kKinds) {
    if (kind.type == type) return kind;
  }
  return kKinds[0];
}

// A resolver of its own for each look-up: the C library's is one a thread and cannot be told another server.
class Resolver {
 public:
  explicit Resolver(const std::optional<NameServer>& server) {
    usable_ = res_ninit(&state_) == 0;
    if (!usable_ || !server) return;
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(server->port);
    usable_ = inet_pton(AF_INET, server->address.c_str(), &to.sin_addr) == 1;
    state_.nscount = 1;
    state_.nsaddr_list[0] = to;
  }
  ~Resolver() { res_nclose(&state_); }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // The answer; empty when there is no such name or no such record.
  Result<std::vector<unsigned char>> ask(const std::string& name, const RecordKind& kind) {
    if (!usable_) return fail(ErrorCode::kUnavailable, "the resolver cannot be set up; see /etc/resolv.conf");
    std::vector<unsigned char> answer(NS_MAXMSG);
    const int size =
        res_nsearch(&state_, name.c_str(), ns_c_in, kind.number, answer.data(), static_cast<int>(answer.size()));
    if (size >= 0) {
      answer.resize(std::min(answer.size(), static_cast<size_t>(size)));
      return answer;
    }
    if (state_.res_h_errno == HOST_NOT_FOUND || state_.res_h_errno == NO_DATA) return std::vector<unsigned char>{};
    return fail(ErrorCode::kUnavailable,
                fmt::format("cannot resolve the {} records of {}: {}", kind.name, name, hstrerror(state_.res_h_errno)));
  }

 private:
  struct __res_state state_{};
  bool usable_ = false;
};

std::string address_text(const RecordKind& kind, const ns_rr& record) {
  const bool v6 = kind.type == Type::kAaaa;
  const int bytes = v6 ? NS_IN6ADDRSZ : NS_INADDRSZ;
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (ns_rr_rdlen(record) != bytes ||
      inet_ntop(v6 ? AF_INET6 : AF_INET, ns_rr_rdata(record), text.data(), text.size()) == nullptr) {
    return "";
  }
  return v6 ? fmt::format("[{}]", text.data()) : std::string(text.data());
}

std::string target_name(const RecordKind& kind, const ns_msg& message, const ns_rr& record) {
  std::array<char, NS_MAXDNAME> text{};
  if (ns_rr_rdlen(record) <= kind.name_offset ||
      dn_expand(ns_msg_base(message), ns_msg_end(message), ns_rr_rdata(record) + kind.name_offset, text.data(),
                text.size()) < 0) {
    return "";
  }
  return text.data();
}

void add_target(const DnsDiscovery& discovery, const std::string& name, const ns_msg& message, const ns_rr& record,
                DiscoveredTargets& out) {
  const RecordKind& kind = kind_of(discovery.type);
  if (ns_rr_type(record) != kind.number) return;  // a CNAME on the way
  const std::string host = kind.name_offset < 0 ? address_text(kind, record) : target_name(kind, message, record);
  if (host.empty()) return;
  const unsigned port =
      kind.type == Type::kSrv ? ns_get16(ns_rr_rdata(record) + 4) : static_cast<unsigned>(discovery.port);
  model::Labels labels{{"__address__", fmt::format("{}:{}", host, port)}, {"__meta_dns_name", name}};
  if (!kind.label.empty()) labels.set(fmt::format("__meta_dns_{}_record_target", kind.label), host);
  if (kind.type == Type::kSrv) labels.set("__meta_dns_srv_record_port", std::to_string(port));
  out.push_back(std::move(labels));
}

}  // namespace

Result<DiscoveredTargets> dns_targets(const DnsDiscovery& discovery, const std::optional<NameServer>& server) {
  DiscoveredTargets out;
  const RecordKind& kind = kind_of(discovery.type);
  for (const std::string& name : discovery.names) {
    Resolver resolver(server);
    SENTINEL_ASSIGN(const std::vector<unsigned char> answer, resolver.ask(name, kind));
    if (answer.empty()) continue;
    ns_msg message{};
    const Error malformed(ErrorCode::kUnavailable,
                          fmt::format("malformed DNS answer for the {} records of {}", kind.name, name));
    if (ns_initparse(answer.data(), static_cast<int>(answer.size()), &message) != 0) return fail(malformed);
    for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
      ns_rr record{};
      if (ns_parserr(&message, ns_s_an, i, &record) != 0) return fail(malformed);
      add_target(discovery, name, message, record, out);
    }
  }
  return out;
}

}  // namespace sentinel::ingest
