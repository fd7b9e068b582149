#include "analysis/validators.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/strings.h"

namespace sentinel::analysis {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

std::string digits_of(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (is_digit(c)) out.push_back(c);
  }
  return out;
}

int number(std::string_view digits) {
  int value = 0;
  for (char c : digits.substr(0, 9)) value = value * 10 + (c - '0');
  return value;
}

bool issued_prefix(std::string_view digits) {
  const int two = number(digits.substr(0, 2));
  const int three = number(digits.substr(0, 3));
  const int four = number(digits.substr(0, 4));
  const size_t size = digits.size();
  if (digits[0] == '4') return size == 13 || size == 16 || size == 19;
  if (two == 34 || two == 37) return size == 15;
  if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720)) return size == 16;
  if (four == 6011 || two == 65 || (three >= 644 && three <= 649) || two == 62) return size >= 16;
  if (four >= 3528 && four <= 3589) return size == 16;
  if (two == 36 || two == 38 || (three >= 300 && three <= 305)) return size == 14;
  return four == 5018 || four == 5020 || four == 5038 || four == 6304 || four == 6759 || (four >= 6761 && four <= 6763);
}

struct IbanCountry {
  std::string_view code;
  size_t length;
};
constexpr IbanCountry kIbanCountries[] = {
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22}, {"BH", 22},
    {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22}, {"DK", 18}, {"DO", 28},
    {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FO", 18}, {"FR", 27}, {"GB", 22}, {"GE", 22}, {"GI", 23},
    {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28}, {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26},
    {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20}, {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20},
    {"LV", 21}, {"MC", 27}, {"MD", 24}, {"ME", 22}, {"MK", 19}, {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NL", 18},
    {"NO", 15}, {"PK", 24}, {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"SA", 24},
    {"SC", 31}, {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"TN", 24}, {"TR", 26}, {"UA", 29}, {"VA", 22},
    {"VG", 24}, {"XK", 20}};

}  // namespace

bool luhn_valid(std::string_view text) {
  int sum = 0;
  int position = 0;
  for (auto it = text.rbegin(); it != text.rend(); ++it) {
    if (!is_digit(*it)) continue;
    int d = *it - '0';
    if (position++ % 2 == 1) d = d > 4 ? d * 2 - 9 : d * 2;
    sum += d;
  }
  return position > 1 && sum % 10 == 0;
}

bool card_valid(std::string_view text) {
  const std::string digits = digits_of(text);
  if (digits.size() < 13 || digits.size() > 19) return false;
  return issued_prefix(digits) && luhn_valid(digits);
}

bool iban_valid(std::string_view text) {
  std::string compact;
  for (char c : text) {
    if (c != ' ') compact.push_back(c);
  }
  if (compact.size() < 15 || compact.size() > 34) return false;
  const auto* country = std::find_if(std::begin(kIbanCountries), std::end(kIbanCountries), [&](const IbanCountry& c) {
    return std::string_view(compact).substr(0, 2) == c.code;
  });
  if (country == std::end(kIbanCountries) || country->length != compact.size()) return false;
  int remainder = 0;
  for (size_t i = 0; i < compact.size(); ++i) {
    const char c = compact[(i + 4) % compact.size()];
    if (is_digit(c)) {
      remainder = (remainder * 10 + (c - '0')) % 97;
    } else if (is_upper(c)) {
      remainder = (remainder * 100 + (c - 'A' + 10)) % 97;
    } else {
      return false;
    }
  }
  return remainder == 1;
}

bool ssn_valid(std::string_view text) {
  const std::string digits = digits_of(text);
  if (digits.size() != 9) return false;
  const int area = number(std::string_view(digits).substr(0, 3));
  return area != 0 && area != 666 && area < 900 && digits.substr(3, 2) != "00" && digits.substr(5) != "0000";
}

