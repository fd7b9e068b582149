#include "app/cluster_tls.h"

#include "base/file.h"
#include "net/server_tls.h"
#include "net/transport.h"
#include "receivers/http_config.h"
#include "text/yaml.h"

namespace sentinel::app {
namespace {

using text::YamlNode;

constexpr std::pair<const char*, net::ClientAuth> kClientAuth[] = {
    {"NoClientCert", net::ClientAuth::kNone},
    {"RequestClientCert", net::ClientAuth::kRequest},
    {"RequireAnyClientCert", net::ClientAuth::kRequireAny},
    {"RequireClientCert", net::ClientAuth::kRequireAny},
    {"VerifyClientCertIfGiven", net::ClientAuth::kVerifyIfGiven},
    {"RequireAndVerifyClientCert", net::ClientAuth::kRequireAndVerify},
};

Result<std::string> read_pem(const YamlNode& node, const std::string& key, const std::string& folder) {
  SENTINEL_ASSIGN(std::string inline_pem, node.string_or(key, ""));
  SENTINEL_ASSIGN(std::string file, node.string_or(key + "_file", ""));
  if (!inline_pem.empty() && !file.empty())
    return fail(node.get(key).error("only one of " + key + " and " + key + "_file must be given"));
  if (file.empty()) return inline_pem;
  if (!file.starts_with('/')) file = folder + file;
  auto text = posix_env().read_file(file);
  if (!text) return fail(node.get(key + "_file").error(text.error().to_string()));
  return std::move(*text);
}

Result<net::TlsVersion> read_version(const YamlNode& node, const char* key) {
  SENTINEL_ASSIGN(const std::string name, node.string_or(key, ""));
  if (name.empty()) return net::TlsVersion::kDefault;
  constexpr std::pair<const char*, net::TlsVersion> kNames[] = {{"TLS10", net::TlsVersion::k10},
                                                                {"TLS11", net::TlsVersion::k11},
                                                                {"TLS12", net::TlsVersion::k12},
                                                                {"TLS13", net::TlsVersion::k13}};
  for (const auto& [known, version] : kNames) {
    if (name == known) return version;
  }
  return fail(node.get(key).error("unknown TLS version \"" + name + "\", expected TLS10, TLS11, TLS12 or TLS13"));
}

Result<net::ServerTlsOptions> read_server(const YamlNode& node, const std::string& folder) {
  SENTINEL_TRY(node.expect_keys(
      "tls_server_config",
      {"cert", "cert_file", "key", "key_file", "client_auth_type", "client_ca", "client_ca_file", "min_version",
       "max_version", "prefer_server_cipher_suites", "client_allowed_sans", "cipher_suites", "curve_preferences"}));
  for (const char* key : {"client_allowed_sans", "cipher_suites", "curve_preferences"}) {
    if (node.get(key).size() > 0) return fail(node.get(key).error(std::string(key) + " is not supported"));
  }
  net::ServerTlsOptions out;
  SENTINEL_ASSIGN(out.cert_pem, read_pem(node, "cert", folder));
  SENTINEL_ASSIGN(out.key_pem, read_pem(node, "key", folder));
  if (out.cert_pem.empty()) return fail(node.error("missing cert_file"));
  if (out.key_pem.empty()) return fail(node.error("missing key_file"));
  SENTINEL_ASSIGN(out.client_ca_pem, read_pem(node, "client_ca", folder));
  SENTINEL_ASSIGN(out.min_version, read_version(node, "min_version"));
  SENTINEL_ASSIGN(out.max_version, read_version(node, "max_version"));
  SENTINEL_ASSIGN(const std::string auth, node.string_or("client_auth_type", "NoClientCert"));
  bool known = false;
  for (const auto& [name, value] : kClientAuth) {
    if (auth != name) continue;
    out.client_auth = value;
    known = true;
  }
  if (!known) return fail(node.get("client_auth_type").error("invalid ClientAuth: " + auth));
  if (!out.client_ca_pem.empty() && out.client_auth == net::ClientAuth::kNone)
    return fail(node.error("client CAs have been configured without a client auth policy"));
  return out;
}

}  // namespace

Status read_cluster_tls(const std::string& path, alerting::ClusterOptions& cluster) {
  SENTINEL_ASSIGN(const std::string text, posix_env().read_file(path));
  SENTINEL_ASSIGN(const YamlNode root, text::parse_yaml(text, path));
  SENTINEL_TRY(root.expect_keys("the TLS configuration", {"tls_server_config", "tls_client_config"}));
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  for (const char* key : {"tls_server_config", "tls_client_config"}) {
    if (!root.get(key).is_map())
      return fail(root.error(std::string("missing '") + key + "' entry in the TLS configuration"));
  }
  const YamlNode server_node = root.get("tls_server_config");
  SENTINEL_ASSIGN(const net::ServerTlsOptions server, read_server(server_node, folder));
  auto made = net::make_server_tls(server);
  if (!made) return fail(server_node.error(made.error().message()));
  SENTINEL_ASSIGN(const receivers::TlsConfig client, receivers::read_tls_config(root.get("tls_client_config"), folder));
  SENTINEL_ASSIGN(net::TransportOptions options, receivers::transport_options(client, {}, ""));
  SENTINEL_ASSIGN(cluster.client_tls, net::make_transport(std::move(options)));
  cluster.server_tls = std::move(*made);
  return {};
}

}  // namespace sentinel::app
