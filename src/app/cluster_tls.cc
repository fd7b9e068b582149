#include "app/cluster_tls.h"

#include "app/tls_server_config.h"
#include "net/transport.h"
#include "receivers/http_config.h"

namespace sentinel::app {

Status read_cluster_tls(const std::string& path, alerting::ClusterOptions& cluster) {
  SENTINEL_ASSIGN(const std::string text, posix_env().read_file(path));
  SENTINEL_ASSIGN(const text::YamlNode root, text::parse_yaml(text, path));
  SENTINEL_TRY(root.expect_keys("the TLS configuration", {"tls_server_config", "tls_client_config"}));
  for (const char* key : {"tls_server_config", "tls_client_config"}) {
    if (!root.get(key).is_map())
      return fail(root.error(std::string("missing '") + key + "' entry in the TLS configuration"));
  }
  SENTINEL_ASSIGN(auto server, read_tls_server_config(root.get("tls_server_config"), files_beside(path)));
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  SENTINEL_ASSIGN(const receivers::TlsConfig client, receivers::read_tls_config(root.get("tls_client_config"), folder));
  SENTINEL_ASSIGN(net::TransportOptions options, receivers::transport_options(client, {}, ""));
  SENTINEL_ASSIGN(cluster.client_tls, net::make_transport(std::move(options)));
  cluster.server_tls = std::move(server);
  return {};
}

}  // namespace sentinel::app
