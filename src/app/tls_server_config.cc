#include "app/tls_server_config.h"

namespace sentinel::app {

using text::YamlNode;

namespace {

constexpr std::pair<const char*, net::ClientAuth> kClientAuth[] = {
    {"NoClientCert", net::ClientAuth::kNone},
    {"RequestClientCert", net::ClientAuth::kRequest},
    {"RequireAnyClientCert", net::ClientAuth::kRequireAny},
    {"RequireClientCert", net::ClientAuth::kRequireAny},
    {"VerifyClientCertIfGiven", net::ClientAuth::kVerifyIfGiven},
    {"RequireAndVerifyClientCert", net::ClientAuth::kRequireAndVerify},
};

Result<std::string> read_pem(const YamlNode& node, const std::string& key, const FileReader& read) {
  SENTINEL_ASSIGN(std::string inline_pem, node.string_or(key, ""));
  SENTINEL_ASSIGN(std::string file, node.string_or(key + "_file", ""));
  if (!inline_pem.empty() && !file.empty())
    return fail(node.get(key).error("only one of " + key + " and " + key + "_file must be given"));
  if (file.empty()) return inline_pem;
  auto text = read(file);
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

}  // namespace

FileReader files_beside(const std::string& path) {
  return [folder = path.substr(0, path.rfind('/') + 1)](const std::string& file) {
    return posix_env().read_file(file.starts_with('/') ? file : folder + file);
  };
}

Result<std::shared_ptr<const net::ServerTls>> read_tls_server_config(const YamlNode& node, const FileReader& read) {
  SENTINEL_TRY(node.expect_keys(
      "tls_server_config",
      {"cert", "cert_file", "key", "key_file", "client_auth_type", "client_ca", "client_ca_file", "min_version",
       "max_version", "prefer_server_cipher_suites", "client_allowed_sans", "cipher_suites", "curve_preferences"}));
  for (const char* key : {"client_allowed_sans", "cipher_suites", "curve_preferences"}) {
    if (node.get(key).size() > 0) return fail(node.get(key).error(std::string(key) + " is not supported"));
  }
  net::ServerTlsOptions out;
  SENTINEL_ASSIGN(out.cert_pem, read_pem(node, "cert", read));
  SENTINEL_ASSIGN(out.key_pem, read_pem(node, "key", read));
  if (out.cert_pem.empty()) return fail(node.error("missing cert_file"));
  if (out.key_pem.empty()) return fail(node.error("missing key_file"));
  SENTINEL_ASSIGN(out.client_ca_pem, read_pem(node, "client_ca", read));
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
  auto made = net::make_server_tls(out);
  if (!made) return fail(node.error(made.error().message()));
  return made;
}

}  // namespace sentinel::app
