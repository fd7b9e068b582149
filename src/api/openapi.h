#pragma once
// /sentinel/v1/openapi.json: our own API described in OpenAPI 3.1, written by hand in openapi/openapi.json and built
// in. Tests hold it against the routes that are served (app) and against live answers (tests/acceptance).

#include <span>
#include <string_view>

#include "net/http_server.h"

namespace sentinel::api {

struct OpenApiFile {
  std::string_view path;
  std::string_view content;
};
std::span<const OpenApiFile> openapi_files();  // made at build time; one file

std::string_view openapi_document();
void add_openapi_routes(net::Router& router);

}  // namespace sentinel::api
