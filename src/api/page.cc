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

// What index.html says of the server behind it; web/src/lib/mode.ts reads it.
constexpr std::string_view kServeMode = R"(name="sentinel-mode" content="serve")";
constexpr std::string_view kAlertmanagerMode = R"(name="sentinel-mode" content="alertmanager")";

net::Response alertmanager_response_of(const PageAsset& asset) {
  net::Response response = asset_response(asset);
  if (asset.path != "/index.html") return response;
  if (const size_t at = response.body.find(kServeMode); at != std::string::npos)
    response.body.replace(at, kServeMode.size(), kAlertmanagerMode);
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

net::Response redirect(std::string where) {
  net::Response response;
  response.status = 302;
  response.headers.set("Location", std::move(where));
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
    (void)co_await exchange->respond(redirect("/#" + encoded_path(path)));
  } else {
    (void)co_await exchange->respond(
        net::problem_response(Error(ErrorCode::kNotFound, "no such path: " + request.path)));
  }
}

net::Task<void> serve_asset(net::Exchange* exchange, const PageAsset* asset) {
  (void)co_await exchange->respond(alertmanager_response_of(*asset));
}

net::Task<void> serve_redirect(net::Exchange* exchange, std::string where) {
  (void)co_await exchange->respond(redirect(std::move(where)));
}

}  // namespace

bool is_page_path(std::string_view path) { return path == "/" || find_asset(path) != nullptr || is_screen_path(path); }

void add_alertmanager_page_routes(net::Router& router, const std::string& prefix) {
  for (const PageAsset& asset : page_assets()) {
    const net::Handler handler = [&asset](net::Exchange* exchange) -> net::Task<void> {
      return serve_asset(exchange, &asset);
    };
    router.add("GET", prefix + std::string(asset.path), handler);
    if (asset.path == "/index.html") router.add("GET", prefix + "/", handler);
  }
  if (prefix.empty()) return;
  // The page's addresses are relative: they need the slash at the end.
  for (const std::string& path : {std::string("/"), prefix})
    router.add("GET", path,
               [where = prefix + "/"](net::Exchange* exchange) { return serve_redirect(exchange, where); });
}

void add_page_routes(net::Router& router) {
  router.add("GET", "/", serve);
  router.set_fallback(page_handler());
}

net::Handler page_handler() { return serve; }

}  // namespace sentinel::api
