#include "connect/config.h"

#include <array>

#include <fmt/format.h>

#include "connect/kinds.h"
#include "connect/limits.h"

namespace sentinel::connect {
namespace {

struct Kind {
  std::string_view name;
  ConnectionResult (*read)(const text::YamlNode&, const std::string&);
};
constexpr std::array<Kind, 5> kKinds = {{{"datadog", read_datadog},
                                         {"jira", read_jira},
                                         {"mail", read_mail},
                                         {"pagerduty", read_pagerduty},
                                         {"slack", read_slack}}};

}  // namespace

std::string Config::reply_address() const {
  for (const auto& connection : connections) {
    if (!connection->reply_address().empty()) return connection->reply_address();
  }
  return "";
}

std::shared_ptr<const Connection> Config::find(std::string_view name) const {
  for (const auto& connection : connections) {
    if (connection->name() == name) return connection;
  }
  return nullptr;
}

Result<Config> parse_integrations(const text::YamlNode& node, const std::string& folder) {
  Config out;
  if (node.is_null()) return out;
  if (!node.is_list()) return fail(node.error("integrations must be a list"));
  if (node.size() > kConnectionsMax) return fail(node.error(fmt::format("at most {} integrations", kConnectionsMax)));
  for (const text::YamlNode& item : node.items()) {
    SENTINEL_ASSIGN(const text::YamlNode kind_node, item.require("integration", "kind"));
    SENTINEL_ASSIGN(const std::string kind, kind_node.string());
    const Kind* known = nullptr;
    std::string all;
    for (const Kind& k : kKinds) {
      if (k.name == kind) known = &k;
      all += fmt::format("{}{}", all.empty() ? "" : ", ", k.name);
    }
    if (known == nullptr)
      return fail(kind_node.error(fmt::format("unknown kind \"{}\"; expected one of {}", kind, all)));
    SENTINEL_ASSIGN(std::shared_ptr<const Connection> connection, known->read(item, folder));
    if (out.find(connection->name()) != nullptr)
      return fail(item.error(fmt::format("integration \"{}\" is there twice; give each a name", connection->name())));
    out.connections.push_back(std::move(connection));
  }
  return out;
}

}  // namespace sentinel::connect
