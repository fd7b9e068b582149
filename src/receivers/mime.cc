#include "receivers/mime.h"

#include <algorithm>
#include <chrono>

#include "base/strings.h"

namespace sentinel::receivers {
namespace {

constexpr std::string_view kHex = "0123456789ABCDEF";
constexpr size_t kEncodedWordMax = 75;
constexpr size_t kLineMax = 76;

bool printable(unsigned char c) { return c >= ' ' && c <= '~'; }

std::string q_byte(unsigned char c) {
  if (c == ' ') return "_";
  if (printable(c) && c != '=' && c != '?' && c != '_') return std::string(1, static_cast<char>(c));
  return std::string("=") + kHex[c >> 4] + kHex[c & 15];
}

tl::unexpected<Error> malformed(std::string_view text) {
  return fail(ErrorCode::kInvalidArgument, "not a list of mail addresses: " + json_quote(text.substr(0, 200)));
}

// Splits at commas outside of quotes, comments and angle brackets.
std::vector<std::string> split_addresses(std::string_view text) {
  std::vector<std::string> out(1);
  bool quoted = false;
  bool angle = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted && c == '\\' && i + 1 < text.size()) {
      out.back() += c;
      out.back() += text[++i];
      continue;
    }
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == '<' || c == '>')) angle = c == '<';
    if (c == ',' && !quoted && !angle) {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

bool plausible(std::string_view address) {
  const size_t at = address.rfind('@');
  if (at == std::string_view::npos || at == 0 || at + 1 == address.size()) return false;
  return std::none_of(address.begin(), address.end(),
                      [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '<' || c == '>' || c == ','; });
}

}  // namespace

std::string q_encode_header(std::string_view text) {
  const bool plain = std::all_of(text.begin(), text.end(),
                                 [](char c) { return printable(static_cast<unsigned char>(c)) || c == '\t'; });
  if (plain) return std::string(text);
  const std::string valid = to_valid_utf8(text);
  constexpr std::string_view kStart = "=?utf-8?q?";
  std::string out(kStart);
  size_t word = kStart.size();
  for (size_t i = 0; i < valid.size();) {
    size_t length = 1;
    while (i + length < valid.size() && (static_cast<unsigned char>(valid[i + length]) & 0xc0) == 0x80) ++length;
    std::string encoded;
    for (size_t k = 0; k < length; ++k) encoded += q_byte(static_cast<unsigned char>(valid[i + k]));
    if (word + encoded.size() + 2 > kEncodedWordMax) {
      (out += "?=\r\n ") += kStart;
      word = kStart.size();
    }
    out += encoded;
    word += encoded.size();
    i += length;
  }
  return out + "?=";
}

std::string quoted_printable(std::string_view text) {
  std::string out;
  size_t column = 0;
  const auto put = [&](std::string_view piece, bool last_of_line) {
    if (column + piece.size() > kLineMax - (last_of_line ? 0 : 1)) {
      out += "=\r\n";
      column = 0;
    }
    out += piece;
    column += piece.size();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char c = static_cast<unsigned char>(text[i]);
    const bool crlf = c == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (crlf || c == '\n') {
      out += "\r\n";
      column = 0;
      i += crlf ? 1 : 0;
      continue;
    }
    const bool ends_line = i + 1 == text.size() || text[i + 1] == '\n' || text.substr(i + 1, 2) == "\r\n";
    const bool white = c == ' ' || c == '\t';
    if ((white && !ends_line) || (printable(c) && c != '=' && !white)) {
      put(text.substr(i, 1), ends_line);
    } else {
      put(std::string("=") + kHex[c >> 4] + kHex[c & 15], ends_line);
    }
  }
  return out;
}

std::string mail_date(TimePoint t) {
  constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const std::string iso = format_rfc3339(t);  // 2026-01-02T03:04:05Z
  const std::chrono::weekday day(std::chrono::floor<std::chrono::days>(t));
  const size_t month = static_cast<size_t>(parse_int(iso.substr(5, 2)).value_or(1) - 1);
  return std::string(kDays.substr(day.c_encoding() * 3, 3)) + ", " + iso.substr(8, 2) + " " +
         std::string(kMonths.substr(month * 3, 3)) + " " + iso.substr(0, 4) + " " + iso.substr(11, 8) + " +0000";
}

std::string canonical_header(std::string_view name) {
  std::string out;
  bool upper = true;
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    out += !letter ? c : static_cast<char>(upper ? c & ~0x20 : c | 0x20);
    upper = c == '-';
  }
  return out;
}

Result<std::vector<std::string>> parse_address_list(std::string_view text) {
  std::vector<std::string> out;
  for (const std::string& entry : split_addresses(text)) {
    std::string_view address = trim(entry);
    if (address.ends_with('>')) {
      const size_t open = address.rfind('<');
      if (open == std::string_view::npos) return malformed(text);
      address = trim(address.substr(open + 1, address.size() - open - 2));
    }
    if (!plausible(address)) return malformed(text);
    out.emplace_back(address);
  }
  return out;
}

}  // namespace sentinel::receivers
