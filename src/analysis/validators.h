#pragma once
// Checks that tell a real number from one that only has its shape. Pure functions; any bytes.

#include <string_view>

namespace sentinel::analysis {

bool luhn_valid(std::string_view digits_and_separators);
// Luhn, length and a prefix that a card network has issued.
bool card_valid(std::string_view text);
// Country length and mod 97; spaces allowed.
bool iban_valid(std::string_view text);
// Area, group and serial ranges that were ever issued; 9 digits with '-' or ' ' between.
bool ssn_valid(std::string_view text);
bool nino_valid(std::string_view text);         // UK national insurance number
bool ipv4_public_shape(std::string_view text);  // octets in range, not loopback, any, or broadcast
bool ipv6_valid(std::string_view text);
bool bitcoin_base58_valid(std::string_view text);  // base58check
// North American area and exchange, or an international number of plausible length and country code.
bool phone_valid(std::string_view text);
bool date_valid(std::string_view text);  // y-m-d, d/m/y, m/d/y, d.m.y

double shannon_entropy(std::string_view text);  // bits a character
bool looks_like_uuid(std::string_view text);
bool all_hex(std::string_view text);

}  // namespace sentinel::analysis
