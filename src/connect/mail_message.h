#pragma once
// A mail as a person wrote it: the little of RFC 5322 and MIME that a reply needs. A parser of outside bytes; pure.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace sentinel::connect {

struct Mail {
  std::vector<std::pair<std::string, std::string>> headers;  // names in small letters, values unfolded
  std::string text;                                          // of the first text part, UTF-8

  std::string_view header(std::string_view name) const;  // the first, "" when absent
};

// kInvalidArgument: no headers.
Result<Mail> parse_mail(std::string_view bytes);
// What was written above the quoted message and the signature.
std::string written_part(std::string_view text);
// Sent by a program: out of office, bounces, lists.
bool is_automatic(const Mail& mail);
// The token of "reply+TOKEN@example.org" in a list of addresses, where `address` is "reply@example.org"; "": none.
std::string token_in(std::string_view addresses, std::string_view address);
std::string address_with(std::string_view address, std::string_view token);

}  // namespace sentinel::connect
