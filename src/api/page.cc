#include "api/page.h"

#include <algorithm>
#include <span>
#include <string>

#include "api/page_assets.h"
#include "base/strings.h"

namespace sentinel::api {
namespace {

constexpr std::string_view kPolicy =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri "
    "'none'";

std::string_view content_type(std::string_view path) {
  const std::string_view extension = path.substr(std::min(path.rfind('.'), path.size()));
  if (extension == ".html") return "text/html; charset=utf-8";
  if (extension == ".js") return "text/javascript; charset=utf-8";
  if (extension == ".css") return "text/css; charset=utf-8";
  if (extension == ".svg") return "image/svg+xml";
  if (extension == ".png") return "image/png";
  if (extension == ".json" || extension == ".webmanifest") return "application/json";
  if (extension == ".woff2") return "font/woff2";
  return "application/octet-stream";
}

const PageAsset* find_asset(std::string_view path) {
  const auto assets = page_assets();
  const auto it = std::find_if(assets.begin(), assets.end(), [&](const PageAsset& a) { return a.path == path; });
  return it == assets.end() ? nullptr : &*it;
}

net::Response asset_response(const PageAsset& asset) {
  net::Response response;
  response.body = std::string(asset.content);
  response.headers.set("Content-Type", content_type(asset.path));
  response.headers.set("Cache-Control",
                       asset.path.starts_with("/assets/") ? "public, max-age=31536000, immutable" : "no-cache");
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Referrer-Policy", "no-referrer");
  response.headers.set("Content-Security-Policy", kPolicy);
  return response;
}

bool is_api_path(std::string_view path) {
  for (const std::string_view prefix :
       {"/api/", "/v1/", "/v1beta/", "/sentinel/", "/-/", "/debug/", "/datadog/", "/metrics", "/federate"}) {
    if (path.starts_with(prefix)) return true;
  }
  return false;
}

// /incidents/INC-1 is a screen of the page, which routes by the fragment.
bool is_screen_path(std::string_view path) { return !is_api_path(path) && path.find('.') == std::string_view::npos; }

// The path was decoded: what came in must not break out of the header.
std::string encoded_path(std::string_view path) {
  std::string out;
  for (const std::string_view part : split(path.substr(1), '/')) out += "/" + url_encode(part);
  return out;
}

net::Response redirect_to_screen(std::string_view path) {
  net::Response response;
  response.status = 302;
  response.headers.set("Location", "/#" + encoded_path(path));
  return response;
}

net::Task<void> serve(net::Exchange* exchange) {
  const net::Request& request = exchange->request();
  const std::string path = request.path == "/" ? "/index.html" : request.path;
  const PageAsset* asset = find_asset(path);
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (asset != nullptr && reads) {
    (void)co_await exchange->respond(asset_response(*asset));
  } else if (reads && is_screen_path(path)) {
    (void)co_await exchange->respond(redirect_to_screen(path));
  } else {
    (void)co_await exchange->respond(
        net::problem_response(Error(ErrorCode::kNotFound, "no such path: " + request.path)));
  }
}

}  // namespace

bool is_page_path(std::string_view path) { return path == "/" || find_asset(path) != nullptr || is_screen_path(path); }

void add_page_routes(net::Router& router) {
  router.add("GET", "/", serve);
  router.set_fallback(serve);
}

}  // namespace sentinel::api
