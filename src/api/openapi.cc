#include "api/openapi.h"

#include <string>

#include "base/check.h"

namespace sentinel::api {
namespace {

net::Task<void> serve(net::Exchange* exchange) {
  net::Response response = net::json_response(200, std::string(openapi_document()));
  response.headers.set("Cache-Control", "no-cache");  // another version of the binary has another document
  (void)co_await exchange->respond(std::move(response));
}

}  // namespace

std::string_view openapi_document() {
  SENTINEL_CHECK(openapi_files().size() == 1);
  return openapi_files().front().content;
}

void add_openapi_routes(net::Router& router) { router.add("GET", "/sentinel/v1/openapi.json", serve); }

}  // namespace sentinel::api
