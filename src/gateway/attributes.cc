#include "gateway/attributes.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/strings.h"
#include "gateway/limits.h"
#include "net/http1.h"
#include "text/json.h"
#include "text/json_text.h"

namespace sentinel::gateway {
namespace {

using net::header_name_equals;

std::string bounded(std::string_view value) { return to_valid_utf8(utf8_prefix(trim(value), kAttributeBytesMax)); }

bool starts_with_name(std::string_view name, std::string_view prefix) {
  return name.size() >= prefix.size() && header_name_equals(name.substr(0, prefix.size()), prefix);
}

// Text, numbers and truth values of a JSON object; what is nested or null is no tag.
void read_json_tags(std::string_view text, model::Interaction& interaction) {
  const auto object = text::parse_json_object(text, {.bytes_max = kTagsBytesMax, .depth_max = 8});
  if (!object) return;
  for (const auto& item : *object) {
    const boost::json::value& value = item.value();
    if (value.is_null() || value.is_structured() || interaction.tags.size() >= kTagsMax) continue;
    std::string key = bounded(item.key());
    const std::string word = value.is_string() ? std::string(value.get_string()) : text::serialize(value);
    if (!key.empty()) interaction.tags.emplace_back(std::move(key), bounded(word));
  }
}

void read_tags(std::string_view list, model::Interaction& interaction) {
  if (trim(list).starts_with('{')) return read_json_tags(trim(list), interaction);
  for (const auto item : split(list, ',')) {
    const size_t equals = item.find('=');
    if (equals == std::string_view::npos || interaction.tags.size() >= kTagsMax) continue;
    std::string key = bounded(item.substr(0, equals));
    if (!key.empty()) interaction.tags.emplace_back(std::move(key), bounded(item.substr(equals + 1)));
  }
}

void read_simulate(std::string_view list, model::Interaction& interaction) {
  for (const auto item : split(list, ',')) {
    std::string flag = bounded(item);
    auto& flags = interaction.simulate_flags;
    if (flag.empty() || flags.size() >= kTagsMax || std::find(flags.begin(), flags.end(), flag) != flags.end())
      continue;
    flags.push_back(std::move(flag));
  }
}

void read_attribute(std::string_view name, std::string_view value, model::Interaction& interaction) {
  if (header_name_equals(name, "endpoint"))
    interaction.endpoint = bounded(value);
  else if (header_name_equals(name, "service"))
    interaction.service = bounded(value);
  else if (header_name_equals(name, "env"))
    interaction.env = bounded(value);
  else if (header_name_equals(name, "prompt-id"))
    interaction.prompt_id = bounded(value);
  else if (header_name_equals(name, "prompt-template"))
    interaction.prompt_template = bounded(value);
  else if (header_name_equals(name, "session"))
    interaction.session_id = bounded(value);
  else if (header_name_equals(name, "test"))
    interaction.test_mode = trim(value) == "1" || iequals(trim(value), "true");
  else if (header_name_equals(name, "tags"))
    read_tags(value, interaction);
  else if (header_name_equals(name, "simulate"))
    read_simulate(value, interaction);
}

bool is_lower_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string random_hex(Random& random, size_t words) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < words; ++i) {
    uint64_t word = random.next() | 1;  // all zeros is not allowed
    for (int d = 0; d < 16; ++d, word >>= 4) out += kHex[word & 15];
  }
  return out;
}

// Of the caller's headers: what must not, or need not, reach the provider.
bool stays_here(std::string_view name, bool provider_has_key) {
  if (net::is_hop_by_hop(name) || starts_with_name(name, "x-sentinel-")) return true;
  switch (name.size()) {
    case 4: return header_name_equals(name, "host");
    case 6: return header_name_equals(name, "expect") || header_name_equals(name, "cookie");
    case 7: return provider_has_key && header_name_equals(name, "api-key");
    case 9: return provider_has_key && header_name_equals(name, "x-api-key");
    case 11: return header_name_equals(name, "traceparent");
    case 12: return header_name_equals(name, "x-request-id");
    case 13: return provider_has_key && header_name_equals(name, "authorization");
    case 14: return provider_has_key && header_name_equals(name, "x-goog-api-key");
    case 15: return header_name_equals(name, "accept-encoding");
    default: return false;
  }
}

bool is_dropped_from_answer(std::string_view name) {
  return net::is_hop_by_hop(name) || header_name_equals(name, "set-cookie") || header_name_equals(name, "date") ||
         header_name_equals(name, "alt-svc") || starts_with_name(name, "x-sentinel-");
}

}  // namespace

void read_attributes(const net::Headers& headers, model::Interaction& interaction) {
  constexpr std::string_view kPrefix = "x-sentinel-";
  for (const auto& [name, value] : headers.all()) {
    if (starts_with_name(name, kPrefix)) {
      read_attribute(name.substr(kPrefix.size()), value, interaction);
    } else if (name.size() == 11 && header_name_equals(name, "traceparent")) {
      interaction.trace_id = parse_traceparent(value);
      interaction.parent_span_id = parse_parent_span(value);
    }
  }
}

