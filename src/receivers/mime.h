#pragma once
// What an e-mail is written in: encoded headers, quoted-printable bodies, addresses, dates. Pure functions.

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace sentinel::receivers {

// RFC 2047 with the Q encoding, as Go's mime.QEncoding: plain ASCII stays, all else becomes encoded words of at most 75
// characters. Line ends never survive.
std::string q_encode_header(std::string_view text);
// RFC 2045; lines of at most 76 characters that end in CRLF.
std::string quoted_printable(std::string_view text);
// "Fri, 02 Jan 2026 03:04:05 +0000".
std::string mail_date(TimePoint t);
// "message-id" becomes "Message-Id".
std::string canonical_header(std::string_view name);
// The addresses of `Jo <jo@example.org>, "Doe, A" <a@example.org>, b@example.org`. kInvalidArgument: none, or
// malformed.
Result<std::vector<std::string>> parse_address_list(std::string_view text);

}  // namespace sentinel::receivers
