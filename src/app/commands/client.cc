#include "app/commands/client.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include "base/strings.h"
#include "net/http_client.h"
#include "text/json_text.h"

namespace sentinel::app {
namespace json = boost::json;
namespace {

// Characters, not bytes: good enough for column widths.
size_t display_width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

std::string shorten(std::string text, size_t max) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  if (display_width(text) <= max) return text;
  return std::string(utf8_prefix(text, max - 1)) + "…";
}

// The message of a problem document, or of Prometheus's envelope.
std::string error_message(const net::Response& response) {
  boost::system::error_code ec;
  const json::value body = json::parse(response.body, ec);
  if (!ec && body.is_object()) {
    for (const std::string_view name : {"detail", "error"}) {
      const json::value* value = body.get_object().if_contains(name);
      if (value != nullptr && value->is_string()) return std::string(value->get_string());
    }
  }
  return fmt::format("HTTP {} {}", response.status, net::reason_phrase(response.status));
}

ErrorCode code_of(int status) {
  switch (status) {
    case 401: return ErrorCode::kUnauthenticated;
    case 403: return ErrorCode::kPermissionDenied;
    case 404: return ErrorCode::kNotFound;
    case 409: return ErrorCode::kConflict;
    case 503: return ErrorCode::kUnavailable;
    default: return status < 500 ? ErrorCode::kInvalidArgument : ErrorCode::kInternal;
  }
}

}  // namespace

int report(const Error& error) {
  fmt::print(stderr, "sentinel: {}\n", error.to_string());
  return exit_code(error.code());
}

void add_client_options(CLI::App& command, ClientOptions& options) {
  command.add_option("--url", options.url, "address of the server")->envname("SENTINEL_URL")->capture_default_str();
  command.add_option("--token", options.token, "bearer token, when the server asks for one")->envname("SENTINEL_TOKEN");
  command.add_option("-o,--output", options.output, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

Result<std::string> request_text(const ClientOptions& options, std::string_view method, const std::string& path,
                                 const std::string& body, std::string_view accept, std::string_view type) {
  net::ClientRequest request;
  request.method = std::string(method);
  request.url = options.url + path;
  request.headers.set("Accept", accept);
  if (!body.empty()) request.headers.set("Content-Type", type);
  if (!options.token.empty()) request.headers.set("Authorization", "Bearer " + options.token);
  const char* user = std::getenv("USER");
  request.headers.set("X-Sentinel-User", user == nullptr ? "cli" : user);
  request.headers.set("X-Sentinel-Source", "cli");
  request.body = body;
  const Result<net::Response> response = net::fetch_blocking(std::move(request));
  if (!response) {
    return fail(ErrorCode::kUnavailable, fmt::format("{}: {}; is `sentinel serve` running? --url sets the address",
                                                     options.url, response.error().message()));
  }
  if (response->status >= 400) return fail(code_of(response->status), error_message(*response));
  return response->body;
}

Result<json::value> request_json(const ClientOptions& options, std::string_view method, const std::string& path,
                                 const std::string& body, std::string_view type) {
  SENTINEL_ASSIGN(const std::string text, request_text(options, method, path, body, "application/json", type));
  boost::system::error_code ec;
  json::value value = json::parse(text, ec);
  if (ec) return fail(ErrorCode::kInternal, fmt::format("{}{} did not answer with JSON", options.url, path));
  return value;
}

std::string format_table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows,
                         size_t cell_max) {
  std::vector<std::vector<std::string>> cells{header};
  for (const auto& row : rows) {
    auto& out = cells.emplace_back();
    for (const std::string& cell : row) out.push_back(shorten(cell, cell_max));
  }
  std::vector<size_t> widths(header.size(), 0);
  for (const auto& row : cells) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::string out;
  for (const auto& row : cells) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line += std::string(widths[i] - display_width(row[i]) + 2, ' ');
    }
    out += line + "\n";
  }
  return out;
}

std::string cell_text(const json::value& value) {
  if (value.is_null()) return "";
  if (value.is_string()) return std::string(value.get_string());
  return text::serialize(value);
}

std::string field(const json::value& object, std::string_view name) {
  if (!object.is_object()) return "";
  const json::value* value = object.get_object().if_contains(name);
  return value == nullptr ? "" : cell_text(*value);
}

}  // namespace sentinel::app
