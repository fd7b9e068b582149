#include "app/web_config.h"

#include <algorithm>

#include "api/basic_auth.h"
#include "app/tls_server_config.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/strings.h"

namespace sentinel::app {
namespace {

// Those that may be set, as there.
constexpr const char* kHeaders[] = {"Content-Security-Policy", "Strict-Transport-Security", "X-Content-Type-Options",
                                    "X-Frame-Options", "X-XSS-Protection"};

Result<net::Headers> read_headers(const text::YamlNode& node) {
  SENTINEL_TRY(node.expect_keys("http_server_config", {"http2", "headers"}));
  SENTINEL_TRY(
      node.boolean_or("http2", true));  // accepted, without effect: a client that is not offered it does without
  net::Headers out;
  const text::YamlNode headers = node.get("headers");
  for (const auto& entry : headers.entries()) {
    const std::string name = entry.name();
    const text::YamlNode& value = entry.value;
    const bool known = std::any_of(std::begin(kHeaders), std::end(kHeaders), [&](const char* k) { return name == k; });
    if (!known) return fail(value.error("HTTP header \"" + name + "\" can not be configured"));
    SENTINEL_ASSIGN(const std::string text, value.string());
    if (text.find_first_of("\r\n") != std::string::npos) return fail(value.error("a header is one line"));
    out.set(name, text);
  }
  return out;
}

Result<std::map<std::string, std::string>> read_users(const text::YamlNode& node) {
  std::map<std::string, std::string> out;
  for (const auto& entry : node.entries()) {
    SENTINEL_ASSIGN(const std::string hash, entry.value.string());
    if (!api::is_bcrypt(hash))
      return fail(entry.value.error("expected a bcrypt hash, as `htpasswd -nBC 10 NAME` makes it"));
    out[entry.name()] = hash;
  }
  return out;
}

}  // namespace

Result<WebConfig> read_web_config(const std::string& path) {
  std::string content;
  SENTINEL_ASSIGN(const std::string text, posix_env().read_file(path));
  content = text;
  const FileReader beside = files_beside(path);
  const FileReader noted = [&](const std::string& file) {
    auto read = beside(file);
    if (read) content += '\0' + *read;
    return read;
  };
  SENTINEL_ASSIGN(const text::YamlNode root, text::parse_yaml(text, path));
  SENTINEL_TRY(
      root.expect_keys("the web configuration", {"tls_server_config", "http_server_config", "basic_auth_users"}));
  WebConfig out;
  if (const text::YamlNode tls = root.get("tls_server_config"); tls.is_map() && !tls.entries().empty()) {
    SENTINEL_ASSIGN(out.connections.tls, read_tls_server_config(tls, noted));
  }
  SENTINEL_ASSIGN(out.connections.headers, read_headers(root.get("http_server_config")));
  SENTINEL_ASSIGN(out.users, read_users(root.get("basic_auth_users")));
  out.content_sha256 = sha256(content);
  return out;
}

WebConfigWatch::WebConfigWatch(std::string path, const WebConfig& first, std::function<void(const WebConfig&)> apply)
    : path_(std::move(path)), apply_(std::move(apply)), in_force_(first.content_sha256) {}

void WebConfigWatch::look() {
  const auto read = read_web_config(path_);
  const std::string wrong = read ? "" : read.error().to_string();
  if (!wrong.empty() && wrong != last_wrong_)
    log_error("web", "the web configuration has changed and is wrong; the old one stays", {{"error", wrong}});
  last_wrong_ = wrong;
  if (!read || read->content_sha256 == in_force_) return;
  in_force_ = read->content_sha256;
  apply_(*read);
  log_info("web", "web configuration reloaded", {{"file", path_}});
}

}  // namespace sentinel::app
