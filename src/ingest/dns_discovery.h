#pragma once
// Targets named by DNS, as Prometheus's dns_sd_configs: records are asked of the name server itself, /etc/hosts does
// not count, and a name that does not exist has no targets.

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "ingest/discovery.h"
#include "ingest/scrape_config.h"

namespace sentinel::ingest {

struct NameServer {
  std::string address;  // IPv4
  uint16_t port = 53;
};

// Blocks on the resolver (/etc/resolv.conf, or `server`). kUnavailable: no answer, an error, or nonsense. The targets
// carry __meta_dns_name and, for SRV, MX and NS, the record's target and port as Prometheus names them.
Result<DiscoveredTargets> dns_targets(const DnsDiscovery& discovery, const std::optional<NameServer>& server = {});

}  // namespace sentinel::ingest