std::string key_hash(const net::Request& request) {
  for (const std::string_view name : {"authorization", "x-api-key", "api-key", "x-goog-api-key"}) {
    const std::string_view shown = request.headers.get(name);
    if (!shown.empty()) return hex_encode(sha256(shown).substr(0, 8));
  }
  const std::string_view in_query = request.query.get("key");  // as Gemini's clients may
  return in_query.empty() ? std::string() : hex_encode(sha256(in_query).substr(0, 8));
}

std::string network_of(std::string_view peer) {
  const size_t colon = peer.rfind(':');
  if (colon == std::string_view::npos) return {};
  std::string_view host = peer.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.starts_with("::ffff:") && host.find('.') != std::string_view::npos) host.remove_prefix(7);
  const std::string text(host);
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET, text.c_str(), bytes.data()) == 1)
    return fmt::format("{}.{}.{}.0/24", bytes[0], bytes[1], bytes[2]);
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) {
    return fmt::format("{:x}:{:x}:{:x}::/48", bytes[0] << 8 | bytes[1], bytes[2] << 8 | bytes[3],
                       bytes[4] << 8 | bytes[5]);
  }
  return {};
}

std::string_view parse_traceparent(std::string_view text) {
  text = trim(text);
  if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return {};
  const std::string_view version = text.substr(0, 2);
  if (!is_lower_hex(version) || version == "ff") return {};
  if (text.size() > 55 && (version == "00" || text[55] != '-')) return {};
  const std::string_view trace = text.substr(3, 32);
  const std::string_view parent = text.substr(36, 16);
  if (!is_lower_hex(trace) || !is_lower_hex(parent) || !is_lower_hex(text.substr(53, 2))) return {};
  if (trace.find_first_not_of('0') == std::string_view::npos || parent.find_first_not_of('0') == std::string_view::npos)
    return {};
  return trace;
}

std::string make_trace_id(Random& random) { return random_hex(random, 2); }

std::string_view parse_parent_span(std::string_view text) {
  return parse_traceparent(text).empty() ? std::string_view() : trim(text).substr(36, 16);
}

std::string make_span_id(Random& random) { return random_hex(random, 1); }

std::string make_traceparent(const model::Interaction& interaction, Random& random) {
  return "00-" + interaction.trace_id + "-" +
         (interaction.span_id.empty() ? make_span_id(random) : interaction.span_id) + "-01";
}

std::string make_request_id(TimePoint now, Random& random) {
  constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  std::string id(26, '0');
  const auto ms = static_cast<uint64_t>(std::max<int64_t>(to_ms(now), 0));
  for (size_t i = 0; i < 10; ++i) id[i] = kCrockford[(ms >> (45 - 5 * i)) & 31];
  uint64_t bits = random.next();
  for (size_t i = 10; i < 26; ++i) {
    if (i == 18) bits = random.next();
    id[i] = kCrockford[bits & 31];
    bits >>= 5;
  }
  return id;
}

net::Headers upstream_headers(const net::Headers& caller, const Provider& provider, std::string_view key,
                              const model::Interaction& interaction, Random& random) {
  net::Headers out;
  const bool has_key = provider.has_key();
  for (const auto& [name, value] : caller.all()) {
    if (!stays_here(name, has_key)) out.add(name, value);
  }
  if (!key.empty()) out.add(provider.key_header, key);
  out.add("traceparent", make_traceparent(interaction, random));
  if (provider.config.kind == ProviderKind::kSimulated && !interaction.simulate_flags.empty()) {
    out.add("x-sentinel-simulate", join({interaction.simulate_flags.begin(), interaction.simulate_flags.end()}, ","));
  }
  return out;
}

net::Headers downstream_headers(const net::Headers& provider_headers, const model::Interaction&) {
  net::Headers out;
  for (const auto& [name, value] : provider_headers.all()) {
    if (is_dropped_from_answer(name)) continue;
    out.add(header_name_equals(name, "x-request-id") ? std::string_view("x-sentinel-upstream-request-id") : name,
            value);
  }
  return out;
}

void set_headers(net::Headers& headers, const net::Headers& ours) {
  for (const auto& [name, value] : ours.all()) headers.set(name, value);
}

void add_own_headers(net::Headers& headers, const model::Interaction& interaction, std::string_view model) {
  headers.add("x-request-id", interaction.request_id);
  if (!interaction.provider.empty()) headers.add("x-sentinel-provider", interaction.provider);
  if (!model.empty()) headers.add("x-sentinel-model", model);
  headers.add("x-sentinel-retries", std::to_string(interaction.retry_count));
}

}  // namespace sentinel::gateway
