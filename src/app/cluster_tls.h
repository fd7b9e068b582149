#pragma once
// The file of --cluster.tls-config, as Alertmanager has it: tls_server_config for who comes, tls_client_config for who
// is asked.

#include <string>

#include "alerting/cluster.h"
#include "base/result.h"

namespace sentinel::app {

// Fills server_tls and client_tls. Files inside are relative to the folder of `path`; read once. kInvalidArgument with
// its place in the file.
Status read_cluster_tls(const std::string& path, alerting::ClusterOptions& cluster);

}  // namespace sentinel::app
