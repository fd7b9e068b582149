#pragma once
// What the one Vectorscan pass looks for. A pattern finds candidates; its check decides.

#include <cstdint>
#include <span>
#include <string_view>

namespace sentinel::analysis {

enum class PiiCheck : uint8_t {
  kNone,
  kEmail,
  kCard,
  kIban,
  kSsn,
  kNino,
  kPhone,
  kIpv4,
  kIpv6,
  kMac,
  kBirthDate,
  kBase58,
  kToken,         // a key with a known prefix: extended to the right over token characters
  kGenericToken,  // prefix_… of unknown maker: long, mixed and random
  kKeyword,       // "api_key", "password", …: the value after it is looked at
  kJwt,           // three base64 parts with a JSON head
  kSlackLegacy,   // numbers and a hash: too plain for an entropy test
  kBearer,        // "Bearer …", "Basic …"
  kUrlCredentials,
  kPrivateKey,
};

struct PiiPattern {
  std::string_view type;
  const char* regex;
  PiiCheck check;
  bool caseless = false;
};

std::span<const PiiPattern> pii_patterns();

}  // namespace sentinel::analysis
