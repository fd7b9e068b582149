#include "connect/mail_message.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/strings.h"
#include "connect/limits.h"

namespace sentinel::connect {
namespace {

constexpr int kPartsDeepMax = 5;
constexpr size_t kPartsMax = 50;
constexpr size_t kTokenBytesMax = 64;

// A line without its end; `text` moves on.
std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

using Headers = std::vector<std::pair<std::string, std::string>>;

std::string_view value_of(const Headers& headers, std::string_view name) {
  for (const auto& [known, value] : headers) {
    if (known == name) return value;
  }
  return {};
}

// Up to the empty line, which is taken too.
Headers take_headers(std::string_view& text) {
  Headers out;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) break;
    if ((line.front() == ' ' || line.front() == '\t') && !out.empty()) {
      out.back().second += " " + std::string(trim(line));
      continue;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;  // mbox's "From ..." and worse
    out.emplace_back(to_lower(trim(line.substr(0, colon))), std::string(trim(line.substr(colon + 1))));
  }
  return out;
}

// Of `multipart/mixed; boundary="x"`.
std::string parameter(std::string_view value, std::string_view name) {
  const std::string lower = to_lower(value);
  const size_t at = lower.find(std::string(name) + "=");
  if (at == std::string::npos) return "";
  std::string_view rest = value.substr(at + name.size() + 1);
  if (rest.starts_with('"')) return std::string(rest.substr(1, std::min(rest.find('"', 1), rest.size()) - 1));
  return std::string(rest.substr(0, std::min(rest.find_first_of("; \t"), rest.size())));
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

std::string unquoted(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    const std::string_view rest = text.substr(i + 1);
    if (rest.starts_with("\r\n")) {
      i += 2;
    } else if (rest.starts_with("\n")) {
      i += 1;
    } else if (rest.size() >= 2 && hex_digit(rest[0]) >= 0 && hex_digit(rest[1]) >= 0) {
      out += static_cast<char>(hex_digit(rest[0]) * 16 + hex_digit(rest[1]));
      i += 2;
    } else {
      out += '=';
    }
  }
  return out;
}

std::string decoded(const Headers& headers, std::string_view body) {
  const std::string coding = to_lower(value_of(headers, "content-transfer-encoding"));
  std::string out(body);
  if (coding == "quoted-printable") out = unquoted(body);
  if (coding == "base64") {
    std::erase_if(out, [](char c) { return c == '\r' || c == '\n' || c == ' '; });
    out = base64_decode(out).value_or("");
  }
  return to_valid_utf8(out);
}

std::string without_tags(std::string_view html) {
  std::string out;
  bool inside = false;
  for (const char c : html) {
    if (c == '<') inside = true;
    if (!inside) out += c;
    if (c == '>') {
      inside = false;
      out += ' ';
    }
  }
  return out;
}

struct Found {
  std::optional<std::string> plain;
  std::optional<std::string> html;
  size_t parts = 0;
};

void look(const Headers& headers, std::string_view body, int depth, Found& found) {
  if (depth > kPartsDeepMax || ++found.parts > kPartsMax) return;
  const std::string_view type = value_of(headers, "content-type");
  const std::string kind = to_lower(trim(type.substr(0, std::min(type.find(';'), type.size()))));
  if (kind.starts_with("multipart/")) {
    const std::string boundary = "--" + parameter(type, "boundary");
    if (boundary.size() == 2) return;
    size_t at = body.find(boundary);
    while (at != std::string_view::npos) {
      std::string_view part = body.substr(at + boundary.size());
      if (part.starts_with("--")) return;
      (void)take_line(part);
      const size_t end = part.find("\n" + boundary);
      std::string_view whole = part.substr(0, end);
      const Headers inner = take_headers(whole);
      look(inner, whole, depth + 1, found);
      if (end == std::string_view::npos || found.parts > kPartsMax) return;
      at = static_cast<size_t>(part.data() - body.data()) + end + 1;
    }
    return;
  }
  if (value_of(headers, "content-disposition").starts_with("attachment")) return;
  if (!found.plain && (kind.empty() || kind == "text/plain")) found.plain = decoded(headers, body);
  if (!found.html && kind == "text/html") found.html = without_tags(decoded(headers, body));
}

// "On Monday, Ada wrote:", which programs put above what they quote.
bool begins_quote(std::string_view line) {
  const std::string_view text = trim(line);
  if (text.starts_with('>') || text == "--" || line == "-- ") return true;
  if (text.starts_with("-----Original Message") || text.starts_with("________________")) return true;
  if (text.starts_with("From:") || text.starts_with("Von:") || text.starts_with("De :")) return true;
  const bool named = text.starts_with("On ") || text.starts_with("Am ") || text.starts_with("Le ");
  return named && text.ends_with(':');
}

}  // namespace

std::string_view Mail::header(std::string_view name) const { return value_of(headers, name); }

Result<Mail> parse_mail(std::string_view bytes) {
  Mail out;
  out.headers = take_headers(bytes);
  if (out.headers.empty()) return fail(ErrorCode::kInvalidArgument, "not a mail: it has no headers");
  Found found;
  look(out.headers, bytes, 0, found);
  out.text = found.plain ? *found.plain : found.html.value_or("");
  return out;
}

std::string written_part(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::string_view rest = text;
    const std::string_view line = take_line(rest);
    if (begins_quote(line)) break;
    // "On Monday, Ada Lovelace <ada@example.org>" and "wrote:" on two lines.
    const std::string_view words = trim(line);
    std::string_view after = rest;
    if (words.starts_with("On ") && trim(take_line(after)).ends_with("wrote:")) break;
    out += std::string(line) + "\n";
    text = rest;
  }
  return std::string(trim(out));
}

bool is_automatic(const Mail& mail) {
  const std::string submitted = to_lower(mail.header("auto-submitted"));
  if (!submitted.empty() && !submitted.starts_with("no")) return true;
  const std::string precedence = to_lower(mail.header("precedence"));
  if (precedence == "bulk" || precedence == "junk" || precedence == "list" || precedence == "auto_reply") return true;
  return !mail.header("x-autoreply").empty() || !mail.header("x-autorespond").empty() ||
         !mail.header("list-id").empty() || mail.header("return-path") == "<>";
}

std::string token_in(std::string_view addresses, std::string_view address) {
  const size_t at = address.find('@');
  const std::string lower = to_lower(addresses);
  const std::string before = to_lower(address.substr(0, at)) + "+";
  const std::string after = to_lower(address.substr(std::min(at, address.size())));
  for (size_t found = lower.find(before); found != std::string::npos; found = lower.find(before, found + 1)) {
    const size_t begin = found + before.size();
    const size_t end = lower.find('@', begin);
    const bool whole = found == 0 || std::string_view("<,; \t\"").find(lower[found - 1]) != std::string_view::npos;
    if (end == std::string::npos || !whole || end - begin > kTokenBytesMax) continue;
    if (lower.compare(end, after.size(), after) != 0) continue;
    const std::string_view tail = std::string_view(lower).substr(end + after.size());
    const bool ends = tail.empty() || std::string_view(">,; \t\"").find(tail.front()) != std::string_view::npos;
    if (ends) return std::string(addresses.substr(begin, end - begin));
  }
  return "";
}

std::string address_with(std::string_view address, std::string_view token) {
  const size_t at = std::min(address.find('@'), address.size());
  return fmt::format("{}+{}{}", address.substr(0, at), token, address.substr(at));
}

}  // namespace sentinel::connect
