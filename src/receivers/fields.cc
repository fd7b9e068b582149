#include "receivers/fields.h"

#include <array>
#include <cmath>

#include "base/file.h"
#include "base/strings.h"
#include "receivers/limits.h"
#include "text/template.h"

namespace sentinel::receivers {
namespace {

using text::YamlNode;

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};

bool has_file_variant(const FieldTarget& target) {
  return std::holds_alternative<Secret*>(target) || std::holds_alternative<SecretUrlField>(target);
}

template <class T>
Status assign(T& target, Result<T> value) {
  if (!value) return fail(std::move(value).error());
  target = std::move(*value);
  return {};
}

Status read_secret_field(const YamlNode& map, const std::string& name, Secret& out) {
  Secret secret;
  SENTINEL_ASSIGN(secret.value, map.string_or(name, ""));
  SENTINEL_ASSIGN(secret.file, map.string_or(name + "_file", ""));
  if (!secret.value.empty() && !secret.file.empty()) {
    return fail(map.get(name + "_file").error("at most one of " + name + " and " + name + "_file must be given"));
  }
  if (!secret.empty()) out = std::move(secret);
  return {};
}

Status read_map(const YamlNode& node, std::string_view name, StringMap& out) {
  if (!node.is_map()) return fail(node.error(std::string(name) + " must be a map"));
  out.clear();
  for (const YamlNode::Entry& entry : node.entries()) {
    SENTINEL_ASSIGN(std::string value, entry.value.is_null() ? Result<std::string>("") : entry.value.string());
    out[entry.name()] = std::move(value);
  }
  return {};
}

Status read_count(const YamlNode& node, std::string_view name, size_t& out) {
  SENTINEL_ASSIGN(const int64_t value, node.integer());
  if (value < 0) return fail(node.error(std::string(name) + " must not be negative"));
  out = static_cast<size_t>(value);
  return {};
}

// "[::1]:25" and "host:25" as Go's net.SplitHostPort has it.
Status read_host_port(const YamlNode& node, std::string& out) {
  SENTINEL_ASSIGN(const std::string address, node.string());
  if (address.empty()) return {};
  const size_t colon = address.rfind(':');
  const std::string host = address.substr(0, colon == std::string::npos ? 0 : colon);
  if (colon == std::string::npos || (host.find(':') != std::string::npos && !host.starts_with('['))) {
    return fail(node.error("\"" + address + "\" is not an address, expected host:port"));
  }
  if (colon + 1 == address.size()) return fail(node.error("address \"" + address + "\": the port cannot be empty"));
  out = address;
  return {};
}

Status read_field(const YamlNode& map, const Field& field) {
  const YamlNode node = map.get(field.name);
  const std::string name(field.name);
  if (has_file_variant(field.target)) {
    if (auto* const* secret = std::get_if<Secret*>(&field.target)) return read_secret_field(map, name, **secret);
    Secret& url = *std::get<SecretUrlField>(field.target).target;
    SENTINEL_TRY(read_secret_field(map, name, url));
    return node.is_null() || url.value.empty() ? Status() : check_url(node, url.value);
  }
  if (node.is_null()) return {};
  return std::visit(Overloaded{[&](std::string* out) { return assign(*out, node.string()); },
                               [&](bool* out) { return assign(*out, read_bool(node)); },
                               [&](std::optional<bool>* out) -> Status {
                                 SENTINEL_ASSIGN(*out, read_bool(node));
                                 return {};
                               },
                               [&](int64_t* out) { return assign(*out, node.integer()); },
                               [&](size_t* out) { return read_count(node, name, *out); },
                               [&](Millis* out) { return assign(*out, node.duration()); },
                               [&](std::vector<std::string>* out) { return assign(*out, node.strings()); },
                               [&](StringMap* out) { return read_map(node, name, *out); },
                               [&](const GoDurationField& out) -> Status {
                                 SENTINEL_ASSIGN(const std::string text, node.string());
                                 const Result<Millis> parsed = parse_go_duration(text);
                                 if (!parsed) return fail(node.error(parsed.error().message()));
                                 *out.target = *parsed;
                                 return {};
                               },
                               [&](const UrlField& out) -> Status {
                                 SENTINEL_ASSIGN(*out.target, node.string());
                                 return check_url(node, *out.target);
                               },
                               [&](const HostPortField& out) { return read_host_port(node, *out.target); },
                               [&](const ReadNode& read) { return read(node); }, [](const auto&) { return Status(); }},
                    field.target);
}

}  // namespace

