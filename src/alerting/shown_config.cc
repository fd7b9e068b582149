#include "alerting/shown_config.h"

#include <algorithm>

#include "alerting/limits.h"
#include "base/strings.h"
#include "text/yaml.h"

namespace sentinel::alerting {
namespace {

using text::YamlKind;
using text::YamlNode;

constexpr std::string_view kHidden = "<secret>";

// Whole values that are secret wherever they stand.
bool is_secret(std::string_view key) {
  if (key.ends_with("_file") || key == "resolve_timeout") return false;
  static constexpr std::string_view kEndings[] = {"password", "secret",      "token",       "credentials",
                                                  "api_key",  "service_key", "routing_key", "user_key"};
  return std::any_of(std::begin(kEndings), std::end(kEndings), [&](auto end) { return key.ends_with(end); }) ||
         key == "secrets" || key == "secret_key" || key == "key";
}

// URLs that say more than where: who has them may post.
bool is_secret_url(std::string_view key) {
  return key == "url" || key == "api_url" || key == "slack_api_url" || key.ends_with("webhook_url");
}

std::string hidden_url(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return std::string(kHidden);
  std::string_view host = url.substr(scheme + 3);
  const size_t end = host.find_first_of("/?#");
  const bool has_more = end != std::string_view::npos && end + 1 < host.size();
  host = host.substr(0, end);
  const size_t user = host.rfind('@');
  const bool has_user = user != std::string_view::npos;
  if (has_user) host = host.substr(user + 1);
  std::string out(url.substr(0, scheme + 3));
  out += host;
  return has_more || has_user ? out + "/" + std::string(kHidden) : std::string(url);
}

bool is_plain(std::string_view text) {
  if (text.empty() || text.front() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '/' || c == '-';
  });
}

class Writer {
 public:
  std::string take() { return std::move(out_); }

  void map(const YamlNode& node, size_t indent, bool hide, bool first_on_line) {
    for (const YamlNode::Entry& entry : node.entries()) {
      const std::string key = entry.name();
      if (!first_on_line) out_.append(indent, ' ');
      first_on_line = false;
      out_ += is_plain(key) ? key : json_quote(key);
      out_ += ':';
      value(entry.value, key, indent, hide || is_secret(key));
    }
  }

 private:
  void value(const YamlNode& node, std::string_view key, size_t indent, bool hide) {
    switch (node.kind()) {
      case YamlKind::kNull: out_ += '\n'; return;
      case YamlKind::kScalar:
        out_ += ' ';
        scalar(node, key, hide);
        return;
      case YamlKind::kMap:
        if (node.entries().empty()) {
          out_ += " {}\n";
          return;
        }
        out_ += '\n';
        map(node, indent + 2, hide, false);
        return;
      case YamlKind::kList:
        if (node.size() == 0) {
          out_ += " []\n";
          return;
        }
        out_ += '\n';
        list(node, indent, hide);
        return;
    }
  }

  void list(const YamlNode& node, size_t indent, bool hide) {
    for (const YamlNode& item : node.items()) {
      out_.append(indent, ' ');
      out_ += '-';
      if (item.is_map() && !item.entries().empty()) {
        out_ += ' ';
        map(item, indent + 2, hide, true);
      } else {
        value(item, "", indent + 2, hide);
      }
    }
  }

  void scalar(const YamlNode& node, std::string_view key, bool hide) {
    const std::string text = node.string().value_or("");
    if (hide && !text.empty()) {
      out_ += kHidden;
    } else if (is_secret_url(key) && !text.empty()) {
      out_ += json_quote(hidden_url(text));
    } else {
      out_ += !node.quoted() && is_plain(text) ? text : json_quote(text);
    }
    out_ += '\n';
  }

  std::string out_;
};

}  // namespace

std::string shown_config(std::string_view text) {
  text::YamlLimits limits;
  limits.bytes_max = kConfigBytesMax;
  const auto document = text::parse_yaml(text, "", limits);
  if (!document || !document->is_map()) return "";
  Writer writer;
  writer.map(*document, 0, false, false);
  return writer.take();
}

}  // namespace sentinel::alerting
