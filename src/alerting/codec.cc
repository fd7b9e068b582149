#include "alerting/codec.h"

#include <charconv>

#include <fmt/format.h>
#include <boost/json.hpp>

#include "base/strings.h"

namespace sentinel::alerting {

namespace json = boost::json;

std::string fingerprint_text(uint64_t fingerprint) { return fmt::format("{:016x}", fingerprint); }

std::string encode_fingerprints(const Fingerprints& set) {
  std::string out;
  for (const uint64_t f : set) out += (out.empty() ? "" : " ") + fingerprint_text(f);
  return out;
}

Fingerprints decode_fingerprints(std::string_view text) {
  Fingerprints out;
  for (const std::string_view part : split(text, ' ')) {
    uint64_t value = 0;
    const auto [end, ec] = std::from_chars(part.data(), part.data() + part.size(), value, 16);
    if (ec == std::errc() && end == part.data() + part.size() && !part.empty()) out.insert(value);
  }
  return out;
}

std::string encode_strings(const std::vector<std::string>& list) {
  std::string out = "[";
  for (const std::string& s : list) {
    if (out.size() > 1) out += ',';
    append_json_quoted(out, s);
  }
  return out + "]";
}

Result<std::vector<std::string>> decode_strings(std::string_view text) {
  boost::system::error_code ec;
  const json::value value = json::parse(text, ec);
  if (ec || !value.is_array()) return fail(ErrorCode::kInternal, "a stored list cannot be read");
  std::vector<std::string> out;
  for (const json::value& v : value.get_array()) {
    if (!v.is_string()) return fail(ErrorCode::kInternal, "a stored list cannot be read");
    out.emplace_back(v.get_string());
  }
  return out;
}

}  // namespace sentinel::alerting
