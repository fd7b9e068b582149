#include "net/http.h"

#include <algorithm>

#include "base/strings.h"

namespace sentinel::net {
namespace {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

void append_clean(std::string& out, std::string_view value) {
  for (char c : value) out += (c == '\r' || c == '\n' || c == '\0') ? ' ' : c;
}

}  // namespace

bool header_name_equals(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i] && lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

bool has_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (header_name_equals(trim(list.substr(0, comma)), token)) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

std::string_view Headers::get(std::string_view name) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].name_size != name.size()) continue;
    const Field field = at(i);
    if (header_name_equals(field.first, name)) return field.second;
  }
  return {};
}

bool Headers::has(std::string_view name) const {
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (header_name_equals(at(i).first, name)) return true;
  }
  return false;
}

void Headers::set(std::string_view name, std::string_view value) {
  remove(name);
  add(name, value);
}

void Headers::add(std::string_view name, std::string_view value) {
  Slot slot{};
  slot.name = static_cast<uint32_t>(bytes_.size());
  slot.name_size = static_cast<uint32_t>(name.size());
  append_clean(bytes_, name);
  slot.value = static_cast<uint32_t>(bytes_.size());
  slot.value_size = static_cast<uint32_t>(value.size());
  append_clean(bytes_, value);
  slots_.push_back(slot);
}

void Headers::remove(std::string_view name) {
  size_t kept = 0;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (!header_name_equals(at(i).first, name)) slots_[kept++] = slots_[i];
  }
  slots_.resize(kept);
}

void Headers::clear() {
  bytes_.clear();
  slots_.clear();
}

void Headers::assign(std::string_view bytes, const Slot* slots, size_t count) {
  bytes_.assign(bytes);
  slots_.assign(slots, slots + count);
}

Params Params::parse(std::string_view encoded) {
  Params params;
  while (!encoded.empty()) {
    const size_t end = std::min(encoded.find('&'), encoded.size());
    const std::string_view pair = encoded.substr(0, end);
    encoded.remove_prefix(std::min(end + 1, encoded.size()));
    if (pair.empty()) continue;
    const size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view key = pair.substr(0, equals);
    const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
    // A malformed escape is kept as it was written: it is somebody's value, not a reason to lose it.
    params.add(url_decode(key, true).value_or(std::string(key)), url_decode(value, true).value_or(std::string(value)));
  }
  return params;
}

std::string_view Params::get(std::string_view name) const {
  for (const auto& [key, value] : pairs_) {
    if (key == name) return value;
  }
  return {};
}

bool Params::has(std::string_view name) const {
  return std::any_of(pairs_.begin(), pairs_.end(), [&](const auto& pair) { return pair.first == name; });
}

std::vector<std::string> Params::all(std::string_view name) const {
  std::vector<std::string> values;
  for (const auto& [key, value] : pairs_) {
    if (key == name) values.push_back(value);
  }
  return values;
}

Status split_target(Request& request) {
  const std::string_view target = request.target;
  const size_t question = std::min(target.find('?'), target.size());
  const std::string_view raw = target.substr(0, question);
  if (raw.find('%') == std::string_view::npos) {
    request.path.assign(raw);
  } else {
    auto decoded = url_decode(raw, false);
    if (!decoded || decoded->find('\0') != std::string::npos) {
      return fail(ErrorCode::kInvalidArgument, "malformed % escape in the request path");
    }
    request.path = std::move(*decoded);
  }
  request.query = question == target.size() ? Params() : Params::parse(target.substr(question + 1));
  return {};
}

Response json_response(int status, std::string body) {
  Response response;
  response.status = status;
  response.headers.add("content-type", "application/json");
  response.body = std::move(body);
  return response;
}

Response text_response(int status, std::string body) {
  Response response;
  response.status = status;
  response.headers.add("content-type", "text/plain; charset=utf-8");
  response.body = std::move(body);
  return response;
}

namespace {

Response problem(int status, const Error& error, std::string_view code) {
  std::string body = "{\"type\":\"about:blank\",\"title\":";
  append_json_quoted(body, reason_phrase(status));
  body += ",\"status\":" + std::to_string(status) + ",\"detail\":";
  append_json_quoted(body, error.to_string());
  body += ",\"code\":";
  append_json_quoted(body, code);
  if (error.position()) {
    body += ",\"line\":" + std::to_string(error.position()->line);
    body += ",\"column\":" + std::to_string(error.position()->column);
  }
  body += "}";
  Response response;
  response.status = status;
  response.headers.add("content-type", "application/problem+json");
  response.body = std::move(body);
  return response;
}

}  // namespace

Response problem_response(const Error& error) {
  return problem(http_status(error.code()), error, error_code_name(error.code()));
}

Response no_route_response(const Request& request, const std::vector<std::string>& allowed) {
  if (allowed.empty()) return problem_response(Error(ErrorCode::kNotFound, "no such path: " + request.path));
  const std::string methods = join(allowed, ", ");
  const Error error(ErrorCode::kInvalidArgument, request.path + " has no " + request.method + "; it has " + methods);
  Response response = problem(405, error, "method_not_allowed");
  response.headers.set("allow", methods);
  return response;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 424: return "Failed Dependency";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return status < 400 ? "OK" : "Error";
  }
}

}  // namespace sentinel::net