bool nino_valid(std::string_view text) {
  std::string compact;
  for (char c : text) {
    if (c != ' ' && c != '-') compact.push_back(c);
  }
  if (compact.size() != 9) return false;
  static constexpr std::string_view kNeverFirst = "DFIQUV";
  static constexpr std::string_view kNeverSecond = "DFIOQUV";
  const std::string prefix = compact.substr(0, 2);
  if (!is_upper(prefix[0]) || !is_upper(prefix[1])) return false;
  if (kNeverFirst.find(prefix[0]) != std::string_view::npos || kNeverSecond.find(prefix[1]) != std::string_view::npos) {
    return false;
  }
  if (prefix == "BG" || prefix == "GB" || prefix == "NK" || prefix == "KN" || prefix == "TN" || prefix == "NT" ||
      prefix == "ZZ") {
    return false;
  }
  return std::all_of(compact.begin() + 2, compact.begin() + 8, is_digit) && compact[8] >= 'A' && compact[8] <= 'D';
}

bool ipv4_public_shape(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, '.');
  if (parts.size() != 4) return false;
  std::array<int, 4> octets{};
  for (size_t i = 0; i < 4; ++i) {
    if (parts[i].empty() || parts[i].size() > 3 || (parts[i].size() > 1 && parts[i][0] == '0')) return false;
    octets[i] = number(parts[i]);
    if (octets[i] > 255) return false;
  }
  return octets[0] != 127 && octets[0] != 0 && text != "255.255.255.255" && text != "255.255.255.0";
}

bool ipv6_valid(std::string_view text) {
  if (text.size() < 7 || std::count(text.begin(), text.end(), ':') < 3) return false;
  in6_addr address{};
  return inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

bool bitcoin_base58_valid(std::string_view text) {
  static constexpr std::string_view kAlphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  std::array<uint8_t, 25> bytes{};
  for (char c : text) {
    const size_t digit = kAlphabet.find(c);
    if (digit == std::string_view::npos) return false;
    uint32_t carry = static_cast<uint32_t>(digit);
    for (size_t i = bytes.size(); i-- > 0;) {
      carry += 58U * bytes[i];
      bytes[i] = static_cast<uint8_t>(carry & 0xff);
      carry >>= 8;
    }
    if (carry) return false;
  }
  const std::string_view raw(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return sha256(sha256(raw.substr(0, 21))).substr(0, 4) == raw.substr(21);
}

bool phone_valid(std::string_view text) {
  const std::string digits = digits_of(text);
  if (text.starts_with('+')) {
    if (digits.size() < 8 || digits.size() > 15 || digits[0] == '0') return false;
    return true;
  }
  std::string_view national = digits;
  if (national.size() == 11 && national[0] == '1') national.remove_prefix(1);
  if (national.size() == 10 && national[0] != '0') return national[0] >= '2';
  return digits.size() >= 9 && digits.size() <= 12 && digits[0] == '0';
}

bool date_valid(std::string_view text) {
  std::vector<int> parts;
  std::vector<size_t> widths;
  for (size_t i = 0; i < text.size();) {
    if (!is_digit(text[i])) {
      ++i;
      continue;
    }
    size_t j = i;
    while (j < text.size() && is_digit(text[j])) ++j;
    parts.push_back(number(text.substr(i, j - i)));
    widths.push_back(j - i);
    i = j;
  }
  if (parts.size() != 3) return false;
  const bool year_first = widths[0] == 4;
  const int year = year_first ? parts[0] : parts[2];
  const int a = year_first ? parts[1] : parts[0];
  const int b = year_first ? parts[2] : parts[1];
  const bool year_good = (year >= 1900 && year <= 2100) || widths[year_first ? 0 : 2] == 2;
  return year_good && a >= 1 && b >= 1 && a <= 31 && b <= 31 && (a <= 12 || b <= 12);
}

double shannon_entropy(std::string_view text) {
  if (text.empty()) return 0;
  std::array<int, 256> counts{};
  for (char c : text) ++counts[static_cast<unsigned char>(c)];
  double bits = 0;
  for (int count : counts) {
    if (count == 0) continue;
    const double p = count / static_cast<double>(text.size());
    bits -= p * std::log2(p);
  }
  return bits;
}

bool all_hex(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

bool looks_like_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !all_hex(text.substr(i, 1))) return false;
  }
  return true;
}

}  // namespace sentinel::analysis