Result<std::string> read_secret(const Secret& secret) {
  if (secret.file.empty()) return secret.value;
  Result<std::string> content = posix_env().read_file(secret.file);
  if (!content) return fail(content.error().with_context("secret file"));
  if (content->size() > kSecretFileBytesMax)
    return fail(ErrorCode::kTooLarge, "secret file " + secret.file + " is too large");
  return std::string(trim(*content));
}

Result<bool> read_bool(const YamlNode& node) {
  constexpr std::array<std::string_view, 4> kYes = {"y", "yes", "on", "true"};
  constexpr std::array<std::string_view, 4> kNo = {"n", "no", "off", "false"};
  if (node.is_scalar() && !node.quoted()) {
    const std::string word = to_lower(node.string().value_or(""));
    if (std::find(kYes.begin(), kYes.end(), word) != kYes.end()) return true;
    if (std::find(kNo.begin(), kNo.end(), word) != kNo.end()) return false;
  }
  return node.boolean();  // for its error
}

Status check_url(const YamlNode& node, const std::string& url) {
  if (url == "<secret>") return {};  // how Alertmanager shows one; a shown configuration can be read again
  const std::string_view text(url);
  const std::string_view rest = text.starts_with("https://")  ? text.substr(8)
                                : text.starts_with("http://") ? text.substr(7)
                                                              : std::string_view();
  if (rest.empty() || rest.starts_with('/') || rest.find_first_of(" \t\r\n") != std::string_view::npos) {
    // The text is a secret more often than not.
    return fail(node.error("not a URL, expected http://host… or https://host…"));
  }
  return {};
}

Status check_template(const YamlNode& node, const std::string& text) {
  if (text.find("{{") == std::string::npos) return {};
  text::Template check(text::FuncMap{}, {});
  const Status parsed = check.parse("", text);
  return parsed ? Status() : fail(node.error(parsed.error().message()));
}

Status check_template_url(const YamlNode& node, const std::string& url) {
  return url.find("{{") == std::string::npos ? check_url(node, url) : check_template(node, url);
}

Result<Millis> parse_go_duration(std::string_view text) {
  const auto bad = [&] { return fail(ErrorCode::kInvalidArgument, "not a duration: " + json_quote(text)); };
  constexpr std::pair<std::string_view, double> kUnits[] = {{"ns", 1e-6}, {"us", 1e-3}, {"µs", 1e-3}, {"ms", 1},
                                                            {"s", 1e3},   {"m", 6e4},   {"h", 3.6e6}};
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return Millis(0);
  if (rest.empty()) return bad();
  double ms = 0;
  while (!rest.empty()) {
    const size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
    const std::optional<double> number = parse_double(rest.substr(0, digits));
    rest.remove_prefix(digits);
    const size_t letters = std::min(rest.find_first_of("0123456789."), rest.size());
    const auto unit =
        std::find_if(std::begin(kUnits), std::end(kUnits), [&](auto& u) { return u.first == rest.substr(0, letters); });
    if (!number || unit == std::end(kUnits)) return bad();
    ms += *number * unit->second;
    rest.remove_prefix(letters);
  }
  if (ms > 9.2e12) return bad();  // Go's int64 of nanoseconds ends here
  return Millis(static_cast<int64_t>(std::llround(negative ? -ms : ms)));
}

Status read_fields(const YamlNode& node, std::string_view what, const Fields& fields) {
  std::vector<std::string> files;  // what the views below look at
  files.reserve(fields.size());
  std::vector<std::string_view> known;
  for (const Field& field : fields) {
    known.push_back(field.name);
    if (has_file_variant(field.target)) known.push_back(files.emplace_back(std::string(field.name) + "_file"));
  }
  SENTINEL_TRY(node.expect_keys(what, known));
  if (node.is_null()) return {};
  for (const Field& field : fields) SENTINEL_TRY(read_field(node, field));
  return {};
}

}  // namespace sentinel::receivers
